"""Units of a class score agree with each other and with torch; similarities with their definition."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lineal.errors import OptionError
from lineal.objectives.embedding import Similarity, check_similarity
from lineal.objectives.label import ClassScore
from lineal.objectives.token import TokenScore
from lineal.objectives.units import check_unit, in_unit
from lineal.objectives.wrap import Beside, Combined, Moved, Probability

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [30.0, -30.0, 0.0]], dtype=torch.float64)


def test_softmax_units_agree() -> None:
    p = LOGITS.softmax(-1)
    for c in range(3):
        torch.testing.assert_close(in_unit(LOGITS, c, "prob"), p[:, c])
        torch.testing.assert_close(in_unit(LOGITS, c, "log_prob"), LOGITS.log_softmax(-1)[:, c])
        torch.testing.assert_close(in_unit(LOGITS[:1], c, "log_odds"), (p / (1 - p)).log()[:1, c])
        torch.testing.assert_close(in_unit(LOGITS, c, "logit"), LOGITS[:, c])


def test_log_odds_stay_finite_where_probabilities_saturate() -> None:
    assert in_unit(LOGITS, 0, "log_odds")[1] == pytest.approx(30.0)


def test_sigmoid_classes_stand_alone() -> None:
    torch.testing.assert_close(in_unit(LOGITS, 1, "prob", "sigmoid"), LOGITS[:, 1].sigmoid())
    torch.testing.assert_close(in_unit(LOGITS, 1, "log_odds", "sigmoid"), LOGITS[:, 1])
    torch.testing.assert_close(in_unit(LOGITS, 1, "log_prob", "sigmoid"), LOGITS[:, 1].sigmoid().log())


def test_a_regression_head_has_its_raw_value_only() -> None:
    assert in_unit(LOGITS, 0, "logit", "none")[0] == 2.0
    with pytest.raises(OptionError, match="a regression output has no prob"):
        in_unit(LOGITS, 0, "prob", "none")


def test_class_scores_come_in_the_order_asked() -> None:
    objective = ClassScore((2, 0), ("c", "a"))
    torch.testing.assert_close(objective(LOGITS), LOGITS[:, [2, 0]])
    assert objective.units == ("logit", "logit")


def test_similarity_is_cosine_or_dot() -> None:
    v, e = torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    torch.testing.assert_close(Similarity(v, ("v",))(e), torch.tensor([[0.6], [0.8]]))
    torch.testing.assert_close(Similarity(v, ("v",), "dot")(e), torch.tensor([[3.0], [8.0]]))


def test_a_logit_reads_its_own_rows_and_a_probability_all_of_them() -> None:
    logits = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(0))
    raw = TokenScore((4, 5, 6), (6, 1, 6), ("x", "y", "z"), "logit")
    assert raw.rows == (1, 6)
    torch.testing.assert_close(raw(logits[..., [1, 6]]), torch.stack([logits[:, 0, 6], logits[:, 1, 1], logits[:, 2, 6]], -1))
    log_prob = TokenScore((4, 5, 6), (6, 1, 6), ("x", "y", "z"))
    assert log_prob.rows is None
    torch.testing.assert_close(log_prob(logits)[:, 1], logits[:, 1].log_softmax(-1)[:, 1])


def test_unknown_names_are_listed() -> None:
    with pytest.raises(OptionError, match="unknown unit 'volt'; choose one of logit, log_odds, log_prob, prob"):
        check_unit("volt")
    with pytest.raises(OptionError, match="unknown similarity 'euclid'; choose one of cosine, dot"):
        check_similarity("euclid")


def test_what_wraps_an_objective_reads_what_the_inner_one_reads() -> None:
    inner = TokenScore((3, 4), (7, 8), ("a", "b"), "logit", branches=((7,),))
    wrapped = (Combined(inner, ((1.0, -1.0),), ("a over b",)), Moved(inner, (1, 2)), Beside(inner, (inner,)), Probability(inner))
    for objective in wrapped:
        assert (objective.rows, objective.branches, objective.is_softmax) == ((7, 8), ((7,),), True)
        assert objective == replace(objective)
        assert objective != replace(objective, inner=replace(inner, unit="prob"))
    assert [objective.positions for objective in wrapped] == [(3, 4), (1, 2), (3, 4), (3, 4)]
    assert [objective.units for objective in wrapped] == [("logit",), ("logit",) * 2, ("logit",) * 4, ("prob",) * 2]
    assert [objective.names for objective in wrapped] == [("a over b",), ("a", "b"), ("a", "b", "a", "b"), ("a", "b")]
