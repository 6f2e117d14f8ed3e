"""Records for logs, documents and tables: Markdown, CSV, a data frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lineal.records.attribution import Attribution
from lineal.views.attribution import words as summary
from lineal.views.media.table import Table, escaped, piped
from lineal.views.parts import words
from lineal.views.parts.answer import answer
from lineal.views.parts.bars import Bar, bars
from lineal.views.parts.cells import By, cells, level_of, short, visible
from lineal.views.parts.choices import GROUPS, caption, menu
from lineal.views.parts.numbers import fixed, number, places, share, signed

COLUMNS = (
    *("result", "target", "unit", "level", "position", "segment", "start", "end", "text", "role", "score", "spread"),
    *("f_input", "f_baseline", "residual", "error", "evaluations", "stop"),
)
"""Of a table: what is explained, which piece of which text, its score, and how far the scores of this target can be trusted."""


def to_markdown(record: Attribution, by: By = "word", target: int | None = None) -> str:
    """Return the record as Markdown: verdict, sentence, a table of contributions that add up, and where the numbers come from."""
    targets = range(len(record.targets)) if target is None else (target,)
    notes = (*words.truncations(record), *map(visible, record.notes))
    sections = (*(_section(record, by, c) for c in targets), *_options(record))
    doubts = (f"**Caution.** {escaped(said)}" for said in words.doubts(record))
    return "\n\n".join([*sections, *doubts, *map(escaped, notes), escaped(words.about(record))]) + "\n"


def table(records: Attribution | Sequence[Attribution], by: By = "word") -> Table:
    """Return one row per target and cell; scores in full precision; a target's rows sum to F(text) − F(baseline) + residual."""
    several = [records] if isinstance(records, Attribution) else records
    rows = [row for i, record in enumerate(several) for c in range(len(record.targets)) for row in _rows_of(record, by, i, c)]
    return Table(COLUMNS, rows)


def _rows_of(record: Attribution, by: By, index: int, c: int) -> list[tuple[object, ...]]:
    trust = (float(record.f_input[c]), float(record.f_baseline[c]), float(record.residual[c]), float(record.error[c]))
    what, level = (index, visible(record.targets[c]), visible(record.units[c])), level_of(record, by)
    return [
        (
            *(
                *what,
                level,
                position,
                cell.segment,
                cell.start,
                cell.end,
                cell.label,
                cell.role,
                float(cell.values[c]),
                None if record.spread is None else float(cell.spreads[c]),
            ),
            *(*trust, record.evaluations, record.stops[c].name.lower()),
        )
        for position, cell in enumerate(cells(record, by))
    ]


def _options(record: Attribution) -> Iterator[str]:
    """Yield the options of a choice as a table, if it explains one; every number at the text and at the baseline."""
    found = menu(record)
    if not found:
        return
    heads = [f"{head}, at the {end}" for head, _ in GROUPS for end in ("text", "baseline")]
    rows = [
        (f"{escaped(row.name)}{f' ({row.marks})' if row.marks else ''}", *(escaped(value) for pair in row.numbers for value in pair))
        for row in found
    ]
    yield "\n".join(map(piped, [("option", *heads), ("---", *("---:" for _ in heads)), *rows]))
    if caption(record):
        yield caption(record)


def _section(record: Attribution, by: By, target: int) -> str:
    badge, found = summary.badge(record, target), bars(record, target, by)
    decimals = places(max((abs(bar.value) for bar in found), default=0.0))
    rows = [(escaped(short(bar.label, 60)), _valued(bar, decimals), escaped(share(bar.share))) for bar in found]
    rows.append((f"**{words.way(record)}**", f"**{fixed(float(record.delta[target]), decimals)}**", ""))
    table = [f"| contribution | {escaped(words.unit_name(record.units[target]))} | of total effect |", "| ---: | ---: | ---: |"]
    table += map(piped, rows)
    total = signed(float(record.scores[target].sum()), 5)
    ends = (
        f"F(text) {number(float(record.f_input[target]), 5)}, F(baseline) {number(float(record.f_baseline[target]), 5)}, Σ scores {total}"
    )
    answered = "".join(escaped(piece.text) for piece in answer(record, target))
    said = "".join(
        f"**{escaped(piece.text)}**" if piece.kind == "name" else escaped(piece.text) for piece in summary.sentence(record, target, by)
    )
    return "\n\n".join(
        filter(None, [_verdict(badge), answered, said, badge.caution, "\n".join(table), f"{ends}; {escaped('; '.join(badge.facts))}."])
    )


def _valued(bar: Bar, decimals: int) -> str:
    return fixed(bar.value, decimals) + (f" ± {number(bar.spread, 2)}" if bar.spread else "")


def _verdict(badge: summary.Badge) -> str:
    return f"✓ {badge.headline}: {badge.reason}." if badge.converged else f"> ⚠ **{badge.headline.upper()}**: {escaped(badge.reason)}."
