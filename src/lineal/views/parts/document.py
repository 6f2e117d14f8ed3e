"""A record in words and tables: what every medium can say of every kind, whatever else it draws of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lineal.views.parts.words import Piece, spoken

BEST = "name"
"""The kind of a cell that stands out."""


@dataclass(frozen=True)
class Block:
    """A table to read. heads: (n,) of its columns. rows: n cells each; a `Piece` stands out. names: how many columns are names.

    spans: (low, value, high) of each row, drawn on one axis where there is room for a drawing; none for a table without one.
    """

    heads: tuple[str, ...]
    rows: Sequence[Sequence[str | Piece]]
    title: str = ""
    names: int = 1
    spans: Sequence[tuple[float, float, float]] = ()

    @property
    def axis(self) -> tuple[float, list[tuple[float, float, float]]]:
        """Where 0 lies, and the left edge, width and value of each span, in percent of an axis that holds all values and 0.

        An end beyond twice the values' reach is cut there, so that one wide interval does not make all others points.
        """
        values = [value for _, value, _ in self.spans if math.isfinite(value)]
        reach = max(values, default=0.0) - min([0.0, *values]) if values else 0.0
        reach = reach or 1.0
        low = max(min([0.0, *(low for low, _, _ in self.spans)]), min([0.0, *values]) - reach)
        high = min(max([0.0, *(high for _, _, high in self.spans)]), max([0.0, *values]) + reach)

        def place(value: float) -> float:
            return round(100 * (min(high, max(low, value)) - low) / ((high - low) or 1.0), 2) if not math.isnan(value) else place(0.0)

        return place(0.0), [(place(a), round(place(b) - place(a), 2), place(value)) for a, value, b in self.spans]


@dataclass(frozen=True)
class Document:
    """What is said of a record. what: its kind and its text. answer: what the model answered, where it answered something. finding: one
    sentence. facts: how far it can be trusted, in short phrases.

    reason: why it did not converge. blocks: tables. notes: what a reader has to know; cautions: what is wrong with what was explained.
    """

    what: str
    finding: tuple[Piece, ...]
    facts: tuple[str, ...]
    converged: bool = True
    reason: str = ""
    blocks: tuple[Block, ...] = ()
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    answer: tuple[Piece, ...] = ()

    @property
    def lines(self) -> tuple[str, str, str]:
        """Three lines: what it is, what was found, how far that can be trusted."""
        said = (*self.answer, *([Piece(". ")] if self.answer else []), *self.finding)
        return self.what, spoken(said), " · ".join(self.facts)
