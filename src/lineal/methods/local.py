"""Methods without a path: the gradient at the text itself, leave-one-out, and random scores as the control."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from lineal.engine.field import Measure, Problem, inner
from lineal.engine.removal import REMOVALS, Subject
from lineal.engine.tangents import Mode
from lineal.errors import OptionError
from lineal.methods.contract import Case, Floats, Integrals, Key, Method, Outcome, Plan
from lineal.paths import Straight
from lineal.quadrature.contract import Integral, Schedule, Stop
from lineal.quadrature.fixed import Ends, Slope
from lineal.typed import check_fields


@dataclass(frozen=True)
class GradientTimesInput(Method):
    """⟨∂F/∂x_i, x_i⟩ at the text: the first-order guess of what zeroing a token would do. One gradient; no baseline is used.

    NOT complete, except for functions homogeneous of degree 1 in the embeddings. Saturated outputs have small gradients, so small scores.
    """

    name: str = "gradient-x-input"
    adds_up: bool = False
    uses_baseline: bool = False
    completeness: str = "Gradient × input looks at the text itself only: its scores need not add up to F(text) − F(baseline)."

    def plan(self, case: Case) -> Plan:
        """Return the derivative in the direction of the input, and F at both ends."""
        return _at_text(self, case, inner)


@dataclass(frozen=True)
class Saliency(Method):
    """‖∂F/∂x_i‖₂ at the text: how sharply F reacts to a token, without a sign. One gradient; no baseline is used.

    NOT complete: all scores are positive or zero.
    """

    name: str = "saliency"
    adds_up: bool = False
    uses_baseline: bool = False
    completeness: str = "Saliency is the length of a gradient: it has no sign and does not add up to F(text) − F(baseline)."

    def plan(self, case: Case) -> Plan:
        """Return the length of each token's gradient, and F at both ends."""
        return _at_text(self, case, norm)


def norm(grad: Tensor, velocity: Tensor) -> Tensor:
    """Return each token's gradient length."""
    lengths: Tensor = torch.linalg.vector_norm(grad, dim=-1)
    return lengths


RemovalName = Literal["replace", "delete", "attention"]


@dataclass(frozen=True)
class Occlusion(Method):
    """Leave-one-out: F(text) − F(text without token i). One forward pass per moving token, no gradient.

    removal: "replace" (by the baseline's embedding), "delete" (what follows closes up), or "attention" (nobody attends to the token).
    NOT complete: what two tokens do together is counted for both or for neither. With "replace" its scores equal those of sequential IG.
    """

    removal: RemovalName = "replace"
    adds_up: bool = False
    completeness: str = (
        "Leave-one-out changes one token at a time: what tokens do together is counted twice or not at all, so scores need not add up."
    )

    def __post_init__(self) -> None:
        """Check the removal."""
        check_fields(self)

    @property
    def uses_baseline(self) -> bool:
        """Only to replace by it."""
        return self.removal == "replace"

    @property
    def name(self) -> str:
        """The removal, unless it is the usual one."""
        return "occlusion" if self.removal == "replace" else f"occlusion-{self.removal}"

    def plan(self, case: Case) -> Plan:
        """Return F without each moving token, for each baseline where it matters, and F at both ends."""
        tokens, t = [int(i) for i in np.flatnonzero(case.moving)], len(case.encoded)
        starts = case.starts if self.removal == "replace" else case.starts[:1]
        tasks = case.ends
        for b, start in enumerate(starts):
            subject = Subject(case.encoded, case.end, start, case.objective)
            for i in tokens:
                tasks["without", b, i] = (REMOVALS[self.removal](subject, np.arange(t) == i), Ends(start_only=True))

        def pack(found: Integrals) -> Outcome:
            ends = [found["ends", b] for b in range(len(case.starts))]
            whole = ends[0].f_end  # (k,)
            values = np.zeros((len(starts), len(whole), t))
            for b in range(len(starts)):
                values[b][:, tokens] = whole[:, None] - np.stack([found["without", b, i].f_start for i in tokens], axis=1)
            spread = values.std(axis=0, ddof=1) if len(values) > 1 else None
            return Outcome(_exact(values.mean(axis=0), ends), "none: one token at a time", spread, (self.completeness,))

        return Plan(tasks, pack)


@dataclass(frozen=True)
class Random(Method):
    """Standard normal scores, scaled to the size of F(text) − F(baseline): the control every method must beat.

    The same text always gets the same scores; `seed` gives others. No gradient, two forward passes for F. NOT complete.
    """

    seed: int = 0
    name: str = "random"
    adds_up: bool = False
    uses_baseline: bool = False
    completeness: str = "These scores are random numbers: a control, not an explanation."

    def __post_init__(self) -> None:
        """Check the seed."""
        check_fields(self)
        check_seed(self.seed)

    def plan(self, case: Case) -> Plan:
        """Return F at both ends; the scores need no model."""

        def pack(found: Integrals) -> Outcome:
            ends = [found["ends", b] for b in range(len(case.starts))]
            scale = np.abs(np.mean([end.f_end - end.f_start for end in ends], axis=0)) / np.sqrt(sum(case.moving))
            drawn = generator(case, self.seed).standard_normal((len(scale), len(case.moving)))
            value = np.where(case.moving, drawn * np.where(scale > 0, scale, 1.0)[:, None], 0.0)
            return Outcome(_exact(value, ends), "none", None, (self.completeness,))

        return Plan(case.ends, pack)


def check_seed(seed: int) -> None:
    """Raise OptionError for a seed that no generator takes."""
    if seed < 0:
        raise OptionError(f"seed is {seed}; give a whole number from 0 on")


def generator(case: Case, seed: int) -> np.random.Generator:
    """Return a generator that depends on the text and the seed alone, not on the order or company of texts."""
    return np.random.default_rng([seed, zlib.crc32("\0".join(case.encoded.texts).encode("utf-8", "surrogatepass"))])


def _at_text(method: GradientTimesInput | Saliency, case: Case, measure: Measure) -> Plan:
    moving = torch.tensor(case.moving, device=case.end.device)[:, None]
    whole = Straight(torch.where(moving, 0.0, case.end), case.end)  # its velocity is the input itself
    tasks: dict[Key, tuple[Problem, Schedule]] = {
        ("slope",): (replace(case.problem(whole), measure=measure, mode=Mode.REVERSE), Slope()),
        **case.ends,
    }

    def pack(found: Integrals) -> Outcome:
        slope, ends = found["slope",], [found["ends", b] for b in range(len(case.starts))]
        exact = _exact(np.where(case.moving, slope.value, 0.0), ends)
        local = Integral(exact.value, slope.error, exact.f_start, exact.f_end, slope.evaluations, slope.stops)
        return Outcome(local, "none: at the text", None, (method.completeness,))

    return Plan(tasks, pack)


def _exact(value: Floats, ends: Sequence[Integral]) -> Integral:
    """Return scores that are what they are: no integral, so no error of one."""
    f_start, f_end = (np.mean([getattr(end, name) for end in ends], axis=0) for name in ("f_start", "f_end"))
    k = len(f_end)
    return Integral(value, np.zeros(k), f_start, f_end, 0, (Stop.CONVERGED,) * k)
