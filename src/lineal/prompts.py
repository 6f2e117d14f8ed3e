"""What can be explained besides a plain text: a prompt with named regions, a chat, a prompt with what the model says next.

Each is a value with `read_by(model, truncate)`, which returns the prompt as the model reads it. Pass one wherever a text is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from lineal.errors import InputError, OptionError, listing
from lineal.models.base import TextModel
from lineal.models.encoded import Encoded, Region
from lineal.models.generative import Generative
from lineal.records import group as regroup
from lineal.records.attribution import Role
from lineal.typed import check_fields, listed

TEMPLATE, ANSWER, GENERATED = "template", "answer", "generated"
"""Names of regions: what the chat template adds, the beginning of an answer that the chat ends with, and what was generated."""
MISSING = "the text is missing ({}); drop such rows first, as column.dropna() does"


@runtime_checkable
class Prompt(Protocol):
    """Something that a model can read as one prompt."""

    def read_by(self, model: TextModel, truncate: bool) -> Encoded:
        """Return it tokenised, with its regions."""
        ...


@dataclass(frozen=True)
class Marked:
    """A text with named regions. regions: name → a regular expression, (start, end) in characters, or several such pairs."""

    text: str
    regions: Mapping[str, str | tuple[int, int] | Sequence[tuple[int, int]]]

    def __post_init__(self) -> None:
        """Check the kinds of what was given."""
        check_fields(self)
        if not isinstance(self.regions, Mapping) or not all(isinstance(name, str) for name in self.regions):
            raise OptionError(f"regions is {self.regions!r}; give a dictionary from names to places in the text")

    def read_by(self, model: TextModel, truncate: bool) -> Encoded:
        """Tokenise as usual. Raises InputError for a region that is not in the text."""
        return replace(model.encode((self.text,), truncate), named=self.named())

    def named(self, role: str = "", shift: int = 0) -> tuple[Region, ...]:
        """Return the regions in text order, `shift` characters further on. Raises InputError for one that is not in the text."""
        found = []
        for name, where in self.regions.items():
            pairs = [where] if isinstance(where, tuple) and len(where) == 2 and isinstance(where[0], int) else where
            found += [Region(name, start + shift, end + shift, role) for start, end in regroup.resolve_spans(self.text, pairs)]
        return tuple(sorted(found, key=lambda region: region.start))


@dataclass(frozen=True, eq=False)
class Ids:
    """A text by its token ids, special ones included: a list, or a tensor of shape (t,) or (1, t).

    Decoders read any ids, and show the text that they spell. All other models read them only where they are what the model itself makes
    of that text: segments, prompts and start tokens are not in the ids. Never cut, whatever `truncate` says.
    """

    ids: Any

    def read_by(self, model: TextModel, truncate: bool) -> Encoded:
        """Return them as the model reads them. Raises InputError for what are no ids of the vocabulary, or not those of their text."""
        ids = _checked_ids(self.ids, model.vocabulary)
        words = model.tokenizer
        if model.card.kind == "causal":
            assert isinstance(model, Generative), "decoders generate"
            encoded = model.spelled(ids)
            same = encoded if not encoded.texts[0].strip() else model.encode(encoded.texts)
            return same if same.ids == ids else encoded
        encoded = model.encode((words.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False),))
        if encoded.ids != ids:
            raise InputError(
                f"of the text {encoded.texts[0][:60]!r} that these ids spell, {model.card.name} reads {len(encoded)} tokens where "
                f"{len(ids)} others were given; pass the text itself, or a pair of texts"
            )
        return encoded


def _checked_ids(given: Any, vocabulary: int) -> list[int]:
    rows = given.tolist() if hasattr(given, "tolist") else given
    if isinstance(rows, (list, tuple)) and len(rows) == 1 and isinstance(rows[0], (list, tuple)):
        rows = rows[0]
    if not isinstance(rows, (list, tuple)) or not all(isinstance(i, int) and not isinstance(i, bool) for i in rows):
        what = "several texts" if isinstance(rows, list) and rows and isinstance(rows[0], list) else _shown(given)
        raise InputError(f"token ids are a list of whole numbers, those of one text; this is {what}")
    if not rows:
        raise InputError("there are no token ids")
    if outside := [i for i in rows if not 0 <= i < vocabulary]:
        raise InputError(f"token id {outside[0]} is outside the vocabulary of {vocabulary}")
    return list(rows)


@dataclass(frozen=True)
class Chat:
    """Messages through the tokenizer's own chat template.

    messages: {"role": "system" | "user" | "assistant", "content": …} in order; a content is a text, or a `Marked` one whose regions
    then stand before the message's own, which keeps the rest. The prompt ends where the assistant begins to answer; when the last
    message is the assistant's, it is the beginning of the answer and the model goes on from there.

    Regions: system; example 1 … n, a user message with the assistant's answer to it; question, the last user message; answer, the
    beginning of one. What the template adds is held at its own embedding, region "template". The template's text is tokenised once.
    """

    messages: Sequence[Mapping[str, Any]]

    def __post_init__(self) -> None:
        """Check that there is a list; its entries are checked when it is read."""
        if not isinstance(self.messages, (list, tuple)):
            raise InputError(f"messages is {self.messages!r}; give a list, as [{{'role': 'user', 'content': …}}]")

    def read_by(self, model: TextModel, truncate: bool) -> Encoded:
        """Apply the template. Raises OptionError without one, InputError for broken messages or a template that rewrites them."""
        if not isinstance(model, Generative):
            raise OptionError(f"messages are for chat models; {model.card.name} is of kind {model.card.kind}: pass a text")
        messages = [_checked(message, i) for i, message in enumerate(self.messages)]
        if not messages:
            raise InputError("messages is empty; give at least one {'role': 'user', 'content': …}")
        text = rendered(model.tokenizer, messages, model.card.name)
        places = _places(text, messages)
        named = _regions(messages, places, [message["content"] for message in self.messages])
        encoded = model.encode((text,), truncate, add_special=False)
        special = set(model.tokenizer.all_special_ids)

        def role(i: int) -> Role:
            if encoded.ids[i] in special:
                return "special"
            return "content" if regroup.first_overlap(encoded.offsets[i], places) >= 0 else "held"

        return replace(encoded, named=named, roles=tuple(role(i) for i in range(len(encoded))))


@dataclass(frozen=True)
class Generation:
    """A prompt and what follows it: the model's own continuation, or a given one.

    prompt: a text or another prompt. continuation: text or token ids; None lets the model generate, greedily, at most `max_new_tokens`.
    hold: the continuation keeps its own embeddings, so that only the prompt is attributed to. generate: keywords of that function in
    transformers.
    """

    prompt: Any
    max_new_tokens: int = 6
    continuation: str | Sequence[int] | None = None
    hold: bool = False
    generate: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_fields(self)
        if self.max_new_tokens < 1:
            raise OptionError(f"max_new_tokens is {self.max_new_tokens}; give at least 1")

    def read_by(self, model: TextModel, truncate: bool) -> Encoded:
        """Tokenise the prompt, generate or follow it. Raises as `Generative.generate` and `Generative.follow`; OptionError when the model
        does not read as many new tokens.
        """
        if not isinstance(model, Generative):
            raise OptionError(f"a generation needs a language model; {model.card.name} is of kind {model.card.kind}")
        encoded = read(self.prompt, model, truncate)
        if self.continuation is None:
            room = None if model.limit is None else model.limit - len(encoded)
            if room is not None and 1 <= room < self.max_new_tokens:
                raise OptionError(
                    f"max_new_tokens is {self.max_new_tokens}, but the prompt has {len(encoded)} tokens and the model reads {model.limit}; "
                    f"give at most {room}, or a shorter prompt"
                )
            ids = model.generate(encoded, max_new_tokens=self.max_new_tokens, **self.generate)
        elif isinstance(self.continuation, str):
            ids = model.follow(encoded, self.continuation)
        else:
            ids = tuple(map(int, listed("continuation", self.continuation, "token ids, or a text", kinds=(int, np.integer))))
            if not ids or not all(0 <= i < model.vocabulary for i in ids):
                raise InputError(f"the continuation {ids} is empty or has ids outside the vocabulary of {model.vocabulary}")
        return model.extended(encoded, ids, "held" if self.hold else "content")


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


def check_list(texts: Any, verb: str, one: str, noun: str = "texts") -> None:
    """Raise InputError unless these are several texts. verb, one: what was called, and what is for a single string. A table is none."""
    if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable) or getattr(texts, "ndim", 1) == 0:
        raise InputError(f"{verb} takes a list of {noun}, not {_shown(texts)}; for one string use {one}")
    if isinstance(texts, Mapping) or hasattr(texts, "columns"):
        column = _likely(texts) or "text"
        raise InputError(f'{verb} takes a list of {noun}, not a whole {type(texts).__name__}; pass a column of it: table["{column}"]')


def _no_text(given: Any) -> str:
    """Say what was given in place of a text, and what to do."""
    if isinstance(given, Mapping):
        likely = _likely(given)
        step = f'pass its text: row["{likely}"]' if likely else "pass one of its columns, as a string"
        return f"this is a row of a data set, a {type(given).__name__} with {listing(given)}, and no text; {step}"
    if given is None or type(given).__name__ == "NAType" or (isinstance(given, float) and given != given):
        return MISSING.format(given)
    if isinstance(given, (bytes, bytearray)):
        return f"a text is a string, not {type(given).__name__}; decode it first: text.decode('utf-8')"
    if isinstance(given, (tuple, list)) or hasattr(given, "tolist"):
        return f"a text is a string, not {_shown(given)}; for token ids give lineal.prompts.Ids([…])"
    return f"a text is a string, not {_shown(given)}"


def _likely(row: Any) -> str | None:
    """Return the name of the column that most likely holds the text."""
    names = [name for name in row if isinstance(name, str)]
    texts = [name for name in names if isinstance(row[name], str)] or ([] if isinstance(row, Mapping) else names)
    return next((name for name in ("text", "sentence", *texts) if name in names), None)


def _shown(given: Any) -> str:
    shown = repr(given)
    return f"{shown if len(shown) <= 40 else shown[:39] + '…'} ({type(given).__name__})"


def rendered(tokenizer: Any, messages: Sequence[Mapping[str, str]], name: str) -> str:
    """Return the text of a chat up to where the assistant goes on. Raises OptionError when the tokenizer has no template."""
    if not getattr(tokenizer, "chat_template", None):
        raise OptionError(f"the tokenizer of {name} has no chat template; pass the prompt as a text, or set tokenizer.chat_template")
    begun = messages[-1]["role"] == "assistant"
    try:
        return str(
            tokenizer.apply_chat_template(
                [dict(message) for message in messages], tokenize=False, add_generation_prompt=not begun, continue_final_message=begun
            )
        )
    except Exception as error:  # templates raise what they like: jinja2 errors, ValueError, TypeError
        raise InputError(f"the chat template of {name} refuses these messages: {error}") from error


def _checked(message: Any, i: int) -> dict[str, str]:
    content = message.get("content") if isinstance(message, Mapping) else None
    content = content.text if isinstance(content, Marked) else content
    if not isinstance(content, str) or not isinstance(message.get("role"), str):
        raise InputError(f"message {i + 1} is {str(message)[:60]!r}; each one is {{'role': …, 'content': …}} with two strings")
    return {**message, "content": content}


def _places(text: str, messages: Sequence[Mapping[str, str]]) -> list[tuple[int, int]]:
    """Find each message in the rendered text, in order: (start, end) in characters."""
    places, cursor = [], 0
    for message in messages:
        content = message["content"].strip()
        start = text.find(content, cursor)
        if start < 0:
            raise InputError(f"the chat template rewrites the {message['role']} message {content[:40]!r}: its words are not in the prompt")
        cursor = start + len(content)
        places.append((start, cursor))
    return places


def _regions(messages: Sequence[Mapping[str, str]], places: Sequence[tuple[int, int]], contents: Sequence[Any]) -> tuple[Region, ...]:
    """Return a region per message that says something, those that its content has marked before it: the first that fits is a token's."""
    regions: list[Region] = []
    for name, message, (start, end), content in zip(_names([m["role"] for m in messages]), messages, places, contents, strict=True):
        if isinstance(content, Marked):
            regions += content.named(message["role"], start - (len(content.text) - len(content.text.lstrip())))
        if end > start:
            regions.append(Region(name, start, end, message["role"]))
    return tuple(regions)


def _names(roles: Sequence[str]) -> list[str]:
    """Name messages by what they are for: everything before the last user message that is not the system's is an example."""
    asked = max((i for i, role in enumerate(roles) if role == "user"), default=len(roles))
    names, example = [], 0
    for i, role in enumerate(roles):
        example += role == "user" and i < asked
        if i >= asked:
            names.append("question" if i == asked else ANSWER if role == "assistant" else role)
        else:
            names.append(f"example {example}" if role in ("user", "assistant") and example else role)
    return names
