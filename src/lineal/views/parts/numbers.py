"""How numbers are written: true minus signs, a few significant digits, percentages."""

from __future__ import annotations

import math


def number(value: float, digits: int = 3) -> str:
    """Return a number in `digits` significant digits: `−0.0312`, `1.5e−07`."""
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: "−∞"}.get(value, "not a number")
    text = f"{value:.{digits}g}" if 1e-4 <= abs(value) < 10**digits or value == 0 else _long(value, digits)
    return text.replace("-", "−")


def signed(value: float, digits: int = 3) -> str:
    """Return a number with its sign in front: `+1.4`, `−2.1`, `0`."""
    return f"+{number(value, digits)}" if value > 0 else number(value, digits)


def fixed(value: float, places: int) -> str:
    """Return a signed number with `places` decimals, for columns: `+1.400`; 0 has no sign."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else signed(value)
    text = f"{value:+.{places}f}"
    return (text if float(text) else text[1:]).replace("-", "−")


def places(largest: float) -> int:
    """Return the decimals that show four significant digits of the largest number in a column."""
    if not math.isfinite(largest) or largest == 0:
        return 2
    return min(9, max(0, 3 - math.floor(math.log10(abs(largest)))))


def percent(share: float) -> str:
    """Return a share as a percentage of about two significant digits: `0.31 %`, `41 %`, `230 %`."""
    if math.isnan(share):
        return "unknown"
    if math.isinf(share):
        return "∞ %"
    if 0 < abs(share) < 1e-6:
        return "< 0.0001 %"
    return f"{number(100 * share, 2 if abs(share) < 0.995 else 3)} %"


def share(part: float) -> str:
    """Return a percentage short enough for a column: nothing finer than a tenth of a percent."""
    if math.isnan(part):
        return "–"
    return "< 0.1 %" if 0 < part < 0.001 else percent(part)


def likely(probability: float) -> str:
    """Return a probability as a whole percentage, finer where it is near 0; what is all but certain is not called certain."""
    if math.isnan(probability):
        return "unknown"
    if 0.995 <= probability < 1:
        return "> 99 %"
    return "< 0.1 %" if 0 < probability < 0.001 else f"{number(100 * probability, 1 if probability < 0.01 else 2)} %"


def count(n: int, noun: str) -> str:
    """Return `1 word`, `2,000 words`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def unbroken(text: str) -> str:
    """Return `text` with its formula kept on one line."""
    return text.replace("F(text) − F(baseline)", "F(text)\u00a0−\u00a0F(baseline)")


def _long(value: float, digits: int) -> str:
    if abs(value) >= 1e6 or abs(value) < 1e-4:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.0f}"
