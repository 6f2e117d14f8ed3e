"""Objectives made of other objectives: sums of their outputs, several side by side, read at other positions, as probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lineal.objectives.contract import Branches, Objective, Plain


@dataclass(frozen=True)
class Wrapped:
    """Another objective's scalars, by their names, in their units, from what it reads of the answer: a base for those made of them."""

    inner: Objective

    @property
    def names(self) -> tuple[str, ...]:
        """Those of the inner objective."""
        return self.inner.names

    @property
    def units(self) -> tuple[str, ...]:
        """Those of the inner objective."""
        return self.inner.units

    @property
    def positions(self) -> tuple[int, ...]:
        """Those of the inner objective."""
        return self.inner.positions

    @property
    def rows(self) -> tuple[int, ...] | None:
        """Those of the inner objective."""
        return self.inner.rows

    @property
    def branches(self) -> Branches:
        """Those of the inner objective: they follow the text whatever its length."""
        return self.inner.branches

    @property
    def is_softmax(self) -> bool:
        """As the inner objective."""
        return self.inner.is_softmax

    @property
    def needs_model(self) -> bool:
        """As the inner objective."""
        return self.inner.needs_model

    def as_log_prob(self) -> Objective | None:
        """None: what is made of outputs has no probability of its own."""
        return None

    def __call__(self, answer: Tensor) -> Tensor:
        """Return the inner objective's scalars."""
        return self.inner(answer)


@dataclass(frozen=True)
class Combined(Wrapped):
    """Fixed sums of another objective's outputs, weights (k', k) and a title each. A contrast is (1, −1), a total (1, … 1)."""

    weights: tuple[tuple[float, ...], ...]
    titles: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The titles."""
        return self.titles

    @property
    def units(self) -> tuple[str, ...]:
        """For each sum that of the first output it counts; only outputs of one unit can be added."""
        return tuple(next(unit for unit, weight in zip(self.inner.units, row, strict=True) if weight) for row in self.weights)

    def __call__(self, answer: Tensor) -> Tensor:
        """Return the weighted sums."""
        parts = self.inner(answer)
        return parts @ torch.tensor(self.weights, dtype=parts.dtype, device=parts.device).T


@dataclass(frozen=True)
class Moved(Wrapped):
    """An objective that reads other positions: those its own have moved to."""

    places: tuple[int, ...]

    @property
    def positions(self) -> tuple[int, ...]:
        """The places."""
        return self.places


@dataclass(frozen=True)
class Beside(Wrapped):
    """Several objectives of one answer, (n, k₁ + k₂ + …) in float64. They read the positions and branches of the first, `inner`."""

    others: tuple[Objective, ...]

    @property
    def parts(self) -> tuple[Objective, ...]:
        """All of them."""
        return (self.inner, *self.others)

    @property
    def names(self) -> tuple[str, ...]:
        """The parts' names."""
        return tuple(name for part in self.parts for name in part.names)

    @property
    def units(self) -> tuple[str, ...]:
        """The parts' units."""
        return tuple(unit for part in self.parts for unit in part.units)

    @property
    def rows(self) -> tuple[int, ...] | None:
        """The rows that any part needs; None for all."""
        rows: set[int] = set()
        for part in self.parts:
            if part.rows is None:
                return None
            rows |= set(part.rows)
        return tuple(sorted(rows))

    def __call__(self, answer: Tensor) -> Tensor:
        """Return every part's scalars."""
        return torch.cat([part(self._restricted(answer, part)).double() for part in self.parts], dim=-1)

    def _restricted(self, answer: Tensor, part: Objective) -> Tensor:
        """Return the answer with the rows that one part reads."""
        if part.rows == self.rows or part.rows is None:
            return answer
        columns = part.rows if self.rows is None else tuple(self.rows.index(row) for row in part.rows)
        return answer[..., list(columns)]


@dataclass(frozen=True)
class Probability(Wrapped):
    """exp of a log-probability, in float64: tiny ones stay apart from 0."""

    @property
    def units(self) -> tuple[str, ...]:
        """Probabilities."""
        return ("prob",) * len(self.inner.names)

    def __call__(self, answer: Tensor) -> Tensor:
        """Return p."""
        return self.inner(answer).double().exp()


@dataclass(frozen=True)
class Lead(Wrapped):
    """How far one entry of the answer lies above the highest of the others, at the first position that is read."""

    index: int

    @property
    def names(self) -> tuple[str, ...]:
        """One."""
        return ("lead over the others",)

    @property
    def units(self) -> tuple[str, ...]:
        """Logits."""
        return ("logit",)

    @property
    def rows(self) -> tuple[int, ...] | None:
        """All of them."""
        return None

    def __call__(self, answer: Tensor) -> Tensor:
        """Return (n, 1) leads of an answer (n, V) or (n, p, V)."""
        return self._ahead(answer if answer.dim() == 2 else answer[:, 0])

    def _ahead(self, entries: Tensor) -> Tensor:
        others = torch.cat([entries[:, : self.index], entries[:, self.index + 1 :]], dim=-1)
        return entries[:, self.index, None] - others.max(dim=-1, keepdim=True).values


@dataclass(frozen=True)
class Most(Lead):
    """How far one output of the inner objective lies above the highest of its others."""

    @property
    def rows(self) -> tuple[int, ...] | None:
        """Those of the inner objective."""
        return self.inner.rows

    def __call__(self, answer: Tensor) -> Tensor:
        """Return (n, 1) leads."""
        return self._ahead(self.inner(answer))


@dataclass(frozen=True)
class Hellinger(Plain):
    """‖√P − √P_x‖₂ / √2 of the softmax at the first position that is read, from 0 (the same) to 1. roots: (V,) √P_x of the full text."""

    roots: Tensor
    positions: tuple[int, ...]
    names: tuple[str, ...] = ("Hellinger distance",)
    units: tuple[str, ...] = ("distance",)
    rows: tuple[int, ...] | None = None

    def __call__(self, answer: Tensor) -> Tensor:
        """Return (n, 1) distances of an answer (n, V) or (n, p, V)."""
        roots = root_probabilities(answer if answer.dim() == 2 else answer[:, 0])
        apart: Tensor = torch.linalg.vector_norm(roots - self.roots.to(roots), dim=-1, keepdim=True)
        return apart / 2**0.5


def root_probabilities(logits: Tensor) -> Tensor:
    """Return √P of the softmax of logits (…, V), in float64."""
    return torch.softmax(logits.double(), dim=-1).sqrt()
