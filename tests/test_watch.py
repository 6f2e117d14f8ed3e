"""Who looks on sees the error fall, and may end the work early with what is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lineal
from lineal.engine.watch import Dropped, Watch, watched
from lineal.quadrature.contract import Stop
from tests import tiny, tiny_lm


class Impatient(Watch):
    """Ends the work when so many gradients are in."""

    def __init__(self, limit: int, drop: bool = False) -> None:
        super().__init__()
        self.limit, self.gives_up = limit, drop

    def took(self, gradients: int) -> None:
        if self.evaluations + gradients >= self.limit:
            (self.drop if self.gives_up else self.stop)()
        super().took(gradients)


def asked(**how: Any) -> lineal.Attribution:
    return lineal.explain(tiny_lm.llama(), "The man works as a", tol=1e-4, batch_tokens=64, **how)


def test_the_error_is_seen_falling_and_the_answer_is_the_same() -> None:
    watch = Watch()
    with watched(watch):
        seen = asked()
    alone = asked()
    assert (seen.scores == alone.scores).all()
    assert seen.converged
    counts, errors = zip(*watch.curve, strict=True)
    assert list(counts) == sorted(counts)
    assert counts[-1] == watch.evaluations >= alone.evaluations
    assert errors[-1] <= 1e-4 < errors[0]


def test_what_is_known_when_the_work_is_stopped_is_kept_and_says_so() -> None:
    whole = asked()
    watch = Impatient(12)
    with watched(watch):
        found = asked()
    assert found.stop is Stop.STOPPED
    assert not found.converged
    assert 9 <= found.evaluations < whole.evaluations
    assert np.abs(found.scores - whole.scores).sum() <= found.error.sum() + whole.error.sum()
    assert lineal.Attribution.from_dict(found.to_dict()) == found
    assert "not converged" in str(found).casefold()


def test_work_that_has_not_begun_when_it_is_stopped_ends_with_its_first_answer() -> None:
    watch = Watch()
    watch.stop()
    with watched(watch):
        assert asked().evaluations == 9


def test_a_time_that_is_over_stops_as_well() -> None:
    with watched(Watch(ends=0.0)):
        assert asked().stop is Stop.STOPPED


def test_work_that_is_given_up_leaves_nothing() -> None:
    with watched(Impatient(1, drop=True)), pytest.raises(Dropped):
        asked()


def test_pairs_and_methods_stop_too() -> None:
    model = lineal.load(tiny.bert_classifier(), tiny.tokenizer())
    for method in ("dig-greedy:neighbours=5", "occlusion", "smoothgrad-ig", "expected-gradients"):
        watch = Watch()
        watch.stop()
        with watched(watch):
            assert np.isfinite(lineal.explain(model, "a good film", method=method).scores).all()
