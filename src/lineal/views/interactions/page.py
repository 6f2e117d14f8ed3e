"""Interactions as one self-contained page: the strongest pairs of words, the heat map of all, how they add up, the text by its row sums."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from lineal.records.interactions import Interactions
from lineal.views.interactions import words as joint_summary
from lineal.views.media import html
from lineal.views.parts.answer import answer
from lineal.views.parts.cells import visible
from lineal.views.parts.grid import grid
from lineal.views.parts.guide import INTERACTIONS, guide, made
from lineal.views.parts.tinted import tinted_texts
from lineal.views.parts.words import by_words, details, quantity, unit_name


def interactions_page(record: Interactions, *, title: str | None = None, panels: Sequence[Markup] = ()) -> str:
    """Return a whole HTML page about what every two words do together. panels: further HTML below the drawings (`trust_panel`)."""
    drawn = grid(record)
    own = record.attribution
    return html.drawn(
        "interactions.html",
        title=visible(title or " ↔ ".join(by_words(text, 60) for text in own.texts)),
        summary=joint_summary,
        record=record,
        grid=drawn,
        panels=panels,
        answer=answer(own),
        guide=guide(INTERACTIONS, own.units),
        made=made(own.model, own.versions.get("lineal", "")),
        texts=tinted_texts(record),
        whole=quantity(own),
        details=details(own) | {"Method": f"Integrated Hessians; path: {own.path}; rule: {own.rule}"},
        **html.carried(record.to_dict(), [drawn.numbers(unit_name(record.unit), record.error)]),
        **html.dress("pair.js", "page.css", "pair.css"),
    )
