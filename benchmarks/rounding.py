"""Prints the true error beside the stated one for models in bfloat16 and float16; the truth is the same rounded weights in float64.

    python benchmarks/rounding.py
"""

from __future__ import annotations

import copy

import numpy as np

import lineal

TEXTS = (
    "Send back any unopened item within thirty days.",
    "Not a masterpiece, but an hour well spent.",
    "A tepid, glorious mess.",
    "It was fine, I suppose, if you like that sort of thing.",
)
CASES = (
    ("sentiment", TEXTS, None, 60, ("bfloat16", "float16")),
    ("minilm", TEXTS[:2], lineal.targets.similar("How long may I keep it?"), 60, ("bfloat16", "float16")),
    ("smollm2", ("The man works as a",), lineal.targets.next_token(" doctor"), 40, ("bfloat16",)),
)


def main() -> None:
    for name, texts, target, most, dtypes in CASES:
        for dtype in dtypes:
            coarse = lineal.load(name, device="cpu", dtype=dtype)
            fine = copy.deepcopy(coarse)
            fine.module.double()
            for text in texts:
                stated = lineal.explain(coarse, text, target, max_evaluations=most)
                exact = lineal.explain(fine, text, target, tol=1e-3, max_evaluations=400)
                true = np.abs(stated.scores - exact.scores).sum() / exact.mass[0]
                said = stated.error[0] / stated.mass[0]
                print(f"{name} {dtype} true {true:.4f} stated {said:.4f} {stated.stop.name} {stated.evaluations} gradients: {text}", flush=True)


if __name__ == "__main__":
    main()
