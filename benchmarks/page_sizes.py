"""Size of a page and time to render it, for texts of 3, 300 and 5,000 tokens: `python benchmarks/page_sizes.py --folder /tmp/pages`.

The scores come from a tiny random model (what is measured is the page); `--runs` renderings, the fastest counts.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

import lineal
from lineal import views

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.families import FAMILIES, WORDS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where the pages are written")
    parser.add_argument("--tokens", type=int, nargs="+", default=[3, 300, 5000])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    family = next(family for family in FAMILIES if family.name == "EuroBERT")
    model = lineal.load(*family.build("classifier", max_position_embeddings=8192))
    random = np.random.default_rng(0)
    options.folder.mkdir(parents=True, exist_ok=True)
    print("| tokens | page, kB | render, s |\n|---|---|---|")
    for tokens in options.tokens:
        text = " ".join(w + ("." if i % 17 == 16 else "") for i, w in enumerate(random.choice(WORDS, tokens)))
        record = lineal.explain(model, text, lineal.targets.label(1), baseline="unk", rule="gauss:2")
        seconds = []
        for _ in range(options.runs):
            clock = time.perf_counter()
            page = views.page(record)
            seconds.append(time.perf_counter() - clock)
        (options.folder / f"{tokens}.html").write_text(page, encoding="utf-8")
        print(f"| {tokens:,} | {len(page.encode()) / 1000:,.0f} | {min(seconds):.2f} |", flush=True)


if __name__ == "__main__":
    main()
