"""What interactions say, in a sentence and a few numbers. Every view of interactions shows these; none computes its own."""

from __future__ import annotations

from dataclasses import dataclass

from lineal.records.interactions import Interactions
from lineal.views.parts.answer import answer
from lineal.views.parts.cells import named, visible
from lineal.views.parts.document import Block, Document
from lineal.views.parts.numbers import count, fixed, number, percent, signed
from lineal.views.parts.words import Piece, about, amount, doubts, opening, quantity, quote, said, target_name, truncations, unit_name

STRONGEST = 12
"""Pairs that are listed."""
MEANING = (
    "Integrated Hessians (Janizek, Sturmfels & Lee 2021), one integral over the straight path. Two words that act independently have a "
    "cell of 0. What two words add together beyond what each adds alone lies half in one cell and half in its mirror image; what a word "
    "adds by itself lies on the diagonal. Rows sum to Integrated Gradients. "
    "The total effect (mass) is the sum of all cells without their signs."
)


@dataclass(frozen=True)
class Pair:
    """Two words and what they add together: both cells. share: relative to the strongest pair."""

    left: str
    right: str
    score: float
    share: float


def pairs(record: Interactions, limit: int = STRONGEST) -> tuple[Pair, ...]:
    """Return the strongest pairs of words, strongest first."""
    words = record.words()
    found = words.strongest(limit)
    largest = max((abs(score) for _, _, score in found), default=0.0)
    names = [named(token) for token in words.attribution.tokens]
    return tuple(Pair(names[i], names[j], score, abs(score) / largest) for i, j, score in found)


def sentence(record: Interactions) -> tuple[Piece, ...]:
    """Return the finding: the strongest pairs, and what words do by themselves and together."""
    what, words = quantity(record.attribution), record.words()
    warning = () if record.converged else (Piece("Not converged: do not trust single cells. ", "warning"),)
    found = pairs(record, 2)
    pieces = [] if found else [Piece(f"No two words act together on {what}")]
    for position, pair in enumerate(found):
        pieces += [Piece(", ")] * (position > 0)
        pieces += [quote(pair.left, 30), Piece(" with "), quote(pair.right, 30)]
        pieces += [Piece((" adds ", " takes ")[pair.score < 0]), amount(abs(pair.score), pair.score)]
        ending = f"{'off' if pair.score < 0 else 'to'} {what}, beyond what each does alone" if position == 0 else "off" * (pair.score < 0)
        pieces += [Piece(f" {ending}" if ending else "")]
    pieces += [Piece("; all pairs together "), amount(words.together, words.together, signed_too=True)]
    return (*warning, *pieces, Piece(", words by themselves "), amount(words.alone, words.alone, signed_too=True), Piece("."))


def rows(record: Interactions) -> tuple[tuple[str, float, str], ...]:
    """Return what F(text) is made of as (name, value, explanation); the values add up to it."""
    words, own = record.words(), record.attribution
    parts = (
        ("words by themselves", words.alone, "the diagonal"),
        ("pairs of words", words.together, "what words add together: everything beside the diagonal"),
        ("baseline", float(own.f_baseline[0]), f"the answer at the baseline ({own.baseline})"),
        ("less the rounding left over", -record.residual, "what the integral misses"),
    )
    return parts if record.residual else parts[:-1]


def facts(record: Interactions) -> tuple[str, ...]:
    """Return error, residual and work as short phrases."""
    delta = abs(float(record.attribution.delta[0]))
    return (
        f"all cells together off by at most {number(record.error, 2)} "
        f"({percent(record.error / record.mass if record.mass else 0.0)} of the total effect, {percent(record.attribution.tol)} asked)",
        f"rounding left over (residual) {signed(record.residual, 2)} "
        f"({percent(abs(record.residual) / delta) if delta else 'of a difference of 0'})",
        count(record.attribution.evaluations, "path point"),
    )


def brief(record: Interactions) -> str:
    """Return how far the numbers can be trusted, for everybody."""
    return f"accurate to {percent(record.error / record.mass if record.mass else 0.0)}" if record.converged else verdict(record)[0]


def verdict(record: Interactions) -> tuple[str, str]:
    """Return the headline of the badge and its reason."""
    return said(record.stop, record.attribution.model)


def document(record: Interactions) -> Document:
    """Return what is said of interactions: the strongest pairs of words, and how the answer adds up."""
    headline, reason = verdict(record)
    own, unit = record.attribution, unit_name(record.unit)
    whole = (Piece(target_name(own, 0), "name"), Piece(fixed(float(own.f_input[0]), 4), "name"), "the model's answer")
    sums: list[tuple[str | Piece, ...]] = [*((name, fixed(value, 4), visible(why)) for name, value, why in rows(record)), whole]
    return Document(
        what=f"Interactions of {' ↔ '.join(map(opening, own.texts))} · {about(own)}",
        answer=answer(own),
        finding=sentence(record),
        facts=(headline, *facts(record)),
        converged=record.converged,
        reason=reason,
        blocks=(
            Block(
                ("word", "with", unit),
                [(pair.left, pair.right, signed(pair.score, 3)) for pair in pairs(record)],
                "Words that act together",
                2,
            ),
            Block(("part", unit, ""), sums, "How the answer adds up"),
        ),
        notes=(*truncations(own), *map(visible, own.notes)),
        cautions=doubts(own),
    )
