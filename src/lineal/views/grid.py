"""What is drawn of a pair: the words of both texts, their matrix, and the links worth a line. The rest is summed, never dropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineal.pair_attribution import PairAttribution, Side
from lineal.views.cells import visible

MOST_WORDS = 60
"""Words per text with a row or column of their own; the weaker ones share one more."""
MOST_LINKS = 24
"""Lines of the drawing."""
LEAST_LINK = 0.12
"""Links weaker than this share of the strongest get no line."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Link:
    """One cell of the grid: row i, column j and its score."""

    i: int
    j: int
    score: float


@dataclass(frozen=True, eq=False)
class Grid:
    """The matrix as it is drawn. rows, columns: names of words. others: whether the last row, the last column stands for several words.

    values: (rows, columns). row_terms, column_terms: the remainder of each word. Everything adds up to what the record adds up to, less
    the bias.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    others: tuple[bool, bool]
    values: Floats
    row_terms: Floats
    column_terms: Floats

    @property
    def largest(self) -> float:
        """The largest finite |cell|: full colour."""
        return float(np.abs(np.nan_to_num(self.values)).max(initial=0.0))

    @property
    def links(self) -> tuple[Link, ...]:
        """The strongest cells, strongest first, each word's own strongest among them when it is strong enough."""
        strength = np.abs(np.nan_to_num(self.values))[: len(self.rows) - self.others[0], : len(self.columns) - self.others[1]]
        order = np.argsort(-strength.ravel(), kind="stable")[:MOST_LINKS]
        cells = [divmod(int(at), strength.shape[1]) for at in order if strength.ravel()[at] > LEAST_LINK * self.largest]
        return tuple(Link(i, j, float(self.values[i, j])) for i, j in cells)


def grid(record: PairAttribution) -> Grid:
    """Return the record's words as a grid; special tokens that are exactly 0 are left out."""
    words = record.words()
    quiet = np.abs(np.nan_to_num(words.matrix, nan=np.inf))
    rows = _drawn(words.a, quiet.max(axis=1, initial=0.0) + np.abs(words.row_terms))
    columns = _drawn(words.b, quiet.max(axis=0, initial=0.0) + np.abs(words.column_terms))
    values = _folded(_folded(words.matrix, rows).T, columns).T
    return Grid(
        rows=_names(words.a, rows),
        columns=_names(words.b, columns),
        others=(len(rows) > 1 and len(rows[-1]) > 1, len(columns) > 1 and len(columns[-1]) > 1),
        values=values,
        row_terms=_folded(words.row_terms, rows),
        column_terms=_folded(words.column_terms, columns),
    )


def _drawn(side: Side, loudness: Floats) -> list[list[int]]:
    """Return which words each drawn row stands for: one each, and one for all that are too quiet."""
    shown = [i for i, role in enumerate(side.roles) if role == "content" or loudness[i] > 0]
    if len(shown) <= MOST_WORDS:
        return [[i] for i in shown]
    loud = set(sorted(shown, key=lambda i: -loudness[i])[: MOST_WORDS - 1])
    return [*([i] for i in shown if i in loud), [i for i in shown if i not in loud]]


def _folded(values: Floats, groups: list[list[int]]) -> Floats:
    return np.stack([values[group].sum(axis=0) for group in groups])


def _names(side: Side, groups: list[list[int]]) -> tuple[str, ...]:
    return tuple(visible(side.tokens[group[0]]) if len(group) == 1 else f"{len(group)} others" for group in groups)
