"""Questions to places in a text: the label of a word, the entities, the answer to a question, the word behind a mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import torch

from lineal.errors import InputError, OptionError, listing
from lineal.models.base import Head, TextModel, require
from lineal.models.encoded import Encoded
from lineal.models.forward import answer
from lineal.models.tokenwise import mask_positions
from lineal.models.vocabulary import spell, token_id
from lineal.objectives.token import Part, SpanScore, TokenScore
from lineal.objectives.units import check_unit
from lineal.targets.contract import Bound, Target
from lineal.typed import check_fields


@dataclass(frozen=True)
class WordLabel(Target):
    """The label of one word of the text, read at the word's first token, as taggers are trained.

    word: as it stands in the text. occurrence: which one, from 0. label: by name or number; None for the one predicted for the word.
    """

    word: str
    label: str | int | None = None
    occurrence: int = 0
    unit: str = "logit"

    def __post_init__(self) -> None:
        """Check the kinds of what was given."""
        check_fields(self)

    def bind(self, model: TextModel) -> Bound:
        """Look the label up. Finding the word raises InputError when it is not there."""
        unit, head = check_unit(self.unit), _tagger(model)
        chosen = None if self.label is None else head.index(self.label)

        def bound(encoded: Encoded) -> TokenScore:
            i = _token_of(encoded, self.word, self.occurrence)
            c = int(answer(model, encoded, (i,))[0].argmax()) if chosen is None else chosen
            return TokenScore((i,), (c,), (f"“{self.word}” as {head.names[c]}",), unit)

        return bound


@dataclass(frozen=True)
class Entities(Target):
    """Every word that is predicted to be something else than `outside`: one output each, the logit of its predicted label.

    A word is read at its first token. One forward per text; InputError when the model finds no such word.
    """

    outside: str = "O"
    unit: str = "logit"

    def __post_init__(self) -> None:
        """Check the kinds of what was given."""
        check_fields(self)

    def bind(self, model: TextModel) -> Bound:
        """Need a tagger that knows the outside label."""
        unit, head = check_unit(self.unit), _tagger(model)
        outside = head.index(self.outside)

        def bound(encoded: Encoded) -> TokenScore:
            words = word_starts(encoded)
            labels = answer(model, encoded, tuple(words)).argmax(dim=-1).tolist()
            entities = [(i, c) for i, c in zip(words, labels, strict=True) if c != outside]
            if not entities:
                raise InputError(f"the model finds nothing but {self.outside} in {encoded.texts[0][:60]!r}; name a word: word_label('…')")
            names = tuple(f"“{_word(encoded, i)}” as {head.names[c]}" for i, c in entities)
            return TokenScore(tuple(i for i, _ in entities), tuple(c for _, c in entities), names, unit)

        return bound


@dataclass(frozen=True)
class AnswerSpan(Target):
    """The answer a reader takes from the text: the logit of its first token being the start, of its last being the end, or their sum.

    part: span (the sum, which ranks answers), start, end, or both (two outputs). text: an answer to ask about; None for the best one of
    at most `longest` tokens. Question and text are both attributed to; `hold` keeps one of them.
    """

    part: Part = "span"
    text: str | None = None
    longest: int = 15

    def __post_init__(self) -> None:
        """Check the kinds of what was given."""
        check_fields(self)

    def bind(self, model: TextModel) -> Bound:
        """Need a reader."""
        if self.part not in get_args(Part):
            raise OptionError(f"unknown part {self.part!r} of an answer; choose one of {listing(get_args(Part))}")
        require(model, "reader", "the answer to a question")

        def bound(encoded: Encoded) -> SpanScore:
            first, last = self._best(model, encoded) if self.text is None else _tokens_of(encoded, self.text, 1)
            text = encoded.texts[1][encoded.offsets[first][0] : encoded.offsets[last][1]]
            return SpanScore((first, last), text.strip(), self.part)

        return bound

    def _best(self, model: TextModel, encoded: Encoded) -> tuple[int, int]:
        context = [i for i, segment in enumerate(encoded.segments) if segment == 1]
        scores = answer(model, encoded, tuple(context))  # (p, 2)
        sums = scores[:, 0, None] + scores[None, :, 1]  # (p, p)
        length = torch.arange(len(context))[None, :] - torch.arange(len(context))[:, None]
        sums = sums.masked_fill(((length < 0) | (length >= self.longest)).to(sums.device), -torch.inf)
        start, end = divmod(int(sums.argmax()), len(context))
        return context[start], context[end]


def word_starts(encoded: Encoded) -> list[int]:
    """Return the first token of every word."""
    before = [(-1, None), *zip(encoded.segments, encoded.word_ids, strict=True)]
    return [
        i
        for i, (segment, word) in enumerate(zip(encoded.segments, encoded.word_ids, strict=True))
        if segment >= 0 and (word is None or (segment, word) != before[i])
    ]


def _word(encoded: Encoded, i: int) -> str:
    """Return the whole word that begins with token i, as it stands in the text."""
    segment, word = encoded.segments[i], encoded.word_ids[i]
    last = i
    while last + 1 < len(encoded) and word is not None and (encoded.segments[last + 1], encoded.word_ids[last + 1]) == (segment, word):
        last += 1
    return encoded.texts[segment][encoded.offsets[i][0] : encoded.offsets[last][1]].strip()


def _token_of(encoded: Encoded, word: str, occurrence: int) -> int:
    return _tokens_of(encoded, word, 0, occurrence)[0]


def _tokens_of(encoded: Encoded, piece: str, segment: int, occurrence: int = 0) -> tuple[int, int]:
    """Return the first and last token of a piece of text."""
    text = encoded.texts[segment]
    begin = -1
    for _ in range(occurrence + 1):
        begin = text.find(piece, begin + 1) if piece else -1
        if begin < 0:
            raise InputError(f"occurrence {occurrence} (from 0) of {piece!r} is not in the text {text[:60]!r}")
    inside = [i for i, (a, b) in enumerate(encoded.offsets) if encoded.segments[i] == segment and a < begin + len(piece) and begin < b]
    if not inside:
        raise InputError(f"{piece!r} is in the text but in none of the tokens that the model reads")
    return inside[0], inside[-1]


def _tagger(model: TextModel) -> Head:
    require(model, "tagger", "the label of a word")
    assert model.head is not None, "a tagger has labels"
    return model.head


@dataclass(frozen=True)
class Fill(Target):
    """What stands behind each mask token of the text, one output per mask: the most likely word (rank 0), another rank, or a given word.

    A text must be one token as it stands, leading space included where the tokenizer's words have one.
    """

    token: str | int | None = None
    rank: int = 0
    unit: str = "log_prob"

    def bind(self, model: TextModel) -> Bound:
        """Look the token up; the most likely ones cost a forward per text. InputError for a text without a mask."""
        unit = check_unit(self.unit)
        require(model, "masked", "a masked word")
        fixed = None if self.token is None else token_id(model, self.token)

        def bound(encoded: Encoded) -> TokenScore:
            where = mask_positions(model, encoded)
            if not where:
                raise InputError(f"the text has no {model.tokenizer.mask_token} to fill: {encoded.texts[0][:60]!r}")
            if fixed is not None:
                tokens = (fixed,) * len(where)
            else:
                tokens = tuple(answer(model, encoded, where).topk(self.rank + 1).indices[:, self.rank].tolist())
            return TokenScore(where, tokens, tuple(spell(model, token) for token in tokens), unit)

        return bound
