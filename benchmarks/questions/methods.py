"""What is compared: methods with baselines, and the truths they are held against. Each gives scores of many prompts at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

import lineal
from benchmarks.questions.tasks import Item
from lineal import baselines, targets
from lineal.baselines.classes import FUNCTION
from lineal.baselines.contract import Noted, still
from lineal.engine.removal import Subject, replaced, values
from lineal.models.base import TextModel
from lineal.models.encoded import Encoded
from lineal.objectives.contract import Objective
from lineal.verbs.options import Options
from lineal.verbs.prepare import Preparation


class Asked(targets.Target):
    """Of every prompt its own question. question: "contrast" of the token and its foil, "next" token alone, or "label"."""

    def __init__(self, items: Sequence[Item], question: str) -> None:
        """Take the prompts."""
        self.items, self.question = {item.text: item for item in items}, question

    def bind(self, model: TextModel) -> Callable[[Encoded], Objective]:
        """Bind one target per pair of answers."""
        bound = {(i.token, i.foil): self._one(i).bind(model) for i in self.items.values()}
        return lambda encoded: bound[(item := self.items[encoded.texts[0]]).token, item.foil](encoded)

    def _one(self, item: Item) -> targets.Target:
        if self.question == "contrast":
            return targets.contrast(item.token, item.foil)
        return targets.next_token(item.token) if self.question == "next" else targets.label(item.token)


class Instead:
    """Of every prompt its own text said otherwise."""

    name = "counterfactual"

    def __init__(self, items: Sequence[Item]) -> None:
        """Take the prompts."""
        self.items = items

    def bind(self, model: TextModel) -> Any:
        """Bind one counterfactual per prompt."""
        return _Instead({item.text: baselines.counterfactual(item.instead).bind(model) for item in self.items})


@dataclass(frozen=True)
class _Instead(Noted):
    starts: dict[str, Any]

    def __call__(self, encoded: Encoded) -> Tensor:
        found: Tensor = self.starts[encoded.texts[0]](encoded)
        return found

    def notes(self, encoded: Encoded) -> tuple[str, ...]:
        return ()

    def still(self, encoded: Encoded) -> frozenset[int]:
        return still(self.starts[encoded.texts[0]], encoded)


@dataclass(frozen=True)
class Held:
    """A baseline by its name, from which function words do not move."""

    of: str

    @property
    def name(self) -> str:
        """The baseline's."""
        return f"{self.of}, function words held"

    def bind(self, model: TextModel) -> Any:
        """Bind the baseline."""
        return _Held(baselines.resolve(self.of, model).bind(model))


@dataclass(frozen=True)
class _Held(Noted):
    start: Any

    def __call__(self, encoded: Encoded) -> Tensor:
        found: Tensor = self.start(encoded)
        return found

    def notes(self, encoded: Encoded) -> tuple[str, ...]:
        return ()

    def still(self, encoded: Encoded) -> frozenset[int]:
        spans = zip(encoded.segments, encoded.offsets, strict=True)
        words = [encoded.texts[segment][begin:end].strip().casefold() for segment, (begin, end) in spans]
        return frozenset(i for i, word in enumerate(words) if word in FUNCTION)


@dataclass(frozen=True)
class Found:
    """Scores of the prompts, (t,) each, F at text and baseline, gradients, and whether they converged.

    sampling: of averages, how far the mean over draws may be off, relative to the mass; 0 without draws.
    """

    scores: list[NDArray[np.float64]]
    f_input: list[float]
    f_baseline: list[float]
    gradients: list[int]
    converged: list[bool]
    sampling: list[float]


@dataclass(frozen=True)
class Way:
    """A method from a baseline. baseline: a value, or "instead". tol: of its integrals."""

    method: str
    baseline: Any = None
    tol: float = 0.05
    orders: int = 0
    turn: int = 0
    """Dear ways wait until the others are through."""

    def run(self, model: TextModel, items: Sequence[Item], target: Any) -> Found:
        """Explain the prompts together."""
        baseline = Instead(items) if self.baseline == "instead" else self.baseline
        if self.method == "shapley":
            return shapley(model, items, target, baseline, self.orders)
        texts = [item.text for item in items]
        found = list(lineal.explain_many(model, texts, target, baseline=baseline, method=self.method, tol=self.tol, max_evaluations=300))
        return Found(
            [record.scores[0] for record in found],
            [float(record.f_input[0]) for record in found],
            [float(record.f_baseline[0]) for record in found],
            [int(record.evaluations) for record in found],
            [bool(record.converged) for record in found],
            [0.0 if record.sampling is None else float(record.sampling[0] / np.abs(record.scores[0]).sum()) for record in found],
        )


def shapley(model: TextModel, items: Sequence[Item], target: Any, baseline: Any, orders: int) -> Found:
    """Shapley values estimated from orders in which tokens come back, every second the reverse of the one before; no gradient.

    With several baselines the orders take turns. Unbiased; exact for additive F. Cost: one forward pass per order and moving token.
    """
    prepared, problems, plans = Preparation(model, target, baseline, Options()), [], []
    random = np.random.default_rng(0)
    for item in items:
        case = prepared.case(item.text)
        moving = np.flatnonzero(case.moving)
        taken = [random.permutation(moving) for _ in range((orders + 1) // 2)]
        taken = [order for one in taken for order in (one, one[::-1])][:orders]
        plans.append((len(case.encoded), taken))
        for n, order in enumerate(taken):
            subject = Subject(case.encoded, case.end, case.starts[n % len(case.starts)], case.objective)
            gone = np.asarray(case.moving).copy()
            problems.append(replaced(subject, gone.copy()))
            for i in order:
                gone[i] = False
                problems.append(replaced(subject, gone.copy()))
    f, at = values(model, problems, prepared.budget)[:, 0], 0
    found = Found([], [], [], [0] * len(items), [True] * len(items), [0.0] * len(items))
    for length, taken in plans:
        scores, first = np.zeros(length), []
        for order in taken:
            steps = f[at : at + len(order) + 1]
            scores[order] += np.diff(steps) / len(taken)
            first.append(steps[0])
            at += len(order) + 1
        found.scores.append(scores)
        found.f_input.append(float(f[at - 1]))
        found.f_baseline.append(float(np.mean(first)))
    return found


def ways(decoder: bool, draws: int, orders: int, tol: float, truth: int) -> dict[str, Way]:
    """Return what is run, in order: the truths first, then what is cheap.

    draws: of every method that averages, whose integrals are looser than those from a single baseline, for the draws weigh more than
    their errors. orders: of Shapley values. tol: of integrals. truth: draws of each half of a truth, of other seeds than the methods'.
    """
    drawn = {"class": baselines.alternatives(draws, "class"), "model": baselines.alternatives(draws, "model")}
    proposers = ("model", "class") if decoder else ("class",)
    names = ("mean", "eos", "unk", "zero") if decoder else ("mask", "pad", "unk", "mean", "zero")
    usual = names[0]
    found = {
        f"truth, {by}, {half}": Way("occlusion", baselines.alternatives(truth, by, seed=seed))
        for by in proposers
        for half, seed in (("first", 101), ("second", 202))
    }
    found |= {"random": Way("random", usual), "gradient × input": Way("gradient-x-input", usual)}
    found |= {f"occlusion, {usual}": Way("occlusion", usual), "occlusion, deletion": Way("occlusion-delete", usual)}
    found |= {f"occlusion, alternatives by {by}": Way("occlusion", drawn[by]) for by in proposers}
    found |= {"ig, text said otherwise": Way("ig", "instead", tol)}
    found |= {f"ig, {name}": Way("ig", name, tol, turn=0 if name == usual else 2) for name in names}
    found |= {f"ig, {usual}, function words held": Way("ig", Held(usual), tol)}
    found |= {f"Shapley, {usual}": Way("shapley", usual, orders=orders)}
    found |= {f"ig, alternatives by {by}": Way("ig", drawn[by], 2 * tol, turn=1) for by in proposers}
    found |= {"ig, random words": Way("ig", baselines.random_words(draws), 2 * tol, turn=2)}
    found |= {"Shapley, alternatives by class": Way("shapley", drawn["class"], orders=orders, turn=3)}
    return found
