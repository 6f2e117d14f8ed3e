"""The points an adaptive schedule has seen, the cells between them, and what they say about the integral.

A cell is integrated by the polynomial through the nearest nodes.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lineal.quadrature.contract import Bools, Floats, inside, is_number
from lineal.quadrature.estimate import Estimate, Sizes, judge

ORDER = 6  # nodes per stencil, three on either side of a cell: measured best of 4 to 8, see docs/quadrature.md


class Mesh:
    """Sorted nodes, those of one piece of the path after those of another; both sides of a break have a node of their own."""

    def __init__(self, edges: Floats, cells: int) -> None:
        """Lay the first nodes: `cells` equal cells on every piece."""
        self._edges = edges
        self.nodes = np.concatenate([np.linspace(a, b, cells + 1) for a, b in pairwise(edges)])
        self._pieces = np.repeat(np.arange(len(edges) - 1), cells + 1)
        self.values = np.empty((0, 0))
        self.spread: Floats | None = None
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

    @property
    def outer(self) -> Bools:
        """(c,) true for the first and the last cell of every piece."""
        outer: Bools = np.append(True, ~self.touching) | np.append(~self.touching, True)
        return outer

    def between(self, cells: NDArray[np.int64], aside: float = 0.0) -> Floats:
        """(m,) the middles of these cells, or points `aside` of their width nearer to the closer end of the path."""
        middles = self.nodes[self.lefts[cells]] + self.widths[cells] / 2
        return np.asarray(middles + aside * self.widths[cells] * np.sign(middles - 0.5))

    def begin(self, values: Floats, derivatives: Floats) -> None:
        """Take the answers at the first nodes."""
        self.values, self._derivatives = np.array(values, np.float64), np.array(derivatives, np.float64)

    def split(self, cells: NDArray[np.int64], points: Floats, values: Floats, derivatives: Floats) -> None:
        """Cut these cells, each at its point; values and derivatives are the answers there."""
        at = self.lefts[cells] + 1
        self.nodes = np.insert(self.nodes, at, points)
        self._pieces = np.insert(self._pieces, at, self._pieces[at - 1])
        self.values = np.insert(self.values, at, values, axis=0)
        self._derivatives = np.insert(self._derivatives, at, derivatives, axis=0)

    def estimate(self, rows: NDArray[np.int64], pooled: bool) -> Estimate:
        """Return what is known about the outputs `rows`; the others are not looked at. See `lineal.quadrature.estimate`."""
        sizes = Sizes(pooled)
        f, derivatives = self.values[:, rows], self._derivatives[:, rows]
        f = np.where(is_number(f), f, np.nan)
        finite = np.isfinite(f) & is_number(derivatives).all(axis=-1)  # (n, r)
        if pooled:
            finite = np.repeat(finite.all(axis=1, keepdims=True), len(rows), axis=1)
        high, low = self._integrals(derivatives, finite)
        spread = np.zeros(len(rows)) if self.spread is None else self.spread[rows]
        errors, error, order_error = judge(high, low, f[self.lefts + 1] - f[self.lefts], self.outer, sizes, spread)
        alive = finite[:, :1] if pooled else finite
        errors[:, ~alive.any(axis=0)] = np.inf
        error[~alive.any(axis=0)] = np.inf
        value = high.sum(axis=0)
        scale = sizes.outputs(np.nan_to_num(f)).max(axis=0)
        dead = 2 - alive[self.lefts].astype(np.int64) - alive[self.lefts + 1]
        return Estimate(value, errors, sizes.tokens(high), scale, sizes.tokens(value), error, order_error, dead)

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


def cell_integrals(nodes: Floats, samples: Floats) -> tuple[Floats, Floats]:
    """Return (high, low), each (n − 1, …): two integrals over every [nodes[j], nodes[j + 1]].

    nodes: (n,) increasing. samples: (n, …) the integrand there. high integrates the polynomial through the six nearest nodes and is
    exact to degree 5; low leaves out the farthest of the six and is exact to degree 4. With fewer nodes than six the degrees
    fall to n − 1 and n − 2; a single node has no cells.

    Where neighbouring cells are equally wide the cells' errors telescope: their sum is the trapezoid sum away from the ends, which
    is far more accurate than any one cell.
    """
    order = min(ORDER, len(nodes))
    middles = (nodes[1:] + nodes[:-1]) / 2
    first = np.clip(np.arange(len(middles)) + 1 - order // 2, 0, len(nodes) - order)
    drop_first = middles - nodes[first] > nodes[first + order - 1] - middles
    return _apply(nodes, samples, first, order), _apply(nodes, samples, first + drop_first, order - 1)


def _apply(nodes: Floats, samples: Floats, first: NDArray[np.int64], order: int) -> Floats:
    """Weigh the `order` samples that start at `first`, cell by cell; a loop over the stencil keeps the memory at one result."""
    weights = _weights(nodes, first, order).reshape(len(first), order, *(1,) * (samples.ndim - 1))
    result = np.zeros((len(first), *samples.shape[1:]))
    for step in range(order):
        result += weights[:, step] * samples[first + step]
    return result


def _weights(nodes: Floats, first: NDArray[np.int64], order: int) -> Floats:
    """(cells, order) weights that give every power its moment over the cell, in coordinates scaled to the stencil."""
    middles, halves = (nodes[1:] + nodes[:-1]) / 2, np.diff(nodes)[:, None] / 2
    offsets = nodes[first[:, None] + np.arange(order)] - middles[:, None]  # (cells, order)
    scale = np.abs(offsets).max(axis=1, keepdims=True)
    powers = np.arange(order)
    equations = (offsets / scale)[:, None, :] ** powers[:, None]  # (cells, power, order)
    moments = np.where(powers % 2 == 0, 2 * (halves / scale) ** (powers + 1) / (powers + 1), 0.0) * scale
    solved: Floats = np.linalg.solve(equations, moments[..., None])[..., 0]
    return solved
