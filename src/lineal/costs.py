"""Which way to the derivatives is cheapest for a model and a text: measured once per model and length, not guessed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lineal.field import Answer, Floats, Problem, Request, evaluate
from lineal.models.base import TextModel, evaluating
from lineal.paths import Path
from lineal.tangents import Mode

PROBES = 4  # tangent passes that are timed
BATCH = 256  # tokens of the batch that is timed
AGREEMENT = 1e-3  # largest accepted difference of forward and reverse mode in float32, relative to the largest derivative
CLEAR = 8.0  # a way that takes so many times fewer passes is taken without timing: no pass was ever seen to cost eight times another

_measured: WeakKeyDictionary[nn.Module, dict[tuple[str, str, int, bool], Costs]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Costs:
    """Seconds per path point. forward: a plain forward pass. backward: one reverse pass. tangent: one forward-mode pass, infinite if the
    model has an operation without one. central: one pass of central differences."""

    forward: float
    backward: float
    tangent: float
    central: float

    def of(self, mode: Mode, passes: int) -> float:
        """Return the seconds per path point of so many passes."""
        each = {Mode.REVERSE: self.backward, Mode.FORWARD: self.tangent, Mode.CENTRAL: self.central}[mode]
        return self.forward + passes * each

    def cheapest(self, outputs: int, tokens: int) -> Mode:
        """Return the mode that costs least for k outputs and t moving tokens; central differences only where forward mode is missing."""
        along = Mode.FORWARD if np.isfinite(self.tangent) else Mode.CENTRAL
        return min((Mode.REVERSE, along), key=lambda mode: self.of(mode, outputs if mode is Mode.REVERSE else tokens))


def costs(model: TextModel, problem: Problem) -> Costs:
    """Return what a pass costs on texts of about this length (the same power of two), and whether forward mode works and agrees.

    Measured once per model, device, dtype and length class, and remembered as long as the model lives. Cost: about 20 forward passes of
    256 tokens; where outputs outnumber tokens so clearly that the answer is known, of a single point.
    """
    t, k = len(problem.encoded), problem.k
    clear = k > CLEAR * t or t > CLEAR * k
    key = (str(model.device), model.card.dtype, (t - 1).bit_length(), clear)
    known = _measured.setdefault(model.module, {})
    if key not in known:
        with evaluating(model.module):
            known[key] = _measure(model, problem, 1 if clear else max(1, BATCH // t))
    return known[key]


def _measure(model: TextModel, problem: Problem, points: int) -> Costs:
    alphas = tuple((i + 0.5) / points for i in range(points))
    one, two = np.zeros((2, problem.k), dtype=bool)
    one[:1], two[:2] = True, True
    few = replace(problem, path=_Few(problem.path, PROBES))
    passes = min(PROBES, int((problem.path.velocity((0.5,)) != 0).any(dim=-1).sum()))

    def timed(mode: Mode, outputs: NDArray[np.bool_] | None) -> tuple[float, Answer]:
        begun = time.perf_counter()
        found = evaluate(model, [Request(replace(few, mode=mode), alphas, outputs)])[0]
        return (time.perf_counter() - begun) / points, found

    timed(Mode.REVERSE, None)  # the first run of a shape pays for what later ones do not
    forward, _ = timed(Mode.REVERSE, None)
    reverse, reference = timed(Mode.REVERSE, one)
    backward = timed(Mode.REVERSE, two)[0] - reverse if problem.k > 1 else reverse - forward
    tangent = _tangent(lambda: timed(Mode.FORWARD, one), reference.derivatives, forward, passes, torch.finfo(few.path.at((0.5,)).dtype).eps)
    central = 2 * forward if np.isfinite(tangent) else (timed(Mode.CENTRAL, one)[0] - forward) / passes
    return Costs(forward, max(backward, forward / 2), tangent, central)


def _tangent(run: Callable[[], tuple[float, Answer]], reference: Floats, forward: float, passes: int, precision: float) -> float:
    """Return seconds per tangent pass, infinite when it fails or does not agree with reverse mode."""
    try:
        seconds, found = run()
    except (RuntimeError, NotImplementedError, ValueError, TypeError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        return float("inf")
    gap, size = np.abs(found.derivatives - reference).max(), np.abs(reference).max()
    if not gap <= max(AGREEMENT, 20 * precision) * size:
        return float("inf")
    return max((seconds - forward) / passes, forward / 4)


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
