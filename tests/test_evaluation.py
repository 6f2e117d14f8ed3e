"""Evaluations of models with closed forms: every metric against arithmetic by hand, and the laws of the run itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import lineal
from lineal import metrics, targets
from lineal.engine.integrate import Task, integrate
from lineal.errors import InputError, OptionError
from lineal.evaluation import run as evaluation
from lineal.evaluation.judge import operator, removable, same_question
from lineal.evaluation.readings import has, with_probability
from lineal.evaluation.run import METRICS, Evaluation, default_methods, default_removals, evaluate
from lineal.evaluation.stability import randomised
from lineal.methods import Case, Outcome
from lineal.metrics import catalogue, subsets
from lineal.models.checks import check_fidelity
from lineal.models.classifier import SequenceClassifier
from lineal.objectives.label import ClassScore
from lineal.objectives.token import TokenScore
from lineal.objectives.wrap import Combined, Hellinger
from lineal.verbs import prepare
from lineal.verbs.options import Options
from lineal.verbs.session import Session
from lineal.views import to_csv as evaluation_csv
from lineal.views.evaluation.table import evaluation_markdown, evaluation_rows
from tests import fakes, tiny, tiny_lm
from tests.test_pairs import encoder

EXACT = 1e-9
TEXT = "the film a glorious mess of tepid good"
TEXTS = [TEXT, "a good film", "bad bad film not good", "the glorious mess"]
PROMPTS = ["The man works as a", "The wall takes years to", "Question: which option is"]


def value(found: Evaluation, method: str, metric: str, removal: int = 0) -> np.ndarray:
    """(texts,) what one method got."""
    column = next(c for c, one in enumerate(found.columns) if one.method == method)
    return np.asarray(found.values[column, removal, found.metrics.index(metric)])


def embeds(model: fakes.FakeModel, text: str) -> torch.Tensor:
    return model.embed(model.encode([text]).features["input_ids"]).detach()


def logits(model: fakes.FakeModel, points: torch.Tensor) -> torch.Tensor:
    return model.answer(points[None], torch.ones(1, len(points), 1, dtype=points.dtype))[0]


# --- closed forms --------------------------------------------------------------------------------------------------------------------


def test_log_prob_drops_of_a_linear_model() -> None:
    """IG from zero ranks by w·x_i, and taking tokens out takes their logits out."""
    model = fakes.FakeModel(fakes.linear)
    names = [f"log_prob_drop_{k}" for k in (1, 3, 5)]
    found = evaluate(model, [TEXT], "label:yes", methods=["ig"], baselines=["zero"], metrics=names, removals=["replace:zero"])
    points = embeds(model, TEXT)
    order = (points @ torch.tensor([1.0, 0.2, -0.7], dtype=torch.float64)).argsort(descending=True)
    for name, k in zip(names, (1, 3, 5), strict=True):
        left = points.clone()
        left[order[:k]] = 0
        expected = torch.log_softmax(logits(model, points), -1)[1] - torch.log_softmax(logits(model, left), -1)[1]
        assert value(found, "ig", name)[0] == pytest.approx(float(expected), abs=EXACT)


def test_a_linear_model_has_lds_one_adds_up_and_is_read_back(tmp_path: Path) -> None:
    wanted = ["lds", "completeness_error", "loo_spearman"]
    how = {"methods": ["ig", "random"], "baselines": ["mask"], "metrics": wanted, "removals": ["replace:mask"]}
    found = evaluate(fakes.FakeModel(fakes.linear), TEXTS, "label:yes", **how)
    again = lineal.load_result(found.save(tmp_path / "e.json"))
    assert again == found
    assert evaluation_csv(again) == evaluation_csv(found)
    np.testing.assert_allclose(value(found, "ig", "lds"), 1.0)
    np.testing.assert_allclose(value(found, "ig", "completeness_error"), 0.0, atol=EXACT)
    assert value(found, "random", "lds").max() < 0.99
    assert value(found, "random", "completeness_error").min() > 0.01


def test_lds_asks_for_order_only() -> None:
    rng = np.random.default_rng(0)
    scores, kept = rng.normal(size=9), subsets.ablations(9, 40)
    values = kept @ scores
    assert kept.mean() == pytest.approx(0.5, abs=0.1)
    assert metrics.lds(scores, kept, 7 + 3 * values) == pytest.approx(1.0)
    assert metrics.lds(-scores, kept, values) == pytest.approx(-1.0)
    assert metrics.lds(scores, kept, np.exp(values)) == pytest.approx(1.0)
    assert np.isnan(metrics.lds(scores, kept, np.ones(40)))


def test_completeness_error_of_a_method_that_promises_no_sum() -> None:
    model = fakes.FakeModel(fakes.smooth)
    found = evaluate(model, [TEXT], "label:yes", methods=["gradient-x-input"], baselines=["mask"], metrics=["completeness_error"])
    record = lineal.explain(model, TEXT, "label:yes", method="gradient-x-input", baseline="mask")
    gap = record.scores.sum() - (record.f_input[0] - record.f_baseline[0])
    assert value(found, "gradient-x-input", "completeness_error")[0] == pytest.approx(abs(gap), abs=EXACT)
    assert abs(gap) > 0.01


def test_hellinger_distances_by_hand() -> None:
    objective = Hellinger(torch.tensor([0.5, 0.5], dtype=torch.float64).sqrt(), ())
    answer = torch.tensor([[0.0, 0.0], [0.0, -800.0], [np.log(9.0), 0.0]], dtype=torch.float64)
    expected = [0.0, np.sqrt(1 - np.sqrt(0.5)), np.sqrt(1 - np.sqrt(0.45) - np.sqrt(0.05))]
    np.testing.assert_allclose(objective(answer)[:, 0].numpy(), expected, atol=1e-7)
    np.testing.assert_allclose(objective(answer[:, None])[:, 0].numpy(), expected, atol=1e-7)


def test_soft_metrics_of_two_tokens_have_nothing_random() -> None:
    """Half of all entries of two tokens: the stronger token stays whole and the weaker goes whole, or the other way round."""
    model, text = fakes.FakeModel(fakes.linear), "glorious bad"
    names = [f"soft_{kind}{more}" for kind in ("sufficiency", "comprehensiveness") for more in ("", "_hellinger")]
    found = evaluate(model, [text], "label:yes", methods=["ig"], baselines=["zero"], metrics=names, removals=["delete"])
    points = embeds(model, text)
    scores = points @ torch.tensor([1.0, 0.2, -0.7], dtype=torch.float64)
    strong = points * (scores == scores.max())[:, None]
    full, kept, removed, empty = (torch.softmax(logits(model, one), -1) for one in (points, strong, points - strong, 0 * points))

    def far(p: torch.Tensor) -> float:
        return float(torch.sqrt(1 - (p * full).sqrt().sum()))

    def falls(p: torch.Tensor) -> float:
        return max(0.0, float(full[1] - p[1]))

    for more, fall in (("", falls), ("_hellinger", far)):
        assert fall(empty) > 0.01
        sufficiency = max(0.0, fall(empty) - fall(kept)) / fall(empty)
        assert value(found, "ig", f"soft_sufficiency{more}")[0] == pytest.approx(sufficiency, abs=1e-7)
        assert value(found, "ig", f"soft_comprehensiveness{more}")[0] == pytest.approx(fall(removed) / fall(empty), abs=1e-7)


def test_max_sensitivity_is_that_of_the_formula_for_every_text() -> None:
    """IG of a linear F moves by w·ε, so the number is max ‖(w·ε_i)_i‖ / ‖(w·Δ_i)_i‖, with the published radius."""
    model, weights = fakes.FakeModel(fakes.linear), torch.tensor([1.0, 0.2, -0.7], dtype=torch.float64)
    found = evaluate(model, TEXTS, "label:yes", methods=["ig"], baselines=["mask"], metrics=["max_sensitivity"], removals=["delete"])
    for text, got in zip(TEXTS, value(found, "ig", "max_sensitivity"), strict=True):
        points, rng = embeds(model, text), np.random.default_rng(0)
        moved = max(float((torch.from_numpy(rng.uniform(-0.02, 0.02, tuple(points.shape))) @ weights).norm()) for _ in range(5))
        assert got == pytest.approx(moved / float(((points - model.embed(torch.tensor(1)).detach()) @ weights).norm()), rel=1e-9)


# --- other weights -------------------------------------------------------------------------------------------------------------------


def test_a_method_that_ignores_the_model_scores_one_and_the_model_stays_as_it_was() -> None:
    module = tiny.bert_classifier()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    texts = ["a very good film but the ending was a glorious mess", "the doctor works as a nurse"]
    wanted = ["randomisation", "randomisation_abs"]
    model = lineal.load(module, tiny.tokenizer())
    found = evaluate(model, texts, "label:L1", methods=["gradient-x-input", "random"], metrics=wanted)
    for metric in wanted:
        np.testing.assert_allclose(value(found, "random", metric), 1.0)
        assert value(found, "gradient-x-input", metric).max() < 0.95
    np.testing.assert_array_equal(found.values[:, 0], found.values[:, 1])
    after = module.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_an_untied_head_is_drawn_anew_and_word_embeddings_are_not() -> None:
    model = tiny_lm.llama(tie_word_embeddings=False)
    changed = randomised(model)
    assert torch.equal(changed.module.get_input_embeddings().weight, model.module.get_input_embeddings().weight)
    own, drawn = (one.module.get_output_embeddings().weight for one in (model, changed))
    assert not torch.equal(own, drawn)
    assert float(drawn.detach().std()) == pytest.approx(float(own.detach().std()), rel=0.05)


def test_weights_that_are_whole_numbers_are_refused() -> None:
    module = tiny.bert_classifier()
    module.classifier.weight = torch.nn.Parameter(torch.zeros(3, 32, dtype=torch.int8), requires_grad=False)
    with pytest.raises(OptionError, match="int8"):
        randomised(SequenceClassifier(module, tiny.tokenizer(), "tiny"))


def test_the_question_stays_that_of_the_model_and_own_embeddings_are_taken_anew() -> None:
    model = lineal.load(encoder())
    text = "a small dog chews wood"
    case = Session(model, None, None, Options()).case(text)
    other = Session(randomised(model), None, None, Options())
    assert _outcome(other, same_question(other, text, case.objective)).integral.f_end[0] == pytest.approx(1.0)
    label = ClassScore((2,), ("L2",))
    classifier = Session(lineal.load(tiny.bert_classifier(), tiny.tokenizer()), "label:L0", None, Options())
    assert same_question(classifier, "a good film", label).objective is label


def _outcome(session: Session, case: Case) -> Outcome:
    plan = session.method.plan(case)
    found = integrate(session.model, [Task(*task) for task in plan.tasks.values()], session.budget)
    return plan.pack(dict(zip(plan.tasks, found, strict=True)))


def test_what_is_found_out_about_a_model_is_found_out_once_for_all_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    monkeypatch.setattr(prepare, "check_fidelity", lambda model, encoded: (looked.append(model), check_fidelity(model, encoded))[1])
    model = lineal.load(tiny.bert_classifier(), tiny.tokenizer())
    names = {"methods": ["ig", "occlusion", "random"], "baselines": ["pad", "mask"], "removals": ["delete"], "rule": "gauss:4"}
    found = evaluate(model, TEXTS[:2], "label:L1", metrics=["comprehensiveness", "randomisation"], **names)
    assert len(found.columns) == 5
    assert len(looked) == 2, "once, and once with other weights"
    alone = evaluate(
        model, TEXTS[:2], "label:L1", metrics=["comprehensiveness"], **names | {"methods": ["occlusion"], "baselines": ["mask"]}
    )
    assert alone.records[0][0].scores.tolist() == found.records[3][0].scores.tolist()


# --- what suits a model --------------------------------------------------------------------------------------------------------------


def test_a_language_model_just_works() -> None:
    model = tiny_lm.llama()
    found = evaluate(model, PROMPTS)
    assert found.metrics == catalogue.LANGUAGE
    assert found.removals == ("delete", "attention")
    assert found.measured == "probability"
    assert [column.method for column in found.columns] == list(default_methods(model))
    assert np.isfinite(found.values).all()
    assert value(found, "occlusion", "comprehensiveness").mean() > value(found, "random", "comprehensiveness").mean()


def test_an_encoder_is_measured_in_its_similarity() -> None:
    model = lineal.load(encoder())
    texts = ["a small dog chews wood", "the two boys splash in surf"]
    found = evaluate(model, texts, methods=["ig", "random"])
    assert found.metrics == catalogue.VALUES
    assert found.removals == ("delete", "replace:mask")
    assert found.measured == "cosine"
    assert "F itself, in cosine" in evaluation_markdown(found)
    np.testing.assert_allclose(found.without[:, :, :, 0], 1.0)
    session = Session(model, None, None, Options())
    case = session.case(texts[0])
    gone = np.zeros(len(case.encoded), dtype=bool)
    gone[removable(case)] = True
    kept = {name: tensor[None, ~gone] for name, tensor in case.encoded.features.items()}
    with torch.no_grad():
        bare, whole = model.run(kept, None, None), model.run({k: v[None] for k, v in case.encoded.features.items()}, None, None)
    assert found.without[0, 0, 0, -1] == pytest.approx(float(torch.cosine_similarity(bare, whole)), abs=1e-9)


def test_defaults_only_name_what_fits() -> None:
    assert catalogue.defaults(False, ("probability", "distribution")) == catalogue.PROBABILITIES
    assert catalogue.defaults(False, ()) == catalogue.VALUES
    assert not {"log_prob_drop_1", "soft_sufficiency_hellinger"} & set(catalogue.defaults(True, ()))
    assert default_removals(lineal.load(tiny.bert_classifier(), tiny.tokenizer())) == ("delete", "replace:mask")
    assert set(METRICS) == set(metrics.HIGHER_IS_BETTER) >= {*catalogue.LANGUAGE, *catalogue.PROBABILITIES, *catalogue.VALUES}


@pytest.mark.parametrize(
    ("target", "metric"),
    [("contrast: doctor~ nurse", "log_odds"), (targets.NextToken(), "banana"), ("contrast: works~ takes", "log_prob_drop_1")],
)
def test_metrics_that_do_not_fit_are_errors(target: object, metric: str) -> None:
    with pytest.raises(OptionError, match="choose among"):
        evaluate(tiny_lm.llama(), PROMPTS[:1], target, methods=["random"], metrics=[metric])
    with pytest.raises(OptionError, match="probability"):
        evaluate(lineal.load(encoder()), ["a small dog"], methods=["random"], metrics=["log_odds"])


def test_what_an_output_has() -> None:
    assert has(ClassScore((0,), ("a",))) == ("probability", "distribution", "prediction")
    assert has(ClassScore((0,), ("a",), activation="sigmoid")) == ("probability", "prediction")
    assert has(ClassScore((0,), ("a",), activation="none")) == ()
    parts = TokenScore((3, 3), (1, 2), ("a", "b"))
    assert has(Combined(parts, ((1.0, -1.0),), ("a over b",))) == ("distribution", "prediction")


@pytest.mark.parametrize("target", ['choice:" doctor"," nurse guard"', 'choice:"A","B"', 'continuation:" doctor"', "next:1"])
def test_readings_are_f_and_its_probability(target: str) -> None:
    from lineal.engine.removal import Subject, replaced, values

    session = Session(tiny_lm.llama(), target, None, Options())
    case: Case = session.case(PROMPTS[0])
    (f, p), *_ = values(
        session.model,
        [replaced(Subject(case.encoded, case.end, case.end, with_probability(case.objective)), np.zeros(len(case.encoded), dtype=bool))],
        session.budget,
    )
    assert f == pytest.approx(float(_outcome(session, case).integral.f_end[0]), abs=1e-9)
    unit = case.objective.units[0]
    assert p == pytest.approx(1 / (1 + np.exp(-f)) if unit == "log_odds" else np.exp(f), rel=1e-9)


def test_a_decoders_first_position_and_special_tokens_are_never_removed() -> None:
    case = Session(tiny_lm.llama(), None, None, Options(anchor="none")).case(PROMPTS[0])
    assert case.moving[0]
    assert list(removable(case)) == list(range(1, len(case.encoded)))
    case = Session(lineal.load(tiny.bert_classifier(), tiny.tokenizer()), None, None, Options(hold_special=False)).case("a good film")
    assert all(case.moving)
    assert list(removable(case)) == [1, 2, 3]


def test_explanations_at_a_layer_are_judged_by_removing_words() -> None:
    model = lineal.load(tiny.bert_classifier(), tiny.tokenizer())
    at_layer = evaluate(model, ["a very good film"], "label:L1", methods=["random"], layer=0)
    at_words = evaluate(model, ["a very good film"], "label:L1", methods=["random"])
    np.testing.assert_allclose(at_layer.without[..., 0], at_words.without[..., 0], atol=1e-6)
    np.testing.assert_allclose(at_layer.without[..., -1], at_words.without[..., -1], atol=1e-6)


# --- tables --------------------------------------------------------------------------------------------------------------------------


def test_every_metric_has_a_number_and_stands_in_the_tables_once() -> None:
    model = lineal.load(tiny.bert_classifier(), tiny.tokenizer())
    text = "the doctor works as a nurse but it is a glorious mess"  # without its words L2 is less likely: everything is defined
    found = evaluate(model, [text], "label:L2", methods=["occlusion", "random"], metrics=METRICS)
    assert np.isfinite(found.values).all()
    table, rows = evaluation_markdown(found), evaluation_rows(found)
    removing = sum(metric.removes for metric in metrics.CATALOGUE.values())
    assert len(rows) == 2 * (len(found.removals) * removing + len(METRICS) - removing)
    assert {row["removal"] for row in rows if row["metric"] == "max_sensitivity"} == {"none"}
    assert evaluation_csv(found).count(",none,randomisation,") == 2
    assert table.count("## Removal: ") == len(found.removals) == 3
    head = next(line for line in table.splitlines() if "max_sensitivity" in line)
    assert head.count("|") == 2 + len(METRICS) - removing
    assert "max_sensitivity ↓" in head
    assert "soft_sufficiency ↑" in head
    for name in METRICS:
        assert f"- {name} {'↑' if metrics.HIGHER_IS_BETTER[name] else '↓'}: " in table


def test_numbers_of_every_size_are_readable() -> None:
    found = evaluate(fakes.FakeModel(fakes.linear), TEXTS, "label:yes", methods=["ig", "random"], metrics=["max_sensitivity"])
    values = np.full_like(found.values, 15667592.0)
    values[1] = 2.5e-7
    table = evaluation_markdown(found.model_copy(update={"values": values}))
    assert "| 1.6e+07 [1.6e+07, 1.6e+07] |" in table
    assert "| **2.5e-07** [2.5e-07, 2.5e-07] |" in table


def test_without_removing_metrics_there_is_one_table() -> None:
    found = evaluate(fakes.FakeModel(fakes.linear), TEXTS, "label:yes", methods=["ig"], metrics=["completeness_error"])
    assert "## Removal" not in evaluation_markdown(found)
    assert "## Without a removal" in evaluation_markdown(found)


# --- going on ------------------------------------------------------------------------------------------------------------------------


class Stopped(Exception):
    pass


def stopping_at(step: str) -> Callable[[str], None]:
    def on_step(said: str) -> None:
        if step in said:
            raise Stopped

    return on_step


HOW = {"methods": ["ig", "random"], "metrics": ["comprehensiveness", "lds"], "removals": ["delete"]}


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    into, whole = tmp_path / "new" / "unfinished.jsonl", evaluate(fakes.FakeModel(fakes.smooth), TEXTS, "label:yes", **HOW)
    with pytest.raises(Stopped):
        evaluate(fakes.FakeModel(fakes.smooth), TEXTS, "label:yes", **HOW, into=into, on_step=stopping_at("judging text 3"))
    assert len(into.read_text().splitlines()) == 1 + 2
    with into.open("a") as file:
        file.write('{"key": "\'a torn li')  # what a crash in the middle of a line leaves
    steps: list[str] = []
    found = evaluate(fakes.FakeModel(fakes.smooth), TEXTS, "label:yes", **HOW, into=into, on_step=steps.append)
    assert steps[0].startswith("2 of 4 texts done; explaining 2 ")
    np.testing.assert_array_equal(found.values, whole.values)
    np.testing.assert_array_equal(found.without, whole.without)
    for own, other in zip(found.records, whole.records, strict=True):
        for record, expected in zip(own, other, strict=True):
            np.testing.assert_array_equal(record.scores, expected.scores)
    assert [json.loads(line)["key"] for line in into.read_text().splitlines()[1:]] == [repr(text) for text in TEXTS]
    more = evaluate(fakes.FakeModel(fakes.smooth), [*TEXTS, "the tepid film"], "label:yes", **HOW, into=into, on_step=steps.append)
    assert more.values.shape[-1] == 5
    assert steps[-1] == "4 of 5 texts done; judging text 1 of 1"


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"metrics": ["lds"]}, "metrics"),
        ({"removals": ["attention"]}, "removals"),
        ({"methods": ["random"]}, "methods"),
        ({"tol": 0.5}, "options"),
    ],
)
def test_a_file_of_another_run_is_refused(tmp_path: Path, changed: dict, named: str) -> None:
    into = tmp_path / "unfinished.jsonl"
    evaluate(fakes.FakeModel(fakes.smooth), TEXTS[:1], "label:yes", **HOW, into=into)
    with pytest.raises(OptionError, match=rf"{named} .*, this one has"):
        evaluate(fakes.FakeModel(fakes.smooth), TEXTS[:1], "label:yes", **HOW | changed, into=into)
    with pytest.raises(OptionError, match="target"):
        evaluate(fakes.FakeModel(fakes.smooth), TEXTS[:1], "label:no", **HOW, into=into)


def test_what_cannot_be_evaluated_is_an_error(tmp_path: Path) -> None:
    model = fakes.FakeModel(fakes.linear)
    with pytest.raises(InputError, match="list"):
        evaluate(model, TEXT, "label:yes")
    with pytest.raises(OptionError, match="delete"):
        operator("burn", model)
    (tmp_path / "broken").write_text("no json\n")
    with pytest.raises(OptionError, match="start anew"):
        evaluate(model, [TEXT], "label:yes", **HOW, into=tmp_path / "broken")


def test_a_wrong_option_is_raised_and_no_text_is_left_out_for_it() -> None:
    with pytest.raises(OptionError, match=r"^anchor 'bos' needs a decoder"):
        evaluate(fakes.FakeModel(fakes.smooth), TEXTS, "label:yes", methods=["occlusion"], metrics=["completeness_error"], anchor="bos")

    def steps(text: str) -> None:
        raise ValueError("a bug of somebody's own")

    session = Session(fakes.FakeModel(fakes.smooth), "label:yes", None, Options())
    session.preparation.objective = steps  # type: ignore[assignment]
    with pytest.raises(ValueError, match="a bug of somebody's own"):
        evaluation._readable(session, TEXTS)
    found = evaluate(
        fakes.FakeModel(fakes.smooth),
        [" ", *TEXTS],
        "label:yes",
        methods=["occlusion"],
        metrics=["completeness_error"],
        removals=["delete"],
    )
    assert found.skipped == ("' ': the text is empty",)
    assert len(found.records[0]) == len(TEXTS)
