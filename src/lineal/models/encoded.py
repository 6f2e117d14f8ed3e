"""A text as a model reads it: ids, characters, words and roles of its tokens.

`tokenise` makes one; prompts, pairs and generations make others of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lineal.errors import InputError, OptionError, TooLongError, listing
from lineal.models.lease import untouched
from lineal.records.attribution import Role

CHARACTERS = 64
"""Of a text that is longer than so many characters per token the model reads, a part is looked at first."""


@dataclass(frozen=True)
class Region:
    """A named stretch of the first text: characters start to end. role: who speaks it in a chat; empty elsewhere."""

    name: str
    start: int
    end: int
    role: str = ""


@dataclass(frozen=True)
class Encoded:
    """One text (or pair of texts) as the model reads it.

    features: what the model takes, each (t,): input_ids, attention_mask, perhaps token_type_ids. The other fields are those of the
    record (`lineal.Attribution`) of the same name, but for these: named, the regions of the first text that have a name; steps, how
    many tokens at the end follow the prompt and are themselves explained; neutral, the places that no token of the text stands in, but a
    neutral one in place of what another text says there.
    """

    texts: tuple[str, ...]
    features: dict[str, Tensor]
    tokens: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]
    segments: tuple[int, ...]
    word_ids: tuple[int | None, ...]
    roles: tuple[Role, ...]
    read: tuple[int, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    named: tuple[Region, ...] = ()
    steps: int = 0
    neutral: tuple[int, ...] = ()

    @property
    def ids(self) -> list[int]:
        """Token ids, (t,)."""
        return [int(i) for i in self.features["input_ids"]]

    @property
    def marks(self) -> dict[str, Any]:
        """What every record keeps of its tokens: (t,) each."""
        return {"tokens": self.tokens, "offsets": self.offsets, "word_ids": self.word_ids, "roles": self.roles}

    def __len__(self) -> int:
        """Number of tokens."""
        return len(self.tokens)


def check_characters(text: str) -> None:
    """Raise InputError for a text that no tokenizer reads: with half of a surrogate pair, as bytes of another encoding leave it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{text[error.start]!r} at place {error.start} of the text {text[:40]!r} is no character: it was probably read in another "
            "encoding than it was written in"
        ) from None


def tokenise(
    tokenizer: Any, texts: Sequence[str], limit: int | None, truncate: bool, names: Sequence[str], add_special: bool = True
) -> Encoded:
    """Tokenise one text or a pair with offsets, word ids and roles.

    limit: most tokens the model reads. names: the features the model takes. add_special: False for a text that spells its
    special tokens itself, as a chat template does. Raises InputError for something that is no
    text or empty, TooLongError (naming both lengths) unless `truncate`; OptionError for a tokenizer without offsets.
    """
    if not 1 <= len(texts) <= 2:
        raise InputError(f"a model reads one text, or a pair of two; {len(texts)} were given; for many texts use explain_many")
    for text in texts:
        if not isinstance(text, str):
            raise InputError(f"a text must be a string, not {type(text).__name__}; for many texts use explain_many")
        if not text.strip():
            raise InputError("the text is empty: there is no token to attribute anything to")
        check_characters(text)
    if not getattr(tokenizer, "is_fast", False):
        raise OptionError(f"{type(tokenizer).__name__} is a slow tokenizer without character offsets; load the fast version of it")
    heads = readable(tokenizer, texts, limit)
    with untouched(tokenizer):
        return _tokenise(tokenizer, tuple(texts), heads, limit, truncate, names, add_special)


def readable(tokenizer: Any, texts: Sequence[str], limit: int | None) -> tuple[str, ...]:
    """Return as much of each text as decides which tokens a model with this limit reads: all of it, unless it is far longer.

    Of a text beyond `CHARACTERS` per token, a beginning of at least twice as many tokens as are read, which ends at white space where there
    is any: what follows cannot change the tokens before. So a text of any length costs what the limit costs.
    """
    room = None if limit is None else CHARACTERS * limit
    while room is not None and any(len(text) > room for text in texts):
        heads = tuple(_head(text, room) for text in texts)
        with untouched(tokenizer):
            counts = [len(tokenizer(head, add_special_tokens=False, verbose=False)["input_ids"]) for head in heads]
        if all(count >= 2 * limit or head == text for count, head, text in zip(counts, heads, texts, strict=True)):  # type: ignore[operator]
            return heads
        room *= 4
    return tuple(texts)


def _head(text: str, room: int) -> str:
    """Return at most `room` characters of a text, whole words where white space is found in their last quarter."""
    if len(text) <= room:
        return text
    last = max((text.rfind(space, room * 3 // 4, room) for space in " \n\t"), default=-1)
    return text[: last if last > 0 else room]


def _tokenise(
    tokenizer: Any,
    texts: tuple[str, ...],
    heads: tuple[str, ...],
    limit: int | None,
    truncate: bool,
    names: Sequence[str],
    add_special: bool,
) -> Encoded:
    asked = {"return_offsets_mapping": True, "return_special_tokens_mask": True, "add_special_tokens": add_special, "verbose": False}
    batch = tokenizer(*heads, **asked)
    length = len(batch["input_ids"])
    stated = f"{'' if heads == texts else 'more than '}{length}"
    if limit is None or length <= limit:
        return _encoded(tokenizer, batch, texts, names)
    if not truncate:
        raise TooLongError(f"the text has {stated} tokens, the model reads {limit}; shorten it or pass truncate=True")
    return _encoded(tokenizer, tokenizer(*heads, **asked, truncation=True, max_length=limit), texts, names, stated)


def _encoded(tokenizer: Any, batch: Any, texts: tuple[str, ...], names: Sequence[str], cut_from: str | None = None) -> Encoded:
    ids = batch["input_ids"]
    segments = [-1 if s is None else int(s) for s in batch.sequence_ids(0)]
    offsets = [(0, 0) if s < 0 else (int(a), int(b)) for s, (a, b) in zip(segments, batch["offset_mapping"], strict=True)]
    special = [
        bool(flag) or s < 0 or _spelled_special(tokenizer, i, texts[s][slice(*span)])
        for flag, s, i, span in zip(batch["special_tokens_mask"], segments, ids, offsets, strict=True)
    ]
    if all(special):
        raise InputError(f"the text {texts[0][:40]!r} has no token but special ones: there is nothing to attribute anything to")
    read = tuple(
        len(text) if cut_from is None else max((b for (_, b), s in zip(offsets, segments, strict=True) if s == j), default=0)
        for j, text in enumerate(texts)
    )
    notes: tuple[str, ...] = ()
    if cut_from is not None:
        lost = sum(len(text) - end for text, end in zip(texts, read, strict=True))
        notes = (f"The text was cut from {cut_from} to {len(ids)} tokens: its last {lost} characters were not read.",)
    return Encoded(
        texts=texts,
        features={name: torch.tensor(batch[name]) for name in names if name in batch},
        tokens=tuple(tokenizer.convert_ids_to_tokens(ids)),
        offsets=tuple(offsets),
        segments=tuple(segments),
        word_ids=tuple(None if flag else word for flag, word in zip(special, batch.word_ids(0), strict=True)),
        roles=tuple("special" if flag else "content" for flag in special),
        read=read,
        notes=notes,
        warnings=_unknown(tokenizer, ids, [text[:end] for text, end in zip(texts, read, strict=True)], segments, offsets, special),
    )


def _unknown(
    tokenizer: Any,
    ids: Sequence[int],
    texts: Sequence[str],
    segments: Sequence[int],
    offsets: Sequence[tuple[int, int]],
    special: Sequence[bool],
) -> tuple[str, ...]:
    """Return a sentence about the characters that the vocabulary lacks; nothing when there are none."""
    unknown = getattr(tokenizer, "unk_token_id", None)
    places = [(s, a, b) for s, (a, b), i, flag in zip(segments, offsets, ids, special, strict=True) if i == unknown and s >= 0 and not flag]
    pieces = [texts[s][a:b] for s, a, b in places]
    lost, every = (sum(not char.isspace() for text in of for char in text) for of in (pieces, texts))
    if not lost:
        return ()
    return (
        f"The model cannot read {lost} of {every} characters: {listing(dict.fromkeys(pieces), 8)}. Each stands for "
        f"{tokenizer.unk_token}, so a score beside it is not about what is written there.",
    )


def _spelled_special(tokenizer: Any, token: int, piece: str) -> bool:
    """Whether a special token is written out in the text, as <|im_end|> in a chat; an unknown word is none."""
    return token in tokenizer.all_special_ids and (token != tokenizer.unk_token_id or piece == tokenizer.unk_token)


def model_limit(tokenizer: Any, config: Any) -> int | None:
    """Return the most tokens a model reads: the tokenizer's word when it has one, else the position table's size, else None."""
    stated = getattr(tokenizer, "model_max_length", None)
    table = next(
        (
            value
            for name in ("max_position_embeddings", "n_positions")
            if isinstance(value := getattr(config, name, None), int) and value > 0
        ),
        None,
    )
    if table is not None and getattr(config, "model_type", "") in ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer"):
        table -= int(getattr(config, "pad_token_id", 1) or 1) + 1  # positions start behind the padding index
    sensible = [value for value in (stated, table) if isinstance(value, int) and 0 < value < 10_000_000]
    return min(sensible) if sensible else None
