"""How tables of every kind are written: CSV, a data frame, Markdown."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lineal.errors import MissingExtraError
from lineal.views.parts.document import Block, Document
from lineal.views.parts.words import Piece

if TYPE_CHECKING:
    import pandas as pd

_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~&$])")


@dataclass(frozen=True)
class Table:
    """A table to compute with: every number in full precision, in the same columns for every record of a kind."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[object, ...]]

    def to_csv(self) -> str:
        """Return the table as CSV.

        Cells hold text as it is: import the file as text, as a spreadsheet takes a cell that begins with = + - or @ for a formula.
        """
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return file.getvalue()

    def to_dataframe(self) -> pd.DataFrame:
        """Return the table as a pandas data frame. Raises MissingExtraError when pandas is not installed."""
        try:
            import pandas as pd
        except ImportError:
            raise MissingExtraError("to_dataframe needs pandas: pip install pandas; to_csv gives the same table without it") from None
        return pd.DataFrame(self.rows, columns=list(self.columns))


def markdown(said: Document) -> str:
    """Return a document as Markdown: verdict, sentence, tables, and what a reader has to know."""
    facts = escaped("; ".join(said.facts))
    verdict = f"✓ {facts}." if said.converged else f"> ⚠ **{facts.upper()}**: {escaped(said.reason)}."
    finding = "".join(f"**{escaped(piece.text)}**" if piece.kind == "name" else escaped(piece.text) for piece in said.finding)
    answer = [escaped("".join(piece.text for piece in said.answer))] if said.answer else []
    tables = ("\n\n".join([f"### {escaped(block.title)}"] * bool(block.title) + ["\n".join(pipes(block))]) for block in said.blocks)
    cautions = (f"**Caution.** {escaped(caution)}" for caution in said.cautions)
    return "\n\n".join([f"## {escaped(said.what)}", verdict, *answer, finding, *tables, *cautions, *map(escaped, said.notes)]) + "\n"


def pipes(block: Block) -> list[str]:
    """Return a table to read as lines of Markdown; numbers stand to the right."""
    marks = ["---"] * block.names + ["---:"] * (len(block.heads) - block.names)
    return [piped(map(_cell, block.heads)), piped(marks), *(piped(map(_cell, row)) for row in block.rows)]


def piped(cells: Iterable[str]) -> str:
    """Return one row of a table."""
    return f"| {' | '.join(cells)} |"


def _cell(cell: str | Piece) -> str:
    return f"**{escaped(cell.text)}**" if isinstance(cell, Piece) else escaped(cell)


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return _MARKS.sub(r"\\\1", re.sub(r"\s+", " ", text))
