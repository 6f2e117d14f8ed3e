"""What a neighbour search needs beside the embedding table, and how long it takes, on a random table of any size.

python benchmarks/neighbour_memory.py --words 256000 --width 640 --dtype bfloat16 --asked 256 --k 500

Prints one line of JSON: bytes of the table, the highest resident memory above what the process held when the table was ready, the same for
the whole search of anchors, and CPU seconds. Linux only: peaks are read from /proc and reset there.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from lineal.methods.dig.anchors import Search
from lineal.methods.dig.neighbours import BLOCK, GROUP, Neighbours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, default=256_000)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--dtype", default="bfloat16", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--asked", type=int, default=GROUP, help="words whose neighbours are found")
    parser.add_argument("--k", type=int, default=500)
    parser.add_argument("--steps", type=int, default=0, help="also find this many anchors for each of the words")
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["LINEAL_CACHE"] = tempfile.mkdtemp()
    model = random_table(options.words, options.width, getattr(torch, options.dtype))
    warm_up()
    found: dict[str, Any] = {"table": model.weight.numel() * model.weight.element_size(), "block": BLOCK * options.width * 4}
    asked = np.arange(options.asked) * (options.words // options.asked)
    found["neighbours"] = measured(lambda: Neighbours(model, options.k).of(asked))
    if options.steps:
        starts = model.weight[1].expand(options.asked, -1)
        found["anchors"] = measured(lambda: Search("greedy", options.steps, options.k).anchors(model, asked, starts))
    print(json.dumps(found))


def random_table(words: int, width: int, dtype: torch.dtype) -> Any:
    """Return what a search needs of a model: a table drawn from a normal distribution, in its own precision from the start."""
    torch.manual_seed(0)
    layer = torch.nn.Embedding(words, width, _weight=torch.empty(words, width, dtype=dtype).normal_())
    return SimpleNamespace(vocabulary=words, device=torch.device("cpu"), module=layer, weight=layer.weight.data, embed=layer)


def warm_up() -> None:
    """Let libraries take what they keep before anything is measured."""
    small = random_table(3 * BLOCK, 8, torch.float32)
    Neighbours(small, 5).of(np.arange(4))


def measured(run: Callable[[], object]) -> dict[str, float]:
    """Return the peak of resident memory above the present, in bytes, and the CPU seconds of a call."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before, clock = resident("VmRSS"), time.process_time()
    run()
    return {"peak": resident("VmHWM") - before, "seconds": round(time.process_time() - clock, 2)}


def resident(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
