"""What the model said at both ends, as probabilities: two forward passes, no gradient; no score depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from lineal.engine.field import Problem
from lineal.methods.contract import Case, Key
from lineal.models.base import Head
from lineal.objectives.label import ClassScore
from lineal.objectives.token import TokenScore
from lineal.objectives.wrap import Combined
from lineal.quadrature.contract import Integral, Schedule
from lineal.records.attribution import Answers

MOST = 12
"""Answers that are kept of a model with many: the likeliest at the text, and those that are explained."""

SUM = 1e-3
"""Of probabilities that are those of one answer among all: so far their sum may be from 1."""


def asked(case: Case, head: Head | None) -> dict[Key, tuple[Problem, Schedule]]:
    """Return the integrals behind `answers`: the probability of every answer at the text and at each baseline.

    Nothing where F says it itself (a probability, a log-probability, log-odds of one answer), and where nothing is likely or unlikely.
    head: what a classifier's numbers stand for.
    """
    whole = _whole(case.objective, head)
    if whole is None or case.encoded.steps:
        return {}
    ends = replace(case, objective=whole).ends
    return {("answer", b): (replace(problem, apart=True), schedule) for (_, b), (problem, schedule) in ends.items()}


def answers(case: Case, head: Head | None, found: Mapping[Key, Integral]) -> Answers | None:
    """Return what a record says of the model's answers, of the integrals that were asked for; None where one of them is missing."""
    whole, keys = _whole(case.objective, head), [("answer", b) for b in range(len(case.starts))]
    if whole is None or not all(key in found for key in keys):
        return None
    ends = [found[key] for key in keys]
    probs = np.stack([ends[0].f_end, *(end.f_start for end in ends)])
    if not np.isfinite(probs).all():
        return None
    shown = _shown(probs[0], getattr(case.objective, "classes", ()))
    names = tuple(whole.names[i].strip() or repr(whole.names[i]) for i in shown)
    return Answers(
        names=names,
        probs=np.clip(probs[:, shown], 0, 1),
        exclusive=isinstance(whole, ClassScore) and bool(np.abs(probs.sum(axis=1) - 1).max() < SUM),
    )


def _whole(objective: Any, head: Head | None) -> ClassScore | TokenScore | None:
    """Return the probabilities of everything that could have been answered; None where F is one already, or there are none."""
    if isinstance(objective, ClassScore):
        if head is None or objective.activation == "none":
            return None
        return replace(objective, classes=tuple(range(len(head.names))), names=head.names, unit="prob")
    if isinstance(objective, Combined) and objective.weights == ((1.0, -1.0),):  # a contrast
        objective = objective.inner
        return replace(objective, unit="prob") if isinstance(objective, TokenScore) else None
    return replace(objective, unit="prob") if isinstance(objective, TokenScore) and objective.unit == "logit" else None


def _shown(probs: Any, explained: tuple[int, ...]) -> list[int]:
    """Return which answers are kept, in their own order."""
    if len(probs) <= MOST:
        return list(range(len(probs)))
    return sorted({*np.argsort(-probs, kind="stable")[:MOST].tolist(), *explained[:MOST]})
