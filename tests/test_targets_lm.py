"""Targets of language models: contrasts, continuations, choices. Against plain softmax arithmetic, and against each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lineal
from lineal import targets
from lineal.errors import InputError, OptionError
from lineal.models.causal import CausalLM
from lineal.targets import spelling as specs
from tests import tiny_lm
from tests.honest import assert_keeps_its_word

PROMPT = "Question: which option is right? (A) true (B) false (C) half-true. Answer: ("
OPTIONS = ["A", "B", "C"]
WORDS = [" true", " true or half-true", " doctor"]
SUMMED = 1e-5
"""Where two ways to sum meet: the model's norms round to float32."""


@pytest.fixture(scope="module")
def model() -> CausalLM:
    return tiny_lm.llama()


def log_prob(model: CausalLM, prompt: str, continuation: str) -> tuple[float, int]:
    """Slow and obvious: prompt and continuation tokenised as one text, one plain forward pass."""
    n = len(model.tokenizer(prompt)["input_ids"])
    ids = torch.tensor([model.tokenizer(prompt + continuation)["input_ids"]])
    with torch.no_grad():
        logs = model.module(input_ids=ids).logits.log_softmax(dim=-1)[0]
    return float(sum(logs[i - 1, ids[0, i]] for i in range(n, ids.shape[1]))), ids.shape[1] - n


def explain(model: CausalLM, target: Any, prompt: str = PROMPT, **options: Any) -> lineal.Attribution:
    return lineal.explain(model, prompt, target, **{"rule": "gauss:12"} | options)


@pytest.mark.parametrize("unit", ["log_odds", "log_prob", "prob"])
@pytest.mark.parametrize("normalise", ["sum", "mean"])
@pytest.mark.parametrize("options", [OPTIONS, WORDS], ids=["letters", "words"])
def test_a_choice_among_options_is_a_softmax_of_their_log_probabilities(
    model: CausalLM, unit: str, normalise: str, options: list[str]
) -> None:
    pairs = [log_prob(model, PROMPT, option) for option in options]
    scores = torch.tensor([total / (length if normalise == "mean" else 1) for total, length in pairs], dtype=torch.float64)
    p = float(scores.softmax(dim=0)[1])
    expected = {"log_odds": np.log(p / (1 - p)), "log_prob": np.log(p), "prob": p}[unit]
    result = explain(model, targets.Choice(options, pick=options[1], unit=unit, normalise=normalise), rule="gauss:2")
    np.testing.assert_allclose(result.f_input[0], expected, rtol=1e-5)


@pytest.mark.parametrize("options", [OPTIONS, WORDS], ids=["letters", "words"])
def test_a_choice_among_the_vocabulary_is_the_option_s_own_probability(model: CausalLM, options: list[str]) -> None:
    total, _ = log_prob(model, PROMPT, options[1])
    expected = {"log_prob": total, "prob": np.exp(total), "log_odds": total - np.log1p(-np.exp(total))}
    for unit, value in expected.items():
        result = explain(model, targets.Choice(options, pick=1, unit=unit, among="vocabulary"), rule="gauss:2")
        np.testing.assert_allclose(result.f_input[0], value, rtol=1e-5)


def test_the_logit_of_a_choice_is_the_raw_score(model: CausalLM) -> None:
    encoded = model.encode([PROMPT])
    with torch.no_grad():
        logits = model.module(input_ids=torch.tensor([encoded.ids])).logits[0, -1]
    result = explain(model, targets.Choice(OPTIONS, pick="C", unit="logit"), rule="gauss:2")
    np.testing.assert_allclose(result.f_input[0], float(logits[model.tokenizer("C")["input_ids"][0]]), rtol=1e-6)


def test_without_a_pick_the_preferred_option_is_explained(model: CausalLM) -> None:
    best = int(np.argmax([log_prob(model, PROMPT, option)[0] for option in WORDS]))
    result = explain(model, targets.Choice(WORDS), rule="gauss:2")
    assert result.targets[0].startswith(WORDS[best].strip() + " over ")
    assert result.f_input[0] > np.log(1 / 2) or len(WORDS) > 2


def test_option_rows_come_with_the_log_odds_and_agree_with_them(model: CausalLM) -> None:
    result = explain(model, targets.Choice(["A", "B"], pick="A", per_option=True))
    assert result.targets == ("A over B", "A", "B")
    assert result.units == ("log_odds", "log_prob", "log_prob")
    np.testing.assert_allclose(result.scores[0], result.scores[1] - result.scores[2], atol=SUMMED)
    np.testing.assert_allclose(np.exp(result.f_input[1:]).sum(), 1.0, atol=1e-9)


@pytest.mark.parametrize("normalise", ["sum", "mean"])
@pytest.mark.parametrize("options", [OPTIONS, WORDS], ids=["letters", "words"])
def test_a_choice_records_how_likely_each_option_is(model: CausalLM, options: list[str], normalise: str, tmp_path: Path) -> None:
    target = targets.Choice(options, pick=1, gold=options[2], normalise=normalise, unit="log_odds")
    record = explain(model, target, rule="gauss:2")
    found = record.choices
    assert found is not None
    assert (found.names, found.picked, found.gold) == (tuple(option.strip() for option in options), 1, 2)
    pairs = [log_prob(model, PROMPT, option) for option in options]
    expected = np.array([total / (length if normalise == "mean" else 1) for total, length in pairs])
    np.testing.assert_allclose(found.log_prob[0], expected, rtol=1e-5)
    np.testing.assert_allclose(found.prob[0], np.exp(expected), rtol=1e-4)
    np.testing.assert_allclose(found.share[0], np.exp(expected) / np.exp(expected).sum(), rtol=1e-4)
    np.testing.assert_allclose(found.share.sum(axis=1), 1.0)
    np.testing.assert_allclose(found.log_odds[:, 1], [record.f_input[0], record.f_baseline[0]], atol=1e-5)
    assert lineal.load_result(record.save(tmp_path / "choice.json")).choices == found
    assert record.words().choices == found


def test_several_baselines_are_averaged_in_the_unit_that_is_shown(model: CausalLM) -> None:
    several = lineal.baselines.Several((lineal.baselines.SpecialToken("unk"), lineal.baselines.MeanEmbedding()))
    for unit in ("log_odds", "prob"):
        record = explain(model, targets.Choice(OPTIONS, pick="C", unit=unit), rule="gauss:2", baseline=several)
        found = record.choices
        assert found is not None
        assert found.log_probs.shape == (3, 3)
        shown = found.log_odds if unit == "log_odds" else found.share
        np.testing.assert_allclose(shown[:, 2], [record.f_input[0], record.f_baseline[0]], atol=1e-5)


def test_only_choices_have_options(model: CausalLM) -> None:
    assert explain(model, targets.Continuation(" true"), rule="gauss:2").choices is None
    with pytest.raises(OptionError, match="gold 'D' is none of the options"):
        explain(model, targets.Choice(OPTIONS, gold="D"))


def test_a_choice_of_two_letters_is_their_contrast(model: CausalLM) -> None:
    choice = explain(model, targets.Choice(["A", "B"], pick="A"))
    contrast = explain(model, targets.Contrast("A", "B"))
    np.testing.assert_allclose(choice.scores, contrast.scores, atol=SUMMED)


@pytest.mark.parametrize("unit", ["logit", "log_prob", "prob"])
def test_a_contrast_is_the_difference_of_two_tokens(model: CausalLM, unit: str) -> None:
    both, token, foil = (
        explain(model, target)
        for target in (targets.Contrast("A", "B", unit), targets.NextToken("A", unit=unit), targets.NextToken("B", unit=unit))
    )
    np.testing.assert_allclose(both.scores, token.scores - foil.scores, atol=SUMMED)
    assert both.units == (unit,)


def test_multi_token_branches_give_the_gradient_of_each_option_run_alone(model: CausalLM) -> None:
    together = explain(model, targets.Choice(WORDS, pick=1, unit="log_prob", among="vocabulary"))
    alone = explain(model, targets.Continuation(WORDS[1]))
    np.testing.assert_allclose(together.scores, alone.scores, atol=SUMMED)


def test_options_that_begin_alike_share_their_rows(model: CausalLM) -> None:
    bound = targets.Choice([" true", " true or false", " doctor or false"]).bind(model)(model.encode([PROMPT]))
    longest = sorted(bound.branches, key=len)
    assert all(branch for branch in longest)
    assert len(longest) == 2
    assert targets.Choice(OPTIONS).bind(model)(model.encode([PROMPT])).branches == ((),)


def test_a_continuation_has_a_sum_and_a_row_per_token(model: CausalLM) -> None:
    text = " half-true. The man"
    whole, tokens, both = (explain(model, targets.Continuation(text, rows=rows)) for rows in ("sum", "tokens", "both"))
    total, length = log_prob(model, PROMPT, text)
    np.testing.assert_allclose(whole.f_input[0], total, rtol=1e-6)
    assert len(tokens.targets) == length
    assert "".join(tokens.targets) == text
    np.testing.assert_allclose(tokens.scores.sum(axis=0), whole.scores[0], atol=SUMMED)
    np.testing.assert_allclose(both.scores, np.concatenate([whole.scores, tokens.scores]), atol=SUMMED)


@pytest.mark.parametrize("unit", ["logit", "log_prob", "prob", "log_odds"])
def test_every_target_is_complete_in_every_unit(model: CausalLM, unit: str) -> None:
    for target in (
        targets.NextToken(rank=1, unit=unit),
        targets.Contrast("A", "B", unit),
        targets.Choice(WORDS, unit=unit),
        targets.Choice(OPTIONS, unit=unit, among="vocabulary"),
        targets.Continuation(" true", unit=unit),
    ):
        result = explain(model, target, rule="adaptive", tol=0.003, max_evaluations=4000)
        assert result.units[0] == unit
        assert_keeps_its_word(result, explain(model, target, rule="gauss:200"), rounding=SUMMED)


def test_the_rank_of_a_next_token_counts_from_the_most_likely(model: CausalLM) -> None:
    with torch.no_grad():
        order = model.module(input_ids=torch.tensor([model.encode([PROMPT]).ids])).logits[0, -1].argsort(descending=True)
    for rank in (0, 2):
        assert explain(model, targets.NextToken(rank=rank), rule="gauss:2").targets == (model.tokenizer.decode([int(order[rank])]),)


def test_texts_of_different_length_and_options_share_batches(model: CausalLM) -> None:
    prompts = [PROMPT, "The claim says that the wall takes years. True? (", "The nurse ("]
    together = list(lineal.explain_many(model, prompts, targets.Choice(WORDS), rule="gauss:4"))
    for prompt, record in zip(prompts, together, strict=True):
        np.testing.assert_allclose(record.scores, explain(model, targets.Choice(WORDS), prompt, rule="gauss:4").scores, atol=1e-9)


def test_the_token_that_follows_is_the_one_explained_without_a_forced_space(model: CausalLM) -> None:
    bound = targets.Choice(OPTIONS, pick="A").bind(model)(model.encode([PROMPT]))
    assert bound.sequences[0] == tuple(model.tokenizer("(A")["input_ids"][1:])
    assert model.tokenizer.decode(list(bound.sequences[0])) == "A"


@pytest.mark.parametrize(
    ("target", "prompt", "error", "says"),
    [
        (targets.Contrast("A", "A"), PROMPT, InputError, "never differ"),
        (targets.Contrast("A", " security guard"), PROMPT, InputError, "tokens for this model"),
        (targets.Continuation(""), PROMPT, InputError, "continuation is empty"),
        (targets.Continuation("doctor"), "The man works as a ", InputError, "no continuation of this prompt"),
        (targets.Choice(["doctor", "nurse"]), "The man works as a ", InputError, "no continuation of this prompt"),
        (targets.Choice(["A"]), PROMPT, OptionError, "two different options"),
        (targets.Choice(["A", "A"]), PROMPT, OptionError, "two different options"),
        (targets.Choice(["A", ""]), PROMPT, InputError, "continuation is empty"),
        (targets.Choice(OPTIONS, pick="D"), PROMPT, OptionError, "none of the options"),
        (targets.Choice(OPTIONS, unit="odds"), PROMPT, OptionError, "unknown unit"),
        (targets.Choice(OPTIONS, normalise="max"), PROMPT, OptionError, "unknown normalise"),
        (targets.Choice(OPTIONS, among="all"), PROMPT, OptionError, "unknown among"),
        (targets.Continuation(" true", rows="all"), PROMPT, OptionError, "unknown rows"),
        (targets.Continuation(" true", rows="both", unit="prob"), PROMPT, OptionError, "add up"),
        (targets.NextToken(rank=-1), PROMPT, OptionError, "rank"),
        (targets.NextToken(10**6), PROMPT, OptionError, "outside the vocabulary"),
        (targets.Steps(), PROMPT, OptionError, "explain_generation"),
    ],
)
def test_bad_targets_are_clear_errors(model: CausalLM, target: Any, prompt: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        lineal.explain(model, prompt, target)


@pytest.mark.parametrize(
    ("spelling", "value"),
    [
        ("next", targets.NextToken()),
        ("next:2", targets.NextToken(rank=2)),
        ('token:" security"', targets.NextToken(" security")),
        ("token:42", targets.NextToken(42)),
        ('contrast:" doctor"~" nurse"', targets.Contrast(" doctor", " nurse")),
        ("contrast:A~B", targets.Contrast("A", "B")),
        ("choice:A,B,C", targets.Choice(("A", "B", "C"))),
        ('choice:" yes, really"," no"', targets.Choice((" yes, really", " no"))),
        ('continuation:" security guard"', targets.Continuation(" security guard")),
    ],
)
def test_targets_have_spellings(spelling: str, value: Any) -> None:
    assert specs.target(spelling) == value


def test_units_reach_the_targets_of_language_models() -> None:
    assert specs.target("choice:A,B,C=B") == targets.Choice(("A", "B", "C"), "B")
    assert specs.target("choices:x=1,y=1") == targets.Choice(("x=1", "y=1"), per_option=True), "an equals sign of an option's own"
    assert specs.target("choice:A,B", unit="prob") == targets.Choice(("A", "B"), unit="prob")
    assert specs.target("contrast:A~B", unit="prob") == targets.Contrast("A", "B", unit="prob")


@pytest.mark.parametrize("spelling", ["next:first", "contrast:A", 'contrast:"A"', "choice", "choice:A", "continuation", "token", "token:"])
def test_broken_spellings_are_errors(spelling: str) -> None:
    with pytest.raises(OptionError):
        specs.target(spelling)
