"""Subject-verb agreement in 50 minimal pairs: is the agreeing noun the token that decides, more often than by other methods or by chance?

    python benchmarks/contrast.py --model smollm2 --limit 50

Each prompt has a subject, a distracting noun of the other number, and a verb to come; the target is the right verb form against the wrong
one (`targets.Contrast`). Counted per method: how often the subject is the token with the largest score, how often it ranks above the
distractor, and whether the model prefers the right form at all. Random: the expected share over all orders of the tokens that move.
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np
import torch

import lineal
from lineal import targets

SUBJECTS = ("key", "picture", "report", "letter", "car")
PLACES = (("to", "cabinet"), ("near", "window"), ("of", "teacher"), ("behind", "door"), ("about", "river"))
FRAMES = ("Yesterday she said that the {} {} the {}", "Everybody knows that the {} {} the {}")


def pairs() -> list[tuple[str, str, str, str, str]]:
    """Return (prompt, right form, wrong form, subject, distractor): singular subjects in one frame, plural ones in the other."""
    found = []
    for (i, frame), subject, (preposition, place) in itertools.product(enumerate(FRAMES), SUBJECTS, PLACES):
        head, other = (subject, place + "s") if i == 0 else (subject + "s", place)
        right, wrong = (" is", " are") if i == 0 else (" are", " is")
        found.append((frame.format(head, preposition, other), right, wrong, head, other))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--limit", type=int, default=50)
    parser.add_argument("--tol", type=float, default=0.02)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = lineal.load(options.model)
    chosen = pairs()[: options.limit] if options.limit >= 50 else pairs()[:: max(1, 50 // options.limit)][: options.limit]
    rows: dict[str, list[tuple[bool, bool, float]]] = {"ig": [], "gradient x input": [], "random": []}
    used, converged, preferred = [], [], []
    for (right, wrong), group in itertools.groupby(chosen, key=lambda pair: pair[1:3]):
        block = list(group)
        texts, target = [pair[0] for pair in block], targets.Contrast(right, wrong)
        ours = list(lineal.explain_many(model, texts, target, tol=options.tol))
        simple = list(lineal.explain_many(model, texts, target, method="gradient-x-input"))
        for pair, a, b in zip(block, ours, simple, strict=True):
            preferred.append(a.f_input[0] > 0)
            used.append(a.evaluations)
            converged.append(a.converged)
            rows["ig"].append(judged(a, pair[3], pair[4]))
            rows["gradient x input"].append(judged(b, pair[3], pair[4]))
            moving = sum(role == "content" for role in a.roles)
            rows["random"].append((1 / moving, 0.5, (moving + 1) / 2))
    print(f"{len(chosen)} prompts; the right form is preferred in {np.mean(preferred):.0%}")
    print(f"{np.mean(converged):.0%} converged at {options.tol:.0%}")
    print(f"gradients, median {np.median(used):.0f}\n")
    print("| method | subject scores highest | subject above distractor | mean rank of the subject |\n|---|---|---|---|")
    for name, found in rows.items():
        top, above, rank = (np.mean([row[i] for row in found]) for i in range(3))
        print(f"| {name} | {top:.0%} | {above:.0%} | {rank:.1f} |")


def judged(record: lineal.Attribution, subject: str, distractor: str) -> tuple[bool, bool, float]:
    """Return whether the subject is on top, whether it is above the distractor, and its rank among words that move."""
    words = record.words()
    scores = {
        token: float(score) for token, score, role in zip(words.tokens, words.scores[0], words.roles, strict=True) if role == "content"
    }
    order = sorted(scores, key=lambda word: -scores[word])
    return order[0] == subject, scores[subject] > scores[distractor], order.index(subject) + 1


if __name__ == "__main__":
    main()
