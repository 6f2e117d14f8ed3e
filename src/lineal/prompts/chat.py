"""Messages, as the tokenizer's own chat template makes one text of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lineal.errors import InputError, OptionError
from lineal.models.base import TextModel
from lineal.models.encoded import Encoded, Region
from lineal.models.generative import Generative
from lineal.prompts.texts import Marked
from lineal.records import group as regroup
from lineal.records.attribution import Role

ANSWER = "answer"
"""The region of the beginning of an answer that a chat ends with."""


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
