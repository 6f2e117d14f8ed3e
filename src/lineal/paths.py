"""γ: how the text is reached from the baseline. Knows nothing about models.

The straight line gives Integrated Gradients (Sundararajan, Taly & Yan, ICML 2017); methods over words make polylines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Path(Protocol):
    """γ from baseline γ(0) to input γ(1), one curve per token. Owns (input − baseline); never calls a model."""

    @property
    def name(self) -> str:
        """What the record calls this path."""
        ...

    @property
    def breaks(self) -> tuple[float, ...]:
        """0, the kinks of the path, 1: quadrature panels never reach across one."""
        ...

    def at(self, alphas: Sequence[float]) -> Tensor:
        """Return the points γ(α), (n, t, d)."""
        ...

    def velocity(self, alphas: Sequence[float]) -> Tensor:
        """Return γ′(α), (n, t, d) or (1, t, d) when it is constant; exactly 0 for tokens that do not move."""
        ...


@dataclass(frozen=True)
class Straight:
    """γ(α) = start + α (end − start). start, end: (t, d) of one dtype; exact at both ends."""

    start: Tensor
    end: Tensor

    @property
    def name(self) -> str:
        """The record's word for it."""
        return "straight"

    @property
    def breaks(self) -> tuple[float, ...]:
        """No kinks."""
        return (0.0, 1.0)

    def at(self, alphas: Sequence[float]) -> Tensor:
        """Return (n, t, d) points."""
        weights = torch.tensor(alphas, dtype=torch.float64).to(self.end)
        return torch.lerp(self.start, self.end, weights[:, None, None])  # (n, t, d)

    def velocity(self, alphas: Sequence[float]) -> Tensor:
        """Return the constant difference (1, t, d)."""
        return (self.end - self.start)[None]


@dataclass(frozen=True)
class Drawn:
    """Straight lines to one end from starts that are drawn while there is need of more; α of the j-th, from 0, is 2 j + α.

    chunk: gives the c-th `size` starts, (size, t, d), the same ones every time. end: (t, d).
    """

    chunk: Callable[[int], Tensor]
    size: int
    end: Tensor

    @property
    def name(self) -> str:
        """The record's word for it."""
        return "straight"

    @property
    def breaks(self) -> tuple[float, ...]:
        """No kinks, of any line."""
        return (0.0, 1.0)

    def line(self, j: int) -> Straight:
        """Return the j-th line."""
        return Straight(self.chunk(j // self.size)[j % self.size], self.end)

    def at(self, alphas: Sequence[float]) -> Tensor:
        """Return (n, t, d) points."""
        which = np.floor(np.asarray(alphas, dtype=np.float64) / 2)
        weights = torch.as_tensor(np.asarray(alphas, dtype=np.float64) - 2 * which).to(self.end)
        return torch.lerp(self._starts(which), self.end, weights[:, None, None])

    def velocity(self, alphas: Sequence[float]) -> Tensor:
        """Return (n, t, d) differences."""
        return self.end - self._starts(np.floor(np.asarray(alphas, dtype=np.float64) / 2))

    def _starts(self, which: NDArray[np.float64]) -> Tensor:
        lines = which.astype(np.int64)
        chunks = {int(c): self.chunk(int(c)) for c in np.unique(lines // self.size)}
        return torch.stack([chunks[int(j) // self.size][int(j) % self.size] for j in lines])


def lines(path: Path, most: int) -> list[Path]:
    """Return the first lines of a path of many, or the path itself."""
    return [path.line(j) for j in range(most)] if isinstance(path, Drawn) else [path]


@dataclass(frozen=True)
class Polyline:
    """Straight pieces of equal length in α between the vertices (v, t, d); exact at every vertex, which belongs to both its pieces.

    Within 2⁻³⁸ of a kink `at` returns the vertex itself, and `velocity` that of the side α lies on (of the right one at the kink).
    """

    vertices: Tensor
    name: str = "polyline"

    @property
    def breaks(self) -> tuple[float, ...]:
        """0, the kinks, 1."""
        pieces = len(self.vertices) - 1
        return tuple(i / pieces for i in range(pieces + 1))

    def at(self, alphas: Sequence[float]) -> Tensor:
        """Return (n, t, d) points."""
        where, piece = self._place(alphas)
        weights = torch.as_tensor(where - piece).to(self.vertices)
        return torch.lerp(self.vertices[piece], self.vertices[piece + 1], weights[:, None, None])

    def velocity(self, alphas: Sequence[float]) -> Tensor:
        """Return (n, t, d) slopes, in float64."""
        _, piece = self._place(alphas)
        steps = (self.vertices[1:] - self.vertices[:-1])[piece]  # in the dtype of the points, as the sum over a published path has them
        return steps.double() * (len(self.vertices) - 1)

    def _place(self, alphas: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return α in pieces, and the piece it lies on."""
        pieces = len(self.vertices) - 1
        where = np.asarray(alphas, dtype=np.float64) * pieces
        piece = np.clip(np.floor(where), 0, pieces - 1).astype(np.int64)
        vertex = np.round(where)
        snapped = np.where(np.abs(where - vertex) <= pieces * 2.0**-38, vertex, where)
        return snapped, piece
