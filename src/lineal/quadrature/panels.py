"""What every schedule checks, and where to stand at a kink of the path."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lineal.errors import OptionError
from lineal.quadrature.contract import Bools, Floats

STEP_ASIDE = 2.0**-40  # far below any spacing that matters, far above float64 rounding of an alpha
HUGE = 1e100  # derivatives beyond are as good as infinite, and their squares would overflow


def check_tol(tol: float) -> float:
    """Return tol. Raises OptionError unless it is positive."""
    if not tol > 0:
        raise OptionError(f"tol is {tol}; it must be above 0")
    return tol


def checked_breaks(breaks: Sequence[float]) -> Floats:
    """Return the breaks as an array. Raises OptionError unless they increase from 0 to 1."""
    edges = np.asarray(breaks, dtype=np.float64)
    if edges.ndim != 1 or len(edges) < 2 or edges[0] != 0 or edges[-1] != 1 or not np.all(np.diff(edges) > 4 * STEP_ASIDE):
        raise OptionError(f"breaks must increase from 0 to 1, these are {list(breaks)}")
    return edges


def inside(alphas: Floats, pieces: NDArray[np.int64], edges: Floats) -> Floats:
    """Return alphas moved into their piece where they stand on a break: the velocity of the path jumps there, and a rule that ends at
    the break wants the value of its own side. The ends 0 and 1 stay."""
    low, high = edges[pieces], edges[pieces + 1]
    return np.clip(alphas, np.where(low > 0, low + STEP_ASIDE, 0.0), np.where(high < 1, high - STEP_ASIDE, 1.0))


def is_number(numbers: Floats) -> Bools:
    """Return, elementwise, whether this is a number one can go on with: not NaN, not infinite, not about to overflow."""
    good: Bools = np.abs(numbers) < HUGE
    return good
