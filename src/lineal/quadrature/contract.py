"""What a schedule is asked and told, and what every schedule checks. Knows nothing about torch, models or text.

A schedule integrates the token derivatives of k outputs over α in [0, 1]. It never evaluates anything: it *asks* for points, somebody
evaluates them (together with the points of many other schedules) and *tells* it the answers, until it asks for nothing more.

    schedule = Adaptive(tol=0.01)
    while (ask := schedule.ask()) is not None:
        schedule.tell(*evaluate(ask))
    integral = schedule.integral()

Shapes: m points, k outputs, t tokens. Everything is float64. An array's shape stands beside its type, `Annotated[Floats, "k t"]`, as
jaxtyping writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Protocol

import numpy as np
from numpy.typing import NDArray

from lineal.errors import OptionError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TOLERANCE = 0.01
"""The error that is wanted where nobody says another, relative to the mass Σ|A|: of rules, verbs and commands alike."""
MAX_EVALUATIONS = 1000
"""The gradients of one integral at most, where nobody says another number."""
STEP_ASIDE = 2.0**-40  # far below any spacing that matters, far above float64 rounding of an alpha
HUGE = 1e100  # derivatives beyond are as good as infinite, and their squares would overflow


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
    DRAWS = (
        "not converged: the draws of the baseline differ too much for their mean to be known so well within the evaluation budget; "
        "raise tol or max_evaluations"
    )
    FIXED = "not converged: the fixed rule that was asked for leaves an error above the tolerance; use more points or rule='adaptive'"
    STOPPED = "not converged: somebody ended the work first, and this is what was known by then; ask again, with more time"

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

    alphas: (m,) points in [0, 1] (beyond that of further lines, see `lineal.paths.Drawn`) where the token derivatives are wanted; F comes
    with them at no cost.
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
    spread, lines: of a mean over several lines the standard deviation of their values, and their number.
    """

    value: Annotated[Floats, "k t"]
    error: Annotated[Floats, "k"]
    f_start: Annotated[Floats, "k"]
    f_end: Annotated[Floats, "k"]
    evaluations: int
    stops: tuple[Stop, ...]
    spread: Annotated[Floats, "k t"] | None = None
    lines: int = 1

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

    def so_far(self) -> Integral | None:
        """Return what is known before the end, outputs that go on marked STOPPED; None where that is nothing yet."""
        ...


class Rule(Schedule, Protocol):
    """A schedule that integrates one path by itself, and can be told how far F is known."""

    def within(self, spread: Floats) -> None:
        """Take changes of F as known to ± spread, (k,), and no better; said before the first answers."""
        ...


def check_tol(tol: float) -> float:
    """Return tol. Raises OptionError unless it is positive."""
    if not tol > 0:
        raise OptionError(f"tol is {tol}; it must be above 0")
    return tol


def checked_breaks(breaks: Sequence[float]) -> Floats:
    """Return the breaks as an array. Raises OptionError unless they increase from 0 to 1."""
    edges = np.asarray(breaks, dtype=np.float64)
    if edges.ndim != 1 or len(edges) < 2 or edges[0] != 0 or edges[-1] != 1 or not np.all(np.diff(edges) > 4 * STEP_ASIDE):
        raise OptionError(f"breaks must increase from 0 to 1, these are {list(breaks)}")
    return edges


def inside(alphas: Floats, pieces: NDArray[np.int64], edges: Floats) -> Floats:
    """Return alphas moved into their piece where they stand on a break: the velocity of the path jumps there, and a rule that ends at
    the break wants the value of its own side. The ends 0 and 1 stay."""
    low, high = edges[pieces], edges[pieces + 1]
    return np.clip(alphas, np.where(low > 0, low + STEP_ASIDE, 0.0), np.where(high < 1, high - STEP_ASIDE, 1.0))


def is_number(numbers: Floats) -> Bools:
    """Return, elementwise, whether this is a number one can go on with: not NaN, not infinite, not about to overflow."""
    good: Bools = np.abs(numbers) < HUGE
    return good
