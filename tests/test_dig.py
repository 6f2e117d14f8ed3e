"""Discretized IG: the published algorithm to the last anchor, and the better-behaved path around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import lineal
from lineal import methods, targets
from lineal.errors import OptionError
from lineal.methods import DIG
from lineal.methods.dig import anchors, neighbours
from lineal.methods.dig.search import BASELINE, find_anchors, monotonised, refined
from lineal.models.base import TextModel
from lineal.paths import Polyline
from lineal.quadrature import spelling as rules
from lineal.verbs.options import Options
from lineal.verbs.session import Session
from tests import dig_reference as reference
from tests import fakes, tiny
from tests.honest import assert_keeps_its_word

ROUNDING = 1e-12  # float64; sums in another order
TEXT = "the film a glorious mess of tepid good"
STRATEGIES = ["greedy", "maxcount"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAL_CACHE", str(tmp_path))


def random_table(words: int = 60, width: int = 5, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(words, width)))


def found_anchors(table: torch.Tensor, words: list[int], baseline: int, k: int, steps: int, strategy: str) -> np.ndarray:
    nearest = np.array([reference.neighbours_of(i, table.numpy(), k) for i in range(len(table))])
    which, lookup = np.zeros(len(words), dtype=np.int64), lambda i: table[torch.as_tensor(i)]
    return find_anchors(np.array(words), which, table[[baseline]], np.array([baseline]), steps, lambda i: nearest[i], lookup, strategy)


def bert(seed: int = 0) -> TextModel:
    return lineal.load(tiny.bert_classifier(seed=seed).double(), tiny.tokenizer())


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("k", "steps"), [(8, 4), (59, 10), (3, 30)])
def test_anchors_are_those_of_the_slow_search(strategy: str, k: int, steps: int) -> None:
    table = random_table()
    words = list(range(1, 25))
    found = found_anchors(table, words, 0, k, steps, strategy)
    for row, word in zip(found, words, strict=True):
        expected = reference.anchors(word, 0, table.numpy(), k, steps, strategy)[1:]
        assert [0 if i == BASELINE else i for i in row] == expected


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("factor", [0, 2])
def test_points_are_those_of_the_slow_search(strategy: str, factor: int) -> None:
    table, steps = random_table(), 6
    words = [3, 7, 0, 20]
    found = found_anchors(table, words, 0, 12, steps, strategy)
    stations = [table[np.where(found[:, t] == BASELINE, 0, found[:, t])] for t in range(steps)]
    built = refined(monotonised(table[words], stations, table[[0] * 4], even=False), factor)
    assert len(built) == 2**factor * (steps + 1) + 1
    for j, word in enumerate(words):
        np.testing.assert_array_equal(built[:, j], reference.points(word, 0, table.numpy(), 12, steps, strategy, factor))


def test_monotonising_by_hand() -> None:
    word, baseline, anchor = (torch.tensor([v], dtype=torch.float64) for v in ((1.0, 1.0), (0.0, 0.0), (0.5, 1.2)))
    points = monotonised(word, [anchor, anchor], baseline, even=False)
    assert points[:, 0].tolist() == [[0.0, 0.0], [0.5, 0.25], [0.5, 0.5], [1.0, 1.0]]
    moved, count = reference.monotonised(anchor[0].numpy(), baseline[0].numpy(), word[0].numpy(), 2)
    assert (moved.tolist(), count, float(np.linalg.norm(anchor[0] - torch.from_numpy(moved)))) == ([0.5, 0.5], 1, pytest.approx(0.7))


@pytest.mark.parametrize(("even", "kept"), [(False, (1 - 1 / 5) ** 5), (True, 1 / 6)])
def test_a_dimension_that_no_anchor_serves(even: bool, kept: float) -> None:
    word, baseline, far = (torch.full((1, 1), v, dtype=torch.float64) for v in (1.0, 0.0, 7.0))
    points = monotonised(word, [far] * 5, baseline, even)
    assert float(points[1, 0, 0]) == pytest.approx(kept)
    if even:
        np.testing.assert_allclose(points.diff(dim=0), 1 / 6, atol=ROUNDING)


@pytest.mark.parametrize("even", [False, True])
def test_the_path_never_turns_back(even: bool) -> None:
    table = random_table(200, 16)
    words = list(range(1, 40))
    found = found_anchors(table, words, 0, 20, 10, "greedy")
    stations = [table[np.where(found[:, t] == BASELINE, 0, found[:, t])] for t in range(10)]
    points = monotonised(table[words], stations, table[[0] * len(words)], even)
    steps, whole = points.diff(dim=0), points[-1] - points[0]
    assert (steps * whole.sign() >= -1e-15).all()


def test_with_two_words_the_published_sum_is_the_gradient_at_the_baseline() -> None:
    """The path is b, …, b, w: left takes ∇F(b)·Δ, the trapezoid ½(∇F(b) + ∇F(w))·Δ."""
    start, end = torch.zeros(4, 3, dtype=torch.float64), random_table(4, 3)
    fake = fakes.FakeModel(fakes.smooth)
    path = Polyline(torch.stack([*[start] * 5, end]))

    def gradient(at: torch.Tensor) -> torch.Tensor:
        x = at[None].requires_grad_()
        return torch.autograd.grad(fake.answer(x, torch.ones(1, 4, 1))[0, 1], x)[0][0]

    from lineal.engine.integrate import Budget, integrate
    from lineal.methods.contract import Case

    encoded = fake.encode(["a tepid film good"])
    objective = targets.label("yes").bind(fake)(encoded)
    case = Case(fake, encoded, start[None], end, (True,) * 4, objective, lambda p: rules.schedule("left", 0.01, 100, p.breaks))
    for rule, expected in (("left", gradient(start)), ("trapezoid", (gradient(start) + gradient(end)) / 2)):
        task = (case.problem(path), rules.schedule(rule, 0.01, 100, path.breaks))
        result = next(integrate(fake, [task], Budget(1000)))
        np.testing.assert_allclose(result.value[0], (expected * (end - start)).sum(dim=1), atol=ROUNDING)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("steps", "k", "factor"), [(6, 10, 0), (30, 33, 0), (4, 10, 2)])
def test_left_is_the_published_algorithm_on_bert(strategy: str, steps: int, k: int, factor: int) -> None:
    model = bert()
    text = "the film was a tepid, glorious mess"
    method = DIG(strategy, steps, k, factor, even=False)
    result = lineal.explain(model, text, "label:L1", baseline="pad", method=method, rule="left")
    table = model.embed(torch.arange(model.vocabulary)).detach().numpy()
    encoded = model.encode([text])
    features = {name: value[None] for name, value in encoded.features.items()}

    def gradient(point: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(point)[None].requires_grad_()
        return torch.autograd.grad(model.run(features, x, None)[0, 1], x)[0][0].numpy()

    pieces = 2**factor * (steps + 1)
    paths = [
        np.repeat(table[i][None], pieces + 1, axis=0) if role == "special" else reference.points(i, 0, table, k, steps, strategy, factor)
        for i, role in zip(encoded.ids, encoded.roles, strict=True)
    ]
    np.testing.assert_allclose(result.scores[0], reference.scores(gradient, paths), rtol=1e-10, atol=ROUNDING)
    assert result.evaluations == pieces + 1
    assert result.scores[0, 0] == result.scores[0, -1] == 0.0


@pytest.mark.parametrize("rule", ["left", "right", "trapezoid", "gauss:2", "adaptive"])
@pytest.mark.parametrize("method", ["dig-greedy", "dig-maxcount"])
def test_on_a_linear_model_every_path_gives_what_the_straight_one_gives(method: str, rule: str) -> None:
    model = fakes.FakeModel(fakes.linear)
    spelled = f"{method}:steps=4:neighbours=6"
    over_words = lineal.explain(model, TEXT, targets.labels(), method=spelled, rule=rule)
    straight = lineal.explain(model, TEXT, targets.labels())
    np.testing.assert_allclose(over_words.scores, straight.scores, atol=1e-10)
    assert over_words.method == spelled
    assert over_words.path != straight.path


@pytest.mark.parametrize("baseline", ["pad", "mean", "zero"])
def test_the_adaptive_rule_integrates_the_kinked_path_to_the_tolerance(baseline: str) -> None:
    model = bert()
    method = DIG("greedy", 8, 20)
    result = lineal.explain(model, "a very good film", "label:L0", baseline=baseline, method=method)
    dense = lineal.explain(model, "a very good film", "label:L0", baseline=baseline, method=method, rule="gauss:20")
    assert_keeps_its_word(result, dense)
    assert abs(dense.residual[0]) < 1e-8


def test_left_says_how_wrong_it_is() -> None:
    model = bert()
    left, dense = (lineal.explain(model, "a very good film", method=DIG("greedy", 8, 20), rule=rule) for rule in ("left", "gauss:20"))
    assert not left.converged
    true = np.abs(left.scores - dense.scores).sum()
    assert true > 0.01 * dense.mass[0], "otherwise it had converged"
    assert max(0.3 * true, abs(left.residual[0])) <= left.error[0] < 10 * true


def test_both_sides_of_a_kink_are_one_gradient() -> None:
    model = fakes.FakeModel(fakes.smooth)
    lineal.explain(model, TEXT, "label:yes", method=DIG("greedy", 9, 6), rule="left", batch_tokens=10_000)
    assert max(batch[0] for batch in model.batches) == 11, "the record's own answers, at both ends, are a batch behind it"


def test_a_polyline_is_exact_at_its_vertices_and_knows_its_sides() -> None:
    vertices = random_table(4 * 2, 3).reshape(4, 2, 3)
    path = Polyline(vertices)
    assert path.breaks == (0.0, 1 / 3, 2 / 3, 1.0)
    hair = 2.0**-40
    around = path.at([0.0, 1 / 3 - hair, 1 / 3, 1 / 3 + hair, 1.0])
    for row, vertex in zip(around, (0, 1, 1, 1, 3), strict=True):
        assert torch.equal(row, vertices[vertex])
    slopes = path.velocity([1 / 3 - hair, 1 / 3 + hair])
    np.testing.assert_allclose(slopes / 3, torch.stack([vertices[1] - vertices[0], vertices[2] - vertices[1]]), atol=ROUNDING)


def test_blog_variant_is_labelled_and_does_not_scale_with_what_moves() -> None:
    """On a linear model the published DIG gives w·Δ, the tutorials' variant the sum of w, whatever the words are."""
    result = lineal.explain(fakes.FakeModel(fakes.linear), TEXT, "label:yes", method="dig-blog:steps=3:neighbours=4")
    np.testing.assert_allclose(result.scores[0], 1.0 + 0.2 - 0.7, atol=ROUNDING)
    assert not result.adds_up
    assert any("mean gradients" in note for note in result.notes)


def test_neighbours_are_exact_and_shared_by_equal_weights_only() -> None:
    model = bert()
    table = model.embed(torch.arange(model.vocabulary)).detach().numpy()
    known = neighbours.Neighbours(model, 7)
    expected = np.array([reference.neighbours_of(i, table, 7) for i in range(model.vocabulary)])
    np.testing.assert_array_equal(known.of([5, 2, 5]), expected[[5, 2, 5]])
    known.index()
    np.testing.assert_array_equal(known.of(np.arange(model.vocabulary)), expected)
    assert neighbours.fingerprint(bert()) == known.fingerprint
    assert neighbours.fingerprint(bert(seed=1)) != known.fingerprint
    changed = bert()
    before = neighbours.fingerprint(changed)
    with torch.no_grad():
        changed.network.get_input_embeddings().weight[11, 3] += 1e-9
    assert neighbours.fingerprint(changed) != before


def test_neighbours_survive_in_the_cache_folder_and_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = bert()
    expected = neighbours.Neighbours(model, 5).of([8, 9])
    neighbours._stores.clear()
    with monkeypatch.context() as patch:
        patch.setattr(neighbours, "nearest", lambda *_: pytest.fail("found again instead of remembered"))
        np.testing.assert_array_equal(neighbours.Neighbours(model, 5).of([8, 9]), expected)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LINEAL_CACHE", str(tmp_path / "file"))
    np.testing.assert_array_equal(neighbours.Neighbours(model, 5).of([8, 9]), expected)


def test_equal_embeddings_come_in_the_order_of_their_ids() -> None:
    model = bert()
    with torch.no_grad():
        model.network.get_input_embeddings().weight[20:26] = model.network.get_input_embeddings().weight[19]
    assert neighbours.Neighbours(model, 6).of([22])[0].tolist() == [19, 20, 21, 23, 24, 25]


MANY = ["a very good film", "the film was a tepid , glorious mess", "good", "tepid film", "a very very good film of a mess"]


@pytest.mark.parametrize("method", [DIG("greedy", 8, 20), DIG("maxcount", 5, 12, even=False), methods.BlogDIG(4, 6)])
@pytest.mark.parametrize("baseline", ["pad", "mean", ["mask", "random:2"]])
def test_texts_together_take_the_paths_of_texts_alone(
    method: DIG, baseline: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def paths(texts: list[str], folder: str) -> list[torch.Tensor]:
        monkeypatch.setenv("LINEAL_CACHE", str(tmp_path / folder))
        anchors._anchors.clear()
        session = Session(bert(), "label:L1", baseline, Options(method=method))
        cases = [session.case(text) for text in texts]
        session.method.prepare(cases)
        return [problem.path.vertices for case in cases for problem, _ in session.method.plan(case).tasks.values()]

    together = paths(MANY, "together")
    alone = [path for i, text in enumerate(MANY) for path in paths([text], f"alone{i}")]
    assert len(together) == len(alone) == len(MANY) * (1 if isinstance(baseline, str) else 3)
    assert all(torch.equal(a, b) for a, b in zip(together, alone, strict=True))


def test_texts_together_are_looked_up_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """One look-up of the vocabulary per step at most, whatever the number of texts, and none for texts seen before."""
    asked: list[int] = []
    nearest = neighbours.nearest
    monkeypatch.setattr(neighbours, "nearest", lambda model, words, k, *more: asked.append(len(words)) or nearest(model, words, k, *more))
    anchors._anchors.clear()
    model, method = bert(seed=3), DIG("greedy", 6, 20)
    records = list(lineal.explain_many(model, MANY, "label:L1", method=method))
    assert 1 <= len(asked) <= method.steps
    asked.clear()
    again = list(lineal.explain_many(model, MANY[::-1], "label:L1", method=method))[::-1]
    assert asked == []
    for record, other in zip(records, again, strict=True):
        np.testing.assert_allclose(record.scores, other.scores, atol=ROUNDING)


@pytest.mark.parametrize("spelled", ["dig-greedy:steps=0", "dig-greedy:steps=x", "dig-greedy:banana=1", "dig", "dig-greedy:neighbours=12"])
def test_settings_that_cannot_be_are_errors(spelled: str) -> None:
    with pytest.raises(OptionError):
        lineal.explain(fakes.FakeModel(fakes.linear), TEXT, method=spelled)


def test_a_point_per_vertex_needs_vertices() -> None:
    with pytest.raises(OptionError, match="left:50"):
        lineal.explain(fakes.FakeModel(fakes.linear), TEXT, rule="left")


@pytest.mark.parametrize(
    "spelled", ["ig", "dig-greedy:steps=4:even=no", "smoothgrad-ig:samples=3:noise=0.5", "occlusion-delete", "random:seed=7"]
)
def test_a_spelling_names_one_method(spelled: str) -> None:
    assert methods.spelling(methods.resolve(spelled)) == spelled
    assert methods.resolve(methods.spelling(methods.resolve(spelled))) == methods.resolve(spelled)
