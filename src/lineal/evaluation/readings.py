"""What is read off one answer of the model when tokens are gone: F, its probability, how far the whole distribution has moved.

Readings are objectives made of the explained one. They are only ever evaluated, never differentiated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

from lineal.metrics.catalogue import Need
from lineal.models.base import Encoded, TextModel, answer
from lineal.objectives.scores import ClassScore, Objective, SequenceScore, TokenScore, Unit
from lineal.objectives.wrap import Beside, Combined, Hellinger, Probability, _roots


def with_probability(objective: Objective) -> Beside:
    """Return F beside its probability; F twice where it has none (`has`)."""
    return Beside((objective, _probability(objective) or objective))


def hellinger(model: TextModel, encoded: Encoded, objective: Objective) -> Hellinger:
    """Return the distance to the distribution of the full text, for an objective that `has` one. One forward pass."""
    full = answer(model, encoded, objective.positions[:1])
    return Hellinger(_roots(full if full.dim() == 1 else full[0]), objective.positions)


def has(objective: Objective) -> tuple[Need, ...]:
    """Return what an explained output has: a probability of its own, a softmax distribution it is read off, both or neither."""
    found: Sequence[tuple[Need, bool]] = (
        ("probability", _probability(objective) is not None),
        ("distribution", _is_softmax(objective)),
    )
    return tuple(need for need, there in found if there)


def _probability(objective: Objective) -> Probability | None:
    """Return p of the explained output; None for similarities, regressions and differences of two outputs."""
    if getattr(objective, "activation", "softmax") == "none":
        return None
    if isinstance(objective, SequenceScore):
        log_prob: Unit = "log_prob"
        return Probability(replace(objective, units=(log_prob,) * len(objective.units)))
    if any(entry.name == "unit" for entry in fields(objective)):  # type: ignore[arg-type]
        return Probability(replace(objective, unit="log_prob"))  # type: ignore[type-var]
    return None


def _is_softmax(objective: Objective) -> bool:
    if isinstance(objective, Combined):
        return _is_softmax(objective.parts)
    if isinstance(objective, ClassScore):
        return objective.activation == "softmax"
    return isinstance(objective, (TokenScore, SequenceScore))
