"""The straight line from baseline to input: Integrated Gradients (Sundararajan, Taly & Yan, ICML 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
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
