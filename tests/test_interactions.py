"""Integrated Hessians: closed forms, and rows that are Integrated Gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import lineal
from lineal.engine import memory
from lineal.errors import OptionError
from tests import fakes, tiny, tiny_lm

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


@pytest.mark.slow
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


def test_half_precision_sums_in_double() -> None:
    """Of a linear F in bfloat16 each diagonal entry is ⟨w, Δ⟩ of the stored numbers; sums in bfloat16 are off by up to 1 in 256."""
    model = fakes.FakeModel(fakes.linear)
    model.module.to(torch.bfloat16)
    model.card = model.card.model_copy(update={"dtype": "bfloat16"})
    found = lineal.explain_interactions(model, TEXT, "label:yes", tol=1e-3)
    ids = model.encode([TEXT]).features["input_ids"]
    weights = torch.tensor([1.0, 0.2, -0.7]).bfloat16().double()
    expected = ((model.embed(ids).double() - model.embed(torch.ones_like(ids)).double()) @ weights).detach().numpy()
    np.testing.assert_allclose(np.diag(found.matrix), expected, rtol=2e-4)


@pytest.mark.parametrize("decoder", [False, True])
@pytest.mark.slow
def test_a_model_in_bfloat16_is_explained_like_its_weights_in_float64(decoder: bool) -> None:
    half = (tiny.llama() if decoder else tiny.bert_classifier()).bfloat16()
    whole = (tiny.llama() if decoder else tiny.bert_classifier()).bfloat16().double()
    target = lineal.targets.NextToken(9) if decoder else "label:L1"
    rough, exact = (
        lineal.explain_interactions(lineal.load(one, tiny.tokenizer(decoder)), "a very good film", target, tol=tol)
        for one, tol in ((half, 0.3), (whole, 1e-3))
    )
    assert rough.attribution.model.dtype == "bfloat16"
    assert exact.stop.converged
    assert np.isfinite(rough.matrix).all()
    assert rough.error <= 0.3 * rough.mass or not rough.stop.converged
    assert np.abs(rough.matrix - exact.matrix).sum() <= 0.3 * exact.mass


def test_points_share_batches_of_the_size_asked_for() -> None:
    model = fakes.FakeModel(fakes.smooth)
    alone = lineal.explain_interactions(model, TEXT, "label:yes", tol=1e-4, batch_tokens=1)
    for tokens, rows in ((3 * 4, 4), (10_000, 9)):
        model.batches.clear()
        found = lineal.explain_interactions(model, TEXT, "label:yes", tol=1e-4, batch_tokens=tokens)
        assert max(n for n, _ in model.batches) == rows
        np.testing.assert_allclose(found.matrix, alone.matrix, atol=1e-12)
        assert found.attribution.evaluations == alone.attribution.evaluations


def test_memory_that_runs_out_makes_the_batches_smaller() -> None:
    sizes: list[int] = []

    def hungry(points: Tensor, mask: Tensor) -> Tensor:
        sizes.append(len(points))
        if len(points) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return fakes.smooth(points, mask)

    found = lineal.explain_interactions(fakes.FakeModel(hungry), TEXT, "label:yes", batch_tokens=10_000)
    expected = lineal.explain_interactions(fakes.FakeModel(fakes.smooth), TEXT, "label:yes")
    np.testing.assert_allclose(found.matrix, expected.matrix, atol=1e-12)
    assert max(sizes) > 2 >= sizes[-1]


def test_layers_are_recomputed_when_asked_and_give_the_same_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_lm.llama()
    plain = lineal.explain_interactions(model, "The man works as", tol=0.05)
    asked: list[bool] = []
    real = type(model).run

    def run(self: object, features: object, embeds: object, positions: object) -> Tensor:
        asked.append(any(layer.training for layer in memory.layers(model.module)))
        return real(self, features, embeds, positions)

    monkeypatch.setattr(type(model), "run", run)
    again = lineal.explain_interactions(model, "The man works as", tol=0.05, recompute=True)
    np.testing.assert_allclose(again.matrix, plain.matrix, atol=1e-12)
    assert asked[-1]
    assert not any(layer.training for layer in memory.layers(model.module))
