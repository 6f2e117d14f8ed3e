"""How likely the ends and the middle of a path are as text, by the decoder's own account; and whether a baseline outdoes the text.

Numbers of a path say nothing about whether the model has ever read what lies on it. Its own log-probability per token does: −3 is a text
like any other, −15 is nothing it expects. The first tokens, which are the same all along the path, are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from lineal.baselines import AnotherText, Counterfactual, MeanEmbedding, SpecialToken, Word, Zero
from lineal.engine.field import Problem
from lineal.methods.contract import Case, Key, Outcome, Plan
from lineal.models.layer import Entered
from lineal.models.vocabulary import named, spell
from lineal.objectives.label import ClassScore
from lineal.objectives.sequence import SequenceScore
from lineal.objectives.token import Fluency, TokenScore
from lineal.objectives.wrap import Combined
from lineal.paths import Straight, lines
from lineal.quadrature.contract import Integral, Schedule
from lineal.quadrature.fixed import Ends

MOST = 256
"""Tokens that are scored, the last ones: each takes a whole row of the head."""
PATHS = 8
"""Paths of an average that are looked at, the first ones."""
LEAVES = 2.0
"""Nats per token below the text from which a path is said to leave what the model has read: each token is then seven times less likely."""
ALIVE = 0.01
"""Probability of token and foil together below which a contrast is said to be hardly alive: the model would hardly say either."""


def fluency(case: Case, plan: Plan) -> dict[Key, tuple[Problem, Schedule]]:
    """Return what to compute of a decoder's paths: one forward pass for the text, and for the start and the middle of each path.

    Nothing for other models, for texts with a neutral token in them, for methods without a path from a baseline, at a layer, and where
    nothing follows the first moving token.
    """
    paths = [line for (kind, *_), (problem, _) in plan.tasks.items() if kind == "path" for line in lines(problem.path, PATHS)][:PATHS]
    ids, first = case.encoded.ids, max(1, case.moving.index(True)) if any(case.moving) else len(case.moving)
    scored = range(max(first, len(ids) - MOST), len(ids))
    if case.encoded.neutral or case.model.card.kind != "causal" or isinstance(case.model, Entered) or not paths or not scored:
        return {}

    def read(point: Tensor, tokens: list[int]) -> tuple[Problem, Schedule]:
        score = Fluency(tuple(i - 1 for i in scored), tuple(tokens[i] for i in scored))
        return Problem(case.encoded, Straight(point, point), score, apart=True), Ends(start_only=True)

    tasks: dict[Key, tuple[Problem, Schedule]] = {("fluency", "text"): read(case.end, ids)}
    for i, path in enumerate(paths):
        start, middle = path.at([0.0, 0.5]).to(case.end)
        tokens = named(case.model, start, ids)
        tasks["fluency", "middle", i] = read(middle, ids)
        tasks["fluency", "nothing" if tokens is None else "baseline", i] = read(start, ids if tokens is None else tokens)
    return tasks


def remarks(
    case: Case, outcome: Outcome, found: Mapping[Key, Integral], baseline: Any
) -> tuple[dict[str, float], tuple[str, ...], tuple[str, ...]]:
    """Return (fluency, notes, warnings) of a finished explanation: the record's numbers, what is said of them, a baseline that outdoes."""
    values: dict[str, list[Any]] = {}
    for key, integral in found.items():
        if key[0] == "fluency":
            values.setdefault(str(key[1]), []).append(integral.f_start)
    means = {where: np.mean(rows, axis=0) for where, rows in values.items()}
    if not {"text", "middle"} <= means.keys() or not np.isfinite(list(means.values())).all():
        means = {}
    notes = _offered(case, means, baseline) + _fluent(means) + _alive(case, found)
    return {w: float(v[0]) for w, v in means.items()}, notes, _outdone(case, outcome, baseline)


def _offered(case: Case, means: Mapping[str, Any], baseline: Any) -> tuple[str, ...]:
    """Say how another question is asked, where the path of a decoder comes from the same vector at every place (docs/questions.md)."""
    if not means or not isinstance(baseline, (MeanEmbedding, SpecialToken, Word, Zero)):
        return ()
    among = isinstance(case.objective, SequenceScore) and len(case.objective.sequences) > 1
    edit = "; --instead TEXT compares with a text that would say otherwise" if among or _contrasted(case.objective) else ""
    return (
        f"Every word is compared with the baseline {baseline.name}. What F does when a word is really replaced is another question: "
        f"--method occlusion --baseline alternatives:8 answers it, without gradients{edit}.",
    )


def _fluent(means: Mapping[str, Any]) -> tuple[str, ...]:
    if not means:
        return ()
    numbers = {where: float(row[0]) for where, row in means.items()}
    said = f"In the model's own log-probability per token, the text has {_signed(numbers['text'])}"
    if "baseline" in numbers:
        said += f", the baseline, read as text, {_signed(numbers['baseline'])}"
    if "nothing" in numbers:
        said += f"; the baseline is no text, and having read it the model gives the text's tokens {_signed(numbers['nothing'])}"
    said += f"; halfway, the text's tokens have {_signed(numbers['middle'])}"
    lost = numbers["text"] - min(numbers.values())
    return (f"{said}: the path {'leaves' if lost > LEAVES else 'stays near'} what the model has read.",)


def _alive(case: Case, found: Mapping[Key, Integral]) -> tuple[str, ...]:
    """Say of a contrast how likely token and foil are together, of what was asked for what the model answers (`verbs.answers`)."""
    tokens, ends = _contrasted(case.objective), [integral for key, integral in found.items() if key[0] == "answer"]
    if not tokens or not ends:
        return ()
    here, there = float(ends[0].f_end.sum()), float(np.mean([end.f_start.sum() for end in ends]))
    if not np.isfinite([here, there]).all():
        return ()
    names = " + ".join(f"p({spell(case.model, token)})" for token in tokens)
    hardly = ": there the contrast is hardly alive" if there < ALIVE else ""
    return (f"{names} is {_percent(there)} at the baseline and {_percent(here)} at the text{hardly}.",)


def _outdone(case: Case, outcome: Outcome, baseline: Any) -> tuple[str, ...]:
    """Say where a baseline that is to be neutral speaks more strongly for a label, or for a token over its foil, than the text does."""
    objective = case.objective
    asked = isinstance(objective, ClassScore) or bool(_contrasted(objective))
    if not asked or isinstance(baseline, (AnotherText, Counterfactual)):
        return ()
    ends = zip(objective.names, objective.units, outcome.integral.f_end, outcome.integral.f_start, strict=True)
    return tuple(
        f"The baseline speaks more strongly for {name} than the text: F is {start:.4g} there and {end:.4g} at the text, so that all words "
        f"together take off {start - end:.4g}, and one that speaks for {name} can score below 0. Compare with a baseline nearer to neutral."
        for name, unit, end, start in ends
        if unit in ("logit", "log_odds") and start > end > 0
    )


def _contrasted(objective: Any) -> tuple[int, ...]:
    """Return the tokens of a contrast, nothing for any other objective."""
    contrast = isinstance(objective, Combined) and isinstance(objective.inner, TokenScore) and objective.weights == ((1.0, -1.0),)
    return objective.inner.tokens if contrast else ()


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _signed(number: float) -> str:
    return f"{number:.1f}".replace("-", "−")
