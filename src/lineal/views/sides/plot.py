"""Two texts and one row of scores as a figure: the strongest words of each on one axis. Needs the extra `plot`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineal.records.attribution import Attribution
from lineal.views.attribution.words import badge
from lineal.views.media.plot import GREY, LEFT_TO_RIGHT, draw_bars, finished, new_figure, titled
from lineal.views.parts.cells import By, short
from lineal.views.parts.numbers import signed
from lineal.views.parts.words import unit_name
from lineal.views.sides.words import sentence, sides

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_sides(record: Attribution, target: int = 0, by: By = "word") -> Figure:
    """Return a figure of the strongest words of both texts, one above the other, with error whiskers; they sum to what each adds."""
    both, own = sides(record, target, by), badge(record, target)
    rows = [len(side.bars) for side in both]
    figure = new_figure(width=7.0, height=2.4 + 0.27 * sum(rows))
    drawn = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": rows})
    limits = []
    for axes, side, text in zip(drawn, both, record.texts, strict=True):
        draw_bars(axes, side.bars, own.error, own.converged)
        limits += [axes.get_xlim()]
        heading = f"text {side.number}: {short(text, 64)} · in sum {signed(side.total, 2)}"
        axes.set_title(LEFT_TO_RIGHT + heading, loc="left", fontsize=8, color=GREY)
    drawn[0].set_xlim(min(low for low, _ in limits), max(high for _, high in limits))
    drawn[1].set_xlabel(unit_name(record.units[target]))
    finding, style = titled("".join(piece.text for piece in sentence(record, target, by)), own.bound, own.converged)
    figure.suptitle(finding, x=0.02, horizontalalignment="left", **style)
    return finished(figure, record)
