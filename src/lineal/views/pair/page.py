"""Pairs and ranked matches as one self-contained page each: the alignment drawing, the heat map, the parts, the numbers on hover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from lineal.records.pair import Matches, PairAttribution
from lineal.views.media import html
from lineal.views.pair import words as pair_summary
from lineal.views.parts.cells import visible
from lineal.views.parts.grid import Grid, Link, grid
from lineal.views.parts.guide import MATCHES, PAIR, guide, made
from lineal.views.parts.palette import strength
from lineal.views.parts.tinted import tinted
from lineal.views.parts.words import by_words

LINE, GAP = 26, 220
"""Pixels per word of the drawing, and between its columns."""
LABEL = 190
"""Pixels for the words on either side."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """One pair as the template draws it."""

    number: int
    record: PairAttribution
    grid: Grid

    @property
    def height(self) -> int:
        """Pixels of the alignment drawing."""
        return LINE * max(len(self.grid.rows), len(self.grid.columns)) + 8

    @property
    def cells(self) -> dict[str, Any]:
        """Return the grid for the script."""
        return self.grid.numbers(self.record.unit, self.record.error)

    @property
    def curves(self) -> list[dict[str, Any]]:
        """Return the links as curves, weakest first so that the strongest lie on top."""
        return [self._curve(link) for link in reversed(self.grid.links)]

    def y(self, index: int, words: int) -> float:
        """Return the height of a word; the shorter text is centred."""
        return LINE * (index + 0.5) + (self.height - LINE * words) / 2

    def _curve(self, link: Link) -> dict[str, Any]:
        top, bottom = self.y(link.i, len(self.grid.rows)), self.y(link.j, len(self.grid.columns))
        left, right, middle = LABEL + 8, LABEL + GAP - 8, LABEL + GAP / 2
        share = strength(link.score, self.grid.largest)
        path = f"M{left} {top:.1f}C{middle:.0f} {top:.1f} {middle:.0f} {bottom:.1f} {right} {bottom:.1f}"
        return {"path": path, "width": round(0.8 + 6 * share, 2), "opacity": round(0.35 + 0.65 * share, 2), "link": link}


def pair_page(record: PairAttribution, *, title: str | None = None, panels: Sequence[Markup] = ()) -> str:
    """Return a whole HTML page about one pair. panels: further HTML below the drawings (`trust_panel`)."""
    heading = title or f"{by_words(record.a.text, 60)} ↔ {by_words(record.b.text, 60)}"
    drawing = Drawing(0, record, grid(record))
    read = {"guide": guide(PAIR, [record.unit]), "made": made(record.model, record.versions.get("lineal", ""))}
    return _page(
        "pair.html", title=visible(heading), drawings=[drawing], panels=panels, **read, **html.carried(record.to_dict(), [drawing.cells])
    )


def matches_page(matches: Matches, *, title: str | None = None, panels: Sequence[Markup] = ()) -> str:
    """Return a whole HTML page about a query and its ranked documents: the words behind every match, the matrices folded away.

    panels: further HTML, one per explained document (`trust_panel`).
    """
    drawings = [Drawing(number, pair, grid(pair)) for number, pair in enumerate(matches.pairs)]
    texts = [matches.documents[i] if matches.documents else f"document {i + 1}" for i in matches.order]
    rest = list(zip(matches.order, matches.similarities, texts, strict=True))[len(drawings) :]
    return _page(
        "matches.html",
        title=visible(title or f"Matches of “{by_words(matches.query, 80)}”"),
        matches=matches,
        drawings=drawings,
        panels=panels,
        rest=rest,
        guide=guide(MATCHES, [pair.unit for pair in matches.pairs]),
        made=made(*((matches.pairs[0].model, matches.pairs[0].versions.get("lineal", "")) if matches.pairs else ())),
        **html.carried(matches.to_dict(), [drawing.cells for drawing in drawings]),
    )


def _page(template: str, **what: Any) -> str:
    own = {"summary": pair_summary, "tinted": tinted, "LABEL": LABEL, "GAP": GAP}
    return html.drawn(template, **own, **html.dress("pair.js", "page.css", "pair.css"), **what)
