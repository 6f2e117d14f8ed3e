"""Whether the fields of a value hold what their annotations say. Knows nothing of what they mean."""

from __future__ import annotations

import math
from dataclasses import fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from lineal.errors import OptionError, listing, unknown

WORDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a text", NoneType: "None"}
"""What is said about the kinds that are checked."""


def check_fields(value: Any) -> None:
    """Raise OptionError for the first field of a dataclass that holds another kind of thing than its annotation names.

    Checked are bool, int, float (finite), str, None, literals and unions of these; fields with other annotations are left alone. Scalars
    of numpy are replaced by the plain ones, in place.
    """
    for name, kinds in _kinds(type(value)).items():  # type: ignore[arg-type]
        given = getattr(value, name)
        if isinstance(given, np.generic):
            given = given.item()
            object.__setattr__(value, name, given)
        if not any(_fits(given, kind) for kind in kinds):
            raise OptionError(_misfit(name, given, kinds))


def check_value(name: str, given: Any, *kinds: Any) -> None:
    """Raise OptionError when an argument is of none of these kinds: bool, int, float (finite), str, NoneType or a literal."""
    if not any(_fits(given, kind) for kind in kinds):
        raise OptionError(_misfit(name, given, kinds))


def check_seed(seed: Any) -> None:
    """Raise OptionError for a seed that is no whole number from 0 to 2⁶³ − 1."""
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        raise OptionError(f"seed is {seed!r}; give a whole number from 0 to 2^63 − 1")


def listed(name: str, given: Any, of: str = "names", *, kinds: tuple[type, ...] = (str,)) -> list[Any]:
    """Return the entries of an argument that takes several; OptionError when it is one text, no list, or has another kind of entry.

    of: what the entries are called. kinds: what they may be.
    """
    if isinstance(given, (list, tuple)) and all(isinstance(entry, kinds) for entry in given):
        return list(given)
    raise OptionError(f"{name} is {given!r}; give a list of {of}")


@cache
def _kinds(owner: type) -> dict[str, tuple[Any, ...]]:
    """Return the alternatives of every field that can be checked."""
    hints = get_type_hints(owner)
    found = {field.name: _alternatives(hints[field.name]) for field in fields(owner)}
    return {name: kinds for name, kinds in found.items() if all(kind in WORDS or get_origin(kind) is Literal for kind in kinds)}


def _alternatives(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) in (Union, UnionType):
        return tuple(each for part in get_args(kind) for each in _alternatives(part))
    return (kind,)


def _fits(given: Any, kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return isinstance(given, str) and given in get_args(kind)
    if kind is float:
        return isinstance(given, (int, float)) and not isinstance(given, bool) and math.isfinite(given)
    return isinstance(given, kind) and (kind is bool or not isinstance(given, bool))


def _misfit(name: str, given: Any, kinds: tuple[Any, ...]) -> str:
    literal = next((kind for kind in kinds if get_origin(kind) is Literal), None)
    if isinstance(given, str) and literal is not None:
        return unknown(name, given, get_args(literal))
    wanted = [_named(kind) for kind in kinds]
    either = " or ".join([part for part in (", ".join(wanted[:-1]), wanted[-1]) if part])
    return f"{name} is {given!r}; give {either}"


def _named(kind: Any) -> str:
    return f"one of {listing(get_args(kind))}" if get_origin(kind) is Literal else WORDS[kind]
