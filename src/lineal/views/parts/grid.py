"""What is drawn of a matrix: its words, its cells, and the links worth a line. The rest is summed, never dropped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineal.records.group import summed
from lineal.records.interactions import Interactions
from lineal.records.pair import PairAttribution
from lineal.views.parts.cells import named

MOST_WORDS = 60
"""Words per text with a row or column of their own; the weaker ones share one more."""
MOST_LINKS = 10
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
    """A matrix as it is drawn. rows, columns: names of words. others: whether the last row, the last column stands for several words.

    values: (rows, columns). row_terms: a number beside each row; column_terms: one below each column; or none at all. margin: what both
    are called. symmetric: rows and columns are the same words; then the diagonal, a word by itself, does not set the scale.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    others: tuple[bool, bool]
    values: Floats
    row_terms: Floats
    column_terms: Floats
    margin: str
    symmetric: bool = False

    @property
    def own(self) -> Floats:
        """The finite |cells| of single words, without what is summed in the last row or column."""
        return np.abs(np.nan_to_num(self.values))[: len(self.rows) - self.others[0], : len(self.columns) - self.others[1]]

    @property
    def largest(self) -> float:
        """The largest |cell| of single words: full colour. Of a symmetric grid the largest beside the diagonal, when there is any."""
        beside = self.own * ~np.eye(len(self.own), dtype=bool) if self.symmetric else self.own
        return float(beside.max(initial=0.0) or self.own.max(initial=0.0))

    @property
    def links(self) -> tuple[Link, ...]:
        """The strongest cells, strongest first, each word's own strongest among them when it is strong enough."""
        flat = self.own.ravel()
        order = np.argsort(-flat, kind="stable")[:MOST_LINKS]
        cells = [divmod(int(at), self.own.shape[1]) for at in order if flat[at] > LEAST_LINK * self.largest]
        return tuple(Link(i, j, float(self.values[i, j])) for i, j in cells)

    def numbers(self, unit: str, error: float) -> dict[str, Any]:
        """Return the grid for the script of a page, in four digits: one more than it shows."""
        return {
            "rows": self.rows,
            "columns": self.columns,
            "values": [_digits(row) for row in self.values.tolist()],
            "row_terms": _digits(self.row_terms.tolist()),
            "column_terms": _digits(self.column_terms.tolist()),
            "symmetric": self.symmetric,
            "unit": unit,
            "error": _digits([error])[0],
        }


def grid(record: PairAttribution | Interactions) -> Grid:
    """Return the record's words as a grid; special tokens that are exactly 0 are left out.

    A pair: words of one text × words of the other, and of four parts what each is alone beside them; everything adds up to the similarity
    less what both share with empty texts, or less the bias.
    Interactions: all words × all words, beside them the row sums.
    """
    return _joint(record.words()) if isinstance(record, Interactions) else _of_pair(record.words())


def _of_pair(words: PairAttribution) -> Grid:
    quiet = np.abs(np.nan_to_num(words.matrix, nan=np.inf))
    rows = _drawn(words.a.roles, quiet.max(axis=1, initial=0.0) + np.abs(words.row_terms))
    columns = _drawn(words.b.roles, quiet.max(axis=0, initial=0.0) + np.abs(words.column_terms))
    alone = words.decomposition == "four"
    return Grid(
        rows=_names(words.a.tokens, rows),
        columns=_names(words.b.tokens, columns),
        others=(_folds(rows), _folds(columns)),
        values=summed(summed(words.matrix, rows, axis=0), columns, axis=1),
        row_terms=summed(words.row_terms, rows, axis=0) if alone else np.zeros(0),
        column_terms=summed(words.column_terms, columns, axis=0) if alone else np.zeros(0),
        margin="alone",
    )


def _joint(words: Interactions) -> Grid:
    sums = words.matrix.sum(axis=1)
    groups = _drawn(words.attribution.roles, np.abs(np.nan_to_num(words.matrix, nan=np.inf)).max(axis=1, initial=0.0))
    names = _names(words.attribution.tokens, groups)
    return Grid(
        rows=names,
        columns=names,
        others=(_folds(groups), _folds(groups)),
        values=summed(summed(words.matrix, groups, axis=0), groups, axis=1),
        row_terms=summed(sums, groups, axis=0),
        column_terms=np.zeros(0),
        margin="sum",
        symmetric=True,
    )


def _drawn(roles: Sequence[str], loudness: Floats) -> list[list[int]]:
    """Return which words each drawn row stands for: one each, and one for all that are too quiet."""
    shown = [i for i, role in enumerate(roles) if role == "content" or loudness[i] > 0]
    if len(shown) <= MOST_WORDS:
        return [[i] for i in shown]
    loud = set(sorted(shown, key=lambda i: -loudness[i])[: MOST_WORDS - 1])
    return [*([i] for i in shown if i in loud), [i for i in shown if i not in loud]]


def _folds(groups: list[list[int]]) -> bool:
    return len(groups) > 1 and len(groups[-1]) > 1


def _names(tokens: Sequence[str], groups: list[list[int]]) -> tuple[str, ...]:
    return tuple(named(tokens[group[0]]) if len(group) == 1 else f"{len(group)} others" for group in groups)


def _digits(values: list[float]) -> list[float | str]:
    return [float(f"{value:.4g}") if math.isfinite(value) else str(value) for value in values]
