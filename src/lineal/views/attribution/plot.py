"""Records as figures for papers and slides: bars with error whiskers, and a heat map of targets × text. Needs the extra `plot`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from lineal.records.attribution import Attribution
from lineal.views.attribution.words import badge, sentence
from lineal.views.media.plot import draw_bars, finished, heat_map, new_figure, titled
from lineal.views.parts.bars import TOP, bars
from lineal.views.parts.cells import By
from lineal.views.parts.heat import drawn_targets, heat
from lineal.views.parts.palette import scale
from lineal.views.parts.words import target_name, unit_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Order = Literal["score", "text"]


def plot_bars(record: Attribution, target: int = 0, by: By = "word", *, order: Order = "score", top: int = TOP) -> Figure:
    """Return a figure of the strongest contributions with error whiskers; the bars add up to F(text) − F(baseline).

    order: score sorts by strength, text keeps the order of the text. top: bars of their own; the others are summed.
    """
    found = bars(record, target, by, top)
    if order == "text":
        found = sorted(found, key=lambda bar: bar.cell.tokens.start if bar.cell else math.inf)
    own = badge(record, target)
    figure = new_figure(width=7.0, height=1.6 + 0.27 * len(found))
    axes = figure.add_subplot()
    draw_bars(axes, found, own.error, own.converged)
    axes.set_xlabel(unit_name(record.units[target]))
    text, style = titled("".join(piece.text for piece in sentence(record, target, by)), own.bound, own.converged)
    axes.set_title(text, loc="left", **style)
    return finished(figure, record)


def plot_heat(record: Attribution, by: By = "word") -> Figure:
    """Return a figure of all targets (rows) × the cells of the text (columns), one symmetric scale for all."""
    targets = drawn_targets(record)
    drawn = heat(record, targets, by)
    figure = new_figure(width=2.6 + 0.3 * len(drawn.labels), height=2.0 + 0.28 * len(targets))
    axes = heat_map(
        figure,
        drawn.values,
        [target_name(record, c) for c in targets],
        drawn.labels,
        largest=max(scale([record], unit, by) for unit in record.units) or 1.0,
        unit=", ".join(sorted(set(map(unit_name, record.units)))),
    )
    own = badge(record, _worst(record))
    text, style = titled("", own.bound, own.converged)
    axes.set_title(text, loc="left", **style)
    return finished(figure, record)


def _worst(record: Attribution) -> int:
    """Return the target whose badge speaks for all: the first that did not converge, else the one with the largest relative error."""
    shares = [badge(record, c).error_share for c in range(len(record.targets))]
    return next((c for c, stop in enumerate(record.stops) if not stop.converged), max(range(len(shares)), key=shares.__getitem__))
