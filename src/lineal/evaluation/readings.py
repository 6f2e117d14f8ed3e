"""What is read off one answer of the model when tokens are gone: F, its probability, how far the whole distribution has moved.

Readings are objectives made of the explained one. They are only ever evaluated, never differentiated.
"""

from __future__ import annotations

from dataclasses import replace

from lineal.metrics.catalogue import Need
from lineal.models.base import TextModel
from lineal.models.encoded import Encoded
from lineal.models.forward import answer
from lineal.objectives.contract import Objective
from lineal.objectives.label import ClassScore, EntailmentScore
from lineal.objectives.sequence import SequenceScore
from lineal.objectives.token import TokenScore
from lineal.objectives.wrap import Beside, Combined, Hellinger, Lead, Most, Probability, root_probabilities


def with_probability(objective: Objective) -> Beside:
    """Return F beside its probability; F twice where it has none (`has`)."""
    log_prob = objective.as_log_prob()
    return Beside(objective, (objective if log_prob is None else Probability(log_prob),))


def hellinger(model: TextModel, encoded: Encoded, objective: Objective) -> Hellinger:
    """Return the distance to the distribution of the full text, for an objective that `has` one. One forward pass."""
    full = answer(model, encoded, objective.positions[:1])
    return Hellinger(root_probabilities(full if full.dim() == 1 else full[0]), objective.positions)


def lead(objective: Objective) -> Objective | None:
    """Return what is above 0 where the model says the one explained output and nothing else; None for what is no prediction.

    A class or a token against the best of all others; an option of a choice against the best of the others; a token against its foil.
    """
    if isinstance(objective, ClassScore) and objective.activation != "none":
        return Lead(objective, objective.classes[0]) if objective.is_softmax else replace(objective, unit="logit")
    if isinstance(objective, TokenScore) and len(objective.tokens) == 1:
        return Lead(objective, objective.tokens[0])
    if isinstance(objective, SequenceScore) and objective.among == "options" and len(objective.sequences) > 1:
        return Most(objective.every, objective.picks[0])
    if isinstance(objective, EntailmentScore):
        return replace(objective, unit="log_odds")
    against = isinstance(objective, Combined) and objective.weights == ((1.0, -1.0),) and objective.is_softmax
    return objective if against else None


def has(objective: Objective) -> tuple[Need, ...]:
    """Return what an explained output has: a probability of its own, a softmax distribution it is read off, a prediction that it is."""
    needs: dict[Need, bool] = {
        "probability": objective.as_log_prob() is not None,
        "distribution": objective.is_softmax,
        "prediction": lead(objective) is not None,
    }
    return tuple(need for need, there in needs.items() if there)
