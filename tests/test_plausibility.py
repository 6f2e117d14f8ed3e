"""How likely a path is as text by the decoder's own account, and baselines that outdo the text they are compared with."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lineal
from lineal import baselines, targets
from lineal.models import TextModel
from tests import tiny, tiny_lm

PROMPT, OTHER = "The man works as a", "The nurse works as a"
SYSTEM = "You are a careful assistant. The claim says that the wall takes years to build. "
NEXT = targets.next_token(" doctor")


@cache
def decoder() -> TextModel:
    return tiny_lm.llama()


def explain(baseline: Any, text: str = PROMPT, target: Any = NEXT, **options: Any) -> lineal.Attribution:
    return lineal.explain(decoder(), text, target, baseline=baseline, tol=1e-2, **options)


def per_token(embeds: torch.Tensor, ids: list[int], first: int) -> float:
    """Return the mean log-probability of the tokens from `first` on, straight from transformers."""
    with torch.no_grad():
        told = decoder().module(inputs_embeds=embeds[None]).logits[0].log_softmax(-1)
    return float(np.mean([told[i - 1, ids[i]] for i in range(first, len(ids))]))


def read(text: str) -> tuple[torch.Tensor, list[int]]:
    ids = decoder().encode([text]).ids
    return decoder().embed(torch.tensor(ids)).detach(), ids


def test_the_text_the_baseline_and_the_middle_are_scored_by_the_model_itself() -> None:
    record = explain("eos")
    text, ids = read(PROMPT)
    first = record.roles.index("content")
    moving = torch.tensor([role == "content" for role in record.roles])
    eos = decoder().tokenizer.eos_token_id
    start = torch.where(moving[:, None], decoder().embed(torch.tensor(eos)).detach(), text)
    assert record.fluency["text"] == pytest.approx(per_token(text, ids, first), abs=1e-9)
    there = [eos if flag else i for i, flag in zip(ids, moving.tolist(), strict=True)]
    assert record.fluency["baseline"] == pytest.approx(per_token(start, there, first), abs=1e-9)
    assert record.fluency["middle"] == pytest.approx(per_token((start + text) / 2, ids, first), abs=1e-9)
    assert f"the text has −{-record.fluency['text']:.1f}" in record.notes[-1]
    assert f"read as text, −{-record.fluency['baseline']:.1f}" in record.notes[-1]


def test_a_baseline_that_is_no_text_is_said_to_be_none() -> None:
    record = explain("mean")
    text, ids = read(PROMPT)
    start = text.clone()
    moving = [i for i, role in enumerate(record.roles) if role == "content"]
    start[moving] = baselines.mean_embedding(decoder())
    assert set(record.fluency) == {"text", "middle", "nothing"}
    assert record.fluency["nothing"] == pytest.approx(per_token(start, ids, moving[0]), abs=1e-9)
    assert "the baseline is no text" in record.notes[-1]


def test_only_what_comes_from_the_first_moving_token_on_is_counted() -> None:
    """What stands before is the same all along the path, and would hide what changes."""
    longer, ids = read(SYSTEM + PROMPT)
    record = explain("eos", SYSTEM + PROMPT, hold=SYSTEM.strip())
    assert record.fluency["text"] == pytest.approx(per_token(longer, ids, record.roles.index("content")), abs=1e-9)
    assert record.roles.index("content") >= 8, "a prefix that is run once"


def test_a_sentence_says_whether_the_path_leaves_what_was_read() -> None:
    for record in (explain("eos"), explain("mean"), explain("random:2")):
        lost = record.fluency["text"] - min(record.fluency.values())
        assert f"the path {'leaves' if lost > 2 else 'stays near'} what the model has read" in record.notes[-1], record.fluency


@pytest.mark.parametrize("method", ["ig", "occlusion", "gradient-x-input"])
def test_a_contrast_says_how_alive_it_is_at_the_baseline(method: str) -> None:
    record = explain("mean", target=targets.contrast(" doctor", " security"), method=method)
    text, _ = read(PROMPT)
    start = text.clone()
    start[[i for i, role in enumerate(record.roles) if role == "content"]] = baselines.mean_embedding(decoder())
    tokens = [decoder().tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in (" doctor", " security")]
    with torch.no_grad():
        there, here = (float(decoder().module(inputs_embeds=x[None]).logits[0, -1].softmax(-1)[tokens].sum()) for x in (start, text))
    assert f"p( doctor) + p( security) is {100 * there:.2g} % at the baseline and {100 * here:.2g} % at the text" in record.notes[-1]
    assert ("hardly alive" in record.notes[-1]) == (there < 0.01)


def test_it_is_stored_and_shown(tmp_path: Path) -> None:
    record = explain("eos")
    assert lineal.load_result(record.save(tmp_path / "r.json")).fluency == record.fluency
    page = record.save(tmp_path / "r.html").read_text(encoding="utf-8")
    assert "log-probability per token" in page


@pytest.mark.parametrize("options", [{"method": "occlusion"}, {"method": "saliency"}, {"layer": 0}])
def test_nothing_is_said_where_there_is_no_path_of_words(options: dict[str, Any]) -> None:
    assert explain("eos", **options).fluency == {}


def test_a_baseline_that_outdoes_the_text_is_a_caution() -> None:
    model, text = lineal.load(tiny.bert_classifier(), tiny.tokenizer()), "the film was not very good"
    seen = {True: 0, False: 0}
    for word in tiny.WORDS[:12]:
        record = lineal.explain(model, text, targets.labels(), baseline=f"word:{word}", method="gradient-x-input")
        outdone = [name for name, a, b in zip(record.targets, record.f_input, record.f_baseline, strict=True) if b > a > 0]
        assert len(record.warnings) == len(outdone)
        for name, warning in zip(outdone, record.warnings, strict=True):
            c = record.targets.index(name)
            assert f"more strongly for {name} than the text" in warning
            assert f"take off {record.f_baseline[c] - record.f_input[c]:.4g}" in warning
        seen[bool(outdone)] += 1
    assert min(seen.values()) > 0, "both cases were met"
    probable = lineal.explain(model, text, targets.labels(unit="prob"), baseline="mask")
    assert not probable.warnings, "a probability is above 0 whatever it says"


def test_a_text_that_one_compares_with_may_say_more() -> None:
    model, text = lineal.load(tiny.bert_classifier(), tiny.tokenizer()), "the film was not very good"
    for other in ("the movie was a bad mess", "a man works as a doctor", "it was very very good but"):
        for baseline in (baselines.counterfactual(other), baselines.another_text(other)):
            assert not lineal.explain(model, text, targets.labels(), baseline=baseline, method="gradient-x-input").warnings


OFFER = "--method occlusion --baseline alternatives:8"


def test_a_path_from_no_text_offers_what_replacing_words_by_others_does() -> None:
    """Measured: scores from one vector at every place hardly follow what happens when a word is replaced (docs/questions.md)."""
    for baseline in (None, "eos", "zero"):
        (note,) = [note for note in explain(baseline).notes if OFFER in note]
        assert "without gradients" in note
    for target in (targets.contrast(" doctor", " nurse"), targets.choice([" doctor", " nurse"])):
        (note,) = [note for note in explain("mean", target=target).notes if OFFER in note]
        assert "--instead" in note, "what would speak for the other can be said as a text"
    assert not any("--instead" in note for note in explain("mean", target=targets.continuation(" doctor")).notes)


def test_where_words_are_compared_with_words_nothing_is_offered() -> None:
    others = (baselines.counterfactual(OTHER), baselines.alternatives(2), "random:2")
    assert not any(OFFER in note for baseline in others for note in explain(baseline).notes)
    assert not any(OFFER in note for note in explain("mean", method="occlusion").notes), "no path"
    classifier = lineal.load(tiny.bert_classifier(), tiny.tokenizer())
    assert not any(OFFER in note for note in lineal.explain(classifier, "the film was not good").notes), "measured for decoders alone"


def test_what_is_offered_can_be_done() -> None:
    method, baseline = OFFER.split()[1::2]
    assert explain(baseline, method=method).method == "occlusion"
