"""Entering at a layer: the same total, another division of it, and a model left as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import lineal
from lineal.errors import OptionError
from lineal.models.base import TextModel
from tests import fakes, tiny
from tests.honest import assert_keeps_its_word

TEXT = "a very good film"


def bert() -> TextModel:
    return lineal.load(tiny.bert_classifier().double(), tiny.tokenizer())


@pytest.mark.parametrize("layer", ["embeddings", 0, -1, "bert.encoder.layer.0"])
def test_every_layer_divides_the_same_total(layer: str | int) -> None:
    model = bert()
    words, inside = (lineal.explain(model, TEXT, "label:L1", layer=at, tol=1e-4) for at in (None, layer))
    np.testing.assert_allclose(inside.f_input, words.f_input, atol=1e-9)
    np.testing.assert_allclose(inside.f_baseline, words.f_baseline, atol=1e-9)
    assert_keeps_its_word(inside, lineal.explain(model, TEXT, "label:L1", layer=layer, rule="gauss:48"))
    assert np.abs(inside.scores - words.scores).max() > 1e-3
    assert f"at layer {layer}" in inside.path


def test_a_layer_by_its_names_is_one_layer() -> None:
    model = bert()
    for one, other in (("embeddings", "bert.embeddings"), (1, "bert.encoder.layer.1"), (-1, 1)):
        a, b = (lineal.explain(model, TEXT, "label:L1", layer=at) for at in (one, other))
        np.testing.assert_array_equal(a.scores, b.scores)


def test_the_last_layer_of_a_model_that_reads_the_first_token_leaves_the_others_nothing() -> None:
    inside = lineal.explain(bert(), TEXT, "label:L1", layer=-1)
    assert abs(inside.scores[0, 0]) > 1e-3
    np.testing.assert_allclose(inside.scores[0, 1:], 0.0, atol=1e-12)


def test_a_decoder_keeps_its_causality_and_the_model_its_hooks() -> None:
    model = lineal.load(tiny.llama().double(), tiny.tokenizer(decoder=True))
    inside = lineal.explain(model, "the man works as", "next", layer=0, tol=1e-3)
    assert inside.converged
    assert not any(module._forward_hooks for module in model.module.modules())
    assert all(parameter.requires_grad for parameter in model.module.parameters())


def test_layers_that_do_not_fit_are_errors() -> None:
    model = bert()
    for layer in (7, "bert.encoder.layer.9", "classifier", "bert.pooler", "bert.embeddings.word_embeddings"):
        with pytest.raises(OptionError):
            lineal.explain(model, TEXT, layer=layer)
    with pytest.raises(OptionError, match="works on words"):
        lineal.explain(model, TEXT, layer=0, method="dig-greedy")
    with pytest.raises(OptionError):
        lineal.explain(fakes.FakeModel(fakes.linear), "a film", layer=0)
    assert torch.is_grad_enabled()
