"""Ray as a scheduler: numbers of shards go in, receipts come out; rows never pass through it. Needs the extra `ray`.

What is done is what lies in the folder, as with every engine, so nothing of Ray's own bookkeeping has to be trusted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lineal.errors import LinealError, MissingExtraError, ModelError
from lineal.jobs import plan as plans
from lineal.jobs.job import Job
from lineal.jobs.plan import Plan
from lineal.jobs.processes import cores, same
from lineal.jobs.worker import Receipt, Worker

STORE = 100_000_000
"""Bytes of the object store of a Ray that is started here: receipts are all that lies in it."""


class ShardWorker:
    """An actor: the model, loaded with the first shard."""

    def __init__(self, job: Job, folder: str) -> None:
        """Read the plan."""
        import torch

        torch.set_num_threads(1)
        self.job, self.folder, self.plan = job, Path(folder), plans.load(folder)
        self.worker: Worker | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Write a shard, unless a process of an earlier attempt already has."""
        self.worker = same(self.job, self.plan.decided["model"]) if self.worker is None else self.worker
        found = [asdict(self.worker.write(self.plan, int(number), self.folder)) for number in batch["shard"]]
        return {"receipt": [json.dumps(one) for one in found]}


def run(job: Job, plan: Plan, todo: Sequence[int], folder: Path) -> Iterator[Receipt]:
    """Yield a receipt per shard, as they are done, from the cluster that RAY_ADDRESS names or a Ray on this machine.

    Every node has to see the folder, the input and the model under the same paths. A worker that dies is replaced by Ray.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingExtraError("engine 'ray' needs the extra 'ray': pip install 'lineal[ray]'") from None
    started = not ray.is_initialized()
    if started and os.environ.get("RAY_ADDRESS"):
        ray.init(log_to_driver=False)
    elif started:
        many = cores() if job.workers is None else job.workers
        ray.init(num_cpus=many + 1, include_dashboard=False, object_store_memory=STORE, log_to_driver=False)
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        there = ray.cluster_resources()
        gpus = int(there.get("GPU", 0)) if job.device != "cpu" else 0
        most = job.workers or gpus or max(1, int(there.get("CPU", 1)) - 1)
        wanted = ray.data.from_items([{"shard": number} for number in todo], override_num_blocks=len(todo)).map_batches(
            ShardWorker,
            fn_constructor_kwargs={"job": job, "folder": str(folder.absolute())},
            batch_size=1,
            num_gpus=1 if gpus else 0,
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(most, len(todo)), max_tasks_in_flight_per_actor=1),
        )
        for row in wanted.iter_rows():
            yield Receipt(**json.loads(row["receipt"]))
    except LinealError:
        raise
    except ray.exceptions.RayError as error:
        cause = next((one for one in _causes(error) if isinstance(one, LinealError)), None)
        raise cause or ModelError(f"Ray ended with {type(error).__name__}: {str(error)[:500]}. What is done stays done") from None
    finally:
        if started:
            ray.shutdown()


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = getattr(error, "cause", None) or error.__cause__
