"""How a method says what it wants computed. Knows no rule, no text, no model family.

A method turns a `Case` (one text, ready to be explained) into a `Plan`: integrals for the common loop, each under a key, and a function
that packs them into one `Outcome`. What is not an integral uses the same loop with a schedule of its own (`lineal.quadrature.fixed`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lineal.engine.field import Problem
from lineal.engine.tangents import Mode
from lineal.models.base import TextModel
from lineal.models.causal import Prefix
from lineal.models.encoded import Encoded
from lineal.objectives.contract import Objective
from lineal.paths import Drawn, Path, Straight
from lineal.quadrature.contract import Integral, Schedule, Stop
from lineal.quadrature.expectation import averaged
from lineal.quadrature.fixed import Ends

Floats = NDArray[np.float64]
Key = tuple[str | int, ...]
"""What an integral is to its plan: ("path", 0), ("ends", 1), ("token", 0, 7), …"""
Integrals = Mapping[Key, Integral]
BLOCK = 64
"""Texts at a time of a method that has something to look up for all of them."""


class ScheduleFor(Protocol):
    """Gives a fresh schedule for a path."""

    def __call__(self, path: Path, share: float = 1.0) -> Schedule:
        """Return a schedule that stops at `share` times the wanted tolerance."""
        ...


@dataclass(frozen=True)
class Case:
    """One text, ready to be explained.

    starts: (m, t, d) one or several baselines; tokens that do not move have their own embedding there. end: (t, d) the text.
    moving: (t,) which tokens move. prefix: the leading tokens that do not, run once, or None. mode: how derivatives are computed.
    schedule: gives a fresh schedule for a path, as the options ask for; with a share below 1, to that share of the tolerance.
    drawn: whether the starts are a random sample, and their mean stands for an expectation. more: gives the c-th `len(starts)` of further
    starts, the 0th being these, where as many are to be drawn as the tolerance needs; None where their number is given.
    """

    model: TextModel
    encoded: Encoded
    starts: Tensor
    end: Tensor
    moving: tuple[bool, ...]
    objective: Objective
    schedule: ScheduleFor
    prefix: Prefix | None = None
    mode: Mode = Mode.REVERSE
    drawn: bool = False
    more: Callable[[int], Tensor] | None = None

    def expected(self, outcome: Callable[[Integral, Floats | None], Outcome]) -> Plan:
        """Return the plan for the mean over straight lines from the starts, or from as many as the tolerance needs; see `averaged`."""
        if self.more is None:
            return self.averaged([Straight(start, self.end) for start in self.starts], outcome)
        path = Drawn(self.more, len(self.starts), self.end)

        def pack(found: Integrals) -> Outcome:
            mean = found["path", 0]
            return replace(outcome(mean, mean.spread), draws=mean.lines)

        return Plan({("path", 0): (self.problem(path), self.schedule(path))}, pack)

    def averaged(self, paths: Sequence[Path], outcome: Callable[[Integral, Floats | None], Outcome]) -> Plan:
        """Return the plan for the mean over paths. outcome: what is made of the mean and its spread, see `mean`.

        A mean can be smaller than its terms, so each of several integrals gets half the tolerance.
        """
        n, share = len(paths), 1.0 if len(paths) == 1 else 0.5
        tasks: dict[Key, tuple[Problem, Schedule]] = {
            ("path", i): (self.problem(path), self.schedule(path, share)) for i, path in enumerate(paths)
        }
        return Plan(tasks, lambda found: outcome(*mean([found["path", i] for i in range(n)])))

    @property
    def ends(self) -> dict[Key, tuple[Problem, Schedule]]:
        """F at the text and at each baseline, no gradient."""
        return {("ends", b): (self.problem(Straight(start, self.end)), Ends()) for b, start in enumerate(self.starts)}

    def problem(self, path: Path) -> Problem:
        """Return the integral of the objective along a path."""
        return Problem(self.encoded, path, self.objective, self.prefix, mode=self.mode)


@dataclass(frozen=True)
class Outcome:
    """What a record says about the numbers. integral: (k, t) scores with error and reasons. spread: (k, t) or None; see `Attribution`.

    draws: how many random draws the mean is over, where not the starts of the case are the draws.
    """

    integral: Integral
    path: str
    spread: Annotated[Floats, "k t"] | None = None
    notes: tuple[str, ...] = ()
    draws: int = 0


@dataclass(frozen=True)
class Plan:
    """Integrals to compute, each under a key of its own, and what to make of them once they are all there, under the same keys."""

    tasks: Mapping[Key, tuple[Problem, Schedule]]
    pack: Callable[[Integrals], Outcome]


@runtime_checkable
class Method(Protocol):
    """A way to give each token a score. A value: two equal methods give equal numbers. One's own inherits from this class."""

    @property
    def name(self) -> str:
        """What the record calls it; `lineal.methods.resolve` turns it back into the method."""
        ...

    @property
    def adds_up(self) -> bool:
        """Whether Σ_i scores = F(text) − F(baseline) is promised."""
        ...

    @property
    def uses_baseline(self) -> bool:
        """Whether the scores depend on the baseline that is given."""
        ...

    @property
    def completeness(self) -> str:
        """One sentence for readers: what the scores add up to."""
        ...

    @property
    def block(self) -> int:
        """How many texts `prepare` is best given at a time."""
        return 1

    def prepare(self, cases: Sequence[Case]) -> None:
        """Look up what all texts of a block need, before their plans are made; most methods need nothing."""
        return

    def plan(self, case: Case) -> Plan:
        """Return what to compute for one text. Raises OptionError when the method does not fit the case."""
        ...


def mean(integrals: Sequence[Integral]) -> tuple[Integral, Floats | None]:
    """Return the mean of several integrals, and the standard deviation of their scores (None for a single one).

    The mean of the errors bounds the error of the mean. The stop of an output is the first one that is not success. Each integral met its
    tolerance relative to its own mass; where their scores cancel by more than half, the error can be a larger share of the mean's mass than
    `tol`, and the session then says `Stop.CANCELLED`.
    """
    combined = averaged(integrals)
    return combined, combined.spread


def worst(stops: Sequence[Stop]) -> Stop:
    """Return the first reason that is not success, or success."""
    return next((stop for stop in stops if not stop.converged), Stop.CONVERGED)
