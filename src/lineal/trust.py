"""Five questions to one explanation: does it add up, does it survive another baseline and another method, does removing what it names
change the answer, does it notice when the model is no longer the model? Each answer is a number and a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lineal import baselines
from lineal.attribution import Attribution
from lineal.errors import InputError, OptionError
from lineal.judge import same_question
from lineal.metrics import spearman
from lineal.metrics.curves import GRID, count, ranking
from lineal.metrics.stability import randomised
from lineal.models import load
from lineal.readings import with_probability
from lineal.removal import Subject, deleted, values
from lineal.session import Options, Session

Verdict = Literal["good", "mixed", "bad", "unknown"]


@dataclass(frozen=True)
class Check:
    """One question. value: the number behind the verdict. lines: named curves or pairs of values for a small picture."""

    question: str
    verdict: Verdict
    sentence: str
    value: float
    lines: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Trust:
    """All checks of one explanation, for its first output; plain enough to be stored as JSON (`dataclasses.asdict`)."""

    text: str
    target: str
    checks: tuple[Check, ...]


def examine(model: Any, text: Any, target: Any = None, *, baseline: Any = None, seed: int = 0, **options: Any) -> tuple[Attribution, Trust]:
    """Return the explanation of a text and the five checks of it.

    Arguments as in `lineal.explain`. The target found for the text (the predicted label, the likeliest token) is kept in every check.
    Cost: about four explanations, 40 forward passes, and one copy of the model in memory. Raises InputError for a text with fewer than
    three tokens to attribute to: nothing can be ranked.
    """
    loaded = load(model)
    session = Session(loaded, target, baseline, Options(**options))
    record = next(session.run([text]))
    case = session.case(text)
    tokens = np.flatnonzero(case.moving)
    if len(tokens) < 3:
        raise InputError(f"the text has {len(tokens)} tokens to attribute to; its ranking can be examined from 3 on")
    scores = record.scores[0, tokens]

    def again(model: Any = loaded, baseline: Any = baseline, **changed: Any) -> np.ndarray:
        other = Session(model, target, baseline, Options(**options | changed))
        found: np.ndarray = other.scores([same_question(other, text, case.objective)])[0][0, tokens]
        return found

    other = _other_baseline(loaded, session.baseline.name)
    checks = (
        _adds_up(record),
        _agree("Would another baseline say the same?", f"the baseline “{other}”", scores, again(baseline=other)),
        _agree("Would another method say the same?", "leave-one-out", scores, again(method="occlusion")),
        _deletion(session, case, tokens, scores, seed),
        _model_matters(scores, lambda: again(model=randomised(loaded, seed))),
    )
    return record, Trust(record.text, record.targets[0], checks)


def _adds_up(record: Attribution) -> Check:
    share = float(abs(record.residual[0]) / record.mass[0]) if record.mass[0] else float("nan")
    parts = {"sum of scores": (float(record.scores[0].sum()),), "F(text) − F(baseline)": (float(record.delta[0]),)}
    if not record.adds_up:
        return Check("Do the scores add up?", "unknown", "This method does not promise that they do.", share, parts)
    if not record.converged:
        return Check("Do the scores add up?", "bad", f"Not to the precision that was asked for: {record.stop.value}.", share, parts)
    error = float(record.error[0] / record.mass[0])
    sentence = f"Yes: what is missing is {share:.1%} of all scores together, and the stated error {error:.1%}."
    return Check("Do the scores add up?", "good", sentence, share, parts)


def _agree(question: str, whom: str, scores: np.ndarray, others: np.ndarray) -> Check:
    alike = spearman(scores, others)
    verdict: Verdict = "unknown" if np.isnan(alike) else "good" if alike >= 0.7 else "mixed" if alike >= 0.4 else "bad"
    words = {
        "good": f"Yes, largely: {whom} puts the tokens in nearly the same order",
        "mixed": f"In part: {whom} agrees on some tokens; do not lean on the order of the middle ones",
        "bad": f"No: {whom} puts the tokens in another order, so the answer depends on this choice",
        "unknown": f"There is nothing to compare with {whom}",
    }
    lines = {"this explanation": tuple(map(float, scores)), whom: tuple(map(float, others))}
    return Check(question, verdict, f"{words[verdict]} (rank correlation {alike:.2f}).", alike, lines)


def _deletion(session: Session, case: Any, tokens: np.ndarray, scores: np.ndarray, seed: int) -> Check:
    objective = with_probability(case.objective)
    subject, n = Subject(case.encoded, case.end, case.starts[0], objective), len(tokens)
    rng, orders = np.random.default_rng(seed), [ranking(scores, np.arange(n))]
    orders += [rng.permutation(n) for _ in range(4)]
    problems = []
    for order in orders:
        for share in GRID:
            gone = np.zeros(len(case.encoded), dtype=bool)
            gone[tokens[order[: count(share, n)]]] = True
            problems.append(deleted(subject, gone))
    p = values(session.entry or session.model, problems, session.budget)[:, 1].reshape(len(orders), len(GRID))
    strongest, random = p[0], p[1:].mean(axis=0)
    ahead = float(np.trapezoid(random - strongest, GRID))
    spread = float(np.trapezoid(p[1:], GRID, axis=1).std()) if n > 3 else 0.0
    verdict: Verdict = "good" if ahead > max(0.02, spread) else "mixed" if ahead > 0 else "bad"
    words = {
        "good": "Yes: deleting the strongest tokens changes the answer sooner than deleting random ones",
        "mixed": "A little: deleting the strongest tokens does hardly more than deleting random ones",
        "bad": "No: deleting random tokens changes the answer as fast",
    }
    lines = {"strongest first": tuple(map(float, strongest)), "random order": tuple(map(float, random))}
    return Check("Do the named tokens matter?", verdict, f"{words[verdict]} (mean gap {ahead:.2f}).", ahead, lines)


def _model_matters(scores: np.ndarray, randomly: Callable[[], np.ndarray]) -> Check:
    try:
        return _notices(scores, randomly())
    except OptionError as error:  # quantised weights
        return Check("Does it depend on the model?", "unknown", f"This could not be examined: {error}.", float("nan"), {})


def _notices(scores: np.ndarray, others: np.ndarray) -> Check:
    alike = spearman(scores, others)
    size = 0.0 if np.isnan(alike) else abs(alike)
    verdict: Verdict = "good" if size < 0.4 else "mixed" if size < 0.7 else "bad"
    words = {
        "good": "Yes: with random weights in its place the order of the tokens is another",
        "mixed": "In part: even with random weights some of the order remains, so some of it comes from the words alone",
        "bad": "No: random weights give nearly the same order; the explanation shows the words, not the model",
    }
    sentence = f"{words[verdict]} (rank correlation {alike:.2f}; chance alone gives ±{1 / np.sqrt(max(1, len(scores) - 1)):.2f})."
    lines = {"this model": tuple(map(float, scores)), "random weights": tuple(map(float, others))}
    return Check("Does it depend on the model?", verdict, sentence, alike, lines)


def _other_baseline(model: Any, used: str) -> str:
    has = [name for name in ("mask", "pad", "mean") if name == "mean" or getattr(model.tokenizer, f"{name}_token_id", None) is not None]
    return next(name for name in has if name != used) if used in baselines.NAMED else has[0]
