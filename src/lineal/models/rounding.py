"""How coarse the numbers are that a model computes with."""

from __future__ import annotations

import torch

from lineal.models.base import TextModel

COARSE = (torch.bfloat16, torch.float16)
"""Precisions whose rounding reaches the tolerances that are asked for; that of float32 (1e-7) lies far below them."""


def spacing(model: TextModel) -> float:
    """Return the distance of neighbouring numbers around 1 in the coarsest precision of the weights, 0 from float32 on. Costs nothing."""
    dtypes = {parameter.dtype for parameter in model.module.parameters()}
    return max((float(torch.finfo(dtype).eps) for dtype in COARSE if dtype in dtypes), default=0.0)
