"""What a record says, in words and a few numbers: the sentence and the badge. Every view shows these; none computes its own."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lineal.records.attribution import Attribution
from lineal.views.parts.answer import answer
from lineal.views.parts.bars import ranking
from lineal.views.parts.cells import By, Cell, cells, level_of, visible
from lineal.views.parts.document import Document
from lineal.views.parts.numbers import count, number, percent, signed
from lineal.views.parts.words import Piece, about, doubts, opening, quantity, quote, said, truncations

CANCELLATION = 5.0
"""Ratio mass / |F(text) − F(baseline)| from which a caution is shown: a tolerance of 1 % of the mass is then 5 % of the difference."""


@dataclass(frozen=True)
class Badge:
    """How far the numbers of one target can be trusted.

    headline, reason: the verdict and the sentence that explains it. error_share, residual_share: relative to the mass Σ|scores|.
    residual_of_delta: relative to |F(text) − F(baseline)|. cancellation: mass / |F(text) − F(baseline)|. caution: a sentence, or empty.
    adds_up: false when the method does not promise that scores add up, so that the residual is no error. sampling: the standard error of a
    mean over random baselines, None where there is no such mean; draws: their number.
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
    sampling: float | None = None
    sampling_share: float = 0.0
    draws: int = 0

    @property
    def brief(self) -> str:
        """How far the numbers can be trusted, for everybody."""
        if not self.converged:
            return self.headline
        if self.sampling is not None:
            return f"mean over {count(self.draws, 'draw')}, known to {percent(self.error_share + self.sampling_share)}"
        return f"accurate to {percent(self.error_share)}" if self.adds_up else "numbers of this method promise no sum"

    @property
    def bound(self) -> str:
        """How far any number may be off."""
        return f"off by at most {number(self.error, 2)} ({percent(self.error_share)} of the total effect)"

    @property
    def sampled(self) -> str:
        """How well a mean over so many draws is known."""
        share = f"{percent(self.sampling_share)} of the total effect, {count(self.draws, 'draw')}"
        return f"sampling error {number(self.sampling or 0.0, 2)} ({share})"

    @property
    def facts(self) -> tuple[str, ...]:
        """The numbers as short phrases, with the field's terms."""
        missing = "rounding left over (residual)" if self.adds_up else "sum off by"
        sampling = () if self.sampling is None else (self.sampled,)
        return (
            f"error ≤ {number(self.error, 2)} ({percent(self.error_share)} of the total effect, {percent(self.tol)} asked)",
            *sampling,
            f"{missing} {signed(self.residual, 2)} ({percent(self.residual_of_delta)} of F(text) − F(baseline))",
            f"total effect (mass) / |difference| {number(self.cancellation, 3)}",
            count(self.evaluations, "gradient"),
        )


def sentence(record: Attribution, target: int = 0, by: By = "word") -> tuple[Piece, ...]:
    """Return the finding as one sentence in pieces, a warning in front when the target did not converge."""
    return warning(record, target) + _finding(record, target, by)


def document(record: Attribution) -> Document:
    """Return what is said of the first target, and how many there are."""
    own, more = badge(record), len(record.targets) - 1
    rest = (Piece(f" And {count(more, 'more target')}."),) if more else ()
    return Document(
        what=f"Attribution of {' ↔ '.join(map(opening, record.texts[:2]))} · {about(record)}",
        answer=answer(record),
        finding=sentence(record) + rest,
        facts=(own.headline, *own.facts),
        converged=own.converged,
        reason=own.reason,
        notes=(*truncations(record), *map(visible, record.notes)),
        cautions=doubts(record),
    )


def badge(record: Attribution, target: int = 0) -> Badge:
    """Return the verdict on one target's numbers."""
    stop, mass, delta = record.stops[target], float(record.mass[target]), float(record.delta[target])
    residual, error, cancellation = float(record.residual[target]), float(record.error[target]), float(record.cancellation[target])
    headline, reason = said(stop, record.model)
    return Badge(
        converged=stop.converged,
        headline=headline,
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
        sampling=None if record.sampling is None else float(record.sampling[target]),
        sampling_share=0.0 if record.sampling is None else _ratio(float(record.sampling[target]), mass),
        draws=record.draws,
    )


def warning(record: Attribution, target: int) -> tuple[Piece, ...]:
    """Return what stands in front of every sentence about a target that did not converge; nothing when it did."""
    if record.stops[target].converged:
        return ()
    error, mass = float(record.error[target]), float(record.mass[target])
    if not math.isfinite(error):
        return (Piece("Not converged, and the error is unbounded: do not read anything into these numbers. ", "warning"),)
    off = f"any number here may be off by {number(error, 2)} ({percent(_ratio(error, mass))} of the total effect)"
    if record.sampling is not None and (sampling := float(record.sampling[target])) > error:
        known = f"{number(sampling, 2)} ({percent(_ratio(sampling, mass))} of the total effect)"
        off = f"the mean over {record.draws} draws is known to {known} only"
    return (Piece(f"Not converged: {off}. ", "warning"),)


def _finding(record: Attribution, target: int, by: By) -> tuple[Piece, ...]:
    what, noun = quantity(record, target), level_of(record, by)
    mass = float(record.mass[target])
    if not math.isfinite(mass):
        return (Piece(f"Some scores of {what} are not finite numbers."),)
    if mass == 0:
        return (Piece(f"No {noun} moves {what}: every score is 0."),)
    ranked = ranking([cell for cell in cells(record, by) if cell.role == "content"], target)
    strongest = [(cell, float(cell.values[target])) for cell in ranked[:2] if _counts(cell, ranked[0], target)]
    pieces: list[Piece] = []
    for i, (cell, value) in enumerate(strongest):
        pieces += [Piece(", ")] * (i > 0) + _move(cell, value, f" {_to_or_off(value)} {what}" if i == 0 else " off" * (value < 0))
    opening = f"; all {noun}s together " if pieces else f"No {noun} stands out in {what}; all {noun}s together "
    total = float(record.scores[target].sum())
    return (*pieces, Piece(opening), Piece(signed(total, 2), "down" if total < 0 else "up"), Piece(_agreement(record, target)))


def _move(cell: Cell, value: float, ending: str) -> list[Piece]:
    amount = Piece(number(abs(value), 2), "down" if value < 0 else "up")
    nth = f" ({cell.nth} of {cell.of})" if cell.of > 1 else ""
    return [quote(cell.label), Piece(f"{nth} takes " if value < 0 else f"{nth} adds "), amount, Piece(ending)]


def _counts(cell: Cell, first: Cell, target: int) -> bool:
    """Return whether a cell is worth a mention beside the strongest: a tenth of it, and not 0."""
    value, strongest = abs(float(cell.values[target])), abs(float(first.values[target]))
    return value > 0 and value >= 0.1 * strongest


def _to_or_off(value: float) -> str:
    return "off" if value < 0 else "to"


def _agreement(record: Attribution, target: int) -> str:
    """Return what else has to be said of the sum, where it is not what the output moves by."""
    moved = f"from neutral text to this text, it moves by {signed(float(record.delta[target]), 2)}"
    if not record.adds_up:
        return f". This method does not promise that scores add up; {moved}."
    return "." if record.stops[target].converged else f", while {moved}."


def _caution(cancellation: float) -> str:
    if not cancellation >= CANCELLATION:
        return ""
    times = f"{number(cancellation, 2)} times" if math.isfinite(cancellation) else "infinitely many times"
    return f"Ups and downs cancel: they add up to {times} the difference they leave, so the error is larger relative to that difference."


def _ratio(part: float, whole: float) -> float:
    if part == 0:
        return 0.0
    return part / whole if whole else math.inf
