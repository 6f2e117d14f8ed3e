"""Pairs as figures for papers and slides: the heat map, with the terms of four parts, and the alignment drawing. Needs the extra `plot`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineal.records.pair import Matches, PairAttribution
from lineal.views.media.matrix import entitle, plot_matrix
from lineal.views.media.plot import ALARM, GREY, finished, new_figure
from lineal.views.pair import words as pair_summary
from lineal.views.parts.cells import short
from lineal.views.parts.grid import Grid, grid
from lineal.views.parts.numbers import fixed, number
from lineal.views.parts.palette import hexed, ink, strength
from lineal.visible import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_DOCUMENTS = 30
"""Documents of a ranking that have a bar."""
COLOURS = ("#3b6fb6", "#d9892b", "#4f9a6b", "#9a9da3")
"""Of the parts of a similarity; these are no signs, so the colours are not those of scores."""


def plot_pair(record: PairAttribution) -> Figure:
    """Return a figure of the word × word matrix, of four parts with the row and column terms beside it.

    One symmetric scale, up to the strongest cell of the matrix; terms beyond it have full colour.
    """
    figure, axes = plot_matrix(grid(record), record.unit)
    entitle(axes, _lines(record), record.converged)
    return finished(figure, record)


def plot_alignment(record: PairAttribution) -> Figure:
    """Return a figure with the words of both texts and lines between them: thickness by score, blue and dashed where it takes off."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    drawn = grid(record)
    most = max(len(drawn.rows), len(drawn.columns))
    figure = new_figure(width=6.0, height=1.2 + 0.3 * most)
    axes = figure.add_subplot()
    for link in reversed(drawn.links):
        top, bottom = _height(link.i, len(drawn.rows), most), _height(link.j, len(drawn.columns), most)
        share = strength(link.score, drawn.largest)
        path = Path([(0.02, top), (0.5, top), (0.5, bottom), (0.98, bottom)], [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
        style = {"linestyle": "-" if link.score > 0 else (0, (4, 2)), "capstyle": "round"}
        axes.add_patch(
            PathPatch(
                path, fill=False, edgecolor=hexed(ink(link.score, dark=False)), linewidth=0.5 + 5 * share, alpha=0.35 + 0.6 * share, **style
            )
        )
    _words(axes, drawn, most)
    axes.set_xlim(-0.6, 1.6)
    axes.set_ylim(most - 0.3, -0.7)
    axes.axis("off")
    entitle(axes, _lines(record), record.converged)
    return finished(figure, record)


def _words(axes: Axes, drawn: Grid, most: int) -> None:
    for i, word in enumerate(drawn.rows):
        axes.text(0.0, _height(i, len(drawn.rows), most), short(word, 24), ha="right", va="center", fontsize=10)
    for j, word in enumerate(drawn.columns):
        axes.text(1.0, _height(j, len(drawn.columns), most), short(word, 24), ha="left", va="center", fontsize=10)


def _height(index: int, words: int, most: int) -> float:
    return index + (most - words) / 2


def _lines(record: PairAttribution) -> list[str]:
    parts = " · ".join(f"{name} {fixed(value, 3)}" for name, value, _ in pair_summary.parts(record))
    return [f"{record.unit} similarity {number(record.similarity)}", parts, f"error of all cells together ≤ {number(record.error, 2)}"]


def plot_matches(matches: Matches) -> Figure:
    """Return a figure of the similarities of the best documents, best on top; explained ones in full colour, split into their parts.

    The parts of a document (`words.parts`, the last one less the residual) are drawn from left to right, each from where the one before
    it ended, so that the last one ends at the similarity.
    """
    shown = list(zip(matches.order, matches.similarities, strict=True))[:MOST_DOCUMENTS]
    figure = new_figure(width=7.0, height=1.8 + 0.34 * len(shown))
    axes = figure.add_subplot()
    names = []
    for y, (number_, similarity) in enumerate(shown):
        pair = matches.pairs[y] if y < len(matches.pairs) else None
        names.append(f"{number_ + 1}: {short(one_line(pair.b.text), 40)}" if pair else f"document {number_ + 1}")
        start = 0.0
        for place, (name, value) in enumerate(_parts(pair) if pair else ()):
            at, width = min(start, start + value), abs(value)
            axes.barh(y + 0.24 * (place - 1.5), width, left=at, height=0.2, color=COLOURS[place], label=None if y else name)
            start += value
        axes.plot([similarity] * 2, [y - 0.42, y + 0.42], color="black" if pair is None or pair.converged else ALARM, linewidth=1.6)
        axes.annotate(fixed(similarity, 3), (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=8, color=GREY)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"{matches.pairs[0].unit if matches.pairs else 'similarity'}; the stroke: the similarity, to which the parts add up")
    if matches.pairs:
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    entitle(axes, [f"Matches of “{short(one_line(matches.query), 70)}”"], matches.converged)
    return finished(figure, *matches.pairs)


def _parts(pair: PairAttribution) -> tuple[tuple[str, float], ...]:
    """Return the parts of a similarity by name; the last one takes the residual off, so that they add up."""
    *parts, (last, value) = ((name, value) for name, value, _ in pair_summary.parts(pair))
    return (*parts, (last, value - pair.residual))
