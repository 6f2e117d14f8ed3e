"""Several methods on one text, side by side: one page from several records of the same text. Nothing is computed but rank agreement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from lineal.errors import ResultError
from lineal.records.attribution import Attribution
from lineal.records.comparison import Comparison, differing
from lineal.views.comparison.words import agreement, scales
from lineal.views.media import html
from lineal.views.parts import numbers
from lineal.views.parts.answer import answer
from lineal.views.parts.cells import cells, visible
from lineal.views.parts.flow import Page, flow
from lineal.views.parts.guide import COMPARISON, guide, made
from lineal.views.parts.heat import Heat, drawn_targets, heat
from lineal.views.parts.words import quantity, target_name

STRONGEST = 3
NUMBERED = 16
"""Columns up to which a matrix shows its numbers in the cells; beyond, they appear when pointed at."""


@dataclass(frozen=True, eq=False)
class Row:
    """One method. scale: what full colour stands for; the same for all methods unless a method's scores are in another unit."""

    record: Attribution
    pages: list[Page]
    scale: float
    heat: Heat | None
    strongest: tuple[tuple[str, float], ...]
    closes: str
    verdict: str

    @property
    def places(self) -> int:
        """Decimals of the numbers in a matrix."""
        return max(0, numbers.places(self.scale) - 2)


def comparison_page(
    records: Comparison | Sequence[Attribution], target: int = 0, *, title: str | None = None, panels: Sequence[Markup] = ()
) -> str:
    """Return one HTML page with the records of a comparison side by side: text tinted on one scale, sums, cost, rank agreement.

    Records whose scores do not add up by design, and are larger or smaller than the others by a factor of 20, have their own scale, which
    is stated. With several targets (a generation) each method shows its matrix. panels: further HTML, one per record (`trust_panel`).
    Raises ResultError for records of different texts.
    """
    records = tuple(records)
    if (wrong := differing(records)) is not None:
        raise ResultError(wrong)
    first = records[0]
    if not 0 <= target < len(first.targets):
        raise ResultError(f"there is no target {target}; the records have {len(first.targets)}")
    matrix = len(first.targets) > 1
    beside = records if matrix else ()
    rows = [_row(record, target, scale, beside) for record, scale in zip(records, scales(records, target, matrix), strict=True)]
    return html.drawn(
        "compare.html",
        title=visible(title or first.text),
        what=quantity(first, target) if not matrix else numbers.count(len(first.targets), "generated token"),
        rows=rows,
        panels=panels,
        matrix=matrix,
        numbered=NUMBERED,
        one_scale=len({row.scale for row in rows}) == 1,
        target=target,
        names=[target_name(first, c) for c in drawn_targets(first)] if matrix else [],
        same_baseline=len({record.baseline for record in records}) == 1,
        agreement=agreement(records, None if matrix else target) if len(records) > 1 else None,
        unit=first.units[target],
        answer=answer(first, target),
        guide=guide(COMPARISON, first.units),
        made=made(first.model, first.versions.get("lineal", "")),
        data="{}",
        **html.dress("compare.js", "page.css", "compare.css"),
    )


def _row(record: Attribution, target: int, scale: float, beside: Sequence[Attribution]) -> Row:
    """Return one method. beside: the records whose matrices stand beside it, itself among them; none when texts are drawn instead."""
    content = [cell for cell in cells(record, "word") if cell.role == "content"]
    order = sorted(content, key=lambda cell: -abs(float(cell.values[target])))[:STRONGEST]
    stops = [stop for stop in record.stops if not stop.converged]
    return Row(
        record=record,
        pages=flow(record, "word"),
        scale=scale,
        heat=heat(record, drawn_targets(beside[0]), beside=beside) if beside else None,
        strongest=tuple((cell.name, float(cell.values[target])) for cell in order),
        closes=_closes(record),
        verdict=(stops[0].value.partition(":")[0] if stops else "converged") if record.adds_up else "no sum promised",
    )


def _closes(record: Attribution) -> str:
    """Return how far scores are from adding up, relative to |F(text) − F(baseline)|; the worst target's."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return numbers.percent(float(np.max(np.abs(record.residual) / np.abs(record.delta))))
