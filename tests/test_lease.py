"""One model, many callers: two threads at once compute, bit for bit, what they do one after the other, and nothing stays behind."""

from __future__ import annotations

import itertools
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch.nn.attention import SDPBackend, sdpa_kernel

import lineal
from lineal.engine.costs import costs
from lineal.methods.dig.method import DIG
from lineal.models import LinearProbe, TextModel, load
from lineal.models.attention import Mathematical
from lineal.models.encoded import tokenise
from lineal.models.lease import hooked, lease
from lineal.models.vocabulary import token_id
from lineal.verbs.options import PairOptions
from lineal.verbs.pair_session import Pairs
from tests import tiny, tiny_lm
from tests.families import pooled

TEXTS = ("the film was not good", "a glorious mess of a movie, but the ending was very bad")
PROMPTS = ("The man works as", "Which time is it? The question")
FIXED = {"rule": "gauss:3"}
ROUNDS = 3


@dataclass(frozen=True)
class Models:
    """Tiny models of the kinds that a process may hold; the probe runs the encoder's own module."""

    encoder: TextModel
    probe: TextModel
    classifier: TextModel
    decoder: TextModel

    def all(self) -> tuple[TextModel, ...]:
        return self.encoder, self.probe, self.classifier, self.decoder


def models(seed: int = 0) -> Models:
    torch.manual_seed(seed)
    network = transformers.BertModel(transformers.BertConfig(**tiny.SIZES))
    encoder: Any = load(pooled(network, tiny.tokenizer()))
    weights = np.random.default_rng(seed).normal(size=(3, 32))
    probe = LinearProbe(encoder, weights, np.zeros(3), ["x", "y", "z"])
    classifier = load(tiny.bert_classifier(seed=seed), tiny.tokenizer(limit=12))
    return Models(encoder, probe, classifier, tiny_lm.llama(torch.float32, seed=seed + 1))


@pytest.fixture(scope="module")
def one() -> Models:
    return models(0)


@pytest.fixture(scope="module")
def two() -> Models:
    return models(1)


@pytest.fixture(autouse=True)
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let threads take turns thousands of times a second, so that what can collide does."""
    monkeypatch.setenv("LINEAL_CACHE", str(tmp_path))
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def explained(name: str, target: Any = None, **options: Any) -> Callable[[Models, int], Any]:
    def call(given: Models, i: int) -> Any:
        text = (PROMPTS if name == "decoder" else TEXTS)[i % 2]
        return lineal.explain(getattr(given, name), text, target, **FIXED, **options).scores

    return call


CALLS: dict[str, Callable[[Models, int], Any]] = {
    "encoder": explained("encoder", lineal.targets.similar("a tepid film")),
    "probe": explained("probe", "label:y"),
    "label": explained("classifier", "label:L1", truncate=True),
    "layer": explained("classifier", "label:L1", truncate=True, layer=0, baseline="pad"),
    "words": explained("probe", "label:y", method=DIG(steps=3, neighbours=5)),
    "next": explained("decoder", "next"),
    "recompute": explained("decoder", "next", recompute=True),
    "layer, recompute": explained("decoder", "next", layer="model.layers.1.self_attn", recompute=True),
    "next word": explained("decoder", lineal.targets.next_token(" a")),
    "generation": lambda given, i: lineal.explain_generation(given.decoder, PROMPTS[i % 2], 2, **FIXED).scores,
    "pair": lambda given, i: lineal.explain_pair(given.encoder, TEXTS[i % 2], "the tepid movie", mode="forward", rule="gauss:3").matrix,
    "interactions": lambda given, i: lineal.explain_interactions(given.classifier, TEXTS[0], "label:L1", tol=0.3).matrix,
}


def alone(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    return [call() for call in calls]


def together(*lists: Sequence[Callable[[], Any]]) -> list[list[Any]]:
    """Return what each thread's calls gave; what one raised is raised here."""
    start = threading.Barrier(len(lists))
    found: list[Any] = [None] * len(lists)

    def run(i: int) -> None:
        torch.set_num_threads(1)  # every thread has a number of its own, and sums over two are other sums
        start.wait()
        try:
            found[i] = alone(lists[i])
        except BaseException as error:  # raised below, in the test's own thread
            found[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(lists))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in found:
        if isinstance(result, BaseException):
            raise result
    return found


def assert_same(found: Sequence[Sequence[Any]], expected: Sequence[Sequence[Any]]) -> None:
    for row, right in zip(found, expected, strict=True):
        for one, other in zip(row, right, strict=True):
            np.testing.assert_array_equal(one, other, strict=True)


def state_of(given: Models) -> Any:
    """Everything of the models that a caller could notice, and what of PyTorch is the whole process's own."""
    states = []
    for model in given.all():
        module, core = model.module, model.tokenizer.backend_tokenizer
        states.append(
            (
                [
                    (part.training, sorted(part.__dict__), len(part._forward_hooks), len(part._forward_pre_hooks))
                    for part in module.modules()
                ],
                [(p.requires_grad, p.grad is None, p._version) for p in module.parameters()],
                core.to_str(),
            )
        )
    kernels = torch.backends.cuda
    return states, kernels.flash_sdp_enabled(), kernels.mem_efficient_sdp_enabled(), kernels.math_sdp_enabled()


def calls(name: str, given: Models) -> tuple[list[Callable[[], Any]], list[Callable[[], Any]]]:
    return [partial(CALLS[name], given, i) for i in range(ROUNDS)], [partial(CALLS[name], given, i + 1) for i in range(ROUNDS)]


@pytest.mark.parametrize("name", CALLS)
def test_two_threads_on_one_model(name: str, one: Models) -> None:
    before = state_of(one)
    first, second = calls(name, one)
    expected = [alone(first), alone(second)]
    assert_same(together(first, second), expected)
    assert state_of(one) == before


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.slow
def test_two_threads_on_two_models(name: str, one: Models, two: Models) -> None:
    before = state_of(one), state_of(two)
    first, second = calls(name, one)[0], calls(name, two)[1]
    expected = [alone(first), alone(second)]
    assert_same(together(first, second), expected)
    assert (state_of(one), state_of(two)) == before


@pytest.mark.parametrize("beside", ["label", "layer", "next", "recompute", "pair", "interactions"])
@pytest.mark.slow
def test_threads_with_different_questions(beside: str, one: Models) -> None:
    before = state_of(one)
    first = [partial(call, one, i) for i, call in enumerate(CALLS.values())]
    second = [partial(CALLS[beside], one, i) for i in range(2 * ROUNDS)]
    expected = [alone(first), alone(second)]
    assert_same(together(first, second), expected)
    assert state_of(one) == before


class Stop(Exception):
    """What a test raises in a model's forward."""


@contextmanager
def failing(module: torch.nn.Module, error: BaseException, after: int) -> Iterator[None]:
    """Raise in the module's forward, when it has run `after` times."""
    left = iter(range(after))

    def stop(*_: Any) -> None:
        if next(left, None) is None:
            raise error

    handle = module.register_forward_pre_hook(stop)
    try:
        yield
    finally:
        handle.remove()


def inner(given: Models, name: str) -> torch.nn.Module:
    """Return a layer deep inside the model that a call runs."""
    owners = {"pair": "encoder", "words": "probe", "label": "classifier", "layer": "classifier", "interactions": "classifier"}
    owner = owners.get(name, name)
    module = getattr(given, owner, given.decoder).module
    return [part for part in module.modules() if isinstance(part, torch.nn.Linear)][-4]


@pytest.mark.parametrize("after", [0, 3, 5])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), Stop()], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.slow
def test_an_interrupted_call_leaves_everything_as_it_was(name: str, error: BaseException, after: int, one: Models) -> None:
    for model in one.all():
        model.module.train()
    before = state_of(one)
    with failing(inner(one, name), error, after), pytest.raises(type(error)):
        alone([partial(CALLS[name], one, i) for i in range(6)])
    assert state_of(one) == before
    for model in one.all():
        model.module.eval()
    assert_same(together([partial(CALLS[name], one, 0)], [partial(CALLS[name], one, 1)]), [[CALLS[name](one, 0)], [CALLS[name](one, 1)]])


def test_an_abandoned_generator_keeps_nothing(one: Models) -> None:
    before = state_of(one)
    records = lineal.explain_many(one.decoder, [*PROMPTS, *PROMPTS], "next", recompute=True, **FIXED)
    first = next(records)
    assert state_of(one) == before, "while the generator rests"
    (found,) = together([partial(CALLS["recompute"], one, 0)])  # another thread is not kept waiting
    np.testing.assert_allclose(found[0], first.scores, rtol=1e-4, atol=1e-5)  # alone it fills other batches
    del records
    assert state_of(one) == before


@pytest.mark.parametrize("name", ["label", "layer", "interactions", "recompute", "layer, recompute", "next", "generation", "pair", "probe"])
@pytest.mark.slow
def test_training_mode_comes_back_layer_by_layer(name: str, one: Models) -> None:
    """Half of the layers and parameters are set this way and half that way, as where some layers are frozen."""
    for model in one.all():
        for i, part in enumerate(model.module.modules()):
            part.training = i % 3 == 0
        for i, parameter in enumerate(model.module.parameters()):
            parameter.requires_grad_(i % 2 == 0)
    try:
        before = state_of(one)
        first, second = calls(name, one)
        expected = [alone(first), alone(second)]
        assert state_of(one) == before
        assert_same(together(first, second), expected)
        assert state_of(one) == before
    finally:
        for model in one.all():
            model.module.eval().requires_grad_(True)


class Merging(torch.nn.Linear):
    """Adds a correction to its weights for evaluation and takes it out for training, as low-rank adapters do."""

    def train(self, mode: bool = True) -> Any:
        with torch.no_grad():
            if mode != self.training:
                self.weight.add_(-1.0 if mode else 1.0)
        return super().train(mode)


def test_layers_that_change_with_the_mode_are_not_asked_to() -> None:
    given = load(tiny.bert_classifier(), tiny.tokenizer())
    given.module.classifier = layer = Merging(32, 3)
    weights = layer.weight.detach().clone()
    lineal.explain(given, TEXTS[0], "label:L1", **FIXED)
    assert layer.training
    assert torch.equal(layer.weight, weights)


def test_a_hook_is_for_the_thread_that_enters_alone(one: Models) -> None:
    """Code that runs the model without Lineal, in another thread, gets the model's own answer while a layer is entered."""
    model, ids = one.classifier, torch.tensor([[2, 7, 8, 3]])
    with torch.no_grad():
        plain = model.module(input_ids=ids).logits
    answers: list[torch.Tensor] = []

    def elsewhere(part: Any, given: Any, output: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            together([answer])

    def answer() -> None:
        with torch.no_grad():
            answers.append(model.module(input_ids=ids).logits)

    handle = model.module.bert.encoder.layer[1].register_forward_hook(elsewhere)
    try:
        lineal.explain(model, TEXTS[0], "label:L1", layer=0, baseline="pad", rule="gauss:2")
    finally:
        handle.remove()
    assert answers
    assert all(torch.equal(found, plain) for found in answers)


@pytest.mark.parametrize("layer", [0, "model.layers.1.self_attn", "model.layers.0.mlp"])
def test_layers_that_are_recomputed_are_entered_again(layer: Any, one: Models) -> None:
    plain, recomputed = (lineal.explain(one.decoder, PROMPTS[0], "next", layer=layer, recompute=r, **FIXED).scores for r in (False, True))
    assert np.abs(plain).max() > 1e-3
    np.testing.assert_allclose(recomputed, plain, rtol=1e-5, atol=1e-6)


def test_layers_are_recomputed_as_they_ran_whatever_thread_does_it(one: Models) -> None:
    """On accelerators the reverse pass runs in threads of PyTorch's own, which know nothing of what the caller's thread has chosen."""
    module, embeds = one.decoder.module, torch.randn(1, 5, 32, generator=torch.Generator().manual_seed(0))
    attention = module.model.layers[1].self_attn

    def gradient(recompute: bool, backward: Callable[..., Any]) -> Any:
        with lease(module, recompute), Mathematical(), hooked(attention, lambda output: (output[0].tanh(), *output[1:])):
            x = embeds.clone().requires_grad_()
            total = module(inputs_embeds=x).logits.square().sum()
            return backward(lambda: torch.autograd.grad(total, x)[0])

    here = gradient(False, lambda call: call())
    assert torch.equal(gradient(True, lambda call: call()), here)
    assert torch.equal(gradient(True, lambda call: together([call])[0][0]), here)


def test_models_on_one_network_take_turns() -> None:
    decoder = tiny.llama()
    other = transformers.LlamaForSequenceClassification(decoder.config)
    other.model = decoder.model
    order: list[str] = []
    entered = threading.Event()

    def first() -> None:
        with lease(decoder):
            entered.set()
            time.sleep(0.05)
            order.append("first")

    def second() -> None:
        entered.wait()
        with lease(other):
            order.append("second")

    together([first], [second])
    assert order == ["first", "second"]


def test_callers_interleave() -> None:
    """Who asks for lease after lease lets others in between: the turn goes to whoever waits."""
    module, order = torch.nn.Linear(2, 2), []

    def ask(name: str) -> None:
        for _ in range(50):
            with lease(module):
                order.append(name)
                time.sleep(0.0005)

    together([partial(ask, "a")], [partial(ask, "b")])
    runs = [len(list(group)) for _, group in itertools.groupby(order)]
    assert max(runs[1:-1]) <= 10, order


@pytest.mark.parametrize("options", [{}, {"num_beams": 2}, {"stopping_criteria": [lambda ids, scores: torch.zeros(len(ids), dtype=bool)]}])
def test_a_generation_lets_others_in_between_two_tokens(options: dict[str, Any], one: Models) -> None:
    """Two threads generate with one model: neither waits for the other's last token, and both get what they get alone."""
    before, order, model = state_of(one), list[int](), one.decoder

    def generate(prompt: str) -> tuple[int, ...]:
        return model.generate(model.encode([prompt]), max_new_tokens=12, min_new_tokens=12, **options)

    lists = [[partial(generate, prompt)] for prompt in PROMPTS]
    expected = [alone(calls) for calls in lists]
    handle = model.module.register_forward_pre_hook(lambda *_: order.append(threading.get_ident()))
    try:
        found = together(*lists)
    finally:
        handle.remove()
    assert found == expected
    assert len(found[0][0]) == 12
    assert len([list(group) for _, group in itertools.groupby(order)]) > 6, order
    assert state_of(one) == before


def test_a_generation_that_is_interrupted_between_two_tokens_leaves_everything_as_it_was(one: Models) -> None:
    before, model = state_of(one), one.decoder
    module = model.module.train()

    def stop(ids: Any, scores: Any) -> Any:
        assert not module.training, "the lease is held while the criteria are asked"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.generate(model.encode([PROMPTS[0]]), max_new_tokens=4, stopping_criteria=[stop])
    assert module.training
    module.eval()
    assert state_of(one) == before
    assert together([lambda: _enter(module)]) == [[True]], "nobody is kept out"


def test_a_lease_may_be_entered_again_and_comes_with_the_model(one: Models) -> None:
    module = one.decoder.module.train()
    with one.decoder.lease(), one.decoder.lease(recompute=True):  # type: ignore[attr-defined]
        assert [part.training for part in module.model.layers] == [True, True]
        assert not any(part.training for part in module.model.layers[0].modules() if part is not module.model.layers[0])
        with one.decoder.lease():  # type: ignore[attr-defined]
            assert not any(part.training for part in module.modules())
        assert [part.training for part in module.model.layers] == [True, True]
    assert all(part.training for part in module.modules())
    module.eval()


def test_ctrl_c_while_waiting_keeps_nobody_out() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # workers of a test run ignore it
    module, inside, done = torch.nn.Linear(2, 2), threading.Event(), threading.Event()

    def hold() -> None:
        with lease(module):
            inside.set()
            time.sleep(0.1)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait()
    try:
        with pytest.raises(KeyboardInterrupt), lease(module):
            pass
    finally:
        done.set()
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert together([partial(_enter, module)], [partial(_enter, module)]) == [[True], [True]]


def _enter(module: torch.nn.Module) -> bool:
    with lease(module):
        return not module.training


class Impatient(torch.nn.Linear):
    """Is interrupted the first time that its training flag is put back."""

    armed = False

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "training" and value and self.armed:
            Impatient.armed = False
            raise KeyboardInterrupt
        super().__setattr__(name, value)


def test_a_second_ctrl_c_while_flags_are_restored_loses_none() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), Impatient(2, 2), torch.nn.Linear(2, 2)).train()
    Impatient.armed = True
    with pytest.raises(KeyboardInterrupt), lease(module):
        pass
    assert all(part.training for part in module.modules())
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert together([partial(_enter, module)]) == [[True]]


def test_a_flip_of_the_kernel_is_not_taken_for_a_missing_forward_mode(one: Models) -> None:
    """Another thread allows fused attention again in the middle of every pass, as leaving `sdpa_kernel` does."""
    fresh: Any = models(5).encoder
    pairs = Pairs(fresh, fresh, None, None, PairOptions())
    problem = pairs.text(pairs.first, TEXTS[0]).problem

    def flip(*_: Any) -> None:
        torch.backends.cuda.enable_flash_sdp(True)
        torch.backends.cuda.enable_math_sdp(True)

    handle = fresh.network.encoder.layer[0].register_forward_pre_hook(flip)
    try:
        assert np.isfinite(costs(fresh, problem).tangent)
    finally:
        handle.remove()


def test_the_choice_of_a_kernel_is_this_threads_own() -> None:
    query = torch.randn(1, 2, 5, 4, requires_grad=True)
    attend = torch.nn.functional.scaled_dot_product_attention

    def kernel() -> str:
        return str(attend(query, query, query).grad_fn)

    with Mathematical():
        assert "Flash" not in kernel()
        assert "Flash" in together([kernel])[0][0]
    assert "Flash" in kernel()


@pytest.mark.parametrize("kind", ["none", "causal", "mask", "bias", "grouped"])
def test_plain_attention_is_that_of_pytorch(kind: str) -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 4, 6, 8) for _ in range(3))
    mask = torch.rand(2, 1, 6, 6) > 0.5
    mask[0, 0, 2] = False
    given: dict[str, Any] = {
        "none": {},
        "causal": {"is_causal": True, "scale": 0.2},
        "mask": {"attn_mask": mask},
        "bias": {"attn_mask": torch.randn(2, 1, 6, 6)},
        "grouped": {"enable_gqa": True},
    }[kind]
    if kind == "grouped":
        key, value = key[:, :2], value[:, :2]
    attend = torch.nn.functional.scaled_dot_product_attention
    with sdpa_kernel(SDPBackend.MATH):
        expected = attend(query, key, value, **given)
    with Mathematical():
        found = attend(query, key, value, **given)
    assert torch.equal(found, expected)


def test_torchs_own_attention_layers_have_second_derivatives() -> None:
    layer = torch.nn.TransformerEncoderLayer(8, 2, dropout=0.0, batch_first=True)
    x = torch.randn(1, 4, 8, requires_grad=True)
    with Mathematical():
        (grad,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(grad.square().sum(), x)
    assert second.abs().max() > 0


def test_a_tokenizer_is_left_as_it_was_by_every_reading(one: Models) -> None:
    for model in one.all():
        model.tokenizer.backend_tokenizer.enable_truncation(7)
        model.tokenizer.backend_tokenizer.enable_padding(length=9)
    try:
        before = state_of(one)
        token_id(one.decoder, "a")
        for name in ("next word", "pair", "probe", "label", "generation"):
            CALLS[name](one, 0)
            assert state_of(one) == before, name
    finally:
        for model in one.all():
            model.tokenizer.backend_tokenizer.no_truncation()
            model.tokenizer.backend_tokenizer.no_padding()


def test_threads_read_with_one_tokenizer(one: Models) -> None:
    """One text is cut and the other is not: truncation belongs to the tokenizer, whoever calls it."""
    long = "the film was not good , " * 200
    cut, whole = partial(one.classifier.encode, [TEXTS[1] * 30], True), partial(one.decoder.encode, ["a"])
    words = one.classifier.tokenizer
    short = partial(tokenise, words, (long,), None, False, ("input_ids",))
    expected = [cut().ids, short().ids, whole().ids]
    found = together(*[[partial(lambda read: read().ids, read)] * 30 for read in (cut, short, whole, cut, short)])
    assert [row == [right] * 30 for row, right in zip(found, [*expected, *expected[:2]], strict=True)] == [True] * 5
