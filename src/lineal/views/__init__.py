"""Pictures of a record: page, notebook, terminal, figures, tables. Works from the record alone, without torch or network.

`VIEWS` is the table of which kind of record is drawn by what; `save` writes what the ending of a file's name stands for.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from lineal.errors import MissingExtraError, OptionError
from lineal.files import check_writable, write_whole
from lineal.records.attribution import Attribution
from lineal.records.base import Record
from lineal.records.comparison import Comparison
from lineal.records.evaluation import Evaluation
from lineal.records.failure import Failure
from lineal.records.interactions import Interactions
from lineal.records.pair import Matches, PairAttribution
from lineal.records.summary import Summary
from lineal.records.trust import Trust
from lineal.views.attribution import page as attribution_page
from lineal.views.attribution import table as attribution_table
from lineal.views.attribution import terminal as attribution_terminal
from lineal.views.attribution import words as attribution_words
from lineal.views.attribution.plot import plot_bars, plot_heat
from lineal.views.attribution.reading import Ground
from lineal.views.attribution.words import Badge, badge, sentence
from lineal.views.comparison import words as comparison_words
from lineal.views.comparison.page import comparison_page
from lineal.views.comparison.plot import plot_comparison
from lineal.views.evaluation import table as evaluation_tables
from lineal.views.evaluation.plot import plot_evaluation
from lineal.views.failure import words as failure_words
from lineal.views.interactions import words as interactions_words
from lineal.views.interactions.page import interactions_page
from lineal.views.interactions.plot import plot_interactions
from lineal.views.interactions.table import interactions_table
from lineal.views.interactions.terminal import render_interactions
from lineal.views.media import html, table, terminal
from lineal.views.media.plot import save_plot
from lineal.views.pair import words as pair_words
from lineal.views.pair.page import matches_page, pair_page
from lineal.views.pair.plot import plot_alignment, plot_matches, plot_pair
from lineal.views.pair.table import matches_table, pair_table
from lineal.views.pair.terminal import render_matches, render_pair
from lineal.views.parts.bars import Bar, bars
from lineal.views.parts.cells import By, Cell, cells
from lineal.views.parts.document import Document
from lineal.views.parts.words import Piece, spoken
from lineal.views.sides.page import sides_page
from lineal.views.sides.plot import plot_sides
from lineal.views.sides.terminal import render_sides
from lineal.views.sides.words import has_sides
from lineal.views.summary import words as summary_words
from lineal.views.summary.plot import plot_summary
from lineal.views.trust import words as trust_words
from lineal.views.trust.page import trust_fragment, trust_page, trust_panel, trust_text
from lineal.views.verdicts.page import Tally, tally, verdicts_page
from lineal.visible import one_line

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from rich.console import RenderableType

__all__ = [
    "VIEWS",
    "Badge",
    "Bar",
    "By",
    "Cell",
    "Piece",
    "Tally",
    "View",
    "badge",
    "bars",
    "cells",
    "comparison_page",
    "endings",
    "has_sides",
    "interactions_page",
    "lines",
    "matches_page",
    "page",
    "pair_page",
    "plot",
    "plot_alignment",
    "plot_bars",
    "plot_comparison",
    "plot_evaluation",
    "plot_heat",
    "plot_interactions",
    "plot_matches",
    "plot_pair",
    "plot_sides",
    "plot_summary",
    "render",
    "render_interactions",
    "render_matches",
    "render_pair",
    "render_sides",
    "repr_html",
    "save",
    "save_plot",
    "sentence",
    "show",
    "sides_page",
    "spoken",
    "tally",
    "to_csv",
    "to_dataframe",
    "to_html",
    "to_markdown",
    "to_text",
    "trust_page",
    "trust_panel",
    "trust_text",
    "verdicts_page",
]

PICTURES = (".png", ".svg", ".pdf")
"""Endings of figures, which need the extra `plot`."""


@dataclass(frozen=True, kw_only=True)
class View:
    """How one kind of record is shown. Every function takes the record first; `by` is the level that words are summed to.

    say: (record), what is said of it in words. render: (record, by), for a `rich` console. text: (record, by), the same without colours.
    page: (record, panels=…), whole HTML. fragment: (record), HTML for a notebook cell. markdown: (record, by). table: (record, by), to
    compute with. plot: (record, by), a figure; None where there is nothing to see in one.
    """

    say: Callable[[Any], Document]
    table: Callable[[Any, By], table.Table]
    render: Callable[[Any, By], RenderableType]
    text: Callable[[Any, By], str]
    page: Callable[..., str]
    fragment: Callable[[Any], str]
    markdown: Callable[[Any, By], str]
    plot: Callable[[Any, By], Figure] | None = None


def _view(
    say: Callable[[Any], Document],
    rows: Callable[[Any, By], table.Table],
    *,
    render: Callable[[Any, By], RenderableType] = lambda record, by: terminal.told(view_of(record).say(record)),
    page: Callable[..., str] = lambda record, **how: html.document_page(view_of(record).say(record), **how),
    plot: Callable[[Any, By], Figure] | None = None,
    **others: Any,
) -> View:
    """Return a view that shows a record in words and tables wherever nothing else is given."""
    shown: dict[str, Any] = {
        "text": lambda record, by: terminal.plain(render(record, by)),
        "fragment": lambda record: html.document_fragment(say(record)),
        "markdown": lambda record, by: table.markdown(say(record)),
    }
    return View(say=say, table=rows, render=render, page=page, plot=plot, **shown | others)


def _plot_attribution(record: Attribution, by: By = "word") -> Figure:
    """Return the figure of a record: the heat map of several outputs or of a generation, else bars."""
    return plot_heat(record, by) if record.steps or len(record.targets) > 1 else plot_bars(record, by=by)


_ATTRIBUTION = _view(
    attribution_words.document,
    attribution_table.table,
    render=lambda record, by: attribution_terminal.render(record, by=by),
    text=lambda record, by: attribution_terminal.to_text(record, by),
    page=attribution_page.page,
    fragment=attribution_page.repr_html,
    markdown=lambda record, by: attribution_table.to_markdown(record, by),
    plot=_plot_attribution,
)
_SIDES = replace(
    _ATTRIBUTION,
    render=lambda record, by: render_sides(record, by=by),
    page=sides_page,
    plot=lambda record, by: plot_sides(record, by=by),
)
VIEWS: Mapping[type[Record], View] = {
    Attribution: _ATTRIBUTION,
    PairAttribution: _view(
        pair_words.document,
        pair_table,
        render=lambda record, by: render_pair(record),
        page=pair_page,
        plot=lambda record, by: plot_pair(record),
    ),
    Matches: _view(
        pair_words.matches_document,
        matches_table,
        render=lambda record, by: render_matches(record),
        page=matches_page,
        plot=lambda record, by: plot_matches(record),
    ),
    Interactions: _view(
        interactions_words.document,
        interactions_table,
        render=lambda record, by: render_interactions(record),
        page=interactions_page,
        plot=lambda record, by: plot_interactions(record),
    ),
    Comparison: _view(
        comparison_words.document,
        lambda record, by: attribution_table.table(record.records, by),
        page=comparison_page,
        plot=lambda record, by: plot_comparison(record),
    ),
    Evaluation: _view(
        evaluation_tables.document,
        evaluation_tables.evaluation_table,
        markdown=lambda record, by: evaluation_tables.evaluation_markdown(record),
        plot=lambda record, by: plot_evaluation(record),
    ),
    Trust: _view(trust_words.document, trust_words.trust_table, page=trust_page, fragment=trust_fragment),
    Summary: _view(summary_words.document, summary_words.table, plot=lambda record, by: plot_summary(record)),
    Failure: _view(failure_words.document, failure_words.failure_table),
}
"""Which kind of record is shown by what. A new kind is a row here and a folder beside the others."""
SEVERAL = (".html", ".md", ".csv", ".txt", ".jsonl")
"""What several attributions can be written to in one file."""


def view_of(record: Record) -> View:
    """Return how a record is shown; two texts in front of a model that reads pairs have a view of their own."""
    return _SIDES if isinstance(record, Attribution) and has_sides(record) else VIEWS[type(record)]


def lines(record: Record) -> tuple[str, str, str]:
    """Return a record in three lines: what it is, what was found, how far that can be trusted. Every record's `repr`."""
    what, finding, trust = map(one_line, view_of(record).say(record).lines)
    return what, finding, trust


def render(record: Record, by: By = "word", target: int | None = None, *, ground: Ground = "dark") -> RenderableType:
    """Return any record for a `rich` console.

    target: an index of an attribution's targets, or None for all. ground: the terminal's background, of an attribution; none means no
    colours: names stand between asterisks and strong cells carry their number.
    """
    return (
        attribution_terminal.render(record, by, target, ground=ground)
        if isinstance(record, Attribution)
        else view_of(record).render(record, by)
    )


def to_text(record: Record, by: By = "word", target: int | None = None, *, width: int = 100) -> str:
    """Return the same view as a plain string without colours, for logs and pipes."""
    if isinstance(record, Attribution):
        return attribution_terminal.to_text(record, by, target, width=width)
    return terminal.plain(view_of(record).render(record, by), width)


def show(record: Record, by: By = "word") -> None:
    """Draw a record where a notebook shows it, else print it in the terminal."""
    if "IPython" in sys.modules and (shell := sys.modules["IPython"].get_ipython()) is not None and hasattr(shell, "kernel"):
        sys.modules["IPython"].display.display({"text/html": repr_html(record, by), "text/plain": repr(record)}, raw=True)
    else:
        Console().print(render(record, by))


def page(records: Record | Sequence[Attribution], **how: Any) -> str:
    """Return a whole self-contained HTML page of any record, or of several attributions.

    title: of the page; panels: further HTML (`trust_panel`); headings: one per attribution.
    """
    if isinstance(records, Record) and not isinstance(records, Attribution):
        return view_of(records).page(records, **how)
    return attribution_page.page(records, **how)


def to_html(records: Record | Sequence[Attribution], path: str | Path | None = None) -> str:
    """Return the page of any record, or of several attributions, and write it where a path is given. Raises OutputError as `check`."""
    drawn = page(records)
    if path is not None:
        check_writable(path)
        write_whole(path, drawn)
    return drawn


def plot(record: Record, by: By = "word") -> Figure:
    """Return the figure of any record. Raises OptionError for a kind that has none, MissingExtraError without matplotlib."""
    drawing = view_of(record).plot
    if drawing is None:
        raise OptionError(
            f"a record of the kind {type(record).__name__} has no figure; it can be written to {', '.join(endings(type(record)))}"
        )
    return drawing(record, by)


def repr_html(record: Record, by: By = "word", target: int | None = None) -> str:
    """Return any record as a fragment for a notebook cell: no script, no ids, styles that touch nothing outside of it.

    target: an index of an attribution's targets, or None for all: the first is open, the others are folded.
    """
    return attribution_page.repr_html(record, by, target) if isinstance(record, Attribution) else view_of(record).fragment(record)


def to_markdown(record: Record, by: By = "word", target: int | None = None) -> str:
    """Return any record as Markdown: verdict, sentence, tables, and where the numbers come from."""
    return attribution_table.to_markdown(record, by, target) if isinstance(record, Attribution) else view_of(record).markdown(record, by)


def to_csv(records: Record | Sequence[Attribution], by: By = "word") -> str:
    """Return the numbers of any record, or of several attributions, as CSV: one kind of record, one set of columns; full precision.

    Cells hold the text as it is: import the file as text, as a spreadsheet takes a cell that begins with = + - or @ for a formula.
    """
    return _table(records, by).to_csv()


def to_dataframe(records: Record | Sequence[Attribution], by: By = "word") -> pd.DataFrame:
    """Return the table of `to_csv` as a pandas data frame. Raises MissingExtraError when pandas is not installed."""
    return _table(records, by).to_dataframe()


def _table(records: Record | Sequence[Attribution], by: By) -> table.Table:
    return view_of(records).table(records, by) if isinstance(records, Record) else attribution_table.table(records, by)


def endings(*kinds: type[Record], several: bool = False) -> tuple[str, ...]:
    """Return the endings that every one of these kinds of records can be written with; several: many records in one file."""
    if several:
        return SEVERAL
    figures = all(VIEWS[kind].plot is not None for kind in kinds)
    return (".html", ".json", ".md", ".csv", ".txt", *(PICTURES if figures else ()))


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
    if isinstance(records, Record):
        suffix, view = check(path, endings(type(records))), view_of(records)
        if suffix in PICTURES:
            return save_plot(plot(records, by), path)
        drawn: Mapping[str, Callable[[], str]] = {
            ".json": lambda: records.to_json(indent=1) + "\n",
            ".html": lambda: view.page(records, panels=panels),
            ".md": lambda: view.markdown(records, by),
            ".csv": lambda: view.table(records, by).to_csv(),
            ".txt": lambda: view.text(records, by),
        }
    else:
        suffix = check(path, SEVERAL)
        drawn = {
            ".jsonl": lambda: "".join(record.to_json() + "\n" for record in records),
            ".html": lambda: attribution_page.page(records, panels=panels),
            ".md": lambda: "\n".join(attribution_table.to_markdown(record, by) for record in records),
            ".csv": lambda: to_csv(records, by),
            ".txt": lambda: "\n".join(attribution_terminal.to_text(record, by) for record in records),
        }
    return write_whole(path, drawn[suffix]())
