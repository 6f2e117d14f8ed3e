"""A comparison as a figure: methods × words, every method on the scale that its page has. Needs the extra `plot`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineal.records.comparison import Comparison
from lineal.views.comparison.words import scales
from lineal.views.media.plot import finished, heat_map, new_figure, titled
from lineal.views.parts.heat import heat
from lineal.views.parts.numbers import count, number
from lineal.views.parts.words import opening, quantity

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_comparison(comparison: Comparison) -> Figure:
    """Return a figure of all methods (rows) × words (columns), of several targets the sums over them.

    Full colour is one for all methods, but for those that promise no sum and are of another size: the number beside a row states it.
    """
    records, matrix = comparison.records, len(comparison.records[0].targets) > 1
    targets = range(len(records[0].targets)) if matrix else (0,)
    drawn = [heat(record, targets, beside=records) for record in records]
    own = scales(records, 0, matrix)
    values = np.stack([found.values.sum(axis=0) for found in drawn])
    if matrix:
        own = [float(np.nanmax(np.abs(row), initial=0.0)) for row in values]
    names = [f"{record.method} (±{number(scale, 2)})" for record, scale in zip(records, own, strict=True)]
    longest = max(map(len, names))
    figure = new_figure(width=2.0 + 0.08 * longest + 0.3 * len(drawn[0].labels), height=2.0 + 0.3 * len(records))
    shares = values / np.array([scale or 1.0 for scale in own])[:, None]
    axes = heat_map(figure, shares, names, drawn[0].labels, largest=1.0, unit="share of full colour", longest=longest)
    what = f"{count(len(targets), 'target')}, summed" if matrix else quantity(records[0])
    done = sum(record.converged for record in records)
    finding, style = titled(f"{opening(records[0].text)}: {what}", f"{done} of {len(records)} converged", comparison.converged)
    axes.set_title(finding.replace("Converged · ", ""), loc="left", **style)
    return finished(figure, *records)
