"""A record in words and tables: what every medium can say of every kind, whatever else it draws of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lineal.views.parts.words import Piece, spoken

BEST = "name"
"""The kind of a cell that stands out."""


@dataclass(frozen=True)
class Block:
    """A table to read. heads: (n,) of its columns. rows: n cells each; a `Piece` stands out. names: how many columns are names."""

    heads: tuple[str, ...]
    rows: Sequence[Sequence[str | Piece]]
    title: str = ""
    names: int = 1


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
