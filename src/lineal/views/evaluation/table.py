"""An evaluation in words and tables. Works from the measured numbers; computes nothing but means and intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

from lineal.metrics.bootstrap import Interval
from lineal.metrics.catalogue import CATALOGUE, CAUSAL, HIGHER_IS_BETTER
from lineal.records.evaluation import Evaluation
from lineal.views.media.table import Table, escaped, piped
from lineal.views.parts.cells import By
from lineal.views.parts.document import Block, Document
from lineal.views.parts.numbers import count, number, percent
from lineal.views.parts.words import Piece, doubts
from lineal.visible import one_line

BEST = "↑ higher is better, ↓ lower is better; the best mean is bold, whether or not the others are significantly worse."
COSTS, COST_HEADS = "Cost and sums", ("method", "gradients per text", "seconds per text", "median sum off by")
WITHOUT = "none"
"""What stands in place of a removal for metrics that have none."""
MARK = "†"
FAVOURED = f"{MARK} favoured: the removal does what the explanation is made of, with the same filling or the same deletion."
ROUNDING = 1e-12
"""A mean below this is zero and what rounding left of it."""


def evaluation_rows(found: Evaluation) -> list[dict[str, Any]]:
    """Return one row per column, removal and metric: the mean over texts, its 95 % interval, and the paired difference to the control.

    A metric that no removal takes part in has one row per column, with "none" as its removal.
    """
    control = next((c for c, column in enumerate(found.columns) if column.method.startswith("random")), None)
    rows = []
    for c, column in enumerate(found.columns):
        for r, removal, i, metric in _measured(found):
            own = found.interval(c, r, i)
            row: dict[str, Any] = {"method": column.method, "baseline": column.baseline, "removal": removal, "metric": metric}
            row |= {"mean": own.mean, "low": own.low, "high": own.high, "texts": own.n, "favoured": _favoured(found, c, r, metric)}
            if control is not None:
                over = found.against(c, control, r, i)
                row |= {"over_random": over.mean, "over_random_low": over.low, "over_random_high": over.high}
            rows.append(row)
    return rows


def evaluation_markdown(found: Evaluation) -> str:
    """Return a table per removal, one for what needs no removal, one per causal metric, best values bold, and what explanations cost."""
    n = found.values.shape[-1]
    p = "its probability" if found.measured == "probability" else f"F itself, in {found.measured}"
    lines = [f"# Faithfulness on {n} texts", ""]
    lines += [
        f"Model {_cell_text(found.model)}; explained: {_cell_text(found.target)}; p: {p}. Brackets: 95 % bootstrap interval over texts."
    ]
    lines += [f"{BEST} {FAVOURED}" if _marks(found) else BEST, ""]
    for title, shown in _sections(found):
        lines += [f"## {_cell_text(title)}", "", *_piped(found, shown), ""]
    lines += [
        f"## {COSTS}",
        "",
        piped(COST_HEADS),
        "|---|---|---|---|",
        *(piped([_cell_text(name), *rest]) for name, *rest in _costs(found)),
    ]
    lines += ["", "## What was measured", "", *(f"- {_titled(name)}: {CATALOGUE[name].what}." for name in found.metrics)]
    if found.skipped:
        lines += ["", f"Skipped: {len(found.skipped)} texts.", *(f"- {_cell_text(reason)}" for reason in found.skipped)]
    return "\n".join(lines) + "\n"


def evaluation_table(found: Evaluation, by: By = "word") -> Table:
    """Return `evaluation_rows` as a table to compute with; texts have no level, so `by` says nothing here."""
    rows = evaluation_rows(found)
    return Table(tuple(rows[0]), [tuple(row.values()) for row in rows])


def document(found: Evaluation) -> Document:
    """Return what is said of an evaluation: the best method by the first metric, of those that are not favoured; tables, costs."""
    n, many = found.values.shape[-1], [record for column in found.records for record in column]
    r, removal, i, metric = _measured(found)[0]
    means = [found.interval(c, r, i) for c in range(len(found.columns))]
    fair = [c for c in range(len(means)) if not _favoured(found, c, r, metric)] or list(range(len(means)))
    best = _best([own.mean if c in fair else np.nan for c, own in enumerate(means)], HIGHER_IS_BETTER[metric])
    finding = [Piece(f"No method has a {metric}")]
    if best >= 0:
        most = "highest" if HIGHER_IS_BETTER[metric] else "lowest"
        finding = [Piece(f"The {most} mean {metric}, removal {one_line(removal)}, has "), Piece(one_line(found.columns[best].name), "name")]
        besides = f"; {count(len(means) - len(fair), 'method')} that the removal favours left aside" if len(fair) < len(means) else ""
        finding.append(Piece(f": {_spelled(means[best])}, the 95 % interval over texts in brackets{besides}"))
    open_ = next((record for record in many if not record.converged), many[0])
    converged = f"{sum(record.converged for record in many)} of {count(len(many), 'explanation')} converged"
    tables = (_block(found, title, shown) for title, shown in _sections(found))
    return Document(
        what=" · ".join(
            [f"Evaluation of {count(len(found.columns), 'method')} on {count(n, 'text')}", one_line(found.model), one_line(found.target)]
        ),
        finding=(*finding, Piece(".")),
        facts=(converged, count(int(found.gradients.sum()), "gradient"), f"{number(float(found.seconds.sum()), 3)} s"),
        converged=found.converged,
        reason=f"{one_line(open_.text[:60])}: {open_.stop.said(open_.model.dtype)}",
        blocks=(*tables, Block(COST_HEADS, _costs(found), COSTS)),
        notes=(
            BEST,
            *((FAVOURED,) if _marks(found) else ()),
            *(f"Skipped: {one_line(reason)}" for reason in found.skipped),
        ),
        cautions=doubts(many[0]),
    )


Shown = tuple[str, int, str, int]
"""A column of a table: its head, place among removals, metric, place among metrics."""


def _sections(found: Evaluation) -> list[tuple[str, list[Shown]]]:
    """Return (title, what it shows) per removal, for what needs none, and per causal metric, where every removal has a column."""
    measured, sections = _measured(found), []
    for removal in (*found.removals, WITHOUT):
        shown = [(_titled(metric), r, metric, i) for r, name, i, metric in measured if name == removal and metric not in CAUSAL]
        sections.append((f"Removal: {removal}" if removal != WITHOUT else "Without a removal", shown))
    for causal in (metric for metric in found.metrics if metric in CAUSAL):
        shown = [(name, r, metric, i) for r, name, i, metric in measured if metric == causal]
        sections.append((f"When one {found.piece} at a time is replaced: {_titled(causal)}", shown))
    return [(title, shown) for title, shown in sections if shown]


def _favoured(found: Evaluation, column: int, removal: int, metric: str) -> bool:
    return bool(found.favoured) and CATALOGUE[metric].removes and found.favoured[column][removal]


def _marks(found: Evaluation) -> bool:
    """Whether a number of the tables is marked."""
    return any(_favoured(found, c, r, metric) for c in range(len(found.columns)) for r, _, _, metric in _measured(found))


def _costs(found: Evaluation) -> list[tuple[str, ...]]:
    n = found.values.shape[-1]
    rows: list[tuple[str, ...]] = []
    for c, column in enumerate(found.columns):
        gap = found.gap(c)
        closes = "no sum promised" if gap is None else f"{gap[0]:.2g} ({percent(gap[1])})"
        rows.append((one_line(column.name), f"{found.gradients[c] / n:.0f}", f"{found.seconds[c] / n:.2f}", closes))
    return rows


def _grid(found: Evaluation, shown: list[Shown]) -> list[tuple[str, list[tuple[Interval, bool, str]]]]:
    """Return per explanation its name and, per column of the table, the interval, whether it is the best, and a mark where favoured."""
    table = [[found.interval(c, r, i) for _, r, _, i in shown] for c in range(len(found.columns))]
    best = [_best([row[j].mean for row in table], HIGHER_IS_BETTER[metric]) for j, (_, _, metric, _) in enumerate(shown)]
    marks = [[f" {MARK}" * _favoured(found, c, r, metric) for _, r, metric, _ in shown] for c in range(len(found.columns))]
    return [
        (column.name, [(own, c == best[j], marks[c][j]) for j, own in enumerate(table[c])])
        for column, c in zip(found.columns, range(len(table)), strict=True)
    ]


def _block(found: Evaluation, title: str, shown: list[Shown]) -> Block:
    rows = [
        [one_line(name), *(Piece(_spelled(own) + mark, "name") if best else _spelled(own) + mark for own, best, mark in cells)]
        for name, cells in _grid(found, shown)
    ]
    return Block(("method", *(one_line(head) for head, *_ in shown)), rows, one_line(title))


def _piped(found: Evaluation, shown: list[Shown]) -> list[str]:
    """Return a Markdown table of some columns."""
    heads = (head if head == _titled(metric) else _cell_text(head) for head, _, metric, _ in shown)  # a removal may be named anything
    rows = [piped([_cell_text(name), *(_cell(own, best) + mark for own, best, mark in cells)]) for name, cells in _grid(found, shown)]
    return [piped(["method", *heads]), "|---|" + "---|" * len(shown), *rows]


def _cell_text(text: str) -> str:
    """Return a name for a table: Markdown shows it as it is, and a terminal obeys nothing in it."""
    return escaped(one_line(text))


def _measured(found: Evaluation) -> list[tuple[int, str, int, str]]:
    """Return (place among removals, removal, place among metrics, metric) of every number; a metric without a removal stands once."""
    every = [(r, removal, i, metric) for r, removal in enumerate(found.removals) for i, metric in enumerate(found.metrics)]
    own = [entry for entry in every if CATALOGUE[entry[3]].removes]
    return own + [(0, WITHOUT, i, metric) for r, _, i, metric in every if r == 0 and not CATALOGUE[metric].removes]


def _titled(metric: str) -> str:
    return f"{metric} {'↑' if HIGHER_IS_BETTER[metric] else '↓'}"


def _best(means: list[float], higher: bool) -> int:
    values = np.array(means) * (1 if higher else -1)
    return int(np.nanargmax(values)) if np.isfinite(values).any() else -1


def _cell(found: Interval, best: bool) -> str:
    mean, rest = _spelled(found).partition(" ")[::2]
    return f"**{mean}** {rest}" if best else f"{mean} {rest}".strip()


def _spelled(found: Interval) -> str:
    if not np.isfinite(found.mean):
        return "–"
    mean, low, high = (_short(value) for value in (found.mean, found.low, found.high))
    return f"{mean} [{low}, {high}]"


def _short(value: float) -> str:
    if abs(value) < ROUNDING:
        return "0.000"
    return f"{value:.3f}" if 1e-3 <= abs(value) < 1e3 else f"{value:.2g}"
