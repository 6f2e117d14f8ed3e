"""How tokens are taken out of a text: replaced by a filling, deleted, or hidden from attention. Used by occlusion and by the metrics.

A removal gives a `Problem` that only ever answers F. Which one is used matters: a text without the token lies off the data whatever is
done, and a filling equal to an attribution's own baseline favours that attribution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lineal.engine.field import Problem
from lineal.engine.integrate import Budget, Task, integrate
from lineal.models.base import TextModel
from lineal.models.encoded import Encoded
from lineal.objectives.contract import Objective
from lineal.objectives.wrap import Moved
from lineal.paths import Straight
from lineal.quadrature.fixed import Ends

Gone = NDArray[np.bool_]


@dataclass(frozen=True)
class Subject:
    """A text whose tokens can be removed. embeds: (t, d) its input. fill: (t, d) what `replaced` puts in place of a token."""

    encoded: Encoded
    embeds: Tensor
    fill: Tensor
    objective: Objective


Removal = Callable[[Subject, Gone], Problem]


def replaced(subject: Subject, gone: Gone) -> Problem:
    """Put the filling in place of the tokens; positions stay."""
    where = torch.as_tensor(gone, device=subject.embeds.device)[:, None]
    return _still(subject.encoded, torch.where(where, subject.fill.to(subject.embeds), subject.embeds), subject.objective)


def deleted(subject: Subject, gone: Gone) -> Problem:
    """Close up over the tokens: those behind move forward. A read position that is deleted moves to the last kept token before it.

    A model cannot read nothing: where no token would be left, the first one stays, with the filling as its embedding.
    """
    if gone.all():
        subject, gone = replace(subject, embeds=subject.fill), np.arange(len(gone)) > 0
    kept, encoded = [int(i) for i in np.flatnonzero(~gone)], subject.encoded
    shorter = replace(
        encoded,
        features={name: value[torch.as_tensor(kept)] for name, value in encoded.features.items()},
        tokens=tuple(encoded.tokens[i] for i in kept),
        offsets=tuple(encoded.offsets[i] for i in kept),
        segments=tuple(encoded.segments[i] for i in kept),
        word_ids=tuple(encoded.word_ids[i] for i in kept),
        roles=tuple(encoded.roles[i] for i in kept),
    )
    moved = tuple(max(0, p - int(gone[: p + 1].sum())) for p in subject.objective.positions)
    objective = Moved(subject.objective, moved) if moved else subject.objective
    return _still(shorter, subject.embeds[torch.as_tensor(kept, device=subject.embeds.device)], objective)


def hidden(subject: Subject, gone: Gone) -> Problem:
    """Keep the tokens and let nobody attend to them (attention mask 0); positions stay."""
    mask = subject.encoded.features.get("attention_mask", torch.ones(len(subject.encoded), dtype=torch.int64))
    features = subject.encoded.features | {"attention_mask": torch.where(torch.as_tensor(gone), 0, mask)}
    return _still(replace(subject.encoded, features=features), subject.embeds, subject.objective)


REMOVALS: dict[str, Removal] = {"replace": replaced, "delete": deleted, "attention": hidden}


def values(model: TextModel, problems: Iterable[Problem], budget: Budget) -> NDArray[np.float64]:
    """Return (n, k) F of many removals: one forward pass each, in full batches."""
    return np.array([integral.f_start for integral in integrate(model, (Task(p, Ends(start_only=True)) for p in problems), budget)])


def _still(encoded: Encoded, embeds: Tensor, objective: Objective) -> Problem:
    return Problem(encoded, Straight(embeds, embeds), objective)
