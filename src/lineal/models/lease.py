"""Who may use a model now, and in which state: one caller at a time, for one batch, after which everything is as it was.

What several callers of one model share, and what a lease therefore owns: training and gradient flags, recomputing, forward hooks, and
the truncation and padding of a tokenizer. The choice of an attention kernel is made per thread (`lineal.models.attention`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from lineal.kept import Kept
from lineal.models.attention import Mathematical, mathematical

Hook = Callable[[Any], Any]
"""From what a layer gives to what it gives instead; None leaves it."""


class Turn:
    """A lock that a thread may take again while it has it, and that is handed on to whoever waits before its last holder may have it again.

    `threading.RLock` would let a caller that asks for it batch after batch keep all others out.
    """

    def __init__(self) -> None:
        """Nobody has it."""
        self._door, self._lock = threading.Lock(), threading.Lock()
        self._holder: int | None = None

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for it, and give it back on any exit."""
        me = threading.get_ident()
        if self._holder == me:
            yield
            return
        with ExitStack() as waiting:
            waiting.enter_context(self._door)  # the last holder finds the door shut while somebody waits behind it
            with self._lock:
                waiting.close()
                self._holder = me
                try:
                    yield
                finally:
                    self._holder = None


_turns: Kept[None, Turn] = Kept(most=1)


def turn(owner: object) -> AbstractContextManager[None]:
    """Have a module or a tokenizer to oneself, in whatever state it is.

    One turn serves every wrapper of a module: it belongs to the first layer that has weights, which pipelines, heads and probes on one
    network have in common.
    """
    if isinstance(owner, nn.Module):
        owner = next((part for part in owner.modules() if part._parameters), owner)
    return _turns.get(owner, None, Turn).taken()


@contextmanager
def lease(module: nn.Module, recompute: bool = False) -> Iterator[None]:
    """Have a module to oneself in evaluation mode with frozen parameters; every flag is as before on any exit.

    Held for one batch, forward and reverse pass, and never across a yield, so that callers interleave and abandoned generators keep
    nothing. A thread may enter again. Code that runs or trains the same module in another thread is kept out only if it
    takes a lease, or a `turn`, too.

    recompute: run layers again in the reverse pass instead of keeping what happened in them (Chen et al. 2016): about a third more time,
    memory of one layer at a time. transformers does this for layers in training mode only, so their own flag is set, not that of what is in
    them: dropout stays off.
    """
    with turn(module):
        modes = [(part, part.training) for part in module.modules()]
        gradients = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
        chosen = layers(module) if recompute else []
        before = [(layer, {name: layer.__dict__[name] for name in _FLAGS if name in layer.__dict__}) for layer in chosen]

        def restore() -> None:
            for layer, flags in before:
                for name in _FLAGS:
                    layer.__dict__.pop(name, None)
                layer.__dict__.update(flags)
            for part, mode in modes:
                if part.training is not mode:
                    part.training = mode
            for parameter, wanted in gradients:
                if parameter.requires_grad is not wanted:
                    parameter.requires_grad_(wanted)

        try:
            for part, mode in modes:  # the flags alone: what a module's own train() and eval() do besides could not be undone
                if mode:
                    part.training = False
            for parameter, wanted in gradients:
                if wanted:
                    parameter.requires_grad_(False)
            for layer in chosen:
                layer.training, layer.gradient_checkpointing = True, True
                layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False, context_fn=_as_before)
            yield
        finally:
            _to_its_end(restore)


@contextmanager
def stepwise(module: nn.Module) -> Iterator[Callable[[], None]]:
    """Have a lease for something that takes many steps. Gives what lets others in between two of them, and waits for its turn again."""
    with ExitStack() as held:
        held.enter_context(lease(module))

        def let_others() -> None:
            held.close()
            held.enter_context(lease(module))

        yield let_others


_FLAGS = ("gradient_checkpointing", "_gradient_checkpointing_func")


def layers(module: nn.Module) -> list[Any]:
    """Return the layers whose forward transformers can run again instead of keeping what happened in it."""
    return [
        part
        for part in module.modules()
        if hasattr(type(part), "gradient_checkpointing") and hasattr(type(part), "forward") and not hasattr(part, "config")
    ]


def _to_its_end(restore: Callable[[], None]) -> None:
    """Restore, once more from the start if an impatient second Ctrl-C falls into it."""
    try:
        restore()
    except KeyboardInterrupt:
        _to_its_end(restore)
        raise


class _Hooks(threading.local):
    """The hooks of this thread, outermost first."""

    def __init__(self) -> None:
        self.on: tuple[tuple[nn.Module, Hook], ...] = ()


_hooks = _Hooks()


@contextmanager
def hooked(layer: nn.Module, hook: Hook) -> Iterator[None]:
    """Let a hook see and replace what a layer gives, when this thread runs it and, where layers are recomputed, again when they are."""
    me, outer = threading.get_ident(), _hooks.on
    handle = layer.register_forward_hook(lambda _, __, output: hook(output) if threading.get_ident() == me else None)
    _hooks.on = (*outer, (layer, hook))
    try:
        yield
    finally:
        _hooks.on = outer
        handle.remove()


def _as_before() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """Return the contexts of a layer that is recomputed: nothing more in the forward pass, the hooks and the attention of now in the
    reverse pass, which PyTorch runs in threads of its own on accelerators.
    """
    return nullcontext(), _Again()


class _Again:
    """Hooks and attention of another moment where they are no longer on, to be entered as often as layers are run again."""

    def __init__(self) -> None:
        self._hooks, self._mathematical, self._entered = _hooks.on, mathematical(), list[ExitStack]()

    def __enter__(self) -> None:
        stack = ExitStack()
        self._entered.append(stack)
        if self._mathematical:  # also where this thread is in it: a mode of PyTorch does not reach into `torch.autograd.grad`
            stack.enter_context(Mathematical())
        for layer, hook in self._hooks:
            if (layer, hook) not in _hooks.on:
                stack.enter_context(hooked(layer, hook))

    def __exit__(self, *error: object) -> None:
        self._entered.pop().close()


@contextmanager
def untouched(tokenizer: Any) -> Iterator[None]:
    """Have a tokenizer to oneself, and restore the padding and truncation of a fast one, which every call of it sets anew."""
    with turn(tokenizer):
        core = getattr(tokenizer, "backend_tokenizer", None)
        if core is None:
            yield
            return
        padding, truncation = core.padding, core.truncation

        def restore() -> None:
            core.no_padding() if padding is None else core.enable_padding(**padding)
            core.no_truncation() if truncation is None else core.enable_truncation(**truncation)

        try:
            yield
        finally:
            _to_its_end(restore)
