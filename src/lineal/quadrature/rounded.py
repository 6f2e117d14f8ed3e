"""A schedule that knows how coarsely its integrand is computed: rounding noise is measured along the way and kept in the error.

In bfloat16 every number is rounded to 8 bits, so that derivatives carry noise that no point more can average away for sure: part of it is
the same at neighbouring points. A rule cannot tell it from the integrand, and its own estimate says nothing about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lineal.quadrature.contract import Ask, Floats, Integral, Rule, Stop

WIDE = 3.0
"""Standard deviations at either end of a cell that are taken for rounding of F: three probes know them to within a third."""
SAMPLED = 3
"""Points whose two neighbours are asked for, to see how much derivatives scatter."""


class Rounded:
    """Run another schedule, and add to its error what rounding may contribute.

    Beside the first points it asks for α(1 ± ε/2) at three of them: so close that only rounding tells them apart. The second difference
    of white noise σ is √6 σ, and what is smooth cancels in it; hence σ̂ per output, relative to ‖d‖₁. The integral's error gets
    σ̂ ∫‖d‖₁ dα, as if all samples erred the same way: measured on bfloat16 and float16 models, true errors were 0.4 to 0.7 of that
    (docs/quadrature.md). F scatters too; by how much, the rule is told (`Rule.within`), which would otherwise take every cell's rounding
    of F for an error, divide it by what cancels between tokens, and add it up over ever more cells. An output whose error is then above
    the tolerance ends with ROUNDING in place of CONVERGED, and one whose F jumps too, for steps of F are what rounding makes: whether the
    model itself jumps is told in float32.

    schedule: the rule. epsilon: spacing of the model's numbers around 1. tol: relative, as the rule's. breaks: kinks of the path, which
    probes keep away from. pooled: as in `Adaptive`. Cost: 6 gradients. Not to be trusted where F changes on the scale of ε: the change is
    then taken for noise, and the error is too large. Jumps smaller than the noise of F are known by the difference of two orders alone.
    """

    def __init__(self, schedule: Rule, epsilon: float, tol: float, breaks: Sequence[float] = (0.0, 1.0), pooled: bool = False) -> None:
        """Choose the probes among the first points."""
        self._inner, self._tol, self._pooled, self._half = schedule, tol, pooled, epsilon / 2
        first = schedule.ask()
        assert first is not None, "a schedule asks for something first"
        distance = np.abs(first.alphas[:, None] - np.asarray(breaks)).min(axis=1, initial=1.0)
        free = np.flatnonzero(distance > 2 * self._half * first.alphas)
        self._probes = np.unique(free[np.linspace(0, len(free) - 1, SAMPLED + 2).round().astype(int)[1:-1]]) if len(free) else free
        self._sizes: list[tuple[Floats, Floats]] = []  # (m,) points and (m, k) ‖d‖₁ of each, NaN where not asked for
        self._noise: Floats | None = None

    def ask(self) -> Ask | None:
        """Return what the rule wants, the first time with the neighbours of the probes behind it."""
        ask = self._inner.ask()
        if ask is None or self._noise is not None:
            return ask
        near = ask.alphas[self._probes]
        return replace(ask, alphas=np.concatenate([ask.alphas, near * (1 - self._half), near * (1 + self._half)]))

    def tell(self, values: Floats, derivatives: Floats, ends: Floats) -> None:
        """Keep the sizes, and pass on what belongs to the rule; see `Schedule.tell`."""
        ask = self._inner.ask()
        assert ask is not None, "the integration has ended"
        n = len(ask.alphas)
        if self._noise is None:
            below, above = np.split(derivatives[n:], 2)
            middle = derivatives[self._probes]
            scatter = self._lengths(below - 2 * middle + above).sum(axis=0) / np.sqrt(6)
            sizes = self._lengths(middle).sum(axis=0)
            self._noise = np.divide(scatter, sizes, out=np.zeros_like(scatter), where=sizes > 0)
            self._inner.within(self._spread(values[:n], *np.split(values[n:], 2)))
        lengths = self._lengths(derivatives[:n])
        if ask.outputs is not None and not self._pooled:
            lengths[:, ~ask.outputs] = np.nan
        self._sizes.append((ask.alphas, lengths))
        self._inner.tell(values[:n], derivatives[:n], ends)

    def integral(self) -> Integral:
        """Return the rule's integral with the larger error; valid once `ask` has returned None."""
        return self._with_noise(self._inner.integral())

    def so_far(self) -> Integral | None:
        """Return what the rule knows, with the larger error."""
        inner = self._inner.so_far()
        return None if inner is None else self._with_noise(inner)

    def _with_noise(self, inner: Integral) -> Integral:
        assert self._noise is not None, "something was told"
        error = inner.error + np.nan_to_num(self._noise, nan=np.inf, posinf=np.inf) * self._mean_length()
        error = np.maximum(error, np.abs(inner.residual) if not self._pooled else np.linalg.norm(inner.residual))
        mass = self._lengths(inner.value[None])[0]
        coarse = (s is Stop.JUMP and n > 0 for s, n in zip(inner.stops, self._noise, strict=True))  # which rounding alone can make
        ended = zip(inner.stops, coarse, error, mass, strict=True)
        stops = [Stop.ROUNDING if c or (s.converged and e > self._tol * w) else s for s, c, e, w in ended]
        return replace(inner, error=error, evaluations=inner.evaluations + 2 * len(self._probes), stops=tuple(stops))

    def _spread(self, values: Floats, below: Floats, above: Floats) -> Floats:
        """(k,) twice the spread of F at the probes, and of its last digit at the least; 0 where it does not scatter."""
        scatter = np.sqrt(((below - 2 * values[self._probes] + above) ** 2).sum(axis=0) / 6 / max(1, len(below)))
        digit = 2 * self._half * np.abs(values).max(axis=0) / np.sqrt(12)
        return np.asarray(2 * WIDE * np.where(scatter > 0, np.maximum(scatter, digit), 0.0))

    def _lengths(self, derivatives: Floats) -> Floats:
        """(m, k) Σ_i |d_i| of (m, k, t); pooled, Σ_i ‖d_i‖ over outputs, the same for each."""
        if self._pooled:
            together = np.linalg.norm(derivatives, axis=1).sum(axis=-1, keepdims=True)
            return np.repeat(together, derivatives.shape[1], axis=1)
        return np.asarray(np.abs(derivatives).sum(axis=-1))

    def _mean_length(self) -> Floats:
        """(k,) ∫‖d‖₁ dα: every point stands for its neighbourhood."""
        alphas, lengths = (np.concatenate(part) for part in zip(*self._sizes, strict=True))
        order = np.argsort(alphas, kind="stable")
        means = []
        for column in lengths[order].T:
            there = np.isfinite(column)
            at = alphas[order][there]
            edges = np.concatenate([[0.0], (at[1:] + at[:-1]) / 2, [1.0]])
            means.append(float(np.diff(edges) @ column[there]) if there.any() else 0.0)
        return np.array(means)
