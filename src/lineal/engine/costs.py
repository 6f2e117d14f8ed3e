"""Which way to the derivatives is cheapest for a model and a text: counted in passes, the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from lineal.engine.field import Floats, Problem, Request, evaluate
from lineal.engine.tangents import Mode
from lineal.kept import Kept
from lineal.models.base import TextModel
from lineal.models.forward import is_out_of_memory
from lineal.models.lease import lease
from lineal.paths import Path

COMPARED = 4  # tokens whose tangents are compared
AGREEMENT = 1e-3  # largest accepted difference of forward and reverse mode in float32, relative to the largest derivative

BACKWARD, TANGENT, CENTRAL = 1.0, 1.5, 2.0
"""What a pass costs, in forward passes. Of MiniLM, a BERT classifier and SmolLM2 on a CPU, 5 to 112 tokens, reverse passes took 0.5 to 1.8
of one (median 1.0), tangent passes 1.1 to 1.7 (1.4); central differences are two. Constants and no measurement of the run, so that the same
call takes the same way, and gives the same record, every time and everywhere.
"""

_measured: Kept[tuple[str, str], Costs] = Kept(most=8)


@dataclass(frozen=True)
class Costs:
    """What passes cost per path point, in forward passes. backward: one reverse pass. tangent: one forward-mode pass, infinite if the model
    has an operation without one. central: one pass of central differences."""

    forward: float = 1.0
    backward: float = BACKWARD
    tangent: float = TANGENT
    central: float = CENTRAL

    def of(self, mode: Mode, passes: int) -> float:
        """Return the cost per path point of so many passes."""
        each = {Mode.REVERSE: self.backward, Mode.FORWARD: self.tangent, Mode.CENTRAL: self.central}[mode]
        return self.forward + passes * each

    def cheapest(self, outputs: int, tokens: int) -> Mode:
        """Return the mode that costs least for k outputs and t moving tokens; central differences only where forward mode is missing."""
        along = Mode.FORWARD if np.isfinite(self.tangent) else Mode.CENTRAL
        return min((Mode.REVERSE, along), key=lambda mode: self.of(mode, outputs if mode is Mode.REVERSE else tokens))


def costs(model: TextModel, problem: Problem) -> Costs:
    """Return what passes cost, after a look whether forward mode works on this model and agrees with reverse mode.

    Looked at once per model, device and dtype, and remembered as long as the model lives. Cost: one forward, one reverse and a few tangent
    passes over one point.
    """

    def looked() -> Costs:
        with lease(model.module):
            return _looked(model, problem)

    return _measured.get(model.module, (str(model.device), model.card.dtype), looked)


def _looked(model: TextModel, problem: Problem) -> Costs:
    one = np.zeros(problem.k, dtype=bool)
    one[:1] = True
    few = replace(problem, path=_Few(problem.path, COMPARED))

    def derivatives(mode: Mode) -> Floats:
        return evaluate(model, [Request(replace(few, mode=mode), (0.5,), one)])[0].derivatives

    reference = derivatives(Mode.REVERSE)
    try:
        found = derivatives(Mode.FORWARD)
    except (RuntimeError, NotImplementedError, ValueError, TypeError) as error:
        if is_out_of_memory(error):
            raise
        return Costs(tangent=float("inf"))
    finite = np.isfinite(reference)
    gap, size = np.abs(found - reference)[finite].max(initial=0.0), np.abs(reference[finite]).max(initial=0.0)
    agrees = gap <= max(AGREEMENT, 20 * torch.finfo(few.path.at((0.5,)).dtype).eps) * size
    return Costs() if agrees else Costs(tangent=float("inf"))


@dataclass(frozen=True)
class _Few:
    """The same path, on which only the first few moving tokens are differentiated."""

    path: Path
    tokens: int

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def breaks(self) -> tuple[float, ...]:
        return self.path.breaks

    def at(self, alphas: Sequence[float]) -> Tensor:
        return self.path.at(alphas)

    def velocity(self, alphas: Sequence[float]) -> Tensor:
        velocity = self.path.velocity(alphas)
        moving = (velocity != 0).any(dim=-1)
        return velocity * (moving & (moving.cumsum(dim=-1) <= self.tokens))[..., None]
