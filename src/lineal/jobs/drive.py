"""The driver: finds or makes the plan, sees which shards are missing, has them made, and says when every row is there.

What is done is what lies in the folder: there is no state but files that appear whole, so a run is ended by any means and goes on.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lineal.errors import OutputError, ResultError
from lineal.files import check_folder
from lineal.jobs import folder as folders
from lineal.jobs import plan as plans
from lineal.jobs import processes
from lineal.jobs.job import Job
from lineal.jobs.plan import Plan
from lineal.jobs.worker import Receipt, Worker
from lineal.tables import shards

LOCK = ".lock"
HOLDER = ".driver"


@dataclass
class Watch:
    """What a driver tells while it runs; each does nothing unless it is given.

    planned: the plan and the shards that are done. row: one more row was explained. shard: a receipt. said: a line for the user.
    """

    planned: Callable[[Plan, int], None] = lambda plan, done: None
    row: Callable[[], None] = lambda: None
    shard: Callable[[Receipt], None] = lambda receipt: None
    said: Callable[[str], None] = lambda line: None


def run(job: Job, watch: Watch | None = None, redo: bool = False) -> dict[str, Any]:
    """Explain all rows of a job that are not explained yet, and return the totals (`_SUCCESS`).

    redo: shards that are damaged are computed again. Raises OutputError where the folder cannot be written or another driver is at work
    there; OptionError and InputError where the folder holds a run that decided otherwise or whose input has changed; ResultError for
    damaged shards; and what `lineal.explain` raises for the model and its options. Everything that is done stays done.
    """
    watch = Watch() if watch is None else watch
    folder = Path(job.out)
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        draft = plans.make(job, job.deciding())  # what is wrong with the input is said before the model is loaded
        _check(draft, folder)
        worker = Worker(job)
        plan = replace(draft, decided=worker.decided)
        if not _check(plan, folder):
            plans.write(plan, folder)
        folders.sweep(folder)
        found = folders.state(plan, folder)
        if redo:
            found = folders.state(plan, folder, whole=True)
            for name, why in found.damaged.items():
                watch.said(f"{name} is computed again: {why}")
            folders.drop(folder, found.damaged)
            found = folders.state(plan, folder)
        folders.refuse(found, folder)
        watch.planned(plan, sum(map(plan.size, found.done)))
        if found.open:
            receipts = _engine(job, worker, plan, found.open, folder, watch)
            del worker  # where others do the work, they have models of their own
            for receipt in receipts:
                watch.shard(receipt)
        return folders.succeed(plan, folder)


def _check(plan: Plan, folder: Path) -> bool:
    """Return whether the folder has a plan; raise an error where that is another one, as far as this one has been decided."""
    if not (folder / plans.NAME).exists():
        if any(folder.glob(shards.NAME.format("*"))):
            raise ResultError(f"{folder} has shards and no {plans.NAME}, so nobody knows what they are; choose another folder")
        return False
    old = plans.load(folder)
    plans.check_same(replace(old, decided={name: value for name, value in old.decided.items() if name in plan.decided}), plan)
    return True


def _engine(job: Job, worker: Worker, plan: Plan, todo: Iterable[int], folder: Path, watch: Watch) -> Iterator[Receipt]:
    open = list(todo)
    if job.engine == "ray":
        from lineal.jobs import on_ray

        return on_ray.run(job, plan, open, folder)
    many = min(processes.usual(worker.model.device.type) if job.workers is None else job.workers, len(open))
    if many == 1:
        return (worker.write(plan, number, folder, watch.row) for number in open)
    return processes.run(job, open, folder, many, watch.row, watch.said, worker.model.device.type)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: a courtesy, which spares a second driver the same work. Without it the rows would still be the same."""
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise OutputError(
            f"another driver is at work in {folder}{_holder(folder)}; its results appear there, this one has done nothing"
        ) from None
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from None
    try:
        (folder / HOLDER).write_text(json.dumps({"host": socket.gethostname(), "process": os.getpid()}), encoding="utf-8")
        yield
    finally:
        (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def _holder(folder: Path) -> str:
    try:
        found = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
        return f" (process {found['process']} on {found['host']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
