"""The five checks: each can come out either way, and says so in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

import lineal
from lineal import baselines, targets, views
from lineal.errors import InputError
from lineal.evaluation import trust
from lineal.evaluation.trust_pair import examine_pair
from lineal.metrics.curves import GRID, count
from lineal.models.checks import check_fidelity
from lineal.prompts import Generation
from lineal.verbs import prepare
from lineal.verbs.pair_session import Pairs
from tests import fakes, records, tiny, tiny_lm
from tests.test_pairs import encoder


@pytest.fixture(scope="module")
def examined() -> tuple[lineal.Attribution, trust.Trust]:
    model = lineal.load(tiny.bert_classifier(), tiny.tokenizer())
    return trust.examine(model, "a very good film but a bad ending", "label:L1", tol=0.02)


def test_every_question_gets_a_sentence_and_a_picture(examined: tuple[lineal.Attribution, trust.Trust]) -> None:
    record, found = examined
    assert record.converged
    assert len(found.checks) == 6
    page = views.page(record, panels=[views.trust_panel(found)])
    assert page.count("<svg") == 6
    for check in found.checks:
        assert check.question in page
        assert check.question in views.trust_text(found)
        assert check.sentence in views.trust_text(found)


def test_checks_are_read_back_as_they_were(examined: tuple[lineal.Attribution, trust.Trust], tmp_path: Path) -> None:
    _, found = examined
    again = lineal.load_result(found.save(tmp_path / "trust.json"))
    assert again == found
    assert views.trust_text(again) == views.trust_text(found)
    assert again.model is not None
    assert again.model.name == examined[0].model.name


def ranks(values: Sequence[float]) -> np.ndarray:
    """Ranks from 0, for values that are all different."""
    assert len(set(values)) == len(values)
    return np.argsort(np.argsort(values))


def test_every_verdict_is_that_of_the_curves_drawn_beside_it(examined: tuple[lineal.Attribution, trust.Trust]) -> None:
    """Rank correlations, areas and verdicts by hand, from the lines alone."""
    record, found = examined
    adds, baseline, method, deletion, random, causal = found.checks
    moving = [i for i, role in enumerate(record.roles) if role == "content"]
    assert adds.lines == {"sum of scores": (record.scores.sum(),), "F(text) − F(baseline)": (record.f_input[0] - record.f_baseline[0],)}
    for check in (baseline, method, random):
        ours, others = check.lines.values()
        assert ours == tuple(record.scores[0, moving])
        alike = np.corrcoef(ranks(ours), ranks(others))[0, 1]
        assert check.value == pytest.approx(alike)
        assert f"{alike:.2f}".replace("-", "−") in check.sentence
    assert causal.value == pytest.approx(np.corrcoef(*map(ranks, causal.lines.values()))[0, 1])
    for check in (baseline, method, causal):
        assert check.verdict == ("good" if check.value >= 0.7 else "mixed" if check.value >= 0.4 else "bad")
    assert random.verdict == ("good" if abs(random.value) < 0.4 else "mixed" if abs(random.value) < 0.7 else "bad")
    strongest, shuffled = (np.array(line) for line in deletion.lines.values())
    assert strongest.shape == shuffled.shape == (len(GRID),)
    below = np.trapezoid(shuffled - strongest, GRID)
    assert np.sign(deletion.value) == np.sign(below)
    assert (deletion.verdict == "bad") == (below <= 0)


def test_the_other_scores_are_those_of_the_other_baseline_and_method(examined: tuple[lineal.Attribution, trust.Trust]) -> None:
    record, found = examined
    model, moving = lineal.load(tiny.bert_classifier(), tiny.tokenizer()), [i for i, role in enumerate(record.roles) if role == "content"]
    for check, options in ((found.checks[1], {"baseline": "pad"}), (found.checks[2], {"method": "occlusion"})):
        other = lineal.explain(model, record.text, "label:L1", tol=0.02, **options)
        (shown,) = [line for name, line in check.lines.items() if name != "this explanation"]
        np.testing.assert_allclose(shown, other.scores[0, moving], atol=1e-5)


def test_the_deletion_curve_is_the_models_own_answer_to_what_is_left(examined: tuple[lineal.Attribution, trust.Trust]) -> None:
    """Each point again, by running the bare model on the text without its strongest words."""
    record, found = examined
    module, words = tiny.bert_classifier(), tiny.tokenizer()
    order = np.argsort(-record.scores[0], kind="stable")
    moving = [i for i in order if record.roles[i] == "content"]
    strongest = found.checks[3].lines["strongest first"]
    for share, shown in zip(GRID[:-1], strongest, strict=False):  # the last one leaves nothing, and a model cannot read nothing
        gone = moving[: count(share, len(moving))]
        left = [token for i, token in enumerate(record.tokens) if record.roles[i] == "content" and i not in gone]
        if left:
            with torch.no_grad():
                logits = module(**words(" ".join(left), return_tensors="pt")).logits[0]
            assert shown == pytest.approx(float(logits.softmax(dim=-1)[1]), abs=1e-5)
    assert np.ptp(strongest) > 0.05, "nothing changes, so the check would be empty"


def test_replacing_words_is_the_models_own_answer_to_other_words(examined: tuple[lineal.Attribution, trust.Trust]) -> None:
    """Each effect again, by running the bare model on every draw, one word at a time."""
    record, found = examined
    model, check = lineal.load(tiny.bert_classifier(), tiny.tokenizer()), found.checks[5]
    encoded = model.encode([record.text])
    drawn, _ = baselines.alternatives(8).bind(model).ids(encoded)
    places = [i for i in range(len(encoded)) if (drawn[:, i] != encoded.ids[i]).any()]
    effects = []
    for i in places:
        rows = torch.tensor([encoded.ids] * len(drawn))
        rows[:, i] = torch.from_numpy(drawn[:, i])
        with torch.no_grad():
            effects.append(float(record.f_input[0]) - float(model.module(input_ids=rows).logits[:, 1].mean()))
    ours, theirs = check.lines.values()
    np.testing.assert_allclose(ours, record.scores[0, places], atol=1e-12)
    np.testing.assert_allclose(theirs, effects, atol=1e-5)
    top, most = (record.tokens[places[int(np.argmax(row))]] for row in (ours, theirs))
    assert f"“{top}”" in check.sentence
    assert f"“{most}”" in check.sentence


def test_where_there_are_no_alternatives_the_question_stays_open() -> None:
    model = lineal.load(tiny.bert_classifier(), tiny.tokenizer())
    _, found = trust.examine(model, "zyx zyx film qq", "label:L1", tol=0.02)
    assert found.checks[5].verdict == "unknown"
    assert "alternative" in found.checks[5].sentence


def test_adding_up_is_judged_by_the_record(examined: tuple[lineal.Attribution, trust.Trust]) -> None:
    record, found = examined
    assert found.checks[0].verdict == "good"
    assert found.checks[0].value == pytest.approx(abs(record.residual[0]) / record.mass[0])
    model = lineal.load(tiny.bert_classifier(), tiny.tokenizer())
    _, coarse = trust.examine(model, "a very good film but a bad ending", "label:L1", rule="left:2")
    assert coarse.checks[0].verdict == "bad"


def test_agreement_goes_both_ways() -> None:
    scores = np.arange(6.0)
    assert trust.agree("?", "x", scores, scores).verdict == "good"
    assert trust.agree("?", "x", scores, -scores).verdict == "bad"
    assert trust.notices(scores, lambda: scores).verdict == "bad"
    assert trust.notices(scores, lambda: np.array([2.0, 0.0, 3.0, 1.0, 2.5, 0.5])).verdict == "good"


def test_names_in_the_panel_are_escaped() -> None:
    check = trust.Check(records.HOSTILE, "bad", records.HOSTILE, 0.0, {records.HOSTILE: (1.0, 2.0, 3.0), "b": (3.0, 1.0, 2.0)})
    panel = str(views.trust_panel(trust.Trust(text="t", target="x", checks=(check,))))
    assert "<img" not in panel
    assert "<script" not in panel


def test_a_ranking_needs_tokens() -> None:
    with pytest.raises(InputError, match="3"):
        trust.examine(lineal.load(tiny.bert_classifier(), tiny.tokenizer()), "good film")


def test_of_several_labels_the_largest_is_examined() -> None:
    model = lineal.load(tiny.bert_classifier(), tiny.tokenizer())
    record, found = trust.examine(model, "a very good film but a bad ending", targets.labels(), rule="gauss:4")
    best = int(np.argmax(record.f_input))
    assert found.target == record.targets[best]
    assert found.target in found.about
    assert found.about in views.trust_text(found)
    assert found.about in str(views.trust_panel(found))
    moving = [i for i, role in enumerate(record.roles) if role == "content"]
    np.testing.assert_array_equal(found.checks[1].lines["this explanation"], record.scores[best, moving])
    alone, _ = trust.examine(model, "a very good film but a bad ending", f"label:{found.target}", rule="gauss:4")
    assert found.checks[0].value == pytest.approx(abs(alone.residual[0]) / alone.mass[0])


@pytest.mark.parametrize(("unit", "picks"), [("log_prob", (0, 1, 2)), ("logit", (0,))])
def test_a_generation_is_examined_as_it_was_generated(unit: str, picks: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Other baselines, methods and weights explain the same continuation, over the tokens of the prompt."""
    model, calls = tiny_lm.llama(), []
    generate = type(model).generate
    monkeypatch.setattr(type(model), "generate", lambda self, *a, **k: calls.append(1) or generate(self, *a, **k))
    record, found = trust.examine(model, Generation("The man works as a good doctor", 3), targets.Steps(unit), rule="gauss:4")
    assert calls == [1]
    moving = [i for i, role in enumerate(record.roles) if role == "content" and i < len(record.tokens) - record.steps]
    expected = record.scores[list(picks)].sum(axis=0)[moving]
    for check in (found.checks[1], found.checks[2], found.checks[4]):
        shown, other = check.lines.values()
        np.testing.assert_array_equal(shown, expected)
        assert len(other) == len(expected)
    strongest = found.checks[3].lines["strongest first"]
    if unit == "log_prob":
        assert strongest[0] == pytest.approx(np.exp(record.f_input.mean()))
    assert all(0 <= p <= 1 for p in strongest)
    assert "generated tokens" in found.about


def test_a_pair_is_examined_by_its_cells() -> None:
    model, a, b = lineal.load(encoder()), "a tepid film", "a glorious mess of a film"
    record, found = examine_pair(model, a, b, rule="gauss:4")
    rows, columns = ([i for i, role in enumerate(side.roles) if role == "content"] for side in (record.a, record.b))
    cells = record.matrix[np.ix_(rows, columns)].ravel()
    for check in (found.checks[1], found.checks[2], found.checks[4]):
        shown, other = check.lines.values()
        np.testing.assert_array_equal(shown, cells)
        assert len(other) == len(cells)
    assert found.checks[0].lines["similarity"] == (record.similarity,)
    for curve in found.checks[3].lines.values():
        assert curve[0] == pytest.approx(record.similarity, abs=1e-6)
    assert views.pair_page(record, panels=[views.trust_panel(found)]).count('class="trust"') == 1


@pytest.mark.parametrize("decomposition", ["projected", "four"])
def test_leaving_out_a_token_of_each_text_is_the_second_difference(decomposition: str) -> None:
    """One cell again, by encoding what is left in plain sight: the baseline's token in place of the left-out ones.

    What is shared with empty texts is in no cell, and so it is in no difference.
    """
    model, a, b = lineal.load(encoder()), "tepid film", "good film mess"
    how = {"rule": "gauss:2", "baseline": "mask", "decomposition": decomposition}
    _, found = examine_pair(model, a, b, **how)
    word = model.tokenizer.mask_token

    def similarity(one: str, two: str) -> float:
        pair = lineal.explain_pair(model, one, two, **how)
        return pair.similarity - pair.shared

    without = similarity(f"{word} film", b), similarity(a, f"{word} film mess"), similarity(f"{word} film", f"{word} film mess")
    expected = similarity(a, b) - without[0] - without[1] + without[2]
    assert list(found.checks[2].lines.values())[1][0] == pytest.approx(expected, abs=1e-5)


def test_a_given_record_is_examined_in_its_own_decomposition() -> None:
    model, a, b = lineal.load(encoder()), "tepid film", "good film mess"
    four = lineal.explain_pair(model, a, b, rule="gauss:4", decomposition="four")
    _, given = examine_pair(model, a, b, rule="gauss:4", record=four)
    _, asked = examine_pair(model, a, b, rule="gauss:4", decomposition="four")
    _, usual = examine_pair(model, a, b, rule="gauss:4")
    for number in (1, 2):
        assert given.checks[number].value == pytest.approx(asked.checks[number].value)
        assert given.checks[number].lines != usual.checks[number].lines


def test_a_matrix_needs_cells() -> None:
    with pytest.raises(InputError, match="3 cells"):
        examine_pair(lineal.load(encoder()), "film", "good")


def test_leave_one_out_is_not_compared_with_itself() -> None:
    _, found = trust.examine(
        fakes.FakeModel(fakes.smooth), "a tepid glorious mess of film", "label:yes", baseline="mask", method="occlusion"
    )
    _, usual = trust.examine(fakes.FakeModel(fakes.smooth), "a tepid glorious mess of film", "label:yes", baseline="mask")
    assert "integrated gradients" in found.checks[2].sentence
    assert found.checks[2].value == pytest.approx(usual.checks[2].value), "the same two methods, the other way round"


def test_an_examination_prepares_the_model_and_its_copy_with_other_weights_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = []
    monkeypatch.setattr(prepare, "check_fidelity", lambda model, encoded: (bound.append(model), check_fidelity(model, encoded))[1])
    model = lineal.load(tiny.bert_classifier(), tiny.tokenizer())
    trust.examine(model, "a very good film but a bad ending", "label:L1", rule="gauss:4")
    assert len(bound) == 2
    assert bound[0] is model


def test_an_examination_of_a_pair_prepares_no_more_and_explains_a_given_record_no_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    bound, explained = [], []
    monkeypatch.setattr(prepare, "check_fidelity", lambda model, encoded: (bound.append(model), check_fidelity(model, encoded))[1])
    explain = Pairs.explain
    monkeypatch.setattr(Pairs, "explain", lambda self, a, documents: (explained.append(self.first.model), explain(self, a, documents))[1])
    model = lineal.load(encoder())
    record, found = examine_pair(model, "a tepid film", "a glorious mess of a film", rule="gauss:4")
    assert [one is model for one in bound] == [True, False], "the model, and its copy with other weights"
    assert [one is model for one in explained] == [True, True, False], "the pair, from another baseline, with other weights"
    bound.clear()
    explained.clear()
    _, again = examine_pair(model, "a tepid film", "a glorious mess of a film", rule="gauss:4", record=record)
    assert [one is model for one in bound] == [True, False]
    assert [one is model for one in explained] == [True, False]
    assert again == found
