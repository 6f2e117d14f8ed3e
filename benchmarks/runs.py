"""Rows per second and CPU seconds per row of `lineal run` against a plain loop of `explain`, on the same rows in one process.

    python benchmarks/runs.py sentiment reviews.tsv --rows 64

Both explain the same texts with the same options; each is timed after a first text has warmed the model.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import lineal
from lineal.jobs import plan as plans
from lineal.jobs.job import job
from lineal.jobs.worker import Worker
from lineal.tables import inputs


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("model")
    options.add_argument("input")
    options.add_argument("--rows", type=int, default=64)
    options.add_argument("--text", default="text")
    options.add_argument("--names", default=None)
    given = options.parse_args()
    names = given.names.split(",") if given.names else None
    (source,) = inputs.sources([given.input], names=names)
    texts = [row[given.text] for _, row in inputs.rows(source) if isinstance(row, dict)][: given.rows]
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder, "rows.jsonl")
        rows.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
        worker = Worker(job({"model": given.model, "input": str(rows), "out": folder, "shard": len(texts), "device": "cpu"}))
        lineal.explain(worker.model, texts[0])
        clock, cpu = time.perf_counter(), time.process_time()
        alone = [lineal.explain(worker.model, text) for text in texts]
        loop = time.perf_counter() - clock, time.process_time() - cpu
        clock, cpu = time.perf_counter(), time.process_time()
        receipt = worker.write(plans.make(worker.job, worker.decided), 0, Path(folder))
        run = time.perf_counter() - clock, time.process_time() - cpu
        records = list(lineal.read_results(folder).records())
    n = len(texts)
    apart = max(abs(a.scores - b.scores).max() / a.mass.max() for a, b in zip(alone, records, strict=True))
    print(f"{given.model}, {n} texts, {receipt.evaluations} gradients, {receipt.converged} converged")
    print(f"loop of explain: {n / loop[0]:.2f} rows/s, {loop[1] / n:.3f} CPU s/row")
    print(f"lineal run:      {n / run[0]:.2f} rows/s, {run[1] / n:.3f} CPU s/row; {loop[1] / run[1]:.2f} times fewer CPU seconds")
    print(
        f"scores differ by at most {apart:.1e} of the mass; peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB"
    )


if __name__ == "__main__":
    main()
