"""Two texts and one row of scores as one self-contained page: both texts tinted, what each adds, the strongest words of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lineal.records.attribution import Attribution
from lineal.views.attribution.article import article, scales
from lineal.views.attribution.page import numbers_of
from lineal.views.media import html
from lineal.views.parts.cells import By, levels, visible
from lineal.views.parts.chart import Chart, chart
from lineal.views.parts.guide import ATTRIBUTION, guide, made
from lineal.views.parts.heat import drawn_targets
from lineal.views.parts.words import by_words, quantity
from lineal.views.sides.words import Side, no_matrix, parts, sentence, sides


@dataclass(frozen=True)
class Table:
    """One text's strongest words."""

    side: Side
    chart: Chart


@dataclass(frozen=True)
class Drawing:
    """One target. tables: those of both texts, on one axis, for every level. whole: what the parts add up to."""

    target: int
    converged: bool
    error: float
    whole: str
    parts: tuple[tuple[str, float, str], ...]
    tables: dict[By, tuple[Table, ...]]


def sides_page(record: Attribution, *, title: str | None = None, panels: Sequence[Markup] = ()) -> str:
    """Return a whole HTML page about two texts that a model reads together (`lineal.views.has_sides`), in the frame of `pair_page`.

    A sentence, both texts tinted by score, the strongest words of each, the sums of each with baseline and residual. No matrix, and why.
    panels: further HTML below the drawings (`trust_panel`).
    """
    offered, targets, drawn = levels(record), drawn_targets(record), scales([record])
    return html.drawn(
        "sides.html",
        title=visible(title or f"{by_words(record.texts[0], 60)} ↔ {by_words(record.texts[1], 60)}"),
        a=article(record, offered, targets, drawn, sentence),
        drawings=[_drawing(record, target, offered) for target in targets],
        no_matrix=no_matrix(record),
        panels=panels,
        shared=set(),
        guide=guide(ATTRIBUTION, record.units),
        made=made(record.model, record.versions.get("lineal", "")),
        **numbers_of([record], drawn),
        **html.dress("page.js", "page.css", "pair.css"),
    )


def _drawing(record: Attribution, target: int, offered: tuple[By, ...]) -> Drawing:
    return Drawing(
        target=target,
        converged=record.stops[target].converged,
        error=float(record.error[target]),
        whole=quantity(record, target),
        parts=parts(record, target),
        tables={by: _tables(record, target, by) for by in offered},
    )


def _tables(record: Attribution, target: int, by: By) -> tuple[Table, ...]:
    """Lay the bars of both texts out on one axis, so that they can be compared, and part them again."""
    both = sides(record, target, by)
    laid = chart([bar for side in both for bar in side.bars], float(record.error[target]))
    strokes = iter(laid.strokes)
    return tuple(Table(side, Chart(tuple(next(strokes) for _ in side.bars), laid.zero, laid.places)) for side in both)
