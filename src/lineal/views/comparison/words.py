"""What a comparison says: how far methods agree, on which scale they are drawn, and a row for each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lineal.metrics.agreement import spearman
from lineal.records.attribution import Attribution
from lineal.records.comparison import Comparison
from lineal.views.parts import numbers
from lineal.views.parts.cells import cells, visible
from lineal.views.parts.document import Block, Document
from lineal.views.parts.words import Piece, doubts, opening, quantity, truncations


def document(comparison: Comparison) -> Document:
    """Return what is said of a comparison; of several targets (a generation), the sums over all of them."""
    records = comparison.records
    first = records[0]
    several = len(first.targets) > 1
    alike = agreement(records, None if several else 0)
    others = [value for i, row in enumerate(alike) for value in row[i + 1 :] if value == value]
    what = numbers.count(len(first.targets), "generated token" if first.steps else "target") if several else quantity(first)
    finding = [Piece(f"{numbers.count(len(records), 'method')} on {what}")]
    if others:
        finding.append(Piece(f"; their orders of words agree from {_two(min(others))} to {_two(max(others))} (1: the same, 0: unrelated)"))
    done = sum(record.converged for record in records)
    gradients, seconds = sum(record.evaluations for record in records), sum(record.seconds for record in records)
    rows = [_row(record, value) for record, value in zip(records, alike[0], strict=True)]
    heads = ("method", "strongest words", "sum off by", "agrees with the first", "gradients", "seconds")
    open_ = next((record for record in records if not record.converged), first)
    return Document(
        what=f"Comparison of {' ↔ '.join(map(opening, first.texts))} · {visible(first.model.name)}",
        finding=(*finding, Piece(".")),
        facts=(f"{done} of {len(records)} converged", numbers.count(gradients, "gradient"), f"{numbers.number(seconds, 3)} s"),
        converged=comparison.converged,
        reason=f"{visible(open_.method)}: {open_.stop.said(open_.model.dtype)}",
        blocks=(Block(heads, rows, names=2),),
        notes=tuple(dict.fromkeys((*truncations(first), *(visible(note) for record in records for note in record.notes)))),
        cautions=tuple(dict.fromkeys(said for record in records for said in doubts(record))),
    )


def _row(record: Attribution, alike: float) -> tuple[str, ...]:
    words = sorted((c for c in cells(record, "word") if c.role == "content"), key=lambda c: -abs(float(c.values.sum())))[:3]
    total = float(record.delta.sum())
    share = abs(float(record.residual.sum()) / total) if total else float("nan")
    return (
        visible(record.method),
        ", ".join(f"{c.name} {numbers.signed(float(c.values.sum()), 2)}" for c in words),
        numbers.percent(share) + ("" if record.adds_up else " (no sum promised)") + ("" if record.converged else " not converged"),
        _two(alike),
        str(record.evaluations),
        f"{record.seconds:.2f}",
    )


def _two(value: float) -> str:
    return "–" if value != value else f"{value:.2f}".replace("-", "−")


def agreement(records: Sequence[Attribution], target: int | None = 0) -> list[list[float]]:
    """Return Spearman's correlation of the signed word scores of every two records; NaN where one is constant or words are too few.

    target: None takes the scores of all targets together, but for words that no record's target can see (score exactly 0 in all).
    """
    rows = np.array([[cell.values for cell in cells(record, "word") if cell.role == "content"] for record in records])  # (m, words, k)
    rows = rows.reshape(len(records), -1) if target is None else rows[:, :, target]
    if target is None:
        rows = rows[:, (rows != 0).any(axis=0)]
    return [[spearman(a, b) for b in rows] for a in rows]


def scales(records: Sequence[Attribution], target: int, matrix: bool) -> list[float]:
    """Return what full colour stands for in each record: common to all that promise a sum, and to all others of similar size."""
    rows = slice(None) if matrix else slice(target, target + 1)
    largest = [max((float(np.abs(cell.values[rows]).max()) for cell in cells(record, "word")), default=0.0) for record in records]
    common = max((size for size, record in zip(largest, records, strict=True) if record.adds_up), default=max(largest))
    return [
        common if record.adds_up or common / 20 <= size <= 1.5 * common else size for size, record in zip(largest, records, strict=True)
    ]
