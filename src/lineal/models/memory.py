"""How much memory an explanation takes, measured on a few tokens before it starts, and how to take less of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lineal.models.base import TextModel, evaluating

PROBE = 16
"""Tokens of the measured forward pass: enough that what grows with the text outweighs what does not."""
OVERHEAD = 1.3
"""Peak over saved tensors, for gradients and the work space of kernels: an allowance, not a measurement."""
SHARE = 0.8
"""Share of the free memory that batches may fill."""


@dataclass(frozen=True)
class Memory:
    """Bytes. weights: the model itself, already there. per_token: kept for the reverse pass, per token in a batch. free: what is left."""

    weights: int
    per_token: int
    free: int | None

    def batch(self, tokens: int) -> int:
        """Return the estimated bytes of a batch."""
        return int(self.per_token * tokens * OVERHEAD)

    def fitting(self, tokens: int) -> int:
        """Return how many of `tokens` tokens fit into a batch, at least one."""
        if self.free is None or self.batch(tokens) <= SHARE * self.free:
            return tokens
        return max(1, int(SHARE * self.free / (self.per_token * OVERHEAD)))


def measure(model: TextModel, recompute: bool = False) -> Memory:
    """Return what a model needs. The first time, one forward pass over a few tokens, in which all that a reverse pass needs is counted."""
    known = _measured.setdefault(model.module, {})
    if recompute not in known:
        known[recompute] = _measure(model, recompute)
    return Memory(*known[recompute], free(model.device))


_measured: WeakKeyDictionary[nn.Module, dict[bool, tuple[int, int]]] = WeakKeyDictionary()


def _measure(model: TextModel, recompute: bool) -> tuple[int, int]:
    weights = sum({p.data_ptr(): p.numel() * p.element_size() for p in (*model.module.parameters(), *model.module.buffers())}.values())
    ids = torch.zeros(1, PROBE, dtype=torch.long, device=model.device)
    features = _features(model, ids)
    known = {p.untyped_storage().data_ptr() for p in (*model.module.parameters(), *model.module.buffers())}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with evaluating(model.module), recomputing(model.module, recompute), torch.enable_grad():
        embeds = model.embed(ids).detach().requires_grad_()
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            states = model.run(features, embeds, torch.tensor([[PROBE - 1]], device=model.device))
            del states
    return weights, max(1, sum(kept.values()) // PROBE)


def free(device: torch.device) -> int | None:
    """Return the bytes that are free on a device, or None where nobody says."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "cpu":
        return _limited(_available())
    return None


def _available() -> int | None:
    """Linux: MemAvailable; elsewhere the size of the memory."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def _limited(available: int | None) -> int | None:
    """Return what a container leaves of it (cgroup version 2)."""
    try:
        most, used = (Path("/sys/fs/cgroup", name).read_text(encoding="ascii").strip() for name in ("memory.max", "memory.current"))
        left = int(most) - int(used)
    except (OSError, ValueError):  # no limit is spelled "max"
        return available
    return left if available is None else min(left, available)


def _features(model: TextModel, ids: Tensor) -> dict[str, Tensor]:
    features = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if model.card.kind == "seq2seq":
        features["side"] = (torch.arange(PROBE, device=ids.device) >= PROBE // 2).long()[None]
    return features


def layers(module: nn.Module) -> list[Any]:
    """Return the layers whose forward transformers can run again instead of keeping what happened in it."""
    return [
        part
        for part in module.modules()
        if hasattr(type(part), "gradient_checkpointing") and hasattr(type(part), "forward") and not hasattr(part, "config")
    ]


@contextmanager
def recomputing(module: nn.Module, wanted: bool = True) -> Iterator[None]:
    """Let the layers be recomputed in the reverse pass (Chen et al. 2016): about a third more time, memory of one layer at a time.

    transformers does this for layers in training mode only, so their own flag (not that of what is in them, dropout stays off) is set
    while this lasts. Everything is restored.
    """
    chosen = layers(module) if wanted else []
    before = [(layer, layer.training, {name: layer.__dict__[name] for name in _FLAGS if name in layer.__dict__}) for layer in chosen]
    try:
        for layer in chosen:
            layer.training, layer.gradient_checkpointing = True, True
            layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)
        yield
    finally:
        for layer, training, flags in before:
            layer.training = training
            for name in _FLAGS:
                layer.__dict__.pop(name, None)
            layer.__dict__.update(flags)


_FLAGS = ("gradient_checkpointing", "_gradient_checkpointing_func")


def can_recompute(model: TextModel) -> bool:
    """Return whether recomputing changes nothing but the memory: three forward passes over a few tokens, which must agree.

    They differ for layers that draw dropout themselves in training mode.
    """
    if not layers(model.module):
        return False
    ids = torch.zeros(1, PROBE, dtype=torch.long, device=model.device)
    where = torch.tensor([[PROBE - 1]], device=model.device)
    answers = []
    with evaluating(model.module), torch.enable_grad():
        for wanted in (False, True, True):
            with recomputing(model.module, wanted):
                embeds = model.embed(ids).detach().requires_grad_()
                answers.append(model.run(_features(model, ids), embeds, where).detach())
    return all(torch.equal(answers[0], other) for other in answers[1:])
