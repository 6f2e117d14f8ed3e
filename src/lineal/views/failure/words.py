"""What a failure says: which text, and why."""

from __future__ import annotations

from lineal.records.failure import Failure
from lineal.views.media.table import Table
from lineal.views.parts.cells import By, visible
from lineal.views.parts.document import Document
from lineal.views.parts.words import Piece, opening

COLUMNS = ("row", "text", "error", "message")


def document(record: Failure) -> Document:
    """Return what is said of a text without an explanation."""
    return Document(
        what=f"Failure of text {record.row}, {opening(record.text)}",
        finding=(Piece("There is no explanation of this text.", "warning"),),
        facts=(visible(record.error),),
        converged=False,
        reason=visible(record.message),
    )


def failure_table(record: Failure, by: By = "word") -> Table:
    """Return the one row there is."""
    return Table(COLUMNS, [(record.row, record.text, record.error, record.message)])
