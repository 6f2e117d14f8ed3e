"""The default schedule: bisect where the integral is not yet known, reuse every point, stop when the error is small enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineal.errors import OptionError
from lineal.quadrature.contract import Ask, Bools, Floats, Integral, Stop
from lineal.quadrature.panels import check_tol, checked_breaks, inside
from lineal.quadrature.stencils import cell_integrals

HIGH, LOW = 6, 4  # nodes per stencil of the value, and of the poorer value it is compared with
FIRST_CELLS = 8
LOCAL, TOTAL, DIFFERENCE = 2.0, 3.0, 0.5
GRADING = 4.0  # no cell is more than this many times wider than its neighbour
KEEP = 0.5
STALE, QUIET = 3, 0.03
NARROWEST = 2.0**-30


@dataclass(frozen=True)
class Estimate:
    """What one mesh says. value: (k, t). cells: (c, g) error of each cell. shares: (c, g) L1 mass of each cell. mass, error: (g,).

    g is 1 where the outputs are pooled into one vector and k otherwise.
    """

    value: Floats
    cells: Floats
    shares: Floats
    mass: Floats
    error: Floats


class Adaptive:
    def __init__(
        self, tol: float = 0.01, max_evaluations: int = 1000, *, breaks: Sequence[float] = (0.0, 1.0), pooled: bool = False
    ) -> None:
        check_tol(tol)
        edges = checked_breaks(breaks)
        cells = max(2, FIRST_CELLS // (len(edges) - 1))  # per segment
        self._tol, self._limit, self._pooled = tol, max_evaluations, pooled
        self._nodes = np.concatenate([np.linspace(a, b, cells + 1) for a, b in zip(edges[:-1], edges[1:], strict=True)])
        self._segments = np.repeat(np.arange(len(edges) - 1), cells + 1)
        if len(self._nodes) > max_evaluations:
            raise OptionError(f"max_evaluations is {max_evaluations}; the first round alone takes {len(self._nodes)}")
        self._edges = edges
        self._values = self._derivatives = np.empty(0)
        self._splits: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._ask: Ask | None = Ask(inside(self._nodes, self._segments, edges), np.empty(0))

    def ask(self) -> Ask | None:
        return self._ask

    def tell(self, values: Floats, derivatives: Floats, ends: Floats) -> None:
        if self._values.size == 0:
            self._begin(values, derivatives)
        else:
            self._insert(values, derivatives)
        estimate = self._estimate()
        self._note_progress(estimate)
        picks = self._stop_or_pick(estimate)
        self._next(picks)

    def integral(self) -> Integral:
        assert self._ask is None, "the integration has not ended"
        k = len(self._value)
        spread = (lambda a: np.broadcast_to(a, (k,)).copy()) if self._pooled else (lambda a: a)
        stops = self._stops * k if self._pooled else self._stops
        return Integral(self._value, spread(self._error), self._values[0], self._values[-1], len(self._nodes), tuple(stops))

    # -- the mesh

    @property
    def _lefts(self) -> NDArray[np.int64]:
        """(c,) index of the left node of every cell."""
        return np.flatnonzero(np.diff(self._segments) == 0)

    def _begin(self, values, derivatives):
        n, k, t = derivatives.shape
        groups = 1 if self._pooled else k
        self._values, self._derivatives = values, derivatives
        self._active = np.ones(groups, dtype=bool)
        self._value = np.zeros((k, t))
        self._error = np.zeros(groups)
        self._stops = [Stop.BUDGET] * groups
        self._density = np.full((len(self._lefts), groups), np.inf)
        self._stale = np.zeros((len(self._lefts), groups), dtype=int)

    def _insert(self, values, derivatives):
        at = self._lefts[self._splits] + 1
        times = np.ones(len(self._lefts), dtype=int)
        times[self._splits] = 2
        self._density, self._stale = np.repeat(self._density, times, axis=0), np.repeat(self._stale, times, axis=0)
        self._fresh = np.repeat(times == 2, times)
        self._nodes = np.insert(self._nodes, at, (self._nodes[at - 1] + self._nodes[at]) / 2)
        self._segments = np.insert(self._segments, at, self._segments[at])
        self._values = np.insert(self._values, at, values, axis=0)
        self._derivatives = np.insert(self._derivatives, at, derivatives, axis=0)

    def _note_progress(self, estimate):
        density = estimate.cells / np.diff(self._nodes)[self._lefts][:, None]
        fresh = getattr(self, "_fresh", np.ones(len(density), bool))[:, None]
        worse = density >= 0.5 * self._density
        self._stale = np.where(fresh, np.where(worse, self._stale + 1, 0), self._stale)
        self._density = density

    def _estimate(self):
        f = self._values
        lefts = self._lefts
        H, D = [], []
        for s in range(len(self._edges) - 1):
            at = self._segments == s
            x, phi = self._nodes[at], self._derivatives[at]
            high = min(HIGH, len(x))
            h = cell_integrals(x, phi, x, high)
            H.append(h)
            D.append(h - cell_integrals(x, phi, x, max(1, high + LOW - HIGH)))
        H, D = np.concatenate(H), np.concatenate(D)
        R = H.sum(-1) - (f[lefts + 1] - f[lefts])
        cells = np.maximum(self._norm(R), DIFFERENCE * self._size(D))
        value = H.sum(0)
        mass = self._size(value)
        total = self._norm(value.sum(-1) - (f[-1] - f[0]))
        error = np.maximum(TOTAL * total, LOCAL * np.sqrt((cells**2).sum(0)))
        return Estimate(value, cells, self._size(H), mass, error)

    def _size(self, x):
        return np.linalg.norm(x, axis=-2).sum(-1)[..., None] if self._pooled else np.abs(x).sum(-1)

    def _norm(self, x):
        return np.linalg.norm(x, axis=-1)[..., None] if self._pooled else np.abs(x)

    def _stop_or_pick(self, est):
        score = np.zeros(len(est.cells))
        for g in np.flatnonzero(self._active):
            goal = self._tol * est.mass[g]
            if est.error[g] <= goal:
                self._freeze(g, est, Stop.CONVERGED)
                continue
            noisy = (self._stale[:, g] >= STALE) & (est.cells[:, g] <= QUIET * est.shares[:, g])
            can = ~noisy & (np.diff(self._nodes)[self._lefts] > NARROWEST)
            if not can.any():
                self._freeze(g, est, Stop.ROUNDING)
                continue
            c = np.where(can, est.cells[:, g], 0)
            order = np.argsort(-c)
            rest = np.sqrt(np.maximum(0, (c**2).sum() - np.cumsum(c[order] ** 2))) * LOCAL
            k = int(np.argmax(rest <= KEEP * goal)) + 1
            big = order[:k]
            big = big[c[big] > 0]
            if c.max() * 1e3 < 0 or len(big) == 0:
                self._freeze(g, est, Stop.ROUNDING)
                continue
            score[big] = np.maximum(score[big], c[big] / goal if goal > 0 else 1)
        return score

    def _freeze(self, g, est, stop):
        rows = slice(None) if self._pooled else g
        self._value[rows] = est.value[rows]
        self._error[g] = est.error[g]
        self._stops[g] = stop
        self._active[g] = False

    def _next(self, score):
        chosen = score > 0
        widths = np.diff(self._nodes)[self._lefts]
        seg = self._segments[self._lefts]
        touch = seg[1:] == seg[:-1]
        while self._active.any():
            new = widths / np.where(chosen, 2, 1)
            more = np.zeros_like(chosen)
            more[:-1] |= touch & (new[:-1] > GRADING * new[1:])
            more[1:] |= touch & (new[1:] > GRADING * new[:-1])
            more &= ~chosen
            if not more.any():
                break
            chosen |= more
        room = self._limit - len(self._nodes)
        picks = np.flatnonzero(chosen)
        if not self._active.any() or room <= 0:
            if self._active.any():
                est = self._estimate()
                for g in np.flatnonzero(self._active):
                    self._freeze(g, est, Stop.BUDGET)
            self._ask = None
            return
        if len(picks) > room:
            picks = np.sort(picks[np.argsort(-score[picks], kind="stable")[:room]])
        self._splits = picks
        l = self._lefts[picks]
        self._ask = Ask((self._nodes[l] + self._nodes[l + 1]) / 2, np.empty(0), self._active.copy())
