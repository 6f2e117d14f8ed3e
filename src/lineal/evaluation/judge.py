"""Judges the explanations of one text at a time: runs the model on what is left of the text, and on other weights and inputs.

Which groups of tokens go and what follows from the answers stands in `metrics.questions`; here they meet a model. Special and held tokens
are never removed, nor is a decoder's first position, where its attention sink forms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lineal import baselines, metrics
from lineal.engine.field import Problem
from lineal.engine.removal import REMOVALS, Removal, Subject, values
from lineal.errors import InputError, OptionError
from lineal.evaluation.readings import has, hellinger, lead, with_probability
from lineal.evaluation.stability import max_sensitivity
from lineal.methods import Case, Occlusion
from lineal.metrics import curves, questions
from lineal.models.base import TextModel
from lineal.objectives.contract import Objective
from lineal.objectives.wrap import Beside
from lineal.paths import Straight
from lineal.records import group
from lineal.records.attribution import Attribution
from lineal.verbs.session import Session

SOFT_DRAWS = 6
"""Random texts per soft metric."""

Floats = NDArray[np.float64]
Gone = NDArray[np.bool_]
Piece = Literal["token", "word", "region"]
"""What is replaced at a time, to see what it does."""


@dataclass(frozen=True)
class Operator:
    """One way to take tokens out. fill: what is put in their place, None for the text's own baseline; start: the same, bound to a model."""

    remove: Removal
    fill: baselines.Baseline | None = None
    start: baselines.Start | None = None

    def subjects(self, case: Case, objective: Objective) -> list[Subject]:
        """Return the text once per filling: what a removal does is the mean over them."""
        fills = case.starts[:1] if self.start is None else self.start(case.encoded).to(case.end)
        return [Subject(case.encoded, case.end, fill, objective) for fill in fills.reshape(-1, *case.end.shape)]

    def changes(self, subjects: Sequence[Subject]) -> Gone:
        """Return (t,) at which tokens anything happens: a filling can be the token itself, where there is no alternative to it."""
        if self.start is None:
            return np.ones(len(subjects[0].encoded), dtype=bool)
        moved = [(subject.fill != subject.embeds).any(dim=-1).cpu().numpy() for subject in subjects]
        return np.asarray(np.any(moved, axis=0))


def operator(name: str, model: TextModel) -> Operator:
    """Return the removal behind "delete", "attention" or the name of a baseline that is put in place, with or without "replace:".

    A baseline of several texts, such as "alternatives:8", gives several fillings. OptionError for anything else.
    """
    if name in ("delete", "attention"):
        return Operator(REMOVALS[name])
    try:
        fill = baselines.resolve(name.removeprefix("replace:"), model)
        return Operator(REMOVALS["replace"], fill, fill.bind(model))
    except OptionError as error:
        raise OptionError(
            f"the removal {name!r} is none: {error}; a removal is delete, attention, or a baseline that is put in place"
        ) from None


def favours(how: Operator, session: Session) -> bool:
    """Whether a removal does what an explanation is made of: it fills with the same baseline, however many are drawn of it, or deletes as
    the explanation does. Its numbers then flatter that explanation."""
    method = session.method
    if isinstance(method, Occlusion) and not method.uses_baseline:
        return REMOVALS[method.removal] is how.remove
    if how.fill is None or not method.uses_baseline:
        return False
    ours, theirs = (list(_kinds(baseline, session.model)) for baseline in (how.fill, session.baseline))
    return any(one == other for one in ours for other in theirs)


def _kinds(baseline: baselines.Baseline, model: TextModel) -> Iterator[baselines.Baseline]:
    """Yield what a baseline is made of, without the number and the seed of what is drawn."""
    if isinstance(baseline, baselines.Several):
        for part in baseline.parts:
            yield from _kinds(part, model)
    elif isinstance(baseline, baselines.Alternatives):
        yield baselines.Alternatives(proposer=baseline.by(model))
    elif isinstance(baseline, baselines.RandomWords):
        yield baselines.RandomWords()
    else:
        yield baseline


def removable(case: Case) -> NDArray[np.int64]:
    """Return the tokens that may be removed: those that move, less special ones and a decoder's first position."""
    first = 1 if case.model.card.kind == "causal" else 0
    kept = [i < first or role == "special" for i, role in enumerate(case.encoded.roles)]
    return np.flatnonzero(np.array(case.moving) & ~np.array(kept))


def same_question(session: Session, text: Any, objective: Objective) -> Case:
    """Return a text's case for a session with another model, explaining what `objective` does: the same class or token.

    Not the one the other model would predict. Embeddings to compare with are the other model's own.
    """
    case = session.case(text)
    return case if objective.needs_model else replace(case, objective=objective)


@dataclass
class Judge:
    """What is prepared once and used for every text.

    session: reads the texts and runs what is left of them. columns: explain again, per column. random: the same with the weights drawn
    anew, per column; empty where nobody asked. names: the wanted metrics. operators: by name. piece: what is replaced at a time.
    """

    session: Session
    columns: Sequence[Session]
    random: Sequence[Session]
    names: Sequence[str]
    operators: Mapping[str, Operator]
    piece: Piece = "word"

    def judge(self, text: Any, records: Sequence[Attribution]) -> tuple[Floats, Floats, Floats]:
        """Return (columns, removals, metrics) numbers and two (columns, removals, len(GRID)) curves of p: strongest gone, only strongest.

        Numbers that no removal takes part in are the same for each of them; NaN where a metric has none.
        """
        case = self.session.case(text)
        if wide := [record.baseline for record in records if len(record.tokens) != len(case.encoded)]:
            raise InputError(f"with the baseline {wide[0]} it has other tokens than with the others, so they cannot be compared")
        tokens = removable(case)
        units = together(records[0], self.piece)[:, tokens]
        once = [self._once(text, case, tokens, c, record) for c, record in enumerate(records)]
        numbers = np.full((len(records), len(self.operators), len(self.names)), np.nan)
        without, only = (np.full((len(records), len(self.operators), len(curves.GRID)), np.nan) for _ in range(2))
        asked = questions.asked(self.names)
        for r, how in enumerate(self.operators.values()):
            subjects = how.subjects(case, self._readings(case.objective))
            able = units[(units & how.changes(subjects)[tokens]).any(axis=1)]
            ranked = [questions.Ranked(record.scores[0, tokens], able) for record in records]
            answers = _Answers(self, how.remove, subjects, tokens)
            answers.run(gone for own in ranked for question in asked for gone in question.groups(own))
            full = answers.of(np.zeros((1, len(tokens)), dtype=bool))[0]
            for c, own in enumerate(ranked):
                found = dict(once[c])
                for question in asked:
                    found |= question.numbers(own, full, answers.of(question.groups(own)))
                numbers[c, r] = [found.get(name, np.nan) for name in self.names]
                curve = questions.curve(own, answers.of(questions.curve_groups(own)))
                places = [curve.at(share) for share in curves.GRID]
                without[c, r], only[c, r] = curve.without[places], curve.only[places]
        return numbers, without, only

    def _readings(self, objective: Objective) -> Beside:
        """Return F beside its probability, and beside its lead where somebody asks whether the model still says it."""
        found = with_probability(objective)
        leads = lead(objective) if "causal_flips" in self.names else None
        return found if leads is None else replace(found, others=(*found.others, leads))

    def _once(self, text: Any, case: Case, tokens: NDArray[np.int64], c: int, record: Attribution) -> dict[str, float]:
        """Return the wanted numbers that no removal takes part in."""
        found = {"completeness_error": abs(float(record.residual[0]))}
        if any(name.startswith("soft") for name in self.names):
            found |= self._soft(case, tokens, record)
        if "max_sensitivity" in self.names:
            session = self.columns[c]
            found["max_sensitivity"] = max_sensitivity(session.scores, session.case(text))
        if self.random:
            session, scores = self.random[c], record.scores[0, tokens]
            others = session.scores([same_question(session, text, case.objective)])[0][0, tokens]
            found["randomisation"] = metrics.spearman(scores, others)
            found["randomisation_abs"] = metrics.spearman(np.abs(scores), np.abs(others))
        return found

    def _soft(self, case: Case, tokens: NDArray[np.int64], record: Attribution) -> dict[str, float]:
        """Return the π-soft metrics: half of all numbers are kept, whatever the method's scale."""
        keep = metrics.keep_probabilities(record.scores[0, tokens])
        rng, shape = np.random.default_rng(0), (len(tokens), case.end.shape[1])
        masks = [np.ones(shape, dtype=bool), np.zeros(shape, dtype=bool)]
        for probabilities in (keep, 1 - keep):
            masks += [rng.random(shape) < probabilities[:, None] for _ in range(SOFT_DRAWS)]
        objective = with_probability(case.objective)
        spread = "distribution" in has(case.objective) and any(name.endswith("hellinger") for name in self.names)
        if spread:
            distance = hellinger(self.session.model, case.encoded, case.objective)
            objective = replace(objective, others=(*objective.others, distance))
        problems = [
            Problem(case.encoded, Straight(embeds, embeds), objective) for embeds in (_masked(case, tokens, mask) for mask in masks)
        ]
        answers = values(self.session.model, problems, self.session.budget)
        found = _soft_numbers(answers[:, 1])
        return found | ({f"{name}_hellinger": value for name, value in _soft_numbers(1 - answers[:, 2]).items()} if spread else {})


def _masked(case: Case, tokens: NDArray[np.int64], mask: Gone) -> Tensor:
    embeds = case.end.clone()
    embeds[torch.as_tensor(tokens)] *= torch.as_tensor(mask, device=embeds.device).to(embeds)
    return embeds


def _soft_numbers(p: Floats) -> dict[str, float]:
    """Return both soft metrics from p of the full text, of the empty one, of those that keep the strong and of those that lose them."""
    full, empty, kept, removed = p[0], p[1], p[2 : 2 + SOFT_DRAWS], p[2 + SOFT_DRAWS :]
    return {
        "soft_sufficiency": questions.mean([metrics.soft_sufficiency(full, q, empty) for q in kept]),
        "soft_comprehensiveness": questions.mean([metrics.soft_comprehensiveness(full, q, empty) for q in removed]),
    }


def together(record: Attribution, piece: Piece) -> Gone:
    """Return (u, t) which tokens are replaced together: single ones, words, or the named regions of a prompt."""
    t = len(record.tokens)
    groups = [[i] for i in range(t)]
    if piece == "word":
        groups = group.words(record)
    elif piece == "region":
        groups = [one for one in group.regions(record) if record.region_of[one[0]]]
    return np.array([np.isin(np.arange(t), one) for one in groups]).reshape(-1, t)


@dataclass
class _Answers:
    """Readings of one text with groups of tokens removed: F, p, and (where it is read) whether the model still says it. Means over the
    subjects, which differ in their filling; each group is run once."""

    judge: Judge
    remove: Removal
    subjects: Sequence[Subject]
    tokens: NDArray[np.int64]
    known: dict[bytes, Floats] = field(default_factory=dict)

    def run(self, groups: Iterable[Gone]) -> None:
        nothing = np.zeros(len(self.tokens), dtype=bool)
        new = {gone.tobytes(): gone for gone in (nothing, *groups)}
        runs = [self.subjects if gone.any() else self.subjects[:1] for gone in new.values()]
        problems = (self.remove(subject, self._whole(gone)) for gone, own in zip(new.values(), runs, strict=True) for subject in own)
        found = values(self.judge.session.model, problems, self.judge.session.budget)
        found[:, 2:] = found[:, 2:] > 0
        each = np.split(found, np.cumsum([len(own) for own in runs])[:-1])
        self.known.update(zip(new, (own.mean(axis=0) for own in each), strict=True))

    def of(self, groups: NDArray[np.bool_]) -> Floats:
        """Return (m, 2) or (m, 3) readings without each group (m, n)."""
        return np.array([self.known[gone.tobytes()] for gone in groups]).reshape(-1, len(self.subjects[0].objective.names))

    def _whole(self, gone: Gone) -> Gone:
        whole = np.zeros(len(self.subjects[0].encoded), dtype=bool)
        whole[self.tokens] = gone
        return whole
