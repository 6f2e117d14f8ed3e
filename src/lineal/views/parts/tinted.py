"""A text in pieces: each word with its score, and what stands between words. Nothing of a text is lost, doubled or moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lineal.records.interactions import Interactions
from lineal.records.pair import PairAttribution
from lineal.views.parts.palette import strength


@dataclass(frozen=True)
class Tinted:
    """A piece of a text: a word with its score, or what stands between words (score None). share: |score| of the largest one."""

    text: str
    score: float | None = None
    share: float = 0.0


def tinted(record: PairAttribution) -> list[Tinted]:
    """Return the second text in pieces: each word with what it adds to the similarity, given the first text.

    A word's score is its column of the matrix, of four parts with its column term. The scores add up to the similarity less what both
    texts share with empty texts; of four parts, less the similarity of the first text to the baseline.
    """
    words = record.words()
    scores = (words.matrix.sum(axis=0) + words.column_terms).tolist()
    spans = [(span, score) for span, score, segment in zip(words.b.offsets, scores, words.b.segments, strict=True) if segment == 0]
    return _pieces(words.b.text, spans, max(map(abs, scores), default=0.0))


def tinted_texts(record: Interactions) -> list[list[Tinted]]:
    """Return every text in pieces: each word with its row sum."""
    words = record.attribution.words()
    scores = words.scores[0].tolist()
    placed = list(zip(words.offsets, scores, words.segments, strict=True))
    largest = max(map(abs, scores), default=0.0)
    return [_pieces(text, [(span, score) for span, score, at in placed if at == i], largest) for i, text in enumerate(words.texts)]


def _pieces(text: str, spans: Sequence[tuple[tuple[int, int], float]], largest: float) -> list[Tinted]:
    pieces, position = [], 0
    for (begin, end), score in spans:
        if end <= position:
            continue
        begin += len(text[begin:end]) - len(text[begin:end].lstrip())
        if begin > position:
            pieces.append(Tinted(text[position:begin]))
        pieces.append(Tinted(text[max(begin, position) : end], score, round(strength(score, largest), 3)))
        position = end
    return [*pieces, Tinted(text[position:])] if position < len(text) else pieces
