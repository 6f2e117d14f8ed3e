"""The mean of many integrals along lines that are drawn at random: how many to draw, and how exactly to integrate each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lineal.quadrature.contract import Ask, Floats, Integral, Schedule, Stop

FIRST = 8
"""Lines of the first round: fewer say too little about how much they differ."""
LOOSEST, TIGHTEST = 0.1, 0.25
"""Tolerance of a line at most; and at least, as a share of the wanted one."""
BESIDE = 1 / 3
"""Tolerance of a line as a share of the sampling error that is expected: since both fall together, the errors of the lines, averaged over
all that were drawn before, then stay below two thirds of it."""
SAMPLED = 0.6
"""Share of the tolerance that sampling may use up."""
LEAST = 16
"""Gradients of one line at least: a schedule needs so many for a first round and what it says of rounding."""


@dataclass
class _Line:
    """One line. tol: it was integrated to. ask: what it wants now; found: its integral, once it is there."""

    tol: float
    schedule: Schedule | None
    ask: Ask | None = None
    found: Integral | None = None

    def step(self) -> bool:
        """Take the next ask or the integral; return whether anything is asked for."""
        if self.schedule is not None:
            self.ask = self.schedule.ask()
            if self.ask is None:
                self.found, self.schedule = self.schedule.integral(), None
        return self.schedule is not None


class Expectation:
    """Integrate along one line after another, drawn at random, until the mean of the integrals is known to `tol` times its mass.

    What is not known about the mean has two parts. Quadrature: the mean of the lines' own errors, which bounds that of the mean.
    Sampling: Σ_i sᵢ / √n, the standard errors of the n lines' scores, added up over tokens: one standard error, no bound. A row converges
    when both together are within the tolerance. The error of the integral is that of quadrature alone; `spread` and `lines` give the other.

    While few lines are there, sampling outweighs everything, so they are integrated loosely, the later ones more tightly: see `BESIDE`.
    Where quadrature outweighs sampling, the loosest lines are integrated again. α of the j-th line is 2 j + α (`lineal.paths.Drawn`).

    line: gives a schedule for one line from its tolerance and its budget. max_evaluations: gradients of all lines together, never
    exceeded but for the first round of the first lines. most: lines there are. Stops: CONVERGED; DRAWS when the budget ends, or the lines,
    while sampling is the larger part; else the first reason of a line, or BUDGET.
    """

    def __init__(self, line: Callable[[float, int], Schedule], tol: float, max_evaluations: int, most: int) -> None:
        """Begin with the first lines."""
        self._line, self._tol, self._limit, self._most = line, tol, max_evaluations, most
        self._lines: list[_Line] = []
        self._spent = 0
        self._result: Integral | None = None
        first = max(2, min(FIRST, most, max_evaluations // LEAST))
        self._open(range(first), LOOSEST, max_evaluations // first)

    def ask(self) -> Ask | None:
        """Return the points that all open lines want, or None when the mean is known or the budget spent."""
        while self._result is None:
            asked = [(j, line.ask) for j, line in enumerate(self._lines) if line.step() and line.ask is not None]
            if asked:
                alphas, ends = (np.concatenate([2 * j + getattr(ask, name) for j, ask in asked]) for name in ("alphas", "ends"))
                wanted = [ask.outputs for _, ask in asked if ask.outputs is not None]
                return Ask(alphas, ends, np.any(wanted, axis=0) if len(wanted) == len(asked) else None)
            self._go_on()
        return None

    def tell(self, values: Floats, derivatives: Floats, ends: Floats) -> None:
        """Pass the answers on to the lines; see `Schedule.tell`."""
        at, end = 0, 0
        for line in self._lines:
            if line.schedule is not None and line.ask is not None:
                n, e = len(line.ask.alphas), len(line.ask.ends)
                line.schedule.tell(values[at : at + n], derivatives[at : at + n], ends[end : end + e])
                at, end = at + n, end + e

    def integral(self) -> Integral:
        """Return the mean over the lines, with their spread and number; valid once `ask` has returned None."""
        assert self._result is not None, "the integration has not ended"
        return self._result

    def so_far(self) -> Integral | None:
        """Return the mean over the lines of which something is known; None for fewer than two, which have no spread."""
        if self._result is not None:
            return self._result
        known = [line.found or (line.schedule.so_far() if line.schedule is not None else None) for line in self._lines]
        there = [one for one in known if one is not None]
        if len(there) < 2:
            return None
        mean = averaged(there)
        stops = tuple(Stop.STOPPED if stop.converged else stop for stop in mean.stops)
        return replace(mean, evaluations=self._spent + mean.evaluations, stops=stops)

    def _open(self, which: range | list[int], tol: float, most: int) -> None:
        """Begin lines, or begin them again, each with so many gradients at most."""
        for j in which:
            line = _Line(tol, self._line(tol, max(LEAST, most)))
            if j < len(self._lines):
                self._spent += self._found(j).evaluations
                self._lines[j] = line
            else:
                self._lines.append(line)

    def _found(self, j: int) -> Integral:
        found = self._lines[j].found
        assert found is not None, "every line has ended"
        return found

    def _go_on(self) -> None:
        """Draw more lines, integrate some more tightly, or end."""
        every = [self._found(j) for j in range(len(self._lines))]
        mean = averaged(every)
        assert mean.spread is not None
        n, used = len(every), self._spent + mean.evaluations
        mass, sampling = np.abs(mean.value).sum(axis=1), mean.spread.sum(axis=1) / np.sqrt(n)
        unknown = mean.error + sampling > self._tol * mass * (1 + 1e-9)
        cost, left = max(LEAST, round(float(np.median([one.evaluations for one in every])))), self._limit - used
        if not unknown.any() or left < cost or not np.isfinite(mean.error).all():
            return self._end(mean, used, mass, sampling)
        floor = np.maximum(mass, np.finfo(np.float64).tiny)
        s, q = (float((part / floor)[unknown].max()) for part in (sampling, mean.error))
        cancelled = max(1.0, float((np.mean([np.abs(one.value).sum(axis=1) for one in every], axis=0) / floor)[unknown].max()))
        if q > s:
            tol = max(TIGHTEST * self._tol, BESIDE * s) / cancelled
            loose = [j for j, one in enumerate(every) if self._lines[j].tol > 2 * tol and one.stops.count(Stop.CONVERGED) == len(one.stops)]
            loose = sorted(loose, key=lambda j: -self._lines[j].tol)[: left // (2 * cost)]
            if loose:
                return self._open(loose, tol, left // len(loose))
        wanted = min(2 * n, self._most, int(np.ceil(n * min(4.0, s / (SAMPLED * self._tol)) ** 2)))
        more = min(max(1, wanted - n), left // cost, self._most - n)
        if more < 1:
            return self._end(mean, used, mass, sampling)
        tol = max(TIGHTEST * self._tol, BESIDE * s * np.sqrt(n / (n + more))) / cancelled
        return self._open(range(n, n + more), min(LOOSEST, tol), left // more)

    def _end(self, mean: Integral, used: int, mass: Floats, sampling: Floats) -> None:
        known = mean.error + sampling <= self._tol * mass * (1 + 1e-9)
        stops = []
        for c, stop in enumerate(mean.stops):
            reason = Stop.DRAWS if sampling[c] >= mean.error[c] else Stop.BUDGET if stop.converged else stop
            stops.append(Stop.CONVERGED if known[c] else reason)
        self._result = replace(mean, evaluations=used, stops=tuple(stops))


def averaged(integrals: Sequence[Integral]) -> Integral:
    """Return the mean of several integrals, with the standard deviation of their scores where there are two and more.

    The mean of the errors bounds the error of the mean. The stop of an output is the first one that is not success.
    """
    values = np.stack([one.value for one in integrals])  # (n, k, t)
    rows = zip(*(one.stops for one in integrals), strict=True)
    stops = tuple(next((stop for stop in row if not stop.converged), Stop.CONVERGED) for row in rows)
    return Integral(
        value=values.mean(axis=0),
        error=np.mean([one.error for one in integrals], axis=0),
        f_start=np.mean([one.f_start for one in integrals], axis=0),
        f_end=np.mean([one.f_end for one in integrals], axis=0),
        evaluations=sum(one.evaluations for one in integrals),
        stops=stops,
        spread=values.std(axis=0, ddof=1) if len(values) > 1 else None,
        lines=len(values),
    )
