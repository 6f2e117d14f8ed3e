"""The mean over drawn lines: as many as the tolerance needs, loosely while they are few, and never more than the budget."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import lineal
from lineal import baselines, targets, views
from lineal.errors import OptionError
from lineal.methods import ExpectedGradients
from lineal.models import TextModel
from lineal.paths import Drawn, Straight
from lineal.quadrature.adaptive import Adaptive
from lineal.quadrature.contract import Ask, Integral, Schedule, Stop
from lineal.quadrature.expectation import FIRST, LEAST, Expectation
from tests import tiny, tiny_lm

TEXT = "the film was not very good"
MEANS = np.array([3.0, -1.0, 0.5, 0.0])
"""Scores of four tokens, on average over lines; the last token does not move."""
Derivatives = Callable[[np.ndarray, np.ndarray], np.ndarray]


def lines(deviation: float, steep: float = 3.0, seed: int = 0) -> Derivatives:
    """From (n,) lines and (n,) α to (n, 1, 4) derivatives that integrate to N(MEANS, deviation²)."""
    drawn = np.random.default_rng(seed).standard_normal((20_000, 4)) * deviation * (MEANS != 0) + MEANS

    def derivatives(which: np.ndarray, alphas: np.ndarray) -> np.ndarray:
        return drawn[which, None] * (steep * np.exp(steep * alphas) / np.expm1(steep))[:, None, None]

    return derivatives


def consistent(of: Derivatives, steep: float = 3.0) -> Callable[[Schedule], tuple[Integral, list[Ask]]]:
    """Run with an F whose derivative is the sum of those of the tokens."""

    def go(schedule: Schedule) -> tuple[Integral, list[Ask]]:
        asks = []
        while (ask := schedule.ask()) is not None:
            asks.append(ask)
            which = (ask.alphas // 2).astype(int)
            derivatives = of(which, ask.alphas - 2 * which)
            values = derivatives.sum(axis=-1) / steep
            schedule.tell(values, derivatives, np.zeros((len(ask.ends), 1)))
        return schedule.integral(), asks

    return go


def expectation(tol: float, budget: int = 100_000, most: int = 10_000) -> Expectation:
    return Expectation(lambda tol, most: Adaptive(tol, most), tol, budget, most)


@pytest.mark.parametrize(("deviation", "tol"), [(0.3, 0.05), (0.3, 0.02), (1.0, 0.1), (0.05, 0.01)])
def test_both_errors_together_are_within_the_tolerance_and_the_mean_is_right(deviation: float, tol: float) -> None:
    off = []
    for seed in range(8):
        found, _ = consistent(lines(deviation, seed=seed))(expectation(tol))
        assert found.stops == (Stop.CONVERGED,)
        assert found.spread is not None
        mass, sampling = np.abs(found.value).sum(), found.spread.sum() / np.sqrt(found.lines)
        assert found.error[0] + sampling <= tol * mass * (1 + 1e-9)
        off.append(np.abs(found.value[0] - MEANS).sum() / (found.error[0] + sampling))
        needed = (deviation * 3 / (tol * 4.5)) ** 2
        assert found.lines >= needed * 0.6, "fewer cannot be so sure"
        assert found.lines <= max(FIRST, 6 * needed + 16), "nor are many more drawn"
    assert np.mean(off) < 1, "Σ of standard errors is 1.25 times the mean L1 distance"
    assert max(off) < 2.5


def test_few_draws_are_integrated_loosely() -> None:
    """A loose line costs 13 gradients, a line to half a per cent twice that and more."""
    rough, _ = consistent(lines(1.0, steep=12.0), 12.0)(expectation(0.1))
    tight, _ = consistent(lines(0.0, steep=12.0), 12.0)(expectation(0.002))
    assert rough.evaluations / rough.lines < 22
    assert tight.lines == FIRST, "lines that do not differ are not drawn again"
    assert tight.stops == (Stop.CONVERGED,)
    assert tight.evaluations / tight.lines > 25


@pytest.mark.parametrize("budget", [60, 200, 1000])
def test_the_budget_is_kept_and_the_reason_is_said(budget: int) -> None:
    found, asks = consistent(lines(2.0))(expectation(0.001, budget))
    assert found.evaluations == sum(len(ask.alphas) for ask in asks) <= budget
    assert found.stops == (Stop.DRAWS,)
    assert found.lines >= 2
    assert found.evaluations > budget / 2, "it is used"
    assert "draws" in Stop.DRAWS.value
    steep, _ = consistent(lines(0.0, steep=500.0), 500.0)(expectation(1e-6, 200))
    assert steep.stops == (Stop.BUDGET,)


def test_there_are_no_more_lines_than_there_are() -> None:
    found, _ = consistent(lines(2.0))(expectation(0.001, most=20))
    assert found.lines == 20
    assert found.stops == (Stop.DRAWS,)
    assert LEAST >= 16


def test_the_path_of_the_jth_line() -> None:
    starts, end = torch.randn(9, 2, 3, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)
    path = Drawn(lambda chunk: starts[3 * chunk : 3 * chunk + 3], 3, end)
    where = [0.0, 1.0, 2 * 4 + 0.25, 2 * 8 + 1.0, 2 * 8 + 0.0]
    expected = [(0, 0.0), (0, 1.0), (4, 0.25), (8, 1.0), (8, 0.0)]
    for point, velocity, (j, a) in zip(path.at(where), path.velocity(where), expected, strict=True):
        line = Straight(starts[j], end)
        torch.testing.assert_close(point, line.at([a])[0])
        torch.testing.assert_close(velocity, line.velocity([a])[0])
    assert torch.equal(path.line(7).start, starts[7])


# --- with models ---------------------------------------------------------------------------------------------------------------------


@cache
def classifier() -> TextModel:
    return lineal.load(tiny.bert_classifier(), tiny.tokenizer())


def explain(baseline: object, **options: object) -> lineal.Attribution:
    return lineal.explain(classifier(), TEXT, targets.label(1), baseline=baseline, **options)


def test_alternatives_without_a_number_are_as_many_as_the_tolerance_needs() -> None:
    rough, fine = (explain("alternatives", tol=tol, max_evaluations=100_000) for tol in (0.3, 0.15))
    for record in (rough, fine):
        assert record.converged
        assert record.sampling is not None
        assert record.spread is not None
        assert record.sampling[0] == pytest.approx(record.spread[0].sum() / np.sqrt(record.draws))
        assert record.error[0] + record.sampling[0] <= record.tol * record.mass[0]
        assert abs(record.residual[0]) <= record.error[0] + 1e-9
    assert FIRST <= rough.draws < fine.draws
    truth = explain("alternatives:150:class", tol=0.1)
    assert np.abs(fine.scores - truth.scores).sum() < 2.5 * (fine.error[0] + fine.sampling[0])
    assert explain("alternatives:auto:class", tol=0.15, max_evaluations=100_000).scores.tolist() == fine.scores.tolist()
    assert "as many as needed" in fine.baseline


def test_where_the_budget_ends_first_the_record_says_so(tmp_path: Path) -> None:
    record = explain("alternatives", tol=0.001, max_evaluations=400)
    assert record.stop is Stop.DRAWS
    assert record.evaluations <= 400
    assert record.sampling is not None
    assert record.sampling[0] > record.error[0]
    again = lineal.load_result(record.save(tmp_path / "r.json"))
    assert again == record
    assert again.draws == record.draws
    for shown in (views.page(record), views.to_text(record)):
        assert "sampling" in shown
        assert f"{record.draws} draws" in shown
    words = record.words()
    np.testing.assert_array_equal(words.sampling, record.sampling)
    assert words.draws == record.draws


def test_a_number_of_draws_is_kept_to_and_their_sampling_error_is_said() -> None:
    record, several = explain("alternatives:5", tol=0.01), explain("mask,pad", tol=0.01)
    assert record.converged, "the mean over these five is known"
    assert record.draws == 5
    assert record.sampling is not None
    assert record.sampling[0] == pytest.approx(record.spread[0].sum() / np.sqrt(5))  # type: ignore[index]
    assert several.sampling is None, "two named baselines are no sample of anything"
    assert several.draws == 0
    assert explain("random:4", tol=0.1).draws == 4
    assert explain("alternatives:5", method="occlusion").draws == 5
    assert explain("alternatives", method="occlusion").draws == FIRST
    assert explain("alternatives", layer=0, tol=0.3).draws == FIRST, "states of a layer are not drawn further"


def test_expected_gradients_grow_likewise() -> None:
    found = explain("mask", method="expected-gradients:samples=none", tol=0.3, max_evaluations=100_000)
    assert found.converged
    assert found.draws >= FIRST
    assert found.method == "expected-gradients:samples=none"
    fixed = explain("mask", method=ExpectedGradients(samples=found.draws), tol=0.02, max_evaluations=1000)
    assert np.abs(found.scores - fixed.scores).sum() <= 1.5 * found.error[0] + fixed.error[0], "the same draws"
    assert fixed.draws == found.draws
    over = explain("alternatives", method="expected-gradients", tol=0.3, max_evaluations=100_000)
    np.testing.assert_array_equal(over.scores, explain("alternatives", tol=0.3, max_evaluations=100_000).scores)


def test_a_decoder_grows_behind_held_tokens_and_in_company() -> None:
    model, prompts = tiny_lm.llama(), ["The man works as a", "The wall takes years"]
    options = {"tol": 0.5, "max_evaluations": 100_000}
    together = list(lineal.explain_many(model, prompts, baseline="alternatives", **options))
    for record, prompt in zip(together, prompts, strict=True):
        assert record.converged
        alone = lineal.explain(model, prompt, baseline="alternatives", **options)
        assert alone.draws == record.draws
        np.testing.assert_allclose(alone.scores, record.scores, atol=1e-9)
        assert record.fluency.keys() >= {"text", "middle"}


def test_spellings_of_alternatives_that_grow() -> None:
    for value in (baselines.alternatives(), baselines.alternatives(proposer="class"), baselines.alternatives(seed=3)):
        assert baselines.resolve(baselines.spelling(value), classifier()) == value
    assert baselines.resolve("alternatives:auto", classifier()) == baselines.alternatives()
    with pytest.raises(OptionError, match="at least"):
        explain(baselines.alternatives(0))
