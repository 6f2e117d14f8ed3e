"""Laws of the schedules:

1. polynomials up to the degree of the stencil need the first round and its check; past it the adaptive schedule refines;
2. closed forms are met within tol, and the stated error bounds the true L1 error and the residual;
3. a kink at a break costs nothing, a kink elsewhere does;
4. outputs stop one by one, are frozen then, and their rows are not read any more; pooled outputs stop together;
5. no schedule asks for more than its budget, and each asks for a point once;
6. noise, gradients that are no numbers, and fixed rules that are too coarse are told, never certified;
7. everything returned is finite but, at worst, the error.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineal.errors import OptionError
from lineal.quadrature import Adaptive, Ask, Fixed, Integral, Nested, Rule, Schedule, Stop, rule
from lineal.quadrature.contract import Floats, inside
from lineal.quadrature.fixed import Slope, Vertices
from lineal.quadrature.spelling import schedule

Curve = Callable[[Floats], Floats]
ROUNDING = 1e-12  # of integrals of size 1 over at most a few hundred nodes


class Problem:
    """Outputs by tokens of integrands with known antiderivatives; F is the sum of these over tokens."""

    def __init__(self, rows: list[list[tuple[Curve, Curve]]]) -> None:
        self.rows = rows
        self.asked: list[Ask] = []

    def derivatives(self, alphas: Floats) -> Floats:
        with np.errstate(all="ignore"):
            return np.array([[g(alphas) for g, _ in row] for row in self.rows]).transpose(2, 0, 1)

    def values(self, alphas: Floats) -> Floats:
        return np.array([sum(big(alphas) for _, big in row) for row in self.rows]).T

    @property
    def exact(self) -> Floats:
        ends = np.array([0.0, 1.0])
        return np.array([[np.diff(big(ends))[0] for _, big in row] for row in self.rows])

    def run(self, schedule: Schedule) -> Integral:
        while (ask := schedule.ask()) is not None:
            self.asked.append(ask)
            schedule.tell(
                self.values(ask.alphas), self.derivatives(ask.alphas), self.values(ask.ends).reshape(len(ask.ends), len(self.rows))
            )
        return schedule.integral()

    def errors(self, integral: Integral) -> Floats:
        return np.abs(integral.value - self.exact).sum(axis=1)


def power(degree: int, scale: float = 1.0) -> tuple[Curve, Curve]:
    return lambda a: scale * (degree + 1) * a**degree, lambda a: scale * a ** (degree + 1)


def sigmoid(gain: float, at: float, scale: float = 1.0) -> tuple[Curve, Curve]:
    def s(a: Floats) -> Floats:
        return 0.5 + 0.5 * np.tanh(gain * (a - at) / 2)

    return lambda a: scale * gain * s(a) * (1 - s(a)), lambda a: scale * s(a)


def kink(at: float) -> tuple[Curve, Curve]:
    return lambda a: np.abs(a - at), lambda a: 0.5 * (a - at) * np.abs(a - at)


def wave(rate: float, phase: float = 0.0) -> tuple[Curve, Curve]:
    return lambda a: rate * np.cos(rate * a + phase), lambda a: np.sin(rate * a + phase)


def rmsnorm(x: Floats, output: int, epsilon: float) -> Problem:
    """One token, zero baseline, each dimension of it as a "token": F = αx_k/√(α²m + ε)."""
    m = float(np.mean(x**2))

    def parts(i: int) -> tuple[Curve, Curve]:
        def g(a: Floats) -> Floats:
            r = np.sqrt(a**2 * m + epsilon)
            return x[i] * ((i == output) / r - a**2 * x[output] * x[i] / len(x) / r**3)

        def big(a: Floats) -> Floats:
            r = np.sqrt(a**2 * m + epsilon)
            area = np.arcsinh(a * np.sqrt(m / epsilon)) / np.sqrt(m)
            return x[output] * area * (i == output) - x[i] ** 2 * x[output] / len(x) * (area / m - a / (m * r))

        return g, big

    return Problem([[parts(i) for i in range(len(x))]])


SCHEDULES: dict[str, Callable[[], Schedule]] = {
    "adaptive": lambda: Adaptive(),
    "pooled": lambda: Adaptive(pooled=True),
    "nested": lambda: Nested(),
    "gauss": lambda: Fixed(rule("gauss", 20)),
    "left": lambda: Fixed(rule("left", 50)),
    "trapezoid": lambda: Fixed(rule("trapezoid", 50)),
}


# -- 1: degree


@pytest.mark.parametrize("degree", range(6))
def test_adaptive_is_exact_for_quintics_and_checks_that_once(degree: int) -> None:
    problem = Problem([[power(degree), power(0, -0.3)]])
    integral = problem.run(Adaptive(tol=0.05))
    assert [len(ask.alphas) for ask in problem.asked] == [9, 4]  # even points, then one in every second cell, aside of its middle
    assert problem.errors(integral)[0] < ROUNDING


def test_adaptive_is_not_exact_past_its_degree() -> None:
    problem = Problem([[power(6), power(0, -0.3)]])
    integral = problem.run(Adaptive(tol=0.05))
    assert problem.errors(integral)[0] > 1e-8
    refined = problem.run(Adaptive(tol=1e-9))
    assert refined.evaluations > 9
    assert problem.errors(refined)[0] < 2e-9


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_integral_of_nothing_is_nothing(name: str) -> None:
    zero = power(0, 0.0)
    integral = Problem([[zero, zero], [zero, zero]]).run(SCHEDULES[name]())
    assert integral.stops == (Stop.CONVERGED, Stop.CONVERGED)
    assert not integral.value.any()
    assert not integral.error.any()


# -- 2: closed forms


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize(
    "problem",
    [
        Problem([[sigmoid(30, 0.5), sigmoid(10, 0.4, -0.5)]]),
        Problem([[sigmoid(300, 0.637), power(1)]]),
        Problem([[(lambda a: 1.5 * np.sqrt(a), lambda a: a**1.5), power(2, -0.4)]]),
        Problem([[kink(0.3), power(0, 0.1)]]),
        rmsnorm(np.array([1.0, -2.0, 0.5, 3.0]), 1, 1e-5),
        rmsnorm(np.array([1.0, -2.0, 0.5, 3.0]), 1, 1e-12),
    ],
    ids=["sigmoid", "steep sigmoid", "square root", "kink", "rmsnorm", "rmsnorm, tiny epsilon"],
)
def test_adaptive_meets_closed_forms_and_knows_its_error(problem: Problem, tol: float) -> None:
    integral = problem.run(Adaptive(tol=tol))
    mass = np.abs(integral.value).sum()
    assert integral.stops == (Stop.CONVERGED,)
    assert problem.errors(integral)[0] <= integral.error[0] <= tol * mass
    assert abs(integral.residual[0]) <= integral.error[0]
    assert integral.evaluations < 250


def test_rmsnorm_scores_sum_to_the_output() -> None:
    x, epsilon = np.array([1.0, -2.0, 0.5, 3.0]), 1e-6
    integral = rmsnorm(x, 3, epsilon).run(Adaptive(tol=1e-6))
    assert integral.value.sum() == pytest.approx(x[3] / np.sqrt(np.mean(x**2) + epsilon), rel=2e-6)


@settings(max_examples=60, deadline=None)
@given(gain=st.floats(1, 400), at=st.floats(0, 1), rate=st.floats(0, 40), phase=st.floats(0, 6))
def test_stated_error_bounds_the_true_one(gain: float, at: float, rate: float, phase: float) -> None:
    problem = Problem([[sigmoid(gain, at), wave(rate, phase), power(0, 0.5)]])
    integral = problem.run(Adaptive(tol=0.01))
    assert integral.stops == (Stop.CONVERGED,)
    assert problem.errors(integral)[0] <= integral.error[0] <= 0.01 * np.abs(integral.value).sum()
    assert abs(integral.residual[0]) <= integral.error[0]


def test_a_spike_between_the_first_points_is_found_by_the_residual() -> None:
    problem = Problem([[sigmoid(8000, 0.4321), power(0)]])
    first = np.linspace(0, 1, 9)
    assert problem.derivatives(first)[:, 0, 0].max() < 1e-100  # invisible to the first round
    integral = problem.run(Adaptive(tol=1e-3))
    assert problem.errors(integral)[0] < 2e-3


def test_a_drift_of_f_that_no_cell_shows_is_in_the_stated_error() -> None:
    drift = 0.005
    problem = Problem([[(lambda a: np.ones_like(a), lambda a: (1 + drift) * a)]])
    integral = problem.run(Adaptive(tol=0.05))
    assert integral.evaluations == 13
    assert abs(integral.residual[0]) == pytest.approx(drift)
    assert integral.error[0] > drift


def test_neighbouring_cells_stay_within_a_factor_of_four() -> None:
    problem = Problem([[sigmoid(8000, 0.4321), power(0)]])
    problem.run(Adaptive(tol=1e-3))
    widths = np.diff(np.sort(np.concatenate([ask.alphas for ask in problem.asked])))
    assert widths.max() > 50 * widths.min()
    assert np.maximum(widths[1:] / widths[:-1], widths[:-1] / widths[1:]).max() <= 4


def test_tighter_tolerances_cost_more_and_err_less() -> None:
    problem = Problem([[sigmoid(60, 0.55), wave(9)]])
    runs = [problem.run(Adaptive(tol=tol)) for tol in (1e-1, 1e-2, 1e-4, 1e-6)]
    assert sorted(r.evaluations for r in runs) == [r.evaluations for r in runs]
    assert problem.errors(runs[-1])[0] < problem.errors(runs[0])[0] / 100


def test_reversing_the_path_flips_the_sign() -> None:
    forth = Problem([[sigmoid(40, 0.3), power(3)]])
    back = Problem([[(lambda a, g=g: -g(1 - a), lambda a, big=big: big(1 - a)) for g, big in forth.rows[0]]])
    there, again = forth.run(Adaptive()), back.run(Adaptive())
    np.testing.assert_allclose(there.value, -again.value, atol=ROUNDING)
    assert there.evaluations == again.evaluations


@pytest.mark.parametrize("frequency", [4, 8])
def test_a_feature_in_step_with_the_first_points_is_not_certified(frequency: int) -> None:
    """Waves that are 0 at multiples of 1/8, and that a second token takes off again: nothing to see at even points, nor in F."""

    def hidden(sign: float) -> tuple[Curve, Curve]:
        w = 2 * np.pi * frequency
        return lambda a: sign * w * np.sin(2 * w * a) + 1, lambda a: sign * np.sin(w * a) ** 2 + a

    def bump(sign: float) -> tuple[Curve, Curve]:
        w = 2 * np.pi * frequency
        return lambda a: sign * (1 - np.cos(2 * w * a)) + 1, lambda a: sign * (a - np.sin(2 * w * a) / 2 / w) + a

    for make in (hidden, bump):
        problem = Problem([[make(1.0), make(-1.0)]])
        integral = problem.run(Adaptive(0.01))
        assert problem.errors(integral)[0] <= integral.error[0] + ROUNDING
        assert integral.stops == (Stop.CONVERGED,)


@pytest.mark.parametrize("tol", [1e-2, 1e-3])
@pytest.mark.slow
def test_the_smallest_jump_is_not_certified_wrongly(tol: float) -> None:
    """φ = (1 + [α > c], 1 − [α > c]): F = 2α says nothing about the jump."""
    wrong = 0
    places = np.linspace(0.0025, 0.9975, 399)
    for c in places:
        up = (lambda a, c=c: 1.0 + (a > c), lambda a, c=c: a + np.maximum(a - c, 0))
        down = (lambda a, c=c: 1.0 - (a > c), lambda a, c=c: a - np.maximum(a - c, 0))
        problem = Problem([[up, down]])
        integral = problem.run(Adaptive(tol))
        mass = np.abs(problem.exact).sum()
        wrong += integral.stops[0].converged and problem.errors(integral)[0] > min(tol * mass, integral.error[0]) + ROUNDING
    assert wrong <= 0.01 * len(places)


# -- 3: breaks


@pytest.mark.parametrize(
    "make", [lambda b: Adaptive(1e-9, breaks=b), lambda b: Nested(1e-9, breaks=b), lambda b: Fixed(rule("trapezoid", 2), breaks=b)]
)
def test_a_kink_at_a_break_is_exact_at_once(make: Callable[[tuple[float, ...]], Schedule]) -> None:
    problem = Problem([[kink(0.3)]])
    assert problem.errors(problem.run(make((0.0, 0.3, 1.0))))[0] < ROUNDING
    assert len(problem.asked) <= 2  # the adaptive schedule checks once
    assert problem.errors(problem.run(make((0.0, 1.0))))[0] > ROUNDING  # without the break it is not


@pytest.mark.parametrize(
    "make", [lambda b: Adaptive(1e-6, breaks=b), lambda b: Nested(1e-6, breaks=b), lambda b: Fixed(rule("trapezoid", 2), breaks=b)]
)
def test_a_jump_of_the_velocity_at_a_break_is_seen_from_both_sides(make: Callable[[tuple[float, ...]], Schedule]) -> None:
    jump = (lambda a: np.where(a < 0.5, 1.0, 5.0), lambda a: np.where(a < 0.5, a, 5 * a - 2))
    problem = Problem([[jump]])
    assert problem.errors(problem.run(make((0.0, 0.5, 1.0))))[0] < 1e-10


@pytest.mark.parametrize("breaks", [(0.0, 0.5), (0.0, 0.7, 0.3, 1.0), (0.1, 1.0), (1.0,)])
def test_breaks_that_do_not_increase_from_0_to_1_are_refused(breaks: tuple[float, ...]) -> None:
    for make in (lambda: Adaptive(breaks=breaks), lambda: Nested(breaks=breaks), lambda: Fixed(rule("gauss", 4), breaks=breaks)):
        with pytest.raises(OptionError, match="breaks"):
            make()


# -- 4: several outputs


def test_each_output_stops_on_its_own_and_is_frozen() -> None:
    easy, hard = [power(1), power(0)], [sigmoid(200, 0.41), power(0)]
    alone = Problem([easy]).run(Adaptive(1e-4))
    problem, schedule = Problem([easy, hard]), Adaptive(1e-4)
    while (ask := schedule.ask()) is not None:
        problem.asked.append(ask)
        derivatives = problem.derivatives(ask.alphas)
        if ask.outputs is not None:
            derivatives[:, ~ask.outputs] = np.nan  # what was not asked for may be anything
        schedule.tell(problem.values(ask.alphas), derivatives, np.empty((0, 2)))
    integral = schedule.integral()
    assert problem.asked[0].outputs is None
    assert problem.asked[-1].outputs is not None
    assert problem.asked[-1].outputs.tolist() == [False, True]
    assert integral.stops == (Stop.CONVERGED, Stop.CONVERGED)
    assert np.array_equal(integral.value[0], alone.value[0])
    assert integral.error[0] == pytest.approx(alone.error[0], abs=ROUNDING)
    assert problem.errors(integral)[1] <= integral.error[1]


def test_tolerance_is_relative_to_the_mass_of_each_output() -> None:
    small = [(lambda a, g=g: 1e-6 * g(a), lambda a, big=big: 1e-6 * big(a)) for g, big in (sigmoid(50, 0.4), wave(5))]
    both = Problem([[sigmoid(50, 0.4), wave(5)], small]).run(Adaptive(1e-5))
    np.testing.assert_allclose(both.value[1], 1e-6 * both.value[0], rtol=1e-9)
    assert both.error[1] == pytest.approx(1e-6 * both.error[0])


def test_pooled_outputs_share_one_error_that_bounds_the_vectors() -> None:
    problem = Problem([[sigmoid(80, 0.4), power(2)], [wave(12), power(1)], [power(0, 1e-9), sigmoid(80, 0.4, 1e-9)]])
    integral = problem.run(Adaptive(1e-3, pooled=True))
    vectors = np.sqrt(((integral.value - problem.exact) ** 2).sum(axis=0)).sum()  # Σ_tokens ‖·‖₂
    mass = np.sqrt((integral.value**2).sum(axis=0)).sum()
    assert len(set(integral.error)) == 1
    assert vectors <= integral.error[0] <= 1e-3 * mass
    assert integral.stops == (Stop.CONVERGED,) * 3
    assert all(ask.outputs is None for ask in problem.asked)
    apart = problem.run(Adaptive(1e-3))
    assert integral.evaluations <= 1.1 * apart.evaluations  # the negligible third output costs nothing here


def test_pooling_one_output_changes_nothing() -> None:
    problem = Problem([[sigmoid(80, 0.4), wave(3)]])
    apart, pooled = problem.run(Adaptive(1e-4)), problem.run(Adaptive(1e-4, pooled=True))
    np.testing.assert_allclose(pooled.value, apart.value, rtol=0, atol=0)
    np.testing.assert_allclose(pooled.error, apart.error, rtol=1e-9)


# -- 5: the conversation


@pytest.mark.parametrize("budget", [9, 10, 13, 40])
def test_the_budget_is_kept(budget: int) -> None:
    problem = Problem([[sigmoid(3000, 0.4321), power(0)]])
    integral = problem.run(Adaptive(1e-9, max_evaluations=budget))
    assert integral.evaluations == budget == sum(len(ask.alphas) for ask in problem.asked)
    assert integral.stops == (Stop.BUDGET,)
    assert problem.errors(integral)[0] <= integral.error[0]
    nested = problem.run(Nested(1e-9, max_evaluations=budget))
    assert nested.evaluations <= budget
    assert nested.stops == (Stop.BUDGET,)


def test_a_budget_below_the_first_round_is_refused() -> None:
    for make in (lambda: Adaptive(max_evaluations=8), lambda: Nested(max_evaluations=8)):
        with pytest.raises(OptionError, match="is 8; the first round alone takes 9"):
            make()
    for make in (lambda: Adaptive(0.0), lambda: Nested(-1.0), lambda: Fixed(rule("gauss", 4), tol=float("nan"))):
        with pytest.raises(OptionError, match="tol"):
            make()


@pytest.mark.parametrize("name", SCHEDULES)
def test_each_point_is_asked_once_inside_the_path(name: str) -> None:
    problem, schedule = Problem([[sigmoid(90, 0.3), power(1)]]), SCHEDULES[name]()
    assert repr(schedule.ask()) == repr(schedule.ask())  # asking twice changes nothing
    integral = problem.run(schedule)
    asked = np.concatenate([ask.alphas for ask in problem.asked])
    assert len(asked) == len(set(asked)) == integral.evaluations
    assert asked.min() >= 0
    assert asked.max() <= 1
    assert integral.f_start[0] == problem.values(np.zeros(1))[0, 0]
    assert integral.f_end[0] == problem.values(np.ones(1))[0, 0]


def test_answers_belong_to_the_points_asked_for_whatever_their_batch() -> None:
    problem = Problem([[sigmoid(90, 0.3), power(1)]])
    one_by_one, schedule = problem.run(Adaptive()), Adaptive()
    while (ask := schedule.ask()) is not None:
        order = np.random.default_rng(0).permutation(len(ask.alphas))  # evaluated in another order, told in the one asked for
        answers = problem.derivatives(ask.alphas[order])[np.argsort(order)]
        schedule.tell(problem.values(ask.alphas), answers, np.empty((0, 1)))
    assert np.array_equal(schedule.integral().value, one_by_one.value)


# -- 6, 7: what cannot be integrated


def noisy(problem: Problem, level: float, seed: int = 0) -> Problem:
    clean, random = problem.derivatives, np.random.default_rng(seed)
    problem.derivatives = lambda alphas: (d := clean(alphas)) * (1 + level * random.standard_normal(d.shape))  # type: ignore[method-assign]
    return problem


@pytest.mark.parametrize(("level", "tol"), [(1e-7, 1e-9), (1e-4, 1e-6), (1e-2, 1e-4)])
def test_noise_above_the_tolerance_is_told(level: float, tol: float) -> None:
    problem = noisy(Problem([[wave(1 + i / 4) for i in range(12)]]), level)
    integral = problem.run(Adaptive(tol))
    assert integral.stops == (Stop.ROUNDING,)
    assert integral.evaluations < 600
    assert problem.errors(integral)[0] <= integral.error[0] < 10 * level * np.abs(problem.exact).sum()


@pytest.mark.parametrize("seed", range(5))
def test_noise_below_the_tolerance_does_not_matter(seed: int) -> None:
    problem = noisy(Problem([[wave(1 + i / 4) for i in range(12)]]), 1e-5, seed)
    integral = problem.run(Adaptive(1e-3))
    assert integral.stops == (Stop.CONVERGED,)


@pytest.mark.parametrize("gain", [100, 3000])
def test_rough_integrands_are_not_taken_for_noise(gain: float) -> None:
    rough = Problem([[sigmoid(gain, at, (-1) ** i) for i, at in enumerate(np.linspace(0.03, 0.97, 14) ** 1.1)] + [wave(90)]])
    integral = rough.run(Adaptive(1e-5, max_evaluations=4000))
    assert integral.stops == (Stop.CONVERGED,)
    assert rough.errors(integral)[0] <= integral.error[0]


def test_a_gradient_that_is_no_number_is_never_certified() -> None:
    def root(a: Floats) -> Floats:
        return np.where(a == 0, np.nan, 0.5 / np.sqrt(np.where(a == 0, 1.0, a)))

    problem = Problem([[(root, np.sqrt), power(1)], [power(1), power(2)]])
    integral = problem.run(Adaptive(0.01))
    assert integral.stops == (Stop.NOT_FINITE, Stop.CONVERGED)
    assert np.isfinite(integral.value).all()
    assert problem.errors(integral)[0] <= integral.error[0] < 0.05 * np.abs(integral.value[0]).sum()  # the gap shrank
    assert integral.evaluations < 100
    assert min(ask.alphas.min() for ask in problem.asked[1:]) < 1e-3  # it went there


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("name", SCHEDULES)
def test_numbers_come_back_finite_whatever_happens(name: str, bad: float) -> None:
    broken = (lambda a: np.where(a < 0.3, bad, 1.0), lambda a: a)
    integral = Problem([[broken, power(1)]]).run(SCHEDULES[name]())
    assert integral.stops == (Stop.NOT_FINITE,)
    assert np.isfinite(integral.value).all()
    assert integral.error[0] > 0.1
    assert integral.evaluations <= 200


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", SCHEDULES)
def test_an_f_that_is_no_number_leaves_an_infinite_error(name: str, bad: float) -> None:
    broken = (lambda a: np.ones_like(a), lambda a: np.where((a < 0.2) | (a == 1), bad, a))
    integral = Problem([[broken, power(1)]]).run(SCHEDULES[name]())
    assert integral.stops == (Stop.NOT_FINITE,)
    assert integral.error[0] == np.inf
    assert np.isfinite(integral.value).all()
    assert integral.evaluations < 200


def test_the_nearest_number_stands_for_a_gap() -> None:
    problem = Problem([[(lambda a: np.where(a < 0.3, np.nan, 1.0), lambda a: a), power(1)]])
    assert problem.run(Adaptive()).value[0, 0] == pytest.approx(1.0)


@pytest.mark.parametrize("name", SCHEDULES)
def test_nothing_but_nan_ends_at_once_with_an_infinite_error(name: str) -> None:
    nothing = (lambda a: np.nan * a, lambda a: np.nan * a)
    problem = Problem([[nothing]])
    integral = problem.run(SCHEDULES[name]())
    assert len(problem.asked) == 1
    assert integral.stops == (Stop.NOT_FINITE,)
    assert integral.error[0] == np.inf
    assert np.isfinite(integral.value).all()


def test_a_jump_of_f_that_the_gradient_does_not_know_stays_in_the_error() -> None:
    problem = Problem([[(lambda a: np.ones_like(a), lambda a: a + (a > 0.3))]])
    integral = problem.run(Adaptive(0.01))
    assert integral.stops == (Stop.JUMP,)
    assert integral.error[0] >= 1.0
    assert integral.evaluations < 100


# -- fixed rules


@pytest.mark.parametrize("name", ["left", "right", "middle", "trapezoid", "gauss", "graded", "clenshaw-curtis"])
def test_a_fixed_rule_states_at_least_its_residual_and_says_when_it_is_too_coarse(name: str) -> None:
    problem = Problem([[sigmoid(40, 0.45), sigmoid(40, 0.47, -0.9)]])  # tokens that cancel: the residual alone would miss most
    many = 129 if name in ("gauss", "graded") else 1025
    coarse, fine = problem.run(Fixed(rule(name, 9))), problem.run(Fixed(rule(name, many)))
    assert coarse.stops == (Stop.FIXED,)
    assert fine.stops == (Stop.CONVERGED,)
    for integral in (coarse, fine):
        assert abs(integral.residual[0]) <= integral.error[0]
        assert problem.errors(integral)[0] <= integral.error[0] + ROUNDING


def test_a_fixed_rule_asks_for_f_only_at_ends_it_does_not_visit() -> None:
    ends = {name: Fixed(rule(name, 5)).ask().ends.tolist() for name in ("left", "right", "middle", "trapezoid")}  # type: ignore[union-attr]
    assert ends == {"left": [1.0], "right": [0.0], "middle": [0.0, 1.0], "trapezoid": []}


def test_a_fixed_rule_is_the_plain_weighted_sum() -> None:
    problem, r = Problem([[wave(7), power(3)], [power(2), sigmoid(5, 0.2)]]), rule("left", 50)
    integral = problem.run(Fixed(r))
    np.testing.assert_allclose(integral.value, np.einsum("n,nkt->kt", r.weights, problem.derivatives(r.nodes)), atol=1e-15)


def test_nested_settles_on_smooth_integrands_with_few_points() -> None:
    problem = Problem([[wave(5), power(4)]])
    integral = problem.run(Nested(1e-8))
    assert integral.evaluations in (17, 33)
    assert problem.errors(integral)[0] <= integral.error[0] + ROUNDING


# -- what small changes of the code must not pass unseen


def test_points_at_a_break_stand_inside_their_own_piece() -> None:
    edges = np.array([0.0, 0.5, 1.0])
    points = inside(np.array([0.0, 0.5, 0.5, 1.0]), np.array([0, 0, 1, 1]), edges)
    assert points[0] == 0.0
    assert 0.5 - 1e-9 < points[1] < 0.5 < points[2] < 0.5 + 1e-9
    assert points[3] == 1.0
    assert inside(np.array([1.5]), np.array([1]), edges)[0] == 1.0


def test_sums_over_vertices_say_that_they_converged_when_they_did() -> None:
    problem = Problem([[power(0), power(0, -0.3)]])
    for side in ("left", "right", "trapezoid"):
        integral = problem.run(Vertices(side, breaks=(0.0, 0.3, 1.0)))
        assert integral.stops == (Stop.CONVERGED,)
        assert problem.errors(integral)[0] < ROUNDING


def test_nested_uses_a_budget_to_the_last_point() -> None:
    problem = Problem([[sigmoid(300, 0.4321), power(0)]])
    assert [problem.run(Nested(1e-12, max_evaluations=most)).evaluations for most in (16, 17, 32, 33)] == [9, 17, 17, 33]


def test_rules_know_their_names_and_refuse_nodes_outside() -> None:
    for name in ("left", "right", "middle", "trapezoid", "gauss", "graded", "clenshaw-curtis"):
        assert rule(name, 9).name == f"{name}:9"
    nodes = np.array([-0.5, 0.5, 1.0])
    with pytest.raises(ValueError, match="within"):
        Rule("outside", nodes, np.array([0.0, 1.0, 0.0]), np.array([0.0, 1.0, 0.0]), 0)


def test_a_slope_is_the_derivative_at_the_end() -> None:
    problem = Problem([[power(2), power(1, -0.5)]])
    integral = problem.run(Slope())
    np.testing.assert_allclose(integral.value, [[3.0, -1.0]])
    assert np.isnan(integral.f_start[0])
    assert integral.f_end[0] == pytest.approx(0.5)
    assert integral.evaluations == 1


def test_half_precision_keeps_outputs_pooled() -> None:
    problem = Problem([[sigmoid(80, 0.4), power(2), power(1)], [wave(12), power(1), power(0)]])
    integral = problem.run(schedule("adaptive", 0.05, 400, (0.0, 1.0), True, epsilon=2.0**-10))
    assert len(set(integral.error)) == 1
