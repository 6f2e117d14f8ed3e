"""What one row of scores over two texts says: what each text adds, its strongest words, and how that adds up to the model's answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lineal.records.attribution import Attribution
from lineal.views.attribution.words import warning
from lineal.views.parts.bars import Bar, strongest
from lineal.views.parts.cells import By, Cell, by_text, cells, level_of, numbered
from lineal.views.parts.numbers import number
from lineal.views.parts.words import Piece, quantity, quote

PER_SIDE = 8
"""Words of each text with a bar of their own."""
_READS_PAIRS = ("classifier", "pair encoder")


@dataclass(frozen=True, eq=False)
class Side:
    """One text. content: its words that move. total: what they add together. bars: the strongest, then the others; they sum to `total`."""

    number: int
    content: tuple[Cell, ...]
    total: float
    bars: tuple[Bar, ...]


def has_sides(record: Attribution) -> bool:
    """Return whether a record is about two texts that both move in front of a model that reads pairs."""
    return len(record.texts) == 2 and record.model.kind in _READS_PAIRS and all(_contents(record, "token"))


def sides(record: Attribution, target: int = 0, by: By = "word") -> tuple[Side, ...]:
    """Return both texts with what their words add."""
    return tuple(
        Side(number, content, _sum(content, target), strongest(record, content, target, by, PER_SIDE))
        for number, content in enumerate(map(numbered, _contents(record, by)), start=1)
    )


def sentence(record: Attribution, target: int = 0, by: By = "word") -> tuple[Piece, ...]:
    """Return the finding: the answer, what each text adds to it, the strongest word of each."""
    value = number(float(record.f_input[target]))
    pieces = [*warning(record, target), Piece(f"{_capital(quantity(record, target))} is {value}")]
    for position, side in enumerate(sides(record, target, by)):
        pieces.append(Piece((": ", ", ")[position > 0] + f"text {side.number} "))
        pieces += _amount(side.total)
        if (first := side.bars[0]).cell is not None and first.value:
            pieces += [Piece(" (strongest: "), quote(first.cell.label, 30), Piece(" "), _signed(first.value), Piece(")")]
    return (*pieces, Piece("."))


def parts(record: Attribution, target: int = 0) -> tuple[tuple[str, float, str], ...]:
    """Return what the answer is made of as (name, value, explanation); the values add up to F(text)."""
    first, second = sides(record, target)
    others = _sum([cell for cell in cells(record, "word") if cell.role != "content"], target)
    missing = "what the integral misses" if record.adds_up else "this method promises no sum"
    rows = [
        ("words of text 1", first.total, f"{len(first.content)} {_words(record)}, each with the other text in view"),
        ("words of text 2", second.total, f"{len(second.content)} {_words(record)}"),
        ("special and fixed tokens", others, "tokens that belong to no word, or do not move"),
        ("baseline", float(record.f_baseline[target]), f"the answer when both texts are the baseline ({record.baseline})"),
        (
            "less the rounding left over",
            -float(record.residual[target]),
            missing,
        ),
    ]
    return tuple(row for row in rows if row[1] or row[0] not in ("special and fixed tokens", "less the rounding left over"))


def no_matrix(record: Attribution) -> str:
    """Return why there is no word × word matrix here, and where to find the next best."""
    if record.model.kind != "classifier":
        return (
            "There is no word × word matrix: both texts move on one path, so every word has one score. "
            "The matrix of the same pair: lineal pair."
        )
    return (
        "There is no word × word matrix: this model reads both texts at once, so there are no two embeddings whose product would fall into "
        "pairs of words. A score already counts what a word does together with words of the other text; which words act together: "
        "lineal interactions."
    )


def _contents(record: Attribution, by: By) -> list[list[Cell]]:
    return [[cell for cell in text if cell.role == "content"] for text in by_text(record, cells(record, by))]


def _words(record: Attribution) -> str:
    return f"{level_of(record, 'word')}s"


def _amount(value: float) -> Sequence[Piece]:
    return [Piece("takes off " if value < 0 else "adds "), Piece(number(abs(value), 2), "down" if value < 0 else "up")]


def _sum(items: Sequence[Cell], target: int) -> float:
    return float(sum(cell.values[target] for cell in items))


def _signed(value: float) -> Piece:
    return Piece(("−" if value < 0 else "+") + number(abs(value), 2), "down" if value < 0 else "up")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
