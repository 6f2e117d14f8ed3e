"""Adapters run the user's model as it is: from embeddings as from ids, leaving every flag as it was, and say so when they cannot."""

from __future__ import annotations

import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import nn
from transformers.utils import logging

import lineal
from lineal import targets
from lineal.engine import memory
from lineal.errors import FidelityError, InputError, ModelError, OptionError, TooLongError
from lineal.models.base import Around
from lineal.models.card import fingerprint
from lineal.models.causal import CausalLM
from lineal.models.checks import check_fidelity
from lineal.models.encoded import tokenise
from lineal.models.forward import answer
from lineal.verbs.options import Options
from lineal.verbs.session import Session
from tests import families, tiny, tiny_lm
from tests.fakes import FakeModel, smooth
from tests.honest import assert_keeps_its_word

TEXT = "the tepid movie was a glorious mess."
FLOAT32 = 2e-5  # relative to scores of order one: sums of about a hundred float32 roundings


def state(model: nn.Module) -> tuple:
    flags = [(name, p.requires_grad, p.grad is None) for name, p in model.named_parameters()]
    modes = [part.training for part in model.modules()]
    return flags, modes, fingerprint(model), deepcopy(model.config.to_dict())


@pytest.mark.parametrize("make", [tiny.bert_classifier, tiny.llama])
@pytest.mark.parametrize("training", [True, False])
def test_the_callers_model_and_tokenizer_leave_as_they_came(make, training: bool) -> None:
    module = make()
    module.train(training)
    next(module.parameters()).requires_grad_(False)
    tokenizer = tiny.tokenizer(decoder=make is tiny.llama)
    before, words = state(module), deepcopy(tokenizer.init_kwargs)
    lineal.explain(lineal.load(module, tokenizer), TEXT)
    assert state(module) == before
    assert tokenizer.init_kwargs == words


def test_flags_are_restored_after_an_error_too() -> None:
    module = tiny.bert_classifier().train()
    before = state(module)
    module.classifier.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        lineal.explain(lineal.load(module, tiny.tokenizer()), TEXT)
    assert state(module) == before


@pytest.mark.parametrize("make", [tiny.bert_classifier, tiny.llama])
def test_padding_and_company_change_nothing(make) -> None:
    model = lineal.load(make(), tiny.tokenizer(decoder=make is tiny.llama))
    texts = [TEXT, "not good", "a very bad film but a good ending, is it not?"]
    together = list(lineal.explain_many(model, texts, rule="gauss:6"))
    for text, record in zip(texts, together, strict=True):
        alone = lineal.explain(model, text, rule="gauss:6")
        np.testing.assert_allclose(record.scores, alone.scores, atol=FLOAT32 * alone.mass.max())


def test_all_labels_at_once_equal_one_by_one() -> None:
    model = lineal.load(tiny.bert_classifier(), tiny.tokenizer())
    rows = lineal.explain(model, TEXT, "labels", rule="gauss:6")
    assert rows.targets == ("L0", "L1", "L2")
    for c in range(3):
        one = lineal.explain(model, TEXT, targets.label(c), rule="gauss:6")
        np.testing.assert_allclose(rows.scores[c], one.scores[0], atol=FLOAT32 * one.mass.max())


def test_the_predicted_label_is_explained_by_default() -> None:
    module, tokenizer = tiny.bert_classifier(), tiny.tokenizer()
    with torch.no_grad():
        logits = module(**tokenizer(TEXT, return_tensors="pt")).logits[0]
    record = lineal.explain(lineal.load(module, tokenizer), TEXT)
    assert record.targets == (f"L{int(logits.argmax())}",)
    assert record.f_input[0] == pytest.approx(float(logits.max()), abs=1e-5)


@pytest.mark.parametrize("unit", ["logit", "log_prob", "prob", "log_odds"])
def test_a_decoders_next_token_score_is_its_own(unit: str) -> None:
    module, tokenizer = tiny.llama(), tiny.tokenizer(decoder=True)
    with torch.no_grad():
        logits = module(**{k: v for k, v in tokenizer(TEXT, return_tensors="pt").items() if k != "token_type_ids"}).logits[0, -1]
    wanted = {
        "logit": logits,
        "prob": logits.softmax(-1),
        "log_prob": logits.log_softmax(-1),
        "log_odds": logits.softmax(-1).logit(),
    }[unit]
    record = lineal.explain(lineal.load(module, tokenizer), TEXT, targets.next_token("doctor", unit=unit), rule="gauss:4")
    assert record.f_input[0] == pytest.approx(float(wanted[tokenizer.convert_tokens_to_ids("doctor")]), abs=1e-5)


def test_only_wanted_positions_and_rows_of_the_head_are_computed() -> None:
    module, tokenizer = tiny.llama(), tiny.tokenizer(decoder=True)
    shapes = []
    module.lm_head.register_forward_hook(lambda _, inputs, output: shapes.append(tuple(output.shape)) if output.requires_grad else None)
    model = lineal.load(module, tokenizer)
    memory.measure(model)  # once per model, on several positions
    shapes.clear()
    lineal.explain(model, TEXT, targets.next_token("doctor"), rule="gauss:4")
    assert {shape[1] for shape in shapes} == {1}
    shapes.clear()
    session = Session(model, targets.next_token("doctor", unit="logit"), None, Options(rule="gauss:4"))
    session.preparation.checked[1] = True
    next(session.run([TEXT]))
    assert shapes == [], "a logit multiplies with its own row of the head, not with the whole layer"


def test_logits_with_a_soft_cap_are_the_models_own() -> None:
    import transformers

    torch.manual_seed(0)
    config = transformers.Gemma2Config(**tiny.SIZES, num_key_value_heads=2, head_dim=8, final_logit_softcapping=0.5, sliding_window=64)
    module, tokenizer = transformers.Gemma2ForCausalLM(config).eval(), tiny.tokenizer(decoder=True)
    model = lineal.load(module, tokenizer)
    assert isinstance(model, CausalLM)
    ids = torch.tensor([model.encode([TEXT]).ids])
    with torch.no_grad():
        expected = module(input_ids=ids).logits[0, -1, 10]
    record = lineal.explain(model, TEXT, targets.next_token(10, unit="logit"))
    assert record.f_input[0] == pytest.approx(float(expected), abs=1e-5)
    assert_keeps_its_word(record, lineal.explain(model, TEXT, targets.next_token(10, unit="logit"), rule="gauss:200"), rounding=1e-5)


def test_a_model_that_uses_ids_beyond_their_embeddings_is_refused() -> None:
    class Peeking(type(tiny.bert_classifier())):
        def forward(self, input_ids=None, **inputs):
            answer = super().forward(input_ids=input_ids, **inputs)
            if input_ids is not None:
                answer.logits = answer.logits + input_ids.sum()
            return answer

    module = tiny.bert_classifier()
    module.__class__ = Peeking
    with pytest.raises(FidelityError, match="answers differently from input embeddings"):
        lineal.explain(lineal.load(module, tiny.tokenizer(), task="text-classification"), TEXT)


def test_a_model_without_inputs_embeds_is_refused() -> None:
    class Old(type(tiny.bert_classifier())):
        def forward(self, input_ids, attention_mask=None, token_type_ids=None):
            return super().forward(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)

    module = tiny.bert_classifier()
    module.__class__ = Old
    with pytest.raises(ModelError, match="takes no inputs_embeds"):
        lineal.load(module, tiny.tokenizer(), task="text-classification")


def test_padding_that_shows_keeps_lengths_apart() -> None:
    class Counting(type(tiny.bert_classifier())):
        def forward(self, inputs_embeds=None, input_ids=None, **inputs):
            answer = super().forward(inputs_embeds=inputs_embeds, input_ids=input_ids, **inputs)
            length = (input_ids if inputs_embeds is None else inputs_embeds).shape[1]
            answer.logits = answer.logits * length
            return answer

    module = tiny.bert_classifier()
    module.__class__ = Counting
    model = lineal.load(module, tiny.tokenizer(), task="text-classification")
    assert not check_fidelity(model, model.encode([TEXT]))
    texts = [TEXT, "not good", TEXT]
    for text, record in zip(texts, lineal.explain_many(model, texts, rule="gauss:4"), strict=True):
        alone = lineal.explain(model, text, rule="gauss:4")
        np.testing.assert_allclose(record.scores, alone.scores, atol=FLOAT32 * alone.mass.max())


def test_texts_that_are_too_long_are_named_or_cut() -> None:
    model = lineal.load(tiny.bert_classifier(), tiny.tokenizer(limit=8))
    with pytest.raises(TooLongError, match="the text has 10 tokens, the model reads 8"):
        lineal.explain(model, TEXT)
    record = lineal.explain(model, TEXT, truncate=True)
    assert len(record.tokens) == 8
    assert TEXT[: record.read[0]] == "the tepid movie was a glorious"
    assert record.notes == ("The text was cut from 10 to 8 tokens: its last 6 characters were not read.",)


HUGE = "the tepid movie was a glorious mess. " * 30_000  # more than a million characters


def counted(tokenizer: Any, seen: list[int]) -> Any:
    """Return the tokenizer, noting how many characters each call of it reads."""

    class Counted(type(tokenizer)):  # type: ignore[misc]
        def __call__(self, *texts: Any, **options: Any) -> Any:
            seen.append(sum(map(len, texts)))
            return super().__call__(*texts, **options)

    tokenizer.__class__ = Counted
    return tokenizer


@pytest.mark.parametrize(
    "texts",
    [(HUGE,), ("is it a good film?", HUGE), (HUGE, "is it a good film?"), (HUGE, HUGE)],
    ids=["alone", "second", "first", "both"],
)
def test_of_a_huge_text_only_the_beginning_is_tokenised(texts: tuple[str, ...]) -> None:
    seen: list[int] = []
    limit, few = 24, tuple(text[:700] for text in texts)
    names = ("input_ids", "attention_mask", "token_type_ids")
    short = tokenise(tiny.tokenizer(limit=limit), few, limit, True, names)
    found = tokenise(counted(tiny.tokenizer(limit=limit), seen), texts, limit, True, names)
    assert sum(seen) < 4 * 64 * limit * len(texts)
    assert (found.ids, found.offsets, found.segments, found.read) == (short.ids, short.offsets, short.segments, short.read)
    assert found.texts == texts
    lost = sum(len(text) - end for text, end in zip(texts, found.read, strict=True))
    assert re.fullmatch(
        rf"The text was cut from more than \d+ to {limit} tokens: its last {lost} characters were not read.", found.notes[0]
    )
    with pytest.raises(TooLongError, match=rf"the text has more than \d+ tokens, the model reads {limit}"):
        tokenise(tiny.tokenizer(limit=limit), texts, limit, False, names)


@pytest.mark.parametrize(
    "text", [" " * 100_000 + TEXT, "x" * 100_000 + " " + TEXT, TEXT + "\n" * 100_000], ids=["space", "one word", "end"]
)
def test_few_tokens_of_many_characters_are_all_read(text: str) -> None:
    """One token may have any number of characters: an unknown word, or white space that is none."""
    tokenizer = tiny.tokenizer(limit=16)
    found = tokenise(tokenizer, (text,), 16, False, ("input_ids",))
    assert found.ids == tokenizer(text)["input_ids"]
    assert found.read == (len(text),)
    assert not found.notes


def test_characters_that_were_not_read_are_not_counted_among_those_that_cannot_be_read() -> None:
    found = tokenise(tiny.tokenizer(limit=6), ("a 货 film " + TEXT * 3,), 6, True, ("input_ids",))
    assert found.read[0] < 20
    read = sum(not char.isspace() for char in found.texts[0][: found.read[0]])
    assert f"cannot read 1 of {read} characters" in found.warnings[0]


def test_an_encoder_reads_the_beginning_of_a_huge_text_as_its_pipeline_does() -> None:
    torch.manual_seed(0)
    network = transformers.BertModel(transformers.BertConfig(**tiny.SIZES))
    seen: list[int] = []
    model = lineal.load(families.pooled(network, counted(tiny.tokenizer(limit=24), seen)))
    found = model.encode((HUGE,), truncate=True)
    assert found.ids == model.encode((HUGE[:700],), truncate=True).ids
    assert max(seen) < 64 * 24 + 1


def test_a_pair_has_two_segments_and_both_get_scores() -> None:
    model = lineal.load(tiny.bert_classifier(), tiny.tokenizer())
    record = lineal.explain(model, ("is it a good film?", "the film was a mess."), "label:L1")
    assert record.texts == ("is it a good film?", "the film was a mess.")
    assert {0, 1, -1} == set(record.segments)
    for segment in (0, 1):
        assert np.abs(record.scores[0, [s == segment for s in record.segments]]).sum() > 0
    assert_keeps_its_word(record, lineal.explain(model, record.texts, "label:L1", rule="gauss:64"), rounding=1e-5)


def test_low_precision_runs_and_states_a_larger_error() -> None:
    module = tiny.bert_classifier().to(torch.bfloat16)
    record = lineal.explain(lineal.load(module, tiny.tokenizer()), TEXT, "label:L0", max_evaluations=200)
    exact = lineal.explain(lineal.load(tiny.bert_classifier().to(torch.bfloat16).double(), tiny.tokenizer()), TEXT, "label:L0", tol=1e-5)
    assert record.model.dtype == "bfloat16"
    assert np.abs(record.scores - exact.scores).sum() < 0.2 * exact.mass[0]


def test_names_that_lead_nowhere_say_where_they_looked(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no folder .*/no/such/folder"):
        lineal.load("/no/such/folder")
    with pytest.raises(
        ModelError, match=r"cannot load 'no-such-model': no alias \(minilm, smollm2, sentiment\), no folder .*no-such-model"
    ):
        lineal.load("no-such-model")
    with pytest.raises(ModelError, match="cannot load"):
        lineal.load(str(tmp_path))


def test_what_cannot_be_loaded_is_named() -> None:
    with pytest.raises(OptionError, match="unknown task 'poetry'; choose one of sentence-similarity"):
        lineal.load("minilm", task="poetry")
    with pytest.raises(OptionError, match="unknown dtype 'float33'"):
        lineal.load(tiny.llama(), tiny.tokenizer(decoder=True), dtype="float33")
    with pytest.raises(OptionError, match="needs its tokenizer"):
        lineal.load(tiny.llama())
    with pytest.raises(OptionError, match="cannot explain a int"):
        lineal.load(3)


def test_a_folder_says_by_itself_what_it_is(tmp_path: Path) -> None:
    for make, kind in ((tiny.bert_classifier, "classifier"), (tiny.llama, "causal")):
        folder = tmp_path / kind
        module, tokenizer = make(), tiny.tokenizer(decoder=kind == "causal")
        module.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        loaded = lineal.load(str(folder), device="cpu")
        assert loaded.card.kind == kind
        live = lineal.load(module, tokenizer)
        assert loaded.card.fingerprint == live.card.fingerprint
        np.testing.assert_allclose(lineal.explain(loaded, TEXT).scores, lineal.explain(live, TEXT).scores, atol=1e-5)


def test_a_tokenizer_without_offsets_is_refused() -> None:
    class Slow:
        is_fast = False

    with pytest.raises(OptionError, match="slow tokenizer without character offsets"):
        lineal.explain(lineal.load(tiny.bert_classifier(), Slow()), TEXT)


def test_a_text_of_special_tokens_only_is_refused() -> None:
    with pytest.raises(InputError, match="no token but special ones"):
        lineal.explain(lineal.load(tiny.bert_classifier(), tiny.tokenizer()), "[SEP]")


def test_a_baseline_the_tokenizer_lacks_is_listed() -> None:
    with pytest.raises(OptionError, match="has no mask token; baselines it has: pad, unk, eos, mean, zero"):
        lineal.explain(lineal.load(tiny.llama(), tiny.tokenizer(decoder=True)), TEXT, baseline="mask")


def test_a_next_token_must_be_one_token() -> None:
    model = lineal.load(tiny.llama(), tiny.tokenizer(decoder=True))
    with pytest.raises(InputError, match="is 2 tokens for this model"):
        lineal.explain(model, TEXT, targets.next_token("good film"))
    with pytest.raises(OptionError, match="token id 999 is outside the vocabulary of 34"):
        lineal.explain(model, TEXT, targets.next_token(999))


def test_causality_a_decoders_first_position_is_held_and_can_be_released() -> None:
    model = lineal.load(tiny.llama(), tiny.tokenizer(decoder=True))
    held = lineal.explain(model, TEXT)
    free = lineal.explain(model, TEXT, anchor="none", max_evaluations=200)
    assert held.roles[0] == "held"
    assert held.scores[0, 0] == 0.0
    assert free.roles[0] == "content"
    assert free.scores[0, 0] != 0.0


def test_a_model_of_ones_own_inherits_what_it_does_not_say() -> None:
    fake = FakeModel(smooth)
    assert lineal.load(fake) is fake
    assert (fake.network, fake.layers, fake.own({}), fake.reading()) == (fake.module, (), None, fake)
    with pytest.raises(OptionError, match="prompt_name is for sentence encoders; fake is of kind classifier"):
        fake.reading(prompt_name="query")
    around = Around(fake)
    assert (around.module, around.card, around.device, around.vocabulary) == (fake.module, fake.card, fake.device, fake.vocabulary)
    with pytest.raises(OptionError, match="cannot explain a SimpleNamespace"):
        lineal.load(SimpleNamespace(card=fake.card, encode=fake.encode, embed=fake.embed, run=fake.run, read=fake.read))


def mixture(dtype: torch.dtype) -> tuple[Any, Any]:
    """Return a live Mixtral, two of four experts for each token, and its tokenizer."""
    settings = families.ROTARY | {"num_local_experts": 4, "num_experts_per_tok": 2}
    return families.Family("Mixtral", "MixtralConfig", settings, ("causal",), "decoder-bos").build("causal", dtype)


def test_a_mixture_of_experts_runs_in_float64(tmp_path: Path) -> None:
    """PyTorch has the product of all experts in one go up to float32 only; one after the other they are the same model."""
    module, tokenizer = mixture(torch.float32)
    module.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    encoded = lineal.load(module, tokenizer).encode([TEXT])
    answers = {}
    for dtype in ("float32", "float64"):
        model = lineal.load(tmp_path, dtype=dtype)
        answers[dtype] = answer(model, encoded, (len(encoded) - 1,))
        assert answers[dtype].dtype is getattr(torch, dtype)
    torch.testing.assert_close(answers["float32"].double(), answers["float64"], atol=FLOAT32, rtol=FLOAT32)
    record = lineal.explain(model, TEXT, rule="gauss:4")
    assert np.isfinite(record.scores).all()


def test_a_live_mixture_in_float64_says_what_to_do_and_then_runs() -> None:
    module, tokenizer = mixture(torch.float64)
    module.set_experts_implementation("grouped_mm")
    with pytest.raises(ModelError, match=r"grouped_mm.*set_experts_implementation\(\"eager\"\)"):
        lineal.load(module, tokenizer)
    assert module.get_experts_implementation() == {"": "grouped_mm"}, "the caller's model is as it was"
    module.set_experts_implementation("eager")
    assert np.isfinite(lineal.explain(lineal.load(module, tokenizer), TEXT, rule="gauss:4").scores).all()


def test_models_that_several_threads_load_at_once_are_whole(tmp_path: Path) -> None:
    """transformers sets the default precision of the whole process while it builds a model."""
    wanted = tiny_lm.llama(torch.float32)
    wanted.module.save_pretrained(tmp_path)
    wanted.tokenizer.save_pretrained(tmp_path)
    dtypes = (torch.float32, torch.float64, torch.bfloat16, torch.float64)
    before, bars = torch.get_default_dtype(), logging.is_progress_bar_enabled()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for _ in range(3):
            gate = threading.Barrier(len(dtypes))

            def loaded(dtype: torch.dtype, gate: threading.Barrier = gate) -> Any:
                gate.wait()
                return lineal.load(tmp_path, dtype=dtype)

            with ThreadPoolExecutor(len(dtypes)) as pool:
                models = list(pool.map(loaded, dtypes))
            for model, dtype in zip(models, dtypes, strict=True):
                for name, weight in wanted.module.state_dict().items():
                    found = model.module.state_dict()[name]
                    assert found.dtype is dtype
                    assert torch.equal(found, weight.to(dtype)), name
            assert torch.get_default_dtype() is before
            assert logging.is_progress_bar_enabled() is bars
    finally:
        sys.setswitchinterval(interval)
        torch.set_default_dtype(before)
