"""The exceptions Lineal raises, and how their messages list names. Imports nothing of Lineal.

LinealError
├── InputError (ValueError)        the text, span or tensor that was given cannot be explained
│   └── TooLongError               the text has more tokens than the model reads
├── OptionError (ValueError)       an option, target, unit, baseline or rule that does not exist or does not fit
├── ModelError (RuntimeError)      the model cannot be loaded, or answers with something that is no number
│   └── FidelityError              the model run from embeddings is not the model run from text
├── ResultError (ValueError)       a stored result cannot be read or does not fit the request
├── OutputError (OSError)          a file or folder cannot be written
├── MemoryLimitError (MemoryError) one single path point does not fit in memory
└── MissingExtraError (ImportError) an optional dependency is not installed

Not converging is not an exception: it is a `lineal.quadrature.Stop` on the result.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class LinealError(Exception):
    """Base of everything Lineal raises on purpose; catch it to catch all of them."""


class InputError(LinealError, ValueError):
    """The text, span or tensor that was given cannot be explained."""


class TooLongError(InputError):
    """The text has more tokens than the model reads, and `truncate` was not asked for."""


class OptionError(LinealError, ValueError):
    """An option, target, unit, baseline or rule is unknown, or does not fit this model."""


class ModelError(LinealError, RuntimeError):
    """The model cannot be loaded, or answered with something that is not a finite number."""


class FidelityError(ModelError):
    """The forward pass from input embeddings differs from the plain forward pass."""


class ResultError(LinealError, ValueError):
    """A stored result cannot be read, or lacks what was asked of it."""


class OutputError(LinealError, OSError):
    """A file or folder cannot be written; what was there before is as it was."""


class MemoryLimitError(LinealError, MemoryError):
    """Not even one path point of one text fits in memory."""


class MissingExtraError(LinealError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""


def listing(names: object, limit: int = 20) -> str:
    """Return names as one readable list for a message: `a, b, c (and 7 more)`."""
    items = [str(name) for name in names]  # type: ignore[attr-defined]
    shown = ", ".join(items[:limit])
    return shown if len(items) <= limit else f"{shown} (and {len(items) - limit} more)"


def unknown(what: str, given: object, known: Iterable[object], shown: Iterable[object] | None = None, limit: int = 30) -> str:
    """Return the message for a name that does not exist: the nearest one there is, and all of them. shown: how they are written."""
    names = [str(name) for name in known]
    near = get_close_matches(str(given).partition(":")[0], names, 1)
    all_of_them = listing(names if shown is None else shown, limit)
    return f"unknown {what} {given!r}; {f'did you mean {near[0]!r}? There are' if near else 'choose one of'} {all_of_them}"
