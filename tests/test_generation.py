"""Generations: one row per step from shared forwards, equal to what each step gives alone; prefixes run once change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

import lineal
from lineal import targets
from lineal.errors import InputError, OptionError, TooLongError
from lineal.models.causal import CausalLM
from lineal.prompts import Generation
from lineal.quadrature import Adaptive
from lineal.verbs.options import Options
from lineal.verbs.prepare import Preparation
from lineal.verbs.session import Session
from tests import tiny_lm

PROMPT = "The man works as a"
SAME = 1e-9
"""float64, the same operations on each row: what padding may change."""
SUMMED = 1e-5
"""Where a sum of gradients meets the gradient of a sum: the model's norms round to float32."""


@pytest.fixture(scope="module")
def model() -> CausalLM:
    return tiny_lm.llama()


@pytest.fixture(scope="module")
def four(model: CausalLM) -> lineal.Attribution:
    return lineal.explain_generation(model, PROMPT, max_new_tokens=4, rule="gauss:24")


def test_one_row_per_generated_token_over_prompt_and_generation(model: CausalLM, four: lineal.Attribution) -> None:
    encoded = model.encode([PROMPT])
    expected = model.module.generate(
        torch.tensor([encoded.ids]), attention_mask=torch.ones(1, len(encoded)).long(), max_new_tokens=4, do_sample=False, pad_token_id=3
    )[0, len(encoded) :].tolist()
    assert list(four.targets) == [model.tokenizer.decode([i]) for i in expected]
    assert four.steps == 4
    assert four.scores.shape == (4, len(encoded) + 4)
    assert four.region_of[-4:] == ("generated",) * 4


def test_scores_at_or_after_a_step_are_exactly_zero(four: lineal.Attribution) -> None:
    first = len(four.tokens) - four.steps
    for step in range(four.steps):
        assert (four.scores[step, first + step :] == 0).all()
        assert (four.scores[step, 1 : first + step] != 0).all()
    assert (four.scores[:, 0] == 0).all(), "the anchor is held"


def test_each_step_equals_the_next_token_of_the_truncated_prefix(model: CausalLM, four: lineal.Attribution) -> None:
    first = len(four.tokens) - four.steps
    generated = list(model.generate(model.encode([PROMPT]), max_new_tokens=4))
    for step, token in enumerate(generated):
        if step == 0:
            alone = lineal.explain(model, PROMPT, targets.NextToken(token), rule="gauss:24")
        else:
            alone = _next_after(model, generated[:step], token)
        np.testing.assert_allclose(four.scores[step, : first + step], alone.scores[0], atol=SAME)
        np.testing.assert_allclose([four.f_input[step], four.f_baseline[step]], [alone.f_input[0], alone.f_baseline[0]], atol=SAME)


def _next_after(model: CausalLM, ids: list[int], token: int, **options: Any) -> lineal.Attribution:
    class Cut:
        def read_by(self, model: CausalLM, truncate: bool) -> Any:
            return Generation(PROMPT, continuation=ids, hold=options.get("hold", False)).read_by(model, truncate)

    return lineal.explain(model, Cut(), targets.NextToken(token), rule="gauss:24")


def test_steps_sum_to_the_score_of_the_summed_log_probability(model: CausalLM) -> None:
    held = lineal.explain_generation(model, PROMPT, continuation=" doctor. The nurse", hold_generated=True, rule="gauss:24")
    whole = lineal.explain(model, PROMPT, targets.Continuation(" doctor. The nurse"), rule="gauss:24")
    t = len(whole.tokens)
    np.testing.assert_allclose(held.scores.sum(axis=0)[:t], whole.scores[0], atol=SUMMED)
    np.testing.assert_allclose(held.f_input.sum(), whole.f_input[0], atol=SUMMED)
    assert set(held.roles[t:]) == {"held"}
    assert (held.scores[:, t:] == 0).all()


def test_moving_steps_sum_to_the_score_of_their_sum(model: CausalLM, four: lineal.Attribution) -> None:
    from lineal.objectives.wrap import Combined

    class Total(targets.Steps):
        def bind(self, model: Any) -> Any:
            parts = super().bind(model)
            return lambda encoded: Combined(parts(encoded), ((1.0,) * 4,), ("all",))

    total = lineal.explain(model, Generation(PROMPT, 4), Total(), rule="gauss:24")
    np.testing.assert_allclose(four.scores.sum(axis=0), total.scores[0], atol=SUMMED)


def test_a_continuation_gives_the_same_as_generating_it(model: CausalLM, four: lineal.Attribution) -> None:
    given = lineal.explain_generation(
        model, PROMPT, continuation=list(model.generate(model.encode([PROMPT]), max_new_tokens=4)), rule="gauss:24"
    )
    np.testing.assert_array_equal(given.scores, four.scores)
    assert given.targets == four.targets


def test_steps_that_converged_cost_no_further_backward_passes(model: CausalLM, monkeypatch: pytest.MonkeyPatch) -> None:
    lineal.explain_generation(model, PROMPT, max_new_tokens=4, rule="gauss:2")  # what is measured once per model is measured
    passes: list[int] = []
    real = torch.autograd.grad

    def counting(total: torch.Tensor, *arguments: Any, **named: Any) -> Any:
        passes.append(1)
        return real(total, *arguments, **named)

    wanted: list[int] = []

    class Recording(Adaptive):
        def ask(self) -> Any:
            asked = super().ask()
            if asked is not None and len(asked.alphas):
                wanted.append(4 if asked.outputs is None else int(asked.outputs.sum()))
            return asked

    monkeypatch.setattr(torch.autograd, "grad", counting)
    monkeypatch.setattr(Preparation, "schedule_for", lambda self, *how: Recording(tol=5e-4, max_evaluations=1000))
    result = lineal.explain_generation(model, PROMPT, max_new_tokens=4, batch_tokens=100_000)
    assert result.converged
    assert wanted[0] == 4
    assert wanted[-1] < 4, "no step converged before the others: the test shows nothing"
    assert len(passes) == sum(wanted), "one pass per open step and round, none for steps that have converged"


def test_generate_keywords_are_passed_on_and_others_are_errors(model: CausalLM) -> None:
    plain = lineal.explain_generation(model, PROMPT, max_new_tokens=2, rule="gauss:2")
    barred = model.tokenizer.convert_tokens_to_ids(plain.tokens[-2])
    other = lineal.explain_generation(model, PROMPT, max_new_tokens=2, rule="gauss:2", suppress_tokens=[barred])
    assert barred not in model.tokenizer.convert_tokens_to_ids(other.tokens[-2:])
    with pytest.raises(OptionError, match="max_newtokens"):
        lineal.explain_generation(model, PROMPT, max_newtokens=3)
    with pytest.raises(OptionError, match="drop one"):
        lineal.explain_generation(model, PROMPT, continuation=" doctor", num_beams=2)


def test_generating_leaves_the_model_as_it_was(model: CausalLM) -> None:
    before = (model.module.generation_config.to_dict(), model.module.training, model.tokenizer.padding_side)
    lineal.explain_generation(model, PROMPT, max_new_tokens=2, rule="gauss:2")
    assert (model.module.generation_config.to_dict(), model.module.training, model.tokenizer.padding_side) == before


def test_left_padding_tokenizers_change_nothing(model: CausalLM, four: lineal.Attribution) -> None:
    left = CausalLM(model.module, tiny_lm.tokenizer(padding_side="left"), "left")
    again = lineal.explain_generation(left, PROMPT, max_new_tokens=4, rule="gauss:24")
    np.testing.assert_array_equal(again.scores, four.scores)


def test_the_end_of_sequence_token_is_a_step_too() -> None:
    model = tiny_lm.llama()
    first = model.generate(model.encode([PROMPT]), max_new_tokens=1)[0]
    result = lineal.explain_generation(model, PROMPT, continuation=[first, model.tokenizer.eos_token_id], rule="gauss:4")
    assert result.roles[-1] == "special"
    assert result.segments[-1] == -1
    assert result.converged or result.scores[1].any()


def test_generated_text_is_placed_character_by_character(model: CausalLM) -> None:
    ids = model.tokenizer(" né 🙂!", add_special_tokens=False)["input_ids"]
    result = lineal.explain_generation(model, PROMPT, continuation=ids, rule="gauss:2")
    assert result.texts[1] == " né 🙂!"
    first = len(result.tokens) - len(ids)
    covered = {i for a, b in result.offsets[first:] for i in range(a, b)}
    assert covered == set(range(len(result.texts[1])))
    assert all(a < b for a, b in result.offsets[first:])


def test_generated_words_end_at_blanks_and_punctuation(model: CausalLM) -> None:
    result = lineal.explain_generation(model, PROMPT, continuation=" security guard. The", rule="gauss:2")
    assert result.words().tokens[-4:] == ("security", "guard", ".", "The")


def test_many_generations_share_batches_and_change_nothing(model: CausalLM, four: lineal.Attribution) -> None:
    asked = [Generation(PROMPT, 4), Generation("The nurse", 2), Generation("The claim says that the wall takes", 3)]
    together = list(lineal.explain_many(model, asked, targets.Steps(), rule="gauss:24"))
    np.testing.assert_allclose(together[0].scores, four.scores, atol=SAME)
    assert [record.steps for record in together] == [4, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"continuation": ""}, InputError, "continuation is empty"),
        ({"continuation": []}, InputError, "empty"),
        ({"continuation": [10**6]}, InputError, "outside the vocabulary"),
        ({"max_new_tokens": 0}, OptionError, "max_new_tokens is 0"),
        ({"prompt": None}, InputError, "prompt or messages"),
        ({"messages": [{"role": "user", "content": "Hi"}]}, InputError, "prompt or messages"),
    ],
)
def test_bad_generations_are_clear_errors(model: CausalLM, arguments: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        lineal.explain_generation(model, **{"prompt": PROMPT} | arguments)


def test_prompt_and_continuation_beyond_the_context_are_an_error() -> None:
    small = tiny_lm.llama(limit=16)
    with pytest.raises(TooLongError, match="the model reads 16"):
        lineal.explain_generation(small, PROMPT, continuation=" doctor" * 14)
    with pytest.raises(TooLongError, match="the model reads 16"):
        lineal.explain(small, PROMPT, targets.Continuation(" doctor" * 14))


LONG = "You are a careful assistant. The claim says that the wall takes years to build. Answer:"


@pytest.fixture(params=["llama", "gpt2"])
def shared(request: pytest.FixtureRequest) -> Iterator[CausalLM]:
    import transformers

    if request.param == "llama":
        yield tiny_lm.llama()
        return
    torch.manual_seed(0)
    words = tiny_lm.tokenizer()
    config = transformers.GPT2Config(vocab_size=len(words), n_embd=32, n_layer=2, n_head=4, n_positions=256)
    yield CausalLM(transformers.GPT2LMHeadModel(config).eval().double(), words, "tiny gpt2")


@pytest.mark.parametrize(
    "target",
    [targets.NextToken(), targets.Choice([" doctor", " true or false", " true"]), targets.Continuation(" half-true", rows="tokens")],
    ids=["next", "choice", "continuation"],
)
def test_a_shared_prefix_gives_the_numbers_of_the_full_run(shared: CausalLM, target: Any) -> None:
    options: dict[str, Any] = {"attribute": "wall takes years", "rule": "gauss:12"}
    session = Session(shared, target, None, Options(**options))
    with_cache = next(session.run([LONG]))
    assert len(session.preparation.prefixes) == 1
    assert all(prefix is not None and prefix.length >= 8 for prefix in session.preparation.prefixes.values())
    without = lineal.explain(shared, LONG, target, share_prefix=False, **options)
    np.testing.assert_allclose(with_cache.scores, without.scores, atol=SAME)
    np.testing.assert_allclose(with_cache.f_baseline, without.f_baseline, atol=SAME)
    assert with_cache.roles == without.roles


def test_texts_with_different_prefixes_do_not_mix(model: CausalLM) -> None:
    texts = [LONG, LONG.replace("careful", "doctor"), "The wall takes years to build."]
    together = list(lineal.explain_many(model, texts, attribute="wall takes years", rule="gauss:6"))
    for text, record in zip(texts, together, strict=True):
        alone = lineal.explain(model, text, attribute="wall takes years", rule="gauss:6", share_prefix=False)
        np.testing.assert_allclose(record.scores, alone.scores, atol=SAME)


def test_prompts_with_the_same_prefix_run_it_once(model: CausalLM) -> None:
    start = "You are a careful assistant. The claim says that the "
    session = Session(model, None, None, Options(attribute="doctor|nurse", rule="gauss:4"))
    list(session.run([start + "doctor works.", start + "nurse works."]))
    assert len(session.preparation.prefixes) == 1


def test_a_long_generation_keeps_reverse_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[int] = []
    monkeypatch.setattr("lineal.verbs.prepare.costs", lambda model, problem: measured.append(problem.k))
    record = lineal.explain_generation(tiny_lm.llama(), "the man works as", continuation=" a doctor" * 20, rule="gauss:2")
    assert len(record.targets) >= 16
    assert measured == [], "tangent passes serve all steps or none"
