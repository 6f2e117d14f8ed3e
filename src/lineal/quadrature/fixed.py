"""Schedules that do not choose their points: one fixed rule, Clenshaw-Curtis doubled until it settles, the vertices of a path; and those
of methods that do not integrate: the derivative at one point, or F alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lineal.errors import OptionError, listing
from lineal.quadrature.contract import MAX_EVALUATIONS, TOLERANCE, Ask, Floats, Integral, Stop, check_tol, checked_breaks, inside, is_number
from lineal.quadrature.rules import Rule, clenshaw_curtis

COARSEST, FINEST = 3, 10  # the nested rule goes from 2³ + 1 = 9 to at most 2¹⁰ + 1 points per piece

SIDES = {"left": (1.0, 0.0), "right": (0.0, 1.0), "trapezoid": (0.5, 0.5)}
"""Weight of the derivative at the left and at the right end of every piece."""


@dataclass(frozen=True)
class Terms:
    """When a comparison of two rules counts as converged, and what it is called otherwise."""

    tol: float
    distance: float  # counted so many times as error
    otherwise: Stop
    pooled: bool = False  # the outputs are the components of one vector per token; see `Adaptive`


class _Settled:
    """What has ended when it has a result."""

    _result: Integral | None = None

    def within(self, spread: Floats) -> None:
        """Do nothing: F is looked at from end to end alone."""

    def integral(self) -> Integral:
        """Return the result; valid once `ask` has returned None."""
        assert self._result is not None, "the integration has not ended"
        return self._result

    def so_far(self) -> Integral | None:
        """Return the result; a rule that is not complete says nothing."""
        return self._result


class Fixed(_Settled):
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


class Nested(_Settled):
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

    def _size(self, level: int) -> int:
        return int(2**level + 1) * (len(self._edges) - 1)


class Vertices(_Settled):
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


class Slope(_Settled):
    """The derivative at the end of the path, as the value; nothing is estimated, so it is converged. F at the start is given as NaN.

    Cost: one gradient.
    """

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


class Ends(_Settled):
    """F at both ends of the path (or at the start alone), no gradient; the value is zero for every token."""

    def __init__(self, start_only: bool = False) -> None:
        """Say whether F at the end is wanted; when not it is given as NaN."""
        self._alphas = np.zeros(1) if start_only else np.array([0.0, 1.0])

    def ask(self) -> Ask | None:
        """Return the ends, or None when they have been answered."""
        return Ask(np.empty(0), self._alphas) if self._result is None else None

    def tell(self, values: Floats, derivatives: Floats, ends: Floats) -> None:
        """Take the answer; see `Schedule.tell`."""
        k, t = derivatives.shape[1:]
        last = ends[1] if len(ends) > 1 else np.full(k, np.nan)
        self._result = Integral(np.zeros((k, t)), np.zeros(k), ends[0], last, 0, (Stop.CONVERGED,) * k)


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
