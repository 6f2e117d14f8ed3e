"""A prompt with what the model says next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lineal.errors import InputError, OptionError
from lineal.models.base import TextModel
from lineal.models.encoded import Encoded
from lineal.models.generative import Generative
from lineal.prompts.contract import read
from lineal.typed import check_fields, listed


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

    def said_by(self, model: TextModel, truncate: bool) -> Generation:
        """Return the same with what the model says after the prompt as its continuation, so that all who read it read the same."""
        if self.continuation is not None:
            return self
        encoded = self.read_by(model, truncate)
        return replace(self, continuation=tuple(encoded.ids[-encoded.steps :]), generate={})

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
