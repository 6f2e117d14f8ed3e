"""Which kernel computes attention: PyTorch's own choice, or plain mathematics, for the calling thread alone.

`torch.nn.attention.sdpa_kernel` says it for the whole process: other threads would meet the change in the middle of a pass, and could undo
it in the middle of this one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class _Chosen(threading.local):
    """How often this thread has entered `Mathematical`."""

    times = 0


_chosen = _Chosen()
attention = torch.nn.functional.scaled_dot_product_attention


class Mathematical(TorchFunctionMode):
    """While entered, attention is computed operation by operation, which has forward-mode and second derivatives; fused kernels have not.

    Equal to the choice of `SDPBackend.MATH`, bit for bit. Touches neither the model nor any setting.
    """

    def __enter__(self) -> Any:
        """Begin."""
        _chosen.times += 1
        return super().__enter__()  # type: ignore[no-untyped-call]

    def __exit__(self, *error: Any) -> None:
        """End."""
        _chosen.times -= 1
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Hand every function on but the two that choose a kernel."""
        given = dict(kwargs or {})
        if func is attention:
            return _mathematical(*args, **given)
        if func is torch.nn.functional.multi_head_attention_forward:  # with weights it computes them, and no kernel is chosen
            return func(*args, **given | {"need_weights": True})[0], None
        return func(*args, **given)


def mathematical() -> bool:
    """Whether this thread computes attention operation by operation now."""
    return _chosen.times > 0


def _mathematical(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill(~attn_mask, -torch.inf)
    output: Tensor = torch.ops.aten._scaled_dot_product_attention_math(query, key, value, attn_mask, *args, **kwargs)[0]
    return output
