"""Large models: what memory is estimated, kept to, and saved by recomputing layers; quantised loading up to the library's door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import lineal
from lineal import targets
from lineal.engine import memory
from lineal.errors import MemoryLimitError, MissingExtraError, ModelError, OptionError
from lineal.models import loading
from lineal.models.causal import CausalLM
from tests import tiny_lm
from tests.honest import assert_keeps_its_word

TEXT = "The man works as a doctor. The nurse works as a security guard. The claim says that the wall takes years to build."
GAUSS: dict[str, Any] = {"rule": "gauss:6"}


@pytest.fixture
def model() -> CausalLM:
    return tiny_lm.llama()


def test_the_estimate_counts_weights_and_what_the_reverse_pass_keeps(model: CausalLM) -> None:
    found = memory.measure(model)
    assert found.weights == sum(p.numel() * 8 for p in model.module.parameters()) + sum(
        b.numel() * b.element_size() for b in model.module.buffers()
    )
    wide = memory.measure(tiny_lm.llama(hidden_size=64, intermediate_size=96))
    assert found.per_token < wide.per_token < 4 * found.per_token
    assert found.batch(200) - found.batch(100) == pytest.approx(found.batch(100) - found.batch(0), abs=2)
    assert found.read * found.per_token == pytest.approx(found.per_read)


def live_peak(work: Callable[[], object]) -> int:
    """Return the most bytes that torch's allocator had handed out at once, from its own log."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as seen:
        work()
    logged = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    return int(np.cumsum([event.nbytes() for event in sorted(logged, key=lambda event: event.start_ns())]).max())


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_estimate_is_within_a_fifth_of_the_measured_peak(dtype: torch.dtype, recompute: bool) -> None:
    model = tiny_lm.llama(dtype=dtype, hidden_size=64, intermediate_size=160, num_hidden_layers=4)
    needed = memory.measure(model, recompute)
    for text, target, rows, reads in ((TEXT, None, 8, 1), (TEXT * 3, None, 8, 1), (TEXT, targets.Continuation(" the wall takes"), 8, 3)):
        options = {**GAUSS, "batch_tokens": 10_000, "recompute": recompute}
        record = lineal.explain(model, text, target, **options)
        assert target is None or len(model.follow(model.encode([text]), target.text)) == reads
        tokens = len(record.tokens) + reads - 1
        estimate = needed.batch(rows * (tokens + needed.read * reads)) / needed.overhead  # six points and both ends share a batch
        assert estimate == pytest.approx(live_peak(lambda t=text, q=target, o=options: lineal.explain(model, t, q, **o)), rel=0.2)


def test_positions_that_are_read_make_batches_smaller(model: CausalLM, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    real = CausalLM.run

    def watched(self: CausalLM, features: Any, embeds: Any, positions: Any) -> torch.Tensor:
        if embeds is not None and torch.is_grad_enabled():
            seen.append(tuple(embeds.shape[:2]))
        return real(self, features, embeds, positions)

    needed = memory.measure(model)
    monkeypatch.setattr(CausalLM, "run", watched)
    record = lineal.explain(model, TEXT, targets.Continuation(" the wall takes"), batch_tokens=150, **GAUSS)
    assert needed.read > 1
    length = len(record.tokens) + 2
    assert max(rows for rows, _ in seen) == 150 // (length + 3 * needed.read) < 150 // length


def test_recomputing_keeps_less_and_gives_the_same_scores(model: CausalLM) -> None:
    deep = tiny_lm.llama(num_hidden_layers=6)
    assert memory.measure(deep, recompute=True).per_token < memory.measure(deep).per_token / 2
    plain = lineal.explain(model, TEXT, **GAUSS)
    saved = lineal.explain(model, TEXT, recompute=True, **GAUSS)
    np.testing.assert_allclose(saved.scores, plain.scores, atol=1e-9)


def test_recomputing_runs_held_prefixes_in_full(model: CausalLM) -> None:
    plain = lineal.explain(model, TEXT, attribute="security", **GAUSS)
    saved = lineal.explain(model, TEXT, attribute="security", recompute=True, **GAUSS)
    np.testing.assert_allclose(saved.scores, plain.scores, atol=1e-9)


def test_recomputing_restores_every_flag(model: CausalLM) -> None:
    layers = memory.layers(model.module)
    assert len(layers) == 2
    before = [dict(layer.__dict__) for layer in layers]
    lineal.explain(model, TEXT, recompute=True, **GAUSS)
    assert [dict(layer.__dict__) for layer in layers] == before


def test_layers_with_dropout_of_their_own_are_not_recomputed() -> None:
    import transformers

    torch.manual_seed(0)
    words = tiny_lm.tokenizer()
    config = transformers.OPTConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        ffn_dim=48,
        num_attention_heads=4,
        dropout=0.5,
        max_position_embeddings=64,
        word_embed_proj_dim=32,
    )
    dropping = CausalLM(transformers.OPTForCausalLM(config).eval(), words, "tiny opt")
    assert memory.layers(dropping.module)
    assert not memory.can_recompute(dropping)
    with pytest.raises(OptionError, match="recompute"):
        lineal.explain(dropping, TEXT, recompute=True)


def test_the_record_keeps_the_estimate(model: CausalLM) -> None:
    record = lineal.explain(model, TEXT, batch_tokens=64, **GAUSS)
    assert record.memory["weights"] == memory.measure(model).weights
    assert record.memory["batch"] == memory.measure(model).batch(64)


def test_batches_are_kept_within_the_memory_there_is(model: CausalLM, monkeypatch: pytest.MonkeyPatch) -> None:
    per_token = memory.measure(model).per_token
    monkeypatch.setattr(memory, "free", lambda device: per_token * 100)
    record = lineal.explain(model, TEXT, **GAUSS)
    assert 0 < record.memory["batch"] <= per_token * 100
    np.testing.assert_allclose(record.scores, lineal.explain(model, TEXT, batch_tokens=10_000, **GAUSS).scores, atol=1e-9)


def test_running_out_of_memory_recomputes_before_it_gives_up(model: CausalLM, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = lineal.explain(model, TEXT, **GAUSS)
    real = CausalLM.run

    def tight(self: CausalLM, features: Any, embeds: Any, positions: Any) -> torch.Tensor:
        recomputing = any(layer.training for layer in memory.layers(self.module))
        if torch.is_grad_enabled() and embeds is not None and len(embeds) == 1 and embeds.shape[1] > memory.PROBE and not recomputing:
            raise torch.OutOfMemoryError("out of memory")
        return real(self, features, embeds, positions)

    monkeypatch.setattr(CausalLM, "run", tight)
    saved = lineal.explain(model, TEXT, batch_tokens=1, **GAUSS)
    np.testing.assert_allclose(saved.scores, plain.scores, atol=1e-9)

    def none(self: CausalLM, features: Any, embeds: Any, positions: Any) -> torch.Tensor:
        if torch.is_grad_enabled() and embeds is not None and embeds.shape[1] > memory.PROBE:
            raise torch.OutOfMemoryError("out of memory")
        return real(self, features, embeds, positions)

    monkeypatch.setattr(CausalLM, "run", none)
    with pytest.raises(MemoryLimitError, match="does not fit"):
        lineal.explain(model, TEXT, **GAUSS)


def test_memory_that_runs_out_while_it_is_measured_is_said(model: CausalLM, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(self: CausalLM, features: Any, embeds: Any, positions: Any) -> torch.Tensor:
        raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")

    monkeypatch.setattr(CausalLM, "run", none)
    with pytest.raises(MemoryLimitError, match=r"a gradient of tiny llama over 3 × 16 tokens does not fit in memory on cpu.*4 bit"):
        lineal.explain(model, TEXT)


def test_a_language_model_without_a_gradient_is_said(model: CausalLM) -> None:
    model.module.model.forward = torch.no_grad()(model.module.model.forward)
    with pytest.raises(ModelError, match="answers without a gradient"):
        lineal.explain(model, TEXT)


def test_bfloat16_runs_and_says_so(model: CausalLM) -> None:
    half = tiny_lm.llama(dtype=torch.bfloat16)
    record = lineal.explain(half, TEXT, tol=0.2)
    assert record.model.dtype == "bfloat16"
    whole = lineal.explain(model, TEXT, tol=0.01)
    assert whole.converged
    assert np.corrcoef(record.scores[0], whole.scores[0])[0, 1] > 0.9
    assert np.abs(record.scores - whole.scores).sum() <= record.error[0] + 0.1 * whole.mass[0]
    assert record.converged == bool(record.error[0] <= 0.2 * record.mass[0])


def test_quantised_loading_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("bitsandbytes")
    told = loading._large("auto", True, False, torch.bfloat16, "cuda")
    assert told["device_map"] == "auto"
    assert told["quantization_config"].bnb_4bit_quant_type == "nf4"
    assert told["quantization_config"].bnb_4bit_compute_dtype == torch.bfloat16
    assert loading._large(None, False, True, None, "cpu")["quantization_config"].load_in_8bit


def test_loading_options_that_do_not_fit_are_errors(model: CausalLM, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match="exclude each other"):
        lineal.load("smollm2", load_in_4bit=True, load_in_8bit=True)
    with pytest.raises(OptionError, match="live model"):
        lineal.load(model.module, model.tokenizer, device_map="auto")
    monkeypatch.setattr(loading.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="quant"):
        lineal.load("smollm2", load_in_4bit=True)


def test_four_bit_weights_let_gradients_through(tmp_path: Any) -> None:
    pytest.importorskip("bitsandbytes")
    plain = tiny_lm.llama(dtype=torch.float32, hidden_size=64, intermediate_size=128)
    plain.module.save_pretrained(tmp_path)
    plain.tokenizer.save_pretrained(tmp_path)
    four = lineal.load(str(tmp_path), load_in_4bit=True, device="cpu")
    kinds = {type(part).__name__ for part in four.module.modules()}
    assert "Linear4bit" in kinds
    record = lineal.explain(four, "The man works", tol=0.05)
    assert np.abs(record.scores).sum() > 0
    assert_keeps_its_word(record, lineal.explain(four, "The man works", rule="gauss:200"), rounding=1e-4)


def test_eight_bit_layers_are_steps_and_the_record_says_that_it_did_not_converge(tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("bitsandbytes")
    caplog.set_level("ERROR", "bitsandbytes")
    plain = tiny_lm.llama(dtype=torch.float32, hidden_size=64, intermediate_size=128)
    plain.module.save_pretrained(tmp_path)
    plain.tokenizer.save_pretrained(tmp_path)
    eight = lineal.load(str(tmp_path), load_in_8bit=True, device="cpu")
    layers = [part for part in eight.module.modules() if type(part).__name__ == "Linear8bitLt"]
    assert layers
    target = targets.NextToken(17)
    record, exact = (lineal.explain(model, "The man works", target) for model in (eight, plain))
    assert exact.converged
    assert not record.converged
    assert 1e-3 * record.mass[0] < abs(record.residual[0]) <= record.error[0]
    assert np.abs(record.scores - exact.scores).sum() < 0.5 * exact.mass[0]

    rows = torch.randn(3, layers[0].in_features, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (grad,) = torch.autograd.grad(layers[0](rows).sum(), rows)  # straight through: the rounded weights, as if nothing were rounded
    weights = layers[0].weight.data.float() * layers[0].state.SCB[:, None] / 127
    torch.testing.assert_close(grad, weights.sum(dim=0).expand_as(rows), rtol=1e-3, atol=1e-3)
    moved = rows.detach().clone()
    moved[0, rows[0].abs().argmin()] += 1e-5  # too little for the next level, and not what sets the levels
    assert torch.equal(layers[0](moved), layers[0](rows))
    assert grad[0, rows[0].abs().argmin()] != 0
