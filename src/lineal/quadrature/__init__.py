"""Quadrature over the path parameter: which points to evaluate, and when the integral is known well enough. Pure numpy, float64."""

from lineal.quadrature.adaptive import Adaptive
from lineal.quadrature.contract import Ask, Integral, Schedule, Stop
from lineal.quadrature.fixed import Fixed, Nested
from lineal.quadrature.rules import RULES, Rule, rule

__all__ = ["RULES", "Adaptive", "Ask", "Fixed", "Integral", "Nested", "Rule", "Schedule", "Stop", "rule"]
