"""Discretized IG beside Inseq's on one causal language model: the same settings, the same texts, scores and seconds.

Inseq's n_steps counts the points of the path: its anchors are n_steps − 2 and its monotonising step is 1/n_steps, where the published code
uses one number for both; hence `stride` here. Both start from the unknown token, at every position, and explain the probability of the
next token. Needs `inseq`; run it in an environment of its own.

    python benchmarks/versus_inseq_dig.py --model smollm2 --limit 20
"""

from __future__ import annotations

import argparse
import copy
import time
import warnings

import numpy as np
import torch
from anchor import PROMPTS

import lineal
from lineal.methods import DIG


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--steps", type=int, default=6, help="anchors per word; Inseq's n_steps is two more")
    parser.add_argument("--neighbours", type=int, default=50)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = lineal.load(options.model)
    theirs = inseq_model(model, options)
    method = DIG("greedy", options.steps, options.neighbours, even=False, stride=options.steps + 2)
    rows: list[tuple[float, ...]] = []
    print("| prompt | Lineal, processor s | Inseq, processor s | max |difference| / max |score| | Lineal Σ − ΔF | Inseq delta |")
    print("|---|---|---|---|---|---|")
    for prompt in PROMPTS[: options.limit]:
        mine = explained(model, prompt, method)  # the index is built and warm after this
        begin = time.process_time()
        mine = explained(model, prompt, method)
        middle = time.process_time()
        scores, delta = inseq_scores(theirs, model, prompt, mine, options)
        end = time.process_time()
        gap = float(np.abs(scores - mine.scores[0]).max() / np.abs(mine.scores[0]).max())
        rows.append((middle - begin, end - middle, gap, abs(mine.residual[0]), abs(delta)))
        shown = prompt.replace("\n", "⏎")
        print(f"| {shown} | {middle - begin:.2f} | {end - middle:.2f} | {gap:.1e} | {mine.residual[0]:+.4f} | {delta:+.4f} |", flush=True)
    lineal_s, inseq_s = np.sum(rows, axis=0)[:2]
    gaps, ours, delta = np.array(rows).T[2:]
    print(f"\n{len(rows)} prompts: {lineal_s:.1f} s and {inseq_s:.1f} s of processor time ({inseq_s / lineal_s:.2f} ×); largest difference")
    print(f"{gaps.max():.1e}; medians of |Σ − ΔF| {np.median(ours):.3f} and of |Inseq's delta| {np.median(delta):.3f}")


def explained(model: lineal.models.TextModel, prompt: str, method: DIG) -> lineal.Attribution:
    options = {"method": method, "rule": "left", "baseline": "unk", "anchor": "none", "hold_special": False}
    return lineal.explain(model, prompt, lineal.targets.next_token(unit="prob"), **options)


def inseq_model(model: lineal.models.TextModel, options: argparse.Namespace) -> object:
    import inseq

    tokenizer = copy.deepcopy(model.tokenizer)
    return inseq.load_model(copy.deepcopy(model.module), "discretized_integrated_gradients", tokenizer=tokenizer, device="cpu")


def inseq_scores(
    theirs: object, model: lineal.models.TextModel, prompt: str, mine: lineal.Attribution, options: argparse.Namespace
) -> tuple:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = theirs.attribute(
            prompt,
            prompt + mine.targets[0],
            attributed_fn="probability",
            show_progress=False,
            attribute_target=False,
            n_steps=options.steps + 2,
            return_convergence_delta=True,
            output_step_attributions=True,
        )
    step = out.sequence_attributions[0]
    scores = step.target_attributions.double().sum(dim=-1)[: len(mine.tokens), -1].numpy()
    return scores, float(step.step_scores["deltas"][-1]) if "deltas" in step.step_scores else float("nan")


if __name__ == "__main__":
    main()
