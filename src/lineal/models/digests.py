"""Values as text in which nothing is left out: what `repr` elides or gives an address stands as a hash of its contents.

Two settings are the same when their spellings are. Knows nothing about models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


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
