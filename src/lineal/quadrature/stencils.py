"""Integrals over the cells of an uneven mesh, from the polynomials through the nearest nodes. Knows nothing of schedules."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lineal.quadrature.contract import Floats

ORDER = 6  # nodes per stencil, three on either side of a cell: measured best of 4 to 8, see docs/quadrature.md


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
