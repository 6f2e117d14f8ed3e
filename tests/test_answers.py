"""What the model said is in the record: its own forward pass's probabilities at both ends, whatever is explained; no score moves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import lineal
from lineal.records.attribution import Answers, Attribution
from tests import tiny
from tests.test_heads import TEXT
from tests.test_heads import tiny as head

WORDS = "the movie was great and the river was slow"


def classifier(labels: int = 3, **config: Any) -> lineal.models.TextModel:
    return lineal.load(tiny.bert_classifier(labels, **config), tiny.tokenizer())


def probabilities(model: Any, text: str, sigmoid: bool = False) -> np.ndarray[Any, Any]:
    with torch.no_grad():
        logits = model.module(**model.tokenizer(text, return_tensors="pt")).logits[0].double()
    return np.asarray(logits.sigmoid() if sigmoid else logits.softmax(dim=-1))


@pytest.mark.parametrize("target", ["label", "label:L1", "labels"])
def test_a_classifiers_answers_are_its_own_probabilities_at_both_ends(target: str) -> None:
    model = classifier()
    record = lineal.explain(model, WORDS, target, baseline="mask")
    assert record.answers is not None
    assert record.answers.names == ("L0", "L1", "L2")
    assert record.answers.exclusive
    masked = " ".join(["[MASK]"] * len(WORDS.split()))
    np.testing.assert_allclose(record.answers.probs, [probabilities(model, WORDS), probabilities(model, masked)], atol=1e-5)
    assert record.answers.best == int(probabilities(model, WORDS).argmax())
    np.testing.assert_allclose(record.answers.ends, record.answers.probs)


def test_several_baselines_have_a_row_each_and_a_mean() -> None:
    record = lineal.explain(classifier(), WORDS, "label", baseline=["mask", "pad"])
    assert record.answers is not None
    assert record.answers.probs.shape == (3, 3)
    np.testing.assert_allclose(record.answers.ends[1], record.answers.probs[1:].mean(axis=0))


def test_labels_that_do_not_exclude_one_another_say_so() -> None:
    model = classifier(problem_type="multi_label_classification")
    answers = lineal.explain(model, WORDS, "label:L2").answers
    assert answers is not None
    assert not answers.exclusive
    np.testing.assert_allclose(answers.probs[0], probabilities(model, WORDS, sigmoid=True), atol=1e-5)


def test_two_labels_whose_probabilities_sum_to_one_exclude_one_another() -> None:
    model = classifier(2, problem_type="multi_label_classification")
    with torch.no_grad():
        for parameter in model.module.classifier.parameters():
            parameter[1] = -parameter[0]
    answers = lineal.explain(model, WORDS, "label").answers
    assert answers is not None
    assert answers.exclusive


def test_of_many_labels_the_likeliest_and_the_explained_are_kept() -> None:
    model = classifier(40)
    least = int(probabilities(model, WORDS).argmin())
    answers = lineal.explain(model, WORDS, f"label:L{least}").answers
    assert answers is not None
    assert len(answers.names) == 13
    assert f"L{least}" in answers.names
    assert answers.names[answers.best] == f"L{probabilities(model, WORDS).argmax()}"


def test_a_contrast_knows_both_tokens_and_a_regression_nothing() -> None:
    model = lineal.load(tiny.llama(), tiny.tokenizer(decoder=True))
    record = lineal.explain(model, "the movie was", 'contrast:"doctor"~"nurse"', max_evaluations=400)
    assert record.answers is not None
    assert record.answers.names == ("doctor", "nurse")
    ids = [int(model.tokenizer.convert_tokens_to_ids(word)) for word in ("doctor", "nurse")]
    np.testing.assert_allclose(record.answers.probs[0], probabilities(model, "the movie was")[-1][ids], atol=1e-5)
    assert float(np.log(record.answers.probs[0, 0] / record.answers.probs[0, 1])) == pytest.approx(float(record.f_input[0]), abs=1e-3)
    assert lineal.explain(model, "the movie was", "next", max_evaluations=400).answers is None, "F is its log-probability"
    assert lineal.explain(lineal.load(*head("SequenceClassification", num_labels=1)), TEXT, "label").answers is None


def test_interactions_and_other_methods_know_them_too() -> None:
    model = classifier()
    wanted = probabilities(model, WORDS)
    for method in ("gradient-x-input", "occlusion"):
        answers = lineal.explain(model, WORDS, "label", method=method).answers
        assert answers is not None
        np.testing.assert_allclose(answers.probs[0], wanted, atol=1e-5)
    answers = lineal.explain_interactions(model, "the movie was great", "label").attribution.answers
    assert answers is not None
    np.testing.assert_allclose(answers.probs[0], probabilities(model, "the movie was great"), atol=1e-5)


def test_no_score_depends_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model = classifier()
    records = list(lineal.explain_many(model, [WORDS, "great"], "label"))
    monkeypatch.setattr("lineal.verbs.session.asked", lambda case, head: {})
    for record, without in zip(records, lineal.explain_many(model, [WORDS, "great"], "label"), strict=True):
        assert isinstance(record, Attribution)
        assert isinstance(without, Attribution)
        assert without.answers is None
        np.testing.assert_array_equal(record.scores, without.scores)
        assert record.evaluations == without.evaluations


def test_it_is_stored_and_what_cannot_be_is_refused() -> None:
    record = lineal.explain(classifier(), WORDS, "label")
    again = Attribution.from_dict(record.to_dict())
    assert again == record
    assert again.answers == record.answers
    for wrong in ([[0.4, 0.6]], [[0.4, 1.6], [0.5, 0.5]], [[0.4], [0.5]], [[0.4, "nan"], [0.5, 0.5]]):
        with pytest.raises(ValueError, match="probs"):
            Answers(names=("A", "B"), probs=wrong)  # type: ignore[arg-type]
