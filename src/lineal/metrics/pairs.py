"""Does the similarity of two texts fall when the tokens that a pair matrix names are removed? Plain numbers; knows nothing about models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lineal.errors import OptionError, listing
from lineal.metrics.curves import count

Floats = NDArray[np.float64]
Gone = NDArray[np.bool_]
From = Literal["a", "b", "both"]
SHARES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
"""Shares of the tokens: to one half, since two texts of which nothing is left are alike whatever they said."""
Similarities = Callable[[list[tuple[Gone, Gone]]], Floats]
"""From groups of tokens that are gone in the first text (n_a,) and in the second (n_b,) to the similarity of what is left."""


@dataclass(frozen=True)
class PairCurve:
    """Similarity as tokens go. counts: (c,) how many of those that may go, from 0 to half of them.

    named: (c,) with those gone that the strongest cells name first. random: (r, c) in random orders, the control.
    """

    counts: tuple[int, ...]
    named: Floats
    random: Floats

    @property
    def ahead(self) -> float:
        """How much lower the similarity lies than in random order, on average over the curve; higher is better, 0 is chance.

        In units of the similarity; not normalised, as there is no bottom to fall to.
        """
        return self._mean(self.random.mean(axis=0)) - self._mean(self.named)

    @property
    def spread(self) -> float:
        """Standard deviation of `ahead` over random orders: what chance alone gives."""
        return float(np.std([self._mean(row) for row in self.random], ddof=1))

    def _mean(self, row: Floats) -> float:
        return float(np.trapezoid(row, self.counts)) / self.counts[-1]


def named_order(matrix: Floats) -> NDArray[np.int64]:
    """Return the tokens of both texts, (n_a + n_b,) numbers with the second text's behind the first's, in the order cells name them.

    matrix: (n_a, n_b). Cells go by signed score, strongest first; each names its row, then its column.
    """
    rows, columns = matrix.shape
    strongest = np.argsort(-matrix, axis=None, kind="stable")
    named = np.stack([strongest // columns, rows + strongest % columns], axis=1).ravel()
    _, first = np.unique(named, return_index=True)
    return np.asarray(named[np.sort(first)], dtype=np.int64)


def pair_curve(matrix: Floats, similarities: Similarities, sides: From = "a", draws: int = 8, seed: int = 0) -> PairCurve:
    """Return how fast a similarity falls as the tokens that the matrix (n_a, n_b) names go, beside `draws` random orders.

    sides: which text's tokens go, the other staying whole, or those of both, as in the pair-removal curves of BiLRP. Here a step removes
    a token and not a cell, so that orders are compared at equal numbers of tokens. Of a similarity that is the sum of its cells, the
    curve is the sum of the cells whose tokens are both left. With "both", what is left of a real model's texts may be more alike than
    the texts were, as when what they share goes from both: a curve that rises does not prove the matrix wrong. Nor trust it on texts
    of a handful of tokens. Raises OptionError for another `sides`. Cost: at most 8 (draws + 1) similarities.
    """
    if sides not in get_args(From):
        raise OptionError(f"unknown sides {sides!r}; choose one of {listing(get_args(From))}")
    rows, n, rng = matrix.shape[0], sum(matrix.shape), np.random.default_rng(seed)
    named = named_order(matrix)
    named = named[{"a": named < rows, "b": named >= rows, "both": named >= 0}[sides]]
    numbers = tuple(sorted({count(share, len(named)) for share in SHARES}))
    orders = [named, *(rng.permutation(named) for _ in range(draws))]
    groups = []
    for order in orders:
        for j in numbers:
            gone = np.isin(np.arange(n), order[:j])
            groups.append((gone[:rows], gone[rows:]))
    found = np.asarray(similarities(groups), dtype=np.float64).reshape(draws + 1, len(numbers))
    return PairCurve(numbers, found[0], found[1:])
