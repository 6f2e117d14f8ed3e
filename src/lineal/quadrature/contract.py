"""What a schedule is asked and told. Knows nothing about torch, models or text.

A schedule integrates the token derivatives of k outputs over α in [0, 1]. It never evaluates anything: it *asks* for points, somebody
evaluates them (together with the points of many other schedules) and *tells* it the answers, until it asks for nothing more.

    schedule = Adaptive(tol=0.01)
    while (ask := schedule.ask()) is not None:
        schedule.tell(*evaluate(ask))
    integral = schedule.integral()

Shapes: m points, k outputs, t tokens. Everything is float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TOLERANCE = 0.01
"""The error that is wanted where nobody says another, relative to the mass Σ|A|: of rules, verbs and commands alike."""
MAX_EVALUATIONS = 1000
"""The gradients of one integral at most, where nobody says another number."""


class Stop(Enum):
    """Why an integration ended. The value is a sentence; `said` adds what depends on the model."""

    CONVERGED = "converged: the estimated error is within the tolerance"
    BUDGET = "not converged: the evaluation budget ran out first; raise max_evaluations, or choose another baseline, target unit or hold"
    ROUNDING = "not converged: the model's own rounding noise is larger than the tolerance; raise tol"
    JUMP = (
        "not converged: F itself jumps on the path, and no gradient sees a jump (a router, top-k or quantised layer inside the model); "
        "choose another baseline or target, or raise tol"
    )
    NOT_FINITE = (
        "not converged: the gradient is not a finite number somewhere on the path; choose another baseline, or hold the first position"
    )
    CANCELLED = "not converged: the parts met the tolerance, but they cancel, and their sum is small beside its error; lower tol"
    FIXED = "not converged: the fixed rule that was asked for leaves an error above the tolerance; use more points or rule='adaptive'"

    @property
    def converged(self) -> bool:
        """True for the one member that stands for success."""
        return self is Stop.CONVERGED

    def said(self, dtype: str) -> str:
        """Return the sentence a reader sees, with the advice that fits a model of this dtype ("float32", …)."""
        return self.value + (FINER.get(dtype, "") if self is Stop.ROUNDING else "")


FINER = {
    "float32": ", or load the model in float64",
    "float16": ", or load the model in float32",
    "bfloat16": ", or load the model in float32",
}
"""What else helps against rounding, by the dtype of a model; nothing does for float64."""


@dataclass(frozen=True)
class Ask:
    """The points a schedule wants next.

    alphas: (m,) points in [0, 1] where the token derivatives are wanted (F comes with them at no cost).
    ends: (e,) points where F alone is wanted (a forward pass without a gradient).
    outputs: (k,) true for the outputs whose derivatives are still wanted; None means all (k is not known before the first answer).
    """

    alphas: Floats
    ends: Floats
    outputs: Bools | None = None


@dataclass(frozen=True)
class Integral:
    """What a schedule knows at the end.

    value: (k, t) the integrals. error: (k,) bound on the L1 token error of each row, and on its residual.
    f_start, f_end: (k,) F at α = 0 and α = 1. evaluations: points whose gradient was computed. stops: one reason per output.
    """

    value: Floats
    error: Floats
    f_start: Floats
    f_end: Floats
    evaluations: int
    stops: tuple[Stop, ...]

    @property
    def residual(self) -> Floats:
        """(k,) Σ_i value_i − (F(1) − F(0)): zero for an exact integral."""
        return np.asarray(self.value.sum(axis=-1) - (self.f_end - self.f_start))


class Schedule(Protocol):
    """Chooses points and decides when to stop; see the module's own docstring for the conversation."""

    def ask(self) -> Ask | None:
        """Return the next points, or None when the integration has ended."""
        ...

    def tell(self, values: Floats, derivatives: Floats, ends: Floats) -> None:
        """Take the answers to the last ask.

        values: (m, k) F at `alphas`. derivatives: (m, k, t) ⟨∂F_c/∂x_i, γ_i′⟩ at `alphas`; rows of outputs that were not asked for are
        ignored (they may hold anything). ends: (e, k) F at `ends`.
        """
        ...

    def integral(self) -> Integral:
        """Return the result; valid once `ask` has returned None."""
        ...
