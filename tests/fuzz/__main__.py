"""Run cases of all kinds and print how many failed, where, and how to run each again: `python -m tests.fuzz --seed 7 --cases 400`."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers is imported: nothing may be fetched

import torch
import typer

from tests.fuzz import calls, commands, edits, folders
from tests.fuzz.cases import Case, Outcome, attempt
from tests.fuzz.workspace import Workspace

KINDS: dict[str, tuple[int, Callable[[int, int, Workspace], Case]]] = {
    "command": (3, commands.case),
    "call": (3, calls.case),
    "record": (3, edits.case),
    "folder": (1, folders.case),
}
"""How often each kind comes, and what makes it."""
ROOM = 6 << 30
"""Bytes of memory a run may take beyond what it starts with, so that a case that wants more meets the error and not the machine."""


def cases(seed: int, count: int, workspace: Workspace) -> Iterator[Case]:
    """Yield so many cases, the kinds mixed."""
    numbers: Counter[str] = Counter()
    mixed = [kind for kind, (share, _) in KINDS.items() for _ in range(share)]
    for i in range(count):
        kind = mixed[i % len(mixed)]
        yield KINDS[kind][1](seed, numbers[kind], workspace)
        numbers[kind] += 1


def main(
    seed: Annotated[int, typer.Option(help="Which cases: the same seed gives the same ones.")] = 0,
    number: Annotated[int, typer.Option("--cases", min=1, help="How many.")] = 400,
    only: Annotated[str | None, typer.Option(help="One case again, KIND:NUMBER, with its whole traceback.")] = None,
    minutes: Annotated[float, typer.Option(help="Stop after so long, whatever is left.")] = 5.0,
) -> None:
    """Try hostile command lines, calls, records and model folders on tiny random models."""
    torch.set_num_threads(1)
    _limit_memory()
    with tempfile.TemporaryDirectory(prefix="lineal-fuzz-") as root:
        os.environ["LINEAL_CACHE"] = str(Path(root) / "cache")
        workspace = Workspace(Path(root))
        if only is not None:
            kind, _, which = only.partition(":")
            _tell(attempt(KINDS[kind][1](seed, int(which), workspace)))
            return
        begun, done = time.monotonic(), list[Outcome]()
        for one in cases(seed, number, workspace):
            done.append(attempt(one))
            if time.monotonic() - begun > 60 * minutes:
                break
    _report(done, seed, time.monotonic() - begun)


def _limit_memory() -> None:
    """Bound the address space where the system tells how much of it is taken."""
    status = Path("/proc/self/statm")
    if status.exists():
        taken = int(status.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _tell(outcome: Outcome) -> None:
    typer.echo(outcome.case.what.encode("utf-8", "backslashreplace").decode())
    typer.echo(outcome.trace.encode("utf-8", "backslashreplace").decode() or outcome.failure or ("given up" if outcome.late else "passed"))
    raise typer.Exit(1 if outcome.failure else 0)


def _report(done: list[Outcome], seed: int, seconds: float) -> None:
    failed, late = [one for one in done if one.failure], [one for one in done if one.late]
    kinds = Counter(one.case.name.partition(":")[0] for one in done)
    for site, count in Counter(one.site for one in failed).most_common():
        typer.echo(f"\n{count} × {site}")
        for one in [one for one in failed if one.site == site][:4]:
            typer.echo(
                f"  {one.failure}\n    {one.case.what}\n    python -m tests.fuzz --seed {seed} --only {one.case.name}".encode(
                    "utf-8", "backslashreplace"
                ).decode()
            )
    for one in late:
        typer.echo(
            f"\ngiven up after {one.seconds:.0f} s: {one.case.what}\n    python -m tests.fuzz --seed {seed} --only {one.case.name}".encode(
                "utf-8", "backslashreplace"
            ).decode()
        )
    counted = ", ".join(f"{count} of {kind}" for kind, count in kinds.items())
    typer.echo(f"\nseed {seed}: {len(done)} cases ({counted}) in {seconds:.0f} s; {len(failed)} failed, {len(late)} given up")
    raise typer.Exit(1 if failed else 0)


if __name__ == "__main__":
    typer.run(main)
