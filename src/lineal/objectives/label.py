"""Scalars of an answer per class, (n, C): the classes of one text."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lineal.objectives.contract import Plain
from lineal.objectives.units import Activation, Unit, in_unit


@dataclass(frozen=True)
class ClassScore(Plain):
    """Scores of k classes in one unit. Answer (n, C) → (n, k)."""

    classes: tuple[int, ...]
    names: tuple[str, ...]
    unit: Unit = "logit"
    activation: Activation = "softmax"
    positions: tuple[int, ...] = ()
    rows: tuple[int, ...] | None = None

    @property
    def units(self) -> tuple[str, ...]:
        """The same unit for every class."""
        return (self.unit,) * len(self.classes)

    @property
    def is_softmax(self) -> bool:
        """Whether the classes exclude one another."""
        return self.activation == "softmax"

    def as_log_prob(self) -> ClassScore | None:
        """Return the classes' log-probabilities; None for a regression."""
        return None if self.activation == "none" else replace(self, unit="log_prob")

    def __call__(self, answer: Tensor) -> Tensor:
        """Return the chosen classes' scores in the unit."""
        return torch.stack([in_unit(answer, c, self.unit, self.activation) for c in self.classes], dim=-1)


@dataclass(frozen=True)
class EntailmentScore(Plain):
    """Entailment against contradiction, neutral left out. Answer (n, C) → (n, 1)."""

    entailment: int
    contradiction: int
    label: str
    unit: str
    positions: tuple[int, ...] = ()
    rows: tuple[int, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The label."""
        return (self.label,)

    @property
    def units(self) -> tuple[str, ...]:
        """The unit."""
        return (self.unit,)

    def as_log_prob(self) -> EntailmentScore:
        """Return the log-probability."""
        return replace(self, unit="log_prob")

    def __call__(self, answer: Tensor) -> Tensor:
        """Return z_entailment − z_contradiction, or its sigmoid, or the logarithm of that."""
        odds = (answer[:, self.entailment] - answer[:, self.contradiction])[:, None]
        if self.unit == "log_odds":
            return odds
        return torch.sigmoid(odds) if self.unit == "prob" else torch.nn.functional.logsigmoid(odds)
