"""The memory that is estimated before a run, held against the peak of a run: one batch of gradients in a process of its own.

    python benchmarks/memory.py --model smollm2

Peak: the largest resident size while the batch is computed (VmHWM, set back before by /proc/self/clear_refs; Linux only) minus the resident
size before it, model loaded and warmed up by one gradient of another length. The batch goes through `lineal.engine.field.evaluate`, as in
every explanation. Every batch runs twice, with the C library's allocator as is, and told to keep nothing (MALLOC_MMAP_THRESHOLD_): that is
what the tensors take. Prints a Markdown table; one process after the other, about 20 s each.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

import lineal
from lineal import targets
from lineal.engine import field, memory
from lineal.models.lease import lease
from lineal.paths import Straight

TEXT = "The old house by the river was sold to a young couple who had never lived in the country before, and "
DEFAULT = (
    "float32 8x8 8x32 8x128 32x32 2x512 4x32x16",
    "float32:recompute 8x128 2x512",
    "bfloat16 8x32 8x128",
)
"""dtype, then batches: path points × tokens, and × read positions (tokens of a continuation) where it is not one."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--batches", nargs="*", default=DEFAULT, help='as "float32 8x32 8x128" or "float32:recompute 8x128"')
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.model, *options.one)))
        return
    print("| dtype | points × tokens (× read) | tensors, MB | peak, MB | estimate, MB | estimate / peak |\n|---|---|---|---|---|---|")
    for line in options.batches:
        how, *batches = line.split()
        for batch in batches:
            tight, usual = (measured(options.model, how, batch, environment) for environment in (TIGHT, {}))
            estimate, peak, tensors = usual["estimate"] / 1e6, usual["peak"] / 1e6, tight["peak"] / 1e6
            shape = batch.replace("x", " × ")
            print(f"| {how} | {shape} | {tensors:,.0f} | {peak:,.0f} | {estimate:,.0f} | {estimate / peak:.2f} |", flush=True)


TIGHT = {"MALLOC_MMAP_THRESHOLD_": "65536"}


def measured(model: str, how: str, batch: str, environment: dict[str, str]) -> dict[str, float]:
    """Measure one batch in a process of its own."""
    command = [sys.executable, __file__, "--model", model, "--one", how, batch]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | environment)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def one(name: str, how: str, batch: str) -> dict[str, float]:
    """Measure one batch in this process."""
    torch.set_num_threads(1)
    dtype, _, recompute = how.partition(":")
    points, tokens, *more = map(int, batch.split("x"))
    read = more[0] if more else 1
    model = lineal.load(name, dtype=dtype)
    for weight in model.module.parameters():  # a copy: pages of a mapped file come and go
        weight.data = weight.data.clone()
    needed = memory.measure(model, bool(recompute))
    gradients(model, 1, 8, 1, bool(recompute))
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    gradients(model, points, tokens, read, bool(recompute))
    return {"estimate": needed.batch(points * (tokens + read * needed.read)), "peak": _status("VmHWM") - before}


def gradients(model: lineal.TextModel, points: int, tokens: int, read: int, recompute: bool) -> None:
    """Compute one batch: `points` path points of a text of `tokens` tokens, log-probability of the last `read` of them (or the next)."""
    ids = model.tokenizer(TEXT * (1 + tokens // 20), add_special_tokens=False)["input_ids"][:tokens]
    encoded = model.encode([model.tokenizer.decode(ids)])
    assert len(encoded) == tokens, f"{len(encoded)} tokens, not {tokens}"
    end = model.embed(encoded.features["input_ids"]).detach()
    start = torch.where(torch.arange(tokens)[:, None] > 0, 0.5 * end, end)
    objective = targets.NextToken().bind(model)(encoded)
    if read > 1:
        where = tuple(range(tokens - 1 - read, tokens - 1))
        follow = tuple(encoded.ids[i + 1] for i in where)
        objective = targets.TokenScore(where, follow, tuple(map(str, follow)))
    problem = field.Problem(encoded, Straight(start, end), objective)
    request = field.Request(problem, tuple(np.linspace(0.05, 0.95, points)), np.ones(problem.k, dtype=bool))
    with lease(model.module, recompute):
        field.evaluate(model, [request])


def _status(name: str) -> int:
    """Return a size of this process in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))


if __name__ == "__main__":
    main()
