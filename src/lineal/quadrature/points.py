"""Schedules of methods that do not integrate: the derivative at one point, or F alone. Nothing is estimated, so all is converged."""

from __future__ import annotations

import numpy as np

from lineal.quadrature.contract import Ask, Floats, Integral, Stop


class Slope:
    """The derivative at the end of the path, as the value. One gradient; F at the start is not looked at and given as NaN."""

    def __init__(self) -> None:
        """Have nothing to check."""
        self._result: Integral | None = None

    def ask(self) -> Ask | None:
        """Return α = 1, or None when it has been answered."""
        return Ask(np.ones(1), np.empty(0)) if self._result is None else None

    def tell(self, values: Floats, derivatives: Floats, ends: Floats) -> None:
        """Take the answer; see `Schedule.tell`."""
        f, slope = values[0], derivatives[0]
        finite = np.isfinite(slope).all(axis=-1)
        stops = tuple(Stop.CONVERGED if good else Stop.NOT_FINITE for good in finite)
        error = np.where(finite, 0.0, np.inf)
        self._result = Integral(np.nan_to_num(slope), error, np.full_like(f, np.nan), f, 1, stops)

    def integral(self) -> Integral:
        """Return the derivative; valid once `ask` has returned None."""
        assert self._result is not None, "the integration has not ended"
        return self._result


class Ends:
    """F at both ends of the path (or at the start alone), no gradient; the value is zero for every token."""

    def __init__(self, start_only: bool = False) -> None:
        """Say whether F at the end is wanted; when not it is given as NaN."""
        self._alphas = np.zeros(1) if start_only else np.array([0.0, 1.0])
        self._result: Integral | None = None

    def ask(self) -> Ask | None:
        """Return the ends, or None when they have been answered."""
        return Ask(np.empty(0), self._alphas) if self._result is None else None

    def tell(self, values: Floats, derivatives: Floats, ends: Floats) -> None:
        """Take the answer; see `Schedule.tell`."""
        k, t = derivatives.shape[1:]
        last = ends[1] if len(ends) > 1 else np.full(k, np.nan)
        self._result = Integral(np.zeros((k, t)), np.zeros(k), ends[0], last, 0, (Stop.CONVERGED,) * k)

    def integral(self) -> Integral:
        """Return F at the ends; valid once `ask` has returned None."""
        assert self._result is not None, "the integration has not ended"
        return self._result
