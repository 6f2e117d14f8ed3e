"""Ways to give each token a score, all on one loop. A method is a value; its spelling is its name and the settings that are not the usual.

ig   dig-greedy   dig-maxcount:steps=10:neighbours=50   smoothgrad-ig:samples=16   occlusion-delete   random:seed=1
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any

from lineal import spellings
from lineal.errors import OptionError, listing, unknown
from lineal.methods.averages import ExpectedGradients, SequentialIG, SmoothGradIG
from lineal.methods.contract import Case, Method, Outcome, Plan
from lineal.methods.dig.method import DIG, BlogDIG
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
_TOLD = ("name", "strategy", "removal", "adds_up", "uses_baseline", "completeness")
"""Fields that the name of a method tells; all others are settings."""


def resolve(method: Any) -> Method:
    """Return a method from its spelling ("dig-greedy", "smoothgrad-ig:samples=16") or from a value. OptionError says what there is."""
    if isinstance(method, str):
        name, *settings = method.split(":")
        if name not in METHODS:
            raise OptionError(unknown("method", name, METHODS))
        usual = METHODS[name]()
        given = [_setting(usual, name, text) for text in settings]
        if len(dict(given)) < len(given):
            raise OptionError(f"{method!r} says a setting twice; say it once")
        return METHODS[name](**dict(given)) if settings else usual
    if not isinstance(method, Method):
        raise OptionError(f"a method is a name ({listing(METHODS)}) or a value of lineal.methods, not {type(method).__name__}")
    return method


def spelling(method: Method) -> str:
    """Return the spelling of a method: its name, and the settings that differ from the usual ones."""
    usual = METHODS[method.name]() if method.name in METHODS else method
    changed = [s for s in _settings(method) if getattr(method, s) != getattr(usual, s)]
    return ":".join([method.name, *(f"{s}={spellings.written(getattr(method, s))}" for s in changed)])


def _settings(method: Method) -> list[str]:
    return [entry.name for entry in fields(method) if entry.name not in _TOLD]  # type: ignore[arg-type]


def _setting(usual: Method, name: str, text: str) -> tuple[str, Any]:
    key, _, value = text.partition("=")
    known = _settings(usual)
    if key not in known:
        raise OptionError(f"the method {name}: {unknown('setting', key, known)}" if known else f"the method {name} has no settings")
    return key, spellings.plain(value)


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
