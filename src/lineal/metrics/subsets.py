"""Do the scores of random groups of tokens tell what removing the group does? Plain numbers; knows nothing about models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lineal.metrics.agreement import pearson, spearman

Floats = NDArray[np.float64]
Groups = NDArray[np.bool_]


def draw(n: int, size: int, many: int, seed: int = 0) -> Groups:
    """Return (many, n) random groups of `size` of n tokens."""
    rng = np.random.default_rng([seed, n, size])
    groups = np.zeros((many, n), dtype=bool)
    for row in groups:
        row[rng.choice(n, size, replace=False)] = True
    return groups


def sensitivity_n(scores: Floats, groups: Groups, drops: Floats) -> float:
    """Return the correlation of Σ_{i ∈ S} score_i and F(x) − F(x without S) over groups S (Ancona et al., ICLR 2018).

    scores: (n,). groups: (m, n), all of one size. drops: (m,). 1 for an additive F; NaN when all groups drop alike, as for S = everything.
    """
    return pearson(groups @ scores, drops)


def infidelity(scores: Floats, groups: Groups, drops: Floats, normalised: bool = True) -> float:
    """Return the mean of (β Σ_{i ∈ S} score_i − (F(x) − F(x without S)))² (Yeh et al., NeurIPS 2019).

    scores: (n,). groups: (m, n). drops: (m,). The perturbation is the removal itself, so the score of a group stands for perturbation ·
    gradient. normalised: β is the best factor, which makes methods of different scale comparable, and the result is divided by the mean
    squared drop: 0 is perfect, 1 no better than 0.
    """
    predicted = groups @ scores
    if not normalised:
        return float(np.mean((predicted - drops) ** 2))
    size, drop = float(np.mean(predicted**2)), float(np.mean(drops**2))
    if drop == 0:
        return float("nan")
    beta = float(np.mean(predicted * drops)) / size if size > 0 else 0.0
    return float(np.mean((beta * predicted - drops) ** 2)) / drop


def ablations(n: int, many: int, seed: int = 0) -> Groups:
    """Return (many, n) random texts: which of n tokens stay, each by itself with probability one half."""
    return np.random.default_rng([seed, n]).random((many, n)) < 0.5


def lds(scores: Floats, kept: Groups, values: Floats) -> float:
    """Return the rank correlation of Σ_{i kept} score_i and F of what is kept (the linear data-modelling score of ContextCite, 2409.00729).

    scores: (n,). kept: (m, n), from `ablations`. values: (m,) F. 1 for an additive F; it asks for order only, so neither the scale of the
    scores nor a constant in F matters. NaN when F or the sums do not vary. With m = 32 chance alone gives ±0.18.
    """
    return spearman(kept @ scores, values)
