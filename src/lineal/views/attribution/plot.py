"""Records as figures for papers and slides: bars with error whiskers, and a heat map of targets × text. Needs the extra `plot`.

Figures are made without pyplot: no window, no global state. `save_plot` writes them as PNG, SVG or PDF.
"""

from __future__ import annotations

import io
import math
import textwrap
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lineal.errors import MissingExtraError
from lineal.files import write_whole
from lineal.records.attribution import Attribution
from lineal.records.pair import PairAttribution
from lineal.views.attribution import words as summary
from lineal.views.parts.bars import TOP, Bar, bars
from lineal.views.parts.cells import By, short
from lineal.views.parts.heat import drawn_targets, heat
from lineal.views.parts.numbers import fixed, number, percent, places
from lineal.views.parts.palette import RGB, ink, scale, tint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Order = Literal["score", "text"]

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


def plot_bars(record: Attribution, target: int = 0, by: By = "word", *, order: Order = "score", top: int = TOP) -> Figure:
    """Return a figure of the strongest contributions with error whiskers; the bars add up to F(text) − F(baseline).

    order: score sorts by strength, text keeps the order of the text. top: bars of their own; the others are summed.
    """
    found = bars(record, target, by, top)
    if order == "text":
        found = sorted(found, key=lambda bar: bar.cell.tokens.start if bar.cell else math.inf)
    badge = summary.badge(record, target)
    figure = _figure(width=7.0, height=1.6 + 0.27 * len(found))
    axes = figure.add_subplot()
    _draw_bars(axes, found, badge)
    axes.set_xlabel(summary.unit_name(record.units[target]))
    _title(axes, _finding(record, target, by), badge)
    _doubt(figure, record)
    _letter(figure)
    return figure


def plot_heat(record: Attribution, by: By = "word") -> Figure:
    """Return a figure of all targets (rows) × the cells of the text (columns), one symmetric scale for all."""
    from matplotlib.colors import ListedColormap

    targets = drawn_targets(record)
    drawn = heat(record, targets, by)
    largest = max(scale([record], unit, by) for unit in record.units) or 1.0
    figure = _figure(width=2.6 + 0.3 * len(drawn.labels), height=2.0 + 0.28 * len(targets))
    axes = figure.add_subplot()
    colours = ListedColormap([_hex(tint(i / 128, 1.0, dark=False)) for i in range(-128, 129)])
    image = axes.imshow(drawn.values, cmap=colours, vmin=-largest, vmax=largest, aspect="equal")
    axes.set_xticks(range(len(drawn.labels)), [short(label, 20) for label in drawn.labels], rotation=90)
    axes.set_yticks(range(len(targets)), [short(summary.target_name(record, c), 24) for c in targets])
    axes.set_xticks([x - 0.5 for x in range(1, len(drawn.labels))], minor=True)
    axes.set_yticks([y - 0.5 for y in range(1, len(targets))], minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    figure.colorbar(image, ax=axes, shrink=0.8, label=", ".join(sorted(set(map(summary.unit_name, record.units)))))
    _title(axes, "", summary.badge(record, _worst(record)))
    _doubt(figure, record)
    _letter(figure)
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


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("figures need matplotlib: pip install 'lineal[plot]'") from None
    return Figure(figsize=(width, height), layout="constrained")


def _draw_bars(axes: Axes, found: list[Bar], badge: summary.Badge) -> None:
    values = [bar.value if math.isfinite(bar.value) else 0.0 for bar in found]
    where = range(len(found))
    colours = [_hex(ink(value, dark=False)) for value in values]
    drawn = axes.barh(where, values, color=colours, height=0.68)
    for patch, bar in zip(drawn, found, strict=True):
        patch.set_alpha(1.0 if bar.kind == "cell" and badge.converged else 0.5)
    room = 1.3 * max(map(abs, values), default=0.0) or 1.0
    error = min(badge.error, 4 * room)  # an unbounded whisker leaves the axes
    for y, (value, bar) in enumerate(zip(values, found, strict=True)):
        if bar.spread:
            axes.errorbar(value, y, xerr=bar.spread, color=GREY, alpha=0.35, linewidth=5)
        if error and not bar.is_exact:
            axes.errorbar(value, y, xerr=error, color="black" if badge.converged else ALARM, linewidth=0.9, capsize=2.5, capthick=0.9)
        axes.annotate(fixed(bar.value, places(room)), (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=8, color=GREY)
    low, high = min([0.0, *values]), max([0.0, *values])
    reach = min(error, high - low)
    axes.set_xlim(low - 1.1 * reach - 0.02 * room, high + 1.1 * reach + 0.02 * room)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks(where, [short(bar.label, 40) for bar in found])
    axes.invert_yaxis()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _title(axes: Axes, finding: str, badge: summary.Badge) -> None:
    text, style = _titled(finding, badge)
    axes.set_title(text, loc="left", **style)


def _titled(finding: str, badge: summary.Badge) -> tuple[str, dict[str, Any]]:
    """Return the finding with the verdict under it, and its style; a bad verdict is the loudest thing in the figure."""
    error = f"error ≤ {number(badge.error, 2)} ({percent(badge.error_share)} of mass)"
    if not badge.converged:
        return f"NOT CONVERGED\n{error}", {"fontsize": 13, "fontweight": "bold", "color": ALARM}
    return "\n".join(LEFT_TO_RIGHT + line for line in [*textwrap.wrap(finding, 84), f"Converged · {error}"]), {"fontsize": 9}


def _finding(record: Attribution, target: int, by: By) -> str:
    return "".join(piece.text for piece in summary.sentence(record, target, by))


def _worst(record: Attribution) -> int:
    """Return the target whose badge speaks for all: the first that did not converge, else the one with the largest relative error."""
    shares = [summary.badge(record, c).error_share for c in range(len(record.targets))]
    return next((c for c, stop in enumerate(record.stops) if not stop.converged), max(range(len(shares)), key=shares.__getitem__))


def _doubt(figure: Figure, record: Attribution | PairAttribution) -> None:
    """Say below the figure what is wrong with what was explained."""
    if found := summary.doubts(record):
        lines = [line for said in found for line in textwrap.wrap(f"Caution. {said}", 84)]
        figure.supxlabel("\n".join(LEFT_TO_RIGHT + line for line in lines), fontsize=8, color=ALARM, x=0.02, horizontalalignment="left")


def _letter(figure: Figure) -> None:
    """Set the fonts of all text, and no text as a formula: a dollar in somebody's text is a dollar."""
    from matplotlib import font_manager
    from matplotlib.text import Text

    known = set(font_manager.get_font_names())
    family = [name for name in FONTS if name in known]
    for text in figure.findobj(Text):
        text.set_parse_math(False)
        text.set_fontfamily(family)


def _hex(colour: RGB) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
