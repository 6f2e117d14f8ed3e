"""The sums that published paths over words are summed with: one point per vertex of the path, nothing between."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lineal.errors import OptionError, listing
from lineal.quadrature.contract import TOLERANCE, Ask, Floats, Integral, Stop
from lineal.quadrature.panels import check_tol, checked_breaks, inside

SIDES = {"left": (1.0, 0.0), "right": (0.0, 1.0), "trapezoid": (0.5, 0.5)}
"""Weight of the derivative at the left and at the right end of every piece."""


class Vertices:
    """Sum over the straight pieces of a path with the gradient at their left ends, at their right ends, or the mean of both.

    Both sides of a vertex are asked for, since the velocity jumps there; the engine computes their common gradient once, so the cost
    is one gradient per vertex. The stated error is the larger of |residual| and the L1 distance between the one-sided and the trapezoid
    sum: near the truth for left and right, pessimistic for the trapezoid.

    side: left, right or trapezoid. breaks: the vertices, from 0 to 1. Raises OptionError for an unknown side, or for a path without kinks.
    """

    def __init__(self, side: str, tol: float = TOLERANCE, breaks: Sequence[float] = (0.0, 1.0)) -> None:
        """Check the options."""
        if side not in SIDES:
            raise OptionError(f"unknown side {side!r}; choose one of {listing(SIDES)}")
        if len(breaks) < 3:
            raise OptionError(
                f"the rule {side!r} without a number sums over the vertices of a path, and a straight one has none: give {side}:50"
            )
        self._side, self._tol, self._edges = side, check_tol(tol), checked_breaks(breaks)
        self._result: Integral | None = None

    def ask(self) -> Ask | None:
        """Return the two ends of every piece, or None when the integration has ended."""
        if self._result is not None:
            return None
        pieces = np.repeat(np.arange(len(self._edges) - 1), 2)
        ends = np.stack([self._edges[:-1], self._edges[1:]], axis=1).ravel()
        return Ask(inside(ends, pieces, self._edges), np.empty(0))

    def tell(self, values: Floats, derivatives: Floats, ends: Floats) -> None:
        """Take the answers to the last ask, in its order; see `Schedule.tell`."""
        left, right = (np.einsum("p,pkt->kt", np.diff(self._edges), derivatives[side::2]) for side in (0, 1))
        on_left, on_right = SIDES[self._side]
        value, middle = on_left * left + on_right * right, (left + right) / 2
        lower = middle if on_left != on_right else left
        residual = np.abs(value.sum(axis=-1) - (values[-1] - values[0]))
        error = np.maximum(residual, np.abs(value - lower).sum(axis=-1))
        finite = np.isfinite(error)
        good = error <= self._tol * np.abs(value).sum(axis=-1)
        stops = tuple(Stop.NOT_FINITE if not f else Stop.CONVERGED if g else Stop.FIXED for f, g in zip(finite, good, strict=True))
        value, error = np.nan_to_num(value), np.where(finite, error, np.inf)
        self._result = Integral(value, error, values[0], values[-1], len(self._edges), stops)

    def integral(self) -> Integral:
        """Return the result; valid once `ask` has returned None."""
        assert self._result is not None, "the integration has not ended"
        return self._result
