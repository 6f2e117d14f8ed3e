"""An evaluation as a figure: what becomes of the answer as the strongest tokens go. Needs the extra `plot`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lineal.metrics.curves import GRID
from lineal.records.evaluation import Evaluation
from lineal.views.media.plot import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_evaluation(found: Evaluation) -> Figure:
    """Return the mean curves: p as the strongest tokens are removed, per removal; random order in grey, baselines by their dashes."""
    figure = new_figure(5.2 * len(found.removals), 4.4)
    axes = figure.subplots(1, len(found.removals), squeeze=False, sharey=True)[0]
    methods = list(dict.fromkeys(column.method for column in found.columns))
    dashes = dict(zip(dict.fromkeys(c.baseline for c in found.columns if c.baseline), ("-", "--", ":"), strict=False))
    for r, (removal, axis) in enumerate(zip(found.removals, axes, strict=True)):
        for c, column in enumerate(found.columns):
            colour = "0.6" if column.method.startswith("random") else f"C{methods.index(column.method) % 10}"
            style = dashes.get(column.baseline, "-.") if column.baseline else "-"
            axis.plot(np.array(GRID) * 100, found.without[c, r].mean(axis=0), style, color=colour, lw=1.4, label=column.name)
        axis.set_title(f"removal: {removal}", fontsize=10, loc="left")
        axis.set_xlabel("strongest tokens removed, %")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel(f"{found.measured} of the explained output (lower is better)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", fontsize=8, frameon=False)
    return figure
