"""Questions as values: what each model is offered is what it can answer, and bad fields are refused in words."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
import transformers

import lineal
from lineal.errors import InputError, OptionError, TooLongError
from lineal.methods import METHODS
from lineal.records.base import Record
from lineal.web import asking, questions
from tests import tiny, tiny_lm
from tests.families import FAMILIES


@cache
def models() -> dict[str, Any]:
    """One tiny model of every kind that is asked something."""
    torch.manual_seed(0)
    words, config = tiny.tokenizer(), transformers.BertConfig(**tiny.SIZES)
    named = transformers.BertConfig(**tiny.SIZES, id2label={0: "O", 1: "PLACE", 2: "NAME"})
    tagger = transformers.BertForTokenClassification(named).eval()
    reader = transformers.BertForQuestionAnswering(config).eval()
    masked = transformers.BertForMaskedLM(config).eval()
    bert = next(family for family in FAMILIES if family.name == "BERT")
    made = {"classifier": lineal.load(tiny.bert_classifier(), words), "causal": tiny_lm.llama(), "encoder": bert.load("encoder")}
    return made | {"tagger": lineal.load(tagger, words), "reader": lineal.load(reader, words), "masked": lineal.load(masked, words)}


def examples(question: asking.Question, model: Any) -> dict[str, Any]:
    return {field.name: field.example for field in questions.fields(question, model) if field.example}


ASKED = [(kind, name) for kind in ("classifier", "causal", "encoder", "tagger", "reader", "masked") for name in questions.QUESTIONS]


@pytest.mark.parametrize(("kind", "name"), ASKED)
def test_every_question_that_is_offered_is_answered_from_its_example(kind: str, name: str) -> None:
    model, question = models()[kind], questions.QUESTIONS[name]
    if not question.fits(model):
        with pytest.raises(OptionError, match="not asked"):
            questions.answer(model, name, {})
        return
    given = examples(question, model) | ({"methods": "ig,random"} if name == "comparison" else {"tol": 0.2})
    if name in ("generation", "chat"):
        given["max_new_tokens"] = "2"
    record = questions.answer(model, name, given)
    assert isinstance(record, Record)
    assert record.to_json()


def test_answers_are_the_records_of_the_verbs() -> None:
    model = models()["classifier"]
    asked = questions.answer(model, "label", {"text": "a good film", "target": "label:#1", "unit": "prob", "baseline": "zero"})
    said = lineal.explain(model, "a good film", lineal.targets.label(1, "prob"), baseline="zero")
    assert (asked.scores == said.scores).all()  # type: ignore[attr-defined]
    assert asked.model == said.model  # type: ignore[attr-defined]


def test_every_method_and_every_unit_says_what_it_asks() -> None:
    assert set(questions.METHOD_ASKS) == set(METHODS)
    assert set(questions.UNIT_ASKS) == {*questions.specs.UNITS, *questions.specs.SIMILARITIES}
    assert set(lineal.baselines.NAMED) <= set(questions.BASELINES)


def test_a_model_is_offered_what_it_declares() -> None:
    classifier, causal = models()["classifier"], models()["causal"]
    (target,) = [field for field in questions.fields(questions.QUESTIONS["label"], classifier) if field.name == "target"]
    assert [option.shown for option in target.options][1:] == ["L0", "L1", "L2"]
    (baseline,) = [field for field in questions.fields(questions.QUESTIONS["next"], causal) if field.name == "baseline"]
    assert "mask" not in [option.value for option in baseline.options]
    assert "pair" not in [question.name for question in questions.offered(causal)]


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({}, InputError, "text is empty"),
        ({"text": "good", "colour": "red"}, OptionError, "unknown field 'colour'"),
        ({"text": ["good"]}, InputError, "give a text"),
        ({"text": "good", "tol": "often"}, InputError, "give a number"),
        ({"text": "good", "tol": "nan"}, InputError, "from 0.001 to 0.3"),
        ({"text": "good", "baseline": "/etc/passwd"}, OptionError, "unknown baseline"),
        ({"text": "good", "method": "dig-gredy"}, OptionError, "did you mean 'dig-greedy'"),
        ({"text": "good", "baseline": "zero", "instead": "bad"}, OptionError, "drop one of the two"),
        ({"text": "good " * 600}, TooLongError, "600 tokens together; give at most 512"),
        ({"text": "g" * 20_001}, TooLongError, "20001 characters"),
        ({"text": "\ud800 good"}, InputError, "is no character"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(given: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        questions.answer(models()["classifier"], "label", given)


def test_another_wording_takes_the_place_of_the_baseline() -> None:
    record = questions.answer(models()["classifier"], "label", {"text": "a good film", "instead": "a bad film"})
    assert "counterfactual" in record.baseline  # type: ignore[attr-defined]


def test_no_field_is_called_as_what_a_form_sends_beside_it() -> None:
    for model in models().values():
        for question in questions.offered(model):
            assert not {"model", "question"} & {field.name for field in questions.fields(question, model)}


def test_the_limits_are_said_in_sentences() -> None:
    assert all(any(str(n) in said for said in asking.LIMITS.sentences) for n in (20_000, 512, 50, 24, 300))
