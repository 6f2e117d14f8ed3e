"""What figures of every kind share: their frame, bars, heat maps, titles, letters, and the files they are written to.

Figures are made without pyplot: no window, no global state. Needs the extra `plot`.
"""

from __future__ import annotations

import io
import math
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from lineal.errors import MissingExtraError
from lineal.files import write_whole
from lineal.records.attribution import Attribution
from lineal.records.pair import PairAttribution
from lineal.views.parts import words
from lineal.views.parts.bars import Bar
from lineal.views.parts.cells import short
from lineal.views.parts.numbers import fixed, places
from lineal.views.parts.palette import hexed, ink, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FONTS = (
    "DejaVu Sans",
    "Noto Sans",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans Thai",
    "Noto Emoji",
)
"""Tried in this order, letter by letter; those that are not installed are passed over."""
GREY, ALARM = "#6b7078", "#a3123a"
LEFT_TO_RIGHT = "\u200e"
"""The mark that keeps a sentence in its order when it begins with a word of a right-to-left script."""


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, in inches. Raises MissingExtraError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("figures need matplotlib: pip install 'lineal[plot]'") from None
    return Figure(figsize=(width, height), layout="constrained")


def finished(figure: Figure, *records: Attribution | PairAttribution) -> Figure:
    """Return the figure with what is wrong with what was explained below it, and its letters set: a dollar in a text is a dollar."""
    from matplotlib import font_manager
    from matplotlib.text import Text

    if found := tuple(dict.fromkeys(said for record in records for said in words.doubts(record))):
        lines = [line for said in found for line in textwrap.wrap(f"Caution. {said}", 84)]
        figure.supxlabel("\n".join(LEFT_TO_RIGHT + line for line in lines), fontsize=8, color=ALARM, x=0.02, horizontalalignment="left")
    known = set(font_manager.get_font_names())
    family = [name for name in FONTS if name in known]
    for text in figure.findobj(Text):
        text.set_parse_math(False)
        text.set_fontfamily(family)
    return figure


def save_plot(figure: Figure, path: str | Path, *, dpi: int = 200) -> Path:
    """Write a figure in the format its ending names (.png, .svg, .pdf); equal figures give equal files. Returns the path."""
    import matplotlib

    target, drawn = Path(path), io.BytesIO()
    suffix = target.suffix.lower()
    dates = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with warnings.catch_warnings(), matplotlib.rc_context({"svg.hashsalt": "lineal"}):
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a box stands for a letter no installed font has
        figure.savefig(drawn, format=suffix[1:], dpi=dpi, bbox_inches="tight", metadata=dates.get(suffix))
    return write_whole(target, drawn.getvalue())


def draw_bars(axes: Axes, found: Sequence[Bar], error: float, converged: bool) -> None:
    """Draw bars with whiskers as long as the error; pale where they stand for several cells or are not converged."""
    values = [bar.value if math.isfinite(bar.value) else 0.0 for bar in found]
    where = range(len(found))
    colours = [hexed(ink(value, dark=False)) for value in values]
    drawn = axes.barh(where, values, color=colours, height=0.68)
    for patch, bar in zip(drawn, found, strict=True):
        patch.set_alpha(1.0 if bar.kind == "cell" and converged else 0.5)
    room = 1.3 * max(map(abs, values), default=0.0) or 1.0
    error = min(error, 4 * room)  # an unbounded whisker leaves the axes
    for y, (value, bar) in enumerate(zip(values, found, strict=True)):
        if bar.spread:
            axes.errorbar(value, y, xerr=bar.spread, color=GREY, alpha=0.35, linewidth=5)
        if error and not bar.is_exact:
            axes.errorbar(value, y, xerr=error, color="black" if converged else ALARM, linewidth=0.9, capsize=2.5, capthick=0.9)
        axes.annotate(fixed(bar.value, places(room)), (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=8, color=GREY)
    low, high = min([0.0, *values]), max([0.0, *values])
    reach = min(error, high - low)
    axes.set_xlim(low - 1.1 * reach - 0.02 * room, high + 1.1 * reach + 0.02 * room)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks(where, [short(bar.label, 40) for bar in found])
    axes.invert_yaxis()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def heat_map(
    figure: Figure,
    values: NDArray[np.float64],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    largest: float,
    unit: str,
    extend: Literal["neither", "both"] = "neither",
    longest: int = 24,
) -> Axes:
    """Draw a matrix with a name for every row and column on one symmetric scale, and return its axes.

    largest: full colour. longest: characters of a row's name, which is cut behind.
    """
    from matplotlib.colors import ListedColormap

    axes = figure.add_subplot()
    colours = ListedColormap([hexed(tint(i / 128, 1.0, dark=False)) for i in range(-128, 129)])
    image = axes.imshow(values, cmap=colours, vmin=-largest, vmax=largest, aspect="equal")
    axes.set_xticks(range(values.shape[1]), [short(name, 20) for name in columns], rotation=90)
    axes.set_yticks(range(values.shape[0]), [short(name, longest) for name in rows])
    axes.set_xticks([x - 0.5 for x in range(1, values.shape[1])], minor=True)
    axes.set_yticks([y - 0.5 for y in range(1, values.shape[0])], minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    figure.colorbar(image, ax=axes, shrink=0.8, label=unit, extend=extend)
    return axes


def titled(finding: str, error: str, converged: bool) -> tuple[str, dict[str, Any]]:
    """Return the finding with the verdict under it, and its style; a bad verdict is the loudest thing in the figure."""
    if not converged:
        return f"NOT CONVERGED\n{error}", {"fontsize": 13, "fontweight": "bold", "color": ALARM}
    return "\n".join(LEFT_TO_RIGHT + line for line in [*textwrap.wrap(finding, 84), f"Converged · {error}"]), {"fontsize": 9}
