"""Paths over words for many texts: found together, and one text at a time, each from an empty memory; then once more, remembered.

    python benchmarks/dig_texts.py --limit 20

Prints CPU seconds of the path search (no gradients) and whether all paths are the same to the last bit.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
from pathlib import Path

import torch

import lineal
from lineal.methods import contract
from lineal.methods.contract import Case
from lineal.methods.dig import anchors
from lineal.verbs.options import Options
from lineal.verbs.session import Session

SHARED = Path(__file__).parents[2] / "shared"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(SHARED / "models" / "minilm-movie-sentiment"))
    parser.add_argument("--file", type=Path, default=SHARED / "data" / "movie_reviews" / "test.tsv")
    parser.add_argument("--limit", type=int, default=20, help="texts, the first of at most --words words")
    parser.add_argument("--words", type=int, default=14)
    parser.add_argument("--method", default="dig-greedy")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with options.file.open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    texts = [text for text in texts if len(text.split()) <= options.words][: options.limit]
    session = Session(lineal.load(options.model), None, None, Options(method=options.method))
    cases = [session.case(text) for text in texts]
    print(f"{len(texts)} texts, {sum(sum(case.moving) for case in cases)} tokens")
    forget()
    together = searched(session, [cases], "together")
    searched(session, [cases], "remembered")
    forget()
    alone = searched(session, [[case] for case in cases], "one by one")
    print("equal to the last bit:", all(torch.equal(a, b) for a, b in zip(together, alone, strict=True)))


def forget() -> None:
    os.environ["LINEAL_CACHE"] = tempfile.mkdtemp()
    anchors._anchors.clear()


def searched(session: Session, blocks: list[list[Case]], name: str) -> list[torch.Tensor]:
    clock = time.process_time()
    plans = []
    for block in blocks:
        contract.prepare(session.method, block)
        plans += [session.method.plan(case) for case in block]
    print(f"{name}: {time.process_time() - clock:.2f} s")
    return [problem.path.vertices for plan in plans for problem, _ in plan.tasks.values()]


if __name__ == "__main__":
    main()
