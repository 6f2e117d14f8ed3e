"""Metrics on additive models, where every number has a closed form, and the laws each must keep."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import lineal
from lineal import metrics
from lineal.engine.removal import REMOVALS, Subject, values
from lineal.errors import OptionError
from lineal.evaluation.run import evaluate
from lineal.evaluation.stability import max_sensitivity, randomised
from lineal.metrics import curves, subsets
from lineal.verbs.options import Options
from lineal.verbs.session import Session
from tests import fakes, tiny

EXACT = 1e-12
TEXT = "the film a glorious mess of tepid good"


def additive_curve(weights: np.ndarray, order: np.ndarray) -> curves.Curve:
    """F = Σ weights of the tokens that are there."""
    counts = curves.counts(len(weights))
    without = np.array([weights[order[j:]].sum() for j in counts])
    only = np.array([weights[order[:j]].sum() for j in counts])
    return curves.Curve(counts, without, only)


def test_a_perfect_ranking_of_an_additive_f_has_sorted_cumulative_sums() -> None:
    weights = np.array([4.0, 3.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    found = additive_curve(weights, np.arange(10)).numbers()
    left = np.array([10, 6, 3, 1, 0, 0, 0, 0, 0, 0, 0]) / 10
    area = (left[1:] + left[:-1]).sum() / 20
    assert found["deletion"] == pytest.approx(area, abs=EXACT)
    assert found["insertion"] == pytest.approx(1 - area, abs=EXACT)
    assert found["srg"] == pytest.approx(1 - 2 * area, abs=EXACT)
    assert found["comprehensiveness"] == pytest.approx(np.mean([0, 4, 4, 4, 7, 10]), abs=EXACT)
    assert found["sufficiency"] == pytest.approx(np.mean([10, 6, 6, 6, 3, 0]), abs=EXACT)
    assert additive_curve(weights + 1, np.arange(10)).numbers()["log_odds"] == pytest.approx(np.log(11 / 20), abs=EXACT)


def test_a_random_ranking_gives_the_straight_line_in_expectation() -> None:
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.5, 1.5, 10)
    areas = [additive_curve(weights, rng.permutation(10)).numbers()["deletion"] for _ in range(400)]
    assert np.mean(areas) == pytest.approx(0.5, abs=4 * np.std(areas) / 20)


def test_areas_are_not_divided_by_noise() -> None:
    assert np.isnan(additive_curve(np.full(5, 1e-4), np.arange(5)).numbers()["deletion"])


@pytest.mark.parametrize(("n", "expected"), [(1, (0, 1)), (4, (0, 1, 2, 3, 4)), (40, (0, 1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40))])
def test_shares_are_rounded_up(n: int, expected: tuple[int, ...]) -> None:
    assert curves.counts(n) == expected


def test_monotonicity_counts_steps_that_do_not_lower() -> None:
    assert metrics.monotonicity(np.array([0.0, 1.0, 0.5, 0.5, 2.0])) == 0.75


@pytest.mark.parametrize("size", [1, 3, 5])
def test_sensitivity_n_and_infidelity_of_an_additive_f(size: int) -> None:
    rng = np.random.default_rng(1)
    scores, groups = rng.normal(size=8), subsets.draw(8, size, 50)
    assert (groups.sum(axis=1) == size).all()
    drops = groups @ scores
    assert metrics.sensitivity_n(scores, groups, drops) == pytest.approx(1.0)
    assert metrics.infidelity(scores, groups, drops, normalised=False) == 0.0
    assert metrics.infidelity(3 * scores, groups, drops) == pytest.approx(0.0, abs=EXACT)
    assert metrics.infidelity(3 * scores, groups, drops, normalised=False) == pytest.approx(np.mean((2 * drops) ** 2))
    assert metrics.infidelity(np.zeros(8), groups, drops) == 1.0


def test_sensitivity_to_all_tokens_is_undefined() -> None:
    groups = subsets.draw(5, 5, 10)
    assert np.isnan(metrics.sensitivity_n(np.arange(5.0), groups, np.full(10, 3.0)))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_soft_removal_keeps_the_same_share_whatever_the_scale(share: float) -> None:
    scores = np.random.default_rng(2).normal(size=30)
    for given in (scores, 100 * scores, scores**3, np.ones(30)):
        keep = metrics.keep_probabilities(given, share)
        assert keep.mean() == pytest.approx(share, abs=1e-9)
        assert ((keep >= 0) & (keep <= 1)).all()
        assert (np.diff(keep[np.argsort(given)]) >= -EXACT).all()


def test_soft_scores_at_their_ends() -> None:
    assert metrics.soft_sufficiency(0.9, 0.9, 0.4) == 1.0
    assert metrics.soft_sufficiency(0.9, 0.4, 0.4) == 0.0
    assert metrics.soft_comprehensiveness(0.9, 0.4, 0.4) == 1.0
    assert metrics.soft_comprehensiveness(0.9, 0.9, 0.4) == 0.0
    assert np.isnan(metrics.soft_comprehensiveness(0.4, 0.2, 0.4))


def test_agreement() -> None:
    a = np.array([3.0, 1.0, 2.0, 5.0])
    assert metrics.spearman(a, np.exp(a)) == metrics.kendall(a, np.exp(a)) == pytest.approx(1.0)
    assert metrics.spearman(a, -a) == pytest.approx(-1.0)
    assert np.isnan(metrics.spearman(a, np.ones(4)))
    assert metrics.top_overlap(a, -a, 0.5) == 1.0
    assert metrics.top_overlap(a, a[::-1], 0.25) == 0.0


def test_bootstrap_interval_of_normal_numbers_is_near_the_textbook_one() -> None:
    sample = np.random.default_rng(3).normal(2.0, 1.0, 400)
    found = metrics.interval(np.append(sample, np.nan))
    assert (found.n, found.mean) == (400, pytest.approx(sample.mean()))
    assert found.high - found.low == pytest.approx(2 * 1.96 * sample.std() / 20, rel=0.15)
    paired = metrics.difference(sample + 0.01, sample)
    assert (paired.low, paired.high) == (pytest.approx(0.01), pytest.approx(0.01))


def test_max_sensitivity_of_a_linear_model_is_the_largest_disturbance() -> None:
    """IG moves by w·ε, so the number is max ‖(w·ε_i)_i‖ / ‖(w·Δ_i)_i‖."""
    model = fakes.FakeModel(fakes.linear)
    session = Session(model, "label:yes", "mask", Options())
    case = session.case(TEXT)
    weights = torch.tensor([1.0, 0.2, -0.7], dtype=torch.float64)
    found = max_sensitivity(session.scores, case, radius=0.05, samples=4, seed=5)
    rng = np.random.default_rng(5)
    moved = max(float((torch.from_numpy(rng.uniform(-0.05, 0.05, (8, 3))) @ weights).norm()) for _ in range(4))
    assert found == pytest.approx(moved / float(((case.end - case.starts[0]) @ weights).norm()), rel=1e-9)


def test_randomising_leaves_the_model_and_the_embeddings_alone() -> None:
    model = lineal.load(tiny.bert_classifier(), tiny.tokenizer())
    before = lineal.explain(model, "a very good film", "label:L1")
    changed = randomised(model)
    after = lineal.explain(model, "a very good film", "label:L1")
    np.testing.assert_array_equal(before.scores, after.scores)
    ids = torch.arange(model.vocabulary)
    assert torch.equal(changed.embed(ids), model.embed(ids))
    assert np.abs(lineal.explain(changed, "a very good film", "label:L1").scores - before.scores).max() > 0.01


@pytest.mark.parametrize("name", REMOVALS)
def test_removing_nothing_changes_nothing_and_order_does_not_matter(name: str) -> None:
    model = lineal.load(tiny.bert_classifier().double(), tiny.tokenizer())
    session = Session(model, "label:L1", "mask", Options())
    case = session.case("a very good film")
    subject = Subject(case.encoded, case.end, case.starts[0], case.objective)
    nothing, first, last = (np.zeros(6, dtype=bool) for _ in range(3))
    first[1], last[4] = True, True
    together = values(model, [REMOVALS[name](subject, gone) for gone in (nothing, first, last)], session.budget)
    alone = values(model, [REMOVALS[name](subject, last)], session.budget)
    expected = lineal.explain(model, "a very good film", "label:L1", method="random").f_input
    np.testing.assert_allclose(together[0], expected, atol=1e-9)
    np.testing.assert_allclose(together[2], alone[0], atol=1e-9)
    assert abs(together[0, 0] - together[1, 0]) > 1e-6


def test_an_evaluation_by_hand_on_an_additive_model() -> None:
    """Replacing tokens by the baseline of IG makes a linear F additive: IG is perfect, and its numbers are sorted sums."""
    model = fakes.FakeModel(fakes.linear)
    texts = [TEXT, "a good film", "bad bad film not good"]
    names = ["loo_spearman", "sensitivity_n", "infidelity"]
    found = evaluate(
        model,
        texts,
        "label:yes",
        methods=["ig", "occlusion", "random"],
        baselines=["mask"],
        metrics=names,
        removals=["replace:mask", "delete"],
    )
    assert [column.name for column in found.columns] == ["ig, mask", "occlusion, mask", "random"]
    np.testing.assert_allclose(found.values[:2, 0, 0], 1.0)
    np.testing.assert_allclose(found.values[:2, 0, 2], 0.0, atol=1e-9)
    assert found.values[2, 0, 2].min() > 0.01
    assert found.gap(0)[0] < 1e-9
    assert found.gap(1) is None


def test_an_evaluation_ranks_its_control_last_and_names_what_it_skipped() -> None:
    model = fakes.FakeModel(fakes.smooth)
    texts = [TEXT, " ", "a good film of the mess", "bad bad film not good", "the tepid film"]
    found = evaluate(model, texts, "label:yes", methods=["occlusion", "random"], removals=["replace:mask", "delete"])
    assert found.values.shape == (2, 2, 7, 4)
    assert found.without.shape == (2, 2, 4, 11)
    assert len(found.skipped) == 1
    assert found.interval(0, 0, 0).mean >= found.interval(1, 0, 0).mean
    np.testing.assert_allclose(found.without[:, :, :, -1], found.only[:, :, :, 0])


@pytest.mark.parametrize(
    "wrong", [{"metrics": ["banana"]}, {"removals": ["burn"]}, {"removals": ["replace"]}, {"methods": ["banana"]}, {"metrics": []}]
)
def test_unknown_names_are_errors(wrong: dict[str, list[str]]) -> None:
    with pytest.raises(OptionError):
        evaluate(fakes.FakeModel(fakes.linear), [TEXT], "label:yes", **{"methods": ["ig"], **wrong})
