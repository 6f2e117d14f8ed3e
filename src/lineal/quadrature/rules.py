"""Fixed quadrature rules on [0, 1]: nodes, weights and an embedded lower rule. Knows nothing about paths, models or text.

Every rule checks itself when it is made: its weights must integrate each polynomial up to its stated degree. (A well-known trapezoid
whose weights add up to (n − 1)/n could not be written down here.)

| name | nodes | degree | published use |
|---|---|---|---|
| left, right | k/n from k = 0, from k = 1 | 0 | DIG; most sentence-pair code |
| middle | (k + ½)/n | 1 | |
| trapezoid | k/(n − 1), ends halved | 1 | |
| gauss | Gauss-Legendre | 2n − 1 | the usual default of attribution libraries, n = 50 |
| graded | s^p over Gauss-Legendre s, p = 2 or 3 | ⌊2n/p⌋ − 1 | steep starts, such as a zero baseline before a normalisation |
| clenshaw-curtis | (1 − cos(πk/(n − 1)))/2 | n | nested: n → 2n − 1 keeps every node |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.polynomial import legendre

from lineal.errors import OptionError, listing
from lineal.quadrature.contract import Floats

MOMENT_TOLERANCE = 1e-12  # float64 nodes and weights are good to about 1e-15; sums of a few hundred terms stay below this


@dataclass(frozen=True)
class Rule:
    """∫₀¹ g dα ≈ Σ_j weights[j] · g(nodes[j]); n nodes cost n gradient evaluations.

    nodes: (n,) increasing, in [0, 1]. weights: (n,). low_weights: (n,) a poorer rule that leaves out some of the nodes: the
    difference of the two is the error one can see without further evaluations. It says nothing about a feature that falls between
    all the nodes. degree: every polynomial up to it is integrated exactly.

    Raises ValueError if nodes, weights and degree do not belong together.
    """

    name: str
    nodes: Floats
    weights: Floats
    low_weights: Floats
    degree: int

    def __post_init__(self) -> None:
        """Check that nodes, weights and degree belong together."""
        if not self.nodes.shape == self.weights.shape == self.low_weights.shape or self.nodes.ndim != 1:
            raise ValueError(f"{self.name}: nodes, weights and low_weights must be three vectors of one length")
        if not (np.all(np.diff(self.nodes) > 0) and self.nodes[0] >= 0 and self.nodes[-1] <= 1):
            raise ValueError(f"{self.name}: nodes must increase within [0, 1]")
        if np.all(self.low_weights):
            raise ValueError(f"{self.name}: the lower rule must leave out a node")
        _check_moments(self.name, self.nodes, self.weights, self.degree)
        _check_moments(f"{self.name}, lower rule", self.nodes, self.low_weights, 0)

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self.nodes)

    @property
    def is_closed(self) -> bool:
        """True if both ends of the interval are nodes."""
        return bool(self.nodes[0] == 0.0 and self.nodes[-1] == 1.0)


def _check_moments(name: str, nodes: Floats, weights: Floats, degree: int) -> None:
    """Legendre polynomials of degree 1 and more integrate to zero, the constant to one."""
    moments = weights @ legendre.legvander(2 * nodes - 1, degree)  # (degree + 1,)
    wrong = np.abs(moments - np.eye(1, degree + 1)[0]) > MOMENT_TOLERANCE * max(1.0, np.abs(weights).sum())
    if wrong.any():
        order = int(np.argmax(wrong))
        raise ValueError(f"{name}: weights give {moments[order]:.15g} for the Legendre polynomial of degree {order}, not {int(order == 0)}")


def left(n: int) -> Rule:
    """Return the left Riemann sum: alphas 0, 1/n, … (n − 1)/n. Error O(1/n)."""
    _at_least("left", n, 2)
    return _even("left", np.arange(n) / n, np.full(n, 1 / n), degree=0)


def right(n: int) -> Rule:
    """Return the right Riemann sum: alphas 1/n, … 1. Error O(1/n)."""
    _at_least("right", n, 2)
    return _even("right", np.arange(1, n + 1) / n, np.full(n, 1 / n), degree=0)


def middle(n: int) -> Rule:
    """Return the midpoint sum: alphas (k + ½)/n. Error O(1/n²)."""
    _at_least("middle", n, 2)
    return _even("middle", (np.arange(n) + 0.5) / n, np.full(n, 1 / n), degree=1)


def trapezoid(n: int) -> Rule:
    """Return the trapezoid sum on n points: spacing 1/(n − 1), ends halved. Error O(1/n²)."""
    _at_least("trapezoid", n, 2)
    weights = np.full(n, 1 / (n - 1))
    weights[[0, -1]] /= 2
    return _even("trapezoid", np.arange(n) / (n - 1), weights, degree=1)


def gauss(n: int) -> Rule:
    """Return Gauss-Legendre: exact to degree 2n − 1, geometric convergence for an analytic integrand."""
    _at_least("gauss", n, 2)
    points, weights = legendre.leggauss(n)
    nodes = (1 + points) / 2
    return Rule(f"gauss:{n}", nodes, weights / 2, _thinned(nodes), degree=2 * n - 1)


def graded(n: int, power: int = 2) -> Rule:
    """Return Gauss-Legendre in s with α = s^power, which crowds the nodes at α = 0.

    For a boundary layer of width δ at the baseline, Gauss-Legendre needs about δ^(−1/2) points, this rule δ^(−1/(2·power)).
    Raises OptionError for a power other than 2 or 3.
    """
    if power not in (2, 3):
        raise OptionError(f"graded: power is {power}; choose 2 or 3")
    _at_least("graded", n, 2 * power - 1)
    points, weights = legendre.leggauss(n)
    s = (1 + points) / 2
    slope = power * s ** (power - 1)
    name = f"graded:{n}" if power == 2 else f"graded{power}:{n}"
    return Rule(name, s**power, weights / 2 * slope, _thinned(s) * slope, degree=2 * n // power - 1)


def clenshaw_curtis(n: int) -> Rule:
    """Return Clenshaw-Curtis on an odd number of points; every second point is the rule on (n + 1)/2 points."""
    _at_least("clenshaw-curtis", n, 3)
    if n % 2 == 0:
        raise OptionError(f"clenshaw-curtis: n is {n}; choose an odd number, such as {n + 1}")
    nodes = np.sin(np.pi / 2 * np.arange(n) / (n - 1)) ** 2  # (1 − cos)/2 without its cancellation near 0
    return Rule(f"clenshaw-curtis:{n}", nodes, _interpolatory(nodes), _thinned(nodes), degree=n)


RULES: MappingProxyType[str, Callable[[int], Rule]] = MappingProxyType(
    {
        "left": left,
        "right": right,
        "middle": middle,
        "trapezoid": trapezoid,
        "gauss": gauss,
        "graded": graded,
        "graded3": lambda n: graded(n, power=3),
        "clenshaw-curtis": clenshaw_curtis,
    }
)


def rule(name: str, n: int) -> Rule:
    """Return the named rule on n nodes. Raises OptionError for an unknown name or an n that does not fit."""
    if name not in RULES:
        raise OptionError(f"no quadrature rule is called {name!r}; choose among {listing(RULES)}")
    return RULES[name](n)


def _at_least(name: str, n: int, smallest: int) -> None:
    if n < smallest:
        raise OptionError(f"{name}: n is {n}; it needs {smallest} or more points, one of which checks the others")


def _even(name: str, nodes: Floats, weights: Floats, *, degree: int) -> Rule:
    """A rule on evenly spaced nodes; its lower rule is the broken line through every second node."""
    low = np.zeros_like(weights)
    low[::2] = _broken_line(nodes[::2])
    return Rule(f"{name}:{len(nodes)}", nodes, weights, low, degree)


def _broken_line(nodes: Floats) -> Floats:
    """Weights that integrate the broken line through the nodes, continued straight to 0 and 1."""
    if len(nodes) == 1:
        return np.ones(1)
    steps = np.diff(nodes)
    weights: Floats = (np.append(steps, 0) + np.append(0, steps)) / 2
    for end, (near, far), gap in ((0, (0, 1), nodes[0]), (1, (-1, -2), 1 - nodes[-1])):
        lean = gap**2 / 2 / steps[-end]  # the straight continuation moves this much weight beyond the end node
        weights[near] += gap + lean
        weights[far] -= lean
    return weights


def _interpolatory(nodes: Floats) -> Floats:
    """Weights that integrate the polynomial through all nodes (stable for nodes that crowd at the ends)."""
    basis = legendre.legvander(2 * nodes - 1, len(nodes) - 1)
    weights: Floats = np.linalg.solve(basis.T, np.eye(1, len(nodes))[0])
    return weights


def _thinned(nodes: Floats) -> Floats:
    """Interpolatory weights on every second node, zero on the others."""
    low = np.zeros_like(nodes)
    low[::2] = _interpolatory(nodes[::2])
    return low
