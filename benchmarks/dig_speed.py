"""Discretized IG as published: Lineal's vectorised search and batched sum beside the slow reference of the tests, neighbours known to both.

python benchmarks/dig_speed.py --limit 3 --steps 10 --neighbours 20
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

import lineal
from lineal import neighbours
from lineal.methods import DIG, anchors

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests import dig_reference as reference  # noqa: E402

TEXTS = ("A tepid, glorious mess.", "It never quite knows what it wants.", "The film is a quiet wonder.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=str(ROOT.parent / "shared" / "models" / "minilm-movie-sentiment"))
    parser.add_argument("--limit", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--neighbours", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = lineal.load(options.model, dtype="float64")
    method = DIG("greedy", options.steps, options.neighbours, even=False)
    known = neighbours.Neighbours(model, options.neighbours)
    table = model.embed(torch.arange(model.vocabulary)).detach().numpy()
    reference.neighbours_of = lambda word, _, k: known.of([word])[0].tolist()
    for text in TEXTS[: options.limit]:
        lineal.explain(model, text, baseline="pad", method=method, rule="left")  # neighbours
        anchors._anchors.clear()
        begin = time.perf_counter()
        mine = lineal.explain(model, text, baseline="pad", method=method, rule="left")
        middle = time.perf_counter()
        lineal.explain(model, text, baseline="pad", method=method, rule="left")
        warm = time.perf_counter()
        slow = published(model, text, mine, table, options)
        end = time.perf_counter()
        gap = np.abs(slow - mine.scores[0]).max()
        print(
            f"{text}: slow {end - warm:.2f} s, Lineal {middle - begin:.2f} s ({(end - warm) / (middle - begin):.0f} ×), "
            f"anchors remembered {warm - middle:.2f} s ({(end - warm) / (warm - middle):.0f} ×), largest difference {gap:.1e}",
            flush=True,
        )


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
