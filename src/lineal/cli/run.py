"""`lineal run JOB.toml`, `lineal run MODEL INPUT … --out DIR`: explain every row of files, into a folder, whatever happens on the way."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lineal.cli import console, options
from lineal.errors import OptionError

if TYPE_CHECKING:
    from lineal.jobs.drive import Watch
    from lineal.jobs.plan import Plan
    from lineal.jobs.worker import Receipt

EVERY = 60.0
"""Seconds between two lines of progress where there is no terminal."""


@options.takes_groups
def run(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="JOB.toml | MODEL", help="A job's file; or a model, as in the other commands.")] = "",
    input: Annotated[
        list[str] | None, typer.Argument(metavar="INPUT…", help="Files, folders, globs, hf://NAME?split=test.", show_default=False)
    ] = None,
    out: Annotated[str | None, typer.Option("--out", metavar="DIR", help="The folder of results.", show_default=False)] = None,
    do: Annotated[Literal["explain", "pair", "generate"], typer.Option("--do", help="What is done with each row.")] = "explain",
    *,
    columns: options.Columns,
    target: Annotated[
        str | None,
        typer.Option(
            "--target", metavar="SPEC", help="As in lineal explain; {COLUMN} is a cell, as similar:{query}.", show_default="by model"
        ),
    ] = None,
    unit: options.Unit = None,
    baseline: options.BaselineName = None,
    method: options.MethodName = "ig",
    precision: options.Precision,
    reading: options.Reading,
    batch_tokens: Annotated[int | None, typer.Option("--batch-tokens", help="Points × length per batch.", show_default="by device")] = None,
    similarity: options.SimilarityName = "cosine",
    decomposition: options.DecompositionName = "projected",
    mode: options.ModeName = "auto",
    max_new_tokens: Annotated[int, typer.Option("--max-new-tokens", help="Of a generation.")] = 6,
    hold_generated: Annotated[bool, typer.Option("--hold-generated", help="Attribute a generation to its prompt only.")] = False,
    loading: options.Loading,
    running: options.Running,
    write_job: Annotated[bool, typer.Option("--write-job", help="Print the job's file for what was typed, and do nothing.")] = False,
    verify: Annotated[
        Path | None, typer.Option("--verify", metavar="DIR", help="Read a folder of results, every page: is every row there once?")
    ] = None,
    redo: Annotated[bool, typer.Option("--redo", help="Compute damaged shards again.")] = False,
) -> None:
    """Explain every row of files into a folder of Parquet files, one row per text; a run that was ended goes on where it was.

    With a job's file, options that are typed stand above what it says. The same command again goes on: what is done stays done.
    Results: lineal.read_results(DIR); one row: lineal show DIR --id ID.
    """
    from lineal.jobs import drive
    from lineal.jobs import job as jobs

    if verify is not None:
        _verify(verify)
        return
    groups = (columns, precision, reading, loading, running)
    given = {name: value for group in groups for name, value in options.settings(group).items()}
    given |= {"model": model, "input": input, "out": out, "do": do, "target": target, "unit": unit, "baseline": baseline, "method": method}
    given |= {"batch_tokens": batch_tokens, "similarity": similarity, "decomposition": decomposition, "mode": mode}
    given |= {"max_new_tokens": max_new_tokens, "hold_generated": hold_generated}
    if given["names"] is not None:
        given["names"] = [name for part in given["names"] for name in part.split(",")]
    if model.endswith(".toml"):
        if input:
            raise OptionError(f"{model} is a job's file, which names its input; drop {input[0]!r}")
        typed = {name for name in given if (where := context.get_parameter_source(name)) is not None and where.name == "COMMANDLINE"}
        given = jobs.read(model) | {name: given[name] for name in typed - {"model", "input"}}
    else:
        given["input"] = given["input"] or None
        given["model"] = given["model"] or None
    asked = jobs.job(given)
    if write_job:
        console.say(asked.to_toml().rstrip("\n"))
        return
    again = f"the same command goes on; what is done lies in {asked.out}"
    try:
        with _watched() as watch:
            said = drive.run(asked, watch, redo)
    except KeyboardInterrupt:
        console.say(f"lineal: stopped; the open shard was dropped; {again}", err=True)
        raise typer.Exit(130) from None
    failed = "".join(f", {count} failed with {name}" for name, count in said["failed"].items())
    shown = f"{said['rows']} rows in {said['shards']} shards: {said['converged']} converged of {said['explained']} explained{failed}"
    console.say(f"{shown}; see {asked.out}")


def _verify(folder: Path) -> None:
    """Prove that the ids of a folder's rows are the exact set; ResultError names what is damaged, exit code 2 where shards are missing."""
    from lineal.jobs import folder as folders
    from lineal.jobs import plan as plans

    plan = plans.load(folder)
    found = folders.verify(plan, folder)
    there = sum(map(plan.size, found.done))
    console.say(f"{there} of {plan.rows} rows are there, each once, in {len(found.done)} of {len(plan.starts)} shards")
    if found.open:
        console.say(f"lineal: {len(found.open)} shards are missing; the command that began the run goes on", err=True)
        raise typer.Exit(console.FAILED)


@dataclass
class Progress:
    """How far a run is. begun: rows that were there. clock: when it began."""

    rows: int = 0
    begun: int = 0
    here: int = 0
    explained: int = 0
    converged: int = 0
    clock: float = field(default_factory=time.monotonic)

    def planned(self, plan: Plan, done: int) -> None:
        """Take the plan."""
        self.rows, self.begun, self.clock = plan.rows, done, time.monotonic()

    def shard(self, receipt: Receipt) -> None:
        """Take a receipt."""
        self.explained += receipt.explained
        self.converged += receipt.converged

    @property
    def line(self) -> str:
        """Rows, rate, share converged, time left."""
        passed = max(time.monotonic() - self.clock, 1e-9)
        rate = self.here / passed
        share = f", {self.converged / self.explained:.1%} converged" if self.explained else ""
        left = f", {_time((self.rows - self.begun - self.here) / rate)} left" if rate else ""
        return f"{min(self.rows, self.begun + self.here)} of {self.rows} rows, {rate:.3g} rows/s{share}{left}"


def _time(seconds: float) -> str:
    hours, rest = divmod(max(0, round(seconds)), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


@contextmanager
def _watched() -> Iterator[Watch]:
    """Show progress: a bar on a terminal, elsewhere a line a minute on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    from lineal.jobs.drive import Watch

    now, counted = Progress(), {"rows": 0}
    bar: Any = (
        Bar(TextColumn("{task.description}"), BarColumn(), console=Console(stderr=True), transient=True) if sys.stderr.isatty() else None
    )
    task = None if bar is None else bar.add_task("planning …", total=None)
    last = time.monotonic()

    def shown() -> None:
        nonlocal last
        if bar is not None:
            bar.update(task, description=now.line, total=now.rows, completed=now.begun + now.here)
        elif time.monotonic() - last >= EVERY:
            console.say(now.line, err=True)
            last = time.monotonic()

    def planned(plan: Plan, done: int) -> None:
        now.planned(plan, done)
        console.say(f"{plan.rows} rows of {len(plan.files)} files in {len(plan.starts)} shards, {done} rows are there", err=True)
        shown()

    def row() -> None:
        now.here += 1
        shown()

    def shard(receipt: Receipt) -> None:
        counted["rows"] += receipt.rows
        now.shard(receipt)
        now.here = max(now.here, counted["rows"])  # engines that tell of shards alone
        shown()

    if bar is not None:
        bar.start()
    try:
        yield Watch(planned, row, shard, lambda line: console.say(line, err=True))
    finally:
        if bar is not None:
            bar.stop()
