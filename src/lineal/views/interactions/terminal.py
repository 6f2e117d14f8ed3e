"""Interactions in a terminal: the finding, the strongest pairs of words, what words do by themselves and together."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lineal.records.interactions import Interactions
from lineal.views.attribution import words as summary
from lineal.views.attribution.terminal import notes
from lineal.views.interactions import words as joint_summary
from lineal.views.pair.terminal import WIDTH, parts_table, spoken, style, verdict
from lineal.views.parts.cells import short, visible
from lineal.views.parts.numbers import fixed, places


def render_interactions(record: Interactions, limit: int = joint_summary.STRONGEST) -> RenderableType:
    """Return interactions for a `rich` console: the `limit` strongest pairs of words; the matrix is on the page."""
    own = record.attribution
    whole = f"{summary.target_name(own, 0)} ({summary.unit_name(record.unit)})"
    table = parts_table(joint_summary.rows(record), whole, float(own.f_input[0]), "the model's answer")
    found = verdict(*joint_summary.verdict(record), joint_summary.facts(record), record.converged)
    return Group(found, spoken(joint_summary.sentence(record)), _pairs(record, limit), table, *notes(own))


def _pairs(record: Interactions, limit: int) -> Table:
    table = Table(box=None, padding=(0, 1), show_header=True, header_style="dim")
    for name in ("word", "with"):
        table.add_column(name, justify="right" if name == "word" else "left")
    table.add_column(summary.unit_name(record.unit), justify="right")
    table.add_column("")
    found = joint_summary.pairs(record, limit)
    decimals = min(4, places(max((abs(pair.score) for pair in found), default=0.0)))
    for pair in found:
        bar = Text("█" * max(1, round(WIDTH * pair.share)), style=style(pair.score))
        table.add_row(Text(short(visible(pair.left), 30)), Text(short(visible(pair.right), 30)), Text(fixed(pair.score, decimals)), bar)
    return table
