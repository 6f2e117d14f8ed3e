"""Where token derivatives jump, the stated error still bounds the true one, and what says converged is within the tolerance.

Models, not closed forms (tests/test_reliability.py): layers decide where their derivatives jump, and by how much. One text of each;
`python benchmarks/kinked_models.py` asks many.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import lineal
from lineal.models import TextModel
from tests.kinked import SENTENCES, Ask, Kinked, Line, Reference, real, refined, tiny

pytestmark = pytest.mark.slow

TOLERANCES = (1e-2, 1e-3)
AT = 2  # the text the random models read
TINY = {kind.name: kind for kind in tiny()}
REAL = ("distilbert", "maxpool", "reluprobe")
ASKED = ("A tepid first hour, but the ending is glorious.", "Far too long and painfully dull.", "What a delight!")
PAIRS = (("A dog chews a stick.", "A puppy gnaws on wood."), ("Send back any unopened item.", "How do I return something?"))


@cache
def drawn(name: str) -> TextModel:
    return TINY[name].build()


@cache
def truth(name: str) -> Reference:
    return refined(Line.of(drawn(name), *TINY[name].asks[AT]), accuracy=1e-4, cells=128)


@pytest.fixture(scope="module")
def kinds(minilm: TextModel) -> dict[str, Kinked]:
    made = real(minilm, minilm.network, minilm.tokenizer, SENTENCES, ASKED, PAIRS)
    return {kind.name: kind for kind in made}


def assert_honest(model: TextModel, ask: Ask, reference: Reference, tol: float) -> None:
    """True error ≤ stated error, and within the tolerance if it says so; the reference's own error is granted."""
    text, target, baseline = ask
    record = lineal.explain(model, text, target, baseline=baseline, tol=tol)
    true = float(np.abs(record.scores[0] - reference.value).sum())
    mass = float(np.abs(reference.value).sum())
    assert reference.error < 0.2 * tol * mass, "the reference is too poor to judge by"
    assert true - reference.error <= record.error[0], f"true {true / mass:.2e}, stated {record.error[0] / mass:.2e} of the mass"
    if record.stops[0].converged:
        assert true - reference.error <= tol * mass, f"converged with {true / mass:.2e} of the mass, {tol:g} allowed"


@pytest.mark.parametrize("name", TINY)
def test_random_models_with_kinks_are_never_certified_too_well(name: str) -> None:
    for tol in TOLERANCES:
        assert_honest(drawn(name), TINY[name].asks[AT], truth(name), tol)


@pytest.mark.parametrize("name", [name for name in TINY if not name.startswith("mixtral")])
def test_the_integral_compared_with_is_complete(name: str) -> None:
    line, reference = Line.of(drawn(name), *TINY[name].asks[AT]), truth(name)
    first, last = line.values(np.array([0.0, 1.0]))
    assert abs(reference.value.sum() - (last - first)) <= reference.error


@pytest.mark.parametrize("name", REAL)
def test_real_weights_with_kinks_are_never_certified_too_well(kinds: dict[str, Kinked], name: str) -> None:
    kind = kinds[name]
    model = kind.build()
    reference, _, _ = kind.recorded(model, kind.asks[0])
    for tol in TOLERANCES:
        assert_honest(model, kind.asks[0], reference, tol)
