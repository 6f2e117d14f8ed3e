"""Records as one self-contained page: `page(records)`. No network, no framework; opens from a file, prints, reads aloud.

The page is drawn here for the first target and for words; the script only switches, links and shows numbers, from the record itself,
which lies in the page as JSON. Everything that comes from a text passes through Jinja's autoescape or `_json`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lineal.attribution import Attribution
from lineal.views import numbers, summary
from lineal.views.bars import Bar, bars
from lineal.views.cells import By, Cell, cells, level_of, levels, short, visible
from lineal.views.flow import FOLD_FROM, QUIET, Passage, flow
from lineal.views.palette import scale, strength

MOST_TARGETS = 64
"""Targets that get their own panel; the others stay in the data and in the table of all targets."""
MOST_COLUMNS = 60
"""Columns of the heat map; the weaker cells are summed into one more."""

_UNSAFE = re.compile("[<>&\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True)
class Panel:
    """What is said about one target: the sentence, the badge, the bars of every level."""

    target: int
    name: str
    pieces: tuple[summary.Piece, ...]
    badge: summary.Badge
    charts: dict[By, Chart]


@dataclass(frozen=True)
class Chart:
    """Bars with a common axis. zero: where 0 lies, in percent of the width. places: decimals of the values."""

    rows: list[Stroke]
    zero: float
    places: int
    error: float


@dataclass(frozen=True)
class Stroke:
    """One drawn bar: left edge and width, then the whisker's, in percent."""

    bar: Bar
    left: float
    width: float
    whisker_left: float
    whisker_width: float


@dataclass(frozen=True)
class Heat:
    """The heat map: the cells that have a column, the others summed."""

    columns: list[Cell]
    rest: int
    rows: list[list[float]]


def page(records: Attribution | Sequence[Attribution], *, title: str | None = None, headings: Sequence[str] = ()) -> str:
    """Return a whole HTML page about one or several records.

    title: of the page; by default the beginning of the text. headings: one per record; by default what is explained.
    Records whose targets share a unit share one colour scale.
    """
    several = [records] if isinstance(records, Attribution) else list(records)
    script, style, scales = _asset("page.js"), _asset("marks.css") + _asset("page.css"), _scales(several)
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=visible(title) if title else _title(several),
            articles=[_article(record, i, several, headings) for i, record in enumerate(several)],
            shared=len(several) > 1
            and len({unit for record in several for unit in record.units}) < sum(len(set(r.units)) for r in several),
            data=_json({"records": [record.to_dict() for record in several], "scales": scales}),
            headings=headings,
            scales=scales,
            style=Markup(style),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def fragment(record: Attribution, *, by: By = "word", target: int = 0) -> str:
    """Return one record as an HTML fragment for a notebook cell: no script, no ids, styles that touch nothing outside of it."""
    return (
        _environment()
        .get_template("fragment.html")
        .render(article=_article(record, 0, [record], (), shown=((by,), (target,))), style=Markup(_asset("marks.css")))
    )


def _article(
    record: Attribution,
    index: int,
    several: list[Attribution],
    headings: Sequence[str],
    shown: tuple[tuple[By, ...], tuple[int, ...]] | None = None,
) -> dict[str, Any]:
    """Return what the templates draw of one record."""
    offered, targets = shown or (levels(record), strongest_targets(record))
    scales: dict[By, float] = {by: scale(several, record.units[targets[0]], by) for by in offered}
    return {
        "index": index,
        "record": record,
        "heading": visible(headings[index]) if index < len(headings) else _heading(record, targets),
        "by": offered[0],
        "levels": [(by, level_of(record, by) + "s") for by in offered],
        "scales": scales,
        "pages": {by: flow(record, by, _quiet(record, several, by)) for by in offered},
        "panels": [_panel(record, c, offered) for c in targets],
        "first": targets[0],
        "heat": _heat(record, targets) if len(targets) > 1 else None,
        "long": len(record.tokens) >= FOLD_FROM,
        "truncations": summary.truncations(record),
        "about": summary.about(record),
        "details": _details(record),
    }


def strongest_targets(record: Attribution) -> tuple[int, ...]:
    """Return the targets that are drawn, in their own order: all, or those with the largest mass."""
    order = np.argsort(-np.nan_to_num(record.mass), kind="stable")[:MOST_TARGETS]
    return tuple(sorted(int(c) for c in order))


def _heading(record: Attribution, targets: tuple[int, ...]) -> str:
    what = summary.quantity(record, targets[0]) if len(targets) == 1 else numbers.count(len(record.targets), "target")
    return what[:1].upper() + what[1:]


def _panel(record: Attribution, target: int, offered: tuple[By, ...]) -> Panel:
    charts = {by: _chart(bars(record, target, by), float(record.error[target])) for by in offered}
    return Panel(
        target, summary.target_name(record, target), summary.sentence(record, target, offered[0]), summary.badge(record, target), charts
    )


def _chart(found: list[Bar], error: float) -> Chart:
    """Lay bars out on an axis that holds them and their whiskers; a whisker beyond the axis is cut at its ends."""
    finite = [bar.value for bar in found if math.isfinite(bar.value)] + [0.0]
    room = min(error, 1.2 * (max(finite) - min(finite))) if math.isfinite(error) else 0.6 * (max(finite) - min(finite))
    low, high = min(finite) - room * (min(finite) < 0), max(finite) + room * (max(finite) > 0)
    unit = 100 / (high - low) if high > low else 0.0

    def at(value: float) -> float:
        return round((min(high, max(low, value)) - low) * unit, 2)

    def stroke(bar: Bar) -> Stroke:
        value = bar.value if math.isfinite(bar.value) else 0.0
        left, right = at(min(0.0, value)), at(max(0.0, value))
        reach = 0.0 if bar.is_exact else error
        begin, end = at(value - reach), at(value + reach)
        return Stroke(bar, left, round(right - left, 2), begin, round(end - begin, 2))

    return Chart([stroke(bar) for bar in found], at(0.0), numbers.places(max(map(abs, finite))), error)


def _heat(record: Attribution, targets: tuple[int, ...]) -> Heat:
    items = [cell for cell in cells(record, "word") if cell.role == "content"]
    rows = list(targets)
    loudest = sorted(items, key=lambda cell: -float(np.nan_to_num(np.abs(cell.values[rows])).max()))[:MOST_COLUMNS]
    kept = {cell.tokens.start for cell in loudest}
    columns = [cell for cell in items if cell.tokens.start in kept]
    others = [cell for cell in items if cell.tokens.start not in kept]
    return Heat(
        columns,
        len(others),
        [[float(cell.values[c]) for cell in columns] + [float(sum(cell.values[c] for cell in others))] * bool(others) for c in rows],
    )


def _quiet(record: Attribution, several: list[Attribution], by: By) -> Callable[[Cell], bool]:
    limits = np.array([QUIET * scale(several, unit, by) for unit in record.units])
    return lambda cell: bool((np.abs(cell.values) < limits).all())


def _scales(several: list[Attribution]) -> dict[str, dict[str, float]]:
    units = sorted({unit for record in several for unit in record.units})
    offered: tuple[By, ...] = ("word", "token", "sentence")
    return {unit: {by: scale(several, unit, by) for by in offered} for unit in units}


def _details(record: Attribution) -> list[tuple[str, str]]:
    """Return the provenance as (name, value) rows."""
    model, count = record.model, numbers.count
    roles = ", ".join(f"{record.roles.count(role):,} {role}" for role in ("content", "special", "held"))
    rows = {
        "Method": f"{record.method}; path: {record.path}; rule: {record.rule}",
        "Baseline": record.baseline,
        "Tolerance": f"{numbers.percent(record.tol)} of the mass",
        "Work": f"{count(record.evaluations, 'gradient')} in {numbers.number(record.seconds)} s",
        "Model": _dotted(model.name, model.architecture, model.kind, model.revision and f"revision {model.revision}"),
        "Weights": _dotted(model.fingerprint and f"fingerprint {model.fingerprint}", model.dtype, model.device),
        "Versions": ", ".join(f"{name} {version}" for name, version in sorted(record.versions.items())),
        "Tokens": f"{len(record.tokens):,}, of which {roles}",
    }
    return [(name, visible(value)) for name, value in rows.items() if value]


def _dotted(*parts: str | None) -> str:
    return " · ".join(part for part in parts if part)


def _title(several: list[Attribution], limit: int = 70) -> str:
    """Return the first words of the first text, and how many results follow."""
    line = " ".join(visible(several[0].text).split())
    opening = line if len(line) <= limit else line[: limit - 1].rsplit(" ", 1)[0] + " …"
    return opening if len(several) == 1 else f"{opening} and {numbers.count(len(several) - 1, 'more result')}"


def _passage_sum(passage: Passage, target: int) -> float:
    return float(sum(part.cell.values[target] for part in passage.parts if part.cell))


def _json(value: Any) -> Markup:
    """Return JSON that is safe inside a script element: nothing in it can end the element or open another."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(_UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


@cache
def _asset(name: str) -> str:
    return resources.files("lineal.views").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("lineal.views", "assets"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    found.filters |= {"visible": visible, "short": short, "number": numbers.number, "signed": numbers.signed, "fixed": numbers.fixed}
    found.filters |= {"percent": numbers.percent, "share": numbers.share, "count": numbers.count, "unbroken": numbers.unbroken}
    found.globals |= {"strength": strength, "passage_sum": _passage_sum}
    return found
