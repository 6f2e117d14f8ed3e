"""Discretized IG as published: Lineal's vectorised search and batched sum beside the slow reference of the tests, neighbours known to both.

    python benchmarks/dig_speed.py --limit 20 --steps 30 --neighbours 100

Reviews of 20 to 60 characters from the shared test file, in its order; seconds are of processor time.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

import lineal
from lineal.methods import DIG
from lineal.methods.dig import anchors, neighbours

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests import dig_reference as reference  # noqa: E402

SHARED = ROOT.parent / "shared"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=str(SHARED / "models" / "minilm-movie-sentiment"))
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--neighbours", type=int, default=100)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = lineal.load(options.model, dtype="float64")
    method = DIG("greedy", options.steps, options.neighbours, even=False)
    known = neighbours.Neighbours(model, options.neighbours)
    table = model.embed(torch.arange(model.vocabulary)).detach().numpy()
    reference.neighbours_of = lambda word, _, k: known.of([word])[0].tolist()
    lines = (SHARED / "data" / "movie_reviews" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]
    texts = [text for line in lines if 20 <= len(text := line.split("\t", 1)[1].strip()) <= 60]
    rows = []
    for text in texts[: options.limit]:
        lineal.explain(model, text, baseline="pad", method=method, rule="left")  # neighbours
        anchors._anchors.clear()
        begin = time.process_time()
        mine = lineal.explain(model, text, baseline="pad", method=method, rule="left")
        middle = time.process_time()
        lineal.explain(model, text, baseline="pad", method=method, rule="left")
        warm = time.process_time()
        slow = published(model, text, mine, table, options)
        end = time.process_time()
        gap = np.abs(slow - mine.scores[0]).max()
        print(
            f"{text}: slow {end - warm:.2f} s, Lineal {middle - begin:.2f} s ({(end - warm) / (middle - begin):.0f} ×), "
            f"anchors remembered {warm - middle:.2f} s ({(end - warm) / (warm - middle):.0f} ×), largest difference {gap:.1e}",
            flush=True,
        )
        rows.append((end - warm, middle - begin, warm - middle, gap))
    slow, fresh, kept, _ = np.median(rows, axis=0)
    ratios = np.median([(row[0] / row[1], row[0] / row[2]) for row in rows], axis=0)
    print(
        f"{len(rows)} texts, medians: slow {slow:.2f} s, Lineal {fresh:.2f} s ({ratios[0]:.0f} ×), anchors remembered {kept:.2f} s ", end=""
    )
    print(f"({ratios[1]:.0f} ×); largest difference {max(row[3] for row in rows):.1e}")


def published(
    model: lineal.models.TextModel, text: str, mine: lineal.Attribution, table: np.ndarray, options: argparse.Namespace
) -> np.ndarray:
    encoded = model.encode([text])
    features = {name: value[None] for name, value in encoded.features.items()}
    label = model.head.index(mine.targets[0])

    def gradient(point: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(point)[None].requires_grad_()
        return torch.autograd.grad(model.run(features, x, None)[0, label], x)[0][0].numpy()

    pad = model.tokenizer.pad_token_id
    paths = [
        np.repeat(table[i][None], options.steps + 2, axis=0)
        if role == "special"
        else reference.points(i, pad, table, options.neighbours, options.steps, "greedy")
        for i, role in zip(encoded.ids, encoded.roles, strict=True)
    ]
    return reference.scores(gradient, paths)


if __name__ == "__main__":
    main()
