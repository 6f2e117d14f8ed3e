"""What quantised weights cost and change: size, seconds of 32 gradients, and how far the scores are from those of float32.

    python benchmarks/quantised.py --model smollm2 --weights float32 nf4 int8

Prompts of the next-token kind; the explained token is float32's most likely one. Seconds are those of the processor, one thread, for the
rule gauss:32 on the first prompt, the first (unmeasured) run of each model apart. Scores are adaptive, to --tol. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import logging
import time
from typing import Any

import numpy as np
import torch

import lineal
from lineal import targets
from lineal.engine import memory
from lineal.metrics import spearman

PROMPTS = (
    "The man works as a",
    "The capital of France is the city of",
    "She opened the old wooden box and found a letter from her",
    "Water boils at one hundred degrees, and it freezes at",
    "The doctor told the patient to take the medicine twice a",
    "He was late for the meeting because his train was",
    "After the long winter the farmers were glad to see the first",
    "The keys to the cabinet",
)
LOAD: dict[str, dict[str, Any]] = {
    "float32": {},
    "bfloat16": {"dtype": "bfloat16"},
    "nf4": {"load_in_4bit": True},
    "int8": {"load_in_8bit": True},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--weights", nargs="+", default=["float32", "nf4"], choices=LOAD)
    parser.add_argument("--limit", type=int, default=len(PROMPTS), help="prompts")
    parser.add_argument("--tol", type=float, default=0.02)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    reference = run("float32", options, None)
    head = ("weights", "GB", "s, 32 gradients", "converged", "residual / mass", "rank correlation", "L1 distance / mass", "F(text) off by")
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for weights in options.weights:
        found = reference if weights == "float32" else run(weights, options, reference)
        print(f"| {weights} | {' | '.join(figures(found, reference))} |", flush=True)


def run(weights: str, options: argparse.Namespace, reference: dict[str, Any] | None) -> dict[str, Any]:
    """Load a model and explain the prompts; the tokens are those of the reference."""
    model = lineal.load(options.model, device=options.device, **LOAD[weights])
    prompts = PROMPTS[: options.limit]
    asked = [targets.NextToken()] * len(prompts) if reference is None else [targets.NextToken(token) for token in reference["tokens"]]
    for _ in range(2):  # the first run loads and sets up kernels
        clock = time.process_time()
        lineal.explain(model, prompts[0], asked[0], rule="gauss:32")
        seconds = time.process_time() - clock
    records = [lineal.explain(model, prompt, target, tol=options.tol) for prompt, target in zip(prompts, asked, strict=True)]
    return {
        "gigabytes": memory.measure(model).weights / 1e9,
        "seconds": seconds,
        "records": records,
        "tokens": [record.targets[0] for record in records],
    }


def figures(found: dict[str, Any], reference: dict[str, Any]) -> tuple[str, ...]:
    """Return a table row: medians over the prompts, with the worst prompt behind."""
    records = found["records"]
    moving = [np.array(record.roles) == "content" for record in records]
    pairs = [(a.scores[0, w], b.scores[0, w]) for a, b, w in zip(records, reference["records"], moving, strict=True)]
    ranks = [spearman(a, b) for a, b in pairs]
    distances = [np.abs(a - b).sum() / np.abs(b).sum() for a, b in pairs]
    residuals = [abs(record.residual[0]) / record.mass[0] for record in records]
    off = [abs(a.f_input[0] - b.f_input[0]) for a, b in zip(records, reference["records"], strict=True)]
    return (
        f"{found['gigabytes']:.2f}",
        f"{found['seconds']:.1f}",
        f"{sum(record.converged for record in records)} of {len(records)}",
        f"{np.median(residuals):.2%} ({max(residuals):.2%})",
        f"{np.median(ranks):.2f} ({min(ranks):.2f})",
        f"{np.median(distances):.0%} ({max(distances):.0%})",
        f"{np.median(off):.2f} ({max(off):.2f})",
    )


if __name__ == "__main__":
    main()
