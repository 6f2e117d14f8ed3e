"""How much memory an explanation takes, measured on a few tokens before it starts, and how to take less of it."""

from __future__ import annotations

import os
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lineal.errors import MemoryLimitError
from lineal.kept import Kept
from lineal.models.base import TextModel
from lineal.models.checks import differentiable
from lineal.models.forward import is_out_of_memory
from lineal.models.lease import layers, lease

PROBE, ROWS, READ = 16, 3, 4
"""Tokens of the measured text, how often it stands in the larger batch, and how many more of its positions are read in the third."""
OVERHEAD = {False: 1.5, True: 3.5}
"""Resident memory over live tensors, without and with recomputing: what an allocator leaves unused between and behind them.

The largest that `benchmarks/memory.py` measured on SmolLM2 with glibc's, which keeps pieces below 32 MB; not measured on accelerators.
"""
SHARE = 0.8
"""Share of the free memory that batches may fill."""


@dataclass(frozen=True)
class Memory:
    """Bytes. weights: the model itself, already there. fixed: the peak of any batch. per_token: more of it per token in a batch, and
    per_read: per position whose answer is read (a row of logits over the vocabulary, and its gradient). free: what is left. overhead: what
    is reserved over the bytes of tensors.
    """

    weights: int
    fixed: int
    per_token: int
    per_read: int
    free: int | None
    overhead: float = OVERHEAD[False]

    @property
    def read(self) -> float:
        """What a position that is read takes, in tokens."""
        return self.per_read / self.per_token

    def batch(self, tokens: float) -> int:
        """Return the estimated peak of a batch; each position that is read counts as `read` tokens more."""
        return int((self.fixed + self.per_token * tokens) * self.overhead)

    def fitting(self, tokens: int) -> int:
        """Return how many of `tokens` tokens fit into a batch, at least one."""
        if self.free is None or self.batch(tokens) <= SHARE * self.free:
            return tokens
        return max(1, int((SHARE * self.free / self.overhead - self.fixed) / self.per_token))


def measure(model: TextModel, recompute: bool = False) -> Memory:
    """Return what a model needs. The first time: forward and reverse passes over a few tokens, in which all live tensors are counted.

    The peak is taken to be linear in tokens and read positions. It is not where attention keeps its t × t weights (attn_implementation
    "eager"): long texts then need more.
    """
    try:
        known = _measured.get(model.module, recompute, lambda: _measure(model, recompute))
    except (RuntimeError, MemoryError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        said = f"a gradient of {model.card.name} over {ROWS} × {PROBE} tokens does not fit in memory on {model.device}"
        raise MemoryLimitError(f"{said}; load the model in a smaller dtype or in 4 bit, or free memory") from None
    return Memory(*known, free(model.device), OVERHEAD[recompute])


_measured: Kept[bool, tuple[int, int, int, int]] = Kept(most=2)


def _measure(model: TextModel, recompute: bool) -> tuple[int, int, int, int]:
    weights = sum({p.data_ptr(): p.numel() * p.element_size() for p in (*model.module.parameters(), *model.module.buffers())}.values())
    with lease(model.module, recompute), torch.enable_grad():
        once, thrice, more = _body(model, 1, 1), _body(model, ROWS, 1), _body(model, ROWS, 1 + READ)
        per_read = (_head(model, 1 + READ) - _head(model, 1)) // READ + max(0, more - thrice) // (ROWS * READ)
    per_token = max(1, (thrice - once) // ((ROWS - 1) * PROBE))
    return weights, max(0, once - per_token * PROBE), per_token, per_read


def _body(model: TextModel, rows: int, reads: int) -> int:
    """Return the most bytes alive at once in a gradient through the layers, of `rows` texts of PROBE tokens, the last `reads` read."""
    ids = torch.zeros(rows, PROBE, dtype=torch.long, device=model.device)
    where = torch.arange(PROBE - reads, PROBE, device=model.device).expand(rows, -1)
    live = Live()
    with live:
        embeds = model.embed(ids).detach().requires_grad_()
        torch.autograd.grad(differentiable(model, model.run(_features(model, ids), embeds, where)).sum(), embeds)
    return live.peak


def _head(model: TextModel, reads: int) -> int:
    """Return the most bytes alive at once in a gradient of log-probabilities, behind the layers."""
    ids = torch.zeros(1, PROBE, dtype=torch.long, device=model.device)
    where = torch.arange(PROBE - reads, PROBE, device=model.device)[None]
    states = model.run(_features(model, ids), None, where).detach().requires_grad_()
    live = Live()
    with live:
        logits = model.read(states, None)
        differentiable(model, logits)
        torch.autograd.grad((logits if logits.dtype == torch.float64 else logits.float()).log_softmax(dim=-1).sum(), states)
    return live.peak


class Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors that are made while this is entered: `now` alive, `peak` at most."""

    def __init__(self) -> None:
        """Start at nothing."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and note what it made."""
        made = func(*args, **(kwargs or {}))
        given = {storage._cdata for storage in _storages((args, kwargs))}
        for storage in _storages(made):
            if storage._cdata not in given | self._known:
                self._note(storage)
        return made

    def _note(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        self._known.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def _storages(tree: Any) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


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
        features["side"] = (torch.arange(PROBE, device=ids.device) >= PROBE // 2).long().expand(ids.shape)
    return features


def can_recompute(model: TextModel) -> bool:
    """Return whether recomputing changes nothing but the memory: three forward passes over a few tokens, which must agree.

    They differ for layers that draw dropout themselves in training mode.
    """
    if not layers(model.module):
        return False
    ids = torch.zeros(1, PROBE, dtype=torch.long, device=model.device)
    where = torch.tensor([[PROBE - 1]], device=model.device)
    answers = []
    for wanted in (False, True, True):
        with lease(model.module, wanted), torch.enable_grad():
            embeds = model.embed(ids).detach().requires_grad_()
            answers.append(model.run(_features(model, ids), embeds, where).detach())
    return all(torch.equal(answers[0], other) for other in answers[1:])
