"""A record as an article of a page or a notebook: its texts and bars at every level, what is said of each target, its heat map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lineal.records.attribution import Attribution
from lineal.views.attribution.words import Badge, badge, sentence
from lineal.views.parts import choices, numbers
from lineal.views.parts.answer import answer, brief, probability
from lineal.views.parts.bars import Bar, bars
from lineal.views.parts.cells import By, Cell, level_of, visible
from lineal.views.parts.chart import Chart, chart
from lineal.views.parts.flow import FOLD_FROM, QUIET, Page, flow
from lineal.views.parts.heat import Heat, heat
from lineal.views.parts.palette import scale
from lineal.views.parts.words import Piece, details, quantity, target_name, truncations

_LEVELS: tuple[By, ...] = ("word", "token", "sentence", "region")

Scales = dict[str, dict[By, float]]
Say = Callable[[Attribution, int, By], tuple[Piece, ...]]


@dataclass(frozen=True)
class Panel:
    """What is said about one target: its name, what the model answered, the sentence, the badge, and the bars of every level.

    likely: how likely a generated token is; "" for other targets.
    """

    target: int
    name: str
    likely: str
    answer: tuple[Piece, ...]
    pieces: tuple[Piece, ...]
    badge: Badge
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
    def brief(self) -> str:
        """What the model answered, for a line of a list."""
        return brief(self.record, self.first)

    @property
    def strongest(self) -> tuple[Bar, ...]:
        """The strongest two contributions to the first target."""
        return tuple(stroke.bar for stroke in self.panels[0].charts[self.by].strokes if stroke.bar.kind == "cell")[:2]

    @property
    def is_long(self) -> bool:
        """True when the bars come before the text."""
        return len(self.record.tokens) >= FOLD_FROM

    @property
    def heading(self) -> str:
        """What is explained."""
        what = quantity(self.record, self.first) if len(self.panels) == 1 else numbers.count(len(self.record.targets), "target")
        return what[:1].upper() + what[1:]

    def later(self, column: int, target: int) -> bool:
        """Return whether a column of the heat map is explained by this target or comes after it: it cannot matter, which is not 0."""
        assert self.heat is not None, "there is a heat map"
        if not self.record.steps or column >= len(self.heat.columns):
            return False
        return self.heat.columns[column].tokens.start >= len(self.record.tokens) - self.record.steps + target

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know before the text."""
        return (*truncations(self.record), *map(visible, self.record.notes))

    @property
    def menu(self) -> tuple[choices.Row, ...]:
        """The options of a choice."""
        return choices.menu(self.record)

    @property
    def details(self) -> dict[str, str]:
        """Where the numbers come from, by name."""
        return details(self.record)


def article(record: Attribution, offered: tuple[By, ...], targets: tuple[int, ...], drawn: Scales, say: Say = sentence) -> Article:
    """Return the article at the levels that are offered. drawn: `scales`. say: what its sentence is."""
    return Article(
        record=record,
        nouns={by: level_of(record, by) for by in offered},
        pages={by: flow(record, by, _quiet(record, by, drawn)) for by in offered},
        panels=tuple(_panel(record, c, offered, say) for c in targets),
        heat=heat(record, targets) if len(targets) > 1 else None,
    )


def scales(several: Sequence[Attribution]) -> Scales:
    """Return what full colour stands for: per unit and level, the largest score of all records."""
    units = sorted({unit for record in several for unit in record.units})
    return {unit: {by: scale(several, unit, by) for by in _LEVELS} for unit in units}


def _panel(record: Attribution, target: int, offered: tuple[By, ...], say: Say) -> Panel:
    return Panel(
        target=target,
        name=target_name(record, target),
        likely=probability(record, target) if record.steps else "",
        answer=answer(record, target),
        pieces=say(record, target, offered[0]),
        badge=badge(record, target),
        charts={by: chart(bars(record, target, by), float(record.error[target])) for by in offered},
    )


def _quiet(record: Attribution, by: By, drawn: Scales) -> Callable[[Cell], bool]:
    """Return whether a cell is quiet for every target."""
    limits = QUIET * np.array([drawn[unit][by] for unit in record.units])
    return lambda cell: bool((np.abs(cell.values) < limits).all())
