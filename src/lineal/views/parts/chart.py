"""Where bars lie on their common axis, in percent of its width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lineal.views.parts.bars import Bar
from lineal.views.parts.numbers import places

BREAK = 1.5
"""Times the longest bar of a single cell up to which a bar of several is drawn whole; a longer one is cut there, and shows that it is."""


@dataclass(frozen=True)
class Stroke:
    """One drawn bar: its left edge and width, those of its whisker, and those of its band (the spread); a width of 0 is not drawn.

    cut: whether it is longer than it is drawn: the sum of many words would leave no room for the bars of single ones.
    """

    bar: Bar
    left: float
    width: float
    whisker_left: float
    whisker_width: float
    band_left: float
    band_width: float
    cut: bool = False


@dataclass(frozen=True)
class Chart:
    """Bars on one axis. zero: where 0 lies. places: decimals that its values are written with."""

    strokes: tuple[Stroke, ...]
    zero: float
    places: int


def longest(bars: Sequence[Bar]) -> float:
    """Return the |value| up to which a bar is drawn whole; infinite where no single cell has a bar."""
    cells = [abs(bar.value) for bar in bars if bar.kind == "cell" and math.isfinite(bar.value)]
    return BREAK * max(cells, default=0.0) or math.inf


def chart(bars: Sequence[Bar], error: float) -> Chart:
    """Lay bars out on an axis that holds them and whiskers of ±`error`; a whisker that is much longer than the bars is cut at its ends."""
    finite = [bar for bar in bars if math.isfinite(bar.value)]
    limit = longest(bars)

    def drawn(bar: Bar) -> float:
        return max(-limit, min(limit, bar.value))

    values = [0.0, *(drawn(bar) + side * bar.spread for bar in finite for side in (-1, 1))]
    extent = max(values) - min(values)
    room = min(error, 1.2 * extent)
    low, high = min(values) - room * (min(values) < 0), max(values) + room * (max(values) > 0)
    percent = 100 / (high - low) if high > low else 0.0

    def span(begin: float, end: float) -> tuple[float, float]:
        left, right = ((min(high, max(low, value)) - low) * percent for value in (begin, end))
        return round(left, 2), round(right - left, 2)

    def stroke(bar: Bar) -> Stroke:
        value = drawn(bar) if math.isfinite(bar.value) else 0.0
        cut = math.isfinite(bar.value) and value != bar.value
        reach = 0.0 if bar.is_exact or cut else error
        ends = ((min(0.0, value), max(0.0, value)), (value - reach, value + reach), (value - bar.spread, value + bar.spread))
        (left, width), (whisker, reaching), (band, spread) = (span(*pair) for pair in ends)
        return Stroke(bar, left, width, whisker, reaching, band, spread, cut)

    return Chart(tuple(stroke(bar) for bar in bars), span(0.0, 0.0)[0], places(max((abs(bar.value) for bar in finite), default=0.0)))
