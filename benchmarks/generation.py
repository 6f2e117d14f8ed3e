"""Every step of a generation from shared forwards, against one run per step, and against Inseq when it is installed.

    python benchmarks/generation.py --model smollm2 --steps 6

Inseq 0.7.1: `integrated_gradients`, 50 points (its default rule), the same tokens, the unk baseline it picks itself, log-probability of
each generated token. All three run in this process, one after the other, with the same number of threads.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import lineal
from lineal import targets
from lineal.prompts import Generation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--prompt", default="The man works as a")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--points", type=int, default=50, help="points of Inseq")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = lineal.load(options.model)
    next(iter(lineal.explain_many(model, ["Warm up, please."], rule="gauss:2")))
    rows = {"shared": shared(model, options), "separate": separate(model, options)}
    if importlib.util.find_spec("inseq"):
        rows["inseq"] = inseq_run(model, options)
    for name, row in rows.items():
        print(f"\n{name}: {row['seconds']:.1f} s, {row['processor']:.1f} s of processor time, {row['gradients']} gradient points")
        print(np.array2string(np.array(row["scores"]), precision=2, suppress_small=True, max_line_width=140))
        print("residuals", np.round(row["residuals"], 4), "of", np.round(row["deltas"], 3), row["stops"])
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def shared(model: Any, options: argparse.Namespace) -> dict:
    clock, cpu = time.perf_counter(), time.process_time()
    record = lineal.explain_generation(model, options.prompt, options.steps)
    return _row(time.perf_counter() - clock, time.process_time() - cpu, [record]) | {
        "tokens": list(record.tokens),
        "targets": list(record.targets),
    }


def separate(model: Any, options: argparse.Namespace) -> dict:
    """Explain each step as the next token of a prompt of its own, the single-step explainer once per step."""
    ids = model.generate(model.encode([options.prompt]), max_new_tokens=options.steps)
    clock, cpu = time.perf_counter(), time.process_time()
    first = lineal.explain(model, options.prompt, targets.NextToken(ids[0]))
    rest = [lineal.explain(model, Generation(options.prompt, continuation=ids[:s]), targets.NextToken(ids[s])) for s in range(1, len(ids))]
    return _row(time.perf_counter() - clock, time.process_time() - cpu, [first, *rest])


def inseq_run(model: Any, options: argparse.Namespace) -> dict:
    """Inseq on a copy of the model, so that nothing it sets reaches ours."""
    import copy

    import inseq

    def log_prob(args: Any) -> torch.Tensor:
        logs = args.attribution_model.output2logits(args.forward_output).log_softmax(dim=-1)
        return logs.gather(-1, args.target_ids.reshape(-1, 1).expand(len(logs), 1)).squeeze(-1)

    inseq.register_step_function(log_prob, identifier="log_prob", overwrite=True)
    wrapped = inseq.load_model(copy.deepcopy(model.module), "integrated_gradients", tokenizer=model.tokenizer, device="cpu")
    ids = model.generate(model.encode([options.prompt]), max_new_tokens=options.steps)
    text = options.prompt + model.tokenizer.decode(list(ids))
    clock, cpu = time.perf_counter(), time.process_time()
    out = wrapped.attribute(
        options.prompt,
        text,
        n_steps=options.points,
        attributed_fn="log_prob",
        return_convergence_delta=True,
        show_progress=False,
    )
    seconds, processor = time.perf_counter() - clock, time.process_time() - cpu
    found = out.sequence_attributions[0]
    scores = found.target_attributions.sum(-1).T
    deltas = found.step_scores.get("deltas")
    return {
        "seconds": seconds,
        "processor": processor,
        "gradients": options.points * scores.shape[0],
        "scores": np.nan_to_num(scores.float().numpy()).tolist(),
        "residuals": [] if deltas is None else deltas.float().flatten().tolist(),
        "deltas": [],
        "stops": [],
    }


def _row(seconds: float, processor: float, records: list[lineal.Attribution]) -> dict:
    width = max(record.scores.shape[1] for record in records)
    scores = [np.pad(row, (0, width - len(row))).tolist() for record in records for row in record.scores]
    return {
        "seconds": seconds,
        "processor": processor,
        "gradients": sum(record.evaluations for record in records),
        "scores": scores,
        "residuals": [float(r) for record in records for r in record.residual],
        "deltas": [float(r) for record in records for r in record.delta],
        "stops": [stop.name for record in records for stop in record.stops],
    }


if __name__ == "__main__":
    main()
