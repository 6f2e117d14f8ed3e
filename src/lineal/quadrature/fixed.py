"""Schedules that do not choose their points: one fixed rule, and Clenshaw-Curtis doubled until it settles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lineal.errors import OptionError
from lineal.quadrature.contract import MAX_EVALUATIONS, TOLERANCE, Ask, Floats, Integral, Stop
from lineal.quadrature.panels import check_tol, checked_breaks, inside, is_number
from lineal.quadrature.rules import Rule, clenshaw_curtis

COARSEST, FINEST = 3, 10  # the nested rule goes from 2³ + 1 = 9 to at most 2¹⁰ + 1 points per piece


@dataclass(frozen=True)
class Terms:
    """When a comparison of two rules counts as converged, and what it is called otherwise."""

    tol: float
    distance: float  # counted so many times as error
    otherwise: Stop
    pooled: bool = False  # the outputs are the components of one vector per token; see `Adaptive`


class Fixed:
    """Apply one rule on every piece between two breaks; cost: len(rule) gradients per piece, and F at α = 0 and 1.

    The stated error is the larger of |residual| and 1.5 times the L1 distance to the rule's own lower rule (1.5, because Riemann sums
    come out slightly above the plain distance on recorded fields). For the Riemann sums it is close to the truth, for Gauss-Legendre on a
    smooth integrand far above it. A feature narrower than the spacing escapes the distance, and shows in the residual only as far as
    the tokens do not cancel.

    tol: relative to the attribution mass Σ_i |A[c, i]|; it decides the stop reason only. breaks: kinks of the path, from 0 to 1.
    pooled: the outputs are the components of one vector per token, with one mass and one error, as in `Adaptive`.
    Raises OptionError for a tol that is not positive or breaks that do not increase from 0 to 1.
    """

    def __init__(self, rule: Rule, tol: float = TOLERANCE, breaks: Sequence[float] = (0.0, 1.0), pooled: bool = False) -> None:
        """Check the options."""
        self._rule, self._edges = rule, checked_breaks(breaks)
        self._terms = Terms(check_tol(tol), 1.5, Stop.FIXED, pooled)
        self._result: Integral | None = None

    def ask(self) -> Ask | None:
        """Return the points, or None when the integration has ended."""
        if self._result is not None:
            return None
        open_ends = [end for end, node in ((0.0, self._rule.nodes[0]), (1.0, self._rule.nodes[-1])) if node != end]
        return Ask(_alphas(self._rule.nodes, self._edges), np.array(open_ends))

    def tell(self, values: Floats, derivatives: Floats, ends: Floats) -> None:
        """Take the answers to the last ask, in its order; see `Schedule.tell`."""
        rows = list(ends)
        f_start = values[0] if self._rule.nodes[0] == 0 else rows.pop(0)
        f_end = values[-1] if self._rule.nodes[-1] == 1 else rows.pop(0)
        pieces = derivatives.reshape(len(self._edges) - 1, len(self._rule), *derivatives.shape[1:])
        self._result = _compared(self._rule, self._edges, pieces, (f_start, f_end), self._terms)

    def integral(self) -> Integral:
        """Return the result; valid once `ask` has returned None."""
        assert self._result is not None, "the integration has not ended"
        return self._result


class Nested:
    """Clenshaw-Curtis on 9, 17, 33 … points per piece, all points kept, until two sizes in a row agree within `tol`.

    The stated error is the larger of |residual| and the L1 distance to the size before, which is the error of that one, so it is
    pessimistic. Best for smooth integrands wanted to many digits; for steep passages `Adaptive` needs far fewer points. All outputs
    share the points and end together. Cost: one gradient per point, at most `max_evaluations`.
    Source: Clenshaw and Curtis, Numerische Mathematik 2 (1960). Raises OptionError like `Fixed`, and for a budget below the first round.
    """

    def __init__(
        self, tol: float = TOLERANCE, max_evaluations: int = MAX_EVALUATIONS, breaks: Sequence[float] = (0.0, 1.0), pooled: bool = False
    ) -> None:
        """Check the options."""
        self._edges, self._limit = checked_breaks(breaks), max_evaluations
        self._terms = Terms(check_tol(tol), 1.0, Stop.BUDGET, pooled)
        self._level, self._pieces = COARSEST, np.empty((0, 0, 0, 0))
        self._ends: tuple[Floats, Floats] = (np.empty(0), np.empty(0))
        self._result: Integral | None = None
        if self._size(COARSEST) > max_evaluations:
            raise OptionError(f"max_evaluations is {max_evaluations}; the first round alone takes {self._size(COARSEST)}")

    def ask(self) -> Ask | None:
        """Return the points, or None when the integration has ended."""
        if self._result is not None:
            return None
        nodes = clenshaw_curtis(2**self._level + 1).nodes
        return Ask(_alphas(nodes if self._level == COARSEST else nodes[1::2], self._edges), np.empty(0))

    def tell(self, values: Floats, derivatives: Floats, ends: Floats) -> None:
        """Take the answers to the last ask, in its order; see `Schedule.tell`."""
        new = derivatives.reshape(len(self._edges) - 1, -1, *derivatives.shape[1:])
        if self._level == COARSEST:
            self._pieces, self._ends = new, (values[0], values[-1])
        else:
            between = np.arange(1, self._pieces.shape[1])
            self._pieces = np.insert(self._pieces, between, new, axis=1)
        rule = clenshaw_curtis(2**self._level + 1)
        result = _compared(rule, self._edges, self._pieces, self._ends, self._terms)
        self._level += 1
        if self._level > FINEST or self._size(self._level) > self._limit or Stop.BUDGET not in result.stops:
            self._result = result

    def integral(self) -> Integral:
        """Return the result; valid once `ask` has returned None."""
        assert self._result is not None, "the integration has not ended"
        return self._result

    def _size(self, level: int) -> int:
        return int(2**level + 1) * (len(self._edges) - 1)


def _alphas(nodes: Floats, edges: Floats) -> Floats:
    """(pieces × n,) the nodes of every piece, one after the other."""
    pieces = np.arange(len(edges) - 1)
    alphas = edges[:-1, None] + np.diff(edges)[:, None] * nodes
    return inside(alphas.ravel(), np.repeat(pieces, len(nodes)), edges)


def _compared(rule: Rule, edges: Floats, pieces: Floats, ends: tuple[Floats, Floats], terms: Terms) -> Integral:
    """The integral by the rule with the distance to its lower rule as the error. pieces: (p, n, k, t). ends: F at 0 and 1."""
    numbers = is_number(pieces)
    usable, kept = numbers.all(axis=(0, 1, 3)), np.where(numbers, pieces, 0.0)
    value, low = (np.einsum("p,n,pnkt->kt", np.diff(edges), weights, kept) for weights in (rule.weights, rule.low_weights))
    f_start, f_end = (np.where(is_number(f), f, np.nan) for f in ends)
    size = _pooled_size if terms.pooled else _size
    residual = size((value.sum(axis=-1) - (f_end - f_start))[:, None])
    error = np.maximum(residual, terms.distance * size(value - low))
    error = np.where((usable.all() if terms.pooled else usable) & ~np.isnan(error), error, np.inf)
    goals = terms.tol * size(value)
    stops = tuple(_reason(e <= goal, e < np.inf, terms.otherwise) for e, goal in zip(error.tolist(), goals.tolist(), strict=True))
    return Integral(value, error, *ends, pieces.shape[0] * pieces.shape[1], stops)


def _size(rows: Floats) -> Floats:
    """(k,) Σ over tokens of |x|."""
    total: Floats = np.abs(rows).sum(axis=-1)
    return total


def _pooled_size(rows: Floats) -> Floats:
    """(k,) Σ over tokens of the Euclidean norm over outputs, the same for all."""
    return np.full(len(rows), np.sqrt((rows**2).sum(axis=0)).sum())


def _reason(good: bool, usable: bool, otherwise: Stop) -> Stop:
    if not usable:
        return Stop.NOT_FINITE
    return Stop.CONVERGED if good else otherwise
