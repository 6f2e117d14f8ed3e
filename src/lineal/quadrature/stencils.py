"""Integrals over the cells of an uneven mesh, from the polynomials through the nearest nodes. Knows nothing of schedules."""

from __future__ import annotations

import numpy as np

from lineal.quadrature.contract import Floats


def cell_integrals(nodes: Floats, samples: Floats, edges: Floats, order: int) -> Floats:
    """Return (cells, …): the integral over each [edges[j], edges[j + 1]] of the polynomial through the `order` nearest nodes.

    nodes: (n,) increasing. samples: (n, …) the integrand there. Exact for polynomials of degree order − 1, with fewer nodes n − 1.
    Where neighbouring cells are equally wide, the sum of the cells is the trapezoid sum away from the ends, which converges much
    faster than any one cell: their errors alternate and telescope.
    """
    chosen, weights = _stencils(nodes, edges, min(order, len(nodes)))
    shaped = weights.reshape(*weights.shape, *(1,) * (samples.ndim - 1))  # (cells, order, 1…)
    result = np.zeros((len(chosen), *samples.shape[1:]))
    for s in range(weights.shape[1]):
        result += shaped[:, s] * samples[chosen[:, s]]
    return result


def _stencils(nodes: Floats, edges: Floats, order: int) -> tuple[np.ndarray, Floats]:
    """Node indices (cells, order) and their weights; from the moments of each cell, in coordinates scaled to its stencil."""
    middles, halves = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    first = np.clip(np.searchsorted(nodes, middles) - order // 2, 0, len(nodes) - order)
    chosen = first[:, None] + np.arange(order)  # (cells, order)
    offsets = nodes[chosen] - middles[:, None]
    scale = np.abs(offsets).max(axis=1, keepdims=True)
    powers = np.arange(order)
    equations = (offsets / scale)[:, None, :] ** powers[:, None]  # (cells, power, order)
    moments = np.where(powers % 2 == 0, 2 * (halves[:, None] / scale) ** (powers + 1) / (powers + 1), 0.0) * scale
    return chosen, np.linalg.solve(equations, moments[..., None])[..., 0]
