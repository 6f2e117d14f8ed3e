"""Where bars lie on their common axis, in percent of its width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lineal.views.parts.bars import Bar
from lineal.views.parts.numbers import places


@dataclass(frozen=True)
class Stroke:
    """One drawn bar: its left edge and width, those of its whisker, and those of its band (the spread); a width of 0 is not drawn."""

    bar: Bar
    left: float
    width: float
    whisker_left: float
    whisker_width: float
    band_left: float
    band_width: float


@dataclass(frozen=True)
class Chart:
    """Bars on one axis. zero: where 0 lies. places: decimals that its values are written with."""

    strokes: tuple[Stroke, ...]
    zero: float
    places: int


def chart(bars: Sequence[Bar], error: float) -> Chart:
    """Lay bars out on an axis that holds them and whiskers of ±`error`; a whisker that is much longer than the bars is cut at its ends."""
    finite = [bar for bar in bars if math.isfinite(bar.value)]
    values = [0.0, *(bar.value + side * bar.spread for bar in finite for side in (-1, 1))]
    extent = max(values) - min(values)
    room = min(error, 1.2 * extent)
    low, high = min(values) - room * (min(values) < 0), max(values) + room * (max(values) > 0)
    percent = 100 / (high - low) if high > low else 0.0

    def span(begin: float, end: float) -> tuple[float, float]:
        left, right = ((min(high, max(low, value)) - low) * percent for value in (begin, end))
        return round(left, 2), round(right - left, 2)

    def stroke(bar: Bar) -> Stroke:
        value = bar.value if math.isfinite(bar.value) else 0.0
        reach = 0.0 if bar.is_exact else error
        ends = ((min(0.0, value), max(0.0, value)), (value - reach, value + reach), (value - bar.spread, value + bar.spread))
        return Stroke(bar, *(edge for pair in ends for edge in span(*pair)))

    return Chart(tuple(stroke(bar) for bar in bars), span(0.0, 0.0)[0], places(max((abs(bar.value) for bar in finite), default=0.0)))
