"""Which groups of tokens must go, and which numbers follow from what the answer is then. Plain numbers; knows nothing about models.

A question is asked about one ranked text: it names the groups, somebody runs the model without each of them, and it turns F and p into
metrics. Groups that several questions name are run once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineal.metrics import subsets
from lineal.metrics.agreement import pearson, spearman
from lineal.metrics.curves import CURVE_METRICS, GRID, Curve, count, counts, log, monotonicity, ranking
from lineal.metrics.subsets import Groups

Floats = NDArray[np.float64]
SUBSETS = 24
"""Random groups per size for sensitivity-n and infidelity."""
ABLATIONS = 32
"""Random texts for LDS, every token kept with probability one half."""
DROPS = (1, 3, 5)


@dataclass(frozen=True)
class Ranked:
    """The scores (n,) of the tokens that can be removed. units: (u, n) which of them are replaced together, as a word is."""

    scores: Floats
    units: Groups

    @property
    def n(self) -> int:
        """Number of tokens."""
        return len(self.scores)

    def without(self, numbers: Sequence[int], weakest: bool = False) -> Groups:
        """Return for each number j the group of the j tokens that are strongest by signed score (or weakest by |score|)."""
        order = np.argsort(np.abs(self.scores), kind="stable") if weakest else ranking(self.scores, np.arange(self.n))
        places = np.empty(self.n, dtype=np.int64)
        places[order] = np.arange(self.n)
        return places[None] < np.array(numbers, dtype=np.int64)[:, None]

    @property
    def strengths(self) -> Floats:
        """(u,) The summed scores of the units."""
        return np.asarray(self.units @ self.scores)


@dataclass(frozen=True)
class Question:
    """groups: (m, n) tokens that go, per run. numbers: from the answer to the full text (2,) and without each group (m, 2), F then p.

    A third column, where it is read, is the share of fillings with which the model still says the explained output.
    """

    names: tuple[str, ...]
    groups: Callable[[Ranked], Groups]
    numbers: Callable[[Ranked, Floats, Floats], dict[str, float]]


def curve_groups(ranked: Ranked) -> Groups:
    """Return what a curve needs: the strongest gone, then all but the strongest."""
    gone = ranked.without(counts(ranked.n))
    return np.concatenate([gone, ~gone])


def curve(ranked: Ranked, found: Floats) -> Curve:
    """Return the curve of the answers (m, 2) to `curve_groups`."""
    without, only = np.split(found[:, 1], 2)
    return Curve(counts(ranked.n), without, only)


def _drop_groups(ranked: Ranked) -> Groups:
    return ranked.without(DROPS)


def _drops(ranked: Ranked, full: Floats, found: Floats) -> dict[str, float]:
    return {f"log_prob_drop_{k}": log(full[1]) - log(p) for k, p in zip(DROPS, found[:, 1], strict=True)}


def _each(ranked: Ranked) -> Groups:
    return np.eye(ranked.n, dtype=bool)


def _leave_one_out(ranked: Ranked, full: Floats, found: Floats) -> dict[str, float]:
    return {"loo_spearman": spearman(ranked.scores, full[0] - found[:, 0])}


def _sizes(n: int) -> list[int]:
    return sorted({size for size in (round(n / 4), round(n / 2)) if 1 <= size < n})


def _subsets(ranked: Ranked) -> Groups:
    drawn = [subsets.draw(ranked.n, size, SUBSETS) for size in _sizes(ranked.n)]
    return np.concatenate([np.zeros((0, ranked.n), dtype=bool), *drawn])


def _sums(ranked: Ranked, full: Floats, found: Floats) -> dict[str, float]:
    groups, drops = _subsets(ranked), full[0] - found[:, 0]
    if not len(groups):
        return {}
    parts = zip(np.split(groups, len(_sizes(ranked.n))), np.split(drops, len(_sizes(ranked.n))), strict=True)
    correlations = [subsets.sensitivity_n(ranked.scores, own, fall) for own, fall in parts]
    return {"sensitivity_n": mean(correlations), "infidelity": subsets.infidelity(ranked.scores, groups, drops)}


def _ablations(ranked: Ranked) -> Groups:
    return ~subsets.ablations(ranked.n, ABLATIONS)


def _lds(ranked: Ranked, full: Floats, found: Floats) -> dict[str, float]:
    return {"lds": subsets.lds(ranked.scores, subsets.ablations(ranked.n, ABLATIONS), found[:, 0])}


def _rising(ranked: Ranked) -> Groups:
    return ~ranked.without(sorted({count(share, ranked.n) for share in GRID}), weakest=True)


def _monotone(ranked: Ranked, full: Floats, found: Floats) -> dict[str, float]:
    return {"monotonicity": monotonicity(found[:, 1])}


def _one_by_one(ranked: Ranked) -> Groups:
    return ranked.units


def _causal(ranked: Ranked, full: Floats, found: Floats) -> dict[str, float]:
    strengths, effects = ranked.strengths, full[0] - found[:, 0]
    numbers = {"causal_pearson": pearson(strengths, effects), "causal_spearman": spearman(strengths, effects)}
    return numbers | {f"causal_top{k}": _leading(strengths, effects, k) for k in (1, 3)}


def _leading(strengths: Floats, effects: Floats, k: int) -> float:
    """Return the share of the k highest of one row among the k highest of the other; NaN where there are not more than k."""
    if len(strengths) <= k:
        return float("nan")
    first, second = (set(ranking(row, np.arange(len(row)))[:k].tolist()) for row in (strengths, effects))
    return len(first & second) / k


def _steps(n: int) -> list[int]:
    """Return the numbers of units that are replaced until the model says something else: each up to ten, then a tenth at a time."""
    return sorted({j for j in (*range(1, 11), *counts(n)) if 1 <= j <= n})


def _cumulated(ranked: Ranked) -> Groups:
    strongest = ranking(ranked.strengths, np.arange(len(ranked.units)))
    groups = [ranked.units[strongest[:j]].any(axis=0) for j in _steps(len(strongest))]
    return np.array(groups, dtype=bool).reshape(-1, ranked.n)


def _flips(ranked: Ranked, full: Floats, found: Floats) -> dict[str, float]:
    """Of a text whose explained output is not what the model says, there is nothing to flip."""
    if len(full) < 3 or not full[2] or not len(ranked.units):
        return {}
    numbers = np.array(_steps(len(ranked.units)))
    flipped = numbers[found[:, 2] < 0.5]
    return {"causal_flips": float(flipped[0] / len(ranked.units)) if len(flipped) else 1.0}


CURVES = Question(CURVE_METRICS, curve_groups, lambda ranked, full, found: curve(ranked, found).numbers())
QUESTIONS = (
    CURVES,
    Question(tuple(f"log_prob_drop_{k}" for k in DROPS), _drop_groups, _drops),
    Question(("loo_spearman",), _each, _leave_one_out),
    Question(("sensitivity_n", "infidelity"), _subsets, _sums),
    Question(("lds",), _ablations, _lds),
    Question(("monotonicity",), _rising, _monotone),
    Question(("causal_pearson", "causal_spearman", "causal_top1", "causal_top3"), _one_by_one, _causal),
    Question(("causal_flips",), _cumulated, _flips),
)


def asked(names: Sequence[str]) -> list[Question]:
    """Return the questions behind the wanted metrics; the curve always comes first, since it is also drawn."""
    return [question for question in QUESTIONS if question is CURVES or set(question.names) & set(names)]


def mean(numbers: Sequence[float]) -> float:
    """Return the mean of the numbers that are finite, NaN without any."""
    finite = [number for number in numbers if np.isfinite(number)]
    return float(np.mean(finite)) if finite else float("nan")
