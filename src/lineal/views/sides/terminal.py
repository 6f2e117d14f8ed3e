"""Two texts and one row of scores in a terminal: the finding, both texts, what each adds, the strongest words of each."""

from __future__ import annotations

from itertools import zip_longest

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lineal.records.attribution import Attribution
from lineal.views.attribution.reading import Ground, Reading, reading
from lineal.views.media.terminal import notes, parts_table
from lineal.views.parts.bars import Bar
from lineal.views.parts.cells import By, short
from lineal.views.parts.numbers import fixed, places
from lineal.views.parts.words import target_name
from lineal.views.sides.words import no_matrix, parts, sentence, sides

LABEL = 30
"""Characters of a word."""


def render_sides(record: Attribution, by: By = "word", *, ground: Ground = "dark") -> RenderableType:
    """Return two texts that a model reads together for a `rich` console, all targets; ground: as in `render`."""
    views = [Reading(record, by, c, ground) for c in range(len(record.targets))]
    drawn = (part for view in views for part in (*reading(view, sentence(record, view.target, by)), *_tables(view)))
    return Group(*drawn, Text(no_matrix(record), "dim"), *notes(record))


def _tables(view: Reading) -> tuple[RenderableType, ...]:
    return Padding(_strongest(view), (1, 0)), _parts(view)


def _strongest(view: Reading) -> Table:
    both = sides(view.record, view.target, view.by)
    decimals = places(max((abs(bar.value) for side in both for bar in side.bars), default=0.0))
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    for side in both:
        table.add_column(f"text {side.number}", justify="right", max_width=LABEL)
        table.add_column(view.unit, justify="right", no_wrap=True, min_width=9)
    for row in zip_longest(*(side.bars for side in both)):
        table.add_row(*(cell for bar in row for cell in _cells(bar, decimals, view)))
    table.add_row(*(cell for side in both for cell in (Text("in sum", "bold"), Text(fixed(side.total, decimals), "bold"))))
    return table


def _cells(bar: Bar | None, decimals: int, view: Reading) -> tuple[Text, Text]:
    if bar is None:
        return Text(), Text()
    return Text(short(bar.label, LABEL), "" if bar.cell else "dim"), Text(fixed(bar.value, decimals), view.ink(bar.value))


def _parts(view: Reading) -> Table:
    record, c = view.record, view.target
    whole = f"{target_name(record, c)} ({view.unit})"
    return parts_table(parts(record, c), whole, float(record.f_input[c]), "the model's answer")
