"""Which cells get a column when several targets are shown at once: all of them, or the loudest and one more for the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineal.records.attribution import Attribution
from lineal.views.parts.cells import By, Cell, cells

MOST_TARGETS = 64
"""Targets that are drawn; the others stay in the record."""
MOST_COLUMNS = 60
"""Cells with a column of their own; the weaker ones are summed into one more."""


@dataclass(frozen=True, eq=False)
class Heat:
    """A matrix to look at. columns: its cells. others: how many more are summed in the last column, if any. values: (rows, columns)."""

    columns: tuple[Cell, ...]
    others: int
    values: NDArray[np.float64]

    @property
    def labels(self) -> tuple[str, ...]:
        """One label per column of `values`."""
        return (*(cell.label for cell in self.columns), *([f"{self.others} others"] if self.others else []))


def heat(record: Attribution, targets: Sequence[int], by: By = "word", beside: Sequence[Attribution] = ()) -> Heat:
    """Return the scores of the content cells for these targets, in text order; rows still add up to what content adds up to.

    beside: other records of the same text, which are to have the same columns: those where any of them is loudest, by its own measure.
    """
    rows = list(targets)
    items = [cell for cell in cells(record, by) if cell.role == "content"]
    loudness = np.max([_loudness(one, rows, by) for one in beside or (record,)], axis=0)
    kept = set(np.argsort(-loudness, kind="stable")[:MOST_COLUMNS].tolist())
    columns = [cell for i, cell in enumerate(items) if i in kept]
    others = [cell for i, cell in enumerate(items) if i not in kept]
    values = [cell.values[rows] for cell in columns]
    if others:
        values.append(np.sum([cell.values[rows] for cell in others], axis=0))
    return Heat(tuple(columns), len(others), np.stack(values, axis=1) if values else np.zeros((len(rows), 0)))


def _loudness(record: Attribution, rows: list[int], by: By) -> NDArray[np.float64]:
    """Return how loud each content cell is, relative to the loudest."""
    found = [np.nan_to_num(np.abs(cell.values[rows]), nan=np.inf).max() for cell in cells(record, by) if cell.role == "content"]
    largest = max((value for value in found if np.isfinite(value)), default=0.0)
    return np.array(found) / (largest or 1.0)


def drawn_targets(record: Attribution) -> tuple[int, ...]:
    """Return the targets that are drawn, in their own order: all, or those with the largest mass."""
    order = np.argsort(-np.nan_to_num(record.mass, nan=np.inf), kind="stable")[:MOST_TARGETS]
    return tuple(sorted(order.tolist()))
