"""Prompts that are one text: with regions that have names, or by its token ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lineal.errors import InputError, OptionError
from lineal.models.base import TextModel
from lineal.models.encoded import Encoded, Region
from lineal.models.generative import Generative
from lineal.prompts.contract import shown
from lineal.records import group as regroup
from lineal.typed import check_fields


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
        regions = []
        for name, where in self.regions.items():
            pairs = [where] if isinstance(where, tuple) and len(where) == 2 and isinstance(where[0], int) else where
            regions += [Region(name, start + shift, end + shift, role) for start, end in regroup.resolve_spans(self.text, pairs)]
        return tuple(sorted(regions, key=lambda region: region.start))


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
        what = "several texts" if isinstance(rows, list) and rows and isinstance(rows[0], list) else shown(given)
        raise InputError(f"token ids are a list of whole numbers, those of one text; this is {what}")
    if not rows:
        raise InputError("there are no token ids")
    if outside := [i for i in rows if not 0 <= i < vocabulary]:
        raise InputError(f"token id {outside[0]} is outside the vocabulary of {vocabulary}")
    return list(rows)
