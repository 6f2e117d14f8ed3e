"""Local processes that each hold the model: shards go to whoever is free, a process that dies is replaced, and its shard done again."""

from __future__ import annotations

import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch

from lineal.errors import LinealError, ModelError
from lineal.jobs import plan as plans
from lineal.jobs.job import Job
from lineal.jobs.worker import OnRow, Receipt, Worker
from lineal.tables import shards

DEATHS = 3
"""How often a shard may end its process before the run ends: what kills three may kill all."""
GRACE = 5.0
"""Seconds for a process to end by itself."""


@dataclass
class _Process:
    process: Any
    line: Connection
    shard: int | None = None


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usual(device: str) -> int:
    """Return how many processes pay: one per accelerator, and one per core on a CPU, with a thread each: a choice that was not measured."""
    return max(1, torch.cuda.device_count()) if device == "cuda" else 1 if device != "cpu" else cores()


def run(
    job: Job, todo: Sequence[int], folder: Path, many: int, on_row: OnRow, said: Callable[[str], None], device: str = "cpu"
) -> Iterator[Receipt]:
    """Yield a receipt per shard, as they are done. Raises the first error of a worker, once the others have dropped what they had open."""
    context, left, deaths = get_context("spawn"), deque(todo), Counter[int]()

    def begun(place: int) -> _Process:
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(job, folder, theirs, max(1, cores() // many), place, device), daemon=True)
        process.start()
        theirs.close()
        return _Process(process, ours)

    def given(one: _Process) -> None:
        one.shard = left.popleft() if left else None
        with suppress(OSError):  # it has died meanwhile, which its line says next
            one.line.send(one.shard)

    working = {place: begun(place) for place in range(many)}
    try:
        for one in working.values():
            given(one)
        while working:
            ready = wait([one.line for one in working.values()])
            for place, one in list(working.items()):
                if one.line not in ready:
                    continue
                try:
                    told = one.line.recv()
                except (EOFError, OSError):
                    one.process.join()
                    del working[place]
                    if one.shard is not None:
                        _died(one, deaths, said)
                        left.appendleft(one.shard)
                    if left:
                        working[place] = begun(place)
                        given(working[place])
                    continue
                if isinstance(told, BaseException):
                    raise told
                if told is None:
                    on_row()
                else:
                    yield told
                    given(one)
                    if one.shard is None:
                        one.process.join(GRACE)
                        one.line.close()
                        del working[place]
    finally:
        for one in working.values():
            one.process.terminate()
        for one in working.values():
            one.process.join(GRACE)
            one.line.close()


def _died(one: _Process, deaths: Counter[int], said: Callable[[str], None]) -> None:
    assert one.shard is not None
    deaths[one.shard] += 1
    name, code = shards.name(one.shard), one.process.exitcode
    how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    if deaths[one.shard] >= DEATHS:
        why = "memory may have run out; try fewer workers or a smaller shard"
        raise ModelError(f"a worker died {DEATHS} times at {name} ({how}): {why}. What is done stays done")
    said(f"a worker died at {name} ({how}); the shard is done again")


def _serve(job: Job, folder: Path, line: Connection, threads: int, place: int, device: str) -> None:
    """Write the shards that are asked for until there is none left, or nobody who asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver is told, and tells
    torch.set_num_threads(threads)
    try:
        plan = plans.load(folder)
        mine = job if device != "cuda" or job.device is not None or job.device_map is not None else _on(job, place)
        worker: Worker | None = None
        while (number := line.recv()) is not None:
            worker = same(mine, plan.decided["model"]) if worker is None else worker
            line.send(worker.write(plan, number, folder, lambda: _tell(line)))
    except (EOFError, BrokenPipeError, ConnectionResetError, SystemExit):
        return  # the driver is gone, and what was open with it
    except BaseException as error:
        line.send(error if isinstance(error, LinealError) else ModelError(f"a worker failed with {type(error).__name__}: {error}"))


def _tell(line: Connection) -> None:
    """Say that a row is done; whom nobody hears ends, and the shard that is open is dropped."""
    try:
        line.send(None)
    except OSError:
        raise SystemExit from None


def same(job: Job, fingerprint: str) -> Worker:
    """Return the worker of a job; ModelError where its model is no longer the one that the run was planned with."""
    worker = Worker(job)
    if (found := worker.model.card.fingerprint) != fingerprint:
        raise ModelError(f"the model {job.model} has changed since the run was planned: fingerprint {fingerprint}, now {found}")
    return worker


def _on(job: Job, place: int) -> Job:
    return replace(job, device=f"cuda:{place % max(1, torch.cuda.device_count())}")
