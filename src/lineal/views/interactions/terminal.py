"""Interactions in a terminal: the finding, the strongest pairs of words, what words do by themselves and together."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table

from lineal.records.interactions import Interactions
from lineal.views.interactions import words as joint_summary
from lineal.views.media.terminal import line, notes, parts_table, spoken, strongest_table, told_facts, verdict
from lineal.views.parts.answer import answer
from lineal.views.parts.numbers import places
from lineal.views.parts.words import target_name, unit_name


def render_interactions(record: Interactions, limit: int = joint_summary.STRONGEST) -> RenderableType:
    """Return interactions for a `rich` console: the `limit` strongest pairs of words; the matrix is on the page."""
    own = record.attribution
    whole = f"{target_name(own, 0)} ({unit_name(record.unit)})"
    table = parts_table(joint_summary.rows(record), whole, float(own.f_input[0]), "the model's answer")
    facts = joint_summary.facts(record)
    found = verdict(joint_summary.brief(record), *joint_summary.verdict(record), facts, record.converged)
    return Group(
        *((line(answer(own)), found) if record.converged else (found, line(answer(own)))),
        spoken(joint_summary.sentence(record)),
        _pairs(record, limit),
        table,
        told_facts(facts),
        *notes(own),
    )


def _pairs(record: Interactions, limit: int) -> Table:
    found = joint_summary.pairs(record, limit)
    decimals = min(4, places(max((abs(pair.score) for pair in found), default=0.0)))
    rows = [(pair.left, pair.right, pair.score, pair.share) for pair in found]
    return strongest_table(("word", "with", unit_name(record.unit)), rows, decimals)
