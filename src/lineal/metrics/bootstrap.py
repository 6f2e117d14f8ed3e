"""How sure a mean over texts is: paired bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean over n texts and the bounds that hold it with 95 % confidence."""

    mean: float
    low: float
    high: float
    n: int


def interval(values: Floats, draws: int = 2000, seed: int = 0) -> Interval:
    """Return mean and percentile interval over texts. values: (n,), NaN where a text has none."""
    found = values[np.isfinite(values)]
    if len(found) == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    picks = np.random.default_rng([seed, len(found)]).integers(0, len(found), (draws, len(found)))
    low, high = np.quantile(found[picks].mean(axis=1), [0.025, 0.975])
    return Interval(float(found.mean()), float(low), float(high), len(found))


def difference(values: Floats, control: Floats, draws: int = 2000, seed: int = 0) -> Interval:
    """Return the interval of the mean paired difference values − control, each (n,), over texts where both are known."""
    return interval(values - control, draws, seed)
