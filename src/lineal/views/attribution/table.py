"""Records for logs, documents and tables: Markdown, CSV, a data frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lineal.errors import MissingExtraError
from lineal.records.attribution import Attribution
from lineal.views.attribution import words as summary
from lineal.views.media.table import escaped
from lineal.views.parts import words
from lineal.views.parts.bars import Bar, bars
from lineal.views.parts.cells import By, cells, level_of, short, visible
from lineal.views.parts.choices import GROUPS, caption, menu
from lineal.views.parts.numbers import fixed, number, places, share, signed

if TYPE_CHECKING:
    import pandas as pd

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


def to_csv(records: Attribution | Sequence[Attribution], by: By = "word") -> str:
    """Return one row per target and cell; scores in full precision; a target's rows sum to F(text) − F(baseline) + residual.

    Cells hold the text as it is: import the file as text, as a spreadsheet takes a cell that begins with = + - or @ for a formula.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_rows(records, by))
    return file.getvalue()


def to_dataframe(records: Attribution | Sequence[Attribution], by: By = "word") -> pd.DataFrame:
    """Return the table of `to_csv` as a pandas data frame. Raises MissingExtraError when pandas is not installed."""
    try:
        import pandas as pd
    except ImportError:
        raise MissingExtraError("to_dataframe needs pandas: pip install pandas; to_csv gives the same table without it") from None
    return pd.DataFrame(_rows(records, by), columns=list(COLUMNS))


def _rows(records: Attribution | Sequence[Attribution], by: By) -> list[tuple[object, ...]]:
    several = [records] if isinstance(records, Attribution) else records
    return [row for i, record in enumerate(several) for c in range(len(record.targets)) for row in _rows_of(record, by, i, c)]


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
    table = [("option", *heads), ("---", *("---:" for _ in heads)), *rows]
    yield "\n".join(f"| {' | '.join(row)} |" for row in table)
    if caption(record):
        yield caption(record)


def _section(record: Attribution, by: By, target: int) -> str:
    badge, found = summary.badge(record, target), bars(record, target, by)
    decimals = places(max((abs(bar.value) for bar in found), default=0.0))
    rows = [(escaped(short(bar.label, 60)), _valued(bar, decimals), escaped(share(bar.share))) for bar in found]
    rows.append(("**F(text) − F(baseline)**", f"**{fixed(float(record.delta[target]), decimals)}**", ""))
    table = [f"| contribution | {escaped(words.unit_name(record.units[target]))} | of mass |", "| ---: | ---: | ---: |"]
    table += [f"| {' | '.join(row)} |" for row in rows]
    total = signed(float(record.scores[target].sum()), 5)
    ends = (
        f"F(text) {number(float(record.f_input[target]), 5)}, F(baseline) {number(float(record.f_baseline[target]), 5)}, Σ scores {total}"
    )
    said = "".join(
        f"**{escaped(piece.text)}**" if piece.kind == "name" else escaped(piece.text) for piece in summary.sentence(record, target, by)
    )
    return "\n\n".join(
        filter(None, [_verdict(badge), said, badge.caution, "\n".join(table), f"{ends}; {escaped('; '.join(badge.facts))}."])
    )


def _valued(bar: Bar, decimals: int) -> str:
    return fixed(bar.value, decimals) + (f" ± {number(bar.spread, 2)}" if bar.spread else "")


def _verdict(badge: summary.Badge) -> str:
    return f"✓ {badge.headline}: {badge.reason}." if badge.converged else f"> ⚠ **{badge.headline.upper()}**: {escaped(badge.reason)}."
