"""x': where the path starts. A baseline is a value; bound to a model it gives the (t, d) starting embeddings of a text, or (m, t, d)
for m starting points whose explanations are averaged.

Only tokens that move are replaced; the caller puts held and special tokens back. There is no silent substitute: a tokenizer without the
token that is asked for is an error that lists what it has.

Default: the mask token where there is one (masked encoders were trained to read it as "some word"), else the mean vocabulary embedding
(see docs/baselines.md for the measurements).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from lineal import spellings
from lineal.errors import OptionError, listing, unknown
from lineal.models.base import Encoded, TextModel
from lineal.models.vocabulary import drawable, token_id
from lineal.spellings import Argument, Row
from lineal.typed import check_fields, check_seed, check_value, listed

Start = Callable[[Encoded], Tensor]
SPECIAL = ("mask", "pad", "unk", "eos", "bos")


MOST_SAMPLES = 10_000
"""Random baselines of one text; all are in memory at once, and each is an integral of its own."""


class Baseline(Protocol):
    """Names a starting point; `bind` prepares it once for a model."""

    @property
    def name(self) -> str:
        """What the record calls it."""
        ...

    def bind(self, model: TextModel) -> Start:
        """Return the function from a text to its (t, d) or (m, t, d) starting embeddings.

        Raises OptionError when the model has no such thing.
        """
        ...


@dataclass(frozen=True)
class SpecialToken:
    """One special token of the tokenizer (mask, pad, unk, eos or bos) at every position that moves."""

    name: str

    def bind(self, model: TextModel) -> Start:
        """Look the token up; OptionError lists the tokens there are."""
        token = getattr(model.tokenizer, f"{self.name}_token_id", None)
        if token is None:
            has = [name for name in SPECIAL if getattr(model.tokenizer, f"{name}_token_id", None) is not None]
            raise OptionError(f"{model.card.name} has no {self.name} token; baselines it has: {listing([*has, 'mean', 'zero'])}")
        return lambda encoded: _repeat(_vector(model, token), encoded)


@dataclass(frozen=True)
class Word:
    """One word of the vocabulary at every position that moves. It must be one token as it stands, its leading space included; or an id."""

    word: str | int

    @property
    def name(self) -> str:
        """The word."""
        return f"word “{self.word}”" if isinstance(self.word, str) else f"token {self.word}"

    def bind(self, model: TextModel) -> Start:
        """Look the word up; InputError when it is several tokens, OptionError for an id outside the vocabulary."""
        token = token_id(model, self.word)
        return lambda encoded: _repeat(_vector(model, token), encoded)


@dataclass(frozen=True)
class Zero:
    """The zero vector. Models that normalise their input (Llama, most decoders) have no usable gradient there: expect no convergence."""

    name: str = "zero"

    def bind(self, model: TextModel) -> Start:
        """Every model has it."""
        return lambda encoded: _repeat(torch.zeros_like(_vector(model, 0)), encoded)


@dataclass(frozen=True)
class MeanEmbedding:
    """The mean of all vocabulary embeddings: no particular word. Computed once per call, in blocks."""

    name: str = "mean"

    def bind(self, model: TextModel) -> Start:
        """Average the embedding table in float64."""
        mean = mean_embedding(model)
        return lambda encoded: _repeat(mean, encoded)


@dataclass(frozen=True)
class Several:
    """Several baselines, averaged with equal weight; the record's spread says how much the scores differ between them."""

    parts: tuple[Baseline, ...]

    @property
    def name(self) -> str:
        """The names, joined."""
        return ", ".join(part.name for part in self.parts)

    def bind(self, model: TextModel) -> Start:
        """Bind every part; the starting points of a text are those of all parts."""
        starts = [part.bind(model) for part in self.parts]

        return _AllOf(starts)


@dataclass(frozen=True)
class _AllOf:
    starts: Sequence[Start]

    def __call__(self, encoded: Encoded) -> Tensor:
        points = [start(encoded) for start in self.starts]
        return torch.cat([point if point.dim() == 3 else point[None] for point in points])  # (m, t, d)

    def notes(self, encoded: Encoded) -> tuple[str, ...]:
        found = [note for start in self.starts for note in notes(start, encoded)]
        return tuple(found) if len(found) < 3 else (f"{found[0]} So with the other {len(found) - 1} texts, each in its own way.",)


@dataclass(frozen=True)
class AnotherText:
    """The tokens of another text, one for one in order; for a pair, of another pair.

    A longer text is cut; a shorter one is followed by the model's default baseline (mask, or the mean embedding). The record's notes say
    which it was. Positions that do not move keep their own token and the other text's token there goes unused.
    """

    text: str | tuple[str, ...]

    def __post_init__(self) -> None:
        """Check that there is a text, or one per text of a pair."""
        if not isinstance(self.text, str):
            object.__setattr__(self, "text", tuple(listed("text", self.text, "texts, or one text")))

    @property
    def name(self) -> str:
        """The text, shortened."""
        whole = self.text if isinstance(self.text, str) else " / ".join(self.text)
        return f"text “{whole if len(whole) <= 40 else whole[:39] + '…'}”"

    def bind(self, model: TextModel) -> Start:
        """Tokenise the other text; InputError when it is empty."""
        other = model.encode((self.text,) if isinstance(self.text, str) else self.text)
        return _Aligned(model, other, default(model).name, default(model).bind(model))


@dataclass(frozen=True)
class _Aligned:
    """A text laid over another, segment by segment."""

    model: TextModel
    other: Encoded
    filler: str
    fill: Start

    def __call__(self, encoded: Encoded) -> Tensor:
        start = self.fill(encoded).clone()  # (t, d)
        for here, there in self._pairs(encoded):
            ids = torch.tensor([self.other.ids[i] for i in there[: len(here)]], device=self.model.device)
            start[here[: len(there)]] = self.model.embed(ids).to(start)
        return start

    def notes(self, encoded: Encoded) -> tuple[str, ...]:
        here, there = (sum(map(len, side)) for side in zip(*self._pairs(encoded), strict=True))
        how = (
            "token by token"
            if here == there
            else f"cut after {here} tokens"
            if there > here
            else f"and {here - there} times {self.filler} after it"
        )
        return (f"The baseline is another text of {there} tokens, laid over the text's {here}: {how}.",)

    def _pairs(self, encoded: Encoded) -> list[tuple[list[int], list[int]]]:
        if len(encoded.texts) != len(self.other.texts):
            raise OptionError(f"the baseline is {len(self.other.texts)} text(s), what is explained are {len(encoded.texts)}; give as many")
        places = [[[i for i, s in enumerate(e.segments) if s == j] for e in (encoded, self.other)] for j in range(len(encoded.texts))]
        return [(here, there) for here, there in places]


@dataclass(frozen=True)
class RandomWords:
    """`samples` baselines of words drawn uniformly from the `drawable` ones of the vocabulary; averaged, this is Expected Gradients.

    The same seed gives the same token at the same position whatever the text. Cost: one integral per sample.
    """

    samples: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_fields(self)
        if not 1 <= self.samples <= MOST_SAMPLES:
            raise OptionError(f"random words need at least one sample, not {self.samples}; at most {MOST_SAMPLES} are drawn")

    @property
    def name(self) -> str:
        """How many."""
        return f"{self.samples} × random words"

    def bind(self, model: TextModel) -> Start:
        """Look up what may be drawn."""
        words = torch.from_numpy(drawable(model))

        def start(encoded: Encoded) -> Tensor:
            drawn = torch.randint(len(words), (len(encoded), self.samples), generator=torch.Generator().manual_seed(self.seed))
            with torch.no_grad():
                return model.embed(words[drawn.T].to(model.device))  # (m, t, d)

        return start


def some_of(texts: Sequence[str], samples: int = 8, seed: int = 0) -> Several:
    """Return `samples` of the texts, drawn without replacement, as baselines that are averaged (Expected Gradients over a corpus)."""
    distinct = list(dict.fromkeys(listed("texts", texts, "texts")))
    check_value("samples", samples, int)
    check_seed(seed)
    if not 1 <= samples <= len(distinct):
        raise OptionError(f"cannot draw {samples} baselines from {len(distinct)} different texts")
    picked = torch.randperm(len(distinct), generator=torch.Generator().manual_seed(seed))[:samples].tolist()
    return Several(tuple(AnotherText(distinct[i]) for i in picked))


@dataclass(frozen=True, eq=False)
class Given:
    """Embeddings of one's own: (d,) for every position, (t, d) per token, or (m, t, d) for m baselines that are averaged."""

    values: Any
    name: str = "given embeddings"

    def bind(self, model: TextModel) -> Start:
        """Check the width; the number of tokens is checked per text. Raises OptionError with both sizes."""
        try:
            values = torch.as_tensor(self.values).detach().to(_vector(model, 0))
        except (TypeError, ValueError, RuntimeError):
            raise OptionError(f"the given baseline is {self.values!r}; give an array of embeddings, (d,), (t, d) or (m, t, d)") from None
        width = _vector(model, 0).shape[-1]
        if values.dim() not in (1, 2, 3) or values.shape[-1] != width:
            raise OptionError(
                f"the given baseline has shape {tuple(values.shape)}, the model's embeddings have width {width}; give (t, {width})"
            )

        def start(encoded: Encoded) -> Tensor:
            if values.dim() == 1:
                return _repeat(values, encoded)
            if values.shape[-2] != len(encoded):
                raise OptionError(f"the given baseline has {values.shape[-2]} tokens, the text has {len(encoded)}, special ones included")
            return values

        return start


another_text, random_words, word, given = AnotherText, RandomWords, Word, Given
mask, pad, unk, eos, bos = (SpecialToken(name) for name in SPECIAL)
mean = MeanEmbedding()
zero = Zero()
NAMED: dict[str, Baseline] = {baseline.name: baseline for baseline in (mask, pad, unk, eos, bos, mean, zero)}


def default(model: TextModel) -> Baseline:
    """Return the measured choice for a model: mask where the tokenizer has one, else the mean vocabulary embedding."""
    return mask if getattr(model.tokenizer, "mask_token_id", None) is not None else mean


def notes(start: Start, encoded: Encoded) -> tuple[str, ...]:
    """Return what readers must know about a starting point for this text."""
    return getattr(start, "notes", lambda _: ())(encoded)


def resolve(baseline: Any, model: TextModel) -> Baseline:
    """Return a baseline from None (the model's default), a name, a baseline, or several of them: a list, or "mask,pad" in one string.

    Other spellings: "text:SOME WORDS", "word:WORD" (quotes keep a leading space), "token:ID", "random:8"; in a list within one string those
    that hold words stand in quotes: 'mask,"text:SOME WORDS"'. A tensor stands for `Given`. model: read only where `baseline` is None.

    OptionError lists the names.
    """
    if baseline is None:
        return default(model)
    if isinstance(baseline, (list, tuple)):
        if not baseline:
            raise OptionError(f"the list of baselines is empty; give one or more of {listing(NAMED)}")
        parts = tuple(resolve(part, model) for part in baseline)
        return Several(parts) if len(parts) > 1 else parts[0]
    if isinstance(baseline, str):
        return _spelled(baseline)
    if isinstance(baseline, Tensor):
        return Given(baseline)
    if not hasattr(baseline, "bind"):
        raise OptionError(f"a baseline is a name ({listing(NAMED)}) or a value of lineal.baselines, not {type(baseline).__name__}")
    return baseline  # type: ignore[no-any-return]


def spelling(baseline: Baseline) -> str:
    """Return the spelling of a baseline, from which `resolve` makes an equal one. OptionError when it has none, as given vectors."""
    if isinstance(baseline, Several):
        spelled = [spelling(part) for part in baseline.parts]
        return ",".join(spellings.in_quotes(part) if spellings.parts(part)[0] in WORDY else part for part in spelled)
    named = next((name for name, known in NAMED.items() if known == baseline), None)
    return spellings.write(baseline, BASELINES, "baseline") if named is None else named


def _spelled(baseline: str) -> Baseline:
    """Return a baseline from one string: a name, a spelling, or a list of them, which begins with neither a text nor words."""
    if baseline in NAMED:
        return NAMED[baseline]
    (first, quoted), *more = spellings.split(baseline, ",")
    if quoted or (more and spellings.parts(first)[0] not in WORDY):
        parts = tuple(_spelled(text if marked else text.strip()) for text, marked in ((first, quoted), *more))
        return Several(parts) if more else parts[0]
    if spellings.parts(baseline)[0] not in BASELINES:
        shown = [*NAMED, *(row.shown for row in BASELINES.values())]
        raise OptionError(
            f"{unknown('baseline', baseline, [*NAMED, *BASELINES], shown)}; another text as the baseline is written {'text:' + baseline!r}"
        )
    return spellings.read(baseline, BASELINES, "baseline")  # type: ignore[no-any-return]


def _pair(given: str) -> dict[str, Any]:
    texts = tuple(text for text, _ in spellings.split(given, ","))
    if len(texts) != 2:
        raise OptionError(f'a pair of texts is written pair:"the first","the second"; {given!r} are {len(texts)}')
    return {"text": texts}


def _written_pair(value: AnotherText) -> str | None:
    pair = value.text
    return ",".join(map(spellings.in_quotes, pair)) if isinstance(pair, tuple) and len(pair) == 2 else None


def _id(given: str) -> dict[str, Any]:
    if not spellings.NUMBER.fullmatch(given):
        raise OptionError(f"the token id {given!r} is no number; a word is written word:{given}")
    return {"word": int(given)}


def _samples(given: str) -> dict[str, Any]:
    if not spellings.NUMBER.fullmatch(given):
        raise OptionError(f"the number of samples {given!r} is no number; write random:8")
    return {"samples": int(given)}


BASELINES: dict[str, Row] = {
    "text": Row(AnotherText, "text:SOME WORDS", "another text", spellings.text("text")),
    "pair": Row(AnotherText, 'pair:"ONE TEXT","ANOTHER"', "another pair of texts", Argument(("text",), _pair, _written_pair)),
    "word": Row(Word, "word:WORD", "one word everywhere", spellings.token("word", ids=False)),
    "token": Row(Word, "token:ID", "one token everywhere", Argument(("word",), _id, lambda value: str(value.word))),
    "random": Row(RandomWords, "random:8", "random words", Argument(("samples",), _samples, lambda value: str(value.samples))),
}
"""One row per name that is not in `NAMED`. The first row that can spell a value is its spelling."""
WORDY = ("text", "pair", "word")
"""Names behind which a comma is part of the words."""


def mean_embedding(model: TextModel, block: int = 8192) -> Tensor:
    """Return the (d,) mean of the vocabulary's embeddings."""
    total: Tensor | None = None
    with torch.no_grad():
        for first in range(0, model.vocabulary, block):
            ids = torch.arange(first, min(first + block, model.vocabulary), device=model.device)
            part = model.embed(ids).double().sum(dim=0)
            total = part if total is None else total + part
    assert total is not None, "a vocabulary is never empty"
    return (total / model.vocabulary).to(_vector(model, 0).dtype)


def _vector(model: TextModel, token: int) -> Tensor:
    with torch.no_grad():
        return model.embed(torch.tensor([token], device=model.device))[0]


def _repeat(vector: Tensor, encoded: Encoded) -> Tensor:
    return vector.expand(len(encoded), -1)
