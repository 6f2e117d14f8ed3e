"""Pair-removal curves: sums of cells where the encoder is linear, and the model's own embeddings where it is not."""

from __future__ import annotations

import numpy as np
import pytest

import lineal
from lineal.errors import InputError, OptionError
from lineal.evaluation.pair_removal import pair_removal
from lineal.metrics.pairs import named_order, pair_curve
from tests.test_pairs import LONG, A, encoder

EXACT = 1e-12


def test_cells_name_tokens_row_first_and_once() -> None:
    matrix = np.array([[0.0, 3.0], [4.0, -9.0], [1.0, 2.0]])
    assert list(named_order(matrix)) == [1, 3, 0, 4, 2]  # (1, 0), (0, 1), (2, 1), then nothing new


@pytest.mark.parametrize(("sides", "may_go"), [("a", range(7)), ("b", range(7, 12)), ("both", range(12))])
def test_the_curve_of_a_linear_encoder_is_a_sum_of_cells(sides: str, may_go: range) -> None:
    """e(x) = M Σ x_i makes cell (i, j) = M x_i · M y_j, and a similarity without tokens the sum of the cells whose tokens are left."""
    rng = np.random.default_rng(0)
    m, a, b = rng.normal(size=(6, 4)), rng.normal(size=(7, 4)), rng.normal(size=(5, 4))
    matrix = (a @ m.T) @ (b @ m.T).T
    found = pair_curve(
        matrix, lambda groups: np.array([(m @ a[~one].sum(axis=0)) @ (m @ b[~other].sum(axis=0)) for one, other in groups]), sides
    )
    order = [i for i in named_order(matrix) if i in may_go]
    assert found.counts == tuple(range((len(may_go) + 1) // 2 + 1))
    for j, similarity in zip(found.counts, found.named, strict=True):
        left = [i for i in range(12) if i not in order[:j]]
        cells = matrix[np.ix_([i for i in left if i < 7], [i - 7 for i in left if i >= 7])]
        assert similarity == pytest.approx(cells.sum(), abs=EXACT * 1e3)
    np.testing.assert_allclose(found.random[:, 0], matrix.sum())
    assert found.random.shape == (8, len(found.counts))


def test_one_strong_pair_is_named_first_and_its_curve_is_a_step() -> None:
    """All similarity lies in one cell: naming it drops it after one token; a random order keeps it with (1 − j/n)(1 − j/(n−1))."""
    matrix = np.zeros((10, 10))
    matrix[4, 7] = 1.0
    found = pair_curve(matrix, lambda groups: np.array([matrix[np.ix_(~one, ~other)].sum() for one, other in groups]), "both", draws=400)
    np.testing.assert_array_equal(found.named, [1, 0, 0, 0, 0, 0, 0, 0])
    counts = np.array(found.counts)
    expected = (1 - counts / 20) * (1 - counts / 19)
    np.testing.assert_allclose(found.random.mean(axis=0), expected, atol=0.1)
    assert found.ahead == pytest.approx((np.trapezoid(expected, counts) - 0.5) / 10, abs=0.05)
    assert found.ahead > found.spread > 0.2


def test_a_matrix_that_knows_nothing_is_not_ahead() -> None:
    rng = np.random.default_rng(1)
    matrix = rng.uniform(0, 1, (8, 8))
    ahead = [
        pair_curve(
            rng.normal(size=(8, 8)), lambda groups: np.array([matrix[np.ix_(~one, ~other)].sum() for one, other in groups]), "both"
        ).ahead
        for _ in range(60)
    ]
    assert abs(np.mean(ahead)) < 4 * np.std(ahead) / np.sqrt(60)


@pytest.mark.parametrize("removal", ["delete", "attention", "replace"])
def test_a_pair_of_a_real_encoder(removal: str) -> None:
    model = lineal.load(encoder())
    pair = lineal.explain_pair(model, A, LONG)
    found = pair_removal(model, pair, sides="both", removal=removal, draws=3)
    assert found.named[0] == pytest.approx(pair.similarity, abs=1e-9)
    np.testing.assert_allclose(found.random[:, 0], pair.similarity, atol=1e-9)
    tokens = sum(len(side.tokens) - 2 for side in (pair.a, pair.b))  # less CLS and SEP
    assert found.counts[-1] == -(-tokens // 2)
    assert len(np.unique(found.named)) > 3
    one = pair_removal(model, pair, removal=removal, draws=3)
    assert one.counts[-1] == -(-(len(pair.a.tokens) - 2) // 2)
    mirrored = pair_removal(model, lineal.explain_pair(model, LONG, A), sides="b", removal=removal, draws=3)
    np.testing.assert_allclose(mirrored.named, one.named, atol=1e-9)


def test_what_does_not_fit_is_an_error() -> None:
    model = lineal.load(encoder())
    pair = lineal.explain_pair(model, A, LONG)
    with pytest.raises(InputError, match="word"):
        pair_removal(model, pair.words())
    with pytest.raises(OptionError, match="neither"):
        pair_removal(model, pair, sides="neither")
    with pytest.raises(OptionError, match="burn"):
        pair_removal(model, pair, removal="burn")
    other = pair.model_copy(update={"a": pair.a.model_copy(update={"text": LONG})})
    with pytest.raises(InputError, match="other tokens"):
        pair_removal(model, other)
