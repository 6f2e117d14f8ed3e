"""What happens to the answer as tokens are removed, strongest first, and the numbers read off that curve. Knows nothing about models.

A curve holds p(x) with the strongest tokens gone, and p with only the strongest kept, at several numbers of tokens. Its numbers:

| name | what | better |
|---|---|---|
| comprehensiveness | mean over {0, 1, 5, 10, 20, 50 %} of p(x) − p(without the strongest) (AOPC; DeYoung et al. 2020, ERASER) | higher |
| sufficiency | mean over the same of p(x) − p(only the strongest) | lower |
| log_odds | log p(without the strongest 20 %) − log p(x) (Sanyal & Ren 2021) | lower |
| deletion | area under (p − p_none)/(p_all − p_none) as tokens go, strongest first (Petsiuk et al. 2018) | lower |
| insertion | the same as tokens come back, strongest first | higher |
| srg | insertion − deletion: removing weakest against strongest first, which cancels much of the operator's own effect | higher |

A share of the tokens is rounded up, so that at least one is removed from a short text. Areas are NaN where all tokens together move p by
less than LEAST: their normalisation would divide by noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BINS = (0.01, 0.05, 0.10, 0.20, 0.50)
GRID = tuple(i / 10 for i in range(11))
LEAST = 0.02
CURVE_METRICS = ("comprehensiveness", "sufficiency", "log_odds", "deletion", "insertion", "srg")


@dataclass(frozen=True)
class Curve:
    """counts: (c,) numbers of tokens, from 0 to all n. without: (c,) p with so many of the strongest gone. only: (c,) p with only these."""

    counts: tuple[int, ...]
    without: Floats
    only: Floats

    def at(self, share: float) -> int:
        """Return the place of a share of all tokens."""
        return self.counts.index(count(share, self.counts[-1]))

    def numbers(self) -> dict[str, float]:
        """Return every number of the table above."""
        bins = [0, *(self.at(share) for share in BINS)]
        p = float(self.without[0])
        deletion, insertion = self.area(self.without), self.area(self.only)
        return {
            "comprehensiveness": float(np.mean(p - self.without[bins])),
            "sufficiency": float(np.mean(p - self.only[bins])),
            "log_odds": log(self.without[self.at(0.2)]) - log(p),
            "deletion": deletion,
            "insertion": insertion,
            "srg": insertion - deletion,
        }

    def area(self, row: Floats) -> float:
        """Return the normalised area under a row, (c,), over the share of tokens."""
        full, none = float(self.without[0]), float(self.without[-1])
        if abs(full - none) < LEAST:
            return float("nan")
        return float(np.trapezoid((row - none) / (full - none), np.array(self.counts) / self.counts[-1]))


def count(share: float, n: int) -> int:
    """Return how many of n tokens a share is, rounded up."""
    return math.ceil(share * n - 1e-9)


def counts(n: int) -> tuple[int, ...]:
    """Return the numbers of tokens a curve needs: the bins and an even grid."""
    return tuple(sorted({count(share, n) for share in (*BINS, *GRID)}))


def ranking(scores: Floats, candidates: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the candidates, (c,) places in scores (n,), highest signed score first; ties in text order."""
    return candidates[np.argsort(-scores[candidates], kind="stable")]


def monotonicity(steps: Floats, slack: float = 1e-9) -> float:
    """Return the share of steps that do not lower p. steps: (n + 1,) p as tokens are added in increasing |score|."""
    return float(np.mean(np.diff(steps) >= -slack))


def log(p: float) -> float:
    """Return log p, finite also for the smallest p."""
    return float(np.log(max(p, float(np.finfo(np.float64).tiny))))
