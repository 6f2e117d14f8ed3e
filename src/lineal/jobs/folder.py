"""What lies in a folder of results, held against its plan: which shards are whole, which are not, and whether every row is there once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lineal.errors import ResultError, listing
from lineal.files import write_whole
from lineal.jobs.plan import Plan
from lineal.tables import schema, shards

PLAN = "lineal.plan"
"""The entry of a shard's metadata that has the digest of its plan."""
SUCCESS = "_SUCCESS"
"""The last file of a run: totals, as JSON. It is there when every row is."""


@dataclass(frozen=True)
class State:
    """done: shards that are there. open: those that are not, in order. damaged: file → what is wrong with it."""

    done: tuple[int, ...]
    open: tuple[int, ...]
    damaged: dict[str, str] = field(default_factory=dict)


def state(plan: Plan, folder: Path, whole: bool = False) -> State:
    """Return what is there: footers are read. whole: every page of every file is read too, and the ids of its rows are compared."""
    names = {shards.name(number): number for number in range(len(plan.starts))}
    there = {path.name for path in folder.glob(shards.NAME.format("*"))}
    damaged = dict.fromkeys(sorted(there - names.keys()), "it is no shard of this run")
    done = []
    for name in sorted(there & names.keys()):
        wrong = _wrong(plan, names[name], folder / name, whole)
        if wrong is None:
            done.append(names[name])
        else:
            damaged[name] = wrong
    return State(tuple(done), tuple(number for name, number in names.items() if name not in there), damaged)


def _wrong(plan: Plan, number: int, path: Path, whole: bool) -> str | None:
    """Return what is wrong with a shard."""
    pa = schema.arrow()
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=whole) as file:
            told = (file.metadata.metadata or {}).get(PLAN.encode(), b"none").decode()
            if told != plan.digest:
                return f"it belongs to another plan ({told[:8]}, not {plan.digest[:8]})"
            if (rows := file.metadata.num_rows) != plan.size(number):
                return f"it has {rows} rows and should have {plan.size(number)}"
            if not whole:
                return None
            ids = plan.ids(number)
            for batch in file.iter_batches(1024):
                for found in zip(batch["file"].to_pylist(), batch["row"].to_pylist(), strict=True):
                    if found != (wanted := next(ids)):
                        return f"it has row {found[1]} of {found[0]} where row {wanted[1]} of {wanted[0]} belongs"
    except (OSError, ValueError, pa.ArrowException) as error:
        return f"it cannot be read: {error}"
    return None


def verify(plan: Plan, folder: Path) -> State:
    """Return the state of a folder in which every row was read. Raises ResultError where a file is damaged, naming each."""
    found = state(plan, folder, whole=True)
    refuse(found, folder)
    return found


def refuse(found: State, folder: Path) -> None:
    """Raise ResultError where a file is damaged."""
    if found.damaged:
        said = "; ".join(f"{name}: {why}" for name, why in list(found.damaged.items())[:5])
        more = len(found.damaged) - 5
        raise ResultError(f"{folder} has damaged shards: {said}{f' (and {more} more)' if more > 0 else ''}; --redo computes them again")


def drop(folder: Path, names: Iterable[str]) -> None:
    """Remove shards, so that they are open again."""
    for name in names:
        (folder / name).unlink(missing_ok=True)
    (folder / SUCCESS).unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what writers that were killed have left aside."""
    for path in (folder / shards.PARTIAL).glob("*"):
        path.unlink(missing_ok=True)


def totals(folder: Path) -> dict[str, Any]:
    """Return the sums of all shards that are there: rows, explained, converged, failed by reason, evaluations, seconds."""
    import pyarrow.dataset

    files, _ = shards.found(folder)
    count, failed, seconds = Counter[str](), Counter[str](), 0.0
    for batch in pyarrow.dataset.dataset(files, format="parquet").scanner(["converged", "failure", "evaluations", "seconds"]).to_batches():
        for row in batch.to_pylist():
            count.update(rows=1, explained=int(row["failure"] is None), converged=int(bool(row["converged"])))
            count.update(evaluations=row["evaluations"] or 0)
            seconds += row["seconds"] or 0.0
            if row["failure"] is not None:
                failed[row["failure"]] += 1
    sums = {name: count[name] for name in ("rows", "explained", "converged", "evaluations")}
    return {**sums, "failed": dict(sorted(failed.items())), "seconds": seconds}


def succeed(plan: Plan, folder: Path) -> dict[str, Any]:
    """Prove that every row of the plan is there once, write `_SUCCESS` and return what it says. Raises ResultError where one is not."""
    found = verify(plan, folder)
    if found.open:
        raise ResultError(f"{folder} lacks {len(found.open)} of {len(plan.starts)} shards: {listing(map(shards.name, found.open), 5)}")
    said = {**totals(folder), "shards": len(plan.starts), "plan": plan.digest}
    write_whole(folder / SUCCESS, json.dumps(said, indent=1) + "\n")
    return said
