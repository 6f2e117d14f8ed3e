"""Ways to give each token a score, all on one loop. A method is a value; its spelling is its name and the settings that are not the usual.

ig   dig-greedy   dig-maxcount:steps=10:neighbours=50   smoothgrad-ig:samples=16   occlusion-delete   random:seed=1
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any

from lineal.errors import OptionError, listing
from lineal.methods.averages import ExpectedGradients, SequentialIG, SmoothGradIG
from lineal.methods.contract import Case, Method, Outcome, Plan
from lineal.methods.dig import DIG, BlogDIG
from lineal.methods.ig import IG
from lineal.methods.local import GradientTimesInput, Occlusion, Random, Saliency

METHODS: dict[str, Callable[..., Method]] = {
    "ig": IG,
    "dig-greedy": partial(DIG, "greedy"),
    "dig-maxcount": partial(DIG, "maxcount"),
    "dig-blog": BlogDIG,
    "expected-gradients": ExpectedGradients,
    "smoothgrad-ig": SmoothGradIG,
    "sequential-ig": SequentialIG,
    "gradient-x-input": GradientTimesInput,
    "saliency": Saliency,
    "occlusion": Occlusion,
    "occlusion-delete": partial(Occlusion, "delete"),
    "occlusion-attention": partial(Occlusion, "attention"),
    "random": Random,
}
_SETTINGS = ("samples", "noise", "seed", "steps", "neighbours", "factor", "even")


def resolve(method: Any) -> Method:
    """Return a method from its spelling ("dig-greedy", "smoothgrad-ig:samples=16") or from a value. OptionError says what there is."""
    if isinstance(method, str):
        name, *settings = method.split(":")
        if name not in METHODS:
            raise OptionError(f"unknown method {name!r}; choose one of {listing(METHODS)}")
        usual = METHODS[name]()
        return METHODS[name](**dict(_setting(usual, name, text) for text in settings)) if settings else usual
    if not hasattr(method, "plan"):
        raise OptionError(f"a method is a name ({listing(METHODS)}) or a value of lineal.methods, not {type(method).__name__}")
    return method  # type: ignore[no-any-return]


def spelling(method: Method) -> str:
    """Return the spelling of a method: its name, and the settings that differ from the usual ones."""
    usual = METHODS[method.name]() if method.name in METHODS else method
    changed = [s for s in _settings(method) if getattr(method, s) != getattr(usual, s)]
    return ":".join([method.name, *(f"{s}={_spelled(getattr(method, s))}" for s in changed)])


def _spelled(value: Any) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def _settings(method: Method) -> list[str]:
    return [entry.name for entry in fields(method) if entry.name in _SETTINGS]  # type: ignore[arg-type]


def _setting(usual: Method, name: str, text: str) -> tuple[str, Any]:
    key, _, value = text.partition("=")
    known = _settings(usual)
    if key not in known:
        raise OptionError(f"the method {name} has no setting {key!r}; it has {listing(known) or 'none'}")
    kind = type(getattr(usual, key))
    try:
        return key, {"yes": True, "no": False}[value] if kind is bool else kind(value)
    except (ValueError, KeyError):
        expected = "yes or no" if kind is bool else "a whole number" if kind is int else "a number"
        raise OptionError(f"{name}:{key} is {value!r}; give {expected}") from None


__all__ = [
    "DIG",
    "IG",
    "METHODS",
    "BlogDIG",
    "Case",
    "ExpectedGradients",
    "GradientTimesInput",
    "Method",
    "Occlusion",
    "Outcome",
    "Plan",
    "Random",
    "Saliency",
    "SequentialIG",
    "SmoothGradIG",
    "resolve",
    "spelling",
]
