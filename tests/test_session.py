"""The public verbs keep the axioms of Integrated Gradients, whatever the batching.

Completeness: Σ scores = F(x) − F(x') within the stated error. Linearity: the scores of F − G are the difference. Dummy: a token that
does not move, or that the model ignores, scores exactly 0. Invariance: batch size, order and company of a text change nothing.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

import lineal
from lineal import targets
from lineal.errors import InputError, MemoryLimitError, ModelError, OptionError
from lineal.quadrature.contract import Integral
from lineal.verbs.options import Options
from lineal.verbs.pack import judged
from lineal.verbs.session import Session
from tests import fakes
from tests.honest import assert_keeps_its_word

TEXT = "the film a glorious mess of tepid good"
EXACT = 1e-12  # float64, a handful of operations


def embeddings(model: fakes.FakeModel, text: str) -> torch.Tensor:
    return model.embed(model.encode([text]).features["input_ids"]).detach()


@pytest.mark.parametrize("rule", ["adaptive", "nested", "left:3", "gauss:2", "trapezoid:2", "middle:2", "graded:8", "clenshaw-curtis:3"])
def test_a_linear_model_gives_weights_times_difference_under_every_rule(rule: str) -> None:
    model = fakes.FakeModel(fakes.linear)
    result = lineal.explain(model, TEXT, targets.labels(), rule=rule)
    difference = embeddings(model, TEXT) - embeddings(model, "<mask>")
    expected = difference @ torch.tensor([[0.3, -1.0, 0.5], [1.0, 0.2, -0.7]], dtype=torch.float64).T
    np.testing.assert_allclose(result.scores, expected.T.numpy(), atol=EXACT if "graded" not in rule else 1e-9)
    assert np.abs(result.residual).max() < 1e-9


@pytest.mark.parametrize("baseline", ["mask", "pad", "zero", "mean"])
def test_scores_add_up_within_the_stated_error_and_the_error_is_honest(baseline: str) -> None:
    model = fakes.FakeModel(fakes.smooth)
    result = lineal.explain(model, TEXT, targets.labels(), baseline=baseline)
    reference = lineal.explain(model, TEXT, targets.labels(), baseline=baseline, rule="gauss:200")
    assert result.converged
    assert (np.abs(result.residual) <= result.error).all()
    assert (np.abs(result.scores - reference.scores).sum(axis=1) <= result.error).all()
    assert (result.error <= 0.01 * result.mass).all()


def test_a_tighter_tolerance_costs_more_and_gives_a_smaller_error() -> None:
    model = fakes.FakeModel(fakes.smooth)
    loose, tight = (lineal.explain(model, TEXT, "label:yes", tol=tol) for tol in (1e-2, 1e-6))
    reference = lineal.explain(model, TEXT, "label:yes", rule="gauss:200").scores
    assert tight.evaluations > loose.evaluations
    assert np.abs(tight.scores - reference).sum() <= 1e-6 * tight.mass[0]


def test_the_scores_of_a_difference_are_the_difference_of_scores() -> None:
    model = fakes.FakeModel(lambda x, m: torch.cat([fakes.smooth(x, m), fakes.smooth(x, m).diff(dim=-1)], dim=-1), ("f", "g", "g-f"))
    f, g, difference = lineal.explain(model, TEXT, targets.labels(), rule="gauss:7").scores
    np.testing.assert_allclose(difference, g - f, atol=EXACT)


def test_swapping_text_and_baseline_flips_the_sign() -> None:
    model = fakes.FakeModel(fakes.smooth)
    forth = lineal.explain(model, "good good", "label:yes", rule="gauss:9").scores
    model.tokenizer.mask_token_id, good = fakes.WORDS.index("good"), fakes.WORDS.index("<mask>")
    back = lineal.explain(model, f"{fakes.WORDS[good]} {fakes.WORDS[good]}", "label:yes", rule="gauss:9").scores
    np.testing.assert_allclose(back, -forth, atol=EXACT)


def test_a_held_token_scores_exactly_zero_and_the_rest_still_adds_up() -> None:
    model = fakes.FakeModel(fakes.smooth)
    for hold in ("glorious|of", [(11, 19), (25, 27)], [fakes.WORDS.index("glorious"), fakes.WORDS.index("of")]):
        result = lineal.explain(model, TEXT, "label:yes", hold=hold)
        held = [token for token, role in zip(result.tokens, result.roles, strict=True) if role == "held"]
        assert held == ["glorious", "of"]
        assert (result.scores[:, [role == "held" for role in result.roles]] == 0.0).all()
        assert_keeps_its_word(result, lineal.explain(model, TEXT, "label:yes", hold=hold, rule="gauss:200"))


def test_a_token_the_model_ignores_scores_exactly_zero() -> None:
    model = fakes.FakeModel(lambda x, m: fakes.smooth(x[:, :3], m[:, :3]))
    assert (lineal.explain(model, TEXT, "label:yes").scores[0, 3:] == 0.0).all()


def test_company_order_and_batch_size_change_nothing() -> None:
    model = fakes.FakeModel(fakes.smooth)
    texts = ["a good film", TEXT, "bad", "not good the the", "mess"]
    alone = {text: lineal.explain(model, text, "label:yes") for text in texts}
    for batch_tokens, order in ((7, texts), (1000, texts[::-1]), (40, texts[2:] + texts[:2])):
        for text, record in zip(order, lineal.explain_many(model, order, "label:yes", batch_tokens=batch_tokens), strict=True):
            assert record.text == text
            np.testing.assert_allclose(record.scores, alone[text].scores, atol=EXACT)
            assert record.evaluations == alone[text].evaluations


def test_points_of_many_texts_share_full_batches() -> None:
    model = fakes.FakeModel(fakes.smooth)
    texts = ["a good film"] * 20
    list(lineal.explain_many(model, texts, "label:yes", batch_tokens=3 * 50))
    rows = [n for n, _ in model.batches if n > 1]
    assert max(rows) == 50
    assert max(n * t for n, t in model.batches) <= 150


def test_texts_are_read_lazily_and_come_back_in_order() -> None:
    model = fakes.FakeModel(fakes.smooth)
    read = 0

    def source():
        nonlocal read
        for word in fakes.WORDS * 20:
            read += 1
            yield f"{word} film"

    records = lineal.explain_many(model, source(), "label:yes")
    assert next(records).text == "<pad> film"
    assert read <= 65


def test_a_path_that_is_too_steep_ends_unconverged_and_says_so() -> None:
    model = fakes.FakeModel(fakes.steep)
    result = lineal.explain(model, TEXT, "label:yes", max_evaluations=16, tol=1e-4)
    assert not result.converged
    assert result.stop is lineal.Stop.BUDGET
    assert result.evaluations <= 16
    assert result.error[0] > 1e-4 * result.mass[0]


def test_text_equal_to_baseline_has_zero_scores_and_no_error() -> None:
    model = fakes.FakeModel(fakes.smooth)
    result = lineal.explain(model, "<mask> <mask>", "label:yes")
    assert (result.scores == 0).all()
    assert result.converged
    assert result.error[0] == 0


def test_nan_from_the_model_names_the_text_and_the_point() -> None:
    model = fakes.FakeModel(lambda x, m: torch.where(x[:, :1, 0] < -0.5, torch.nan, 1.0) * fakes.smooth(x, m))
    with pytest.raises(ModelError, match=r"NaN or infinity at α = 0.*'film good"):
        lineal.explain(model, "film good", "label:yes", baseline="pad")


def test_running_out_of_memory_halves_the_batch_and_goes_on() -> None:
    sizes = []

    def hungry(x: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
        sizes.append(len(x))
        if len(x) > 4:
            raise torch.OutOfMemoryError("out of memory")
        return fakes.smooth(x, m)

    result = lineal.explain(fakes.FakeModel(hungry), TEXT, "label:yes", batch_tokens=10_000)
    expected = lineal.explain(fakes.FakeModel(fakes.smooth), TEXT, "label:yes")
    np.testing.assert_allclose(result.scores, expected.scores, atol=EXACT)
    assert max(sizes) > 4 >= sizes[-1]


def test_one_point_that_does_not_fit_is_an_error() -> None:
    def starving(x: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
        if x.requires_grad:
            raise torch.OutOfMemoryError("out of memory")
        return fakes.smooth(x, m)

    with pytest.raises(lineal.LinealError, match="one path point of 8 tokens does not fit in memory"):
        lineal.explain(fakes.FakeModel(starving), TEXT, "label:yes")


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("MPS backend out of memory (MPS allocated: 17.64 GB)"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory: you tried to allocate 8589934592 bytes."
    ),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:114] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."
    ),
    RuntimeError("std::bad_alloc"),
    RuntimeError("bad allocation"),
    OSError(22, "The paging file is too small for this operation to complete. (os error 1455)"),
    MemoryError(),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=str)
def test_every_spelling_of_memory_that_ran_out_is_understood(error: Exception) -> None:
    """In a batch it is made smaller; in the very first passes, which are as small as they get, it is said."""

    def hungry(x: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
        if len(x) > 4:
            raise error
        return fakes.smooth(x, m)

    assert lineal.explain(fakes.FakeModel(hungry), TEXT, "label:yes").converged

    def starving(x: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
        raise error

    with pytest.raises(MemoryLimitError, match=r"plain forward pass of fake over this one text does not fit in memory on cpu"):
        lineal.explain(fakes.FakeModel(starving), TEXT, "label:yes")


def test_a_forward_pass_without_a_gradient_is_said() -> None:
    model = fakes.FakeModel(lambda x, m: fakes.smooth(x, m).detach())
    with pytest.raises(ModelError, match=r"answers without a gradient.*no_grad"):
        lineal.explain(model, TEXT, "label:yes")
    assert lineal.explain(model, TEXT, "label:yes", method="occlusion").mass[0] > 0
    assert (lineal.explain(fakes.FakeModel(lambda x, m: fakes.smooth(x[:, :1], m[:, :1])), TEXT, "label:yes").scores[0, 1:] == 0).all()


def test_inference_mode_around_a_call_is_said() -> None:
    model = fakes.FakeModel(fakes.smooth)
    with torch.inference_mode(), pytest.raises(ModelError, match=r"inside torch.inference_mode\(\).*call it outside"):
        lineal.explain(model, TEXT, "label:yes")
    records = lineal.explain_many(model, [TEXT], "label:yes")
    with torch.inference_mode(), pytest.raises(ModelError, match="call it outside"):
        next(records)
    with torch.inference_mode():
        made = fakes.FakeModel(fakes.smooth)
    with pytest.raises(ModelError, match="load the model outside of it"):
        lineal.explain(made, TEXT, "label:yes")
    with torch.no_grad():
        assert lineal.explain(model, TEXT, "label:yes").converged


def test_other_runtime_errors_pass_through() -> None:
    def broken(x: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
        if x.requires_grad:
            raise RuntimeError("a broken kernel")
        return fakes.smooth(x, m)

    with pytest.raises(RuntimeError, match="a broken kernel"):
        lineal.explain(fakes.FakeModel(broken), TEXT, "label:yes")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nsteps": 3}, "unknown option 'nsteps'"),
        ({"method": "magic"}, "unknown method 'magic'"),
        ({"rule": "simpson:9"}, "unknown rule 'simpson:9'"),
        ({"rule": "gauss"}, "needs a number of points"),
        ({"tol": 2.0}, "tol is 2.0"),
        ({"max_evaluations": 2}, "max_evaluations is 2"),
        ({"anchor": "last"}, "unknown anchor 'last'"),
        ({"baseline": "nothing"}, "unknown baseline 'nothing'"),
        ({"baseline": "eos"}, "has no eos token; baselines it has: mask, pad, mean, zero"),
        ({"target": "label:maybe"}, "there is no label 'maybe'; this model has 0: no, 1: yes"),
        ({"target": "lable"}, "unknown target 'lable'"),
        ({"target": "next"}, "is of kind classifier"),
        ({"target": targets.label("yes", unit="volts")}, "unknown unit 'volts'"),
        ({"target": 3}, "not int"),
    ],
)
def test_a_wrong_option_is_named(options: dict, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        lineal.explain(fakes.FakeModel(fakes.smooth), TEXT, **options)


def test_bad_text_is_named() -> None:
    model = fakes.FakeModel(fakes.smooth)
    with pytest.raises(InputError, match="empty"):
        lineal.explain(model, "  ")
    with pytest.raises(InputError, match="text is a list"):
        lineal.explain(model, ["a", "b"])
    with pytest.raises(InputError, match="takes a list of texts"):
        lineal.explain_many(model, "a text")
    with pytest.raises(InputError, match="every token of 'film' is held"):
        lineal.explain(model, "film", hold="film")
    with pytest.raises(InputError, match="matches nothing"):
        lineal.explain(model, "film", hold="xyz")


def test_progress_counts_every_gradient() -> None:
    counted = []
    records = list(lineal.explain_many(fakes.FakeModel(fakes.smooth), [TEXT, "a film"], "label:yes", progress=counted.append))
    assert sum(counted) == sum(record.evaluations for record in records)


def test_the_record_names_what_was_asked() -> None:
    session = Session(fakes.FakeModel(fakes.smooth), "label:yes", "pad", Options(tol=0.02))
    record = next(session.run([TEXT]))
    assert (record.targets, record.units, record.baseline, record.path, record.rule) == (
        ("yes",),
        ("logit",),
        "pad",
        "straight",
        "adaptive",
    )
    assert (record.method, record.tol, record.model.name, record.level) == ("ig", 0.02, "fake", "token")
    assert set(record.versions) >= {"lineal", "torch"}


def test_a_mean_that_cancels_is_not_called_converged() -> None:
    model = fakes.FakeModel(fakes.smooth)
    for tol in (0.3, 0.01):
        record = lineal.explain(model, TEXT, "label:yes", baseline=["mask", "pad", "zero"], tol=tol)
        assert record.converged == bool(record.error[0] <= tol * record.mass[0])
    integral = Integral(
        np.array([[1.0, -1.0], [1.0, 1.0]]), np.array([0.03, 0.019]), np.zeros(2), np.zeros(2), 9, (lineal.Stop.CONVERGED,) * 2
    )
    assert judged(integral, 0.01) == (lineal.Stop.CANCELLED, lineal.Stop.CONVERGED)
