"""What is read off one answer of the model when tokens are gone: F, its probability, how far the whole distribution has moved.

Readings are objectives made of the explained one. They are only ever evaluated, never differentiated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from lineal.metrics.catalogue import Need
from lineal.models.base import Encoded, TextModel, answer
from lineal.objectives import Branches, ClassScore, Combined, Objective, SequenceScore, TokenScore, Unit, branches


@dataclass(frozen=True)
class Beside:
    """Several objectives of one answer, (n, k₁ + k₂ + …) in float64. They read the positions and branches of the first."""

    parts: tuple[Objective, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The parts' names."""
        return tuple(name for part in self.parts for name in part.names)

    @property
    def units(self) -> tuple[str, ...]:
        """The parts' units."""
        return tuple(unit for part in self.parts for unit in part.units)

    @property
    def positions(self) -> tuple[int, ...]:
        """The first part's positions."""
        return self.parts[0].positions

    @property
    def rows(self) -> tuple[int, ...] | None:
        """The rows that any part needs; None for all."""
        found = [part.rows for part in self.parts]
        return tuple(sorted({row for rows in found if rows is not None for row in rows})) if None not in found else None

    @property
    def branches(self) -> Branches:
        """The first part's branches."""
        return branches(self.parts[0])

    def __call__(self, answer: Tensor) -> Tensor:
        """Return every part's scalars."""
        return torch.cat([part(self._seen(part, answer)).double() for part in self.parts], dim=-1)

    def _seen(self, part: Objective, answer: Tensor) -> Tensor:
        if part.rows == self.rows or part.rows is None:
            return answer
        where = part.rows if self.rows is None else tuple(self.rows.index(row) for row in part.rows)
        return answer[..., list(where)]


@dataclass(frozen=True)
class Probability:
    """exp of a log-probability, in float64: tiny ones stay apart from 0."""

    log: Objective

    @property
    def names(self) -> tuple[str, ...]:
        """The inner names."""
        return self.log.names

    @property
    def units(self) -> tuple[str, ...]:
        """Probabilities."""
        return ("prob",) * len(self.log.names)

    @property
    def positions(self) -> tuple[int, ...]:
        """The inner positions."""
        return self.log.positions

    @property
    def rows(self) -> tuple[int, ...] | None:
        """The inner rows."""
        return self.log.rows

    @property
    def branches(self) -> Branches:
        """The inner branches."""
        return branches(self.log)

    def __call__(self, answer: Tensor) -> Tensor:
        """Return p."""
        return self.log(answer).double().exp()


@dataclass(frozen=True)
class Hellinger:
    """‖√P − √P_x‖₂ / √2 of the softmax at the first position that is read, from 0 (the same) to 1. roots: (V,) √P_x of the full text."""

    roots: Tensor
    positions: tuple[int, ...]
    names: tuple[str, ...] = ("Hellinger distance",)
    units: tuple[str, ...] = ("distance",)
    rows: tuple[int, ...] | None = None

    def __call__(self, answer: Tensor) -> Tensor:
        """Return (n, 1) distances of an answer (n, V) or (n, p, V)."""
        roots = _roots(answer if answer.dim() == 2 else answer[:, 0])
        apart: Tensor = torch.linalg.vector_norm(roots - self.roots.to(roots), dim=-1, keepdim=True)
        return apart / 2**0.5


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


def _roots(logits: Tensor) -> Tensor:
    return torch.softmax(logits.double(), dim=-1).sqrt()
