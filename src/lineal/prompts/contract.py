"""What can stand for a text: a string, a pair of strings, or a `Prompt`; and what to say of anything else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from lineal.errors import InputError, listing
from lineal.models.base import TextModel
from lineal.models.encoded import Encoded

MISSING = "the text is missing ({}); drop such rows first, as column.dropna() does"


@runtime_checkable
class Prompt(Protocol):
    """Something that a model can read as one prompt."""

    def read_by(self, model: TextModel, truncate: bool) -> Encoded:
        """Return it tokenised, with its regions."""
        ...


def read(text: Any, model: TextModel, truncate: bool) -> Encoded:
    """Return a text, a pair of texts or a `Prompt` as the model reads it. Raises InputError for anything else."""
    check(text)
    if isinstance(text, Prompt):
        return text.read_by(model, truncate)
    return model.encode((text,) if isinstance(text, str) else tuple(text), truncate)


def check(text: Any) -> None:
    """Raise InputError, with the next step, unless this is a text, a pair of texts (a tuple or list of two) or a `Prompt`."""
    if isinstance(text, Prompt):
        return
    if isinstance(text, (tuple, list)) and not any(isinstance(part, int) for part in text):
        if not 1 <= len(text) <= 2:
            raise InputError(f"a model reads one text, or a pair of two; {len(text)} were given; for many texts use explain_many")
        for part in text:
            check_string(part)
        return
    check_string(text)


def check_string(text: Any) -> None:
    """Raise InputError, with the next step, unless this is one string."""
    if not isinstance(text, str):
        raise InputError(_no_text(text))


def is_missing(text: Any) -> bool:
    """Whether this is what tables hold where there is no text: None, NaN or NA, alone or as a part of a pair."""
    if isinstance(text, (tuple, list)):
        return any(map(is_missing, text))
    return text is None or type(text).__name__ == "NAType" or (isinstance(text, float) and text != text)


def check_list(texts: Any, verb: str, one: str, noun: str = "texts") -> None:
    """Raise InputError unless these are several texts. verb, one: what was called, and what is for a single string. A table is none."""
    if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable) or getattr(texts, "ndim", 1) == 0:
        raise InputError(f"{verb} takes a list of {noun}, not {shown(texts)}; for one string use {one}")
    if isinstance(texts, Mapping) or hasattr(texts, "columns"):
        column = _likely(texts) or "text"
        raise InputError(f'{verb} takes a list of {noun}, not a whole {type(texts).__name__}; pass a column of it: table["{column}"]')


def _no_text(given: Any) -> str:
    """Say what was given in place of a text, and what to do."""
    if isinstance(given, Mapping):
        likely = _likely(given)
        step = f'pass its text: row["{likely}"]' if likely else "pass one of its columns, as a string"
        return f"this is a row of a data set, a {type(given).__name__} with {listing(given)}, and no text; {step}"
    if is_missing(given):
        return MISSING.format(given)
    if isinstance(given, (bytes, bytearray)):
        return f"a text is a string, not {type(given).__name__}; decode it first: text.decode('utf-8')"
    if isinstance(given, (tuple, list)) or hasattr(given, "tolist"):
        return f"a text is a string, not {shown(given)}; for token ids give lineal.prompts.Ids([…])"
    return f"a text is a string, not {shown(given)}"


def _likely(row: Any) -> str | None:
    """Return the name of the column that most likely holds the text."""
    names = [name for name in row if isinstance(name, str)]
    texts = [name for name in names if isinstance(row[name], str)] or ([] if isinstance(row, Mapping) else names)
    return next((name for name in ("text", "sentence", *texts) if name in names), None)


def shown(given: Any) -> str:
    """Return what was given and its type, shortened."""
    shown = repr(given)
    return f"{shown if len(shown) <= 40 else shown[:39] + '…'} ({type(given).__name__})"
