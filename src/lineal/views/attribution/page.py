"""Records as HTML: `page`, a whole self-contained page, and `repr_html`, a fragment for a notebook. No network, no framework.

The page is drawn here for its first target; its script only switches, links and shows numbers, from the record itself, which lies in the
page as JSON.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from lineal.records.attribution import Attribution
from lineal.views.attribution.article import Scales, article, scales
from lineal.views.media import html
from lineal.views.parts import numbers
from lineal.views.parts.cells import By, levels, visible
from lineal.views.parts.flow import said
from lineal.views.parts.guide import ATTRIBUTION, guide, made
from lineal.views.parts.heat import drawn_targets
from lineal.views.parts.words import by_words, unit_name

LISTED = 4
"""Records without headings from which a page is a list, a line each, that opens to the whole."""
MOST_FOLDED = 12
"""Targets that a notebook fragment draws."""


def page(
    records: Attribution | Sequence[Attribution], *, title: str | None = None, headings: Sequence[str] = (), panels: Sequence[Markup] = ()
) -> str:
    """Return a whole HTML page about one or several records.

    title: of the page; by default the beginning of the text. headings: one per record; by default what is explained.
    panels: further HTML, one per record (`trust_panel`). Targets that share a unit share one colour scale, also across records.
    """
    several = [records] if isinstance(records, Attribution) else list(records)
    drawn, listed = scales(several), len(several) >= LISTED and not headings
    return html.drawn(
        "page.html",
        title=visible(title) if title else _title(several),
        headings=headings,
        panels=dict(enumerate(panels)) | {i: Markup("") for i in range(len(panels), len(several))},
        listed=listed,
        articles=[article(record, levels(record), drawn_targets(record), drawn) for record in several],
        unsure=sum(not record.converged for record in several),
        shared=_shared(several),
        guide=guide(ATTRIBUTION, [unit for record in several for unit in record.units]),
        made=made(several[0].model, several[0].versions.get("lineal", "")),
        **numbers_of(several, drawn),
        **html.dress("page.js", "page.css", *(["list.css"] if listed else [])),
    )


def numbers_of(several: Sequence[Attribution], drawn: Scales) -> dict[str, Any]:
    """Return what the script of a page of attributions reads: the records, their scales, their units."""
    data = {"records": [r.to_dict() for r in several], "scales": drawn, "units": {unit: unit_name(unit) for unit in drawn}}
    return {"scales": drawn, "data": html.safe_json(data)}


def repr_html(record: Attribution, by: By = "word", target: int | None = None) -> str:
    """Return the record as a fragment for a notebook cell: no script, no ids, styles that touch nothing outside of it.

    target: an index, or None for all: the first is open, the others are folded.
    """
    targets, drawn = drawn_targets(record)[:MOST_FOLDED] if target is None else (target,), scales([record])
    return html.drawn("fragment.html", a=article(record, (by,), targets, drawn), scales=drawn, style=Markup(html.asset("marks.css")))


def _shared(several: list[Attribution]) -> set[str]:
    """Return the units that belong to more than one record."""
    units = Counter(unit for record in several for unit in set(record.units))
    return {unit for unit, n in units.items() if n > 1}


def _title(several: list[Attribution], limit: int = 70) -> str:
    """Return the first words of the first text, and how many results follow."""
    opening = by_words(said(several[0]), limit)
    return opening if len(several) == 1 else f"{opening} and {numbers.count(len(several) - 1, 'more result')}"
