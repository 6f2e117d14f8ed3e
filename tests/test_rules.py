"""Laws of the fixed rules:

1. weights sum to 1, nodes lie in [0, 1] and increase;
2. a rule is exact up to its degree and measurably wrong one degree later;
3. nodes are those of the published settings;
4. the lower rule uses some of the nodes, sums to 1 and is the poorer of the two;
5. a rule whose weights do not belong to its nodes cannot be made.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineal.errors import OptionError
from lineal.quadrature import RULES, Rule, rule

ROUNDING = 1e-13  # sums of at most a few hundred float64 terms of size 1/n
SIZES = {name: 2 * i + 5 for i, name in enumerate(RULES)}  # odd, at least 5: fits every rule
EVERY = list(SIZES.items()) + [(name, 51) for name in RULES]


def monomial_error(r: Rule, weights: np.ndarray, degree: int) -> float:
    return abs(float(weights @ r.nodes**degree) - 1 / (degree + 1))


@pytest.mark.parametrize(("name", "n"), EVERY)
def test_weights_sum_to_one_on_increasing_nodes(name: str, n: int) -> None:
    r = rule(name, n)
    assert len(r) == n
    assert abs(r.weights.sum() - 1) < ROUNDING
    assert abs(r.low_weights.sum() - 1) < ROUNDING
    assert r.nodes.min() >= 0
    assert r.nodes.max() <= 1
    assert np.all(np.diff(r.nodes) > 0)


@pytest.mark.parametrize(("name", "n"), EVERY)
def test_exact_to_its_degree(name: str, n: int) -> None:
    r = rule(name, n)
    assert max(monomial_error(r, r.weights, d) for d in range(r.degree + 1)) < ROUNDING


@pytest.mark.parametrize("name", RULES)
def test_wrong_past_its_degree(name: str) -> None:
    r = rule(name, 5)
    # the shifted Legendre polynomial of the next degree has a true integral of 0; Clenshaw-Curtis gains one degree by symmetry
    past = np.polynomial.legendre.Legendre.basis(r.degree + 1, domain=[0, 1])
    assert abs(float(r.weights @ past(r.nodes))) > 1e-4


@pytest.mark.parametrize("n", [2, 7, 50])
def test_nodes_of_published_settings(n: int) -> None:
    k = np.arange(n)
    np.testing.assert_allclose(rule("left", n).nodes, k / n, atol=0)
    np.testing.assert_allclose(rule("right", n).nodes, (k + 1) / n, atol=0)
    np.testing.assert_allclose(rule("middle", n).nodes, (k + 0.5) / n, atol=1e-16)
    np.testing.assert_allclose(rule("trapezoid", n).nodes, k / (n - 1), atol=0)
    points, weights = np.polynomial.legendre.leggauss(n)
    np.testing.assert_allclose(rule("gauss", n).nodes, (points + 1) / 2, atol=1e-16)
    np.testing.assert_allclose(rule("gauss", n).weights, weights / 2, atol=1e-16)


def test_trapezoid_halves_its_ends_and_only_those() -> None:
    np.testing.assert_allclose(rule("trapezoid", 5).weights, [1 / 8, 1 / 4, 1 / 4, 1 / 4, 1 / 8])


def test_clenshaw_curtis_is_nested() -> None:
    np.testing.assert_allclose(rule("clenshaw-curtis", 17).nodes[::2], rule("clenshaw-curtis", 9).nodes, atol=1e-16)
    np.testing.assert_allclose(rule("clenshaw-curtis", 17).low_weights[::2], rule("clenshaw-curtis", 9).weights, atol=1e-14)
    np.testing.assert_allclose(rule("clenshaw-curtis", 3).weights, [1 / 6, 4 / 6, 1 / 6])  # Simpson


def test_grading_pays_in_a_boundary_layer() -> None:
    layer = 1e-3
    exact = 1 / np.sqrt(1 + layer**2)  # ∫ δ²/(α² + δ²)^{3/2}

    def error(name: str) -> float:
        r = rule(name, 24)
        return abs(float(r.weights @ (layer**2 / (r.nodes**2 + layer**2) ** 1.5)) - exact)

    assert max(error("graded3"), error("graded")) < error("gauss") / 10


LARGE = [rule(name, 51) for name in RULES]


@settings(max_examples=40, deadline=None)
@given(growth=st.floats(0.5, 8))
def test_the_distance_to_the_lower_rule_is_an_estimate_of_the_error(growth: float) -> None:
    exact = np.expm1(growth) / growth
    for r in LARGE:
        g = np.exp(growth * r.nodes)
        high, low = float(r.weights @ g), float(r.low_weights @ g)
        assert abs(high - exact) <= 1.2 * abs(high - low) + ROUNDING * exact, r.name
        assert np.count_nonzero(r.low_weights) == 26


@pytest.mark.parametrize(
    ("name", "n", "words"),
    [
        ("left", 1, "needs 2"),
        ("graded3", 4, "needs 5"),
        ("clenshaw-curtis", 4, "such as 5"),
        ("gauss", 0, "n is 0"),
        ("simpson", 5, "left, right"),
    ],
)
def test_impossible_rules_say_what_would_do(name: str, n: int, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        rule(name, n)


def test_a_trapezoid_with_weights_that_miss_one_cannot_be_made() -> None:
    good = rule("trapezoid", 5)
    with pytest.raises(ValueError, match=r"0\.8 for the Legendre polynomial of degree 0"):
        Rule("short trapezoid", good.nodes, good.weights * 4 / 5, good.low_weights, 1)
    with pytest.raises(ValueError, match="degree 2"):
        Rule("boastful trapezoid", good.nodes, good.weights, good.low_weights, 2)
    with pytest.raises(ValueError, match="leave out a node"):
        Rule("trapezoid without a check", good.nodes, good.weights, good.weights, 1)
    with pytest.raises(ValueError, match="increase"):
        Rule("trapezoid backwards", good.nodes[::-1], good.weights, good.low_weights, 1)
