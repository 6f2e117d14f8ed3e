"""Forward mode, reverse mode and central differences agree on every encoder family; where one is missing, another is taken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import lineal
from lineal import targets
from lineal.engine.costs import Costs, costs
from lineal.engine.field import Problem, Request, evaluate
from lineal.engine.tangents import Mode
from lineal.models import TextModel
from lineal.models.forward import answer
from lineal.models.lease import lease
from lineal.paths import Straight
from lineal.verbs.options import PairOptions
from lineal.verbs.pair_session import Pairs
from tests.fakes import by
from tests.families import FAMILIES, TEXTS, Family

ENCODERS = [family for family in FAMILIES if "encoder" in family.tasks and "encoder" not in (family.refused or {})]
NO_FORWARD = {"BLOOM"}  # writes in place where forward mode cannot follow
KINKED: dict[str, dict[str, Any]] = {"T5 encoder": {"feed_forward_proj": "gelu"}, "OPT": {"activation_function": "gelu"}}
"""Families with ReLU, where a difference across a kink is no derivative, and what makes them smooth."""
CLOSE = 1e-4
"""Largest difference of forward and reverse mode relative to the largest derivative: rounding in float32, many times over."""
STEP = 5e-3
"""The same of central differences, whose step of 2.5e-3 balances curvature against rounding."""


@pytest.mark.parametrize("family", ENCODERS, ids=lambda family: family.name)
def test_all_modes_agree(family: Family) -> None:
    model = family.load("encoder")
    request = asked(model)
    with lease(model.module):
        reverse, central = (evaluate(model, by(mode, [request]))[0] for mode in (Mode.REVERSE, Mode.CENTRAL))
        forward = evaluate(model, by(Mode.FORWARD, [request]))[0] if family.name not in NO_FORWARD else reverse
    size = np.abs(reverse.derivatives).max()
    assert size > 1e-6
    assert np.abs(forward.values - reverse.values).max() < CLOSE
    assert np.abs(forward.derivatives - reverse.derivatives).max() < CLOSE * size
    apart = np.abs(central.derivatives - reverse.derivatives)
    assert (np.median(apart) < CLOSE * size) if family.name in KINKED else (apart.max() < STEP * size)
    assert np.isfinite(costs(model, request.problem).tangent) == (family.name not in NO_FORWARD)


@pytest.mark.parametrize("family", [family for family in ENCODERS if family.name in KINKED], ids=lambda family: family.name)
def test_differences_are_derivatives_where_there_is_no_kink(family: Family) -> None:
    model = replace(family, settings=family.settings | KINKED[family.name]).made("encoder")
    with lease(model.module):
        reverse, central = (evaluate(model, by(mode, [asked(model)]))[0] for mode in (Mode.REVERSE, Mode.CENTRAL))
    assert np.abs(central.derivatives - reverse.derivatives).max() < STEP * np.abs(reverse.derivatives).max()


def asked(model: TextModel) -> Request:
    """Return two points of the first text's path, every dimension of its embedding an output."""
    case = Pairs(model, model, "unk", None, PairOptions()).first.case(TEXTS[0])
    problem = Problem(case.encoded, Straight(case.starts[0], case.end), case.objective)
    return Request(problem, (0.2, 0.9), np.ones(problem.k, dtype=bool))


def test_the_cheapest_mode_is_taken() -> None:
    measured = Costs(forward=1.0, backward=1.0, tangent=2.0, central=2.0)
    assert measured.cheapest(outputs=384, tokens=16) is Mode.FORWARD
    assert measured.cheapest(outputs=3, tokens=16) is Mode.REVERSE
    assert measured.of(Mode.REVERSE, 3) == 4.0
    without = Costs(forward=1.0, backward=1.0, tangent=float("inf"), central=2.0)
    assert without.cheapest(outputs=384, tokens=16) is Mode.CENTRAL
    assert without.cheapest(outputs=3, tokens=16) is Mode.REVERSE


def test_many_outputs_of_one_text_take_the_cheapest_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    model = next(family for family in ENCODERS if family.name == "BERT").load("encoder")
    vectors = np.random.default_rng(0).standard_normal((24, len(answer(model, model.encode([TEXTS[0]])))))
    asked: list[tuple[int, int]] = []

    def prices(tangent: float) -> Costs:
        return Costs(forward=1.0, backward=2.0, tangent=tangent, central=0.1)

    def explained(tangent: float, rows: int) -> np.ndarray:
        monkeypatch.setattr("lineal.verbs.prepare.costs", lambda _, problem: (asked.append((problem.k, rows)), prices(tangent))[1])
        record = lineal.explain(model, TEXTS[0], targets.similar(vectors[:rows]), baseline="unk", rule="gauss:6")
        return record.scores

    used: list[Mode] = []
    monkeypatch.setattr(
        "lineal.engine.integrate.evaluate", lambda model, requests: (used.append(requests[0].problem.mode), evaluate(model, requests))[1]
    )
    reverse, forward, without = explained(100.0, 24), explained(0.1, 24), explained(float("inf"), 24)
    assert [mode for i, mode in enumerate(used) if i == 0 or mode is not used[i - 1]] == [Mode.REVERSE, Mode.FORWARD, Mode.REVERSE]
    assert np.abs(forward - reverse).max() < CLOSE * np.abs(reverse).max()
    assert (without == reverse).all()
    explained(0.1, 3)
    assert asked == [(24, 24)] * 3, "few outputs are not worth a measurement"
