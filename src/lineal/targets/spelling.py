"""Strings to targets and back: "label[unit=prob]:POSITIVE", "next". A table with one row per name; computes nothing.

The grammar is that of `lineal.spellings`.
"""

from __future__ import annotations

from dataclasses import fields, replace
from difflib import get_close_matches
from typing import Any, get_args

from lineal import spellings
from lineal.errors import OptionError, listing, unknown
from lineal.objectives.embedding import SimilarityName
from lineal.objectives.units import Unit
from lineal.spellings import Argument, Entry
from lineal.targets.contract import Target
from lineal.targets.embedding import OwnEmbedding, Similar
from lineal.targets.label import Label, Labels, ZeroShot
from lineal.targets.language import Choice, Continuation, Contrast, NextToken, Steps
from lineal.targets.token import AnswerSpan, Entities, Fill, WordLabel

UNITS: tuple[str, ...] = get_args(Unit)
SIMILARITIES: tuple[str, ...] = get_args(SimilarityName)


def _contrast(given: str) -> dict[str, Any]:
    items = spellings.split(given, "~")
    if len(items) != 2 or not all(text for text, _ in items):
        few = "lacks a token" if len(items) < 3 else f"names {len(items)} tokens"
        raise OptionError(f'{given!r} {few}; a contrast is of two, as contrast:" doctor"~" nurse"')
    token, foil = (text if quoted else spellings.read_token(text) for text, quoted in items)
    return {"token": token, "foil": foil}


def _written_contrast(value: Contrast) -> str | None:
    pair = [spellings.in_quotes(t) if isinstance(t, str) and t else spellings.written_token(t) for t in (value.token, value.foil)]
    return None if None in pair else "~".join(map(str, pair))


def _options(given: str) -> dict[str, Any]:
    """Return the options of a choice, and the one to explain: A,B,C=B picks B. An equals sign that no option follows is the option's."""
    items = spellings.split(given, ",")
    options = tuple(text for text, _ in items)
    last, _, pick = options[-1].rpartition("=")
    named = (*options[:-1], last)
    chosen = {"pick": pick} if last and pick in named and not items[-1][1] else {}
    if len(options) < 2:
        raise OptionError(f'a choice is among two or more options, as choice:A,B or choice:" yes"," no"; {given!r} names one')
    return {"options": named if chosen else options, **chosen}


def _written_options(value: Choice) -> str | None:
    if len(value.options) < 2 or not all(isinstance(option, str) for option in value.options):
        return None
    return ",".join(spellings.item(option, ",=") for option in value.options)


def _labels(given: str) -> dict[str, Any]:
    return {"labels": tuple(spellings.read_label(text, text if quoted else None) for text, quoted in spellings.split(given, ","))}


def _written_labels(value: Labels) -> str | None:
    if value.labels is None:
        return ""
    labels = [spellings.written_label(label, ",") for label in value.labels]
    return None if None in labels or not labels else ",".join(map(str, labels))


def _word(given: str) -> dict[str, Any]:
    (word, _), *label = spellings.split(given, "=")
    if len(label) > 1 or not word:
        raise OptionError(f'{given!r} is no word with a label; write word:WORD=LABEL, in quotes what has an equals sign: word:"a=b"=LABEL')
    if not label:
        return {"word": word}
    (text, quoted), *_ = label
    return {"word": word, "label": spellings.read_label(text, text if quoted else None)}


def _written_word(value: WordLabel) -> str | None:
    label = None if value.label is None else spellings.written_label(value.label, "=")
    if not isinstance(value.word, str) or not value.word or (label is None) != (value.label is None):
        return None
    return spellings.item(value.word, "=") + ("" if label is None else f"={label}")


def _rank(given: str) -> dict[str, Any]:
    if not spellings.NUMBER.fullmatch(given):
        raise OptionError(f"the rank {given!r} is no number; give next, next:1, … (0 is the most likely token)")
    return {"rank": int(given)}


def _written_rank(value: NextToken) -> str | None:
    return None if value.rank < 0 else str(value.rank or "")


def _part(given: str) -> dict[str, Any]:
    return {"part": given}


def _written_part(value: AnswerSpan) -> str | None:
    return "" if value.part == "span" else value.part


OPTIONS = Argument(("options",), _options, _written_options)
_ENCODERS: dict[str, Any] = {"units": SIMILARITIES, "unit": "similarity"}

TARGETS: dict[str, Entry] = {
    "self": Entry(OwnEmbedding, "self", "own embedding (encoders)", **_ENCODERS),
    "query": Entry(Similar, "query:TEXT", "similarity to a text read as a query", spellings.text("other"), {"route": "query"}, **_ENCODERS),
    "document": Entry(
        Similar, "document:TEXT", "the same, read as a document", spellings.text("other"), {"route": "document"}, **_ENCODERS
    ),
    "similar": Entry(Similar, "similar:TEXT", "similarity to another text (encoders)", spellings.text("other"), **_ENCODERS),
    "label": Entry(
        Label,
        "label, label:NAME",
        "the predicted label, or one by name or number, as label:#2 (classifiers)",
        spellings.label("label"),
        units=UNITS,
    ),
    "labels": Entry(
        Labels,
        "labels, labels:A,B",
        "all labels at once, or some (classifiers)",
        Argument(("labels",), _labels, _written_labels, optional=True),
        units=UNITS,
    ),
    "next": Entry(
        NextToken,
        "next, next:RANK",
        "the most likely next token, rank 0, or another one (language models)",
        Argument(("rank",), _rank, _written_rank, optional=True),
        {"token": None},
        units=UNITS,
    ),
    "token": Entry(NextToken, 'token:" word"', "a given next token, or its id (language models)", spellings.token("token"), units=UNITS),
    "contrast": Entry(
        Contrast,
        'contrast:" word"~" foil"',
        "a next token against another (language models)",
        Argument(("token", "foil"), _contrast, _written_contrast),
        units=UNITS,
    ),
    "choice": Entry(
        Choice,
        "choice:A,B,C",
        "the preferred one of several answers; choice:A,B,C=B asks for B (language models)",
        OPTIONS,
        {"per_option": False},
        units=UNITS,
    ),
    "choices": Entry(
        Choice, "choices:A,B,C", "the same, with a row per answer (language models)", OPTIONS, {"per_option": True}, units=UNITS
    ),
    "continuation": Entry(
        Continuation,
        'continuation:" some words"',
        "a given continuation (language models)",
        spellings.token("text", ids=False),
        units=UNITS,
    ),
    "steps": Entry(Steps, "steps", "each token of a generation (language models)", units=UNITS),
    "word": Entry(
        WordLabel,
        "word:WORD, word:WORD=LABEL",
        "the label of one word (token classifiers)",
        Argument(("word", "label"), _word, _written_word),
        units=UNITS,
    ),
    "entities": Entry(Entities, "entities", "all words with a label other than O (token classifiers)", units=UNITS),
    "answer": Entry(
        AnswerSpan,
        "answer, answer:start, answer:end, answer:both",
        "the answer to a question (question answering)",
        Argument(("part",), _part, _written_part, optional=True),
        units=("logit",),
        unit=None,
    ),
    "zero-shot": Entry(
        ZeroShot,
        "zero-shot:LABEL",
        "whether a label fits (classifiers of inference)",
        spellings.text("label"),
        units=("log_odds", "log_prob", "prob"),
    ),
    "fill": Entry(
        Fill,
        "fill, fill:WORD",
        "what stands behind each mask, or a given token (masked language models)",
        spellings.token("token", optional=True),
        units=UNITS,
    ),
}
"""One row per name of a target. The first row that can spell a value is its spelling."""

TARGET_HELP = {row.shown: row.about for row in TARGETS.values()}


def target(spec: str | None, unit: str | None = None, text: str | None = None, usual: Target | None = None) -> Target | None:
    """Return a target from its spelling (see `TARGETS`); None means the model's default, `usual` where that is known.

    unit: one that the target has; "cosine" and "dot" are those of embeddings. text: the second text of a similarity. Raises OptionError
    for an unknown spelling, a unit that the target does not have, and a second text that it would not read.
    """
    if spec is None:
        value = usual if text is None else Similar(text)
        return value if value is None and unit is None else in_unit(value or _usual(unit), unit)
    name, _, argument = spellings.parts(spec)
    if text is not None and (name not in ("similar", "query", "document") or argument is not None):
        raise OptionError(f"the target {spec!r} does not read a second text, but {text[:40]!r} is given; drop one of the two")
    if argument is None and name not in TARGETS and not get_close_matches(name, TARGETS, 1):
        raise OptionError(
            f"unknown target {spec!r}; a label is spelled label:{spec}, a token token:{spec!r}, a text to be similar to similar:{spec}; "
            f"there are {listing((row.shown for row in TARGETS.values()), 30)}"
        )
    return in_unit(spellings.read(spec, TARGETS, "target", text), unit)


def spelling(value: Target) -> str:
    """Return the spelling of a target, from which `target` makes an equal one. OptionError when it has none, as for a vector."""
    return spellings.write(value, TARGETS, "target")


def in_unit(value: Target, unit: str | None) -> Target:
    """Return a target in a unit; OptionError when it does not have it, or has been given another."""
    if unit is None:
        return value
    name = spellings.name_of(value, TARGETS)
    if name is None:
        raise OptionError(f"{type(value).__name__} has no units to choose from; drop unit {unit!r}")
    row = TARGETS[name]
    if unit not in row.units:
        known = (*UNITS, *SIMILARITIES)
        fact = f"the target {name} has no unit {unit!r}" if unit in known else unknown("unit", unit, known)
        raise OptionError(f"{fact}; it has {listing(row.units)}")
    if row.unit is None:
        return value
    usual = next(f.default for f in fields(row.make) if f.name == row.unit)
    given = getattr(value, row.unit)
    if given not in (usual, unit):
        raise OptionError(f"the target is in unit {given!r} already, and unit {unit!r} is given too; drop one of the two")
    return replace(value, **{row.unit: unit})  # type: ignore[type-var]


def _usual(unit: str | None) -> Target:
    return OwnEmbedding() if unit in SIMILARITIES else Label()
