"""Integrated Gradients many times over: over noisy inputs, over sampled baselines, token by token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lineal.errors import OptionError
from lineal.methods.contract import Case, Floats, Integrals, Method, Outcome, Plan, mean, worst
from lineal.methods.dig.neighbours import table
from lineal.methods.local import check_seed, generator
from lineal.models.vocabulary import drawable
from lineal.paths import Straight
from lineal.quadrature.contract import Integral
from lineal.quadrature.expectation import FIRST
from lineal.typed import check_fields

MOST_SAMPLES = 10_000
"""Integrals of one text that are averaged; all their starting points are in memory at once."""


@dataclass(frozen=True)
class SmoothGradIG(Method):
    """Mean of Integrated Gradients over noisy inputs x + ε (SmoothGrad; Smilkov et al. 2017), with the spread per token.

    Complete for the noisy inputs: Σ_i scores = mean F(x + ε) − F(x'); the record's F(text) is that mean, not F of the text itself.
    samples: noisy inputs. noise: standard deviation of ε as a fraction of the root mean square of x − x' over all moving dimensions.
    Every integral is computed to half of `tol`. Cost: `samples` integrals per baseline. The same text always gets the same noise.
    """

    samples: int = 8
    noise: float = 0.1
    seed: int = 0
    name: str = "smoothgrad-ig"
    adds_up: bool = True
    uses_baseline: bool = True
    completeness: str = "The scores add up to the mean of F over the noisy inputs, less F(baseline)."

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_fields(self)
        _check_draws(self.samples, self.seed)
        if not self.noise > 0:
            raise OptionError(f"noise is {self.noise}; it is a fraction of the distance to the baseline and must be above 0")

    def plan(self, case: Case) -> Plan:
        """Return one integral per noisy input and baseline."""
        draws, moving = generator(case, self.seed), torch.tensor(case.moving, device=case.end.device)[:, None]
        paths = []
        for start in case.starts:
            scale = self.noise * (case.end - start)[moving[:, 0]].double().square().mean().sqrt()
            for _ in range(self.samples):
                noise = torch.as_tensor(draws.standard_normal(tuple(case.end.shape)), device=case.end.device) * scale
                paths.append(Straight(start, torch.where(moving, case.end + noise.to(case.end), case.end)))

        note = f"Scores are the mean over {self.samples} noisy inputs, and F(text) is the mean of F over them."
        return case.averaged(paths, lambda integral, spread: Outcome(integral, "straight, to noisy inputs", spread, (note,)))


@dataclass(frozen=True)
class ExpectedGradients(Method):
    """Mean of Integrated Gradients over baselines drawn at random (Erion et al. 2021), each computed to half of `tol`.

    Complete: Σ_i scores = F(text) − mean F(baselines). With several baselines given, these are used; otherwise `samples` baselines of
    words drawn uniformly from the `drawable` ones of the vocabulary at every moving position; None for as many as `tol` needs (see `IG`).
    The spread says how much the baseline matters; the standard error of a score is spread / √samples, and is no part of the record's
    error, but of its own `sampling`. Cost: one integral per baseline.
    """

    samples: int | None = 8
    seed: int = 0
    name: str = "expected-gradients"
    adds_up: bool = True
    uses_baseline: bool = False
    completeness: str = "The scores add up to F(text) less the mean of F over the drawn baselines."

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_fields(self)
        _check_draws(FIRST if self.samples is None else self.samples, self.seed)

    def plan(self, case: Case) -> Plan:
        """Return one straight integral per drawn baseline."""
        source = "random words" if len(case.starts) == 1 else "the given baselines"
        if len(case.starts) == 1:
            more = self._words(case, self.samples or FIRST)
            case = replace(case, starts=more(0), drawn=True, more=more if self.samples is None else None)

        def outcome(integral: Integral, spread: Floats | None) -> Outcome:
            note = f"Scores are the mean over {integral.lines} baselines ({source})."
            return Outcome(integral, "straight", spread, (note,), draws=integral.lines if case.drawn else 0)

        return case.expected(outcome)

    def _words(self, case: Case, size: int) -> Callable[[int], Tensor]:
        """Return what gives the c-th `size` texts of random words, drawn in one row: more texts begin with the same ones."""
        words, random, drawn = drawable(case.model), generator(case, self.seed), list[NDArray[np.int64]]()
        moving = torch.tensor(case.moving, device=case.end.device)[:, None]

        def chunk(c: int) -> Tensor:
            while len(drawn) <= c:
                drawn.append(random.integers(0, len(words), (size, len(case.encoded))))
            return torch.where(moving, table(case.model, words[drawn[c]]).to(case.end), case.end)

        return chunk


@dataclass(frozen=True)
class SequentialIG(Method):
    """One integral per token, with all other tokens at the text (Enguehard, Findings of ACL 2023).

    NOT complete as a whole: each score is complete for its own token, so it *equals* leave-one-out with the baseline token,
    F(text) − F(text with token i replaced); `occlusion` gives the same numbers for one forward pass each. Cost: t integrals per baseline.
    """

    name: str = "sequential-ig"
    adds_up: bool = False
    uses_baseline: bool = True
    completeness: str = "Each score equals leave-one-out with the baseline token; together they need not add up to F(text) − F(baseline)."

    def plan(self, case: Case) -> Plan:
        """Return one integral per moving token and baseline, and F at both ends."""
        tokens, m = [int(i) for i in np.flatnonzero(case.moving)], len(case.starts)
        tasks = case.ends
        for b, start in enumerate(case.starts):
            for i in tokens:
                alone = case.end.clone()
                alone[i] = start[i]
                path = Straight(alone, case.end)
                tasks["token", b, i] = (case.problem(path), case.schedule(path))

        def pack(found: Integrals) -> Outcome:
            integral, spread = mean([_joined(found["ends", b], [found["token", b, i] for i in tokens]) for b in range(m)])
            return Outcome(integral, "straight, one token at a time", spread, (self.completeness,))

        return Plan(tasks, pack)


def _joined(ends: Integral, parts: Sequence[Integral]) -> Integral:
    """Return one row of scores from integrals that each know one token (their other scores are exactly 0)."""
    return Integral(
        value=np.sum([part.value for part in parts], axis=0),
        error=np.sum([part.error for part in parts], axis=0),
        f_start=ends.f_start,
        f_end=ends.f_end,
        evaluations=sum(part.evaluations for part in parts),
        stops=tuple(map(worst, zip(*(part.stops for part in parts), strict=True))),
    )


def _check_draws(samples: int, seed: int) -> None:
    if samples < 2:
        raise OptionError(f"samples is {samples}; a mean with a spread needs at least 2")
    if samples > MOST_SAMPLES:
        raise OptionError(f"samples is {samples}; at most {MOST_SAMPLES} integrals are averaged")
    check_seed(seed)
