"""Rounding is part of the error: what a coarse model's derivatives scatter by is measured and stated, whatever the rule."""

from __future__ import annotations

import copy
import zlib

import numpy as np
import pytest
import torch
from scipy.stats import binom

import lineal
from lineal.models.rounding import spacing
from lineal.quadrature import spelling as rules
from lineal.quadrature.rounded import SAMPLED
from tests import tiny
from tests.integrands import draw, outcome, rounded

EPSILON = 2.0**-7
TEXT = "the tepid movie was a glorious mess."


def noisy(alphas: np.ndarray, noise: float, seed: int, tokens: int = 8, coarse: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """F, its token derivatives with relative L1 noise, and the exact integral; the noise of a point depends on nothing but the point.

    coarse: F is 3 more and has noise too, of so much, and is rounded to that.
    """
    random = np.random.default_rng(seed)
    weights, rates = random.standard_normal(tokens), random.uniform(0.5, 4, tokens)
    exact = weights * np.exp(-rates * alphas[:, None])  # (m, t)
    drawn = [np.random.default_rng([seed, zlib.crc32(np.float64(a).tobytes())]).standard_normal(tokens) for a in alphas]
    scatter = np.array(drawn).reshape(-1, tokens) * noise * np.abs(exact).mean(axis=1, keepdims=True) / np.sqrt(2 / np.pi)
    whole = weights * (1 - np.exp(-rates)) / rates
    values = (weights / rates * (1 - np.exp(-rates * alphas[:, None]))).sum(axis=1, keepdims=True)
    if coarse:
        shaken = [np.random.default_rng([seed, 1, zlib.crc32(np.float64(a).tobytes())]).standard_normal() for a in alphas]
        values = coarse * np.round((values + 3) / coarse + np.array(shaken).reshape(-1, 1))
    return values, (exact + scatter)[:, None], whole


def integrated(noise: float, seed: int, rule: str = "adaptive", epsilon: float = EPSILON, tol: float = 0.01, coarse: float = 0.0):
    """Return the integral and its true error."""
    schedule = rules.schedule(rule, tol, 400, (0.0, 1.0), epsilon=epsilon)
    while (ask := schedule.ask()) is not None:
        values, derivatives, _ = noisy(ask.alphas, noise, seed, coarse=coarse)
        schedule.tell(values, derivatives, noisy(ask.ends, noise, seed, coarse=coarse)[0])
    found = schedule.integral()
    return found, float(np.abs(found.value[0] - noisy(np.zeros(1), noise, seed)[2]).sum())


@pytest.mark.parametrize("noise", [0.003, 0.02, 0.1])
@pytest.mark.parametrize("rule", ["adaptive", "gauss:8"])
@pytest.mark.slow
def test_the_error_covers_rounding_that_a_rule_cannot_see(rule: str, noise: float) -> None:
    outcomes = [integrated(noise, seed, rule) for seed in range(100)]
    assert np.mean([true <= found.error[0] for found, true in outcomes]) >= 0.99
    assert all(true <= 0.01 * np.abs(found.value).sum() for found, true in outcomes if found.stops[0].converged)


@pytest.mark.parametrize(("noise", "epsilon"), [(0.016, 2.0**-7), (0.002, 2.0**-10)], ids=["bfloat16", "float16"])
def test_rounding_of_f_is_not_taken_for_errors_of_the_integral(noise: float, epsilon: float) -> None:
    """Every cell sees it anew: halving cells made the stated error grow, to the size of the mass and beyond."""
    found = [integrated(noise, seed, epsilon=epsilon, coarse=2 * epsilon) for seed in range(20)]
    stated = np.array([integral.error[0] / np.abs(integral.value).sum() for integral, _ in found])
    true = np.array([true / np.abs(integral.value).sum() for integral, true in found])
    assert (true <= stated).all()
    assert np.median(stated) <= 4 * noise
    assert np.mean([integral.evaluations for integral, _ in found]) <= 60
    for integral, _ in found:
        assert abs(integral.residual[0]) <= integral.error[0]


@pytest.mark.slow
@pytest.mark.parametrize("family", ["jumps", "steps", "2 of 30"])
def test_jumps_below_the_rounding_of_f_are_allowed_for(family: str) -> None:
    """Where F says little, differences count for more: float16, its F and its derivatives, on closed forms that jump."""
    epsilon, above, late, size = 2.0**-10, 0, 0, 60
    for number in range(2_000_000, 2_000_000 + size):
        found = outcome(rounded(draw(family, number), epsilon, number), rules.schedule("adaptive", 0.01, 400, (0.0, 1.0), epsilon=epsilon))
        above, late = above + (found.true > found.stated), late + (found.converged and found.true > 0.01)
    assert above <= binom.isf(0.001, size, 0.03)
    assert late <= binom.isf(0.001, size, 0.005)


def test_without_the_measurement_a_fixed_rule_understates_it() -> None:
    outcomes = [integrated(0.02, seed, "gauss:8", epsilon=0.0) for seed in range(100)]
    assert np.mean([true <= found.error[0] for found, true in outcomes]) < 0.9


def test_no_noise_costs_six_gradients_and_nothing_else() -> None:
    plain, true = integrated(0.0, 0, epsilon=0.0)
    found, _ = integrated(0.0, 0)
    np.testing.assert_array_equal(found.value, plain.value)
    assert found.evaluations == plain.evaluations + 2 * SAMPLED
    assert found.stops == plain.stops
    assert true <= plain.error[0] <= found.error[0] <= plain.error[0] + 1e-3 * np.abs(plain.value).sum()


@pytest.mark.parametrize(("dtype", "wanted"), [("bfloat16", 2.0**-7), ("float16", 2.0**-10), ("float32", 0.0), ("float64", 0.0)])
def test_coarse_models_are_told_by_their_weights(dtype: str, wanted: float) -> None:
    assert spacing(lineal.load(tiny.bert_classifier(), tiny.tokenizer(), dtype=dtype)) == wanted


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("make", [tiny.bert_classifier, tiny.llama])
def test_the_stated_error_holds_against_the_same_weights_in_float64(make, dtype: torch.dtype) -> None:
    texts = [TEXT, "not a good film, but the ending was glorious", "the man works as a doctor"]
    coarse, tokenizer = make().to(dtype), tiny.tokenizer(decoder=make is tiny.llama)
    fine = copy.deepcopy(coarse).double()
    target = "label:L0" if make is tiny.bert_classifier else "token:10"
    stated = lineal.explain_many(lineal.load(coarse, tokenizer), texts, target, max_evaluations=60)
    exact = lineal.explain_many(lineal.load(fine, tokenizer), texts, target, tol=1e-4)
    for one, other in zip(stated, exact, strict=True):
        true = float(np.abs(one.scores - other.scores).sum())
        assert true <= one.error[0]
        assert not one.converged or true <= one.tol * one.mass[0]
