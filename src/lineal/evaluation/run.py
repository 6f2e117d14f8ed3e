"""Many texts, many methods, many metrics: which explanations say what the model does? Wiring between explanations and their judge.

Every method is judged by what happens to p, the probability of the explained output (or F itself where there is none), when the tokens
it calls strongest are removed. All methods see the same texts, the same target and the same removals; equal removals are run once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import NoneType
from typing import Any, Unpack, get_args

import numpy as np
from numpy.typing import NDArray

from lineal import metrics as m
from lineal import prompts
from lineal.errors import InputError, OptionError, listing
from lineal.evaluation.judge import Judge, Piece, favours, operator, removable
from lineal.evaluation.readings import has
from lineal.evaluation.resume import Unfinished
from lineal.evaluation.stability import randomised
from lineal.metrics import catalogue
from lineal.models import load
from lineal.models.base import GENERATIVE, TextModel
from lineal.models.card import spelled
from lineal.models.vocabulary import special_tokens
from lineal.objectives.contract import Objective
from lineal.prompts import regions
from lineal.records.attribution import Attribution
from lineal.records.evaluation import Column, Evaluation
from lineal.records.failure import Failure
from lineal.typed import listed
from lineal.verbs.options import Options, QuestionKeywords, lists_options, options_from
from lineal.verbs.pack import versions
from lineal.verbs.session import OF_ALL_TEXTS, Session, said

DEFAULT_METHODS = ("ig", "dig-greedy", "dig-maxcount", "expected-gradients", "gradient-x-input", "occlusion", "random")
LANGUAGE_METHODS = ("ig", "gradient-x-input", "occlusion", "random")
"""For language models: a path over words takes hundreds of gradients there, and expected gradients as many per sample."""
METRICS = tuple(catalogue.CATALOGUE)
ALTERNATIVES = "alternatives:8"
"""What a causal check replaces by when no removal is named."""
CHUNK = 16
"""Texts between two savings of a run that can be taken up again: enough to fill batches, few enough to lose little."""

NONE_LEFT = "none of the texts could be explained; the first: {}"

Floats = NDArray[np.float64]


@lists_options(Options)
def evaluate(
    model: Any,
    texts: Iterable[str],
    target: Any = None,
    *,
    methods: Sequence[str] | None = None,
    baselines: Sequence[str | None] = (None,),
    metrics: Sequence[str] | None = None,
    removals: Sequence[str] | None = None,
    piece: Piece = "word",
    into: str | Path | None = None,
    on_step: Callable[[str], None] | None = None,
    **options: Unpack[QuestionKeywords],
) -> Evaluation:
    """Return how faithful methods are on a list of texts, with one output (k = 1) explained per text.

    methods: names of `lineal.methods.METHODS`; include "random", the control. baselines: each method that uses a baseline is run from each.
    metrics: names in `lineal.metrics.CATALOGUE`, and "causal" for all that ask what replacing a word does. removals: "delete", "attention",
    or a baseline that is put in place, as "mask" or "alternatives:8"; of one with several texts, what a removal does is the mean over them.
    Give at least two, since each favours somebody (docs/faithfulness.md); `Evaluation.favoured` says whom. None for any of the three: what
    suits the model (`default_methods`, `lineal.metrics.catalogue.defaults`, `default_removals`, with alternatives where a causal metric
    is asked for). piece: what causal metrics replace at a time, "token", "word" or the named "region" of a prompt.
    options: see `lineal.verbs.options.Options`.
    into: a file that keeps the finished texts, for long runs: a run with the same settings goes on from it, on more texts too. It stays
    when the run is complete.
    Texts that cannot be explained or judged (missing, empty, too long, an F that is no number, memory) are skipped, and named in the result
    with the reason; what is no text at all, as a row of a data set, is refused before the work.
    Cost: the explanations, and about 30 forward passes per text, column and removal, times the draws of a removal that has several; causal
    metrics take one per word for all columns, and flips at least ten per column. max_sensitivity takes 6 explanations more per text
    and column, randomisation one more and a copy of the model. Raises OptionError for unknown names, for metrics that need a
    probability where there is none, and for a file of another run.
    """
    prompts.check_list(texts, "evaluate", "lineal.evaluation.trust.examine")
    texts = list(texts)
    for row, text in enumerate(texts):
        try:
            if not prompts.is_missing(text):
                prompts.check(text)
        except InputError as error:
            raise type(error)(f"texts[{row}]: {error}") from error
    given: dict[str, Any] = {**options}
    if "method" in given:
        raise OptionError(f"evaluate compares several methods; give methods=[{given['method']!r}, 'random']")
    options_from(options, beside=("target", "methods", "baselines", "metrics", "removals", "piece", "into"))
    if piece not in get_args(Piece):
        raise OptionError(f"piece is {piece!r}; what is replaced at a time is one of {listing(get_args(Piece))}")
    if not isinstance(into, (str, Path, NoneType)):
        raise OptionError(f"into is {into!r}; give the name of a file")
    baselines = listed("baselines", baselines, kinds=(object,))
    metrics = None if metrics is None else listed("metrics", metrics)
    methods = None if methods is None else listed("methods", methods)
    removals = None if removals is None else listed("removals", removals)
    loaded = load(model)
    methods = default_methods(loaded) if methods is None else methods
    causal = bool(set(catalogue.CAUSAL) & set(catalogue.named(metrics or ())))
    if removals is None:
        removals = (*default_removals(loaded), *([ALTERNATIVES] if causal else []))
    if (metrics is not None and not metrics) or not methods or not removals or not baselines:
        raise OptionError("give at least one method, one baseline, one metric and one removal")
    operators = {name: operator(name, loaded) for name in removals}
    columns = _columns(loaded, target, methods, baselines, options)
    sessions = [session for _, session in columns]
    reader = sessions[0] if options.get("layer") is None else Session(loaded, target, None, replace(Options(**options), layer=None))
    kept, skipped, objective = _readable(reader, texts, piece)
    found = has(objective)
    names = catalogue.defaults(loaded.card.kind in GENERATIVE, found) if metrics is None else catalogue.named(metrics, found)
    random: list[Session] = []
    if {"randomisation", "randomisation_abs"} & set(names):
        changed = randomised(loaded)
        random = [session for _, session in _columns(changed, target, methods, baselines, options)]
    judge = Judge(reader, sessions, random, names, operators, piece)
    settings = {
        "lineal": versions()["lineal"],
        "model": f"{loaded.card.name} {loaded.card.fingerprint} {loaded.card.dtype}",
        "target": spelled(reader.preparation.target),
        "methods": ", ".join(column.name for column, _ in columns),
        "metrics": ", ".join(names),
        "removals": ", ".join(removals),
        "baselines": spelled([session.baseline for session in sessions]),
        "options": spelled(options),
        **({"piece": piece} if causal else {}),
    }
    rows, failed = _rows(judge, kept, None if into is None else Unfinished(into, settings), [column for column, _ in columns], on_step)
    skipped += [failed[key] for key in map(repr, kept) if key in failed]
    kept = [text for text in kept if repr(text) not in failed]
    if not kept:
        raise OptionError(NONE_LEFT.format(skipped[0]))
    records = [[rows[repr(text)].records[c] for text in kept] for c in range(len(columns))]
    return Evaluation(
        model=loaded.card.name,
        target=records[0][0].units[0],
        columns=tuple(column for column, _ in columns),
        removals=tuple(removals),
        metrics=names,
        values=np.stack([rows[repr(text)].numbers for text in kept], axis=3),
        without=np.stack([rows[repr(text)].without for text in kept], axis=2),
        only=np.stack([rows[repr(text)].only for text in kept], axis=2),
        records=tuple(map(tuple, records)),
        seconds=np.array([sum(record.seconds for record in column) for column in records]),
        gradients=np.array([sum(record.evaluations for record in column) for column in records], dtype=np.float64),
        skipped=tuple(skipped),
        favoured=tuple(tuple(favours(how, session) for how in operators.values()) for session in sessions),
        piece=piece,
        measured="probability" if "probability" in found else records[0][0].units[0],
        versions=versions(),
    )


def default_methods(model: TextModel) -> tuple[str, ...]:
    """Return the methods compared when none is named: fewer for language models, whose gradients cost most."""
    return LANGUAGE_METHODS if model.card.kind in GENERATIVE else DEFAULT_METHODS


def default_removals(model: TextModel) -> tuple[str, str]:
    """Return "delete" and a second removal that the model has been trained to read or can at least not see: the mask token; for language
    models "attention", which leaves positions as they are; else pad or unk, which are no baseline of anybody's by default.
    """
    if model.card.kind in GENERATIVE:
        return "delete", "attention"
    fill = next((name for name in ("mask", "pad", "unk") if name in special_tokens(model.tokenizer)), None)
    return "delete", "attention" if fill is None else f"replace:{fill}"


@dataclass(frozen=True)
class _Row:
    """What was found for one text: a record per column, and what `Judge.judge` returns."""

    records: list[Attribution]
    numbers: Floats
    without: Floats
    only: Floats

    def to_dict(self) -> dict[str, Any]:
        arrays = {name: getattr(self, name).tolist() for name in ("numbers", "without", "only")}
        return {"records": [record.to_dict() for record in self.records], **arrays}

    @classmethod
    def read(cls, data: Any, shape: tuple[int, int, int]) -> _Row | None:
        """Return a row as it was stored, or None for one that is broken, which is computed again. shape: columns, removals, metrics."""
        try:
            numbers, without, only = (np.array(data[name], dtype=np.float64) for name in ("numbers", "without", "only"))
            records = [Attribution.from_dict(record) for record in data["records"]]
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        curve = (*shape[:2], len(m.curves.GRID))
        fits = len(records) == shape[0] and (numbers.shape, without.shape, only.shape) == (shape, curve, curve)
        return cls(records, numbers, without, only) if fits else None


def _rows(
    judge: Judge, texts: Sequence[str], unfinished: Unfinished | None, columns: Sequence[Column], on_step: Callable[[str], None] | None
) -> tuple[dict[str, _Row], dict[str, str]]:
    """Return what was found for each text, by its `repr`, and why nothing was: read from the file where it is there, else computed and
    written to it. Failures are not written, so that they are tried again.
    """
    say = on_step or (lambda step: None)
    shape = (len(columns), len(judge.operators), len(judge.names))
    stored = {} if unfinished is None else {key: _Row.read(value, shape) for key, value in unfinished.done.items()}
    rows = {key: row for key, row in stored.items() if row is not None}
    failed: dict[str, str] = {}
    wanted = {repr(text): text for text in texts}  # by spelling: a prompt need not be hashable
    open_texts = [text for key, text in wanted.items() if key not in rows]
    size = CHUNK if unfinished is not None else max(1, len(open_texts))
    for first in range(0, len(open_texts), size):
        chunk = open_texts[first : first + size]
        there = f"{len(rows)} of {len(wanted)} texts done"
        explained: list[list[Attribution]] = [[] for _ in chunk]
        for column, session in zip(columns, judge.columns, strict=True):
            going = [i for i, text in enumerate(chunk) if repr(text) not in failed]
            say(f"{there}; explaining {len(going)} with {column.name}")
            for i, found in zip(going, session.attempt([chunk[i] for i in going]), strict=True):
                if isinstance(found, Failure):
                    failed[repr(chunk[i])] = f"{_quoted(chunk[i])}: {found.message}"
                else:
                    explained[i].append(found)
        for i, text in enumerate(chunk):
            if repr(text) in failed:
                continue
            say(f"{there}; judging text {i + 1} of {len(chunk)}")
            try:
                rows[repr(text)] = _Row(explained[i], *judge.judge(text, explained[i]))
            except OF_ALL_TEXTS:
                raise
            except Exception as error:
                failed[repr(text)] = f"{_quoted(text)}: {error}"
            else:
                if unfinished is not None:
                    unfinished.add(repr(text), rows[repr(text)].to_dict())
    return rows, failed


def _quoted(text: Any) -> str:
    return repr(said(text)[:60])


def _columns(
    model: Any, target: Any, methods: Sequence[str], baselines: Sequence[str | None], options: QuestionKeywords
) -> list[tuple[Column, Session]]:
    first = Session(model, target, baselines[0], Options(method=methods[0], **options))
    found = []
    for method in methods:
        own = first.beside(method, baselines[0])
        if not own.method.uses_baseline:
            found.append((Column(method, None), own))
            continue
        for baseline in baselines:
            session = first.beside(method, baseline)
            found.append((Column(method, session.baseline.name), session))
    return found


def _readable(session: Session, texts: Iterable[str], piece: Piece = "word") -> tuple[list[str], list[str], Objective]:
    """Return the texts that can be judged, the reasons why others cannot, and what is explained of the first."""
    kept: list[str] = []
    skipped, objective = [], None
    for row, text in enumerate(texts):
        try:
            case = session.case(text)
        except InputError as error:  # a wrong option is a ValueError too, and no reason to leave out a text
            skipped.append(f"{f'texts[{row}]' if prompts.is_missing(text) else _quoted(text)}: {error}")
            continue
        if len(case.objective.names) != 1:
            raise OptionError(f"an evaluation explains one output per text, this target has {len(case.objective.names)}")
        if not len(removable(case)):
            skipped.append(f"{_quoted(text)}: it has no token that may be removed")
            continue
        if piece == "region" and not any(regions.names(case.encoded)):
            skipped.append(f"{_quoted(text)}: it has no named region, which is what is replaced at a time")
            continue
        kept.append(text)
        objective = case.objective if objective is None else objective
    if objective is None:
        raise OptionError(NONE_LEFT.format(skipped[0] if skipped else "there are no texts"))
    return kept, skipped, objective
