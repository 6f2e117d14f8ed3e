"""Pairs as figures for papers and slides: the heat map with its remainder terms, and the alignment drawing. Needs the extra `plot`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineal.records.interactions import Interactions
from lineal.records.pair import PairAttribution
from lineal.views.attribution import words as summary
from lineal.views.attribution.plot import ALARM, GREY, _doubt, _figure, _hex, _letter
from lineal.views.interactions import words as joint_summary
from lineal.views.pair import words as pair_summary
from lineal.views.parts.cells import short, visible
from lineal.views.parts.grid import Grid, grid
from lineal.views.parts.numbers import fixed, number
from lineal.views.parts.palette import ink, strength, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_pair(record: PairAttribution) -> Figure:
    """Return a figure of the word × word matrix with the row and column terms beside it.

    One symmetric scale, up to the strongest cell of the matrix; terms beyond it have full colour.
    """
    figure, axes = _heat(grid(record), record.unit)
    _title(axes, _lines(record), record.converged)
    _doubt(figure, record)
    _letter(figure)
    return figure


def plot_interactions(record: Interactions) -> Figure:
    """Return a figure of the symmetric word × word matrix, the row sums (Integrated Gradients) beside it.

    One symmetric scale, up to the strongest cell beside the diagonal; what is stronger has full colour.
    """
    own = record.attribution
    figure, axes = _heat(grid(record), summary.unit_name(record.unit))
    parts = " · ".join(f"{name} {fixed(value, 3)}" for name, value, _ in joint_summary.rows(record))
    error = f"error of all cells together ≤ {number(record.error, 2)}"
    _title(axes, [f"{summary.quantity(own)}: {number(float(own.f_input[0]))}", parts, error], record.converged)
    _doubt(figure, own)
    _letter(figure)
    return figure


def _heat(drawn: Grid, unit: str) -> tuple[Figure, Axes]:
    from matplotlib.colors import ListedColormap

    below = len(drawn.column_terms) > 0
    largest = drawn.largest or 1.0
    figure = _figure(width=2.8 + 0.34 * len(drawn.columns), height=2.0 + 0.3 * len(drawn.rows))
    axes = figure.add_subplot()
    values = np.full((len(drawn.rows) + below, len(drawn.columns) + 1), np.nan)
    values[: len(drawn.rows), :-1], values[: len(drawn.rows), -1] = drawn.values, drawn.row_terms
    if below:
        values[-1, :-1] = drawn.column_terms
        axes.axhline(len(drawn.rows) - 0.5, color=GREY, linewidth=1)
    colours = ListedColormap([_hex(tint(i / 128, 1.0, dark=False)) for i in range(-128, 129)])
    image = axes.imshow(values, cmap=colours, vmin=-largest, vmax=largest, aspect="equal")
    axes.set_xticks(range(values.shape[1]), [*(short(word, 20) for word in drawn.columns), drawn.margin], rotation=90)
    axes.set_yticks(range(values.shape[0]), [*(short(word, 24) for word in drawn.rows), *[drawn.margin] * below])
    axes.set_xticks([x - 0.5 for x in range(1, values.shape[1])], minor=True)
    axes.set_yticks([y - 0.5 for y in range(1, values.shape[0])], minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.axvline(len(drawn.columns) - 0.5, color=GREY, linewidth=1)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, shrink=0.8, label=unit, extend="both")
    return figure, axes


def plot_alignment(record: PairAttribution) -> Figure:
    """Return a figure with the words of both texts and lines between them: thickness by score, blue and dashed where it takes off."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    drawn = grid(record)
    most = max(len(drawn.rows), len(drawn.columns))
    figure = _figure(width=6.0, height=1.2 + 0.3 * most)
    axes = figure.add_subplot()
    for link in reversed(drawn.links):
        top, bottom = _height(link.i, len(drawn.rows), most), _height(link.j, len(drawn.columns), most)
        share = strength(link.score, drawn.largest)
        path = Path([(0.02, top), (0.5, top), (0.5, bottom), (0.98, bottom)], [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
        style = {"linestyle": "-" if link.score > 0 else (0, (4, 2)), "capstyle": "round"}
        axes.add_patch(
            PathPatch(
                path, fill=False, edgecolor=_hex(ink(link.score, dark=False)), linewidth=0.5 + 5 * share, alpha=0.35 + 0.6 * share, **style
            )
        )
    _words(axes, drawn, most)
    axes.set_xlim(-0.6, 1.6)
    axes.set_ylim(most - 0.3, -0.7)
    axes.axis("off")
    _title(axes, _lines(record), record.converged)
    _doubt(figure, record)
    _letter(figure)
    return figure


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


def _title(axes: Axes, lines: list[str], converged: bool) -> None:
    if converged:
        axes.set_title("\n".join(lines), loc="left", fontsize=8)
    else:
        axes.set_title("\n".join(["NOT CONVERGED", visible(lines[-1])]), loc="left", fontsize=12, fontweight="bold", color=ALARM)
