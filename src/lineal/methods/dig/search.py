"""Paths with kinks: from the baseline over real words to the text (Discretized IG; Sanyal & Ren, EMNLP 2021).

Two steps. *Anchors*: starting at the word w, m times choose among the current word's nearest neighbours one that lies between it and the
baseline b in as many dimensions as possible. *Monotonising*: replace, dimension by dimension, what does not lie between by a step
towards b, so that the path never turns back. Then the path is read backwards, from b to w. Never calls a model: embeddings come as tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lineal.errors import OptionError

Ids = NDArray[np.int64]
Lookup = Callable[[Ids], Tensor]
Strategy = Literal["greedy", "maxcount"]
BASELINE = -1
"""Stands for the baseline itself in a list of anchors."""
WORK_BYTES = 8 << 20
"""Memory for the candidates of one group of words."""


def find_anchors(
    words: Ids,
    which: Ids,
    baselines: Tensor,
    baseline_ids: Ids,
    steps: int,
    neighbours: Callable[[Ids], Ids],
    lookup: Lookup,
    strategy: Strategy,
    revisit: bool = False,
    stride: int | None = None,
) -> Ids:
    """Return the (n, steps) anchors of n words, all words and all candidates at once; those of one word depend on no other.

    words: (n,) ids. which: (n,) the row of `baselines` each walks to. baselines: (b, d) embeddings, baseline_ids: (b,) their ids, or
    BASELINE when no word has this embedding. neighbours: ids (n,) → (n, k) ids, nearest first. lookup: ids → embeddings.
    Neither the baseline nor a word of the path so far is a candidate; without candidates, and from the baseline on, the rest of the path
    is the baseline. Ties go to the nearest neighbour.
    greedy: the candidate that monotonising moves least. maxcount: the one with most dimensions between word and baseline.
    revisit: let words of the path, and the baseline, be candidates. stride: what the gap is divided by when a candidate is monotonised;
    None for `steps`, as published.
    Cost: k·d per distinct (word, baseline) that any path comes to; paths meet, so there are far fewer than n·steps of them.
    """
    if strategy not in ("greedy", "maxcount"):
        raise OptionError(f"unknown strategy {strategy!r}; choose greedy or maxcount")
    visited, home = words[:, None], baseline_ids[which]  # (n, 1 + steps so far), (n,)
    judged: dict[tuple[int, int], NDArray[np.float64]] = {}  # (word, baseline) → how bad each of its candidates is
    for _ in range(steps):
        chosen = np.full(len(words), BASELINE, dtype=np.int64)
        walking = np.flatnonzero((visited[:, -1] != home) & (visited[:, -1] != BASELINE))
        if len(walking):
            current = visited[walking, -1]
            candidates = neighbours(current)  # (w, k)
            places = list(zip(current.tolist(), which[walking].tolist(), strict=True))
            new = list({place: i for i, place in enumerate(places) if place not in judged}.values())
            size = max(1, WORK_BYTES // (baselines.element_size() * candidates.shape[1] * baselines.shape[1]))
            for rows in (new[i : i + size] for i in range(0, len(new), size)):
                towards = baselines[torch.as_tensor(which[walking[rows]], device=baselines.device)]
                badness = _badness(lookup(current[rows]), towards, lookup(candidates[rows]), stride or steps, strategy)
                judged.update(zip([places[i] for i in rows], badness, strict=True))
            badness = np.stack([judged[place] for place in places])  # (w, k)
            for gone in () if revisit else (home[walking], *visited[walking].T):
                badness[candidates == gone[:, None]] = np.inf
            best = badness.argmin(axis=1)  # the first of equals
            row = np.arange(len(best))
            chosen[walking] = np.where(np.isfinite(badness[row, best]), candidates[row, best], BASELINE)
        visited = np.concatenate([visited, chosen[:, None]], axis=1)
    return visited[:, 1:]


def _badness(current: Tensor, baseline: Tensor, candidates: Tensor, steps: int, strategy: Strategy) -> NDArray[np.float64]:
    """(n, k): what the strategy minimises. current, baseline: (n, d), candidates: (n, k, d)."""
    low, high = torch.minimum(current, baseline)[:, None], torch.maximum(current, baseline)[:, None]
    between = candidates.clamp(low, high) == candidates
    if strategy == "maxcount":
        return -between.sum(dim=-1).double().cpu().numpy()
    step = (current - (current - baseline) / steps)[:, None]
    moved = (candidates - step).masked_fill_(between, 0.0).square_().sum(dim=-1)
    return moved.double().cpu().numpy()


def monotonised(ends: Tensor, anchors: Sequence[Tensor], baselines: Tensor, even: bool, stride: int | None = None) -> Tensor:
    """Return the (m + 2, n, d) points from baseline to word.

    ends, baselines: (n, d); anchors: m tensors (n, d) from the word's side. A dimension of an anchor that does not lie between the last
    point and the baseline is replaced by a step from the last point towards the baseline: 1/m of the remaining gap as published, which
    leaves (1 − 1/m)^m ≈ 37 % of it to the last hop, or with `even` 1/(hops left), which moves such dimensions uniformly.
    """
    points, m = [ends], len(anchors)
    for t, anchor in enumerate(anchors):
        last = points[-1]
        between = (anchor >= torch.minimum(last, baselines)) & (anchor <= torch.maximum(last, baselines))
        points.append(torch.where(between, anchor, last - (last - baselines) / (m + 1 - t if even else stride or m)))
    return torch.stack([*points, baselines]).flip(0)


def refined(vertices: Tensor, times: int) -> Tensor:
    """Return the vertices with the middles between neighbours added, `times` times over: (v, …) → (2v − 1, …)."""
    for _ in range(times):
        middles = (vertices[1:] + vertices[:-1]) / 2
        vertices = torch.cat([torch.stack([vertices[:-1], middles], dim=1).flatten(0, 1), vertices[-1:]])
    return vertices
