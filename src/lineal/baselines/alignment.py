"""Which token of another text stands against which token of a text. Knows tokens and words, no embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import chain
from typing import Literal

from lineal.errors import InputError, OptionError
from lineal.models.encoded import Encoded

By = Literal["words", "tokens"]
Pairs = tuple[tuple[int, int | None], ...]
HELD = -1
"""The partner of a token that stands against itself, whatever the other text says."""


@dataclass(frozen=True)
class Alignment:
    """Partners of tokens.

    against: (t,) per token of the text the token of the other text that stands against it, None for none, and HELD for itself. left: tokens
    of the other text that stand against nothing. how: "token by token", "by words", "by tokens" or "as given".
    """

    against: tuple[int | None, ...]
    left: tuple[int, ...]
    how: str


def overlaid(text: Encoded, other: Encoded) -> Alignment:
    """Lay the other text over the text, token by token in order; what is too much of it is left."""
    return _joined(text, [list(zip(here, there, strict=False)) for here, there in _sides(text, other)], other, "token by token")


def aligned(text: Encoded, other: Encoded, by: By) -> Alignment:
    """Align two texts so that what they share stands against itself.

    Texts of equally many tokens are laid over one another token by token, which leaves nothing over. Others are compared as `difflib` does,
    by words or by tokens; stretches that differ are paired word by word where they have equally many words, else token by token.
    """
    if all(len(here) == len(there) for here, there in _sides(text, other)):
        return overlaid(text, other)
    pairs = []
    for here, there in _sides(text, other):
        a, b = (words(e, side) if by == "words" else [[i] for i in side] for e, side in ((text, here), (other, there)))
        ours, theirs = ([tuple(e.ids[i] for i in word) for word in of] for e, of in ((text, a), (other, b)))
        found: list[tuple[int, int]] = []
        for _, i, j, k, m in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
            if j - i == m - k:
                found += [pair for both in zip(a[i:j], b[k:m], strict=True) for pair in zip(*both, strict=False)]
            else:
                found += zip(chain(*a[i:j]), chain(*b[k:m]), strict=False)
        pairs.append(found)
    return _joined(text, pairs, other, f"by {by}")


def given(text: Encoded, other: Encoded, pairs: Pairs) -> Alignment:
    """Take pairs (token of the text, token of the other or None) as they are; tokens of the text that are not named are held.

    Raises InputError for a token that is not there, or named twice.
    """
    for i, j in pairs:
        if not 0 <= i < len(text) or not (j is None or 0 <= j < len(other)):
            raise InputError(f"the alignment pairs token {i} with {j}; the texts have {len(text)} and {len(other)} tokens, counted from 0")
    named = [i for i, _ in pairs]
    if len(set(named)) < len(named):
        raise InputError("the alignment names a token of the text twice; each stands against one token, or None")
    partner = dict(pairs)
    against = [partner.get(i, HELD) for i in range(len(text))]
    taken = set(partner.values())
    return Alignment(tuple(against), tuple(j for j, s in enumerate(other.segments) if s >= 0 and j not in taken), "as given")


def kept(text: Encoded, other: Encoded, alignment: Alignment) -> int:
    """Return how many tokens of the text stand against the same token."""
    return sum(j is not None and j >= 0 and text.ids[i] == other.ids[j] for i, j in enumerate(alignment.against))


def interleaved(text: Encoded, other: Encoded, found: Alignment) -> list[tuple[int | None, int | None]]:
    """Return every place of both texts, (token of the text, token of the other): what is left of the other has a place of its own.

    It goes behind the token whose partner comes before it, or in front of its text.
    """
    partner = {j: i for i, j in enumerate(found.against) if j is not None and j >= 0}
    before: dict[int, list[int]] = {}
    for here, there in _sides(text, other):
        at = here[0]
        for j in there:
            if j in partner:
                at = partner[j] + 1
            elif j in found.left:
                before.setdefault(at, []).append(j)
    places: list[tuple[int | None, int | None]] = []
    for i in range(len(text) + 1):
        places += [(None, j) for j in before.get(i, ())]
        places += [(i, found.against[i])] if i < len(text) else []
    return places


def _sides(text: Encoded, other: Encoded) -> list[tuple[list[int], list[int]]]:
    """Return the tokens of both texts, segment by segment."""
    if len(text.texts) != len(other.texts):
        raise OptionError(f"the baseline is {len(other.texts)} text(s), what is explained are {len(text.texts)}; give as many")
    here, there = ([[i for i, s in enumerate(e.segments) if s == j] for j in range(len(text.texts))] for e in (text, other))
    return list(zip(here, there, strict=True))


def _joined(text: Encoded, pairs: Sequence[Sequence[tuple[int, int]]], other: Encoded, how: str) -> Alignment:
    partner = {i: j for side in pairs for i, j in side}
    taken = set(partner.values())
    return Alignment(
        tuple(partner.get(i) for i in range(len(text))), tuple(j for j, s in enumerate(other.segments) if s >= 0 and j not in taken), how
    )


def words(encoded: Encoded, side: Sequence[int]) -> list[list[int]]:
    """Return the tokens of each word: a new one where the tokenizer says so, or behind white space."""
    words: list[list[int]] = []
    for i in side:
        text, begin = encoded.texts[encoded.segments[i]], encoded.offsets[i][0]
        apart = text[begin : begin + 1].isspace() or text[max(begin - 1, 0) : begin].isspace()
        word = encoded.word_ids[i]
        if words and not apart and word is not None and word == encoded.word_ids[words[-1][-1]]:
            words[-1].append(i)
        else:
            words.append([i])
    return words
