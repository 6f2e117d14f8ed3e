"""Where the path starts: other texts, random words, given vectors; several are averaged, and the record says which it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import lineal
from lineal import baselines, targets
from lineal.errors import InputError, OptionError
from tests.families import FAMILIES

TEXT, OTHER = "the cat sat on the mat", "a dog ran under the log"
BERT = next(family for family in FAMILIES if family.name == "BERT")
LLAMA = next(family for family in FAMILIES if family.name == "Llama")
TARGET = targets.label(1)


def explain(baseline: Any, text: Any = TEXT, model: Any = None, target: Any = TARGET, **options: Any) -> lineal.Attribution:
    return lineal.explain(model or BERT.load("classifier"), text, target, baseline=baseline, tol=1e-3, max_evaluations=4000, **options)


def test_another_text_of_the_same_length_gives_that_texts_own_answer() -> None:
    there, back = explain(baselines.another_text(OTHER)), explain(baselines.another_text(TEXT), OTHER)
    assert there.f_baseline[0] == pytest.approx(back.f_input[0], abs=1e-5)
    np.testing.assert_allclose(there.scores, -back.scores, atol=2e-3 * there.mass[0])
    assert "token by token" in there.notes[-1]
    assert there.scores[0, 5] == 0, "both texts have the same word there"
    assert "a dog ran" in there.baseline


@pytest.mark.parametrize(("other", "how"), [("a dog", "4 times mask"), ("a dog ran under the log while rain fell", "cut after 6")])
def test_another_text_of_another_length_says_what_was_done(other: str, how: str) -> None:
    record = explain(f"text:{other}")
    assert how in record.notes[-1]
    filled = " ".join([*other.split(), *["[MASK]"] * 6][:6])
    assert record.f_baseline[0] == pytest.approx(explain("mask", filled).f_input[0], abs=1e-5)


def test_a_pair_needs_a_pair() -> None:
    record = explain(baselines.another_text((OTHER, "rain")), (TEXT, "cat"))
    assert record.f_baseline[0] == pytest.approx(explain("mask", (OTHER, "rain")).f_input[0], abs=1e-5)
    with pytest.raises(OptionError, match=r"1 text\(s\)"):
        explain(baselines.another_text(OTHER), (TEXT, "cat"))


def test_another_text_keeps_a_decoders_first_token() -> None:
    model = LLAMA.load("causal")
    record = explain(baselines.another_text(OTHER), model=model, target=targets.next_token(" dog", unit="logit"))
    own = explain("mean", OTHER, model=model, target=targets.next_token(" dog", unit="logit"))
    assert record.f_baseline[0] == pytest.approx(own.f_input[0], abs=1e-5)


def test_random_words_are_the_mean_over_their_texts() -> None:
    model = BERT.load("classifier")
    several = explain(baselines.random_words(3, seed=5), model=model)
    start = baselines.random_words(3, seed=5).bind(model)(model.encode([TEXT]))
    assert start.shape[0] == 3
    alone = [explain(baselines.given(point), model=model) for point in start]
    np.testing.assert_allclose(several.scores, np.mean([r.scores for r in alone], axis=0), atol=2e-3 * several.mass[0])
    assert several.f_baseline[0] == pytest.approx(np.mean([r.f_baseline[0] for r in alone]), abs=1e-6)
    assert several.spread is not None
    longer = baselines.random_words(3, seed=5).bind(model)(model.encode([TEXT + " and rain fell"]))
    assert torch.equal(start[:, :7], longer[:, :7]), "the same seed gives the same word at the same place"
    assert not torch.equal(start, baselines.random_words(3, seed=6).bind(model)(model.encode([TEXT])))


def test_a_corpus_is_sampled() -> None:
    corpus = [OTHER, "rain fell all day", "we read old books by fire", OTHER]
    record = explain(baselines.some_of(corpus, 2))
    assert record.spread is not None
    assert record.converged
    assert len(record.notes) == 3, "each text says how it was laid over, and that scores are a mean"
    with pytest.raises(OptionError, match="4 baselines from 3"):
        baselines.some_of(corpus, 4)


def test_given_vectors() -> None:
    model = BERT.load("classifier")
    vector = model.embed(torch.tensor(model.tokenizer.mask_token_id)).detach()
    np.testing.assert_allclose(explain(vector, model=model).scores, explain("mask", model=model).scores, atol=1e-6)
    np.testing.assert_allclose(explain(vector.expand(8, -1), model=model).scores, explain("mask", model=model).scores, atol=1e-6)
    with pytest.raises(OptionError, match="5 tokens, the text has 8"):
        explain(vector.expand(5, -1), model=model)
    with pytest.raises(OptionError, match="width 32"):
        explain(torch.zeros(31), model=model)


def test_one_word_everywhere() -> None:
    model = BERT.load("classifier")
    spelled = explain("word:fire", model=model)
    vector = model.embed(torch.tensor(model.tokenizer.convert_tokens_to_ids("fire"))).detach()
    np.testing.assert_array_equal(spelled.scores, explain(vector, model=model).scores)
    np.testing.assert_array_equal(spelled.scores, explain(baselines.word("fire"), model=model).scores)
    assert spelled.baseline == "word “fire”"
    with pytest.raises(InputError, match="2 tokens"):
        explain("word:by fire", model=model)


def test_unknown_spellings_list_what_there_is() -> None:
    for wrong in ("none", "random:many", "text:"):
        with pytest.raises(OptionError, match="random:8"):
            explain(wrong)
