"""Tokens by name: from a user's spelling to an id of the vocabulary, and back to text."""

from __future__ import annotations

from lineal.errors import InputError, OptionError
from lineal.models.base import TextModel


def token_id(model: TextModel, token: str | int) -> int:
    """Return the id of one token. Raises OptionError for an id outside the vocabulary, InputError for a text of several tokens."""
    if isinstance(token, int):
        if not 0 <= token < model.vocabulary:
            raise OptionError(f"token id {token} is outside the vocabulary of {model.vocabulary}")
        return token
    ids = model.tokenizer(token, add_special_tokens=False)["input_ids"]
    if len(ids) != 1:
        pieces = ", ".join(repr(spell(model, i)) for i in ids) or "nothing"
        raise InputError(f"{token!r} is {len(ids)} tokens for this model ({pieces}); give one token, its leading space included")
    return int(ids[0])


def spell(model: TextModel, token: int) -> str:
    """Return a token as text, leading space kept."""
    return str(model.tokenizer.decode([token])) or f"token {token}"
