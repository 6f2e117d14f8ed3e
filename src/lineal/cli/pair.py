"""`lineal pair MODEL A B`: which words of two texts make them similar?"""

from __future__ import annotations

from typing import Annotated

import typer

from lineal.cli import common
from lineal.cli.shared import ModeName, Shared, SimilarityName, takes_shared
from lineal.errors import OptionError


@takes_shared
def pair(
    model: common.ModelName,
    a: Annotated[str, typer.Argument(metavar="A", help="The first text; - reads it from standard input.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The second text.")],
    *,
    target: common.TargetSpec = None,
    unit: common.Unit = None,
    similarity: SimilarityName = "cosine",
    mode: ModeName = "auto",
    shared: Shared,
) -> None:
    """Explain two texts: where their similarity, or the score a model gives the pair, comes from.

    A sentence encoder gives the word × word matrix and the parts that are not in it. A classifier that reads pairs (a cross-encoder) gives
    one row of scores over both texts, for --target label:NAME or labels.
    """
    from lineal import specs
    from lineal.pairs import explain_pair
    from lineal.session import explain

    loaded = shared.load(model)
    first, second = common.read_text(a), common.read_text(b)
    if loaded.card.kind == "classifier":
        if (similarity, mode) != ("cosine", "auto"):
            raise OptionError(f"--similarity and --mode are for sentence encoders; {loaded.card.name} reads both texts at once")
        shared.deliver(explain(loaded, (first, second), specs.target(target, unit), **shared.settings))
        return
    if target is not None or unit is not None:
        raise OptionError(f"--target and --unit are for classifiers of pairs; {loaded.card.name} is of kind {loaded.card.kind}")
    shared.deliver(explain_pair(loaded, first, second, similarity=similarity, mode=mode, **shared.settings))
