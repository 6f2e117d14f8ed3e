"""A summary as a figure: the surest words of each target with their intervals. Needs the extra `plot`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lineal.records.summary import Summary
from lineal.views.media.plot import GREY, finished, new_figure
from lineal.views.parts.cells import short
from lineal.views.parts.palette import hexed, ink
from lineal.views.parts.words import unit_name
from lineal.views.summary.words import strongest
from lineal.visible import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WORDS = 12
"""Of each sign."""


def plot_summary(found: Summary) -> Figure:
    """Return a panel per target: words that surely push it up above those that push it down, each with its 95 % interval."""
    panels = [[*strongest(t.groups[0].words, 1, WORDS), *reversed(strongest(t.groups[0].words, -1, WORDS))] for t in found.targets[:4]]
    figure = new_figure(5.6 * max(1, len(panels)), 1.2 + 0.24 * max((len(words) for words in panels), default=1))
    for i, (target, words) in enumerate(zip(found.targets, panels, strict=False)):
        axes = figure.add_subplot(1, len(panels), i + 1)
        for y, word in enumerate(words):
            colour = hexed(ink(word.mean, dark=False))
            axes.plot([word.low, word.high], [y, y], color=colour, lw=1.6, solid_capstyle="butt")
            axes.plot([word.mean], [y], "o", color=colour, ms=4)
        axes.axvline(0, color=GREY, lw=0.8)
        axes.set_yticks(range(len(words)), [short(word.word, 24) for word in words], fontsize=8)
        axes.set_ylim(len(words) - 0.5, -0.5)
        axes.set_xlabel(f"adds, mean over texts ({unit_name(target.unit)})", fontsize=8)
        axes.set_title(short(one_line(target.target), 50), fontsize=10, loc="left")
        axes.spines[["top", "right", "left"]].set_visible(False)
    return finished(figure)
