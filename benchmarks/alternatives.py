"""Which baseline answers what a word does: token scores against the effect of really replacing each token, on agreement prompts.

    python benchmarks/alternatives.py --out /tmp/alternatives.jsonl      (about a minute a prompt on two slow cores)

Truth: occlusion by 12 alternatives per place, drawn by the model itself with another seed than those of the methods. Reported per method:
how often the subject has the largest score for the number it has, Pearson correlation with the truth over moving tokens, gradients; means
with 95 % bootstrap intervals over prompts.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import lineal
from lineal import baselines

FRAMES = ("Yesterday she said that the {} to the {}", "Everyone who came agreed that the {} near the {}")
NOUNS = (
    ("key", "keys", "cabinet", "cabinets"),
    ("picture", "pictures", "book", "books"),
    ("door", "doors", "room", "rooms"),
    ("letter", "letters", "teacher", "teachers"),
    ("road", "roads", "house", "houses"),
)
METHODS: dict[str, tuple[str, str]] = {
    "ig, mean": ("ig", "mean"),
    "ig, counterfactual (both nouns)": ("ig", "both"),
    "ig, counterfactual (subject)": ("ig", "subject"),
    "occlusion, mean": ("occlusion", "mean"),
    "occlusion, alternatives:6": ("occlusion", "alternatives:6"),
    "ig, alternatives:6": ("ig", "alternatives:6"),
}


def prompts() -> list[dict[str, str]]:
    """Return 20 prompts: subject and distractor of unlike number, and the same with the subject, or both, flipped."""
    found = []
    for frame in FRAMES:
        for one, many, other, others in NOUNS:
            for subject, flipped, distractor, back in ((one, many, others, other), (many, one, other, others)):
                found.append(
                    {
                        "text": frame.format(subject, distractor),
                        "subject": frame.format(flipped, distractor),
                        "both": frame.format(flipped, back),
                        "word": subject,
                        "target": 'contrast:" is"~" are"' if subject == one else 'contrast:" are"~" is"',
                    }
                )
    return found


def measure(model: Any, prompt: dict[str, str], methods: list[str]) -> dict[str, Any]:
    """Return subject-on-top, correlation with the truth and gradients per method."""

    def explain(method: str, baseline: Any) -> lineal.Attribution:
        given = baselines.counterfactual(prompt[baseline]) if baseline in ("both", "subject") else baseline
        return lineal.explain(model, prompt["text"], prompt["target"], baseline=given, method=method)

    truth = explain("occlusion", baselines.alternatives(12, seed=1))
    where = [i for i, role in enumerate(truth.roles) if role == "content"]
    subject = next(i for i in where if truth.tokens[i].strip("Ġ▁") == prompt["word"])
    row: dict[str, Any] = {"text": prompt["text"], "F": float(truth.f_input[0]), "truth": truth.scores[0, where].tolist()}
    row["top"] = {"truth": bool(truth.scores[0].argmax() == subject)}
    row["r"], row["gradients"], row["F(baseline)"] = {}, {}, {}
    for name in methods:
        record = explain(*METHODS[name])
        row["top"][name] = bool(record.scores[0].argmax() == subject)
        row["r"][name] = float(np.corrcoef(record.scores[0, where], truth.scores[0, where])[0, 1])
        row["gradients"][name], row["F(baseline)"][name] = record.evaluations, float(record.f_baseline[0])
    return row


def interval(values: list[float]) -> str:
    """Return mean [95 % bootstrap interval]."""
    drawn = np.random.default_rng(0).choice(values, (10_000, len(values))).mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{np.mean(values):.2f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    """Measure, and print the table."""
    given = argparse.ArgumentParser()
    given.add_argument("--model", default="smollm2")
    given.add_argument("--methods", nargs="*", default=list(METHODS))
    given.add_argument("--limit", type=int, default=20)
    given.add_argument("--out", type=Path, required=True)
    how = given.parse_args()
    model, rows = lineal.load(how.model), []
    order = np.random.default_rng(0).permutation(len(prompts()))[: how.limit]
    with how.out.open("w", encoding="utf-8") as out:
        for prompt in (prompts()[i] for i in order):
            rows.append(measure(model, prompt, how.methods))
            print(json.dumps(rows[-1]), file=out, flush=True)
    print(f"{len(rows)} prompts; the truth itself has the subject on top in {interval([row['top']['truth'] for row in rows])}")
    for name in how.methods:
        top, r = (interval([float(row[key][name]) for row in rows]) for key in ("top", "r"))
        print(f"| {name} | {np.mean([row['gradients'][name] for row in rows]):.0f} | {top} | {r} |")


if __name__ == "__main__":
    main()
