"""Records as HTML: `page`, a whole self-contained page, and `repr_html`, a fragment for a notebook. No network, no framework.

The page is drawn here for its first target; its script only switches, links and shows numbers, from the record itself, which lies in the
page as JSON. Everything that comes from a text passes through Jinja's autoescape or `_json`, and the page's own policy lets no other
script run.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lineal.records.attribution import Attribution
from lineal.views.attribution import words as summary
from lineal.views.parts import menu, numbers
from lineal.views.parts.bars import bars
from lineal.views.parts.cells import By, Cell, level_of, levels, short, visible
from lineal.views.parts.chart import Chart, chart
from lineal.views.parts.flow import FOLD_FROM, QUIET, Page, Passage, flow
from lineal.views.parts.heat import Heat, drawn_targets, heat
from lineal.views.parts.palette import scale, strength

MOST_FOLDED = 12
"""Targets that a notebook fragment draws."""

_LEVELS: tuple[By, ...] = ("word", "token", "sentence", "region")
_UNSAFE = re.compile("[<>&\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

Scales = dict[str, dict[By, float]]
Say = Callable[[Attribution, int, By], tuple[summary.Piece, ...]]


@dataclass(frozen=True)
class Panel:
    """What is said about one target: its name, the sentence, the badge, and the bars of every level."""

    target: int
    name: str
    pieces: tuple[summary.Piece, ...]
    badge: summary.Badge
    charts: dict[By, Chart]


@dataclass(frozen=True, eq=False)
class Article:
    """One record as it is drawn. nouns: what a cell of each offered level is called. pages: the texts of each level."""

    record: Attribution
    nouns: dict[By, str]
    pages: dict[By, list[Page]]
    panels: tuple[Panel, ...]
    heat: Heat | None

    @property
    def by(self) -> By:
        """The level that is shown first."""
        return next(iter(self.nouns))

    @property
    def first(self) -> int:
        """The target that is shown first."""
        return self.panels[0].target

    @property
    def is_long(self) -> bool:
        """True when the bars come before the text."""
        return len(self.record.tokens) >= FOLD_FROM

    @property
    def heading(self) -> str:
        """What is explained."""
        what = summary.quantity(self.record, self.first) if len(self.panels) == 1 else numbers.count(len(self.record.targets), "target")
        return what[:1].upper() + what[1:]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know before the text."""
        return (*summary.truncations(self.record), *map(visible, self.record.notes))

    @property
    def menu(self) -> tuple[menu.Row, ...]:
        """The options of a choice."""
        return menu.menu(self.record)

    @property
    def details(self) -> dict[str, str]:
        """Where the numbers come from, by name."""
        return details(self.record)


def details(record: Attribution) -> dict[str, str]:
    """Return where the numbers come from, by name."""
    model = record.model
    roles = ", ".join(f"{record.roles.count(role):,} {role}" for role in ("content", "special", "held"))
    rows = {
        "Method": f"{record.method}; path: {record.path}; rule: {record.rule}",
        "Baseline": record.baseline,
        "Tolerance": f"{numbers.percent(record.tol)} of the mass",
        "Work": f"{numbers.count(record.evaluations, 'gradient')} in {numbers.number(record.seconds)} s",
        "Model": _dotted(model.name, model.architecture, model.kind, model.revision and f"revision {model.revision}"),
        "Weights": _dotted(model.fingerprint and f"fingerprint {model.fingerprint}", model.dtype, model.device),
        "Versions": ", ".join(f"{name} {version}" for name, version in sorted(record.versions.items())),
        "Tokens": f"{len(record.tokens):,}, of which {roles}",
    }
    return {name: visible(value) for name, value in rows.items() if value}


def page(
    records: Attribution | Sequence[Attribution], *, title: str | None = None, headings: Sequence[str] = (), panels: Sequence[Markup] = ()
) -> str:
    """Return a whole HTML page about one or several records.

    title: of the page; by default the beginning of the text. headings: one per record; by default what is explained.
    panels: further HTML, one per record (`trust_panel`). Targets that share a unit share one colour scale, also across records.
    """
    several = [records] if isinstance(records, Attribution) else list(records)
    scales = _scales(several)
    return _render(
        "page.html",
        title=visible(title) if title else _title(several),
        headings=headings,
        panels=dict(enumerate(panels)) | {i: Markup("") for i in range(len(panels), len(several))},
        articles=[_article(record, levels(record), drawn_targets(record), scales) for record in several],
        scales=scales,
        shared=_shared(several),
        data=_json(
            {"records": [r.to_dict() for r in several], "scales": scales, "units": {unit: summary.unit_name(unit) for unit in scales}}
        ),
        **_dress("page.js", "page.css"),
    )


def repr_html(record: Attribution, by: By = "word", target: int | None = None) -> str:
    """Return the record as a fragment for a notebook cell: no script, no ids, styles that touch nothing outside of it.

    target: an index, or None for all: the first is open, the others are folded.
    """
    targets, scales = drawn_targets(record)[:MOST_FOLDED] if target is None else (target,), _scales([record])
    return _render("fragment.html", a=_article(record, (by,), targets, scales), scales=scales, style=Markup(_asset("marks.css")))


def _article(
    record: Attribution, offered: tuple[By, ...], targets: tuple[int, ...], scales: Scales, say: Say = summary.sentence
) -> Article:
    """Return the article. say: what its sentence is."""
    return Article(
        record=record,
        nouns={by: level_of(record, by) for by in offered},
        pages={by: flow(record, by, _quiet(record, by, scales)) for by in offered},
        panels=tuple(_panel(record, c, offered, say) for c in targets),
        heat=heat(record, targets) if len(targets) > 1 else None,
    )


def _panel(record: Attribution, target: int, offered: tuple[By, ...], say: Say) -> Panel:
    return Panel(
        target=target,
        name=summary.target_name(record, target),
        pieces=say(record, target, offered[0]),
        badge=summary.badge(record, target),
        charts={by: chart(bars(record, target, by), float(record.error[target])) for by in offered},
    )


def _quiet(record: Attribution, by: By, scales: Scales) -> Callable[[Cell], bool]:
    """Return whether a cell is quiet for every target."""
    limits = QUIET * np.array([scales[unit][by] for unit in record.units])
    return lambda cell: bool((np.abs(cell.values) < limits).all())


def _scales(several: list[Attribution]) -> Scales:
    units = sorted({unit for record in several for unit in record.units})
    return {unit: {by: scale(several, unit, by) for by in _LEVELS} for unit in units}


def _shared(several: list[Attribution]) -> set[str]:
    """Return the units that belong to more than one record."""
    units = Counter(unit for record in several for unit in set(record.units))
    return {unit for unit, n in units.items() if n > 1}


def _title(several: list[Attribution], limit: int = 70) -> str:
    """Return the first words of the first text, and how many results follow."""
    line = " ".join(visible(several[0].text).split())
    opening = line if len(line) <= limit else line[: limit - 1].rsplit(" ", 1)[0] + " …"
    return opening if len(several) == 1 else f"{opening} and {numbers.count(len(several) - 1, 'more result')}"


def _dotted(*parts: str | None) -> str:
    return " · ".join(part for part in parts if part)


def _passage_sum(passage: Passage, target: int) -> float:
    return float(sum(part.cell.values[target] for part in passage.parts if part.cell))


def _json(value: Any) -> Markup:
    """Return JSON that is safe inside a script element: nothing in it can end the element or open another."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(_UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def _dress(script: str | None, *styles: str) -> dict[str, str]:
    """Return what a page wears: its style, the frame's script and its own if it has one, the hash by which the page's policy knows them."""
    source = _asset("frame.js") + (_asset(script) if script else "")
    return {
        "style": Markup("".join(_asset(name) for name in ("marks.css", *styles))),
        "script": Markup(source),
        "script_hash": base64.b64encode(hashlib.sha256(source.encode()).digest()).decode(),
    }


def _render(name: str, **values: Any) -> str:
    return _environment().get_template(name).render(**values)


@cache
def _asset(name: str) -> str:
    return resources.files("lineal.views").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    loader = PackageLoader("lineal.views", "assets")
    found = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    for filter_ in (
        visible,
        short,
        numbers.number,
        numbers.signed,
        numbers.fixed,
        numbers.percent,
        numbers.share,
        numbers.count,
        numbers.unbroken,
    ):
        found.filters[filter_.__name__] = filter_
    found.globals |= {"strength": strength, "passage_sum": _passage_sum, "about": summary.about, "unit_name": summary.unit_name}
    found.globals |= {"doubts": summary.doubts, "GROUPS": menu.GROUPS, "menu_caption": menu.caption}
    return found
