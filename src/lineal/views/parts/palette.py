"""Colours and their scale: blue for what takes off, orange for what adds, equally light at equal strength, neutral at 0.

The only place where scores are divided by anything; what comes out is for the eye.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from lineal.records.attribution import Attribution
from lineal.views.parts.cells import By, cells

RGB = tuple[int, int, int]

BLUE, ORANGE = 255.0, 58.0
"""Hues in OKLCH, far apart for every common kind of colour vision."""


RAMP = 0.7
"""Depth of a tint: |value| / largest to this power, on pages (assets/marks.css), in terminals and in figures alike."""


def scale(records: Iterable[Attribution], unit: str, by: By) -> float:
    """Return the largest finite |score| of a cell among all targets with this unit: one unit, one scale. Records without regions: none."""
    largest = 0.0
    for record in records:
        if by == "region" and not any(record.region_of):
            continue
        rows = [c for c, other in enumerate(record.units) if other == unit]
        values = np.abs([cell.values[rows] for cell in cells(record, by)])
        largest = max(largest, float(values.max(initial=0.0, where=np.isfinite(values))))
    return largest


def strength(value: float, largest: float) -> float:
    """Return |value| / largest in [0, 1]; 0 for what is not a number."""
    return min(1.0, abs(value) / largest) if largest and math.isfinite(value) else 0.0


def tint(value: float, largest: float, dark: bool) -> RGB:
    """Return the background of a cell, from the page's own (value 0) to full colour; the ramp rises early, so that middling words show."""
    lightness, chroma, ground = (0.50, 0.125, 0.20) if dark else (0.75, 0.135, 1.0)
    s = strength(value, largest) ** RAMP
    return oklch(ground + s * (lightness - ground), s * chroma, BLUE if value < 0 else ORANGE)


def ink(value: float, dark: bool) -> RGB:
    """Return the full colour of a bar."""
    return oklch(0.72 if dark else 0.60, 0.125, BLUE if value < 0 else ORANGE)


def oklch(lightness: float, chroma: float, hue: float) -> RGB:
    """Return an OKLCH colour as 8-bit sRGB, clipped (Ottosson, "A perceptual color space for image processing", 2020)."""
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    small = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * small
    green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * small
    blue = -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * small
    return _byte(red), _byte(green), _byte(blue)


def hexed(colour: RGB) -> str:
    """Return a colour as `#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _byte(linear: float) -> int:
    value = min(1.0, max(0.0, linear))
    return round(255 * (12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055))
