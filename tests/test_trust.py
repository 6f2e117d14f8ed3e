"""The five checks: each can come out either way, and says so in words."""

from __future__ import annotations

import numpy as np
import pytest

import lineal
from lineal import trust, views
from lineal.errors import InputError
from tests import records, tiny


@pytest.fixture(scope="module")
def examined() -> tuple[lineal.Attribution, trust.Trust]:
    model = lineal.load(tiny.bert_classifier(), tiny.tokenizer())
    return trust.examine(model, "a very good film but a bad ending", "label:L1", tol=0.02)


def test_every_question_gets_a_sentence_and_a_picture(examined: tuple[lineal.Attribution, trust.Trust]) -> None:
    record, found = examined
    assert record.converged
    assert len(found.checks) == 5
    page = views.page(record, panels=[views.trust_panel(found)])
    assert page.count("<svg") == 5
    for check in found.checks:
        assert check.question in page
        assert check.question in views.trust_text(found)
        assert check.verdict in ("good", "mixed", "bad", "unknown")


def test_adding_up_is_judged_by_the_record(examined: tuple[lineal.Attribution, trust.Trust]) -> None:
    record, found = examined
    assert found.checks[0].verdict == "good"
    assert found.checks[0].value == pytest.approx(abs(record.residual[0]) / record.mass[0])
    model = lineal.load(tiny.bert_classifier(), tiny.tokenizer())
    _, coarse = trust.examine(model, "a very good film but a bad ending", "label:L1", rule="left:2")
    assert coarse.checks[0].verdict == "bad"


def test_agreement_goes_both_ways() -> None:
    scores = np.arange(6.0)
    assert trust._agree("?", "x", scores, scores).verdict == "good"
    assert trust._agree("?", "x", scores, -scores).verdict == "bad"
    assert trust._notices(scores, scores).verdict == "bad"
    assert trust._notices(scores, np.array([2.0, 0.0, 3.0, 1.0, 2.5, 0.5])).verdict == "good"


def test_names_in_the_panel_are_escaped() -> None:
    check = trust.Check(records.HOSTILE, "bad", records.HOSTILE, 0.0, {records.HOSTILE: (1.0, 2.0, 3.0), "b": (3.0, 1.0, 2.0)})
    panel = str(views.trust_panel(trust.Trust("t", "x", (check,))))
    assert "<img" not in panel
    assert "<script" not in panel


def test_a_ranking_needs_tokens() -> None:
    with pytest.raises(InputError, match="3"):
        trust.examine(lineal.load(tiny.bert_classifier(), tiny.tokenizer()), "good film")
