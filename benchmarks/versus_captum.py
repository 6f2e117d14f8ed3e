"""Side by side with Captum's LayerIntegratedGradients at its defaults: time per text, gradients, true error.

    python benchmarks/versus_captum.py --model ../shared/models/minilm-movie-sentiment --texts ../shared/data/movie_reviews/test.tsv

Same model, texts, baseline (mask tokens between CLS and SEP) and target (the logit of the predicted label). Captum runs text by text
with its 50 Gauss-Legendre steps; Lineal runs blocks of texts at two tolerances. The candidates take turns block by block, so that a
change in the machine's speed meets all of them. The true error is the L1 distance to a dense Gauss-Legendre rule, relative to Σ|A|.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np
import torch
from captum.attr import LayerIntegratedGradients

import lineal
from lineal import targets
from lineal.models import TextModel

Scores = list[np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="classifier to explain: folder or alias")
    parser.add_argument("--texts", type=Path, required=True, help="TSV file with a column named text")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--block", type=int, default=20, help="texts per turn")
    parser.add_argument("--reference", type=int, default=100, help="Gauss-Legendre points of the reference")
    options = parser.parse_args()
    with options.texts.open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)][: options.limit]
    model = lineal.load(options.model, device="cpu")
    lineal.explain(model, texts[0])
    rows = {"Captum, 50 steps": [], "Lineal, tol 1e-2": [], "Lineal, tol 1e-3": []}
    for first in range(0, len(texts), options.block):
        block = texts[first : first + options.block]
        truth = [record.scores[0] for record in lineal.explain_many(model, block, rule=f"gauss:{options.reference}")]
        for name, run in (("Captum, 50 steps", captum), ("Lineal, tol 1e-2", at(1e-2)), ("Lineal, tol 1e-3", at(1e-3))):
            start = time.perf_counter()
            scores, gradients = run(model, block)
            seconds = (time.perf_counter() - start) / len(block)
            rows[name] += [(seconds, n, error(a, b)) for a, b, n in zip(scores, truth, gradients, strict=True)]
    print(table(rows))


def captum(model: TextModel, texts: list[str]) -> tuple[Scores, list[int]]:
    """Run Captum as its documentation does: one text, all steps in one batch."""
    scores = []
    for text in texts:
        encoded = model.encode([text])
        ids, mask = encoded.features["input_ids"][None], encoded.features["attention_mask"][None]
        with torch.no_grad():
            label = int(model.module(ids, attention_mask=mask).logits.argmax())
        special = torch.tensor([role == "special" for role in encoded.roles])
        start = torch.where(special, ids, torch.full_like(ids, model.tokenizer.mask_token_id))
        integrated = LayerIntegratedGradients(lambda i, m: model.module(i, attention_mask=m).logits, model.network.get_input_embeddings())
        result = integrated.attribute(ids, start, target=label, additional_forward_args=(mask,))
        scores.append(result.sum(-1)[0].detach().double().numpy())
    return scores, [50] * len(texts)


def at(tol: float):
    """Return Lineal at a tolerance."""

    def run(model: TextModel, texts: list[str]) -> tuple[Scores, list[int]]:
        records = list(lineal.explain_many(model, texts, targets.label(), baseline="mask", tol=tol))
        return [record.scores[0] for record in records], [record.evaluations for record in records]

    return run


def error(scores: np.ndarray, truth: np.ndarray) -> float:
    return float(np.abs(scores - truth).sum() / np.abs(truth).sum())


def table(rows: dict[str, list[tuple[float, int, float]]]) -> str:
    lines = [
        "| | seconds per text | against Captum | gradients, mean | true error, median | 95th percentile | largest |",
        "|---|---|---|---|---|---|---|",
    ]
    base = np.mean([row[0] for row in rows["Captum, 50 steps"]])
    for name, measured in rows.items():
        seconds, gradients, errors = (np.array(column) for column in zip(*measured, strict=True))
        quantiles = " | ".join(f"{np.quantile(errors, q):.1e}" for q in (0.5, 0.95, 1.0))
        lines.append(f"| {name} | {seconds.mean():.3f} | {seconds.mean() / base:.2f} | {gradients.mean():.1f} | {quantiles} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
