"""Discretized IG as published, written slowly and obviously: one word, one candidate, one dimension at a time, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def neighbours_of(word: int, table: Vector, k: int) -> list[int]:
    """The k nearest words, nearest first, the word itself left out, equal distances in the order of ids."""
    distances = [(float(sum((a - b) ** 2 for a, b in zip(row, table[word], strict=True))), i) for i, row in enumerate(table)]
    return [i for _, i in sorted(distances) if i != word][:k]


def is_monotone(baseline: float, candidate: float, current: float) -> bool:
    if baseline > current:
        return baseline >= candidate >= current
    if baseline < current:
        return baseline <= candidate <= current
    return candidate == baseline == current


def monotonised(candidate: Vector, baseline: Vector, current: Vector, steps: int) -> tuple[Vector, int]:
    result, count = np.empty_like(candidate), 0
    for j in range(len(candidate)):
        if is_monotone(baseline[j], candidate[j], current[j]):
            result[j] = candidate[j]
            count += 1
        else:
            result[j] = current[j] - (current[j] - baseline[j]) / steps
    return result, count


def anchors(word: int, baseline: int, table: Vector, k: int, steps: int, strategy: str) -> list[int]:
    path = [word]
    for _ in range(steps):
        current = path[-1]
        if current == baseline:
            path.append(baseline)
            continue
        candidates = [i for i in neighbours_of(current, table, k) if i != baseline and i not in path]
        if not candidates:
            path.append(baseline)
            continue
        scored = []
        for i in candidates:
            moved, count = monotonised(table[i], table[baseline], table[current], steps)
            scored.append(float(np.linalg.norm(table[i] - moved)) if strategy == "greedy" else float(10000 - count))
        path.append(candidates[scored.index(min(scored))])
    return path


def points(word: int, baseline: int, table: Vector, k: int, steps: int, strategy: str, factor: int = 0) -> Vector:
    """(2^factor (steps + 1) + 1, d), from the baseline to the word."""
    path = anchors(word, baseline, table, k, steps, strategy)
    found = [table[word]]
    for anchor in path[1:]:
        found.append(monotonised(table[anchor], table[baseline], found[-1], steps)[0])
    found.append(table[baseline])
    found.reverse()
    for _ in range(factor):
        finer = [found[0]]
        for previous, following in pairwise(found):
            finer += [(previous + following) / 2, following]
        found = finer
    return np.array(found)


def scores(gradient: Callable[[Vector], Vector], paths: Sequence[Vector]) -> Vector:
    """The left Riemann sum. gradient: (t, d) embeddings → (t, d). paths: one (v, d) path per token. Returns (t,)."""
    stacked = np.stack(paths, axis=1)  # (v, t, d)
    total = np.zeros_like(stacked[0])
    for k in range(len(stacked) - 1):
        total += gradient(stacked[k]) * (stacked[k + 1] - stacked[k])
    return total.sum(axis=1)
