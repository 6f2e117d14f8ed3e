"""What a question wants to know, as values, and how what was given is checked. Knows no question by name, no browser and no queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lineal.errors import InputError, OptionError, TooLongError, unknown
from lineal.models import TextModel
from lineal.models.lease import untouched
from lineal.records.base import Record

Given = Mapping[str, Any]
Kind = Literal["text", "line", "lines", "choice", "several", "number", "flag"]


@dataclass(frozen=True)
class Limits:
    """What one question may cost. characters: of all texts together. tokens: likewise. documents, new_tokens: of one question.

    seconds: of work; what is known by then is the answer.
    """

    characters: int = 20_000
    tokens: int = 512
    documents: int = 50
    new_tokens: int = 24
    seconds: float = 300.0

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a visitor is told."""
        return (
            f"All texts of a question together have at most {self.characters} characters and {self.tokens} tokens.",
            f"A query is matched with at most {self.documents} documents.",
            f"At most {self.new_tokens} tokens are generated.",
            f"After {self.seconds:g} seconds of work, what is known by then is the answer, marked as not converged.",
        )


LIMITS = Limits()


@dataclass(frozen=True)
class Option:
    """One of a field's choices. asks: what choosing it asks."""

    value: str
    shown: str
    asks: str = ""


@dataclass(frozen=True)
class Field:
    """One thing a question wants to know. usual: what holds when nothing is said. needed: something must be said. example: a beginning."""

    name: str
    label: str
    asks: str
    kind: Kind = "text"
    usual: str = ""
    needed: bool = False
    example: str = ""
    options: tuple[Option, ...] = ()
    least: float = 0.0
    most: float = 0.0


@dataclass(frozen=True)
class Question:
    """One question. kinds: the models that answer it. own: its fields for a model, beside those in `settings`. ask: the answer."""

    name: str
    title: str
    asks: str
    kinds: tuple[str, ...]
    own: Callable[[TextModel], tuple[Field, ...]]
    ask: Callable[[TextModel, dict[str, Any]], Record]
    settings: tuple[str, ...] = ("unit", "baseline", "instead", "method", "tol", "hold")

    def fits(self, model: TextModel) -> bool:
        """Whether this model answers it."""
        return model.card.kind in self.kinds and (self.name != "chat" or bool(getattr(model.tokenizer, "chat_template", None)))


def checked(wanted: Sequence[Field], model: TextModel, given: Given, limits: Limits) -> dict[str, Any]:
    """Return what was given for some fields as values: text, numbers, lists; what was not said is its usual value.

    Raises OptionError for a field that there is not, InputError and TooLongError for what is missing, of the wrong kind, or beyond the
    limits.
    """
    named = {field.name: field for field in wanted}
    for name in given:
        if name not in named:
            raise OptionError(unknown("field", name, named))
    found = {name: _value(field, given.get(name, field.usual), limits) for name, field in named.items()}
    _within(model, found, named, limits)
    return found


def _value(field: Field, given: Any, limits: Limits) -> Any:
    what = f"{field.name} is {str(given)[:60]!r}"
    if field.kind == "flag":
        if str(given).casefold() not in ("", "on", "off", "true", "false"):
            raise InputError(f"{what}; give true or false")
        return str(given).casefold() in ("on", "true")
    if field.kind == "number":
        return _number(field, given, what)
    if field.kind in ("lines", "several"):
        return _list(field, given, what, limits)
    if not isinstance(given, str):
        raise InputError(f"{what}; give a text")
    given = given.replace("\r\n", "\n")  # as forms send the ends of lines
    if field.kind == "choice" and given not in [option.value for option in field.options]:
        raise OptionError(unknown(field.name, given, [option.value for option in field.options if option.value]))
    if field.needed and not given.strip():
        raise InputError(f"{field.name} is empty; {field.asks[0].lower()}{field.asks[1:]}")
    return given


def _number(field: Field, given: Any, what: str) -> float | int:
    try:
        if isinstance(given, bool):
            raise ValueError
        number = float(given or field.usual)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{what}; give a number") from None
    if not field.least <= number <= field.most:
        raise InputError(f"{what}; give a number from {field.least:g} to {field.most:g}")
    return number if field.least < 1 else int(number)


def _list(field: Field, given: Any, what: str, limits: Limits) -> list[str]:
    items = [line for line in given.splitlines() if line.strip()] if isinstance(given, str) else given
    if field.kind == "several" and isinstance(given, str):
        items = [item for item in given.replace(",", " ").split() if item]
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise InputError(f"{what}; give a list of texts")
    if field.needed and not items:
        raise InputError(f"{field.name} is empty; give at least one")
    if len(items) > limits.documents:
        raise InputError(f"{field.name} has {len(items)} entries; give at most {limits.documents}")
    if field.options and (strange := [item for item in items if item not in [option.value for option in field.options]]):
        raise OptionError(unknown(field.name, strange[0], [option.value for option in field.options]))
    return items


def _within(model: TextModel, found: Mapping[str, Any], wanted: Mapping[str, Field], limits: Limits) -> None:
    texts = [text for name, value in found.items() if wanted[name].kind in ("text", "line", "lines") for text in _texts(value)]
    characters = sum(map(len, texts))
    if characters > limits.characters:
        raise TooLongError(f"the texts have {characters} characters together; give at most {limits.characters}")
    with untouched(model.tokenizer):
        tokens = sum(len(model.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]) for text in texts if text)
    if tokens > limits.tokens:
        raise TooLongError(f"the texts have {tokens} tokens together; give at most {limits.tokens}")


def _texts(value: Any) -> list[str]:
    texts: list[str] = [value] if isinstance(value, str) else value
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{text[error.start]!r} at place {error.start} of {text[:40]!r} is no character") from None
    return texts
