"""Which tokens of a prompt are meant: by regular expression, characters, token ids, a region's name or a speaker's role.

`select` turns the user's words into token indices, `names` gives each token the name of its region. Knows nothing about scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

from lineal.errors import InputError, OptionError
from lineal.models.encoded import Encoded
from lineal.records import group as regroup

TEMPLATE, GENERATED = "template", "generated"
"""Regions without characters of their own: what the chat template adds, and what was generated."""

Select = str | int | Sequence[tuple[int, int]] | Sequence[int] | None


def check(name: str, selection: Any) -> None:
    """Raise OptionError, which repeats the option's name, when this can select nothing of any text."""
    entries = [selection] if isinstance(selection, Integral) or getattr(selection, "ndim", 1) == 0 else selection
    if selection is None or isinstance(selection, str):
        return
    if isinstance(entries, Iterable) and not isinstance(selection, (bool, bytes, Mapping)) and all(map(_is_entry, entries)):
        return
    raise OptionError(
        f"{name} is {selection!r}; give a regular expression, the name of a region, a role, (start, end) spans of characters, or token ids"
    )


def _is_entry(entry: Any) -> bool:
    parts = entry if isinstance(entry, (tuple, list)) else [entry]
    return all(isinstance(part, Integral) and not isinstance(part, bool) for part in parts) and (parts is not entry or len(parts) == 2)


def select(encoded: Encoded, selection: Select) -> set[int]:
    """Return the tokens that are meant, special ones not excluded.

    selection: a region's name or a speaker's role ("question", "user", "example 2"; "template" and "generated" too), else a regular
    expression; character spans (start, end) of the first text; or token ids. Raises InputError when nothing fits.
    """
    if selection is None:
        return set()
    if isinstance(selection, str):
        labels = names(encoded)
        if selection in labels or any(selection == region.role for region in encoded.named):
            roles = _roles(encoded)
            return {i for i, name in enumerate(labels) if selection in (name, roles[i])}
        return _covered(encoded, regroup.resolve_spans(encoded.texts[0], selection))
    entries: list[Any] = list(selection) if isinstance(selection, Iterable) else [selection]
    ids = {entry for entry in entries if isinstance(entry, Integral)}
    spans = [entry for entry in entries if not isinstance(entry, Integral)]
    tokens = _covered(encoded, regroup.resolve_spans(encoded.texts[0], spans)) | {i for i, token in enumerate(encoded.ids) if token in ids}
    if not tokens:
        raise InputError(f"{selection!r} selects no token of {encoded.texts[0][:40]!r}")
    return tokens


def names(encoded: Encoded) -> tuple[str, ...]:
    """Return the region of each token, "" where it lies in none; () when nothing has a name.

    A token belongs to the first region it shares a character with; blanks before its word do not count.
    """
    if not encoded.named and not encoded.steps:
        return ()
    rest = TEMPLATE if any(region.role for region in encoded.named) else ""
    first = len(encoded) - encoded.steps
    return tuple(
        GENERATED if i >= first else encoded.named[j].name if (j := _region(encoded, i)) >= 0 else rest for i in range(len(encoded))
    )


def _roles(encoded: Encoded) -> list[str]:
    first = len(encoded) - encoded.steps
    return [encoded.named[j].role if i < first and (j := _region(encoded, i)) >= 0 else "" for i in range(len(encoded))]


def _region(encoded: Encoded, i: int) -> int:
    if encoded.segments[i] != 0:
        return -1
    begin, end = encoded.offsets[i]
    piece = encoded.texts[0][begin:end]
    begin += len(piece) - len(piece.lstrip()) if piece.strip() else 0
    return regroup.first_overlap((begin, end), [(region.start, region.end) for region in encoded.named])


def _covered(encoded: Encoded, pairs: Sequence[tuple[int, int]]) -> set[int]:
    return {i for i, segment in enumerate(encoded.segments) if segment == 0 and regroup.first_overlap(encoded.offsets[i], pairs) >= 0}
