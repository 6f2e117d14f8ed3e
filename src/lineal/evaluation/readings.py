"""What is read off one answer of the model when tokens are gone: F, its probability, how far the whole distribution has moved.

Readings are objectives made of the explained one. They are only ever evaluated, never differentiated.
"""

from __future__ import annotations

from lineal.metrics.catalogue import Need
from lineal.models.base import TextModel
from lineal.models.encoded import Encoded
from lineal.models.forward import answer
from lineal.objectives.scores import Objective
from lineal.objectives.wrap import Beside, Hellinger, Probability, root_probabilities


def with_probability(objective: Objective) -> Beside:
    """Return F beside its probability; F twice where it has none (`has`)."""
    log_prob = objective.as_log_prob()
    return Beside(objective, (objective if log_prob is None else Probability(log_prob),))


def hellinger(model: TextModel, encoded: Encoded, objective: Objective) -> Hellinger:
    """Return the distance to the distribution of the full text, for an objective that `has` one. One forward pass."""
    full = answer(model, encoded, objective.positions[:1])
    return Hellinger(root_probabilities(full if full.dim() == 1 else full[0]), objective.positions)


def has(objective: Objective) -> tuple[Need, ...]:
    """Return what an explained output has: a probability of its own, a softmax distribution it is read off, both or neither."""
    needs: dict[Need, bool] = {"probability": objective.as_log_prob() is not None, "distribution": objective.is_softmax}
    return tuple(need for need, there in needs.items() if there)
