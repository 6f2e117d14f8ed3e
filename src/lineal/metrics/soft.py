"""Soft removal: every number of a token's embedding is kept with a probability that follows its score (Zhao & Aletras, ACL 2023).

The first version rewarded whoever keeps more; here, as π-Soft does (arXiv 2601.03089), all methods keep the same expected share.

For language models ReAGent (Zhao & Shan 2024) replaces the fall of one probability by the Hellinger distance H(P, Q) = ‖√P − √Q‖₂ / √2 of
the whole next-token distribution. The same two functions serve: with p = 1 and 1 − H(P, Q) in place of each q, the fall p − q is H.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def keep_probabilities(scores: Floats, share: float = 0.5) -> Floats:
    """Return (n,) probabilities in [0, 1] that increase with the score and have mean `share`.

    Scores are shifted to start at 0 and multiplied by a common factor, cut at 1; equal scores give `share` everywhere.
    """
    heights = scores - scores.min()
    if heights.max() == 0:
        return np.full(len(scores), share)
    if share >= np.mean(heights > 0):  # the lowest tokens must be kept too: all others fully
        lowest = heights == 0
        rest = (share * len(scores) - (~lowest).sum()) / lowest.sum()
        return np.where(lowest, rest, 1.0)
    low, high = 0.0, 1.0 / heights[heights > 0].min()
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if np.minimum(1.0, middle * heights).mean() < share else (low, middle)
    kept: Floats = np.minimum(1.0, high * heights)
    return kept


def soft_sufficiency(p: float, kept: float, empty: float) -> float:
    """Return (S(kept) − S(empty)) / (1 − S(empty)) with S(q) = 1 − max(0, p − q), not below 0; higher is better."""
    s, s0 = (1 - max(0.0, p - q) for q in (kept, empty))
    return float("nan") if s0 >= 1 else max(0.0, (s - s0) / (1 - s0))


def soft_comprehensiveness(p: float, removed: float, empty: float) -> float:
    """Return max(0, p − p(removed)) / max(0, p − p(empty)); higher is better."""
    whole = max(0.0, p - empty)
    return float("nan") if whole == 0 else max(0.0, p - removed) / whole
