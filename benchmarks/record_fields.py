"""Record token derivatives along paths on a dense grid, for studying schedules without a model in the loop.

    python benchmarks/record_fields.py sentiment --texts reviews.txt --out reviews.npz

One text a line. For every text the file holds `<name><i>_P` (points, tokens), ⟨∂F/∂x_i, x_i − x'_i⟩, and `<name><i>_V` (points,), F, at
α = j / (points − 1): what `replay_schedules.py --fields` reads.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import lineal
from lineal.engine.field import Problem, Request, evaluate
from lineal.models.lease import lease
from lineal.paths import Straight
from lineal.verbs.options import Options
from lineal.verbs.session import Session


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="alias, folder or hub id")
    parser.add_argument("--texts", type=Path, required=True, help="one text a line")
    parser.add_argument("--out", type=Path, required=True, help="the .npz to write")
    parser.add_argument("--name", default="case", help="prefix of the arrays")
    parser.add_argument("--target", default=None, help="as in `lineal explain --target`")
    parser.add_argument("--baseline", default=None)
    parser.add_argument("--points", type=int, default=1025)
    options = parser.parse_args()
    session = Session(lineal.load(options.model), options.target, options.baseline, Options())
    arrays = {}
    for i, text in enumerate(options.texts.read_text(encoding="utf-8").splitlines()):
        arrays[f"{options.name}{i}_P"], arrays[f"{options.name}{i}_V"] = recorded(session, text, options.points)
        print(f"{i}: {text[:70]}", flush=True)
    np.savez_compressed(options.out, **arrays)


def recorded(session: Session, text: str, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the (points, t) token derivatives and the (points,) values of the first output."""
    case = session.case(text)
    problem = Problem(case.encoded, Straight(case.starts[0], case.end), case.objective)
    alphas = np.linspace(0.0, 1.0, points)
    wanted = np.ones(problem.k, dtype=bool)
    answers = []
    with lease(session.model.module):
        for block in np.array_split(alphas, max(1, points * len(problem.encoded) // 1024)):
            answers += evaluate(session.model, [Request(problem, tuple(block), wanted)])
    derivatives = np.concatenate([answer.derivatives[:, 0] for answer in answers])
    return derivatives.astype(np.float32), np.concatenate([answer.values[:, 0] for answer in answers]).astype(np.float32)


if __name__ == "__main__":
    main()
