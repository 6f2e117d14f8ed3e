"""Baselines by name: from a spelling to a value, and back."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lineal import spellings
from lineal.baselines.alternatives import Alternatives
from lineal.baselines.contract import Baseline
from lineal.baselines.draws import RandomWords
from lineal.baselines.texts import AnotherText, Counterfactual, Several
from lineal.baselines.vectors import Given, Word, bos, default, eos, mask, mean, pad, unk, zero
from lineal.errors import OptionError, listing, unknown
from lineal.models.base import TextModel
from lineal.spellings import Argument, Entry

NAMED: dict[str, Baseline] = {baseline.name: baseline for baseline in (mask, pad, unk, eos, bos, mean, zero)}


def resolve(baseline: Any, model: TextModel) -> Baseline:
    """Return a baseline from None (the model's default), a name, a baseline, or several of them: a list, or "mask,pad" in one string.

    Other spellings: "text:SOME WORDS", "counterfactual:TEXT", "word:WORD" (quotes keep a leading space), "token:ID", "random:8",
    "alternatives:8", "alternatives:8:class", "alternatives:8:texts:FILE", "alternatives" (as many as the tolerance needs); in a list
    within one string those that hold words stand in quotes: 'mask,"text:SOME WORDS"'. Several words that begin with no name are a text
    themselves. A tensor stands for `Given`. model: read only where `baseline` is None.

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
    if not isinstance(baseline, Baseline):
        raise OptionError(f"a baseline is a name ({listing(NAMED)}) or a value of lineal.baselines, not {type(baseline).__name__}")
    return baseline


def spelling(baseline: Baseline) -> str:
    """Return the spelling of a baseline, from which `resolve` makes an equal one. OptionError when it has none, as given vectors."""
    if isinstance(baseline, Several):
        spelled = [spelling(part) for part in baseline.parts]
        return ",".join(spellings.in_quotes(part) if _name(part) in WORDY else part for part in spelled)
    named = next((name for name, known in NAMED.items() if known == baseline), None)
    return spellings.write(baseline, BASELINES, "baseline") if named is None else named


def _spelled(baseline: str) -> Baseline:
    """Return a baseline from one string: a name, a spelling, or a list of them, which begins with neither a text nor words."""
    if baseline in NAMED:
        return NAMED[baseline]
    if is_text(baseline):
        return AnotherText(baseline)
    (first, quoted), *more = spellings.split(baseline, ",")
    if quoted or (more and _name(first) not in WORDY):
        parts = tuple(_spelled(text if marked else text.strip()) for text, marked in ((first, quoted), *more))
        return Several(parts) if more else parts[0]
    if spellings.parts(baseline)[0] not in BASELINES:
        shown = [*NAMED, *(row.shown for row in BASELINES.values())]
        raise OptionError(
            f"{unknown('baseline', baseline, [*NAMED, *BASELINES], shown)}; another text as the baseline is written {'text:' + baseline!r}"
        )
    return spellings.read(baseline, BASELINES, "baseline")  # type: ignore[no-any-return]


def is_text(given: str) -> bool:
    """Whether a string is several words that begin with no baseline's name: a text itself, and no slip of a name."""
    first, quoted = spellings.split(given, ",")[0]
    return not quoted and len(first.split()) > 1 and _name(first.strip()) not in (*NAMED, *BASELINES)


def _name(spelled: str) -> str:
    """Return what stands before settings and argument, which may hold commas."""
    return spelled.partition(":")[0].partition("[")[0]


def _pair(given: str) -> dict[str, Any]:
    texts = tuple(text for text, _ in spellings.split(given, ","))
    if len(texts) != 2:
        raise OptionError(f'a pair of texts is written pair:"the first","the second"; {given!r} are {len(texts)}')
    return {"text": texts}


def _written_pair(value: AnotherText | Counterfactual) -> str | None:
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


OPEN = "auto"
"""In place of a number: as many as the tolerance needs."""


def _draws(given: str) -> dict[str, Any]:
    count, _, proposer = given.partition(":")
    if count != OPEN and not spellings.NUMBER.fullmatch(count):
        raise OptionError(f"the number of alternatives {count!r} is no number; write alternatives:8, alternatives:8:class or alternatives")
    return {"samples": None if count == OPEN else int(count), "proposer": proposer or None}


def _written_draws(value: Alternatives) -> str | None:
    count = OPEN if value.samples is None else str(value.samples)
    if value.proposer is None:
        return "" if value.samples is None else count
    return f"{count}:{value.proposer}" if isinstance(value.proposer, str) else None


BASELINES: dict[str, Entry] = {
    "text": Entry(AnotherText, "text:SOME WORDS", "another text", spellings.text("text")),
    "pair": Entry(AnotherText, 'pair:"ONE TEXT","ANOTHER"', "another pair of texts", Argument(("text",), _pair, _written_pair)),
    "counterfactual": Entry(
        Counterfactual, "counterfactual:TEXT", "the text said otherwise: only what differs moves", spellings.text("text"), unit=None
    ),
    "counterfactual-pair": Entry(
        Counterfactual,
        'counterfactual-pair:"ONE TEXT","ANOTHER"',
        "a pair said otherwise",
        Argument(("text",), _pair, _written_pair),
        unit=None,
    ),
    "word": Entry(Word, "word:WORD", "one word everywhere", spellings.token("word", ids=False)),
    "token": Entry(Word, "token:ID", "one token everywhere", Argument(("word",), _id, lambda value: str(value.word))),
    "alternatives": Entry(
        Alternatives,
        "alternatives[:8[:PROPOSER]]",
        "other words in each place, as a model or a rule proposes them; as many as the tolerance needs, or eight",
        Argument(("samples", "proposer"), _draws, _written_draws, optional=True),
        unit=None,
    ),
    "random": Entry(RandomWords, "random:8", "random words", Argument(("samples",), _samples, lambda value: str(value.samples))),
}
"""One row per name that is not in `NAMED`. The first row that can spell a value is its spelling."""
WORDY = ("text", "pair", "counterfactual", "counterfactual-pair", "word")
"""Names behind which a comma is part of the words."""
