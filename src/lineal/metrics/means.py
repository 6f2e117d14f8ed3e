"""Means over texts: intervals, comparisons of two groups, and how many of many findings may be chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

Floats = NDArray[np.float64]
LEVEL = 0.95
"""Of every interval."""


def means(n: Floats, mean: Floats, sd: Floats) -> tuple[Floats, Floats, Floats]:
    """Return (low, high, p) of means, each (m,): Student's 95 % interval, and the probability of a mean as far from 0 where it is 0.

    n, mean, sd: (m,) how many texts, their mean, their standard deviation (n − 1). Of one text nothing is known: the interval is infinite
    and p is 1. Exact for normal values; for skewed ones and few texts the interval is too narrow on the side of the tail.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return _student(mean, sd / np.sqrt(n), n - 1)


def differences(n: Floats, mean: Floats, sd: Floats, m: Floats, other: Floats, spread: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return (difference, low, high, p) of the means of two groups of texts that have nothing in common, by Welch's test.

    n, mean, sd and m, other, spread: (k,) of one group and of the other. The variances need not be equal.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = sd**2 / n, spread**2 / m
        freedom = (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (m - 1))
        freedom = np.where(a + b == 0, np.minimum(n, m) - 1, freedom)
        return mean - other, *_student(mean - other, np.sqrt(a + b), freedom)


def adjusted(p: Floats) -> Floats:
    """Return q: (m,) the smallest share of false findings among those called so at which each would be one (Benjamini & Hochberg 1995).

    p: (m,) of as many questions. The share is held to where the questions are independent or positively dependent.
    """
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p)[::-1]
    ranked = p[order] * len(p) / np.arange(len(p), 0, -1)
    found = np.empty_like(p)
    found[order] = np.minimum.accumulate(np.minimum(ranked, 1.0))
    return found


def _student(mean: Floats, error: Floats, freedom: Floats) -> tuple[Floats, Floats, Floats]:
    known = (freedom >= 1) & np.isfinite(error)
    reach = np.where(known, stdtrit(np.where(known, freedom, 1.0), (1 + LEVEL) / 2) * np.where(known, error, 0.0), np.inf)
    t = np.divide(np.abs(mean), error, out=np.where(mean == 0, 0.0, np.inf), where=known & (error > 0))
    p = np.where(known, 2 * stdtr(np.where(known, freedom, 1.0), -t), 1.0)
    return mean - reach, mean + reach, p
