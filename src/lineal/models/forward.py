"""One plain forward pass over a text, and what it says when that fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from lineal.errors import LinealError, MemoryLimitError, ModelError
from lineal.models.base import PER_TOKEN, TextModel
from lineal.models.encoded import Encoded
from lineal.models.lease import lease

OUT_OF_MEMORY = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "bad_alloc",
    "bad allocation",
    "alloc_failed",
    "cublascreate",
    "insufficient memory",
    "insufficient system resources",
    "paging file is too small",
)
"""How libraries say that memory ran out, in lower case: CUDA and MPS, PyTorch on a CPU (Windows, Linux, its own), C++ libraries, cuBLAS
and cuDNN (STATUS_ALLOC_FAILED; cublasCreate fails when no memory is left for its workspace), Windows itself (errors 1450, 1455).
"""


def answer(model: TextModel, encoded: Encoded, positions: Sequence[int] = ()) -> Tensor:
    """Return the plain answer for one text, (C,), (D,) or (p, V), without a gradient: one forward pass."""
    features = {name: value[None].to(model.device) for name, value in encoded.features.items()}
    where = torch.tensor([list(positions)], device=model.device) if positions else None
    with lease(model.module), torch.no_grad(), running(model, "token ids"):
        return model.read(model.run(features, None, where), None)[0]


def last_positions(model: TextModel, encoded: Encoded) -> tuple[int, ...]:
    """Return the last position for models that answer per token, nothing for the others."""
    return (len(encoded) - 1,) if model.card.kind in PER_TOKEN else ()


@contextmanager
def running(model: TextModel, start: str) -> Iterator[None]:
    """Say what failed when the model's own code raises."""
    try:
        yield
    except LinealError:
        raise
    except (
        RuntimeError,
        MemoryError,
        OSError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
    ) as error:  # RuntimeError includes NotImplementedError
        c = model.card
        if is_out_of_memory(error):
            raise MemoryLimitError(
                f"a plain forward pass of {c.name} over this one text does not fit in memory on {c.device}; "
                "shorten the text, load the model in a smaller dtype, or free memory"
            ) from None
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ModelError(f"{c.name} ({c.architecture}) cannot be run from {start} in {c.dtype} on {c.device}: {reason}") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on whatever device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, (RuntimeError, OSError)) and any(sign in str(error).lower() for sign in OUT_OF_MEMORY)
