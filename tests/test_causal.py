"""What really happens when a word is replaced, against its score: every number by hand, from the bare model and the draws themselves."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

import lineal
from lineal import baselines, prompts
from lineal.errors import OptionError
from lineal.evaluation.readings import has, lead
from lineal.evaluation.run import Evaluation, evaluate
from lineal.metrics import CATALOGUE, catalogue, questions
from lineal.models import TextModel
from lineal.objectives.embedding import Similarity
from lineal.objectives.label import ClassScore
from lineal.objectives.token import TokenScore
from lineal.verbs.options import Options
from lineal.verbs.session import Session
from lineal.views.evaluation.table import document, evaluation_markdown, evaluation_rows
from tests import fakes, tiny, tiny_lm
from tests.test_pairs import encoder

TEXT = "the film was not very good but the doctor works"
PROMPT = "The man works as a"
CAUSAL = list(catalogue.CAUSAL)


@cache
def classifier() -> TextModel:
    return lineal.load(tiny.bert_classifier(), tiny.tokenizer())


def value(found: Evaluation, metric: str, column: int = 0, removal: int = 0) -> float:
    return float(found.values[column, removal, found.metrics.index(metric), 0])


def logits(ids: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(classifier().module(input_ids=torch.from_numpy(ids)[None]).logits[0].double().numpy())


def test_scores_of_a_linear_model_are_what_replacing_does() -> None:
    found = evaluate(fakes.FakeModel(fakes.linear), ["the film a glorious mess of tepid good"], "label:yes", methods=["ig", "random"],
                     metrics=["causal"], baselines=["mask"], removals=["mask"])  # fmt: skip
    assert found.metrics == catalogue.CAUSAL
    for name in CAUSAL[:4]:
        assert value(found, name) == pytest.approx(1.0)
    assert value(found, "causal_pearson", column=1) < 0.9


def test_correlations_are_those_with_the_mean_effect_of_each_word() -> None:
    how = {"methods": ["random"], "metrics": CAUSAL, "removals": ["alternatives:4:class"]}
    found = evaluate(classifier(), [TEXT], "label:L1", **how)
    encoded, record = classifier().encode([TEXT]), found.records[0][0]
    drawn, _ = baselines.alternatives(4, "class").bind(classifier()).ids(encoded)
    ids, places = np.array(encoded.ids), [i for i, role in enumerate(encoded.roles) if role == "content"]
    assert len(set(record.word_ids[1:-1])) == len(places), "every word is one token"

    def mean(gone: list[int]) -> np.ndarray:
        return np.array([logits(np.where(np.isin(np.arange(len(ids)), gone), row, ids)) for row in drawn])

    scores = record.scores[0, places]
    effects = np.array([logits(ids)[1] - mean([i])[:, 1].mean() for i in places])
    assert value(found, "causal_pearson") == pytest.approx(np.corrcoef(scores, effects)[0, 1], abs=1e-4)
    assert value(found, "causal_top1") == float(scores.argmax() == effects.argmax())
    assert value(found, "causal_top3") == len(set(np.argsort(-scores)[:3]) & set(np.argsort(-effects)[:3])) / 3
    strongest = [places[i] for i in np.argsort(-scores)]
    if logits(ids).argmax() == 1:
        flipped = [j for j in range(1, len(places) + 1) if np.mean(mean(strongest[:j]).argmax(axis=1) == 1) < 0.5]
        assert value(found, "causal_flips") == (flipped[0] / len(places) if flipped else 1.0)


def test_flips_are_counted_for_what_the_model_says_and_for_nothing_else() -> None:
    said = f"label:L{logits(np.array(classifier().encode([TEXT]).ids)).argmax()}"
    for target in ("label:L0", "label:L1", "label:L2"):
        found = evaluate(classifier(), [TEXT], target, methods=["ig"], metrics=["causal_flips"], removals=["alternatives:4:class", "mask"])
        assert np.isfinite(found.values).all() == (target == said)
    ranked = questions.Ranked(np.array([3.0, 1.0, 2.0]), np.eye(3, dtype=bool))
    (question,) = (one for one in questions.QUESTIONS if "causal_flips" in one.names)
    np.testing.assert_array_equal(question.groups(ranked), [[1, 0, 0], [1, 0, 1], [1, 1, 1]])
    full = np.array([0.0, 0.0, 1.0])

    def flips(*said: float) -> float:
        return question.numbers(ranked, full, np.array([[0.0, 0.0, one] for one in said]))["causal_flips"]

    assert flips(1.0, 0.4, 0.9) == 2 / 3, "most fillings say something else"
    assert flips(1.0, 0.5, 0.5) == 1.0, "never"
    assert question.numbers(ranked, full * 0, np.zeros((3, 3))) == {}


def test_the_lead_is_above_zero_where_the_model_says_it() -> None:
    answer = torch.tensor([[1.0, 3.0, 2.0], [4.0, 3.0, -1.0]])
    for unit in ("logit", "log_prob"):
        found = lead(ClassScore((1,), ("b",), unit))  # type: ignore[arg-type]
        assert found is not None
        torch.testing.assert_close(found(answer), torch.tensor([[1.0], [-1.0]]))
    token = lead(TokenScore((5,), (1,), ("b",), "logit"))
    assert token is not None
    assert token.rows is None
    torch.testing.assert_close(token(answer[:, None]), torch.tensor([[1.0], [-1.0]]))
    assert lead(Similarity(torch.ones(1, 3), ("a",))) is None
    assert has(Similarity(torch.ones(1, 3), ("a",))) == ()
    for target, predicts in (("choice:A,B,C=B", True), ('contrast:" doctor"~" nurse"', True), ('continuation:" doctor"', False)):
        objective = Session(tiny_lm.llama(), target, None, Options()).case(PROMPT).objective
        assert ("prediction" in has(objective)) == predicts, target
    with pytest.raises(OptionError, match="prediction"):
        evaluate(lineal.load(encoder()), ["a small dog"], methods=["random"], metrics=["causal_flips"])


@pytest.mark.parametrize("target", ["choice:A,B,C=B", 'contrast:" doctor"~" nurse"', None])
def test_a_decoder_is_asked_by_its_own_alternatives(target: str | None) -> None:
    found = evaluate(tiny_lm.llama(), [PROMPT + " doctor and the wall takes"], target, methods=["occlusion", "random"],
                     baselines=["alternatives:5"], metrics=["causal"], removals=["alternatives:5"], piece="token")  # fmt: skip
    assert value(found, "causal_pearson") == pytest.approx(1.0)
    assert found.favoured == ((True,), (False,))


def test_words_and_regions_are_replaced_as_a_whole() -> None:
    model = tiny_lm.llama()
    text = prompts.Marked("The man works as a worker in the wall", {"who": "The man", "what": "works as", "where": "in the wall"})
    how = {"methods": ["random"], "metrics": ["causal_pearson"], "removals": ["mean"], "baselines": ["mean"]}
    found = evaluate(model, [text], piece="region", **how)
    record, case = found.records[0][0], Session(model, None, None, Options()).case(text)
    sums = [sum(record.scores[0, i] for i, name in enumerate(record.region_of) if name == region) for region in ("who", "what", "where")]
    mean, effects = baselines.mean_embedding(model), []
    for region in ("who", "what", "where"):
        gone = torch.tensor([name == region and role == "content" for name, role in zip(record.region_of, record.roles, strict=True)])
        embeds = torch.where(gone[:, None], mean, case.end)
        features = {name: tensor[None] for name, tensor in case.encoded.features.items()}
        with torch.no_grad():
            answer = model.read(model.run(features, embeds[None], torch.tensor([case.objective.positions])), None)
            effects.append(float(record.f_input[0]) - float(case.objective(answer)))
    assert value(found, "causal_pearson") == pytest.approx(np.corrcoef(sums, effects)[0, 1], abs=1e-6)
    words, tokens = (value(evaluate(model, [text], piece=piece, **how), "causal_pearson") for piece in ("word", "token"))
    assert words != tokens, "a word of several tokens"
    assert evaluate(model, [PROMPT, text], piece="region", **how).skipped[0].endswith("which is what is replaced at a time")
    with pytest.raises(OptionError, match="piece is 'sentence'"):
        evaluate(model, [PROMPT], piece="sentence", **how)  # type: ignore[arg-type]


def test_words_without_an_alternative_take_no_part() -> None:
    """Their replacement does nothing because nothing is put in place of them."""
    found = evaluate(
        classifier(), ["the film zyx"], "label:L1", methods=["random"], metrics=["causal_pearson"], removals=["alternatives:3"]
    )
    encoded = classifier().encode(["the film zyx"])
    drawn, _ = baselines.alternatives(3).bind(classifier()).ids(encoded)
    assert sum((drawn[:, i] != encoded.ids[i]).any() for i in range(len(encoded))) == 2
    assert np.isnan(found.values).all(), "two words are no correlation"


def test_without_removals_alternatives_are_among_them() -> None:
    found = evaluate(classifier(), [TEXT], "label:L1", methods=["random"], metrics=["causal"])
    assert found.removals == ("delete", "replace:mask", "alternatives:8")


def test_who_is_favoured_by_which_removal() -> None:
    found = evaluate(
        classifier(),
        ["the film was good"],
        "label:L1",
        methods=["ig", "occlusion-delete", "random"],
        baselines=["mask", "alternatives:3", "mask,pad"],
        metrics=["causal_pearson"],
        removals=["delete", "replace:mask", "alternatives:6:class"],
        rule="gauss:4",
        tol=0.5,
    )
    names = [column.name for column in found.columns]
    assert dict(zip(names, found.favoured, strict=True)) == {
        "ig, mask": (False, True, False),
        "ig, 3 × alternatives": (False, False, True),
        "ig, mask, pad": (False, True, False),
        "occlusion-delete": (True, False, False),
        "random": (False, False, False),
    }
    rows = {(row["method"], row["baseline"], row["removal"]): row["favoured"] for row in evaluation_rows(found)}
    assert rows["ig", "mask", "replace:mask"] is True
    assert rows["ig", "mask", "delete"] is False
    assert lineal.Attribution is not None
    assert found.model_copy(update={"favoured": ()}).favoured == ()


def test_every_explanation_stands_against_every_removal_and_the_diagonal_is_marked() -> None:
    found = evaluate(
        classifier(),
        [TEXT, "the doctor was not very good"],
        "label:L1",
        methods=["occlusion", "random"],
        baselines=["mask", "alternatives:3"],
        metrics=["causal_pearson", "log_prob_drop_1"],
        removals=["mask", "alternatives:3"],
    )
    table = evaluation_markdown(found)
    assert table.count("## Removal: ") == 2, "of the metric that is not causal"
    section = table.split("## When one word at a time is replaced: causal\\_pearson ↑")[1].split("##")[0]
    lines = [line.strip("|").split("|") for line in section.strip().splitlines()]
    assert [cell.strip() for cell in lines[0]] == ["method", "mask", "alternatives:3"]
    marked = {row[0].strip(): ["†" in cell for cell in row[1:]] for row in lines[2:5]}
    assert marked == {"occlusion, mask": [True, False], "occlusion, 3 × alternatives": [False, True], "random": [False, False]}
    assert "† favoured" in table
    finding = "".join(piece.text for piece in document(found).finding)
    assert "occlusion, 3 × alternatives" in finding, "the removal is the mask, which flatters the other"
    page = lineal.views.page(found)
    assert page.count("†") >= 3
    assert "favoured" in page


def test_the_catalogue_says_what_is_asked() -> None:
    assert len(CAUSAL) == 5
    assert not CATALOGUE["causal_flips"].higher
    assert catalogue.named(["causal", "lds"], ()) == (*CAUSAL[:4], "lds")
    with pytest.raises(OptionError, match="unknown metric"):
        catalogue.check(["causal"])
