"""Which view the ending of a file's name stands for, and how it is written: whole, or not at all."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineal.errors import MissingExtraError, OptionError
from lineal.files import check_writable, write_whole
from lineal.records.attribution import Attribution
from lineal.records.base import Record
from lineal.records.interactions import Interactions
from lineal.records.pair import Matches, PairAttribution
from lineal.views.attribution import table, terminal
from lineal.views.attribution.page import page
from lineal.views.attribution.plot import plot_bars, plot_heat
from lineal.views.interactions.page import interactions_page
from lineal.views.interactions.plot import plot_interactions
from lineal.views.interactions.terminal import render_interactions
from lineal.views.media.plot import save_plot
from lineal.views.media.terminal import plain
from lineal.views.pair import terminal as pair_terminal
from lineal.views.pair.page import matches_page, pair_page
from lineal.views.pair.plot import plot_pair
from lineal.views.parts.cells import By
from lineal.views.sides.page import sides_page
from lineal.views.sides.plot import plot_sides
from lineal.views.sides.words import has_sides

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURES = (".png", ".svg", ".pdf")
"""Endings of figures, which need the extra `plot`."""

Draw = Callable[..., "str | Figure"]


def _figure(record: Attribution, by: By = "word") -> Figure:
    """Return the figure of a record: both texts of a pair, the heat map of several outputs or of a generation, else bars."""
    if has_sides(record):
        return plot_sides(record, by=by)
    return plot_heat(record, by) if record.steps or len(record.targets) > 1 else plot_bars(record, by=by)


def _pictures(draw: Draw) -> dict[str, Draw]:
    return dict.fromkeys(PICTURES, draw)


_ATTRIBUTION: dict[str, Draw] = {
    ".html": lambda record, by, panels: sides_page(record, panels=panels) if has_sides(record) else page(record, panels=panels),
    ".md": lambda record, by, panels: table.to_markdown(record, by),
    ".csv": lambda record, by, panels: table.to_csv(record, by),
    ".txt": lambda record, by, panels: terminal.to_text(record, by),
    **_pictures(lambda record, by, panels: _figure(record, by)),
}
_SEVERAL: dict[str, Draw] = {
    ".html": lambda records, by, panels: page(records, panels=panels),
    ".md": lambda records, by, panels: "\n".join(table.to_markdown(record, by) for record in records),
    ".csv": lambda records, by, panels: table.to_csv(records, by),
    ".txt": lambda records, by, panels: "\n".join(terminal.to_text(record, by) for record in records),
}
_KINDS: Mapping[type[Record], dict[str, Draw]] = {
    Attribution: _ATTRIBUTION,
    PairAttribution: {
        ".html": lambda record, by, panels: pair_page(record, panels=panels),
        ".txt": lambda record, by, panels: pair_terminal.to_text(record),
        **_pictures(lambda record, by, panels: plot_pair(record)),
    },
    Matches: {
        ".html": lambda record, by, panels: matches_page(record, panels=panels),
        ".txt": lambda record, by, panels: pair_terminal.to_text(record),
    },
    Interactions: {
        ".html": lambda record, by, panels: interactions_page(record, panels=panels),
        ".txt": lambda record, by, panels: plain(render_interactions(record)),
        **_pictures(lambda record, by, panels: plot_interactions(record)),
    },
}


def endings(*kinds: type[Record], several: bool = False) -> tuple[str, ...]:
    """Return the endings that every one of these kinds of records can be written with; several: many records in one file."""
    if several:
        return (*_SEVERAL, ".jsonl")
    first, *others = kinds
    shared = [ending for ending in _KINDS.get(first, {}) if all(ending in _KINDS.get(kind, {}) for kind in others)]
    return (*shared[:1], ".json", *shared[1:])


def check(path: str | Path, wanted: Sequence[str]) -> str:
    """Return the ending of a name. wanted: those there are.

    Raises OptionError for another one, MissingExtraError for a figure without matplotlib, OutputError where no file can be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in wanted:
        raise OptionError(f"{path} ends in {suffix or 'nothing'}; give a name ending in {', '.join(wanted)}")
    if suffix in PICTURES and importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError(f"{path}: figures need matplotlib: pip install 'lineal[plot]'")
    check_writable(path)
    return suffix


def save(records: Record | Sequence[Attribution], path: str | Path, *, by: By = "word", panels: Sequence[Any] = ()) -> Path:
    """Write one record, or several attributions in one file, as the ending of the name says, and return the path.

    .json the record itself, which `lineal.load_result` reads back; .jsonl several of them, one per line, for `lineal.load_results`; .html a
    page; .png, .svg, .pdf a figure; .md, .csv, .txt tables and text. by: the level of everything but the record. panels: further HTML for
    the page (`trust_panel`). Raises as `check`, before anything is drawn.
    """
    one = records if isinstance(records, Record) else None
    suffix = check(path, endings(type(one)) if one is not None else endings(several=True))
    if one is not None and suffix == ".json":
        return write_whole(path, one.to_json(indent=1) + "\n")
    if suffix == ".jsonl":
        return write_whole(path, "".join(record.to_json() + "\n" for record in records))  # type: ignore[union-attr]
    drawn = (_KINDS[type(one)] if one is not None else _SEVERAL)[suffix](records, by, panels)
    return write_whole(path, drawn) if isinstance(drawn, str) else save_plot(drawn, path)
