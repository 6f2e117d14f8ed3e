"""Interactions as a table to compute with."""

from __future__ import annotations

from lineal.records.interactions import Interactions
from lineal.views.media.table import Table
from lineal.views.parts.cells import By

COLUMNS = ("i", "j", "word", "with", "score", "unit", "level", "f_input", "f_baseline", "residual", "error", "evaluations", "stop")


def interactions_table(record: Interactions, by: By = "word") -> Table:
    """Return one row per cell of the matrix; they sum to F(text) − F(baseline) + residual. by: token, else words."""
    own = record if by == "token" else record.words()
    base, names = own.attribution, own.attribution.tokens
    ends = (float(base.f_input[0]), float(base.f_baseline[0]))
    how = (own.unit, base.level, *ends, own.residual, own.error, base.evaluations, own.stop.name.lower())
    cells = ((i, j, score) for i, row in enumerate(own.matrix.tolist()) for j, score in enumerate(row))
    return Table(COLUMNS, [(i, j, names[i], names[j], score, *how) for i, j, score in cells])
