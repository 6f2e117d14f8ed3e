"""What each method costs at equal settings: the same movie reviews, baseline, tolerance and batches, one after the other in one run.

    python benchmarks/method_times.py --limit 20

Processor seconds per text, of a first run and of a second one that remembers what the first looked up (DIG: neighbours and anchors).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import lineal

SHARED = Path(__file__).parents[2] / "shared"
METHODS = (
    "ig",
    "dig-greedy:neighbours=100",
    "dig-maxcount:neighbours=100",
    "expected-gradients:samples=4",
    "smoothgrad-ig:samples=4",
    "sequential-ig",
    "occlusion",
    "occlusion-delete",
    "occlusion-attention",
    "gradient-x-input",
    "saliency",
    "dig-blog",
    "random",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--tol", type=float, default=0.02)
    parser.add_argument("--baseline", default="mask")
    parser.add_argument("--model", default=str(SHARED / "models" / "minilm-movie-sentiment"))
    parser.add_argument("--reviews", type=Path, default=SHARED / "data" / "movie_reviews" / "test.tsv")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = options.reviews.read_text(encoding="utf-8").splitlines()[1:]
    texts = [text for line in lines if 30 <= len(text := line.split("\t", 1)[1].strip()) <= 120][: options.limit]
    model = lineal.load(options.model)
    list(lineal.explain_many(model, texts[:4]))  # the first run of a model pays for what later ones do not
    print("| method | gradients per text | s per text | s, second run | converged | median missing from the sum |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as empty:
        os.environ["LINEAL_CACHE"] = empty  # neighbours of earlier runs do not count
        for method in METHODS:
            seconds = []
            for _ in range(2):
                begun = time.process_time()
                records = list(lineal.explain_many(model, texts, method=method, baseline=options.baseline, tol=options.tol))
                seconds.append((time.process_time() - begun) / len(texts))
            missing = np.median([abs(record.residual[0] / record.delta[0]) for record in records])
            print(
                f"| {method} | {np.mean([record.evaluations for record in records]):.0f} | {seconds[0]:.2f} | {seconds[1]:.2f} "
                f"| {sum(record.converged for record in records)} of {len(records)} "
                f"| {f'{missing:.2%}' if records[0].adds_up else 'promises no sum'} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
