"""Which baseline gives what: gradients to 1 %, how far apart the answers are, and F at the baseline, per kind of model.

    python benchmarks/baselines.py --out /tmp/baselines.json      (about 10 minutes on two slow cores)

Models: the sentiment classifier on MiniLM (`shared` below), the probe `sentiment`, the encoder `minilm`, the language model `smollm2`.
Agreement of two baselines on one text: the rank correlation of their word scores; the table has the mean over texts and other baselines.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

import lineal

SHARED = Path(os.environ.get("LINEAL_SHARED", Path(__file__).parent.parent.parent / "shared"))
CLASSIFIER = SHARED / "models" / "minilm-movie-sentiment"
REVIEWS = [
    "not a masterpiece , but an hour well spent .",
    "the plot is thin and the jokes are old , yet the cast is glorious .",
    "a tepid , overlong and strangely joyless film .",
    "i laughed twice , and one of those times was at the credits .",
    "it is hard to dislike a film this honest about growing up .",
    "the director has never been better , and the script has never been worse .",
]
PROMPTS = [
    "The capital of France is",
    "She put the milk back into the",
    "The nurse told the doctor that she would be",
    "Water boils when you heat it, and it freezes when you",
    "My dog is called Max. My cat is called Tom. The name of my dog is",
    "Question: What is two plus three? Answer:",
]
NEUTRAL = "the film is a film about a thing that happens to some people in a place ."


def cases() -> dict[str, tuple[Any, Sequence[str], Any, dict[str, Any]]]:
    b = lineal.baselines
    shared = {name: name for name in ("mask", "pad", "unk", "mean", "zero")}
    encoders = shared | {"random words × 4": b.random_words(4), "neutral text": b.another_text(NEUTRAL)}
    decoders = {name: name for name in ("mean", "eos", "unk", "zero")} | {"random words × 4": b.random_words(4)}
    return {
        "classifier": (str(CLASSIFIER), REVIEWS, lineal.targets.label(1), encoders),
        "probe": ("sentiment", REVIEWS, lineal.targets.label("POSITIVE"), encoders),
        "encoder": ("minilm", REVIEWS, lineal.targets.own_embedding(), encoders),
        "decoder": ("smollm2", PROMPTS, lineal.targets.next_token(), decoders),
    }


def measure(name: str, limit: int, budget: int, only: Sequence[str]) -> list[dict[str, Any]]:
    where, texts, target, baselines = cases()[name]
    baselines = {label: baseline for label, baseline in baselines.items() if not only or label in only}
    model = lineal.load(where, device="cpu")
    rows, words = [], {}
    for label, baseline in baselines.items():
        clock = time.perf_counter()
        records = list(lineal.explain_many(model, texts[:limit], target, baseline=baseline, max_evaluations=budget))
        samples = 4 if "×" in label else 1
        words[label] = [record.words().scores[0] for record in records]
        rows.append(
            {
                "baseline": label,
                "evaluations": float(np.mean([r.evaluations / samples for r in records])),
                "converged": sum(r.converged for r in records),
                "texts": len(records),
                "f_input": float(np.mean([r.f_input[0] for r in records])),
                "f_baseline": float(np.mean([r.f_baseline[0] for r in records])),
                "spread_of_f_baseline": float(np.std([r.f_baseline[0] for r in records])),
                "cancellation": float(np.median([r.cancellation[0] for r in records])),
                "seconds": time.perf_counter() - clock,
            }
        )
        print(f"{name}: {label}: {rows[-1]['evaluations']:.0f} gradients, {rows[-1]['seconds']:.0f} s", file=sys.stderr, flush=True)
    for row in rows:
        mine = words[row["baseline"]]
        row["agreement"] = {
            other: float(np.mean([spearmanr(a, b).statistic for a, b in zip(mine, theirs, strict=True)]))
            for other, theirs in words.items()
            if other != row["baseline"]
        }
        row["words"] = [mine_of_one.tolist() for mine_of_one in mine]
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    head = "| baseline | gradients | converged | F(baseline) | mass / \\|ΔF\\| | agreement with the others |"
    lines = [head, "|---|---|---|---|---|---|"]
    for row in rows:
        agreement = np.mean(list(row["agreement"].values()))
        lines.append(
            f"| {row['baseline']} | {row['evaluations']:.0f} | {row['converged']} of {row['texts']} | "
            f"{row['f_baseline']:.2f} ± {row['spread_of_f_baseline']:.2f} | {row['cancellation']:.1f} | {agreement:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(cases()), choices=list(cases()))
    parser.add_argument("--limit", type=int, default=6, help="texts per model")
    parser.add_argument("--budget", type=int, default=400, help="gradients per integral")
    parser.add_argument("--baselines", nargs="+", default=[], help="only these")
    parser.add_argument("--out", type=Path, help="write all figures as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for name in options.models:
        found[name] = measure(name, options.limit, options.budget, options.baselines)
        print(f"\n{name}, F(text) {found[name][0]['f_input']:.2f}\n\n{table(found[name])}", flush=True)
        if options.out is not None:
            options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
