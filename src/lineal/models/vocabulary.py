"""Tokens by name: from a user's spelling to an id of the vocabulary, and back to text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lineal.errors import InputError, OptionError
from lineal.kept import Kept
from lineal.models.base import TextModel
from lineal.models.encoded import check_characters
from lineal.models.lease import turn, untouched

NO_WORD = re.compile(r"[\[<]\|?(?:unused|reserved)[\w-]*\|?[\]>]", re.IGNORECASE)
"""How tokenizers spell rows that nothing was ever trained on: [unused12], <unused12>, <|reserved_special_token_5|>."""

SPECIAL = ("mask", "pad", "unk", "eos", "bos")
"""Special tokens by what they are for, as transformers names them."""
BLOCK = 8192
"""Rows of the embedding table that are looked at together."""

_drawable: Kept[tuple[int, frozenset[int]], NDArray[np.int64]] = Kept(most=1)


def token_id(model: TextModel, token: str | int) -> int:
    """Return the id of one token. Raises OptionError for an id outside the vocabulary, InputError for a text of several tokens."""
    if isinstance(token, int):
        if not 0 <= token < model.vocabulary:
            raise OptionError(f"token id {token} is outside the vocabulary of {model.vocabulary}")
        return token
    if not isinstance(token, str):
        raise OptionError(f"a token is a text or an id, not {token!r}")
    check_characters(token)
    with untouched(model.tokenizer):
        ids = model.tokenizer(token, add_special_tokens=False)["input_ids"]
    if len(ids) != 1:
        pieces = ", ".join(repr(spell(model, i)) for i in ids) or "nothing"
        raise InputError(f"{token!r} is {len(ids)} tokens for this model ({pieces}); give one token, its leading space included")
    return int(ids[0])


def special_tokens(tokenizer: Any) -> dict[str, int]:
    """Return the ids of the special tokens that a tokenizer has, by their names in `SPECIAL`."""
    ids = {name: getattr(tokenizer, f"{name}_token_id", None) for name in SPECIAL}
    return {name: token for name, token in ids.items() if token is not None}


def spell(model: TextModel, *tokens: int) -> str:
    """Return a token, or several in a row, as text, leading space kept."""
    with turn(model.tokenizer):
        return str(model.tokenizer.decode(list(tokens))) or f"token {', '.join(map(str, tokens))}"


def named(model: TextModel, vectors: Tensor, likely: Sequence[int]) -> list[int] | None:
    """Return the ids of the tokens whose embeddings (t, d) these are, to the last bit; None where one of them is no token's.

    likely: (t,) ids that are tried first. Where they do not fit, cost is one pass over the vocabulary's embeddings.
    """
    found = torch.as_tensor(list(likely), device=vectors.device)
    with torch.no_grad():
        wrong = (model.embed(found) != vectors).any(dim=-1).nonzero()[:, 0]
        wanted, places = torch.unique(vectors[wrong], dim=0, return_inverse=True)
        ids = torch.full((len(wanted),), -1, device=vectors.device)
        for first in range(0, model.vocabulary if len(wanted) else 0, BLOCK):
            block = torch.arange(first, min(first + BLOCK, model.vocabulary), device=vectors.device)
            rows = model.embed(block)
            for n in torch.isin(rows[:, 0], wanted[:, 0]).nonzero()[:, 0].tolist():
                ids[(wanted == rows[n]).all(dim=-1)] = first + n
    found[wrong] = ids[places]
    return None if bool((found < 0).any()) else [int(i) for i in found]


def drawable(model: TextModel) -> NDArray[np.int64]:
    """Return the ids of all words of the vocabulary: no special tokens, no unused ones, no rows behind the tokenizer's last token.

    What random words are drawn from. Computed once per tokenizer. Raises OptionError when nothing is left.
    """
    tokenizer = model.tokenizer
    count = min(model.vocabulary, len(tokenizer))
    added = getattr(tokenizer, "added_tokens_decoder", {})
    special = {*tokenizer.all_special_ids, *(i for i, token in added.items() if token.special)}

    def made() -> NDArray[np.int64]:
        names = enumerate(tokenizer.convert_ids_to_tokens(list(range(count))))
        words = [i for i, name in names if i not in special and name is not None and not NO_WORD.fullmatch(name)]
        if not words:
            raise OptionError(f"the vocabulary of {model.card.name} has special and unused tokens only: there is no word to draw")
        return np.array(words)

    with turn(tokenizer):
        return _drawable.get(tokenizer, (count, frozenset(special)), made)
