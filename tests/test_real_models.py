"""What only real weights can show: parity with a peer at equal settings, a published figure, and a decoder that is hard to integrate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import lineal
from lineal import baselines, targets
from lineal.models import TextModel
from lineal.models.forward import answer

pytestmark = pytest.mark.slow

FLOAT32 = 1e-5  # relative to the largest score: two float32 implementations of one sum
ENCODED = "I love Paris is my favourite goofy"
PROMPT = "The man works as a"


def captum_scores(model: TextModel, forward, text: str, baseline_id: int, held: list[bool], n: int) -> np.ndarray:
    """Integrate with Captum's LayerIntegratedGradients on the word embeddings, token by token."""
    captum = pytest.importorskip("captum.attr")
    encoded = model.encode([text])
    ids = encoded.features["input_ids"][None]
    start = torch.where(torch.tensor(held), ids, torch.full_like(ids, baseline_id))
    layer = model.network.get_input_embeddings()
    integrated = captum.LayerIntegratedGradients(forward, layer)
    extra = (encoded.features["attention_mask"][None],)
    return integrated.attribute(ids, start, additional_forward_args=extra, n_steps=n).sum(-1)[0].detach().numpy()


def assert_equal_scores(ours: lineal.Attribution, theirs: np.ndarray) -> None:
    np.testing.assert_allclose(ours.scores[0], theirs, atol=FLOAT32 * np.abs(theirs).max())


@pytest.mark.filterwarnings("ignore")  # the peer's own deprecations
def test_classifier_scores_equal_captums_at_equal_settings(shared: Path) -> None:
    model = lineal.load(str(shared / "models" / "minilm-movie-sentiment"), device="cpu")
    text = "A tepid first hour, but the ending is glorious."
    ours = lineal.explain(model, text, "label:POSITIVE", rule="gauss:50", baseline="pad")
    held = [role == "special" for role in ours.roles]
    theirs = captum_scores(model, lambda i, m: model.module(i, attention_mask=m).logits[:, 1], text, 0, held, 50)
    assert_equal_scores(ours, theirs)


@pytest.mark.filterwarnings("ignore")
def test_similarity_scores_equal_captums_at_equal_settings(minilm: TextModel) -> None:
    text, other = "Send back any unopened item.", "How do I return something?"
    vector = answer(minilm, minilm.encode([other]))
    ours = lineal.explain(minilm, text, targets.similar(other), rule="gauss:50", baseline="mask")
    held = [role == "special" for role in ours.roles]

    def cosine(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden = minilm.network(ids, attention_mask=mask.expand(len(ids), -1)).last_hidden_state.mean(dim=1)
        return torch.nn.functional.cosine_similarity(hidden, vector[None])

    assert_equal_scores(ours, captum_scores(minilm, cosine, text, minilm.tokenizer.mask_token_id, held, 50))


@pytest.mark.filterwarnings("ignore")
def test_next_token_scores_equal_captums_at_equal_settings(smollm2: TextModel) -> None:
    ours = lineal.explain(smollm2, PROMPT, targets.next_token(unit="logit"), rule="gauss:50", baseline="eos")
    token = targets.token_id(smollm2, ours.targets[0])
    held = [role == "held" for role in ours.roles]
    assert held == [True, False, False, False, False]
    eos = smollm2.tokenizer.eos_token_id
    theirs = captum_scores(smollm2, lambda i, m: smollm2.module(i).logits[:, -1, token], PROMPT, eos, held, 50)
    assert_equal_scores(ours, theirs)


def test_a_published_cosine_is_reproduced(minilm: TextModel) -> None:
    ids = torch.tensor([101, 1045, 2293, 5983, 2003, 2026, 5440, 7570, 10322, 2666, 1012, 102])
    other = torch.where(ids == 2666, 2600, ids)
    with torch.no_grad():
        a, b = minilm.run({"input_ids": torch.stack([ids, other]), "attention_mask": torch.ones(2, 12, dtype=torch.long)}, None, None)
    assert float(torch.nn.functional.cosine_similarity(a, b, dim=0)) == pytest.approx(0.9198, abs=5e-5)


def test_the_pipeline_that_is_explained_is_the_pipeline_that_encodes(minilm: TextModel) -> None:
    text = "A tepid first hour, but the ending is glorious."
    ours = answer(minilm, minilm.encode([text])).numpy()
    np.testing.assert_allclose(ours, minilm.module.encode(text), atol=1e-6)


def test_own_embedding_starts_at_similarity_one_and_adds_up(minilm: TextModel) -> None:
    record = lineal.explain(minilm, "The old lighthouse keeper writes to the sea.")
    assert record.f_input[0] == pytest.approx(1.0, abs=1e-5)
    assert record.converged
    assert record.evaluations < 60
    assert abs(record.residual[0]) <= record.error[0] <= 0.01 * record.mass[0]
    assert [t for t, r in zip(record.tokens, record.roles, strict=True) if r == "special"] == ["[CLS]", "[SEP]"]


def test_several_vectors_are_several_targets(minilm: TextModel) -> None:
    vectors = torch.eye(2, 384)
    record = lineal.explain(minilm, "a glorious mess", targets.similar(vectors, similarity="dot"), rule="gauss:20")
    assert record.scores.shape == (2, len(record.tokens))
    np.testing.assert_allclose(record.f_input, answer(minilm, minilm.encode(["a glorious mess"]))[:2].numpy(), atol=1e-6)
    with pytest.raises(lineal.LinealError, match="the vector has 3 dimensions, the model's embedding has 384"):
        lineal.explain(minilm, "a", targets.similar([1.0, 2.0, 3.0]))


def test_the_shipped_probe_is_what_its_sentences_train(sentiment: TextModel, minilm: TextModel) -> None:
    import csv

    from lineal.models.probe import LinearProbe, fit_probe

    assert isinstance(sentiment, LinearProbe)
    source = Path(lineal.__file__).parent / "data" / "sentiment" / "sentences.tsv"
    with source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    weights, bias, labels = fit_probe(minilm, [row["text"] for row in rows], [row["label"] for row in rows])
    assert tuple(labels) == sentiment.head.labels
    np.testing.assert_allclose(sentiment.weights[1:].numpy(), weights, atol=1e-3 * np.abs(weights).max())
    np.testing.assert_allclose(sentiment.bias[1:].numpy(), bias, atol=1e-2)


def test_the_probes_probability_is_the_logistic_regressions(sentiment: TextModel, minilm: TextModel) -> None:
    text = "A tepid first hour, but the ending is glorious."
    z = float(minilm.module.encode(text) @ sentiment.weights[1].numpy() + sentiment.bias[1].numpy())
    record = lineal.explain(sentiment, text, targets.label("POSITIVE", unit="prob"))
    assert record.f_input[0] == pytest.approx(1 / (1 + np.exp(-z)), abs=1e-5)
    positive, negative = lineal.explain(sentiment, text, "labels", rule="gauss:20").scores
    np.testing.assert_allclose(positive, -negative, atol=1e-6)


@pytest.mark.parametrize("unit", ["logit", "prob"])
def test_a_decoder_converges_with_its_first_position_held(smollm2: TextModel, unit: str) -> None:
    record = lineal.explain(smollm2, PROMPT, targets.next_token(unit=unit))
    assert record.converged
    assert abs(record.residual[0]) <= record.error[0] <= 0.01 * record.mass[0]
    assert record.roles[0] == "held"


def test_a_zero_baseline_with_nothing_held_is_honest(smollm2: TextModel) -> None:
    record = lineal.explain(smollm2, PROMPT, baseline=baselines.zero, anchor="none", hold_special=False, max_evaluations=120)
    assert np.isfinite(record.scores).all()
    assert abs(record.residual[0]) <= record.error[0]
    assert record.converged == (record.error[0] <= 0.01 * record.mass[0])


def test_the_stated_error_holds_on_reviews(shared: Path) -> None:
    model = lineal.load(str(shared / "models" / "minilm-movie-sentiment"), device="cpu")
    lines = (shared / "data" / "movie_reviews" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:4]
    texts = [line.split("\t", 1)[1] for line in lines]
    ours = list(lineal.explain_many(model, texts))
    reference = list(lineal.explain_many(model, texts, rule="gauss:40"))
    for a, b in zip(ours, reference, strict=True):
        assert a.converged
        assert np.abs(a.scores - b.scores).sum() <= a.error[0] <= 0.01 * a.mass[0]
