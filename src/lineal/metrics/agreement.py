"""How alike two rankings of the same tokens are. Plain numbers, (n,) for n tokens; knows nothing about models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def spearman(a: Floats, b: Floats) -> float:
    """Return Spearman's rank correlation of two rows of scores, each (n,); NaN for fewer than three tokens or a constant row."""
    from scipy import stats  # takes a second to load

    return float("nan") if _flat(a, b) else float(stats.spearmanr(a, b).statistic)


def kendall(a: Floats, b: Floats) -> float:
    """Return Kendall's τ-b of two rows of scores, each (n,); NaN for fewer than three tokens or a constant row."""
    from scipy import stats

    return float("nan") if _flat(a, b) else float(stats.kendalltau(a, b).statistic)


def pearson(a: Floats, b: Floats) -> float:
    """Return Pearson's correlation of two rows of scores, each (n,); NaN for fewer than three entries or a constant row."""
    return float("nan") if _flat(a, b) else float(np.corrcoef(a, b)[0, 1])


def top_overlap(a: Floats, b: Floats, share: float = 0.2) -> float:
    """Return the share of the strongest |scores| (at least one) that both rows, each (n,), have among their strongest."""
    n = max(1, round(share * len(a)))
    strongest = [set(np.argsort(-np.abs(row), kind="stable")[:n].tolist()) for row in (a, b)]
    return len(strongest[0] & strongest[1]) / n


def _flat(a: Floats, b: Floats) -> bool:
    return len(a) < 3 or bool(np.ptp(a) == 0 or np.ptp(b) == 0)
