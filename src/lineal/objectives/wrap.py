"""Objectives made of other objectives: sums of their outputs, several side by side, read at other positions, as probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lineal.objectives.scores import Branches, Objective, branches


@dataclass(frozen=True)
class Combined:
    """Fixed sums of another objective's outputs: weights (k', k). A contrast is (1, −1), a total (1, … 1)."""

    parts: Objective
    weights: tuple[tuple[float, ...], ...]
    names: tuple[str, ...]
    units: tuple[str, ...]

    @property
    def positions(self) -> tuple[int, ...]:
        """Those of the parts."""
        return self.parts.positions

    @property
    def rows(self) -> tuple[int, ...] | None:
        """Those of the parts."""
        return self.parts.rows

    @property
    def branches(self) -> Branches:
        """Those of the parts."""
        return branches(self.parts)

    def __call__(self, answer: Tensor) -> Tensor:
        """Return the weighted sums."""
        parts = self.parts(answer)
        return parts @ torch.tensor(self.weights, dtype=parts.dtype, device=parts.device).T


@dataclass(frozen=True)
class Moved:
    """An objective that reads other positions: those its own have moved to."""

    inner: Objective
    positions: tuple[int, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The inner objective's names."""
        return self.inner.names

    @property
    def units(self) -> tuple[str, ...]:
        """The inner objective's units."""
        return self.inner.units

    @property
    def rows(self) -> tuple[int, ...] | None:
        """The inner objective's rows."""
        return self.inner.rows

    @property
    def branches(self) -> Branches:
        """The inner objective's branches: they follow the text whatever its length."""
        return branches(self.inner)

    def __call__(self, answer: Tensor) -> Tensor:
        """Return the inner objective's scalars."""
        return self.inner(answer)


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


def _roots(logits: Tensor) -> Tensor:
    return torch.softmax(logits.double(), dim=-1).sqrt()
