"""What an adaptive integral says of itself holds for closed forms of every family:

1. the true error is above the stated one in at most one of a hundred;
2. what says converged is off by more than its tolerance in at most one of two hundred;
3. needles, which no point sees and F hardly shows, are certified too well more often, and no more than is declared for them.

A sample may have more misses than its share, by what chance gives in one of a thousand samples.
"""

from __future__ import annotations

import pytest
from scipy.stats import binom

from lineal.quadrature import Adaptive
from tests.integrands import FAMILIES, Outcome, draw, outcome

ABOVE_STATED, ABOVE_TOLERANCE = 0.01, 0.005
DECLARED = {"needles": (0.03, 0.02)}  # above what benchmarks/reliability.py measured; see docs/quadrature.md
CHANCE = 0.001
TOLERANCES = (1e-2, 1e-3)
FIRST = 1_000_000  # numbers of draws that nothing else uses


def sample(family: str, size: int) -> list[tuple[Outcome, float]]:
    """Return outcomes and tolerances, half of the draws with each."""
    tolerances = [TOLERANCES[number % 2] for number in range(size)]
    return [(outcome(draw(family, FIRST + number), Adaptive(tol)), tol) for number, tol in enumerate(tolerances)]


def assert_reliable(family: str, size: int) -> None:
    """Both laws, with the allowance of chance."""
    found = sample(family, size)
    above, late = DECLARED.get(family, (ABOVE_STATED, ABOVE_TOLERANCE))
    missed = sum(o.true > o.stated for o, _ in found)
    wrong = sum(o.true > tol for o, tol in found if o.converged)
    assert missed <= binom.isf(CHANCE, size, above), f"{family}: {missed} of {size} true errors above the stated one"
    assert wrong <= binom.isf(CHANCE, size, late), f"{family}: {wrong} of {size} say they converged and are off by more than tol"


@pytest.mark.parametrize("family", FAMILIES)
def test_stated_errors_hold_in_a_small_sample(family: str) -> None:
    assert_reliable(family, 48)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_stated_errors_hold_in_a_large_sample(family: str) -> None:
    assert_reliable(family, 600)
