"""Pairs and ranked matches as one self-contained page each: the alignment drawing, the heat map, the four parts, the numbers on hover."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lineal.pair_attribution import Matches, PairAttribution
from lineal.views import numbers, pair_summary
from lineal.views.cells import short, visible
from lineal.views.grid import Grid, Link, grid
from lineal.views.html import _asset, _json
from lineal.views.palette import strength

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


@dataclass(frozen=True)
class Tinted:
    """A piece of a document: a word with its score, or what stands between words (score None)."""

    text: str
    score: float | None = None
    share: float = 0.0


def pair_page(record: PairAttribution, *, title: str | None = None) -> str:
    """Return a whole HTML page about one pair."""
    heading = title or f"{short(visible(record.a.text), 40)} ↔ {short(visible(record.b.text), 40)}"
    drawing = Drawing(0, record, grid(record))
    return _render(
        "pair.html", title=visible(heading), drawings=[drawing], data=_json({"record": record.to_dict(), "grids": [_cells(drawing)]})
    )


def matches_page(matches: Matches, *, title: str | None = None) -> str:
    """Return a whole HTML page about a query and its ranked documents: the words behind every match, the matrices folded away."""
    drawings = [Drawing(number, pair, grid(pair)) for number, pair in enumerate(matches.pairs)]
    rest = list(zip(matches.order, matches.similarities, strict=True))[len(drawings) :]
    return _render(
        "matches.html",
        title=visible(title or f"Matches of “{short(matches.query, 60)}”"),
        matches=matches,
        drawings=drawings,
        rest=rest,
        data=_json({"record": matches.to_dict(), "grids": [_cells(drawing) for drawing in drawings]}),
    )


def tinted(record: PairAttribution) -> list[Tinted]:
    """Return the second text in pieces: each word with what it adds to the similarity, given the first text.

    A word's score is its column of the matrix and its column term; the scores add up to the similarity less that of the baseline.
    """
    words = record.words()
    scores = words.matrix.sum(axis=0) + words.column_terms
    largest = float(max((abs(score) for score in scores), default=0.0))
    pieces, position = [], 0
    for (begin, end), score, segment in zip(words.b.offsets, scores, words.b.segments, strict=True):
        if segment < 0 or end <= position:
            continue
        begin += len(words.b.text[begin:end]) - len(words.b.text[begin:end].lstrip())
        if begin > position:
            pieces.append(Tinted(words.b.text[position:begin]))
        pieces.append(Tinted(words.b.text[max(begin, position) : end], float(score), round(strength(float(score), largest), 3)))
        position = end
    return [*pieces, Tinted(words.b.text[position:])] if position < len(words.b.text) else pieces


def _cells(drawing: Drawing) -> dict[str, Any]:
    own = drawing.grid
    return {
        "rows": own.rows,
        "columns": own.columns,
        "values": [[_number(v) for v in row] for row in own.values.tolist()],
        "row_terms": [_number(v) for v in own.row_terms.tolist()],
        "column_terms": [_number(v) for v in own.column_terms.tolist()],
        "unit": drawing.record.unit,
        "error": _number(drawing.record.error),
    }


def _number(value: float) -> float | str:
    return value if abs(value) < float("inf") else str(value)


def _render(template: str, **what: Any) -> str:
    script = _asset("pair.js")
    environment = Environment(
        loader=PackageLoader("lineal.views", "assets"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"visible": visible, "short": short, "number": numbers.number, "signed": numbers.signed, "fixed": numbers.fixed}
    environment.globals |= {
        "strength": strength,
        "summary": pair_summary,
        "tinted": tinted,
        "LABEL": LABEL,
        "GAP": GAP,
        "enumerate": enumerate,
    }
    return environment.get_template(template).render(
        style=Markup(_asset("marks.css") + _asset("page.css") + _asset("pair.css")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        **what,
    )
