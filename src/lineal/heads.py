"""What task heads are asked: the label of a word, the entities of a text, the answer to a question, a label never trained for.

The targets are reached as `lineal.targets.word_label`, `entities`, `answer_span` and `zero_shot`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from lineal.errors import InputError, OptionError, listing
from lineal.models.base import Encoded, Head, TextModel, answer
from lineal.models.hypothesis import WithHypothesis
from lineal.objectives import Objective, TokenScore, check_unit
from lineal.typed import check_fields

Bound = Callable[[Encoded], Objective]
Part = Literal["span", "start", "end", "both"]


@dataclass(frozen=True)
class WordLabel:
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
class Entities:
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
            found = [(i, c) for i, c in zip(words, labels, strict=True) if c != outside]
            if not found:
                raise InputError(f"the model finds nothing but {self.outside} in {encoded.texts[0][:60]!r}; name a word: word_label('…')")
            names = tuple(f"“{_word(encoded, i)}” as {head.names[c]}" for i, c in found)
            return TokenScore(tuple(i for i, _ in found), tuple(c for _, c in found), names, unit)

        return bound


@dataclass(frozen=True)
class AnswerSpan:
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
        _require(model, "reader", "the answer to a question")

        def bound(encoded: Encoded) -> SpanScore:
            first, last = self._best(model, encoded) if self.text is None else _tokens_of(encoded, self.text, 1)
            found = encoded.texts[1][encoded.offsets[first][0] : encoded.offsets[last][1]]
            return SpanScore((first, last), found.strip(), self.part)

        return bound

    def _best(self, model: TextModel, encoded: Encoded) -> tuple[int, int]:
        context = [i for i, segment in enumerate(encoded.segments) if segment == 1]
        scores = answer(model, encoded, tuple(context))  # (p, 2)
        sums = scores[:, 0, None] + scores[None, :, 1]  # (p, p)
        length = torch.arange(len(context))[None, :] - torch.arange(len(context))[:, None]
        sums = sums.masked_fill(((length < 0) | (length >= self.longest)).to(sums.device), -torch.inf)
        start, end = divmod(int(sums.argmax()), len(context))
        return context[start], context[end]


@dataclass(frozen=True)
class SpanScore:
    """Start and end logits of one span. positions: its first and last token. Answer (n, 2, 2) → (n, 1), or (n, 2) for both."""

    positions: tuple[int, int]
    found: str
    part: Part
    rows: tuple[int, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The answer, and which end of it."""
        return {
            "span": (f"answer “{self.found}”",),
            "start": (f"start of “{self.found}”",),
            "end": (f"end of “{self.found}”",),
            "both": (f"start of “{self.found}”", f"end of “{self.found}”"),
        }[self.part]

    @property
    def units(self) -> tuple[str, ...]:
        """Logits."""
        return ("logit",) * len(self.names)

    def __call__(self, answer: Tensor) -> Tensor:
        """Return the logits asked for."""
        start, end = answer[:, 0, 0], answer[:, 1, 1]
        return {
            "span": (start + end)[:, None],
            "start": start[:, None],
            "end": end[:, None],
            "both": torch.stack([start, end], dim=-1),
        }[self.part]


@dataclass(frozen=True)
class ZeroShot:
    """Whether a label fits a text, asked of a classifier of inference: does the text entail "This example is LABEL."?

    F is the logit of entailment minus that of contradiction: the log-odds of the probability that transformers' zero-shot pipeline gives
    with multi_label=True. unit: log_odds, log_prob or prob. hypothesis: a template with {} where the label goes; it is held.
    """

    label: str
    hypothesis: str = "This example is {}."
    unit: str = "log_odds"

    def __post_init__(self) -> None:
        """Check the kinds of what was given."""
        check_fields(self)

    def reader(self, model: TextModel) -> TextModel:
        """Return the model with the hypothesis behind every text."""
        if "{}" not in self.hypothesis:
            raise OptionError(f"the hypothesis {self.hypothesis!r} has no {{}} where the label would go")
        return WithHypothesis(model, self.hypothesis.format(self.label))

    def bind(self, model: TextModel) -> Bound:
        """Find the labels of entailment and contradiction; OptionError lists the labels when there are none."""
        if check_unit(self.unit) == "logit":
            raise OptionError("zero-shot has no single logit; choose one of log_odds, log_prob, prob")
        _require(model, "classifier", "zero-shot classification")
        entailment, contradiction = _inference_labels(model.head)
        objective = EntailmentScore(entailment, contradiction, self.label, self.unit)
        return lambda encoded: objective


@dataclass(frozen=True)
class EntailmentScore:
    """Entailment against contradiction, neutral left out. Answer (n, C) → (n, 1)."""

    entailment: int
    contradiction: int
    label: str
    unit: str
    positions: tuple[int, ...] = ()
    rows: tuple[int, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The label."""
        return (self.label,)

    @property
    def units(self) -> tuple[str, ...]:
        """The unit."""
        return (self.unit,)

    def __call__(self, answer: Tensor) -> Tensor:
        """Return z_entailment − z_contradiction, or its sigmoid, or the logarithm of that."""
        odds = (answer[:, self.entailment] - answer[:, self.contradiction])[:, None]
        if self.unit == "log_odds":
            return odds
        return torch.sigmoid(odds) if self.unit == "prob" else torch.nn.functional.logsigmoid(odds)


word_label, entities, answer_span, zero_shot = WordLabel, Entities, AnswerSpan, ZeroShot


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


def _tokens_of(encoded: Encoded, wanted: str, segment: int, occurrence: int = 0) -> tuple[int, int]:
    """Return the first and last token of a piece of text."""
    text = encoded.texts[segment]
    begin = -1
    for _ in range(occurrence + 1):
        begin = text.find(wanted, begin + 1) if wanted else -1
        if begin < 0:
            raise InputError(f"occurrence {occurrence} (from 0) of {wanted!r} is not in the text {text[:60]!r}")
    inside = [i for i, (a, b) in enumerate(encoded.offsets) if encoded.segments[i] == segment and a < begin + len(wanted) and begin < b]
    if not inside:
        raise InputError(f"{wanted!r} is in the text but in none of the tokens that the model reads")
    return inside[0], inside[-1]


def _inference_labels(head: Head | None) -> tuple[int, int]:
    """Return (entailment, contradiction), found by name, and contradiction opposite to entailment when no name says so."""
    labels = [label.casefold() for label in (head.labels if head else ())]
    entailment = next((i for i, label in enumerate(labels) if label.startswith("entail")), None)
    if entailment is None or len(labels) < 2:
        raise OptionError(
            f"zero-shot needs a classifier of inference with a label 'entailment'; this one has {listing(head.labels if head else ())}"
        )
    named = next((i for i, label in enumerate(labels) if label.startswith("contra")), None)
    return entailment, named if named is not None else (len(labels) - 1 if entailment == 0 else 0)


def _tagger(model: TextModel) -> Head:
    _require(model, "tagger", "the label of a word")
    assert model.head is not None, "a tagger has labels"
    return model.head


def _require(model: TextModel, kind: str, what: str) -> None:
    if model.card.kind != kind:
        raise OptionError(f"{what} is explained with a model of kind {kind}; {model.card.name} is of kind {model.card.kind}")


__all__: Sequence[str] = ["AnswerSpan", "Entities", "WordLabel", "ZeroShot", "answer_span", "entities", "word_label", "zero_shot"]
