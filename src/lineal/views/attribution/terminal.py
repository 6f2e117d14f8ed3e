"""Records in a terminal: the badge, the sentence, the tinted text, bars, and the numbers they rest on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.style import Style
from rich.table import Table
from rich.text import Text

from lineal.records.attribution import Attribution
from lineal.views.attribution.reading import Ground, Reading, reading
from lineal.views.attribution.words import sentence
from lineal.views.media.terminal import notes, plain
from lineal.views.parts.bars import Bar, bars
from lineal.views.parts.cells import By, short
from lineal.views.parts.chart import longest
from lineal.views.parts.choices import GROUPS, caption, menu
from lineal.views.parts.numbers import fixed, number, places, share, signed
from lineal.views.parts.words import target_name, way

WIDTH, LEAST, LABEL = 22, 6, 30
"""Characters of the bars, at most and at least, and of their labels."""
NUMBERS, NARROW = 30, 72
"""Characters of the columns of numbers; below a width of NARROW there is one, so that labels and bars have room."""
EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")


def render(record: Attribution, by: By = "word", target: int | None = None, *, ground: Ground = "dark") -> RenderableType:
    """Return the record for a `rich` console.

    target: an index, or None for all targets. ground: the terminal's background; none means no colours: names stand between asterisks
    and strong cells carry their number.
    """
    rows = range(len(record.targets)) if target is None else (target,)
    parts = (part for c in rows for part in _parts(Reading(record, by, c, ground)))
    return Group(*parts, *_menu(record), *notes(record))


def to_text(record: Attribution, by: By = "word", target: int | None = None, *, width: int = 100) -> str:
    """Return the same view as a plain string without colours, for logs and pipes."""
    return plain(render(record, by, target, ground="none"), width)


def _parts(view: Reading) -> Iterator[RenderableType]:
    yield from reading(view, sentence(view.record, view.target, view.by))
    yield Padding(_Chart(view), (1, 0))
    yield _facts(view)


def _menu(record: Attribution) -> Iterator[RenderableType]:
    """Draw the options of a choice, each number at the text and, behind an arrow, at the baseline."""
    found = menu(record)
    if not found:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("option (text ← baseline)", min_width=8)
    for head, _ in GROUPS:
        table.add_column(head, justify="right", no_wrap=True)
    for row in found:
        name = Text.assemble((short(row.name, 2 * LABEL), "bold" if row.is_picked else ""), (f" {row.marks}" if row.marks else "", "dim"))
        table.add_row(name, *(Text.assemble(at_text, (f" ← {at_baseline}", "dim")) for at_text, at_baseline in row.numbers))
    yield Padding(Group(table, Text(caption(record), "dim")) if caption(record) else table, (0, 0, 1, 0))


@dataclass(frozen=True)
class _Chart:
    """The bars of one target, as wide as the console lets them be."""

    view: Reading

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table that fits."""
        yield _chart(bars(self.view.record, self.view.target, self.view.by), self.view, options.max_width)


def _chart(found: list[Bar], view: Reading, room: int) -> Table:
    narrow = room < NARROW
    numbers = 11 if narrow else NUMBERS + (9 if view.record.spread is not None else 0)
    label = min(LABEL, max(len(way(view.record)) if not narrow else 0, room // 3))
    width = min(WIDTH, max(LEAST, room - numbers - label - 2))
    limit, values = longest(found), [0.0, *(bar.value for bar in found if math.isfinite(bar.value))]
    finite = [max(-limit, min(limit, value)) for value in values]
    reach = max(finite) - min(finite)
    left = round(width * -min(finite) / reach) if reach else 0
    decimals = places(max(map(abs, values)))
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("contribution", justify="right", max_width=label)
    table.add_column("", no_wrap=True, min_width=width)
    table.add_column(view.unit if not narrow else "", justify="right", no_wrap=True, min_width=9)
    if not narrow:
        table.add_column("of total", justify="right", no_wrap=True, min_width=8)
        if view.record.spread is not None:
            table.add_column("spread", justify="right", no_wrap=True, min_width=8)
        table.add_column(f"± {number(float(view.record.error[view.target]), 2)}", no_wrap=True, min_width=8)
    for bar in found:
        style = "" if bar.kind == "cell" else "dim"
        drawn = _bar(bar, left, width / reach if reach else 0.0, view, limit)
        shown = [Text(fixed(bar.value, decimals), style)]
        if not narrow:
            spread = [Text(f"± {number(bar.spread, 2)}" if bar.spread else "", "dim")] if view.record.spread is not None else []
            shown += [Text(share(bar.share), "dim"), *spread, _doubt(bar, view)]
        table.add_row(Text(short(bar.label, label), style), drawn, *shown)
    table.add_row(Text(way(view.record), "bold"), "", Text(fixed(float(view.record.delta[view.target]), decimals), "bold"))
    return table


def _bar(bar: Bar, left: int, unit: float, view: Reading, limit: float) -> Text:
    """Draw a bar to the left or right of the axis at column `left`; eighths of a character to the right, halves to the left.

    limit: a longer one is cut there, and shows that it is.
    """
    length = min(abs(bar.value), limit) * unit if math.isfinite(bar.value) else 0.0
    style = view.ink(bar.value) + Style(dim=bar.kind != "cell")
    if bar.value < 0:
        whole, halves = divmod(round(2 * min(length, left)), 2)
        drawn = "▐" * halves + "█" * whole or "▕"
        drawn = drawn[:1] + "╱" + drawn[2:] if abs(bar.value) > limit else drawn
        return Text(" " * (left - len(drawn)) + drawn, style)
    whole, eighths = divmod(round(8 * length), 8)
    if abs(bar.value) > limit:
        return Text(" " * left + "█" * max(0, whole - 2) + "╱█", style)
    return Text(" " * left + "█" * whole + EIGHTHS[eighths], style)


def _doubt(bar: Bar, view: Reading) -> Text:
    """Say when the error leaves even the sign of a bar open."""
    is_open = not bar.is_exact and abs(bar.value) <= float(view.record.error[view.target])
    return Text("sign?" if is_open else "", "dim" if view.converged else "red")


def _facts(view: Reading) -> Text:
    record, c = view.record, view.target
    facts = (
        ("target", f"{target_name(record, c)} ({view.unit})"),
        ("F(text)", number(float(record.f_input[c]), 5)),
        ("F(baseline)", number(float(record.f_baseline[c]), 5)),
        ("Σ scores", signed(float(record.scores[c].sum()), 5)),
        ("residual", signed(float(record.residual[c]), 3)),
        ("error ≤", number(float(record.error[c]), 3)),
        *((("sampling ±", number(float(record.sampling[c]), 3)),) if record.sampling is not None else ()),
        ("gradients", f"{record.evaluations:,}"),
        ("ended", record.stops[c].name.lower().replace("_", " ")),
    )
    return Text.assemble(*(pair for name, value in facts for pair in ((f"{name} ", "dim"), f"{value}   ")))
