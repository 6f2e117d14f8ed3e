"""Encoder-decoder models: rows per generated token over source and earlier decoder tokens, as the model itself would answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers

import lineal
from lineal import targets
from lineal.errors import InputError, OptionError
from lineal.models.seq2seq import Seq2SeqLM
from tests import tiny_lm
from tests.honest import assert_keeps_its_word

SOURCE = "The man works as a doctor."
SAME = 1e-6
GAUSS: dict[str, Any] = {"rule": "gauss:12"}


def build(kind: str) -> Any:
    torch.manual_seed(0)
    words = tiny_lm.tokenizer()
    size = {"vocab_size": len(words), "d_model": 32, "pad_token_id": 3, "eos_token_id": 2, "decoder_start_token_id": 3}
    if kind == "t5":
        config: Any = transformers.T5Config(**size, d_kv=8, d_ff=48, num_layers=2, num_heads=4, dropout_rate=0.1)
        return transformers.T5ForConditionalGeneration(config), words
    common = {
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 48,
        "decoder_ffn_dim": 48,
        "max_position_embeddings": 64,
        "scale_embedding": True,
        "forced_eos_token_id": None,
        "init_std": 0.3,
    }
    if kind == "bart":
        return transformers.BartForConditionalGeneration(transformers.BartConfig(**size, **common)), words
    return transformers.MarianMTModel(transformers.MarianConfig(**size, **common)), words


@pytest.fixture(scope="module", params=["t5", "bart", "marian"])
def model(request: pytest.FixtureRequest) -> Seq2SeqLM:
    module, words = build(request.param)
    loaded = lineal.load(module.eval().double(), words)
    assert isinstance(loaded, Seq2SeqLM)
    return loaded


def test_a_generation_has_a_row_per_token_over_source_and_decoder(model: Seq2SeqLM) -> None:
    result = lineal.explain_generation(model, SOURCE, max_new_tokens=3, **GAUSS)
    source = model.tokenizer(SOURCE)["input_ids"]
    expected = model.module.generate(
        input_ids=torch.tensor([source]), attention_mask=torch.ones(1, len(source)).long(), max_new_tokens=3, do_sample=False
    )[0, 1:].tolist()
    assert list(result.tokens) == model.tokenizer.convert_ids_to_tokens([*source, model.start, *expected])
    first = len(source) + 1
    assert result.steps == len(expected)
    assert result.segments[: len(source)] == (0,) * len(source)
    assert result.roles[len(source)] == "special"
    for step in range(result.steps):
        assert (result.scores[step, first + step :] == 0).all()
        assert np.abs(result.scores[step, : len(source)]).min() > 0
    assert result.scores[0, 0] != 0, "there is no attention sink to hold in an encoder"


def test_values_are_those_of_the_plain_model(model: Seq2SeqLM) -> None:
    ids = [10, 40, 41]
    result = lineal.explain_generation(model, SOURCE, continuation=ids, **GAUSS)
    source = torch.tensor([model.tokenizer(SOURCE)["input_ids"]])
    with torch.no_grad():
        logits = model.module(input_ids=source, decoder_input_ids=torch.tensor([[model.start, *ids[:-1]]])).logits
    logs = logits.log_softmax(dim=-1)[0]
    np.testing.assert_allclose(result.f_input, [float(logs[j, token]) for j, token in enumerate(ids)], rtol=1e-5)


def test_scores_add_up(model: Seq2SeqLM) -> None:
    result = lineal.explain_generation(model, SOURCE, max_new_tokens=2, tol=0.005)
    assert_keeps_its_word(result, rounding=1e-9)
    assert result.converged


def test_lengths_and_company_change_nothing(model: Seq2SeqLM) -> None:
    asked = [
        lineal.prompts.Generation(text, continuation=ids)
        for text, ids in ((SOURCE, [10, 40, 41]), ("The nurse", [50]), ("A doctor works as a", [7, 8]))
    ]
    together = list(lineal.explain_many(model, asked, targets.Steps(), **GAUSS))
    for one, record in zip(asked, together, strict=True):
        np.testing.assert_allclose(record.scores, lineal.explain(model, one, targets.Steps(), **GAUSS).scores, atol=SAME)


def test_next_tokens_choices_and_continuations_are_the_same_calls(model: Seq2SeqLM) -> None:
    first = lineal.explain(model, SOURCE, targets.NextToken("A"), **GAUSS)
    contrast = lineal.explain(model, SOURCE, targets.Contrast("A", "B"), **GAUSS)
    choice = lineal.explain(model, SOURCE, targets.Choice(["A", "B"], pick="A"), **GAUSS)
    np.testing.assert_allclose(choice.scores, contrast.scores, atol=1e-5)
    assert first.scores.shape == choice.scores.shape
    text = "The nurse"
    tokens = lineal.explain(model, SOURCE, targets.Continuation(text, rows="tokens"), **GAUSS)
    held = lineal.explain_generation(model, SOURCE, continuation=text, hold_generated=True, **GAUSS)
    np.testing.assert_allclose(held.scores[:, : tokens.scores.shape[1]], tokens.scores, atol=1e-5)


def test_flags_are_restored(model: Seq2SeqLM) -> None:
    model.module.train()
    lineal.explain_generation(model, SOURCE, max_new_tokens=1, rule="gauss:2")
    assert model.module.training
    model.module.eval()


def test_an_empty_continuation_or_two_sources_are_errors(model: Seq2SeqLM) -> None:
    with pytest.raises(InputError, match="continuation is empty"):
        lineal.explain_generation(model, SOURCE, continuation="")
    with pytest.raises(OptionError, match="one source text"):
        lineal.explain(model, (SOURCE, "another"))


def test_two_embedding_tables_are_refused() -> None:
    module, words = build("bart")
    module.get_decoder().set_input_embeddings(torch.nn.Embedding(len(words), 32))
    with pytest.raises(OptionError, match="different embedding tables"):
        lineal.load(module.eval(), words)
