"""Six questions to one explanation: does it add up, does it survive another baseline and another method, does removing what it names
change the answer, does it notice when the model is no longer the model, do other words in a word's place do what its score says? Each
answer is a number and a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from lineal import baselines
from lineal.engine.removal import Subject, deleted, replaced, values
from lineal.errors import InputError, OptionError
from lineal.evaluation.judge import Operator, same_question, together
from lineal.evaluation.readings import with_probability
from lineal.evaluation.stability import randomised
from lineal.methods import Case
from lineal.metrics import pearson, spearman
from lineal.metrics.curves import GRID, count, ranking
from lineal.models import load
from lineal.models.vocabulary import special_tokens
from lineal.objectives.contract import Objective
from lineal.objectives.wrap import Beside, Combined
from lineal.records.attribution import Attribution
from lineal.records.trust import Check, Trust, Verdict
from lineal.typed import check_seed
from lineal.verbs.options import Keywords, Options, lists_options, options_from
from lineal.verbs.session import Session

Floats = NDArray[np.float64]
SHUFFLES = 4
"""Random orders that deletion by strength is compared with."""
DRAWS = 8
"""Other words that each word is replaced by."""


@dataclass(frozen=True)
class Examined:
    """The one output that is examined in place of several: the sum of the `picks`, which is one of them or a whole generation."""

    picks: tuple[int, ...]
    name: str
    about: str = ""

    def of(self, objective: Objective) -> Objective:
        """Return the objective with this output alone."""
        weights = tuple(float(c in self.picks) for c in range(len(objective.names)))
        return Combined(objective, (weights,), (self.name,))

    def row(self, values: Floats) -> Any:
        """Return the output's part of values per output, (k, …) → (…)."""
        return values[list(self.picks)].sum(axis=0)


@lists_options(Options)
def examine(
    model: Any,
    text: Any,
    target: Any = None,
    *,
    baseline: Any = None,
    seed: int = 0,
    record: Attribution | None = None,
    **options: Unpack[Keywords],
) -> tuple[Attribution, Trust]:
    """Return the explanation of a text and the six checks of it.

    Arguments as in `lineal.explain`; text may be a `lineal.prompts.Generation`, with a target `lineal.targets.steps`. record: the
    explanation, if it is there already. The target found for the text (the predicted label, the likeliest token, what was generated) is
    kept in every check. Of several outputs one is examined, as `Trust.about` says: the sum over all steps of a generation in
    log-probabilities, which is that of the whole continuation, and for it only tokens of the prompt; else the output with the largest
    value. Cost: about four explanations of one output, 55 forward passes and eight per word, and one copy of the model in memory. Raises
    InputError for a text with fewer than three tokens to attribute to: nothing can be ranked.
    """
    check_seed(seed)
    if not isinstance(record, (Attribution, NoneType)):
        raise OptionError(f"record is {record!r}; give the attribution that is to be examined")
    wanted, loaded = options_from(options), load(model)
    session = Session(loaded, target, baseline, wanted)
    case = session.case(text)
    if case.encoded.steps:
        text = replace(text, continuation=tuple(case.encoded.ids[-case.encoded.steps :]), generate={})
    if case.encoded.neutral:
        raise InputError(
            "the other text has tokens that this one has no place for, and the checks need the same tokens with every baseline: explain "
            "the other text against this one, or without checks"
        )
    tokens = np.flatnonzero(case.moving)
    tokens = tokens[tokens < len(case.encoded) - case.encoded.steps]
    if len(tokens) < 3:
        raise InputError(f"the text has {len(tokens)} tokens to attribute to; its ranking can be examined from 3 on")
    record = session.explain(text) if record is None else record
    chosen = examined(record)
    scores = chosen.row(record.scores)[tokens]

    def again(other: Session) -> Floats:
        asked = same_question(other, text, case.objective)
        found: Floats = other.scores([replace(asked, objective=chosen.of(asked.objective))])[0][0, tokens]
        return found

    other = other_baseline(loaded, session.baseline.name)
    method, whom = (
        ("ig", "integrated gradients") if "occlusion" in session.method.name else ("occlusion", "leaving out one token at a time")
    )
    checks = (
        _adds_up(record, chosen),
        agree("Would another baseline say the same?", f"the baseline “{other}”", scores, again(session.beside(wanted.method, other))),
        agree("Would another method say the same?", whom, scores, again(session.beside(method, baseline))),
        _deletion(session, case, chosen, tokens, scores, seed),
        notices(scores, lambda: again(Session(randomised(loaded, seed), target, baseline, wanted))),
        _replacement(session, case, chosen, tokens, record, seed),
    )
    return record, Trust(text=record.text, target=chosen.name, checks=checks, about=chosen.about, model=record.model)


def examined(record: Attribution) -> Examined:
    """Return which output of a record is examined."""
    k = len(record.targets)
    if k == 1:
        return Examined((0,), record.targets[0])
    if record.steps and set(record.units) == {"log_prob"}:
        about = f"Examined: all {k} generated tokens together, with the sum of their scores, and only the tokens of the prompt."
        return Examined(tuple(range(k)), "".join(record.targets).strip(), about)
    if record.steps:
        about = f"Examined: the first of {k} generated tokens, {record.targets[0].strip()}, and only the tokens of the prompt."
        return Examined((0,), record.targets[0], about)
    best = int(np.argmax(record.f_input)) if len(set(record.units)) == 1 else 0
    why = "which has the largest value" if len(set(record.units)) == 1 else "which comes first"
    return Examined((best,), record.targets[best], f"Examined: of {k} outputs {record.targets[best].strip()}, {why}.")


def _adds_up(record: Attribution, chosen: Examined) -> Check:
    question, mass = "Do the scores add up?", float(chosen.row(record.mass))
    share = abs(float(chosen.row(record.residual))) / mass if mass else float("nan")
    parts = {
        "sum of scores": (float(chosen.row(record.scores).sum()),),
        "F(text) − F(baseline)": (float(chosen.row(record.delta)),),
    }
    if not record.adds_up:
        return Check(question, "unknown", "This method does not promise that they do.", share, parts)
    reason = next((record.stops[c].said(record.model.dtype) for c in chosen.picks if not record.stops[c].converged), None)
    if reason is not None:
        return Check(question, "bad", f"Not to the precision that was asked for: {reason}.", share, parts)
    error = float(chosen.row(record.error)) / mass if mass else float("nan")
    sentence = f"Yes: what is missing is {share:.1%} of all scores together, and the stated error {error:.1%}."
    return Check(question, "good", sentence, share, parts)


def agree(question: str, whom: str, scores: Floats, others: Floats, what: str = "tokens") -> Check:
    """Return whether another way gives nearly the same order."""
    alike = spearman(scores, others)
    verdict: Verdict = "unknown" if np.isnan(alike) else "good" if alike >= 0.7 else "mixed" if alike >= 0.4 else "bad"
    words = {
        "good": f"Yes, largely: {whom} puts the {what} in nearly the same order",
        "mixed": f"In part: {whom} agrees on some {what}; do not lean on the order of the middle ones",
        "bad": f"No: {whom} puts the {what} in another order, so the answer depends on this choice",
        "unknown": f"There is nothing to compare with {whom}",
    }
    lines = {"this explanation": tuple(map(float, scores)), whom: tuple(map(float, others))}
    return Check(question, verdict, f"{words[verdict]} (rank correlation {_two(alike)}: 1 the same order, 0 chance).", alike, lines)


def _deletion(session: Session, case: Case, chosen: Examined, tokens: NDArray[np.int64], scores: Floats, seed: int) -> Check:
    subject = Subject(case.encoded, case.end, case.starts[0], _with_probability(case.objective, chosen))
    orders = orderings(scores, seed)
    problems = [deleted(subject, _gone(len(case.encoded), tokens[order[:n]])) for order in orders for n in _counts(scores)]
    found = values(session.model, problems, session.budget).reshape(len(orders), len(GRID), 2)
    is_log = chosen.of(case.objective).units[0] == "log_prob"
    return matters(np.exp(found[..., 0] / len(chosen.picks)) if is_log else found[..., 1])  # per token of a generation


def _replacement(session: Session, case: Case, chosen: Examined, tokens: NDArray[np.int64], record: Attribution, seed: int) -> Check:
    """Replace one word at a time by others that could stand there, and compare what that takes off F with the word's score."""
    question, model = "Does replacing a word do what its score says?", session.model
    others = baselines.alternatives(DRAWS, seed=seed)
    try:
        how = Operator(replaced, others, others.bind(model))
        subjects = how.subjects(case, chosen.of(case.objective))
    except OptionError as error:
        return Check(question, "unknown", f"This could not be examined: {error}.", float("nan"), {})
    able, words = np.isin(np.arange(len(case.encoded)), tokens) & how.changes(subjects), together(record, "word")
    where = np.flatnonzero((words & able).any(axis=1))
    if len(where) < 3:
        few = f"This could not be examined: of {len(where)} words is there an alternative, and a ranking begins at 3."
        return Check(question, "unknown", few, float("nan"), {})
    units = words[where] & np.isin(np.arange(len(case.encoded)), tokens)
    problems = (replaced(subject, unit) for unit in units for subject in subjects)
    found = values(model, problems, session.budget).reshape(len(units), len(subjects))
    effects = float(chosen.row(record.f_input)) - found.mean(axis=1)
    strengths = units @ chosen.row(record.scores)
    check = agree(question, f"replacing one word at a time by {DRAWS} others that could stand there", strengths, effects, "words")
    top, most = (record.words().tokens[where[int(row.argmax())]] for row in (strengths, effects))
    which = "and is the one" if top == most else f"but it is “{most}”"
    size = f"In size, scores and effects correlate by {_two(pearson(strengths, effects))}; “{top}” has the highest score, {which} whose"
    return replace(check, sentence=f"{check.sentence} {size} replacement takes off most.")


def _with_probability(objective: Objective, chosen: Examined) -> Objective:
    """Return F beside its probability for the output that is examined."""
    f, p = with_probability(objective).parts
    own = chosen.of(f)
    return Beside(own, (own if p is f or len(chosen.picks) > 1 else chosen.of(p),))


def orderings(scores: Floats, seed: int) -> list[NDArray[np.int64]]:
    """Return the order of scores, strongest first, and random ones."""
    rng, n = np.random.default_rng(seed), len(scores)
    return [ranking(scores, np.arange(n)), *(rng.permutation(n) for _ in range(SHUFFLES))]


def _counts(scores: Floats) -> list[int]:
    return [count(share, len(scores)) for share in GRID]


def _gone(length: int, which: NDArray[np.int64]) -> NDArray[np.bool_]:
    gone = np.zeros(length, dtype=bool)
    gone[which] = True
    return gone


def matters(answers: Floats) -> Check:
    """Judge answers (orders, GRID) as tokens are deleted: the first order strongest first, the others at random.

    value: how much lower the first curve lies on average, as a share of the range of all answers.
    """
    strongest, random = answers[0], answers[1:].mean(axis=0)
    span = float(np.ptp(answers)) or 1.0
    ahead = float(np.trapezoid(random - strongest, GRID)) / span
    spread = float(np.trapezoid(answers[1:], GRID, axis=1).std()) / span
    verdict: Verdict = "good" if ahead > max(0.02, spread) else "mixed" if ahead > 0 else "bad"
    words = {
        "good": "Yes: deleting the strongest tokens changes the answer sooner than deleting random ones",
        "mixed": "A little: deleting the strongest tokens does hardly more than deleting random ones",
        "bad": "No: deleting random tokens changes the answer as fast",
    }
    lines = {"strongest first": tuple(map(float, strongest)), "random order": tuple(map(float, random))}
    numbers = f"{ahead:.0%}".replace("-", "−")
    return Check("Do the named tokens matter?", verdict, f"{words[verdict]} (mean gap {numbers} of the answer's range).", ahead, lines)


def notices(scores: Floats, randomly: Callable[[], Floats], what: str = "tokens") -> Check:
    """Return whether random weights change the order. randomly: the scores with them; an OptionError leaves the question open."""
    try:
        others = randomly()
    except OptionError as error:  # quantised weights
        return Check("Does it depend on the model?", "unknown", f"This could not be examined: {error}.", float("nan"), {})
    alike = spearman(scores, others)
    size = 0.0 if np.isnan(alike) else abs(alike)
    verdict: Verdict = "good" if size < 0.4 else "mixed" if size < 0.7 else "bad"
    words = {
        "good": f"Yes: with random weights in its place the order of the {what} is another",
        "mixed": "In part: even with random weights some of the order remains, so some of it comes from the words alone",
        "bad": "No: random weights give nearly the same order; the explanation shows the words, not the model",
    }
    sentence = f"{words[verdict]} (rank correlation {_two(alike)}; chance alone gives ±{1 / np.sqrt(max(1, len(scores) - 1)):.2f})."
    lines = {"this model": tuple(map(float, scores)), "random weights": tuple(map(float, others))}
    return Check("Does it depend on the model?", verdict, sentence, alike, lines)


def _two(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def other_baseline(model: Any, used: str) -> str:
    """Return the name of a baseline to compare with."""
    has = [name for name in ("mask", "pad", "mean") if name == "mean" or name in special_tokens(model.tokenizer)]
    return next(name for name in has if name != used) if used in baselines.NAMED else has[0]
