"""Discretized Integrated Gradients: the path runs over real words (Sanyal & Ren, EMNLP 2021, arXiv 2108.13654)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from lineal.engine.field import Problem
from lineal.engine.tangents import Mode
from lineal.errors import OptionError
from lineal.methods.contract import BLOCK, Case, Integrals, Key, Method, Outcome, Plan, mean
from lineal.methods.dig.anchors import Search
from lineal.methods.dig.search import Strategy, monotonised, refined
from lineal.methods.ig import COMPLETE
from lineal.paths import Polyline
from lineal.quadrature.contract import Integral, Schedule, Stop
from lineal.quadrature.fixed import Vertices
from lineal.typed import check_fields


@dataclass(frozen=True)
class DIG(Method):
    """A path over words: integrated like any other path, with panels split at its kinks.

    Complete: Σ_i scores = F(text) − F(baseline), to within the residual, because it is a path integral.

    strategy: how anchors are chosen, "greedy" or "maxcount" (`search.find_anchors`). steps: anchors per word. neighbours:
    candidates per step. factor: how often the middles of all pieces are added as vertices (matters to rules with a point per vertex).
    even: step uniformly in dimensions that no anchor serves. stride: without `even`, they move by 1/stride of the gap; None for `steps`.

    As published: steps=30, neighbours=500, even=False, rule="left", a baseline of one word (pad), and scores scaled to length 1 afterwards.
    Unlike the published code the target is that of the text all along the path, embeddings are pure word embeddings, and all special and
    held tokens stay put. Cost: neighbours of each new word (V·d), its anchors (steps·neighbours·d), then at least 2 gradients per piece
    with the adaptive rule, one with "left" or "trapezoid". Neighbours and anchors are remembered.
    """

    strategy: Strategy = "greedy"
    steps: int = 30
    neighbours: int = 500
    factor: int = 0
    even: bool = True
    stride: int | None = None
    adds_up: bool = True
    uses_baseline: bool = True
    completeness: str = COMPLETE

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_fields(self)
        if self.steps < 1 or not 0 <= self.factor <= 6:
            raise OptionError(f"steps is {self.steps} and factor {self.factor}; steps must be at least 1, factor from 0 to 6")
        if self.stride is not None and self.stride < 1:
            raise OptionError(f"stride is {self.stride}; it must be at least 1")

    @property
    def name(self) -> str:
        """The strategy."""
        return f"dig-{self.strategy}"

    @property
    def search(self) -> Search:
        """How the anchors are found."""
        return Search(self.strategy, self.steps, self.neighbours, stride=self.stride)

    @property
    def block(self) -> int:
        """Many: the words that texts share are looked up once."""
        return BLOCK

    def prepare(self, cases: Sequence[Case]) -> None:
        """Find the anchors of all words of several texts together."""
        self.search.prepare(cases)

    def plan(self, case: Case) -> Plan:
        """Return one integral per baseline along the path over words."""
        paths = [self.path(case, start) for start in case.starts]
        said = paths[0].name
        return case.averaged(paths, lambda integral, spread: Outcome(integral, said, spread))

    def path(self, case: Case, start: Tensor) -> Polyline:
        """Return the path from one baseline (t, d)."""
        moving = np.flatnonzero(case.moving)
        stations = self.search.stations(case, start)
        points = refined(monotonised(case.end[moving], stations, start[moving], self.even, self.stride), self.factor)
        vertices = case.end.repeat(len(points), 1, 1)  # (v, t, d)
        vertices[:, torch.as_tensor(moving, device=vertices.device)] = points
        return Polyline(vertices, f"over words ({self.strategy}, {self.steps} steps, {self.neighbours} neighbours)")


@dataclass(frozen=True)
class BlogDIG(Method):
    """The simplified DIG of tutorials, for comparison only: the mean gradient along a path over the ten nearest words.

    NOT complete: the gradient is averaged and never multiplied by what moves, so scores are in units of the gradient, their sum means
    nothing and their signs do not depend on the direction from baseline to word. Anchors may repeat; every step away from an anchor is
    1/steps of the whole gap, counted from the word itself. The scores of a token are summed over its dimensions.
    """

    steps: int = 30
    neighbours: int = 10
    name: str = "dig-blog"
    adds_up: bool = False
    uses_baseline: bool = True
    completeness: str = "These scores are mean gradients: they add up to nothing in particular, by design of this variant."

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_fields(self)
        if self.steps < 1:
            raise OptionError(f"steps is {self.steps}; it must be at least 1")

    @property
    def search(self) -> Search:
        """How the anchors are found."""
        return Search("maxcount", self.steps, self.neighbours, revisit=True)

    @property
    def block(self) -> int:
        """Many: the words that texts share are looked up once."""
        return BLOCK

    def prepare(self, cases: Sequence[Case]) -> None:
        """Find the anchors of all words of several texts together."""
        self.search.prepare(cases)

    def plan(self, case: Case) -> Plan:
        """Return the mean gradient over the points of the path, per baseline."""
        tasks: dict[Key, tuple[Problem, Schedule]] = {}
        for b, start in enumerate(case.starts):
            path = self.path(case, start)
            problem = replace(case.problem(path), measure=total, mode=Mode.REVERSE)
            tasks["path", b] = (problem, Vertices("right", breaks=path.breaks))
        m, said = len(tasks), path.name

        def pack(found: Integrals) -> Outcome:
            average, spread = mean([found["path", b] for b in range(m)])
            k = len(average.stops)
            value = np.where(case.moving, average.value, 0.0)
            exact = Integral(value, np.zeros(k), average.f_start, average.f_end, average.evaluations, (Stop.CONVERGED,) * k)
            return Outcome(exact, said, spread, (self.completeness,))

        return Plan(tasks, pack)

    def path(self, case: Case, start: Tensor) -> Polyline:
        """Return the points, from the baseline to the word."""
        moving = np.flatnonzero(case.moving)
        ends, baselines = case.end[moving], start[moving]
        step, points = ends - (ends - baselines) / self.steps, [ends]
        for anchor in self.search.stations(case, start):
            between = (anchor >= torch.minimum(ends, baselines)) & (anchor <= torch.maximum(ends, baselines))
            points.append(torch.where(between, anchor, step))
        vertices = case.end.repeat(self.steps + 2, 1, 1)
        vertices[:, torch.as_tensor(moving, device=vertices.device)] = torch.stack([*points, baselines]).flip(0)
        return Polyline(vertices, f"over words ({self.steps} steps, {self.neighbours} neighbours)")


def total(grad: Tensor, velocity: Tensor) -> Tensor:
    """Return the sum of a token's gradient over its dimensions: what the tutorials average."""
    return grad.sum(dim=-1)
