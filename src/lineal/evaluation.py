"""Many texts, many methods, many metrics: which explanations say what the model does? Wiring between explanations, removals and `metrics`.

Every method is judged by what happens to p, the probability of the explained output (or F itself where there is none), when the tokens
it calls strongest are removed. Held and special tokens are never removed. All methods see the same texts, the same target and the same
removals; equal removals are run once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lineal import baselines as known_baselines
from lineal import metrics as m
from lineal.attribution import Attribution
from lineal.errors import OptionError, listing
from lineal.field import Problem
from lineal.methods import Case
from lineal.metrics import curves, subsets
from lineal.models import load
from lineal.objectives import Branches, Objective, branches
from lineal.paths import Straight
from lineal.removal import REMOVALS, Removal, Subject, values
from lineal.session import Options, Session

DEFAULT_METHODS = ("ig", "dig-greedy", "dig-maxcount", "expected-gradients", "gradient-x-input", "occlusion", "random")
DEFAULT_METRICS = ("comprehensiveness", "sufficiency", "log_odds", "deletion", "insertion", "srg", "loo_spearman")
METRICS = tuple(m.HIGHER_IS_BETTER)
GROUPS = 24
"""Random groups per size for sensitivity-n and infidelity."""
SOFT_DRAWS = 6

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Column:
    """One way to explain: a method from one baseline (None for methods that use none)."""

    method: str
    baseline: str | None

    @property
    def name(self) -> str:
        """Its name in tables."""
        return self.method if self.baseline is None else f"{self.method}, {self.baseline}"


@dataclass
class Evaluation:
    """What was measured.

    values: (columns, removals, metrics, texts), NaN where a metric has none. records: per column, one per text. seconds, gradients:
    (columns,) of computing the explanations. without, only: (columns, removals, texts, len(GRID)) p along the curves. skipped: texts that
    could not be explained, with the reason.
    """

    model: str
    target: str
    columns: tuple[Column, ...]
    removals: tuple[str, ...]
    metrics: tuple[str, ...]
    values: Floats
    without: Floats
    only: Floats
    records: list[list[Attribution]]
    seconds: Floats
    gradients: Floats
    skipped: list[str] = field(default_factory=list)

    def interval(self, column: int, removal: int, metric: int) -> m.Interval:
        """Return the mean over texts with its 95 % interval."""
        return m.interval(self.values[column, removal, metric])

    def against(self, column: int, control: int, removal: int, metric: int) -> m.Interval:
        """Return the mean paired difference to another column, with its 95 % interval."""
        return m.difference(self.values[column, removal, metric], self.values[control, removal, metric])

    def gap(self, column: int) -> tuple[float, float] | None:
        """Return the medians of |residual| and of |residual| / |F(text) − F(baseline)|; None for methods that promise no sum."""
        if not self.records[column][0].adds_up:
            return None
        residuals = np.array([abs(r.residual[0]) for r in self.records[column]])
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = residuals / np.array([abs(r.delta[0]) for r in self.records[column]])
        return float(np.median(residuals)), float(np.nanmedian(shares))


def evaluate(
    model: Any,
    texts: Iterable[str],
    target: Any = None,
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
    baselines: Sequence[str | None] = (None,),
    metrics: Sequence[str] = DEFAULT_METRICS,
    removals: Sequence[str] = ("delete", "replace:mask"),
    on_step: Callable[[str], None] | None = None,
    **options: Any,
) -> Evaluation:
    """Return how faithful methods are on a list of texts, with one output (k = 1) explained per text.

    methods: names of `lineal.methods.METHODS`; include "random", the control. baselines: each method that uses a baseline is run from each.
    metrics: names in `lineal.evaluation.METRICS`; their tables stand in `lineal.metrics`. removals: "delete", "attention", or "replace:"
    with a baseline's name; give at least two, since each favours somebody (docs/faithfulness.md). options: see `lineal.session.Options`.
    Texts that cannot be explained (too long, empty) are skipped and named in the result.
    Cost: the explanations, and about 30 forward passes per text, column and removal. Raises OptionError for unknown names.
    """
    loaded = load(model)
    for name in metrics:
        if name not in METRICS:
            raise OptionError(f"unknown metric {name!r}; choose among {listing(METRICS)}")
    if not metrics or not methods or not removals:
        raise OptionError("give at least one method, one metric and one removal")
    sessions = _sessions(loaded, target, methods, baselines, options)
    judge = _Judge(loaded, tuple(metrics), {name: _removal(name, loaded) for name in removals}, sessions[0][1])
    kept, skipped = _readable(sessions[0][1], texts)
    records, seconds = [], []
    for column, session in sessions:
        if on_step is not None:
            on_step(f"{column.name}: explaining {len(kept)} texts")
        records.append(list(session.run(kept)))
        seconds.append(sum(record.seconds for record in records[-1]))
    found = []
    for i, text in enumerate(kept):
        if on_step is not None:
            on_step(f"text {i + 1} of {len(kept)}: removing tokens")
        found.append(judge.judge(text, [column[i] for column in records]))
    shape = (len(sessions), len(removals), len(kept))
    joined = [np.stack(part, axis=2) if part else np.zeros((*shape, 0)) for part in zip(*found, strict=True)]
    return Evaluation(
        model=loaded.card.name,
        target=records[0][0].units[0] if records[0] else "",
        columns=tuple(column for column, _ in sessions),
        removals=tuple(removals),
        metrics=tuple(metrics),
        values=np.moveaxis(joined[0], 3, 2),
        without=joined[1],
        only=joined[2],
        records=records,
        seconds=np.array(seconds),
        gradients=np.array([sum(record.evaluations for record in column) for column in records], dtype=np.float64),
        skipped=skipped,
    )


@dataclass(frozen=True)
class Both:
    """F and p of one objective, (n, 2): what the metrics need from one forward pass."""

    inner: Objective
    probability: Objective

    @property
    def names(self) -> tuple[str, ...]:
        """F, then p."""
        return ("F", "p")

    @property
    def units(self) -> tuple[str, ...]:
        """Their units."""
        return (self.inner.units[0], self.probability.units[0])

    @property
    def positions(self) -> tuple[int, ...]:
        """The inner objective's positions."""
        return self.inner.positions

    @property
    def rows(self) -> tuple[int, ...] | None:
        """All rows, which a probability needs."""
        return None if self.probability is not self.inner else self.inner.rows

    @property
    def branches(self) -> Branches:
        """The inner objective's branches."""
        return branches(self.inner)

    def __call__(self, answer: Tensor) -> Tensor:
        """Return F and p."""
        if self.rows is None and self.inner.rows is not None:
            wanted = answer[..., list(self.inner.rows)]
            return torch.stack([self.inner(wanted)[:, 0], self.probability(answer)[:, 0]], dim=-1)
        return torch.stack([self.inner(answer)[:, 0], self.probability(answer)[:, 0]], dim=-1)


def with_probability(objective: Objective) -> Both:
    """Return an objective's F beside its probability; F twice where it has none (similarities, regressions)."""
    has_unit = any(entry.name == "unit" for entry in fields(objective))  # type: ignore[arg-type]
    if not has_unit or getattr(objective, "activation", "softmax") == "none":
        return Both(objective, objective)
    return Both(objective, replace(objective, unit="prob"))  # type: ignore[type-var]


class _Judge:
    """Judges the explanations of one text at a time."""

    def __init__(self, model: Any, names: tuple[str, ...], removals: dict[str, tuple[Removal, Any]], session: Session) -> None:
        self.model, self.names, self.removals, self.session = model, names, removals, session

    def judge(self, text: str, records: Sequence[Attribution]) -> tuple[Floats, Floats, Floats]:
        """Return (columns, removals, metrics) numbers and two (columns, removals, len(GRID)) curves."""
        case = self.session.case(text)
        tokens = np.flatnonzero(case.moving)
        objective = with_probability(case.objective)
        numbers = np.full((len(records), len(self.removals), len(self.names)), np.nan)
        without, only = (np.full((len(records), len(self.removals), len(curves.GRID)), np.nan) for _ in range(2))
        for r, (remove, start) in enumerate(self.removals.values()):
            fill = case.end if start is None else start(case.encoded).to(case.end)
            answers = _Answers(self, remove, Subject(case.encoded, case.end, fill, objective), tokens)
            wanted = [self._wanted(record, tokens) for record in records]
            answers.run([gone for asked in wanted for gone in asked])
            for c, record in enumerate(records):
                found, curve = self._numbers(record, tokens, answers)
                numbers[c, r] = [found.get(name, np.nan) for name in self.names]
                places = [curve.at(share) for share in curves.GRID]
                without[c, r], only[c, r] = curve.without[places], curve.only[places]
        if any(name.startswith("soft") for name in self.names):
            for c, record in enumerate(records):
                soft = self._soft(case, tokens, record, objective)
                for name, value in soft.items():
                    if name in self.names:
                        numbers[c, :, self.names.index(name)] = value
        return numbers, without, only

    def _wanted(self, record: Attribution, tokens: NDArray[np.int64]) -> list[NDArray[np.bool_]]:
        """Return which of the tokens are gone, (n,) each, in every text this record asks about."""
        n, order = len(tokens), _order(record, tokens)
        steps = [curves.counts(n), curves.counts(n)]
        asked = [_gone(n, order[:j]) for j in steps[0]] + [_gone(n, order[j:]) for j in steps[1]]
        if {"loo_spearman", "sensitivity_n", "infidelity"} & set(self.names):
            asked += list(np.eye(n, dtype=bool))
        if {"sensitivity_n", "infidelity"} & set(self.names):
            asked += [group for size in _sizes(n) for group in subsets.draw(n, size, GROUPS)]
        if "monotonicity" in self.names:
            asked += self._rising(record, tokens)
        return asked

    def _rising(self, record: Attribution, tokens: NDArray[np.int64]) -> list[NDArray[np.bool_]]:
        weakest = np.argsort(np.abs(record.scores[0, tokens]), kind="stable")
        return [_gone(len(tokens), weakest[j:]) for j in sorted({curves.count(share, len(tokens)) for share in curves.GRID})]

    def _numbers(self, record: Attribution, tokens: NDArray[np.int64], answers: _Answers) -> tuple[dict[str, float], curves.Curve]:
        n, order, scores = len(tokens), _order(record, tokens), record.scores[0, tokens]
        counts = curves.counts(n)
        curve = curves.Curve(
            counts,
            np.array([answers.p(_gone(n, order[:j])) for j in counts]),
            np.array([answers.p(_gone(n, order[j:])) for j in counts]),
        )
        found = curve.numbers()
        full = answers.f(np.zeros(n, dtype=bool))
        if "loo_spearman" in self.names:
            found["loo_spearman"] = m.spearman(scores, np.array([full - answers.f(row) for row in np.eye(n, dtype=bool)]))
        if {"sensitivity_n", "infidelity"} & set(self.names):
            groups = [subsets.draw(n, size, GROUPS) for size in _sizes(n)]
            drops = [np.array([full - answers.f(row) for row in group]) for group in groups]
            found["sensitivity_n"] = _mean([m.sensitivity_n(scores, g, d) for g, d in zip(groups, drops, strict=True)])
            found["infidelity"] = m.infidelity(scores, np.concatenate(groups), np.concatenate(drops)) if groups else float("nan")
        if "monotonicity" in self.names:
            found["monotonicity"] = m.monotonicity(np.array([answers.p(gone) for gone in self._rising(record, tokens)]))
        return found, curve

    def _soft(self, case: Case, tokens: NDArray[np.int64], record: Attribution, objective: Objective) -> dict[str, float]:
        """π-soft metrics: half of all numbers are kept, whatever the method's scale. No removal operator takes part."""
        keep = m.keep_probabilities(record.scores[0, tokens])
        rng = np.random.default_rng(0)
        masks = [np.ones((len(tokens), case.end.shape[1]), dtype=bool), np.zeros((len(tokens), case.end.shape[1]), dtype=bool)]
        for probabilities in (keep, 1 - keep):
            masks += [rng.random(masks[0].shape) < probabilities[:, None] for _ in range(SOFT_DRAWS)]
        problems = []
        for mask in masks:
            embeds = case.end.clone()
            embeds[torch.as_tensor(tokens)] *= torch.as_tensor(mask, device=embeds.device).to(embeds)
            problems.append(Problem(case.encoded, Straight(embeds, embeds), objective))
        p = values(self.model, problems, self.session.budget)[:, 1]
        full, empty, kept, removed = p[0], p[1], p[2 : 2 + SOFT_DRAWS], p[2 + SOFT_DRAWS :]
        return {
            "soft_sufficiency": _mean([m.soft_sufficiency(full, q, empty) for q in kept]),
            "soft_comprehensiveness": _mean([m.soft_comprehensiveness(full, q, empty) for q in removed]),
        }


class _Answers:
    """F and p of one text with groups of tokens removed; each group is run once."""

    def __init__(self, judge: _Judge, remove: Removal, subject: Subject, tokens: NDArray[np.int64]) -> None:
        self._judge, self._remove, self._subject, self._tokens = judge, remove, subject, tokens
        self._known: dict[bytes, Floats] = {}

    def run(self, groups: Iterable[NDArray[np.bool_]]) -> None:
        new = {gone.tobytes(): gone for gone in groups if gone.tobytes() not in self._known}
        problems = (self._remove(self._subject, self._whole(gone)) for gone in new.values())
        self._known.update(zip(new, values(self._judge.model, problems, self._judge.session.budget), strict=True))

    def f(self, gone: NDArray[np.bool_]) -> float:
        return float(self._known[gone.tobytes()][0])

    def p(self, gone: NDArray[np.bool_]) -> float:
        return float(self._known[gone.tobytes()][1])

    def _whole(self, gone: NDArray[np.bool_]) -> NDArray[np.bool_]:
        whole = np.zeros(len(self._subject.encoded), dtype=bool)
        whole[self._tokens] = gone
        return whole


def _sessions(
    model: Any, target: Any, methods: Sequence[str], baselines: Sequence[str | None], options: dict[str, Any]
) -> list[tuple[Column, Session]]:
    found = []
    for method in methods:
        session = Session(model, target, baselines[0], Options(method=method, **options))
        if not session.method.uses_baseline:
            found.append((Column(method, None), session))
            continue
        for baseline in baselines:
            session = Session(model, target, baseline, Options(method=method, **options))
            found.append((Column(method, session.baseline.name), session))
    return found


def _removal(name: str, model: Any) -> tuple[Removal, Any]:
    kind, _, fill = name.partition(":")
    if kind not in REMOVALS or (kind == "replace") != bool(fill):
        raise OptionError(f"unknown removal {name!r}; choose among delete, attention, and replace: with a baseline's name, as replace:mask")
    return REMOVALS[kind], known_baselines.resolve(fill, model).bind(model) if fill else None


def _readable(session: Session, texts: Iterable[str]) -> tuple[list[str], list[str]]:
    kept, skipped = [], []
    for text in texts:
        try:
            case = session.case(text)
        except ValueError as error:
            skipped.append(f"{text[:60]!r}: {error}")
            continue
        if len(case.objective.names) != 1:
            raise OptionError(f"an evaluation explains one output per text, this target has {len(case.objective.names)}")
        kept.append(text)
    if not kept:
        raise OptionError(f"none of the texts could be explained; the first: {skipped[0] if skipped else 'there are no texts'}")
    return kept, skipped


def _order(record: Attribution, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return places in `tokens`, strongest first."""
    return m.ranking(record.scores[0, tokens], np.arange(len(tokens)))


def _gone(n: int, places: NDArray[np.int64]) -> NDArray[np.bool_]:
    gone = np.zeros(n, dtype=bool)
    gone[places] = True
    return gone


def _sizes(n: int) -> list[int]:
    return sorted({size for size in (round(n / 4), round(n / 2)) if 1 <= size < n})


def _mean(numbers: Sequence[float]) -> float:
    finite = [number for number in numbers if np.isfinite(number)]
    return float(np.mean(finite)) if finite else float("nan")
