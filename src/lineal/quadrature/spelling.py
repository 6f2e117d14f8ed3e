"""Strings to rules and back: "adaptive", "gauss:50", "trapezoid"; and from a rule's spelling to a fresh schedule. Computes nothing."""

from __future__ import annotations

from lineal import spellings
from lineal.errors import OptionError, listing
from lineal.quadrature.adaptive import Adaptive
from lineal.quadrature.contract import Rule, Schedule
from lineal.quadrature.fixed import SIDES, Fixed, Nested, Vertices
from lineal.quadrature.rounded import SAMPLED, Rounded
from lineal.quadrature.rules import RULES

ADAPTIVE = ("adaptive", "nested")
MOST_POINTS = 2000
"""Of a fixed rule. Its nodes and their check take memory and time that grow with the square and the cube: 1.5 s for Gauss-Legendre."""


def check_rule(rule: str) -> str:
    """Return `rule` when it can be built; OptionError says what there is."""
    schedule(rule, 0.01, 1000, (0.0, 0.5, 1.0))
    return rule


def read_rule(rule: str) -> tuple[str, int | None]:
    """Return the name of a rule and its number of points, None for those that need none. Raises OptionError for an unknown spelling."""
    if rule in (*ADAPTIVE, *SIDES):
        return rule, None
    name, colon, points = rule.partition(":")
    if name not in RULES:
        known = (*ADAPTIVE, *RULES)
        raise OptionError(
            f"unknown rule {rule!r}; choose adaptive, nested, or one of {listing(RULES)} with a number of points, as gauss:50"
            if not colon or name not in ADAPTIVE
            else f"the rule {name} takes nothing behind its name, but {points!r} is there; write one of {listing(known)}"
        )
    if not spellings.NUMBER.fullmatch(points) and not (points.isdecimal() and points.isascii()):
        raise OptionError(f"the rule {rule!r} needs a number of points, as {name}:50")
    if len(points) > 9 or int(points) > MOST_POINTS:
        raise OptionError(f"the rule {rule[:40]} has too many points; give at most {MOST_POINTS}, or the adaptive rule with a smaller tol")
    return name, int(points)


def write_rule(name: str, points: int | None) -> str:
    """Return the spelling of a rule."""
    return name if points is None else f"{name}:{points}"


def schedule(
    rule: str, tol: float, max_evaluations: int, breaks: tuple[float, ...], pooled: bool = False, epsilon: float = 0.0
) -> Schedule:
    """Return a fresh schedule from "adaptive", "nested", "NAME:POINTS" (a fixed rule, per straight piece of the path), or one of "left",
    "right" and "trapezoid" alone (one point per vertex of a path with kinks, as published for Discretized IG).

    pooled: the outputs are the components of one vector per token; see `lineal.quadrature.Adaptive`. epsilon: spacing of the model's
    numbers around 1 where it is coarse (`lineal.models.rounding`); rounding is then part of the error: see `lineal.quadrature.rounded`.
    """
    if epsilon and rule not in SIDES:
        return Rounded(_plain(rule, tol, max(1, max_evaluations - 2 * SAMPLED), breaks, pooled), epsilon, tol, breaks, pooled)
    return _plain(rule, tol, max_evaluations, breaks, pooled)


def _plain(rule: str, tol: float, max_evaluations: int, breaks: tuple[float, ...], pooled: bool) -> Rule:
    name, points = read_rule(rule)
    if points is not None:
        return Fixed(RULES[name](points), tol=tol, breaks=breaks, pooled=pooled)
    if name in SIDES:
        return Vertices(name, tol=tol, breaks=breaks)
    kind = Adaptive if name == "adaptive" else Nested
    return kind(tol=tol, max_evaluations=max_evaluations, breaks=breaks, pooled=pooled)
