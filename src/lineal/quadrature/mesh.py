"""The points an adaptive schedule has seen, the cells between them, and what they say about the integral."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lineal.quadrature.contract import Bools, Floats
from lineal.quadrature.panels import inside, is_number
from lineal.quadrature.stencils import cell_integrals

# Calibrated on recorded fields and on closed forms, not derived; see docs/quadrature.md.
SAFETY = 2.0  # on the root of the summed squares of the cells' errors
TOTAL_SAFETY = 1.5  # on the residual of the whole: tokens that cancel hide a part of their error from it
ONE_SIDED = 4.0  # the first and last cell of a piece see the integrand from one side only, and two orders agree there too easily


@dataclass(frozen=True)
class Estimate:
    """What a mesh of c cells says about r outputs, in g groups: one per output, or one in all where outputs are pooled.

    value: (r, t). errors, shares: (c, g) error and L1 mass of each cell. scale: (g,) the largest |F| seen. mass, error: (g,) of the
    whole. order_error: (g,) the part of the error by which two orders differ. dead: (c, g) how many ends of the cell, 0 to 2, have a
    derivative or an F that is not finite.
    """

    value: Floats
    errors: Floats
    shares: Floats
    scale: Floats
    mass: Floats
    error: Floats
    order_error: Floats
    dead: NDArray[np.int64]


class Mesh:
    """Sorted nodes, those of one piece of the path after those of another; both sides of a break have a node of their own."""

    def __init__(self, edges: Floats, cells: int) -> None:
        """Lay the first nodes: `cells` equal cells on every piece."""
        self._edges = edges
        self.nodes = np.concatenate([np.linspace(a, b, cells + 1) for a, b in pairwise(edges)])
        self._pieces = np.repeat(np.arange(len(edges) - 1), cells + 1)
        self.values = np.empty((0, 0))
        self._derivatives = np.empty((0, 0, 0))

    def __len__(self) -> int:
        """Return the number of points evaluated or asked for at first."""
        return len(self.nodes)

    @property
    def alphas(self) -> Floats:
        """(n,) where the nodes are evaluated: at breaks a hair inside their piece."""
        return inside(self.nodes, self._pieces, self._edges)

    @property
    def shape(self) -> tuple[int, int]:
        """(k, t): outputs and tokens."""
        return self._derivatives.shape[1], self._derivatives.shape[2]

    @property
    def lefts(self) -> NDArray[np.int64]:
        """(c,) index of the left node of every cell."""
        return np.flatnonzero(np.diff(self._pieces) == 0)

    @property
    def widths(self) -> Floats:
        """(c,) width of every cell."""
        return np.diff(self.nodes)[self.lefts]

    @property
    def touching(self) -> Bools:
        """(c − 1,) true where a cell and the next one share a node."""
        same: Bools = np.diff(self._pieces[self.lefts]) == 0
        return same

    def middles(self, cells: NDArray[np.int64]) -> Floats:
        """(m,) the points that halve these cells."""
        return self.nodes[self.lefts[cells]] + self.widths[cells] / 2

    def begin(self, values: Floats, derivatives: Floats) -> None:
        """Take the answers at the first nodes."""
        self.values, self._derivatives = np.array(values, np.float64), np.array(derivatives, np.float64)

    def split(self, cells: NDArray[np.int64], values: Floats, derivatives: Floats) -> None:
        """Halve these cells; values and derivatives are the answers at their middles."""
        at = self.lefts[cells] + 1
        self.nodes = np.insert(self.nodes, at, self.middles(cells))
        self._pieces = np.insert(self._pieces, at, self._pieces[at - 1])
        self.values = np.insert(self.values, at, values, axis=0)
        self._derivatives = np.insert(self._derivatives, at, derivatives, axis=0)

    def estimate(self, rows: NDArray[np.int64], pooled: bool) -> Estimate:
        """Return what is known about the outputs `rows`; the others are not looked at.

        A cell's error e is the larger of its own residual, known exactly because F is, and the L1 distance of two orders. Where the
        integrand is rough the signs of the cells' errors are unrelated and the whole has about √Σe²; where they agree, as along a
        power law, the distance of the two orders' sums shows it. The error of the whole is the largest of SAFETY · √Σe², of that distance,
        and of TOTAL_SAFETY · |residual of the whole|.
        """
        f, derivatives = self.values[:, rows], self._derivatives[:, rows]
        f = np.where(is_number(f), f, np.nan)
        finite = np.isfinite(f) & is_number(derivatives).all(axis=-1)  # (n, r)
        if pooled:
            finite = np.repeat(finite.all(axis=1, keepdims=True), len(rows), axis=1)
        size, norm = (_pooled_size, _pooled_norm) if pooled else (_size, np.abs)
        high, low = self._integrals(derivatives, finite)
        value, steps = high.sum(axis=0), f[self.lefts + 1] - f[self.lefts]  # (r, t), (c, r)
        differences = size(high - low)
        differences[np.append(True, ~self.touching) | np.append(~self.touching, True)] *= ONE_SIDED
        errors = np.maximum(_known(norm(high.sum(axis=-1) - steps)), differences)
        whole = _known(norm(value.sum(axis=-1) - (f[-1] - f[0])))
        alive = finite[:, :1] if pooled else finite
        errors[:, ~alive.any(axis=0)] = np.inf
        signed = size((high - low).sum(axis=0))
        error = np.maximum(np.maximum(TOTAL_SAFETY * whole, signed), joint(errors))
        scale = norm(np.nan_to_num(f)).max(axis=0)
        dead = 2 - alive[self.lefts].astype(np.int64) - alive[self.lefts + 1]
        return Estimate(value, errors, size(high), scale, size(value), error, joint(differences), dead)

    def _integrals(self, derivatives: Floats, finite: Bools) -> tuple[Floats, Floats]:
        """(c, r, t) high and low; outputs that lack the same nodes go together, nearly always all of them."""
        high = np.zeros((len(self.lefts), *derivatives.shape[1:]))
        low = np.zeros_like(high)
        patterns, members = np.unique(finite, axis=1, return_inverse=True)
        for index, alive in enumerate(patterns.T):
            rows = np.flatnonzero(members.ravel() == index)
            for piece in range(len(self._edges) - 1):
                cells = np.flatnonzero(self._pieces[self.lefts] == piece)
                nodes = np.flatnonzero(self._pieces == piece)
                whole = _bridged(self.nodes[nodes], derivatives[np.ix_(nodes, rows)], alive[nodes])
                high[np.ix_(cells, rows)], low[np.ix_(cells, rows)] = whole
        return high, low


def _bridged(nodes: Floats, samples: Floats, alive: Bools) -> tuple[Floats, Floats]:
    """Integrate over the cells of one piece. Beside a dead node the nearest living one stands for the cell, and the low value is zero."""
    if alive.all():
        return cell_integrals(nodes, samples)
    living = np.flatnonzero(alive)
    high = np.zeros((len(nodes) - 1, *samples.shape[1:]))
    low = np.zeros_like(high)
    if len(living) == 0:
        return high, low
    sound = alive[1:] & alive[:-1]
    if sound.any():
        position = (np.cumsum(alive) - 1)[:-1][sound]  # of the left end among the living
        high[sound], low[sound] = (integral[position] for integral in cell_integrals(nodes[alive], samples[alive]))
    for cell in np.flatnonzero(~sound):
        nearest = living[np.argmin(np.abs(nodes[living] - (nodes[cell] + nodes[cell + 1]) / 2))]
        high[cell] = (nodes[cell + 1] - nodes[cell]) * samples[nearest]
    return high, low


def joint(errors: Floats) -> Floats:
    """Return (g,): the error of the sum of cells (c, g) whose errors have unrelated signs."""
    root: Floats = SAFETY * np.sqrt((errors**2).sum(axis=0))
    return root


def running_joint(errors: Floats) -> Floats:
    """Return (c,): the joint error of the first one, two, three … of the cells (c,)."""
    roots: Floats = SAFETY * np.sqrt(np.cumsum(errors**2))
    return roots


def _known(residual: Floats) -> Floats:
    return np.where(np.isnan(residual), np.inf, residual)


def _size(rows: Floats) -> Floats:
    """(…, k): Σ over tokens of |x|."""
    total: Floats = np.abs(rows).sum(axis=-1)
    return total


def _pooled_size(rows: Floats) -> Floats:
    """(…, 1): Σ over tokens of the Euclidean norm over outputs."""
    total: Floats = np.sqrt((rows**2).sum(axis=-2)).sum(axis=-1, keepdims=True)
    return total


def _pooled_norm(rows: Floats) -> Floats:
    """(…, 1): Euclidean norm over outputs."""
    total: Floats = np.sqrt((rows**2).sum(axis=-1, keepdims=True))
    return total
