"""Directional derivatives along one token at a time: t passes in place of one reverse pass per output. Knows no text and no objective.

Pass j moves the j-th moving token of every row of the batch at once, so a batch of any texts costs as many passes as its richest row has
moving tokens, however many outputs there are. Nothing is kept for a backward pass.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from enum import Enum
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from lineal.models.attention import Mathematical

Outputs = Callable[[Sequence[Tensor]], Sequence[Tensor]]
"""From the points of every text, each (m, t, d), to its outputs, each (m, k)."""

PASS_TOKENS = {"cpu": 4096, "cuda": 65536, "mps": 16384}
"""Rows × tokens × passes that run at once. The values are computed once per such chunk, so larger chunks share them better."""

_one_at_a_time = threading.Lock()
"""Forward mode counts its levels for the whole process: two threads in it at once end each other's level."""


class Mode(Enum):
    """How derivatives are computed. The value is the word of the record.

    REVERSE: one backward pass per output. FORWARD: forward-mode automatic differentiation, one pass per moving token, the forward pass
    shared. CENTRAL: central differences, two plain forward passes per moving token; error about 1e-4 of the derivative in float32
    (a step of 2.5e-3 of the path; smaller steps drown in rounding), for models with an operation that has no forward mode.
    """

    REVERSE = "reverse"
    FORWARD = "forward"
    CENTRAL = "central"


def along_tokens(
    outputs: Outputs, points: Sequence[Tensor], velocities: Sequence[Tensor], mode: Mode
) -> tuple[Sequence[Tensor], list[Tensor]]:
    """Return values, each (m, k), and derivatives ⟨∂F/∂x_i, γ_i′⟩, each (m, k, t), of every text; exactly 0 where nothing moves.

    points, velocities: of every text, (m, t, d). In forward mode this thread computes attention operation by operation, the only way with
    a forward mode; nothing of the model is touched. Raises NotImplementedError or RuntimeError for an operation without a forward mode.
    """
    moving = [(velocity != 0).any(dim=-1) for velocity in velocities]  # (m, t)
    turns = [moves.cumsum(dim=1) - 1 for moves in moving]  # (m, t) the pass in which a token moves
    passes = max(1, *(int(moves.sum(dim=1).max()) for moves in moving))
    chunk = max(1, PASS_TOKENS.get(points[0].device.type, 4096) // sum(moves.numel() for moves in moving))
    step = _jvp if mode is Mode.FORWARD else _central
    values: Sequence[Tensor] = ()
    slopes: list[list[Tensor]] = []
    with torch.no_grad():
        for first in range(0, passes, chunk):
            numbers = torch.arange(first, min(first + chunk, passes), device=points[0].device)[:, None, None]
            chosen = [moves & (turn == numbers) for moves, turn in zip(moving, turns, strict=True)]  # (c, m, t)
            tangents = [torch.where(here[..., None], velocity, 0.0) for here, velocity in zip(chosen, velocities, strict=True)]
            values, found = step(outputs, points, tangents)
            slopes.append([slope.double() for slope in found])
        joined = [torch.cat(parts) for parts in zip(*slopes, strict=True)]  # (passes, m, k)
        return values, [_per_token(*parts) for parts in zip(joined, moving, turns, strict=True)]


def _jvp(outputs: Outputs, points: Sequence[Tensor], tangents: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """Return values (m, k) and slopes (c, m, k): one shared forward pass, c tangents through it."""

    def one(*tangent: Tensor) -> Any:
        return torch.func.jvp(lambda *at: tuple(outputs(at)), tuple(points), tangent)

    with _one_at_a_time, Mathematical():
        _load_rules()
        values, slopes = torch.func.vmap(one)(*tangents)
    return [value[0] for value in values], list(slopes)


@cache
def _load_rules() -> None:
    """Load PyTorch's forward-mode rules, which scripts some of them and then warns about its own scripting."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.script.*", category=DeprecationWarning)
        import_module("torch._decomp.decompositions_for_jvp")


def _central(outputs: Outputs, points: Sequence[Tensor], tangents: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """Return values and (F(x + hv) − F(x − hv)) / 2h; h = ½ ∛ε balances the two errors of a smooth function of order 1."""
    h = 0.5 * torch.finfo(points[0].dtype).eps ** (1 / 3)

    def shifted(step: float, number: int) -> Sequence[Tensor]:
        return [value.double() for value in outputs([at + step * tangent[number] for at, tangent in zip(points, tangents, strict=True)])]

    pairs = [(shifted(h, number), shifted(-h, number)) for number in range(len(tangents[0]))]
    slopes = [torch.stack([(ahead[i] - behind[i]) / (2 * h) for ahead, behind in pairs]) for i in range(len(points))]
    return outputs(points), slopes


def _per_token(slopes: Tensor, moving: Tensor, turn: Tensor) -> Tensor:
    """Sort slopes (passes, m, k) of one text into (m, k, t)."""
    found = slopes[turn.clamp(min=0), torch.arange(slopes.shape[1], device=slopes.device)[:, None]]  # (m, t, k)
    return torch.where(moving[..., None], found, 0.0).transpose(1, 2)
