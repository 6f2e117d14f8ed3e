"""`lineal compare MODEL TEXT --methods …`: the same question asked in several ways, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from lineal.cli import common, groups
from lineal.errors import OptionError
from lineal.files import write_whole
from lineal.records.attribution import Attribution


@groups.takes_groups
def compare(
    model: common.ModelName,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text; - reads it from standard input.")],
    methods: Annotated[
        str, typer.Option("--methods", metavar="NAMES", help="Separated by commas; settings as in dig-greedy:steps=10.")
    ] = "ig,dig-greedy,dig-maxcount,gradient-x-input,occlusion,random",
    target: common.TargetSpec = None,
    unit: common.Unit = None,
    baseline: common.BaselineName = None,
    generate: Annotated[
        int | None, typer.Option("--generate", metavar="N", help="Language models: explain N generated tokens, one row each.")
    ] = None,
    *,
    precision: groups.Precision,
    truncate: common.Truncate = False,
    layer: common.LayerName = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write FILE.html: all methods on one page.", show_default=False)
    ] = None,
    trust: common.Trust = False,
    loading: groups.Loading,
) -> None:
    """Compare methods on one text: scores, sums, rank agreement, gradients, seconds."""
    from lineal import targets, views
    from lineal.evaluation.trust import examine
    from lineal.prompts import Generation
    from lineal.targets import spelling as specs
    from lineal.targets.language import Steps
    from lineal.verbs.comparison import compare as run

    common.check_out(out, only=(".html",))
    common.check_trust(trust, layer)
    if generate is not None and target is not None:
        raise OptionError(f"--generate explains each generated token, and --target {target} something else; drop one of the two")
    given = common.read_text(text)
    loaded = loading.load(model)
    steps = Steps() if unit is None else Steps(unit)
    wanted = None if generate is not None else specs.target(target, unit, usual=targets.default(loaded))
    names = [name.strip() for name in methods.split(",") if name.strip()]
    how: dict[str, Any] = {"baseline": baseline, **groups.settings(precision), "truncate": truncate, "layer": common.layer_of(layer)}
    with common.working("explaining"):
        records = run(
            loaded, given, wanted, methods=names, max_new_tokens=generate, **how | ({} if generate is None else {"unit": steps.unit})
        )
    Console().print(_table(records))
    panels = []
    if trust:
        what = (given, wanted) if generate is None else (Generation(given, generate), steps)
        panels = common.examined(
            list(zip(names, records, strict=True)), lambda one: examine(loaded, *what, method=one[0], record=one[1], **how)[1], names=names
        )
    if out is not None:
        write_whole(out, views.comparison_page(records, panels=panels))
        common.say(f"written to {out}", err=True)


def _table(records: tuple[Attribution, ...]) -> Table:
    """Return one row per method; of several generated tokens, the sums over all of them."""
    from lineal.views.comparison.words import agreement
    from lineal.views.parts import numbers
    from lineal.views.parts.cells import cells

    table = Table(title=None, box=None, pad_edge=False)
    for name in ("method", "strongest words", "sum off by", "agrees with the first", "gradients", "seconds"):
        table.add_column(name, justify="left" if name in ("method", "strongest words") else "right")
    several = len(records[0].targets) > 1
    first = agreement(records, None if several else 0)[0]
    for record, alike in zip(records, first, strict=True):
        words = sorted((c for c in cells(record, "word") if c.role == "content"), key=lambda c: -abs(float(c.values.sum())))[:3]
        total = float(record.delta.sum())
        share = abs(float(record.residual.sum()) / total) if total else float("nan")
        table.add_row(
            record.method,
            ", ".join(f"{c.name} {numbers.signed(float(c.values.sum()), 2)}" for c in words),
            numbers.percent(share) + ("" if record.adds_up else " (no sum promised)") + ("" if record.converged else " not converged"),
            "–" if alike != alike else f"{alike:.2f}".replace("-", "−"),
            str(record.evaluations),
            f"{record.seconds:.2f}",
        )
    return table
