"""From finished integrals to a record: the numbers, what they were asked to be, and how they were made."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from lineal import methods
from lineal.engine.field import Problem
from lineal.methods.contract import Case, Integrals, Key, Outcome
from lineal.objectives.sequence import SequenceScore
from lineal.prompts import regions
from lineal.quadrature.contract import Integral, Schedule, Stop
from lineal.records.attribution import Attribution, Choices
from lineal.verbs.prepare import Preparation


def pack(
    preparation: Preparation, method: methods.Method, case: Case, outcome: Outcome, seconds: float, choices: Choices | None = None
) -> Attribution:
    """Return the record of a finished explanation. seconds: as in `lineal.Attribution`."""
    encoded, integral, o = case.encoded, outcome.integral, preparation.options
    draws = outcome.draws or (len(case.starts) if case.drawn and outcome.spread is not None else 0)
    return Attribution(
        texts=encoded.texts,
        segments=encoded.segments,
        scores=integral.value,
        targets=case.objective.names,
        units=case.objective.units,
        f_input=integral.f_end,
        f_baseline=integral.f_start,
        error=integral.error,
        stops=judged(integral, o.tol),
        evaluations=integral.evaluations,
        spread=outcome.spread,
        draws=draws,
        sampling=outcome.spread.sum(axis=1) / np.sqrt(draws) if draws and outcome.spread is not None else None,
        method=methods.spelling(method),
        adds_up=method.adds_up,
        path=outcome.path if o.layer is None else f"{outcome.path}, at layer {o.layer}",
        baseline=preparation.baseline.name,
        read=encoded.read,
        notes=(*encoded.notes, *outcome.notes),
        warnings=encoded.warnings,
        region_of=regions.names(encoded),
        steps=encoded.steps,
        memory=preparation.memory,
        choices=choices,
        **encoded.marks,
        **provenance(preparation, seconds),
    )


def provenance(preparation: Preparation, seconds: float) -> dict[str, Any]:
    """Return what every record says about how it was made. seconds: as in `lineal.Attribution`."""
    o = preparation.options
    return {"tol": o.tol, "rule": o.rule, "model": preparation.model.card, "versions": versions(), "seconds": round(seconds, 4)}


def judged(integral: Integral, tol: float) -> tuple[Stop, ...]:
    """Return the stop reasons, withdrawing CONVERGED where the error exceeds `tol` of the mass, as it can where parts cancel."""
    allowed = tol * np.abs(integral.value).sum(axis=1) * (1 + 1e-9)  # the last digits are rounding, not error
    return tuple(
        Stop.CANCELLED if stop.converged and error > limit else stop
        for stop, error, limit in zip(integral.stops, integral.error, allowed, strict=True)
    )


def menu(case: Case) -> dict[Key, tuple[Problem, Schedule]]:
    """Return the integrals behind `choices`: F of every option of a choice at the text and at each baseline, no gradient."""
    if not isinstance(case.objective, SequenceScore) or not case.objective.menu:
        return {}
    ends = replace(case, objective=case.objective.every).ends
    return {("option", b): task for (_, b), task in ends.items()}


def choices(case: Case, found: Integrals) -> Choices | None:
    """Return what a record says of the options of a choice, of the integrals of its `menu`; None where nothing is chosen."""
    score = case.objective
    if not isinstance(score, SequenceScore) or not score.menu:
        return None
    ends = [found["option", b] for b in range(len(case.starts))]
    log_probs = np.stack([ends[0].f_end, *(end.f_start for end in ends)])
    names = tuple(name.strip() or repr(name) for name in score.menu)
    return Choices(names=names, log_probs=log_probs, picked=score.picks[0], gold=score.gold, mean=score.normalise == "mean")


def versions() -> dict[str, str]:
    """Return the versions of what computes the numbers."""
    found = {}
    for package in ("lineal", "torch", "transformers", "sentence-transformers"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # running from a source tree that was never installed
            found[package] = "not installed"
    return found
