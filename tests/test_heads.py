"""Every task head: F(text) is what the model's own pipeline answers, the scores add up, and what is asked wrongly is an error."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from sentence_transformers import CrossEncoder
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.svm import LinearSVC

import lineal
from lineal import spellings, targets
from lineal.errors import InputError, OptionError
from lineal.prompts import Generation
from lineal.targets import spelling as specs
from tests import tiny_lm
from tests.families import FAMILIES, pooled, quiet, tokenizer
from tests.honest import assert_keeps_its_word

TEXT, SECOND = "the cat sat on the mat", "rain fell all day long over hills"
LABELS = {0: "calm", 1: "glad", 2: "sad"}


def tiny(kind: str, family: str = "BertConfig", style: str = "encoder-types", **settings: Any) -> tuple[Any, Any]:
    """A random model `…For<kind>` and its tokenizer, weights large enough to matter."""
    torch.manual_seed(3)
    size = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "vocab_size": 52,
        "pad_token_id": 1,
    }
    config = getattr(transformers, family)(**(size | settings))
    module = getattr(transformers, "AutoModelFor" + kind).from_config(config)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * (0.25 if parameter.ndim > 1 else 0.1))
    return module.eval(), tokenizer(style)  # type: ignore[arg-type]


def pipeline(task: str, module: Any, words: Any, **options: Any) -> Any:
    with quiet():
        return transformers.pipeline(task, model=module, tokenizer=words, device="cpu", **options)


def explained(module: Any, words: Any, text: Any, target: Any, **options: Any) -> lineal.Attribution:
    """Explain, and check that every output adds up."""
    record = lineal.explain(lineal.load(module, words), text, target, baseline="mask", max_evaluations=3000, **options)
    assert_keeps_its_word(record, rounding=1e-6)
    assert (record.mass > 1e-3).all()
    return record


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def said_by(model: tuple[Any, Any], text: Any) -> dict[str, float]:
    """The classification pipeline's probabilities."""
    return {entry["label"]: entry["score"] for entry in pipeline("text-classification", *model, top_k=None)([text])[0]}


def test_one_label() -> None:
    model = tiny("SequenceClassification", num_labels=3, id2label=LABELS)
    said = said_by(model, TEXT)
    record = explained(*model, TEXT, targets.labels(unit="prob"))
    assert dict(zip(record.targets, record.f_input, strict=True)) == pytest.approx(said, abs=1e-5)
    assert explained(*model, TEXT, targets.label()).targets[0] == max(said, key=lambda label: said[label])


def test_several_labels_at_once() -> None:
    model = tiny("SequenceClassification", num_labels=3, id2label=LABELS, problem_type="multi_label_classification")
    said = said_by(model, TEXT)
    assert sum(said.values()) != pytest.approx(1), "the pipeline would have used a softmax"
    record = explained(*model, TEXT, targets.labels(unit="prob"))
    assert dict(zip(record.targets, record.f_input, strict=True)) == pytest.approx(said, abs=1e-5)


def test_regression() -> None:
    model = tiny("SequenceClassification", num_labels=1, problem_type="regression")
    said = pipeline("text-classification", *model, function_to_apply="none")(TEXT)[0]["score"]
    assert explained(*model, TEXT, None).f_input[0] == pytest.approx(said, abs=1e-5)
    with pytest.raises(OptionError, match="no prob"):
        lineal.explain(lineal.load(*model), TEXT, targets.label(unit="prob"))


@pytest.mark.parametrize(("family", "style"), [("BertConfig", "encoder-types"), ("RobertaConfig", "encoder")])
def test_pairs_attribute_to_both_texts(family: str, style: str) -> None:
    model = tiny("SequenceClassification", family, style, num_labels=3, id2label=LABELS)
    said = said_by(model, {"text": TEXT, "text_pair": SECOND})
    record = explained(*model, (TEXT, SECOND), targets.labels(unit="prob"))
    assert dict(zip(record.targets, record.f_input, strict=True)) == pytest.approx(said, abs=1e-5)
    for segment, text in enumerate((TEXT, SECOND)):
        mine = [i for i, s in enumerate(record.segments) if s == segment]
        assert [text[slice(*record.offsets[i])] for i in mine] == text.split()
        assert (record.scores[:, mine] != 0).all()


@pytest.mark.parametrize("labels", [1, 3])
def test_a_live_cross_encoder(labels: int, tmp_path: Any) -> None:
    module, words = tiny("SequenceClassification", num_labels=labels)
    with quiet():
        module.save_pretrained(tmp_path)
        words.save_pretrained(tmp_path)
        reranker = CrossEncoder(str(tmp_path), device="cpu")
    said = np.atleast_1d(reranker.predict([(TEXT, SECOND)], show_progress_bar=False)[0])
    unit = "prob" if labels == 1 else "logit"
    record = lineal.explain(reranker, (TEXT, SECOND), targets.labels(unit=unit), baseline="mask")
    np.testing.assert_allclose(record.f_input, said, atol=1e-5)
    assert record.converged
    raw = lineal.explain(reranker, (TEXT, SECOND), targets.labels(), baseline="mask").scores
    np.testing.assert_allclose(lineal.explain(str(tmp_path), (TEXT, SECOND), targets.labels(), baseline="mask").scores, raw, atol=1e-5)


def entity_model() -> tuple[Any, Any]:
    return tiny("TokenClassification", num_labels=3, id2label={0: "O", 1: "PER", 2: "LOC"})


def test_entities_are_those_of_the_pipeline() -> None:
    model = entity_model()
    said = pipeline("token-classification", *model)(TEXT)
    assert said, "the random model must find something"
    record = explained(*model, TEXT, targets.entities(unit="prob"))
    assert list(record.targets) == [f"“{entry['word']}” as {entry['entity']}" for entry in said]
    np.testing.assert_allclose(record.f_input, [entry["score"] for entry in said], atol=1e-5)


def test_the_label_of_a_word() -> None:
    model = entity_model()
    first = explained(*model, TEXT, targets.word_label("the", "LOC"))
    second = explained(*model, TEXT, targets.word_label("the", "LOC", occurrence=1))
    with torch.no_grad():
        logits = model[0](**model[1](TEXT, return_tensors="pt")).logits[0]
    assert (first.f_input[0], second.f_input[0]) == pytest.approx((float(logits[1, 2]), float(logits[5, 2])), abs=1e-5)
    with pytest.raises(InputError, match="occurrence 2"):
        lineal.explain(lineal.load(*model), TEXT, targets.word_label("the", occurrence=2))
    with pytest.raises(OptionError, match="PER"):
        lineal.explain(lineal.load(*model), TEXT, targets.word_label("cat", "CITY"))
    with pytest.raises(OptionError, match="whole text"):
        lineal.explain(lineal.load(*model), TEXT, targets.label())


def test_the_answer_to_a_question() -> None:
    """transformers 5 has no question-answering pipeline any more: every span is tried, slowly."""
    model = tiny("QuestionAnswering")
    question, context = "where sat the cat", "the cat sat on the mat and rain fell all day long"
    with torch.no_grad():
        output = model[0](**model[1](question, context, return_tensors="pt"))
    starts, ends = output.start_logits[0, 6:-1].tolist(), output.end_logits[0, 6:-1].tolist()  # [CLS], 4 words, [SEP] before, [SEP] after
    score, first, last = max((starts[i] + ends[j], i, j) for i in range(len(starts)) for j in range(i, min(i + 4, len(ends))))
    record = explained(*model, (question, context), targets.answer_span(longest=4))
    assert record.targets == (f"answer “{' '.join(context.split()[first : last + 1])}”",)
    assert record.f_input[0] == pytest.approx(score, abs=1e-5)
    both = explained(*model, (question, context), targets.answer_span("both", longest=4))
    assert tuple(both.f_input) == pytest.approx((starts[first], ends[last]), abs=1e-5)
    given = explained(*model, (question, context), targets.answer_span("start", "the mat"))
    assert given.f_input[0] == pytest.approx(starts[4], abs=1e-5)
    assert {0, 1} <= {record.segments[i] for i in np.flatnonzero(record.scores[0])}
    with pytest.raises(InputError, match="a pair"):
        lineal.explain(lineal.load(*model), context)


def test_zero_shot_is_the_pipelines_multi_label_probability() -> None:
    names = {0: "contradiction", 1: "neutral", 2: "entailment"}
    model = tiny("SequenceClassification", num_labels=3, id2label=names, label2id={v: k for k, v in names.items()})
    template = "it was {}"
    said = pipeline("zero-shot-classification", *model)(TEXT, ["good", "bad"], multi_label=True, hypothesis_template=template)
    for label, score in zip(said["labels"], said["scores"], strict=True):
        record = explained(*model, TEXT, targets.zero_shot(label, template, unit="prob"))
        assert record.f_input[0] == pytest.approx(score, abs=1e-5)
        assert record.texts == (TEXT, f"it was {label}")
        held = [i for i, role in enumerate(record.roles) if role == "held"]
        assert [record.segments[i] for i in held] == [1, 1, 1]
        odds = explained(*model, TEXT, targets.zero_shot(label, template))
        assert odds.f_input[0] == pytest.approx(np.log(score / (1 - score)), abs=1e-4)
    with pytest.raises(OptionError, match="calm"):
        lineal.explain(lineal.load(*tiny("SequenceClassification", num_labels=3, id2label=LABELS)), TEXT, "zero-shot:good")


def test_the_word_behind_a_mask() -> None:
    model = tiny("MaskedLM")
    text = "the cat [MASK] on the mat"
    said = pipeline("fill-mask", *model)(text)
    record = lineal.explain(lineal.load(*model), text, targets.fill(unit="prob"), baseline="unk", max_evaluations=3000)
    assert record.targets == (said[0]["token_str"],)
    assert record.f_input[0] == pytest.approx(said[0]["score"], abs=1e-5)
    assert record.roles[3] == "held"
    assert record.scores[0, 3] == 0
    second = lineal.explain(lineal.load(*model), text, f"fill:{said[1]['token_str']}", baseline="unk", max_evaluations=3000)
    assert np.exp(second.f_input[0]) == pytest.approx(said[1]["score"], abs=1e-5)
    assert len(lineal.explain(lineal.load(*model), "[MASK] cat [MASK]", None, baseline="unk", rule="gauss:3").targets) == 2
    with pytest.raises(InputError, match="MASK"):
        lineal.explain(lineal.load(*model), TEXT)


# --- linear probes -------------------------------------------------------------------------------------------------------------------

BERT = next(family for family in FAMILIES if family.name == "BERT")
TRAIN = [
    "the cat sat",
    "rain fell all day",
    "a bad film",
    "we read old books",
    "the dog ran",
    "not very good",
    "her house",
    "old plot and film",
]


def estimator(kind: str) -> Any:
    return {
        "logistic": LogisticRegression(C=100),
        "scaled": make_pipeline(StandardScaler(), LogisticRegression()),
        "svm": LinearSVC(),
        "ridge": RidgeClassifier(),
        "discriminant": LinearDiscriminantAnalysis(),
        "one against rest": OneVsRestClassifier(LogisticRegression()),
        "regression": Ridge(),
    }[kind]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", ["logistic", "scaled", "svm", "ridge", "discriminant", "one against rest", "regression"])
def test_a_fitted_estimator(kind: str, classes: int) -> None:
    body = pooled(*BERT.build("encoder"))
    names = np.array(["a", "b", "c"])[np.arange(len(TRAIN)) % classes]
    answers = np.arange(len(TRAIN)) * 0.1 if kind == "regression" else names
    fitted = estimator(kind).fit(body.encode(TRAIN, show_progress_bar=False), answers)
    probe = lineal.LinearProbe.fitted(body, fitted)
    embedding = body.encode([TEXT], show_progress_bar=False)
    record = lineal.explain(probe, TEXT, targets.labels(), baseline="mask")
    expected = np.atleast_1d(np.squeeze(fitted.predict(embedding) if kind == "regression" else fitted.decision_function(embedding)))
    shown = record.f_input[-1:] if len(expected) == 1 else record.f_input
    np.testing.assert_allclose(shown, expected, atol=1e-4 * max(1, np.abs(expected).max()))
    if kind in ("logistic", "scaled"):
        sure = lineal.explain(probe, TEXT, targets.labels(unit="prob"), baseline="mask")
        np.testing.assert_allclose(sure.f_input, fitted.predict_proba(embedding)[0], atol=1e-5)
        assert sure.targets == tuple(fitted.classes_)
    if kind in ("svm", "ridge", "regression"):
        with pytest.raises(OptionError, match="no prob"):
            lineal.explain(probe, TEXT, targets.label(unit="prob"))


def test_what_is_not_linear_is_refused() -> None:
    body = pooled(*BERT.build("encoder"))
    embeddings, names = body.encode(TRAIN, show_progress_bar=False), ["a", "b"] * 4
    with pytest.raises(OptionError, match="not linear"):
        lineal.LinearProbe.fitted(body, make_pipeline(Normalizer(), LogisticRegression()).fit(embeddings, names))
    with pytest.raises(OptionError, match="decision_function"):
        lineal.LinearProbe.fitted(body, RandomForestClassifier(3).fit(embeddings, names))


def test_a_setfit_model_is_its_body_and_its_head() -> None:
    body = pooled(*BERT.build("encoder"))
    head = LogisticRegression().fit(body.encode(TRAIN, show_progress_bar=False), [0, 1] * 4)
    record = lineal.explain(SimpleNamespace(model_body=body, model_head=head, labels=["no", "yes"]), TEXT, "label:yes", baseline="mask")
    assert record.f_input[0] == pytest.approx(float(head.decision_function(body.encode([TEXT]))[0]), abs=1e-4)
    assert record.model.name == "SetFit"


@pytest.mark.parametrize(
    ("spelling", "value"),
    [
        ("word:cat=LOC", targets.WordLabel("cat", "LOC")),
        ("word:cat", targets.WordLabel("cat")),
        ("entities", targets.Entities()),
        ("answer", targets.AnswerSpan()),
        ("answer:end", targets.AnswerSpan("end")),
        ("zero-shot:good", targets.ZeroShot("good")),
        ("fill", targets.Fill()),
        ("fill:dog", targets.Fill("dog")),
        ("document:rain", targets.Similar("rain", route="document")),
    ],
)
def test_spellings(spelling: str, value: Any) -> None:
    assert specs.target(spelling) == value


def asked() -> dict[str, tuple[Any, Any]]:
    """A target of every name: a model that it fits, and a text."""
    labels = {"num_labels": 3, "id2label": {0: "entailment", 1: "neutral", 2: "contradiction"}}
    decoder, masked = tiny_lm.llama(), lineal.load(*tiny("MaskedLM"))
    encoder, classifier = BERT.load("encoder"), lineal.load(*tiny("SequenceClassification", **labels))
    tagger, reader = lineal.load(*entity_model()), lineal.load(*tiny("QuestionAnswering"))
    prompt, hole = "The man works as a", f"the cat {masked.tokenizer.mask_token} on the mat"
    said = Generation(prompt, continuation=" doctor. The nurse")
    found = {
        **dict.fromkeys(("self", "similar:rain", "query:rain", "document:rain"), (encoder, TEXT)),
        **dict.fromkeys(("label:neutral", "labels", "zero-shot:good"), (classifier, TEXT)),
        **dict.fromkeys(("next", "token:300", "contrast:300~301", "choice: A, B", 'continuation:" doctor. A"'), (decoder, prompt)),
        "choices: A, B": (decoder, prompt),
        "steps": (decoder, said),
        **dict.fromkeys(("word:cat=PER", "entities"), (tagger, TEXT)),
        **dict.fromkeys(("answer", "answer:both"), (reader, ("who sat", TEXT))),
        "fill": (masked, hole),
    }
    assert {spellings.parts(spelled)[0] for spelled in found} == set(specs.TARGETS)
    return found


def test_every_unit_of_every_target_is_honoured_or_refused() -> None:
    """By the values of F: p in (0, 1), log_prob its logarithm, log_odds log p/(1 − p), a logit another number; cosine in [−1, 1]."""
    for spelled, (model, text) in asked().items():
        row, values = specs.TARGETS[spellings.parts(spelled)[0]], {}
        for unit in (*specs.UNITS, *specs.SIMILARITIES):
            if unit not in row.units:
                with pytest.raises(OptionError, match=f"has no unit '{unit}'"):
                    specs.target(spelled, unit)
                continue
            record = lineal.explain(model, text, specs.target(spelled, unit), method="random")
            further = 1 if spelled.startswith("choices") else len(record.units)  # its further rows are log-probabilities of the options
            assert set(record.units[:further]) == {unit}, (spelled, unit)
            values[unit] = record.f_input[:further]
        if "prob" not in values or spelled.startswith("contrast"):  # the difference of two probabilities is none
            continue
        p = values["prob"]
        assert ((p > 0) & (p < 1)).all(), spelled
        np.testing.assert_allclose(values["log_prob"], np.log(p), rtol=1e-4, atol=1e-5, err_msg=spelled)
        np.testing.assert_allclose(values["log_odds"], np.log(p) - np.log1p(-p), rtol=1e-3, atol=1e-4, err_msg=spelled)
        if "logit" in values:
            assert not np.allclose(values["logit"], values["log_prob"]), spelled
