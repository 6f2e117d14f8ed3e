"""What names a model and everything that decides its answers: its card, with a fingerprint; and values as text with nothing left out.

Two settings are the same when their spellings are: what `repr` elides or gives an address stands as a hash of its contents.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lineal.records.attribution import ModelCard

BLOCK = 4096
"""Values of a tensor whose bits are summed into one number of a fingerprint."""

PROVENANCE = ("architectures", "transformers_version", "torch_dtype", "dtype")
"""Entries of a config that do not say how a model computes; the dtype is that of the weights."""


def fingerprint(*modules: nn.Module) -> str:
    """Return a short hash of all weights: names, shapes, dtypes and the bits of every value.

    Summed as integers over blocks of 4,096 values, so that no change of a single value goes unseen, at the cost of one pass over memory.
    """
    digest = hashlib.blake2b(digest_size=8)
    for module in modules:
        for name, tensor in sorted(module.state_dict().items()):
            if not isinstance(tensor, Tensor):
                continue
            digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            if not tensor.is_meta:
                digest.update(_block_sums(tensor).cpu().numpy().tobytes())
    return digest.hexdigest()


def _block_sums(tensor: Tensor) -> Tensor:
    """Return the sums of a tensor's bits, read as integers, over blocks of its values; exact, and so the same on every device."""
    integers = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64, 16: torch.int64}[tensor.element_size()]
    flat = tensor.detach().contiguous().reshape(-1).view(integers)
    whole = len(flat) // BLOCK * BLOCK
    return torch.cat([flat[:whole].reshape(-1, BLOCK).sum(dim=1, dtype=torch.int64), flat[whole:].sum(dtype=torch.int64)[None]])


def settings(config: Any) -> dict[str, Any]:
    """Return what a config of transformers says about how a model computes; not where it came from or who wrote it."""
    return {name: value for name, value in config.to_dict().items() if name not in PROVENANCE and not name.startswith("_")}


def spelling(tokenizer: Any) -> str:
    """Return a hash of how a tokenizer reads: rules, vocabulary, special tokens and chat template.

    Not its length limit, which changes no answer: a text that was cut says so itself.
    """
    names = ("special_tokens_map", "chat_template")
    core = getattr(tokenizer, "backend_tokenizer", None)
    if core is None:
        return digest(type(tokenizer).__name__)
    _, _, rules = core.to_str().partition('"added_tokens"')  # behind truncation and padding, which every call sets anew
    return digest(rules, [getattr(tokenizer, name, None) for name in names])


def card(name: str, kind: str, module: nn.Module, inner: Any, tokenizer: Any, revision: str | None, *more: Any) -> ModelCard:
    """Return the record's description of a model: `module` is what runs, `inner` the network whose class, config and dtype name it.

    more: what else decides its answers. Cost: one pass over the weights, and over the tokenizer's vocabulary.
    """
    weight = next(inner.parameters())
    return ModelCard(
        name=name,
        architecture=type(inner).__name__,
        kind=kind,
        revision=revision,
        fingerprint=digest(fingerprint(module), settings(inner.config), spelling(tokenizer), more),
        dtype=str(weight.dtype).removeprefix("torch."),
        device=str(weight.device),
    )


def spelled(value: Any) -> str:
    """Return a value as one line of text, equal for equal contents.

    Arrays and tensors become their shape, dtype and a hash of every number; mappings and sets are sorted; functions are named by where
    they are defined. What has no spelling of its own is left to its `repr`. Cost: one pass over the numbers.
    """
    if isinstance(value, np.generic):
        return repr(value.item())
    if hasattr(value, "__array__"):
        return _array(value)
    if is_dataclass(value) and not isinstance(value, type):
        return f"{type(value).__name__}({', '.join(f'{f.name}={spelled(getattr(value, f.name))}' for f in fields(value))})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(sorted(f'{spelled(key)}: {spelled(own)}' for key, own in value.items()))}}}"
    if isinstance(value, Set):
        return f"{{{', '.join(sorted(map(spelled, value)))}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(spelled, value))}]"
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return repr(value)


def digest(*values: Any) -> str:
    """Return a hash of 16 hexadecimal digits, equal for equal contents."""
    return hashlib.blake2b("\n".join(map(spelled, values)).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _array(value: Any) -> str:
    dtype, shape = str(value.dtype).removeprefix("torch."), tuple(value.shape)
    if hasattr(value, "detach"):  # a tensor: half precisions have no array of their own, and float64 holds them exactly
        value = value.detach().cpu()
        value = value.double() if value.is_floating_point() else value
    numbers = np.ascontiguousarray(value)
    contents = repr(numbers.tolist()).encode() if numbers.dtype == object else numbers.tobytes()
    return f"<{dtype} {shape} {hashlib.blake2b(contents, digest_size=8).hexdigest()}>"
