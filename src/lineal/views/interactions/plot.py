"""Interactions as a figure: the symmetric heat map of all words with its row sums. Needs the extra `plot`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineal.records.interactions import Interactions
from lineal.views.interactions import words as joint_summary
from lineal.views.media.matrix import entitle, plot_matrix
from lineal.views.media.plot import finished
from lineal.views.parts.grid import grid
from lineal.views.parts.numbers import fixed, number
from lineal.views.parts.words import quantity, unit_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_interactions(record: Interactions) -> Figure:
    """Return a figure of the symmetric word × word matrix, the row sums (Integrated Gradients) beside it.

    One symmetric scale, up to the strongest cell beside the diagonal; what is stronger has full colour.
    """
    own = record.attribution
    figure, axes = plot_matrix(grid(record), unit_name(record.unit))
    parts = " · ".join(f"{name} {fixed(value, 3)}" for name, value, _ in joint_summary.rows(record))
    error = f"error of all cells together ≤ {number(record.error, 2)}"
    entitle(axes, [f"{quantity(own)}: {number(float(own.f_input[0]))}", parts, error], record.converged)
    return finished(figure, own)
