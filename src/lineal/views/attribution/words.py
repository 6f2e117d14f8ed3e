"""What a record says, in words and a few numbers: the sentence and the badge. Every view shows these; none computes its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from lineal.errors import listing
from lineal.records.attribution import Attribution
from lineal.records.pair import PairAttribution
from lineal.views.parts.bars import ranking
from lineal.views.parts.cells import By, Cell, cells, level_of, short, visible
from lineal.views.parts.numbers import count, number, percent, signed

CANCELLATION = 5.0
"""Ratio mass / |F(text) − F(baseline)| from which a caution is shown: a tolerance of 1 % of the mass is then 5 % of the difference."""

_UNITS = {"logit": "logit", "log_odds": "log-odds", "log_prob": "log-probability", "prob": "probability"}
_UNITS |= {"cosine": "cosine", "dot": "dot product"}
"""How units are printed; others are printed as they are spelled."""


@dataclass(frozen=True)
class Piece:
    """A piece of a sentence. kind: plain, name (a piece of somebody's text), up or down (a signed number), warning."""

    text: str
    kind: Literal["plain", "name", "up", "down", "warning"] = "plain"


@dataclass(frozen=True)
class Badge:
    """How far the numbers of one target can be trusted.

    headline, reason: the verdict and the sentence that explains it. error_share, residual_share: relative to the mass Σ|scores|.
    residual_of_delta: relative to |F(text) − F(baseline)|. cancellation: mass / |F(text) − F(baseline)|. caution: a sentence, or empty.
    adds_up: false when the method does not promise that scores add up, so that the residual is no error.
    """

    converged: bool
    headline: str
    reason: str
    error: float
    error_share: float
    residual: float
    residual_share: float
    residual_of_delta: float
    cancellation: float
    caution: str
    evaluations: int
    tol: float
    adds_up: bool

    @property
    def facts(self) -> tuple[str, ...]:
        """The numbers as short phrases."""
        missing = "residual" if self.adds_up else "sum off by"
        return (
            f"error ≤ {number(self.error, 2)} ({percent(self.error_share)} of mass, {percent(self.tol)} asked)",
            f"{missing} {signed(self.residual, 2)} ({percent(self.residual_of_delta)} of F(text) − F(baseline))",
            f"mass / |difference| {number(self.cancellation, 3)}",
            count(self.evaluations, "gradient"),
        )


def sentence(record: Attribution, target: int = 0, by: By = "word") -> tuple[Piece, ...]:
    """Return the finding as one sentence in pieces, a warning in front when the target did not converge."""
    return warning(record, target) + _finding(record, target, by)


def spoken(pieces: tuple[Piece, ...]) -> str:
    """Return a sentence as a plain string, names between asterisks."""
    return "".join(f"*{piece.text}*" if piece.kind == "name" else piece.text for piece in pieces)


def badge(record: Attribution, target: int = 0) -> Badge:
    """Return the verdict on one target's numbers."""
    stop, mass, delta = record.stops[target], float(record.mass[target]), float(record.delta[target])
    residual, error, cancellation = float(record.residual[target]), float(record.error[target]), float(record.cancellation[target])
    headline, _, reason = stop.said(record.model.dtype).partition(": ")
    return Badge(
        converged=stop.converged,
        headline=headline.capitalize(),
        reason=reason,
        error=error,
        error_share=_ratio(error, mass),
        residual=residual,
        residual_share=_ratio(abs(residual), mass),
        residual_of_delta=_ratio(abs(residual), abs(delta)),
        cancellation=cancellation,
        caution=_caution(cancellation),
        evaluations=record.evaluations,
        tol=record.tol,
        adds_up=record.adds_up,
    )


def quantity(record: Attribution, target: int = 0) -> str:
    """Return what is explained, named: `the logit of POSITIVE`, `the cosine with “How do I …”`, `length (words)`."""
    name, unit = target_name(record, target), unit_name(record.units[target])
    if not any(char.isalnum() for char in name):
        name = f"“{name}”"  # a comma that is explained reads as one of the sentence
    if unit in ("cosine", "dot product"):
        return f"the {unit} of the two texts" if record.model.kind == "pair encoder" else f"the {unit} with {name}"
    if unit in _UNITS.values():
        return f"the {unit} of {name}"
    return f"{name} ({unit})" if unit and unit.lower() not in name.lower() else name


def unit_name(unit: str) -> str:
    """Return a unit for print: `log-odds` for `log_odds`."""
    return visible(_UNITS.get(unit, unit))


def target_name(record: Attribution, target: int) -> str:
    """Return a target's name for print: no blanks around it, blank ones spelled."""
    name = record.targets[target]
    return visible(name.strip()) or repr(name)


def about(record: Attribution) -> str:
    """Return where the numbers come from, on one line: method, model, baseline."""
    return " · ".join(visible(part) for part in (record.method, record.model.name, f"baseline: {record.baseline}") if part)


def doubts(record: Attribution | PairAttribution) -> tuple[str, ...]:
    """Return what is wrong with what was explained, a sentence each: weights that nobody trained, characters that the model cannot read."""
    missing = record.model.missing
    random = (
        f"{count(len(missing), 'tensor')} of the model's weights were drawn at random ({listing(missing, 4)}): another run, another answer."
    )
    return tuple(map(visible, (*([random] if missing else []), *record.warnings)))


def truncations(record: Attribution) -> tuple[str, ...]:
    """Return one sentence per text that was not read to its end."""
    whose = "the text" if len(record.texts) == 1 else "text {}"
    return tuple(
        f"The model read only the first {read:,} of the {len(text):,} characters of {whose.format(i + 1)}."
        for i, (text, read) in enumerate(zip(record.texts, record.read, strict=False))
        if read < len(text)
    )


def warning(record: Attribution, target: int) -> tuple[Piece, ...]:
    """Return what stands in front of every sentence about a target that did not converge; nothing when it did."""
    if record.stops[target].converged:
        return ()
    error, mass = float(record.error[target]), float(record.mass[target])
    if not math.isfinite(error):
        return (Piece("Not converged, and the error is unbounded: do not read anything into these numbers. ", "warning"),)
    off = f"any number here may be off by {number(error, 2)} ({percent(_ratio(error, mass))} of the mass)"
    return (Piece(f"Not converged: {off}. ", "warning"),)


def _finding(record: Attribution, target: int, by: By) -> tuple[Piece, ...]:
    what, noun = quantity(record, target), level_of(record, by)
    mass = float(record.mass[target])
    if not math.isfinite(mass):
        return (Piece(f"Some scores of {what} are not finite numbers."),)
    if mass == 0:
        return (Piece(f"No {noun} moves {what}: every score is 0."),)
    ranked = ranking([cell for cell in cells(record, by) if cell.role == "content"], target)
    strongest = [(short(cell.name, 40), float(cell.values[target])) for cell in ranked[:2] if _counts(cell, ranked[0], target)]
    pieces: list[Piece] = []
    for i, (name, value) in enumerate(strongest):
        pieces += [Piece(", ")] * (i > 0) + _move(name, value, f" {_to_or_off(value)} {what}" if i == 0 else " off" * (value < 0))
    opening = f"; all {noun}s together " if pieces else f"No {noun} stands out in {what}; all {noun}s together "
    total = float(record.scores[target].sum())
    return (*pieces, Piece(opening), Piece(signed(total, 2), "down" if total < 0 else "up"), Piece(_agreement(record, target)))


def _move(name: str, value: float, ending: str) -> list[Piece]:
    amount = Piece(number(abs(value), 2), "down" if value < 0 else "up")
    return [Piece(name, "name"), Piece(" takes " if value < 0 else " adds "), amount, Piece(ending)]


def _counts(cell: Cell, first: Cell, target: int) -> bool:
    """Return whether a cell is worth a mention beside the strongest: a tenth of it, and not 0."""
    value, strongest = abs(float(cell.values[target])), abs(float(first.values[target]))
    return value > 0 and value >= 0.1 * strongest


def _to_or_off(value: float) -> str:
    return "off" if value < 0 else "to"


def _agreement(record: Attribution, target: int) -> str:
    residual, delta = abs(float(record.residual[target])), abs(float(record.delta[target]))
    if not record.adds_up:
        return f". This method does not promise that scores add up; F(text) − F(baseline) is {signed(float(record.delta[target]), 2)}."
    within = (
        percent(residual / delta) if residual <= delta and delta else f"{number(residual, 2)} {unit_name(record.units[target])}".strip()
    )
    if record.stops[target].converged:
        return f", which is F(text) − F(baseline) to within {within}."
    return f", while F(text) − F(baseline) is {signed(float(record.delta[target]), 2)}."


def _caution(cancellation: float) -> str:
    if not cancellation >= CANCELLATION:
        return ""
    times = f"{number(cancellation, 2)} times" if math.isfinite(cancellation) else "infinitely many times"
    return f"Ups and downs cancel: they add up to {times} the difference they leave, so the error is larger relative to that difference."


def _ratio(part: float, whole: float) -> float:
    if part == 0:
        return 0.0
    return part / whole if whole else math.inf
