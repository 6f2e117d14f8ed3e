"""The figure of a matrix between words, with what stands beside it: the same for pairs of texts and for interactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineal.views.media.plot import ALARM, GREY, heat_map, new_figure
from lineal.views.parts.cells import visible
from lineal.views.parts.grid import Grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_matrix(drawn: Grid, unit: str) -> tuple[Figure, Axes]:
    """Return a figure of the cells, the row terms, if any, in one more column, the column terms, if any, in one more row; and its axes."""
    beside, below = len(drawn.row_terms) > 0, len(drawn.column_terms) > 0
    values = np.full((len(drawn.rows) + below, len(drawn.columns) + beside), np.nan)
    values[: len(drawn.rows), : len(drawn.columns)] = drawn.values
    if beside:
        values[: len(drawn.rows), -1] = drawn.row_terms
    if below:
        values[-1, : len(drawn.columns)] = drawn.column_terms
    figure = new_figure(width=2.8 + 0.34 * len(drawn.columns), height=2.0 + 0.3 * len(drawn.rows))
    rows, columns = [*drawn.rows, *[drawn.margin] * below], [*drawn.columns, *[drawn.margin] * beside]
    axes = heat_map(figure, values, rows, columns, largest=drawn.largest or 1.0, unit=unit, extend="both")
    if below:
        axes.axhline(len(drawn.rows) - 0.5, color=GREY, linewidth=1)
    if beside:
        axes.axvline(len(drawn.columns) - 0.5, color=GREY, linewidth=1)
    axes.spines[:].set_visible(False)
    return figure, axes


def entitle(axes: Axes, lines: list[str], converged: bool) -> None:
    """Set the title: what was found, or an alarm with the last line, which states the error."""
    if converged:
        axes.set_title("\n".join(lines), loc="left", fontsize=8)
    else:
        axes.set_title("\n".join(["NOT CONVERGED", visible(lines[-1])]), loc="left", fontsize=12, fontweight="bold", color=ALARM)
