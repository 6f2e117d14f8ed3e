"""What to do about the first position of a decoder: let it move, hold it, or put a beginning-of-text token in front and hold that.

    python benchmarks/anchor.py --model smollm2 --limit 20 --figure docs/figures/anchor.svg

For each prompt, anchor and baseline (mean, eos): gradients to reach 1 %, at most `--budget`, and how much the scores change when the
baseline does (cosine and rank correlation over the tokens that every setting moves). The explained token is the one the model puts first
after the plain prompt, in log-probability. Finished rows are appended to `--log`; a run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import lineal
from lineal import targets

PROMPTS = (
    "The man works as a",
    "The capital of France is the city of",
    "She opened the door and saw a",
    "Water boils at a temperature of one hundred",
    "My grandmother always told me never to",
    "After three weeks of rain, the river finally",
    "The recipe says to add two cups of",
    "Scientists have discovered a new species of",
    "He forgot his umbrella, so he got",
    "The train to Vienna leaves from platform",
    "In 1969, astronauts landed for the first time on the",
    "If you mix blue and yellow paint, you get",
    "The judge told the jury to ignore the",
    "Dear Ms Keller, thank you very much for your",
    "The keys to the old cabinet on the second floor were",
    "Although the food was cold, the waiter was very",
    "To restart the router, unplug it and wait for ten",
    "The company announced on Monday that its profits had",
    "def add(a, b):\n    return a",
    "Question: How many legs does a spider have? Answer: A spider has",
    "The opposite of hot is",
    "Every evening the lighthouse keeper writes a letter to the",
)
ANCHORS = ("none", "first", "bos")
BASELINES = ("mean", "eos")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--limit", type=int, default=20, help="prompts")
    parser.add_argument("--budget", type=int, default=64, help="most gradients per result")
    parser.add_argument("--anchors", default=",".join(ANCHORS), help="which of them, with commas between")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--log", type=Path, default=Path("anchor.jsonl"), help="one line per finished result")
    parser.add_argument("--figure", type=Path, help="where to draw (SVG or PNG)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    measure(options)
    rows = [row for row in read(options.log) if row["prompt"] in PROMPTS[: options.limit] and row["budget"] == options.budget]
    print(table(rows))
    if options.figure:
        draw(rows, options.figure)


def measure(options: argparse.Namespace) -> None:
    done = {(row["prompt"], row["anchor"], row["baseline"], row["budget"]) for row in read(options.log)}
    model = lineal.load(options.model)
    tokens = {prompt: targets.NextToken().bind(model)(model.encode([prompt])).tokens[0] for prompt in PROMPTS[: options.limit]}
    with options.log.open("a", encoding="utf-8") as log:
        for anchor, baseline in itertools.product(options.anchors.split(","), BASELINES):
            todo = [prompt for prompt in tokens if (prompt, anchor, baseline, options.budget) not in done]
            records = lineal.explain_many(model, todo, Same(tokens), anchor=anchor, baseline=baseline, max_evaluations=options.budget)
            for prompt, record in zip(todo, records, strict=True):
                row = {
                    "prompt": prompt,
                    "anchor": anchor,
                    "baseline": baseline,
                    "budget": options.budget,
                    "evaluations": record.evaluations,
                    "stop": record.stop.name,
                    "delta": float(record.delta[0]),
                    "residual": float(record.residual[0]),
                    "mass": float(record.mass[0]),
                    "scores": record.scores[0, -len(model.encode([prompt])) :].tolist(),
                }
                log.write(json.dumps(row) + "\n")
                log.flush()


@dataclass(frozen=True)
class Same(targets.Target):
    """The same token for a prompt whatever stands in front of it."""

    tokens: dict[str, int]

    def bind(self, model):
        """Look the tokens up."""
        bound = {prompt: targets.NextToken(token).bind(model) for prompt, token in self.tokens.items()}
        return lambda encoded: bound[encoded.texts[0]](encoded)


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def stability(rows: list[dict], anchor: str) -> tuple[list[float], list[float]]:
    """Cosine and rank correlation of the scores under the two baselines, per prompt, over all tokens but the first."""
    cosines, ranks = [], []
    for prompt in dict.fromkeys(row["prompt"] for row in rows):
        pair = [
            np.array(row["scores"][1:])
            for b in BASELINES
            for row in rows
            if (row["prompt"], row["anchor"], row["baseline"]) == (prompt, anchor, b)
        ]
        if len(pair) == 2 and len(pair[0]) > 1:
            a, b = pair
            cosines.append(float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12)))
            ranks.append(float(np.corrcoef(a.argsort().argsort(), b.argsort().argsort())[0, 1]))
    return cosines, ranks


def table(rows: list[dict]) -> str:
    lines = [
        "| anchor | baseline | prompts | converged at 1 % | gradients, median (quartiles) | abs(residual) / mass, median |",
        "|---|---|---|---|---|---|",
    ]
    for anchor in ANCHORS:
        for baseline in BASELINES:
            own = [row for row in rows if (row["anchor"], row["baseline"]) == (anchor, baseline)]
            if own:
                used = np.percentile([row["evaluations"] for row in own], [50, 25, 75])
                share = sum(row["stop"] == "CONVERGED" for row in own) / len(own)
                off = np.median([abs(row["residual"]) / row["mass"] for row in own])
                lines.append(
                    f"| {anchor} | {baseline} | {len(own)} | {share:.0%} | {used[0]:.0f} ({used[1]:.0f} to {used[2]:.0f}) | {off:.2%} |"
                )
    lines += ["", "| anchor | cosine mean/eos, median | rank correlation mean/eos, median |", "|---|---|---|"]
    for anchor in ANCHORS:
        cosines, ranks = stability(rows, anchor)
        if cosines:
            lines.append(f"| {anchor} | {np.median(cosines):.2f} | {np.median(ranks):.2f} |")
    return "\n".join(lines)


def draw(rows: list[dict], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    colours = {"mean": "#1f6fb4", "eos": "#c05a12"}
    budget = max(row["budget"] for row in rows)
    for i, anchor in enumerate(ANCHORS):
        for j, baseline in enumerate(BASELINES):
            own = [row for row in rows if (row["anchor"], row["baseline"]) == (anchor, baseline)]
            for converged, marker in ((True, "o"), (False, "x")):
                found = [row["evaluations"] for row in own if (row["stop"] == "CONVERGED") == converged]
                spread = np.linspace(-0.12, 0.12, max(len(found), 2))[: len(found)]
                label = f"{baseline} baseline" if converged and i == 1 else None
                left.scatter(
                    i + (j - 0.5) * 0.4 + spread, sorted(found), s=16, marker=marker, color=colours[baseline], label=label, linewidths=1
                )
        cosines, _ = stability(rows, anchor)
        right.scatter(i + np.linspace(-0.2, 0.2, max(len(cosines), 2))[: len(cosines)], sorted(cosines), s=16, color="#555555")
        if cosines:
            right.plot([i - 0.3, i + 0.3], [np.median(cosines)] * 2, color="black", lw=2)
    left.axhline(budget, color="#999999", lw=0.8, ls="--")
    left.set_ylabel("gradients to 1 %  (× not converged)")
    right.set_ylabel("cosine of scores, mean against eos baseline")
    names = ["nothing held", "first token held", "BOS added, held"]
    for axes in (left, right):
        axes.set_xticks(range(3), names, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    left.set_ylim(0)
    left.legend(frameon=False, fontsize=8)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


if __name__ == "__main__":
    main()
