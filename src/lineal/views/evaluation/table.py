"""An evaluation as Markdown, CSV, JSON and a figure. Works from the measured numbers; computes nothing but means and intervals."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from lineal.errors import MissingExtraError
from lineal.metrics.bootstrap import Interval
from lineal.metrics.catalogue import CATALOGUE, HIGHER_IS_BETTER
from lineal.metrics.curves import GRID
from lineal.views.media.table import escaped
from lineal.views.parts.numbers import percent
from lineal.visible import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lineal.records.evaluation import Evaluation


WITHOUT = "none"
"""What stands in place of a removal for metrics that have none."""
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
            row |= {"mean": own.mean, "low": own.low, "high": own.high, "texts": own.n}
            if control is not None:
                over = found.against(c, control, r, i)
                row |= {"over_random": over.mean, "over_random_low": over.low, "over_random_high": over.high}
            rows.append(row)
    return rows


def evaluation_markdown(found: Evaluation) -> str:
    """Return a table per removal, one for what needs no removal, best value of each metric bold, and what the explanations cost."""
    n = found.values.shape[-1]
    p = "its probability" if found.measured == "probability" else f"F itself, in {found.measured}"
    lines = [f"# Faithfulness on {n} texts", ""]
    lines += [
        f"Model {_cell_text(found.model)}; explained: {_cell_text(found.target)}; p: {p}. Brackets: 95 % bootstrap interval over texts."
    ]
    lines += ["↑ higher is better, ↓ lower is better; the best mean is bold, whether or not the others are significantly worse.", ""]
    for r, removal in enumerate((*found.removals, WITHOUT)):
        shown = [(place, metric, i) for place, name, i, metric in _measured(found) if name == removal]
        if shown:
            lines += [
                f"## Removal: {_cell_text(removal)}" if r < len(found.removals) else "## Without a removal",
                "",
                *_table(found, shown),
                "",
            ]
    lines += ["## Cost and sums", "", "| method | gradients per text | seconds per text | median sum off by |", "|---|---|---|---|"]
    for c, column in enumerate(found.columns):
        gap = found.gap(c)
        closes = "no sum promised" if gap is None else f"{gap[0]:.2g} ({percent(gap[1])})"
        lines.append(f"| {_cell_text(column.name)} | {found.gradients[c] / n:.0f} | {found.seconds[c] / n:.2f} | {closes} |")
    lines += ["", "## What was measured", "", *(f"- {_titled(name)}: {CATALOGUE[name].what}." for name in found.metrics)]
    if found.skipped:
        lines += ["", f"Skipped: {len(found.skipped)} texts.", *(f"- {_cell_text(reason)}" for reason in found.skipped)]
    return "\n".join(lines) + "\n"


def _cell_text(text: str) -> str:
    """Return a name for a table: Markdown shows it as it is, and a terminal obeys nothing in it."""
    return escaped(one_line(text))


def _measured(found: Evaluation) -> list[tuple[int, str, int, str]]:
    """Return (place among removals, removal, place among metrics, metric) of every number; a metric without a removal stands once."""
    every = [(r, removal, i, metric) for r, removal in enumerate(found.removals) for i, metric in enumerate(found.metrics)]
    own = [entry for entry in every if CATALOGUE[entry[3]].removes]
    return own + [(0, WITHOUT, i, metric) for r, _, i, metric in every if r == 0 and not CATALOGUE[metric].removes]


def _table(found: Evaluation, shown: list[tuple[int, str, int]]) -> list[str]:
    """Return a Markdown table of some metrics. shown: place among removals, metric, place among metrics."""
    lines = ["| method | " + " | ".join(_titled(metric) for _, metric, _ in shown) + " |", "|---|" + "---|" * len(shown)]
    table = [[found.interval(c, r, i) for r, _, i in shown] for c in range(len(found.columns))]
    best = [_best([row[j].mean for row in table], HIGHER_IS_BETTER[metric]) for j, (_, metric, _) in enumerate(shown)]
    for column, c in zip(found.columns, range(len(table)), strict=True):
        lines.append(f"| {_cell_text(column.name)} | " + " | ".join(_cell(x, c == best[j]) for j, x in enumerate(table[c])) + " |")
    return lines


def _titled(metric: str) -> str:
    return f"{metric} {'↑' if HIGHER_IS_BETTER[metric] else '↓'}"


def evaluation_csv(found: Evaluation) -> str:
    """Return `evaluation_rows` as CSV."""
    out, rows = io.StringIO(), evaluation_rows(found)
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def plot_evaluation(found: Evaluation) -> Figure:
    """Return the mean curves: p as the strongest tokens are removed (solid) and as only the strongest are kept (dashed), per removal.

    Needs the extra `plot`.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("figures need the extra 'plot': pip install 'lineal[plot]'") from None
    figure = Figure(figsize=(5.2 * len(found.removals), 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(found.removals), squeeze=False, sharey=True)[0]
    methods = list(dict.fromkeys(column.method for column in found.columns))
    dashes = dict(zip(dict.fromkeys(c.baseline for c in found.columns if c.baseline), ("-", "--", ":"), strict=False))
    for r, (removal, axis) in enumerate(zip(found.removals, axes, strict=True)):
        for c, column in enumerate(found.columns):
            colour = "0.6" if column.method.startswith("random") else f"C{methods.index(column.method) % 10}"
            style = dashes.get(column.baseline, "-.") if column.baseline else "-"
            axis.plot(np.array(GRID) * 100, found.without[c, r].mean(axis=0), style, color=colour, lw=1.4, label=column.name)
        axis.set_title(f"removal: {removal}", fontsize=10, loc="left")
        axis.set_xlabel("strongest tokens removed, %")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel(f"{found.measured} of the explained output (lower is better)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", fontsize=8, frameon=False)
    return figure


def _best(means: list[float], higher: bool) -> int:
    values = np.array(means) * (1 if higher else -1)
    return int(np.nanargmax(values)) if np.isfinite(values).any() else -1


def _cell(found: Interval, best: bool) -> str:
    if not np.isfinite(found.mean):
        return "–"
    mean, low, high = (_short(value) for value in (found.mean, found.low, found.high))
    return f"{f'**{mean}**' if best else mean} [{low}, {high}]"


def _short(value: float) -> str:
    if abs(value) < ROUNDING:
        return "0.000"
    return f"{value:.3f}" if 1e-3 <= abs(value) < 1e3 else f"{value:.2g}"
