"""Interactions as one self-contained page: the strongest pairs of words, the heat map of all, how they add up, the text by its row sums."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from lineal.interaction_matrix import Interactions
from lineal.views import joint_summary, summary
from lineal.views.cells import short, visible
from lineal.views.grid import grid
from lineal.views.html import _dress, _render, details
from lineal.views.pair_html import cells_of, data
from lineal.views.tinted import tinted_texts


def interactions_page(record: Interactions, *, title: str | None = None, panels: Sequence[Markup] = ()) -> str:
    """Return a whole HTML page about what every two words do together. panels: further HTML below the drawings (`trust_panel`)."""
    drawn = grid(record)
    own = record.attribution
    return _render(
        "interactions.html",
        title=visible(title or " ↔ ".join(short(text, 50) for text in own.texts)),
        summary=joint_summary,
        record=record,
        grid=drawn,
        panels=panels,
        texts=tinted_texts(record),
        whole=summary.quantity(own),
        details=details(own) | {"Method": f"Integrated Hessians; path: {own.path}; rule: {own.rule}"},
        **data(record, [cells_of(drawn, summary.unit_name(record.unit), record.error)]),
        **_dress("pair.js", "page.css", "pair.css"),
    )
