"""Ways to give each token a score, all on one loop. A method is a value; its name, with its settings, is what the record stores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lineal.errors import OptionError, listing
from lineal.methods.contract import Case, Method, Outcome, Plan
from lineal.methods.ig import IG

METHODS: dict[str, Callable[..., Method]] = {
    "ig": IG,
}


def resolve(method: Any) -> Method:
    """Return a method from its name or from a value. Raises OptionError with the names there are."""
    if isinstance(method, str):
        if method not in METHODS:
            raise OptionError(f"unknown method {method!r}; choose one of {listing(METHODS)}")
        return METHODS[method]()
    if not hasattr(method, "plan"):
        raise OptionError(f"a method is a name ({listing(METHODS)}) or a value of lineal.methods, not {type(method).__name__}")
    return method  # type: ignore[no-any-return]


__all__ = ["IG", "METHODS", "Case", "Method", "Outcome", "Plan", "resolve"]
