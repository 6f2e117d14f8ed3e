"""Which tokens belong together: words, sentences, spans. Knows nothing about what scores mean.

Every function returns groups: a list of index lists, in text order, that covers each token exactly once. A group never mixes roles
(content, special, held), so special and held tokens stay visible as their own remainder whatever the level.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from lineal.errors import InputError

if TYPE_CHECKING:
    from lineal.records.attribution import Attribution

Groups = list[list[int]]
Span = tuple[int, int]

SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]]*\s+|[。！？]+|\n+")


class Tokens(Protocol):
    """What grouping reads: (t,) the text each token comes from (-1 for none), its role, and its word."""

    @property
    def tokens(self) -> Sequence[str]: ...  # noqa: D102

    @property
    def segments(self) -> Sequence[int]: ...  # noqa: D102

    @property
    def roles(self) -> Sequence[str]: ...  # noqa: D102

    @property
    def word_ids(self) -> Sequence[int | None]: ...  # noqa: D102


def summed(values: NDArray[np.float64], groups: Groups, axis: int) -> NDArray[np.float64]:
    """Return `values` with the entries of each group summed along an axis."""
    return np.stack([values.take(group, axis).sum(axis) for group in groups], axis)


def words(record: Tokens) -> Groups:
    """Group tokens by the tokenizer's own words; tokens without a word id stand alone."""
    return _runs(record, lambda i: ("word", record.word_ids[i]) if record.word_ids[i] is not None else ("token", i))


def sentences(record: Attribution) -> Groups:
    """Group tokens by sentence: text up to `.`, `!`, `?`, `…` followed by white space, a full-width stop, or a line break."""
    starts = [[0, *(match.end() for match in SENTENCE_END.finditer(text))] for text in record.texts]

    def sentence(i: int) -> Hashable:
        if record.segments[i] < 0:
            return ("token", i)
        begin = _first_visible(record, i)
        return bisect_right(starts[record.segments[i]], begin)

    return _runs(record, sentence)


def spans(record: Attribution, wanted: str | Sequence[Span], segment: int = 0) -> Groups:
    """Group tokens by character spans of one text; what lies between the spans forms its own runs.

    wanted: a regular expression (its non-empty matches are the spans), or (start, end) pairs in characters of `texts[segment]`.
    A token belongs to the first span it overlaps. Raises InputError for a span outside the text or one that covers no token.
    """
    pairs = resolve_spans(record.texts[segment], wanted)

    def owner(i: int) -> int:
        if record.segments[i] != segment:
            return -1
        return first_overlap(record.offsets[i], pairs)

    owners = [owner(i) for i in range(len(record.tokens))]
    if missing := [pairs[j] for j in range(len(pairs)) if j not in owners]:
        raise InputError(f"the span {missing[0]} covers no token of a text of {len(record.texts[segment])} characters")
    return _runs(record, lambda i: owners[i] if owners[i] >= 0 else ("rest", record.segments[i]))


def regions(record: Attribution) -> Groups:
    """Group tokens by the named part of the prompt they lie in. Raises InputError when no part has a name."""
    if not any(record.region_of):
        raise InputError("the prompt has no named regions; pass messages, or a lineal.prompts.Marked text")
    return _runs(record, lambda i: record.region_of[i])


def resolve_spans(text: str, wanted: str | Sequence[Span]) -> list[Span]:
    """Return character spans from a regular expression or from (start, end) pairs; InputError when none fits `text`."""
    if isinstance(wanted, str):
        try:
            found = [match.span() for match in re.finditer(wanted, text) if match.end() > match.start()]
        except re.error as error:
            raise InputError(f"{wanted!r} is not a regular expression: {error}") from None
        if not found:
            raise InputError(f"the regular expression {wanted!r} matches nothing in {_short(text)!r}")
        return found
    try:
        pairs = [(int(start), int(end)) for start, end in wanted]
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{wanted!r} names no part of a text; give a regular expression, or pairs (start, end) of characters") from None
    for start, end in pairs:
        if not 0 <= start < end <= len(text):
            raise InputError(f"the span ({start}, {end}) does not lie in a text of {len(text)} characters; give 0 <= start < end")
    return pairs


def first_overlap(offsets: Span, pairs: Sequence[Span]) -> int:
    """Return the index of the first pair that shares a character with `offsets`, or -1."""
    begin, end = offsets
    return next((j for j, (a, b) in enumerate(pairs) if begin < b and a < end), -1)


def _runs(record: Tokens, key: Callable[[int], Hashable]) -> Groups:
    groups: Groups = []
    previous: Hashable = None
    for i in range(len(record.tokens)):
        current = (record.segments[i], record.roles[i], key(i))
        if groups and current == previous:
            groups[-1].append(i)
        else:
            groups.append([i])
        previous = current
    return groups


def _first_visible(record: Attribution, i: int) -> int:
    """Return where token i's first non-blank character stands: byte-level tokens begin with the space before the word."""
    begin, end = record.offsets[i]
    piece = record.texts[record.segments[i]][begin:end]
    return begin + len(piece) - len(piece.lstrip())


def _short(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
