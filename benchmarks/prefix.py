"""What it saves to run a held prefix once: n-shot LIAR prompts, only the claim attributed, with and without the shared prefix.

    python benchmarks/prefix.py ../shared/data/liar --shots 4 --limit 2

The rule is fixed, so that both do the same work. Prints wall and processor seconds and the largest difference between the scores.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

import lineal
from lineal.tasks import liar


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--shots", type=int, default=4)
    parser.add_argument("--limit", type=int, default=2)
    parser.add_argument("--rule", default="gauss:16")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = lineal.load(options.model)
    asked, pool = (liar.read(options.folder, split)[0] for split in ("test", "train"))
    found = {}
    for shared in (True, False):
        wall, cpu = time.perf_counter(), time.process_time()
        verdicts = list(
            liar.explain(
                model, asked[: options.limit], shots=options.shots, pool=pool, attribute="claim", rule=options.rule, share_prefix=shared
            )
        )
        found[shared] = verdicts
        record = verdicts[0].record
        seconds, processor = time.perf_counter() - wall, time.process_time() - cpu
        print(f"shared={shared}: {seconds:.1f} s, {processor:.1f} s of processor time, {len(record.tokens)} tokens")
    differences = [
        np.abs(a.record.scores - b.record.scores).sum() / b.record.mass[0] for a, b in zip(found[True], found[False], strict=True)
    ]
    print(f"largest L1 difference relative to the mass: {max(differences):.1e}")


if __name__ == "__main__":
    main()
