"""`lineal pair MODEL A B`: which words of two texts make them similar?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any

import typer

from lineal.cli import deliver, files, options
from lineal.errors import OptionError
from lineal.records.attribution import Attribution
from lineal.records.pair import PairAttribution

FRAMING = [field.name for field in fields(options.Framing)]
"""What of `options.Reading` a matrix of two texts may have."""


@options.takes_groups
def pair(
    model: options.ModelName,
    a: Annotated[str, typer.Argument(metavar="A", help="The first text; - reads it from standard input.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The second text.")],
    *,
    target: options.TargetSpec = None,
    unit: options.Unit = None,
    similarity: options.SimilarityName = "cosine",
    decomposition: options.DecompositionName = "projected",
    mode: options.ModeName = "auto",
    baseline: options.BaselineName = None,
    precision: options.Precision,
    reading: options.Reading,
    delivery: options.Delivery,
    trust: options.Trust = False,
    loading: options.Loading,
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

    deliver.check_out(delivery.out, PairAttribution, Attribution)
    deliver.check_trust(trust, reading.layer)
    how = {"baseline": baseline, **options.settings(precision), **options.settings(reading)}
    loaded = loading.load(model)
    first, second = files.read_text(a), files.read_text(b)
    if loaded.card.kind == "classifier":
        if (similarity, decomposition, mode) != ("cosine", "projected", "auto"):
            raise OptionError(
                f"--similarity, --decomposition and --mode are for sentence encoders; {loaded.card.name} reads both texts at once"
            )
        asked = ((first, second), specs.target(target, unit, usual=targets.default(loaded)))
        scored = explain(loaded, *asked, **how)
        deliver.deliver(scored, delivery, _panels(trust, delivery, lambda: examine(loaded, *asked, record=scored, **how)[1]))
        return
    if target is not None or unit is not None:
        raise OptionError(f"--target and --unit are for classifiers of pairs; {loaded.card.name} is of kind {loaded.card.kind}")
    if given := [name for name, value in options.settings(reading).items() if value is not None and name not in FRAMING]:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise OptionError(f"{flags}: for classifiers of pairs; {loaded.card.name} is of kind {loaded.card.kind}")
    fitting = {name: value for name, value in how.items() if name in FRAMING or name not in options.settings(reading)}
    how = {"similarity": similarity, "decomposition": decomposition, "mode": mode, **fitting}
    record = explain_pair(loaded, first, second, **how)
    deliver.deliver(record, delivery, _panels(trust, delivery, lambda: examine_pair(loaded, first, second, record=record, **how)[1]))


def _panels(trust: bool, delivery: options.Delivery, examination: Callable[[], Any]) -> list[Any]:
    return deliver.examined([None], lambda _: examination(), quiet=delivery.as_json) if trust else []
