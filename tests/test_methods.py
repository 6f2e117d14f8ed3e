"""Every method against its closed form or against what it must equal, and what each promises about its sum."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import lineal
from lineal import baselines, methods, targets
from lineal.engine.integrate import Task, attempt
from lineal.errors import OptionError
from lineal.methods import METHODS
from lineal.models.base import TextModel
from lineal.verbs.options import Options
from lineal.verbs.session import Session
from tests import fakes, tiny
from tests.honest import assert_keeps_its_word

TEXT = "the film a glorious mess of tepid good"
EXACT = 1e-10
WEIGHTS = torch.tensor([[0.3, -1.0, 0.5], [1.0, 0.2, -0.7]], dtype=torch.float64)


def bert(seed: int = 0) -> TextModel:
    return lineal.load(tiny.bert_classifier(seed=seed).double(), tiny.tokenizer())


def embeddings(model: fakes.FakeModel, text: str) -> torch.Tensor:
    return model.embed(model.encode([text]).features["input_ids"]).detach()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAL_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.mark.parametrize("name", ["sequential-ig", "occlusion", "dig-greedy:neighbours=5:steps=3"])
def test_on_a_linear_model_these_equal_ig(name: str) -> None:
    model = fakes.FakeModel(fakes.linear)
    expected = (embeddings(model, TEXT) - embeddings(model, "<mask>")) @ WEIGHTS.T
    result = lineal.explain(model, TEXT, targets.labels(), method=name)
    np.testing.assert_allclose(result.scores, expected.T, atol=EXACT)


def test_on_a_linear_model_gradients_at_the_text_are_the_weights() -> None:
    model = fakes.FakeModel(fakes.linear)
    product = lineal.explain(model, TEXT, targets.labels(), method="gradient-x-input")
    length = lineal.explain(model, TEXT, targets.labels(), method="saliency")
    np.testing.assert_allclose(product.scores, (embeddings(model, TEXT) @ WEIGHTS.T).T, atol=EXACT)
    np.testing.assert_allclose(length.scores, WEIGHTS.norm(dim=1)[:, None].expand(2, 8), atol=EXACT)
    assert (product.evaluations, length.evaluations) == (1, 1)


def test_expected_gradients_on_a_linear_model_is_the_difference_to_the_mean_of_the_draws() -> None:
    """w·(x − mean x'), with a spread of the standard deviation of w·x'."""
    model = fakes.FakeModel(fakes.linear)
    parts = ["mask", "pad", "zero"]
    result = lineal.explain(model, TEXT, "label:yes", baseline=parts, method="expected-gradients")
    starts = torch.stack([*(embeddings(model, f"<{name}>")[0] for name in parts[:2]), torch.zeros(3)]) @ WEIGHTS[1]
    np.testing.assert_allclose(result.scores[0], embeddings(model, TEXT) @ WEIGHTS[1] - starts.mean(), atol=EXACT)
    np.testing.assert_allclose(result.spread[0], float(starts.std()), atol=EXACT)


def test_several_baselines_give_the_mean_and_the_spread_of_single_ones() -> None:
    model = bert()
    text = "a very good film"
    singles = [lineal.explain(model, text, "label:L1", baseline=name, tol=5e-9) for name in ("mask", "pad", "mean")]  # half of the mean's
    joined = lineal.explain(model, text, "label:L1", baseline=["mask", baselines.pad, "mean"], tol=1e-8)
    stacked = np.stack([single.scores for single in singles])
    np.testing.assert_allclose(joined.scores, stacked.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(joined.spread, stacked.std(axis=0, ddof=1), atol=1e-6)
    assert joined.baseline == "mask, pad, mean"
    assert_keeps_its_word(joined)
    assert joined.evaluations == sum(single.evaluations for single in singles)
    assert lineal.Attribution.from_dict(joined.to_dict()) == joined
    assert joined.words().spread is not None
    assert (joined.sentences().spread >= 0).all()
    assert singles[0].spread is None
    assert lineal.explain(model, text, "label:L1", baseline="mask, pad").baseline == "mask, pad"


def test_sequential_ig_equals_leave_one_out_and_not_the_total() -> None:
    model = bert()
    sequential, occlusion = (lineal.explain(model, "a very good film", method=name, tol=1e-6) for name in ("sequential-ig", "occlusion"))
    np.testing.assert_allclose(sequential.scores, occlusion.scores, atol=1e-5)
    assert not sequential.adds_up
    assert abs(sequential.residual[0]) > 100 * sequential.error[0]


def test_leave_one_out_by_hand() -> None:
    model = bert()
    text = "a very good film"
    whole = lineal.explain(model, text, "label:L0", method="occlusion-delete")
    for i, word in enumerate(text.split(), start=1):
        shorter = " ".join(other for other in text.split() if other != word)
        expected = whole.f_input[0] - lineal.explain(model, shorter, "label:L0", method="random").f_input[0]
        assert whole.scores[0, i] == pytest.approx(expected, abs=EXACT)
    assert whole.evaluations == 0


def test_hidden_from_attention_by_hand() -> None:
    model = bert()
    result = lineal.explain(model, "a very good film", "label:L0", method="occlusion-attention")
    features = {name: value[None] for name, value in model.encode(["a very good film"]).features.items()}
    features["attention_mask"] = torch.tensor([[1, 1, 0, 1, 1, 1]])
    with torch.no_grad():
        expected = result.f_input[0] - float(model.run(features, None, None)[0, 0])
    assert result.scores[0, 2] == pytest.approx(expected, abs=EXACT)


def test_deleting_in_a_language_model_moves_what_is_read() -> None:
    model = lineal.load(tiny.llama().double(), tiny.tokenizer(decoder=True))
    result = lineal.explain(model, "the man works as", targets.next_token(9, unit="logit"), method="occlusion-delete")
    for i, shorter in ((1, "the works as"), (3, "the man works")):
        without = lineal.explain(model, shorter, targets.next_token(9, unit="logit"), method="random").f_input[0]
        assert result.scores[0, i] == pytest.approx(result.f_input[0] - without, abs=EXACT)
    assert result.scores[0, 0] == 0.0


def test_smoothgrad_adds_up_to_the_mean_of_the_noisy_inputs_and_tends_to_ig() -> None:
    model = bert()
    plain = lineal.explain(model, "a very good film", "label:L1", tol=1e-4)
    still = lineal.explain(model, "a very good film", "label:L1", method="smoothgrad-ig:noise=0.0001:samples=3", tol=1e-4)
    noisy = lineal.explain(model, "a very good film", "label:L1", method="smoothgrad-ig:samples=3")
    assert np.abs(still.scores - plain.scores).sum() < 1e-3 * plain.mass[0]
    assert_keeps_its_word(noisy, lineal.explain(model, "a very good film", "label:L1", method="smoothgrad-ig:samples=3", rule="gauss:48"))
    assert noisy.f_input[0] != plain.f_input[0]
    assert noisy.spread.max() > 100 * still.spread.max()


@pytest.mark.parametrize("name", ["random", "smoothgrad-ig:samples=2", "expected-gradients:samples=2"])
def test_chance_depends_on_the_text_and_the_seed_alone(name: str) -> None:
    model = fakes.FakeModel(fakes.smooth)
    alone = lineal.explain(model, TEXT, "label:yes", method=name)
    _, company = lineal.explain_many(model, ["a good film", TEXT], "label:yes", method=name)
    np.testing.assert_allclose(alone.scores, company.scores, atol=EXACT)
    other = lineal.explain(model, TEXT, "label:yes", method=f"{name}:seed=1")
    assert np.abs(alone.scores - other.scores).max() > 1e-4


@pytest.mark.parametrize("name", METHODS)
def test_special_tokens_score_zero_and_the_promise_is_on_the_record(name: str) -> None:
    model = bert()
    if name.startswith("dig"):
        name = f"{name}:steps=4:neighbours=10"
    result = lineal.explain(model, "a very good film", method=name)
    assert (result.scores[:, [0, -1]] == 0).all()
    assert np.isfinite(result.scores).all()
    assert result.adds_up == methods.resolve(name).adds_up
    if result.adds_up:
        exact = lineal.explain(model, "a very good film", method=name, rule="gauss:32")
        assert abs(result.residual[0]) <= result.error[0]
        assert np.abs(result.scores - exact.scores).sum() <= result.error[0] + 1e-6
        assert result.converged == bool(result.error[0] <= result.tol * result.mass[0])
        assert result.stop in (lineal.Stop.CONVERGED, lineal.Stop.CANCELLED)
    else:
        assert methods.resolve(name).completeness in result.notes


@pytest.mark.parametrize("name", ["occlusion-burn", "expected-gradients:samples=1", "smoothgrad-ig:noise=0", "ig:samples=3"])
def test_unknown_methods_and_settings_are_errors(name: str) -> None:
    with pytest.raises(OptionError):
        lineal.explain(fakes.FakeModel(fakes.linear), TEXT, method=name)


def test_an_empty_list_of_baselines_is_an_error() -> None:
    with pytest.raises(OptionError, match="empty"):
        lineal.explain(fakes.FakeModel(fakes.linear), TEXT, baseline=[])


@pytest.mark.parametrize("name", METHODS)
def test_integrals_are_found_by_their_keys_not_by_their_places(name: str) -> None:
    how = Options(method=f"{name}:steps=3:neighbours=5" if name.startswith("dig") else name)
    session = Session(bert(), "label:L1", ["pad", "mask"], how)
    case = session.case(TEXT)
    plan = session.method.plan(case)
    backwards = [Task(*task, key=key) for key, task in reversed(plan.tasks.items())]
    found = {done.key: done.integral for done in attempt(session.model, backwards, session.budget)}
    assert list(found) == list(reversed(plan.tasks))
    outcome = plan.pack(found)
    record = session.explain(TEXT)
    np.testing.assert_allclose(outcome.integral.value, record.scores, atol=1e-12)
    np.testing.assert_allclose(outcome.integral.f_start, record.f_baseline, atol=1e-12)
