"""`lineal pair MODEL A B`: which words of two texts make them similar?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from lineal.cli import common
from lineal.cli.groups import takes_groups
from lineal.cli.shared import DecompositionName, ModeName, Shared, SimilarityName
from lineal.errors import OptionError
from lineal.records.attribution import Attribution
from lineal.records.pair import PairAttribution


@takes_groups
def pair(
    model: common.ModelName,
    a: Annotated[str, typer.Argument(metavar="A", help="The first text; - reads it from standard input.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The second text.")],
    *,
    target: common.TargetSpec = None,
    unit: common.Unit = None,
    similarity: SimilarityName = "cosine",
    decomposition: DecompositionName = "projected",
    mode: ModeName = "auto",
    trust: common.Trust = False,
    shared: Shared,
) -> None:
    """Explain two texts: where their similarity, or the score a model gives the pair, comes from.

    A sentence encoder gives the word × word matrix and what both texts share with empty texts. A classifier that reads pairs (a
    cross-encoder) gives one row of scores over both texts, for --target label:NAME or labels.
    """
    from lineal import targets
    from lineal.evaluation.trust import examine
    from lineal.evaluation.trust_pair import examine_pair
    from lineal.targets import spelling as specs
    from lineal.verbs.pair import explain_pair
    from lineal.verbs.text import explain

    loaded = shared.load(model, PairAttribution, Attribution)
    first, second = common.read_text(a), common.read_text(b)
    if loaded.card.kind == "classifier":
        if (similarity, decomposition, mode) != ("cosine", "projected", "auto"):
            raise OptionError(
                f"--similarity, --decomposition and --mode are for sentence encoders; {loaded.card.name} reads both texts at once"
            )
        asked = ((first, second), specs.target(target, unit, usual=targets.default(loaded)))
        scored = explain(loaded, *asked, **shared.settings)
        shared.deliver(scored, _panels(trust, shared, lambda: examine(loaded, *asked, record=scored, **shared.settings)[1]))
        return
    if target is not None or unit is not None:
        raise OptionError(f"--target and --unit are for classifiers of pairs; {loaded.card.name} is of kind {loaded.card.kind}")
    how = {"similarity": similarity, "decomposition": decomposition, "mode": mode, **shared.settings}
    record = explain_pair(loaded, first, second, **how)
    shared.deliver(record, _panels(trust, shared, lambda: examine_pair(loaded, first, second, record=record, **how)[1]))


def _panels(trust: bool, shared: Shared, examination: Callable[[], Any]) -> list[Any]:
    return common.examined([None], lambda _: examination(), quiet=shared.as_json) if trust else []
