"""Prints the noise of derivatives, and the true error beside the stated one, for models in bfloat16 and float16.

The truth is the same rounded weights in float64. Names of models choose some of the cases, "closed" closed forms with such noise:

    python benchmarks/rounding.py [sentiment minilm smollm2 closed]
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import numpy as np

import lineal
from lineal.engine.field import Request, evaluate
from lineal.models.lease import lease
from lineal.paths import Straight
from lineal.quadrature.spelling import schedule
from lineal.verbs.options import Options
from lineal.verbs.session import Session

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.integrands import draw, outcome, rounded

POINTS = (np.arange(17) + 0.5) / 17

TEXTS = (
    "Send back any unopened item within thirty days.",
    "Not a masterpiece, but an hour well spent.",
    "A tepid, glorious mess.",
    "It was fine, I suppose, if you like that sort of thing.",
)
CASES = (
    ("sentiment", TEXTS, None, 60, ("bfloat16", "float16")),
    ("minilm", TEXTS[:2], lineal.targets.similar("How long may I keep it?"), 60, ("bfloat16", "float16")),
    ("smollm2", ("The man works as a",), lineal.targets.next_token(" doctor"), 40, ("bfloat16",)),
)


def derivatives(model: Any, text: str, target: Any) -> Any:
    """Return the token derivatives of the first output at POINTS, (m, t)."""
    case = Session(model, target, None, Options()).case(text)
    problem = case.problem(Straight(case.starts[0], case.end))
    with lease(model.module):
        (found,) = evaluate(model, [Request(problem, tuple(POINTS), np.array([True]))])
    return found.derivatives[:, 0]


def noise(coarse: Any, fine: Any, text: str, target: Any) -> tuple[float, float]:
    """Return the noise of one point relative to its L1 norm, and how much of it is left in the mean over POINTS."""
    exact = derivatives(fine, text, target)
    wrong = derivatives(coarse, text, target) - exact
    each = np.abs(wrong).sum(axis=1).mean()
    return float(each / np.abs(exact).sum(axis=1).mean()), float(np.abs(wrong.mean(axis=0)).sum() / each)


def closed(draws: int = 60) -> None:
    """Print how often the stated error is too small on closed forms whose F and derivatives are rounded."""
    for kind, epsilon in (("bfloat16", 2.0**-7), ("float16", 2.0**-10)):
        for family in ("smooth", "kinks", "norms", "peaks", "jumps", "steps", "1 of 8", "2 of 30"):
            found = [
                outcome(rounded(draw(family, n), epsilon, n), schedule("adaptive", 0.01, 400, (0.0, 1.0), epsilon=epsilon))
                for n in range(draws)
            ]
            above, late = sum(o.true > o.stated for o in found), sum(o.converged and o.true > 0.01 for o in found)
            true, stated, gradients = (np.median([getattr(o, name) for o in found]) for name in ("true", "stated", "evaluations"))
            ended = sum(o.converged for o in found)
            print(f"| {kind} | {family} | {draws} | {ended} | {above} | {late} | {true:.2%} | {stated:.2%} | {gradients:.0f} |", flush=True)


def main() -> None:
    if not sys.argv[1:] or "closed" in sys.argv[1:]:
        closed()
    for name, texts, target, most, dtypes in CASES:
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        for dtype in dtypes:
            coarse = lineal.load(name, device="cpu", dtype=dtype)
            fine = copy.deepcopy(coarse)
            fine.module.double()
            for text in texts:
                each, left = noise(coarse, fine, text, target)
                print(f"{name} {dtype} noise of a point {each:.2%}, left in the mean of {len(POINTS)} points: {left:.2f} of it", flush=True)
                stated = lineal.explain(coarse, text, target, max_evaluations=most)
                exact = lineal.explain(fine, text, target, tol=1e-3, max_evaluations=400)
                true = np.abs(stated.scores - exact.scores).sum() / exact.mass[0]
                said = stated.error[0] / stated.mass[0]
                print(
                    f"{name} {dtype} true {true:.4f} stated {said:.4f} {stated.stop.name} {stated.evaluations} gradients: {text}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
