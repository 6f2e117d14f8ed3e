"""Integrated Hessians: closed forms, and rows that are Integrated Gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import lineal
from lineal.errors import OptionError
from tests import fakes, tiny

TEXT = "a tepid good"


def product(points: Tensor, mask: Tensor) -> Tensor:
    """The product of the first numbers of the first two tokens; the third token is a dummy."""
    return (points[:, 0, 0] * points[:, 1, 0])[:, None].expand(-1, 2)


def test_a_product_of_two_numbers_from_zero_has_four_equal_entries() -> None:
    model = fakes.FakeModel(product)
    found = lineal.explain_interactions(model, TEXT, "label:yes", baseline="zero", tol=1e-6)
    x = model.embed(model.encode([TEXT]).features["input_ids"])[:, 0].detach().numpy()
    expected = np.zeros((3, 3))
    expected[:2, :2] = x[0] * x[1] / 4
    np.testing.assert_allclose(found.matrix, expected, atol=1e-6 * abs(x[0] * x[1]))
    assert (found.matrix[2] == 0).all()
    assert found.strongest(1) == [(0, 1, pytest.approx(x[0] * x[1] / 2, rel=1e-5))]


def test_a_linear_model_has_no_interactions() -> None:
    found = lineal.explain_interactions(fakes.FakeModel(fakes.linear), TEXT, "label:yes", tol=1e-4)
    np.testing.assert_allclose(found.matrix, np.diag(found.attribution.scores[0]), atol=1e-15)


@pytest.mark.parametrize("decoder", [False, True])
def test_rows_are_integrated_gradients_and_the_matrix_is_symmetric(decoder: bool) -> None:
    module = tiny.llama().double() if decoder else tiny.bert_classifier().double()
    model = lineal.load(module, tiny.tokenizer(decoder))
    target = "next" if decoder else "label:L1"
    found = lineal.explain_interactions(model, "a very good film", target, tol=1e-3)
    ig = lineal.explain(model, "a very good film", target, tol=1e-6)
    assert found.stop.converged
    assert np.abs(found.attribution.scores - ig.scores).sum() <= found.error
    np.testing.assert_array_equal(found.matrix, found.matrix.T)
    assert abs(found.matrix.sum() - ig.delta[0]) <= found.error
    held = [i for i, role in enumerate(found.attribution.roles) if role != "content"]
    assert (found.matrix[held] == 0).all()


def test_entries_are_the_double_integral_of_the_paper() -> None:
    model = fakes.FakeModel(fakes.smooth)
    found = lineal.explain_interactions(model, TEXT, "label:yes", tol=1e-5)
    ids = model.encode([TEXT]).features["input_ids"]
    end, start = model.embed(ids).detach(), model.embed(torch.ones_like(ids)).detach()
    nodes, weights = np.polynomial.legendre.leggauss(24)
    nodes, weights = (nodes + 1) / 2, weights / 2
    expected = np.zeros((3, 3))

    def f(x: Tensor) -> Tensor:
        return model.answer(x[None], torch.ones(1, 3, 1))[0, 1]

    for a, wa in zip(nodes, weights, strict=True):
        for b, wb in zip(nodes, weights, strict=True):
            x = start + a * b * (end - start)
            hessian = torch.autograd.functional.hessian(f, x)  # (3, d, 3, d)
            expected += wa * wb * a * b * torch.einsum("id,idje,je->ij", end - start, hessian, end - start).numpy()
            gradient = torch.autograd.functional.jacobian(f, x)
            expected += wa * wb * np.diag(((end - start) * gradient).sum(dim=1).numpy())
    np.testing.assert_allclose(found.matrix, expected, atol=1e-4)


def test_several_outputs_or_other_methods_are_errors() -> None:
    model = fakes.FakeModel(fakes.smooth)
    for wrong in ({"target": "labels"}, {"baseline": ["mask", "pad"]}, {"method": "occlusion"}):
        with pytest.raises(OptionError):
            lineal.explain_interactions(model, TEXT, **{"target": "label:yes", **wrong})
