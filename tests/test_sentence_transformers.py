"""Sentence-transformers pipelines as they are: F(text) is what the pipeline itself encodes, whatever its modules, prompts and routes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Router
from sentence_transformers.sentence_transformer.modules import LayerNorm, StaticEmbedding

import lineal
from lineal.errors import FidelityError, OptionError
from tests.families import FAMILIES, pooled, quiet, tokenizer
from tests.honest import assert_keeps_its_word

TEXT, OTHER = "the cat sat on the mat", "rain fell all day long"
BERT = next(family for family in FAMILIES if family.name == "BERT")
GPT2 = next(family for family in FAMILIES if family.name == "GPT-2")
POOLINGS = ["cls", "mean", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken", ("cls", "mean"), ("mean", "max", "lasttoken")]


def pipeline(*more: Any, family: Any = BERT, **options: Any) -> SentenceTransformer:
    return pooled(*family.build("encoder"), *more, **options)


def check(model: Any, expected: float, text: str = TEXT, target: Any = None, **options: Any) -> lineal.Attribution:
    record = lineal.explain(model, text, target or lineal.targets.similar(OTHER, "dot"), baseline="unk", max_evaluations=3000, **options)
    assert record.f_input[0] == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert record.converged, record.stop.value
    assert_keeps_its_word(record, rounding=1e-6)
    assert record.mass[0] > 1e-3
    return record


def dot(model: SentenceTransformer, **options: Any) -> float:
    one, other = model.encode([TEXT, OTHER], show_progress_bar=False, **options)
    return float(one @ other)


@pytest.mark.parametrize("pooling", POOLINGS, ids=str)
@pytest.mark.parametrize("family", [BERT, GPT2], ids=lambda family: family.name)
def test_every_pooling(pooling: Any, family: Any) -> None:
    model = pipeline(pooling=pooling, family=family)
    check(model, dot(model))


def test_dense_layer_norm_normalize_and_truncate_dim() -> None:
    torch.manual_seed(1)
    model = pipeline(Dense(32, 24), LayerNorm(24), Normalize(), truncate_dim=10)
    record = check(model, dot(model))
    assert lineal.load(model).encode([TEXT]).tokens == record.tokens
    own = lineal.explain(model, TEXT, lineal.targets.own_embedding("dot"), baseline="unk")
    assert own.f_input[0] == pytest.approx(float(np.sum(model.encode(TEXT) ** 2)), rel=1e-4)
    assert own.f_input[0] < 1, "ten of 24 normalised dimensions are shorter than 1"


def test_a_folder_gives_what_the_live_object_gives(tmp_path: Path) -> None:
    model = pipeline(Dense(32, 24), Normalize())
    with quiet():
        model.save(str(tmp_path))
    live, read = check(model, dot(model)), check(str(tmp_path), dot(model))
    np.testing.assert_allclose(live.scores, read.scores, atol=1e-6)
    assert read.model.fingerprint == live.model.fingerprint


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("how", [{"prompt": "the old books "}, {"prompt_name": "search"}], ids=str)
def test_prompts_are_held_and_shown(how: dict[str, str], include: bool) -> None:
    model = pipeline(prompts={"search": "who read "})
    model.set_pooling_include_prompt(include)
    record = check(model, dot(model, **how), **how)
    prompt = how.get("prompt", "who read ")
    assert record.texts == (prompt + TEXT,)
    held = [i for i, role in enumerate(record.roles) if role == "held"]
    assert [record.text[slice(*record.offsets[i])] for i in held] == prompt.split()
    assert (record.scores[:, held] == 0).all()
    assert prompt.strip() in record.notes[0]


def test_the_default_prompt_is_the_pipelines() -> None:
    model = pipeline(prompts={"search": "who read "}, default_prompt_name="search")
    assert check(model, dot(model)).text == "who read " + TEXT
    assert check(model, dot(model, prompt=""), prompt="").text == TEXT


def router(tmp_path: Path) -> SentenceTransformer:
    query, document = pipeline(), pipeline(pooling="max")
    with torch.no_grad():
        for parameter in document.parameters():
            parameter.add_(0.05)
    return SentenceTransformer(
        modules=[Router.for_query_document(list(query), list(document))], device="cpu", prompts={"query": "who read "}
    )


def test_a_query_against_a_document(tmp_path: Path) -> None:
    model = router(tmp_path)
    expected = float(model.encode_query(TEXT) @ model.encode_document(OTHER))
    record = check(model, expected, target=lineal.targets.similar(OTHER, "dot", route="document"), route="query")
    assert record.roles[1:3] == ("held", "held")
    back = float(model.encode_document(TEXT) @ model.encode_query(OTHER))
    assert abs(expected - back) > 1e-3, "the two sides would be the same"
    check(model, back, target=lineal.targets.similar(OTHER, "dot", route="query"), route="document")


def test_what_a_pipeline_does_not_have_is_an_error() -> None:
    model = pipeline(prompts={"search": "who read "})
    with pytest.raises(OptionError, match="search"):
        lineal.explain(model, TEXT, prompt_name="clustering")
    with pytest.raises(OptionError, match="query, document"):
        lineal.explain(model, TEXT, route="answer")
    with pytest.raises(OptionError, match="StaticEmbedding"):
        lineal.load(SentenceTransformer(modules=[StaticEmbedding(tokenizer("encoder").backend_tokenizer, embedding_dim=8)], device="cpu"))
    with pytest.raises(OptionError, match="sentence encoders"):
        lineal.explain(BERT.load("classifier"), TEXT, prompt="who read ")


def test_a_pipeline_that_reads_other_tokens_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = pipeline()
    entry = model[0]
    own = entry.preprocess
    monkeypatch.setattr(entry, "preprocess", lambda inputs, **how: own([f"the {text}" for text in inputs], **how))
    with pytest.raises(FidelityError, match="reads 9 tokens"):
        lineal.explain(model, TEXT)


def test_a_probe_reads_with_a_prompt() -> None:
    model = pipeline()
    probe = lineal.LinearProbe(lineal.load(model), np.eye(3, 32), np.zeros(3), ["a", "b", "c"])
    record = lineal.explain(probe, TEXT, "label:b", prompt="who read ", baseline="unk")
    assert record.f_input[0] == pytest.approx(float(model.encode(TEXT, prompt="who read ")[1]), rel=1e-4)
    assert record.roles[1:3] == ("held", "held")
    with pytest.raises(OptionError, match="one text at a time, not 2"):
        lineal.explain(probe, (TEXT, TEXT), "label:b")
