"""Pairs: the parts sum to the similarity, every way to the derivatives gives the same matrix, one- and two-sided scores are complete."""

from __future__ import annotations

import copy
import dataclasses
import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

import lineal
from lineal.engine.costs import costs
from lineal.engine.field import Problem, Request, evaluate
from lineal.engine.tangents import Mode
from lineal.errors import InputError, OptionError, ResultError, TooLongError
from lineal.kept import Kept
from lineal.models import TextModel
from lineal.models.lease import lease
from lineal.objectives.embedding import Embedding
from lineal.paths import Straight
from lineal.verbs.options import PairOptions
from lineal.verbs.pair_parts import PROBES, spanned
from lineal.verbs.pair_session import Pairs
from tests.fakes import by
from tests.honest import assert_keeps_its_word

VOCABULARY = "a small dog puppy chews ##ed gnaws on big stick wood piece of the two boys splash in surf man eats cheese"
WORDS = VOCABULARY.split()
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
A, B = "a small dog chewsed on a big stick", "the puppy gnaws on wood"
BOTH = pytest.mark.parametrize("decomposition", ["projected", "four"])
LONG = "two boys splash in the surf and a man eats a piece of cheese on the big wood"
EXACT = 1e-10
"""Largest difference of two ways to the same float64 numbers: rounding, many times over."""

torch.set_num_threads(1)  # tiny tensors: threads only wait for one another


@cache
def encoder(pooling: str = "mean", dtype: torch.dtype = torch.float64, width: int = 32, normalize: bool = False) -> Any:
    """Return a tiny random BERT as a sentence-transformers pipeline."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    torch.manual_seed(3)
    size = {"hidden_size": width, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48, "initializer_range": 0.12}
    config = transformers.BertConfig(vocab_size=len(SPECIAL) + len(WORDS), max_position_embeddings=24, **size)
    core = Tokenizer(models.WordPiece({token: i for i, token in enumerate((*SPECIAL, *WORDS))}, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    from transformers.utils import logging

    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        transformers.BertModel(config).to(dtype).save_pretrained(folder)
        transformers.PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=24, **names).save_pretrained(folder)
        first = Transformer(folder, model_kwargs={"dtype": dtype})
    modules = [first, Pooling(width, pooling), *([Normalize()] if normalize else [])]
    return SentenceTransformer(modules=modules, device="cpu")


def model(**how: Any) -> TextModel:
    return lineal.load(encoder(**how))


def problem(loaded: TextModel, text: str, kind: str = "cosine") -> Problem:
    case = Pairs(loaded, loaded, None, None, PairOptions(similarity=kind)).first.case(text)
    return Problem(case.encoded, Straight(case.starts[0], case.end), case.objective)


def gap_of(pair: lineal.PairAttribution, exact: lineal.PairAttribution) -> float:
    """The L1 distance of all terms."""
    return float(sum(np.abs(getattr(pair, name) - getattr(exact, name)).sum() for name in ("matrix", "row_terms", "column_terms")))


def vectors_by_jacobian(loaded: TextModel, text: str, nodes: int) -> np.ndarray:
    """The slow, obvious reference: the full Jacobian of the unit embedding at Gauss-Legendre nodes, contracted. (D, t)."""
    one = problem(loaded, text)
    features = {name: value[None] for name, value in one.encoded.features.items()}

    def embedding(point: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(loaded.run(features, point[None], None), dim=-1)[0]

    roots, weights = np.polynomial.legendre.leggauss(nodes)
    total = 0.0
    with lease(loaded.module):
        for root, weight in zip(roots, weights, strict=True):
            jacobian = torch.autograd.functional.jacobian(embedding, one.path.at(((root + 1) / 2,))[0])  # (D, t, d)
            total = total + weight / 2 * (jacobian * one.path.velocity((0.5,))[0]).sum(dim=-1).numpy()
    return np.asarray(total)


# --- the field, by any mode ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [Mode.FORWARD, Mode.CENTRAL])
def test_modes_agree_in_a_padded_batch_of_different_questions(mode: Mode) -> None:
    loaded = model()
    short, long = problem(loaded, B), problem(loaded, LONG)
    wanted = np.arange(32) % 3 == 0
    requests = [Request(short, (0.1, 0.7), np.ones(32, dtype=bool)), Request(long, (0.5,), None), Request(long, (0.2, 0.3, 0.9), wanted)]
    with lease(loaded.module):
        expected, found = evaluate(loaded, requests), evaluate(loaded, by(mode, requests))
    for one, other in zip(expected, found, strict=True):
        assert np.abs(one.values - other.values).max() < EXACT
        assert one.derivatives.shape == other.derivatives.shape
        assert np.abs(one.derivatives - other.derivatives).max() < (EXACT if mode is Mode.FORWARD else 1e-6)
    assert np.abs(expected[0].derivatives).max() > 1e-3
    assert (found[1].derivatives == 0).all()
    assert (found[2].derivatives[:, ~wanted] == 0).all()


def test_forward_mode_runs_in_chunks_with_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = model()
    request = [Request(problem(loaded, A), (0.3, 0.8), np.ones(32, dtype=bool))]
    with lease(loaded.module):
        whole = evaluate(loaded, by(Mode.FORWARD, request))[0]
        monkeypatch.setattr("lineal.engine.tangents.PASS_TOKENS", {"cpu": 60})
        parts = evaluate(loaded, by(Mode.FORWARD, request))[0]
    assert np.abs(whole.derivatives - parts.derivatives).max() < EXACT


def test_dot_products_in_forward_mode() -> None:
    loaded = model()
    one = problem(loaded, A, "dot")
    assert isinstance(one.objective, Embedding)
    with lease(loaded.module):
        reverse, forward = (
            evaluate(loaded, by(mode, [Request(one, (0.4,), np.ones(32, dtype=bool))]))[0] for mode in (Mode.REVERSE, Mode.FORWARD)
        )
    assert np.abs(reverse.derivatives - forward.derivatives).max() < EXACT


class NoForward(torch.autograd.Function):
    """An operation that only knows reverse mode."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return 2.0 * x

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return 2.0 * grad


def test_central_differences_where_an_operation_has_no_forward_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = model()
    plain = lineal.explain_pair(loaded, A, B)
    own = loaded.run
    monkeypatch.setattr(loaded, "run", lambda *inputs: NoForward.apply(own(*inputs)))
    measured = costs(loaded, problem(loaded, A))
    assert np.isfinite(measured.tangent)  # remembered from the model before
    from lineal.engine import costs as module

    monkeypatch.setattr(module, "_measured", Kept(most=1))
    measured = costs(loaded, problem(loaded, A))
    assert measured.tangent == np.inf
    assert measured.cheapest(32, 3) is Mode.CENTRAL
    assert measured.cheapest(1, 500) is Mode.REVERSE
    pair = lineal.explain_pair(loaded, A, B, mode="central")
    assert (pair.a.mode, pair.b.mode) == ("central", "central")
    assert np.abs(pair.matrix - plain.matrix).max() < 1e-5


# --- the parts ------------------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_the_parts_sum_to_the_similarity_within_the_stated_error(pooling: str, similarity: str, decomposition: str) -> None:
    live = encoder(pooling=pooling)
    pair = lineal.explain_pair(live, A, B, similarity=similarity, max_evaluations=4000, decomposition=decomposition)
    assert pair.converged
    own = live.encode([A, B], normalize_embeddings=similarity == "cosine").astype(np.float64)
    assert pair.similarity == pytest.approx(float(own[0] @ own[1]), rel=1e-5)
    assert abs(pair.residual) <= pair.error <= pair.tol * pair.scale
    assert pair.total == pytest.approx(pair.similarity + pair.residual)
    assert pair.matrix.shape == (11, 7)
    assert pair.mass > 10 * pair.error / pair.scale
    assert np.abs(pair.matrix).sum() <= pair.scale


def exact_pair(kind: str = "cosine", mode: str = "forward", a: str = A, b: str = LONG, **how: Any) -> lineal.PairAttribution:
    """A pair whose integrals are exact to rounding."""
    return lineal.explain_pair(model(), a, b, similarity=kind, mode=mode, rule="gauss:32", **how)


@BOTH
@pytest.mark.parametrize("mode", ["forward", "reverse", "central", "mixed"])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_with_exact_integrals_the_parts_are_the_similarity_to_rounding(similarity: str, mode: str, decomposition: str) -> None:
    pair = exact_pair(similarity, mode, baseline="mask", decomposition=decomposition)
    assert abs(pair.residual) < EXACT * (1e3 if mode == "central" else 1)
    assert np.abs(pair.matrix - exact_pair(similarity, baseline="mask", decomposition=decomposition).matrix).max() < 1e-7
    if decomposition == "projected":
        assert (pair.row_terms == 0).all()
        assert (pair.column_terms == 0).all()
        assert pair.bias == 0.0
        assert pair.total == pair.shared + pair.matrix.sum()
    else:
        assert pair.shared == 0.0
        assert abs(pair.row_terms).max() > 1e-3


def ends(text: str, similarity: str, baseline: str) -> tuple[np.ndarray, np.ndarray]:
    """ê of a text's baseline and of itself, encoded in plain sight."""
    live = encoder()
    token = {"mask": "[MASK]", "pad": "[PAD]", "unk": "[UNK]"}[baseline]
    ids = live.tokenizer(text, return_tensors="pt")["input_ids"]
    empty = ids.clone()
    empty[0, 1:-1] = live.tokenizer.convert_tokens_to_ids(token)
    found = []
    for one in (empty, ids):
        with torch.no_grad():
            vector = live({"input_ids": one, "attention_mask": torch.ones_like(one)})["sentence_embedding"][0].double().numpy()
        found.append(vector / np.linalg.norm(vector) if similarity == "cosine" else vector)
    return found[0], found[1]


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("baselines", [("mask", "mask"), ("mask", "pad")])
def test_what_is_shared_lies_along_both_baselines_and_the_matrix_is_orthogonal_to_them(similarity: str, baselines: tuple[str, str]) -> None:
    """shared = (Qᵀê(a)) · (Qᵀê(b)) and the matrix sums to ê(a)^⊥ · ê(b)^⊥, for baselines that were encoded by themselves."""
    pair = exact_pair(similarity, baseline=baselines[0], baseline_b=baselines[1])
    (start_a, a), (start_b, b) = ends(A, similarity, baselines[0]), ends(LONG, similarity, baselines[1])
    basis, _ = np.linalg.qr(np.stack([start_a, start_b], axis=1))
    assert pair.shared == pytest.approx((a @ basis) @ (basis.T @ b), rel=1e-9)
    assert pair.matrix.sum() == pytest.approx(a @ b - (a @ basis) @ (basis.T @ b), rel=1e-9)


@pytest.mark.parametrize("mode", ["forward", "mixed"])
def test_the_projected_matrix_is_that_of_four_parts_without_two_directions(mode: str) -> None:
    """matrix^⊥ = matrix − T_aᵀ Q Qᵀ T_b, with T by the full Jacobian."""
    loaded = model()
    left, right = vectors_by_jacobian(loaded, A, 7), vectors_by_jacobian(loaded, LONG, 7)
    (start_a, _), (start_b, _) = ends(A, "cosine", "pad"), ends(LONG, "cosine", "pad")
    basis, _ = np.linalg.qr(np.stack([start_a, start_b], axis=1))
    pair = lineal.explain_pair(loaded, A, LONG, rule="gauss:7", mode=mode)
    assert np.abs(pair.matrix - (left.T @ right - left.T @ basis @ basis.T @ right)).max() < EXACT


@BOTH
@pytest.mark.parametrize("mode", ["forward", "reverse", "mixed"])
def test_a_text_that_equals_its_baseline_has_no_cells_and_all_is_shared(mode: str, decomposition: str) -> None:
    pair = lineal.explain_pair(
        model(), "dog", B, baseline="word:dog", baseline_b="mask", mode=mode, decomposition=decomposition, rule="gauss:32"
    )
    assert (pair.matrix == 0).all()
    assert (pair.row_terms == 0).all()
    assert abs(pair.residual) < EXACT
    if decomposition == "projected":
        assert pair.shared == pytest.approx(pair.similarity, abs=EXACT)


def test_the_basis_of_baselines_is_orthonormal_in_any_order_and_of_the_rank_they_have() -> None:
    one, other = np.random.default_rng(0).standard_normal((2, 384))
    for gap, rank in ((0.0, 1), (1e-9, 1), (1e-3, 2), (1.0, 2)):
        for size in (1.0, 1e-4, 1e4):
            vectors = one / np.linalg.norm(one), size * (one + gap * other)
            basis, swapped = spanned(*vectors), spanned(*vectors[::-1])
            assert len(basis) == rank, gap
            assert np.abs(basis @ basis.T - np.eye(rank)).max() < 1e-14
            assert np.abs(basis.T @ basis - swapped.T @ swapped).max() < 1e-12
            if rank == 2:
                for vector in vectors:
                    assert np.linalg.norm(vector - basis.T @ (basis @ vector)) < 1e-12 * np.linalg.norm(vector)
    assert spanned(np.zeros(8), np.zeros(8)).shape == (0, 8)
    assert spanned(np.zeros(384), one).shape == (1, 384)


@pytest.mark.parametrize("gap", [0.0, 1e-12, 1e-7, 3e-6, 1e-4])
def test_nearly_parallel_baselines_keep_the_sum_exact(gap: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A direction that is not taken out, because it would be rounding, is counted as shared: nothing is lost."""
    loaded = model()
    own = Pairs.text

    def text(self: Pairs, session: Any, words: str) -> Any:
        found = own(self, session, words)
        noise = np.random.default_rng(len(words)).standard_normal(len(found.start))
        start = base + gap * noise / np.linalg.norm(noise)
        return dataclasses.replace(found, start=start)

    pairs = Pairs(loaded, loaded, None, None, PairOptions())
    base = pairs.text(pairs.first, A).start
    monkeypatch.setattr(Pairs, "text", text)
    one, other = pairs.text(pairs.first, A), pairs.text(pairs.second, B)
    common = pairs.common(one, other)
    a, b = common.left((one.end - one.start)[:, None]), common.left((other.end - other.start)[:, None])
    assert len(common.basis) == (2 if gap > 1e-5 else 1)
    assert common.shared + float(a[:, 0] @ b[:, 0]) == pytest.approx(common.similarity, abs=1e-15)


@BOTH
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_exchanged_texts_exchange_every_part(similarity: str, decomposition: str) -> None:
    how = {"similarity": similarity, "decomposition": decomposition, "max_evaluations": 4000}
    pair = lineal.explain_pair(model(), A, LONG, baseline="mask", baseline_b="pad", **how)
    other = lineal.explain_pair(model(), LONG, A, baseline="pad", baseline_b="mask", **how)
    size = pair.scale
    for name in ("matrix", "row_terms", "column_terms", "bias", "shared", "similarity", "error", "scale"):
        assert np.abs(getattr(pair, name) - getattr(other.swapped, name)).max() < EXACT * size, name


def test_an_encoder_whose_baseline_is_nothing_shares_nothing() -> None:
    """For a dot product ê(r) may be 0, as of a linear encoder from zeros: both decompositions are then the matrix alone."""
    loaded = model()
    weights = torch.linspace(-1, 1, 32 * 6, dtype=torch.float64).sin().reshape(6, 32)
    special = loaded.embed(torch.tensor([2, 3]))

    def run(features: Any, embeds: Any, positions: Any) -> torch.Tensor:
        points = loaded.embed(features["input_ids"]) if embeds is None else embeds
        content = ((points[:, :, None] - special).abs().sum(dim=-1) > 0).all(dim=-1)
        return (points * content[..., None] * features["attention_mask"][..., None]).sum(dim=1) @ weights.T

    loaded.run = run  # type: ignore[method-assign]
    two, four = (
        lineal.explain_pair(loaded, A, B, similarity="dot", rule="middle:2", mode="forward", baseline="zero", decomposition=name)
        for name in ("projected", "four")
    )
    assert two.shared == pytest.approx(0.0, abs=EXACT)
    assert np.abs(two.matrix - four.matrix).max() < EXACT
    assert two.matrix.sum() == pytest.approx(two.similarity)


def test_the_matrix_of_four_parts_is_that_of_the_full_jacobian() -> None:
    loaded = model()
    left, right = vectors_by_jacobian(loaded, A, 7), vectors_by_jacobian(loaded, B, 7)
    for mode in ("forward", "reverse"):
        pair = lineal.explain_pair(loaded, A, B, rule="gauss:7", mode=mode, decomposition="four")
        assert np.abs(pair.matrix - left.T @ right).max() < EXACT
        assert np.abs(pair.matrix).max() > 1e-3


@BOTH
def test_the_stated_error_covers_the_true_one(decomposition: str) -> None:
    loaded = model()
    exact = lineal.explain_pair(loaded, A, B, rule="gauss:96", decomposition=decomposition)
    for options in ({}, {"tol": 0.1}, {"mode": "mixed"}, {"mode": "mixed", "tol": 0.1}):
        pair = lineal.explain_pair(loaded, A, B, decomposition=decomposition, **options)
        gap = gap_of(pair, exact)
        assert gap <= pair.error
        assert pair.error <= pair.tol * pair.scale


@BOTH
@pytest.mark.parametrize("rule", ["adaptive", "gauss:8", "nested"])
@pytest.mark.slow
def test_mixed_passes_give_the_same_matrix(rule: str, decomposition: str) -> None:
    loaded = model()
    exact = lineal.explain_pair(loaded, B, LONG, rule="gauss:64", mode="forward", decomposition=decomposition)
    mixed = lineal.explain_pair(loaded, B, LONG, rule=rule, mode="mixed", tol=0.02, decomposition=decomposition)
    (projected, other), *rest = [pair for pair in ((mixed.a, mixed.b), (mixed.b, mixed.a)) if pair[0].mode == "mixed"]
    assert not rest, "one text is projected on the vectors of the other"
    assert projected.passes == other.roles.count("content") + (decomposition == "four") + PROBES
    assert mixed.similarity == pytest.approx(exact.similarity, abs=1e-9)
    assert mixed.bias == pytest.approx(exact.bias, abs=1e-9)
    assert mixed.shared == pytest.approx(exact.shared, abs=1e-9)
    for name in ("matrix", "row_terms", "column_terms"):
        assert np.abs(getattr(mixed, name) - getattr(exact, name)).max() <= mixed.error


def test_the_way_and_the_record_do_not_depend_on_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    random, records = np.random.default_rng(0), []
    for _ in range(6):
        steps = np.cumsum(random.lognormal(sigma=3.0, size=100_000))
        ticks = iter(steps.tolist())
        monkeypatch.setattr("time.perf_counter", lambda ticks=ticks: next(ticks))
        records.append(lineal.explain_pair(lineal.load(copy.deepcopy(encoder())), A, LONG).model_copy(update={"seconds": 0.0}))
    assert {(record.a.mode, record.b.mode) for record in records} == {(records[0].a.mode, records[0].b.mode)}
    for record in records[1:]:
        assert record == records[0]


@pytest.mark.slow
@BOTH
def test_every_mode_states_the_same_scale_and_an_error_that_holds(decomposition: str) -> None:
    loaded = model()
    exact = lineal.explain_pair(loaded, A, LONG, rule="gauss:96", mode="reverse", decomposition=decomposition)
    for mode in ("forward", "reverse", "central", "mixed"):
        for tol in (0.1, 0.01):
            pair = lineal.explain_pair(loaded, A, LONG, mode=mode, tol=tol, decomposition=decomposition)
            assert pair.scale == pytest.approx(exact.scale, rel=0.25 if mode == "mixed" else 0.02), mode  # 7 % is one standard deviation
            gap = gap_of(pair, exact)
            assert gap <= pair.error <= tol * pair.scale


@BOTH
def test_mixed_is_exact_at_equal_nodes(decomposition: str) -> None:
    loaded = model()
    full, mixed = (
        lineal.explain_pair(loaded, B, LONG, rule="gauss:5", mode=mode, decomposition=decomposition) for mode in ("reverse", "mixed")
    )
    for name in ("matrix", "row_terms", "column_terms"):
        assert np.abs(getattr(full, name) - getattr(mixed, name)).max() < EXACT


def test_swapped_texts_transpose_the_matrix() -> None:
    loaded = model()
    pair, other = lineal.explain_pair(loaded, A, B), lineal.explain_pair(loaded, B, A)
    assert np.abs(pair.matrix - other.matrix.T).max() < EXACT
    assert np.abs(pair.row_terms - other.column_terms).max() < EXACT
    assert np.array_equal(pair.swapped.matrix, pair.matrix.T)
    assert pair.swapped.texts == (B, A)
    assert pair.swapped.residual == pytest.approx(pair.residual)


def test_identical_texts_are_symmetric_and_their_similarity_is_one() -> None:
    pair = lineal.explain_pair(model(), A, A)
    assert np.abs(pair.matrix - pair.matrix.T).max() < EXACT
    assert np.abs(pair.row_terms - pair.column_terms).max() < EXACT
    assert pair.similarity == pytest.approx(1.0)


def test_two_baselines_are_kept_apart() -> None:
    pair = lineal.explain_pair(model(), A, A, baseline="mask", baseline_b="pad")
    assert (pair.a.baseline, pair.b.baseline) == ("mask", "pad")
    assert np.abs(pair.matrix - pair.matrix.T).max() > 1e-3
    assert abs(pair.residual) <= pair.error <= pair.tol * pair.scale


@BOTH
@pytest.mark.parametrize("mode", ["forward", "mixed"])
def test_special_tokens_are_exactly_zero_unless_released(mode: str, decomposition: str) -> None:
    pair = lineal.explain_pair(model(), A, B, mode=mode, decomposition=decomposition)
    for row in (0, -1):
        assert (pair.matrix[row] == 0).all()
        assert (pair.matrix[:, row] == 0).all()
        assert pair.row_terms[row] == pair.column_terms[row] == 0
    released = lineal.explain_pair(model(), A, B, hold_special=False)
    assert (released.matrix[0] != 0).any()


def test_a_linear_encoder_has_the_closed_form() -> None:
    """Mean pooling of a linear map: A_ij = (M Δ_i / n_a) · (M Δ_j / n_b) with any number of points."""
    loaded = model()
    weights = torch.linspace(-1, 1, 32 * 6, dtype=torch.float64).sin().reshape(6, 32)

    def run(features: Any, embeds: Any, positions: Any) -> torch.Tensor:
        mask = features["attention_mask"][..., None].to(torch.float64)
        points = loaded.embed(features["input_ids"]) if embeds is None else embeds
        return (points * mask).sum(dim=1) / mask.sum(dim=1) @ weights.T

    loaded.run = run  # type: ignore[method-assign]
    pair = lineal.explain_pair(loaded, A, B, similarity="dot", rule="middle:2", mode="forward", decomposition="four")
    left, right = (problem(loaded, text).path.velocity((0.5,))[0].numpy() @ weights.numpy().T for text in (A, B))
    assert np.abs(pair.matrix - (left / len(left)) @ (right / len(right)).T).max() < EXACT
    assert abs(pair.residual) < EXACT


def test_a_budget_that_runs_out_is_said() -> None:
    pair = lineal.explain_pair(model(), A, B, tol=1e-7, max_evaluations=16)
    assert not pair.converged
    assert pair.stop is lineal.Stop.BUDGET
    exact = lineal.explain_pair(model(), A, B, rule="gauss:96")
    gap = gap_of(pair, exact)
    assert max(gap, abs(pair.residual)) <= pair.error
    assert pair.error > pair.tol * pair.scale


def test_the_model_leaves_as_it_came() -> None:
    live = encoder().train()
    weight = next(iter(live.parameters())).requires_grad_(False)
    flags = [(p.requires_grad, p.grad) for p in live.parameters()]
    before = (
        live[0].auto_model.config._attn_implementation,
        torch.backends.cuda.math_sdp_enabled(),
        torch.backends.cuda.flash_sdp_enabled(),
    )
    lineal.explain_pair(live, A, B)
    assert all(part.training for part in live.modules())
    assert [(p.requires_grad, p.grad) for p in live.parameters()] == flags
    after = (
        live[0].auto_model.config._attn_implementation,
        torch.backends.cuda.math_sdp_enabled(),
        torch.backends.cuda.flash_sdp_enabled(),
    )
    assert before == after
    weight.requires_grad_(True)
    live.eval()


# --- the record ----------------------------------------------------------------------------------------------------------------------


@BOTH
def test_words_are_sums(decomposition: str) -> None:
    pair = lineal.explain_pair(model(), A, B, decomposition=decomposition)
    words = pair.words()
    assert words.a.tokens == ("[CLS]", "a", "small", "dog", "chewsed", "on", "a", "big", "stick", "[SEP]")
    assert words.matrix[4] == pytest.approx(words.words().matrix[4])
    assert words.row_terms[4] == pytest.approx(pair.row_terms[4] + pair.row_terms[5])
    assert words.matrix[4, 1] == pytest.approx(pair.matrix[4, 1] + pair.matrix[5, 1])
    assert words.total == pytest.approx(pair.total)
    assert words.level == "word"


def test_strongest_cells_come_first_and_zeros_never() -> None:
    pair = lineal.explain_pair(model(), A, B).words()
    found = pair.strongest(1000)
    assert len(found) == 8 * 5
    assert [abs(match.score) for match in found] == sorted((abs(match.score) for match in found), reverse=True)
    assert (found[0].left, found[0].score) == (pair.a.tokens[found[0].row], pair.matrix[found[0].row, found[0].column])
    with pytest.raises(InputError, match="at least 1"):
        pair.strongest(0)


def test_a_pair_survives_the_disk(tmp_path: Path) -> None:
    pair = lineal.explain_pair(model(), A, B)
    path = pair.save(tmp_path / "pair.json")
    assert lineal.load_result(path) == pair
    assert lineal.load_result(pair.words().save(path)) == pair.words()
    plain = lineal.explain(model(), A)
    assert isinstance(lineal.load_result(plain.save(path)), lineal.Attribution)
    path.write_text(pair.to_json().replace('"kind": "pair"', '"kind": "pear"'), encoding="utf-8")
    with pytest.raises(ResultError, match="pear"):
        lineal.load_result(path)
    broken = pair.to_dict() | {"matrix": [[1.0]]}
    with pytest.raises(ResultError, match="shape"):
        lineal.PairAttribution.from_dict(broken)


def old(record: lineal.PairAttribution) -> dict[str, Any]:
    """A pair as schema 1 stored it."""
    return {name: value for name, value in record.to_dict().items() if name not in ("decomposition", "shared")} | {"schema": 1}


def test_records_of_the_first_schema_are_four_parts(tmp_path: Path) -> None:
    pair = lineal.explain_pair(model(), A, B, decomposition="four")
    assert pair.to_dict()["schema"] == 2
    path = tmp_path / "pair.json"
    path.write_text(json.dumps(old(pair)), encoding="utf-8")
    assert lineal.load_result(path) == pair
    matches = lineal.explain_matches(model(), B, [A, LONG], decomposition="four", rule="gauss:5")
    stored = matches.to_dict() | {"schema": 1, "pairs": [old(one) for one in matches.pairs]}
    assert lineal.Matches.from_dict(stored) == matches
    with pytest.raises(ResultError, match="decomposition"):
        lineal.PairAttribution.from_dict(old(pair) | {"schema": 2})
    with pytest.raises(ResultError, match="reads schema 1 or 2"):
        lineal.PairAttribution.from_dict(old(pair) | {"schema": 3})
    with pytest.raises(ResultError, match="reads schema 1"):
        lineal.Attribution.from_dict(lineal.explain(model(), A, rule="gauss:2").to_dict() | {"schema": 2})


# --- one row of scores over both texts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sides", ["a", "b", "both"])
def test_one_and_two_sided_scores_are_complete(sides: str) -> None:
    record = lineal.explain_similarity(model(), A, B, sides=sides, tol=1e-3)
    assert record.converged
    exact = lineal.explain_similarity(model(), A, B, sides=sides, rule="gauss:96")
    assert_keeps_its_word(record, exact, rounding=1e-9)
    assert record.mass[0] > 1e-2
    assert record.f_input[0] == pytest.approx(lineal.explain_pair(model(), A, B).similarity, abs=1e-9)
    still = {"a": 1, "b": 0}.get(sides)
    if still is not None:
        rows = [i for i, segment in enumerate(record.segments) if segment == still]
        assert (record.scores[:, rows] == 0).all()
        assert {record.roles[i] for i in rows} == {"held"}


def test_one_sided_scores_are_those_of_the_similarity_to_the_other_text() -> None:
    record = lineal.explain_similarity(model(), A, B, sides="a", rule="gauss:6")
    other = lineal.explain(model(), A, lineal.targets.similar(B), rule="gauss:6", baseline="pad")
    assert np.abs(record.scores[:, : len(other.tokens)] - other.scores).max() < EXACT


def test_one_sided_scores_are_the_rows_of_the_matrix_with_their_row_terms() -> None:
    loaded = model()
    pair = lineal.explain_pair(loaded, A, B, tol=1e-4, max_evaluations=4000, decomposition="four")
    record = lineal.explain_similarity(loaded, A, B, sides="a", tol=1e-4, max_evaluations=4000)
    assert np.abs(pair.matrix.sum(axis=1) + pair.row_terms - record.scores[0, : len(pair.a.tokens)]).max() < 1e-3


def test_pairs_of_different_lengths_share_a_batch() -> None:
    from lineal.models.siamese import Siamese

    siamese, pairs = Siamese(model()), [(A, B), (B, LONG), (A, A)]  # type: ignore[arg-type]
    target = lineal.targets.PairSimilarity()
    together = list(lineal.explain_many(siamese, pairs, target, rule="gauss:4"))
    for record, texts in zip(together, pairs, strict=True):
        alone = lineal.explain(siamese, texts, target, rule="gauss:4")
        assert np.abs(record.scores - alone.scores).max() < EXACT


# --- many documents --------------------------------------------------------------------------------------------------------------------


def test_matches_are_ranked_and_explained(tmp_path: Path) -> None:
    loaded, documents = model(), [LONG, A, "cheese", B]
    matches = lineal.explain_matches(loaded, B, documents, top=3, mode="forward", rule="gauss:5")
    assert sorted(matches.order) == [0, 1, 2, 3]
    assert list(matches.similarities) == sorted(matches.similarities, reverse=True)
    assert matches.order[0] == 3
    assert matches.similarities[0] == pytest.approx(1.0)
    assert len(matches.pairs) == 3
    for number, similarity, pair in zip(matches.order, matches.similarities, matches.pairs, strict=False):
        assert pair.texts == (B, documents[number])
        assert pair.similarity == pytest.approx(similarity, abs=1e-9)
        alone = lineal.explain_pair(loaded, B, documents[number], mode="forward", rule="gauss:5")
        assert np.abs(pair.matrix - alone.matrix).max() < EXACT
    assert lineal.load_result(matches.save(tmp_path / "m.json")).to_dict() == matches.to_dict()


def test_every_document_has_its_own_seconds_and_they_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, now = model(), 0.0
    own = loaded.run

    def run(features: Any, embeds: Any, positions: Any) -> torch.Tensor:
        nonlocal now
        now += features["input_ids"].numel()
        return own(features, embeds, positions)

    monkeypatch.setattr(loaded, "run", run)
    monkeypatch.setattr("time.perf_counter", lambda: now)
    pairs = lineal.explain_matches(loaded, B, [LONG, "cheese"], mode="reverse", rule="gauss:8").pairs
    seconds = {pair.b.text: pair.seconds for pair in pairs}
    assert 0.9 * now < sum(seconds.values()) <= now  # less the ranking
    assert seconds[LONG] - seconds["cheese"] > 8 * abs(len(pairs[0].b.tokens) - len(pairs[1].b.tokens))


def test_matches_with_long_documents_use_mixed_passes() -> None:
    loaded = model()
    matches = lineal.explain_matches(loaded, "cheese", [LONG, A], mode="mixed", rule="gauss:5")
    assert {pair.b.mode for pair in matches.pairs} == {"mixed"}
    alone = lineal.explain_pair(loaded, "cheese", matches.pairs[0].b.text, mode="reverse", rule="gauss:5")
    assert np.abs(matches.pairs[0].matrix - alone.matrix).max() < EXACT


# --- what cannot be explained ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda m: lineal.explain_pair(m, A, " "), InputError, "empty"),
        (lambda m: lineal.explain_pair(m, A, [B]), InputError, "explain_matches"),
        (lambda m: lineal.explain_pair(m, A, LONG + " " + LONG), TooLongError, "24"),
        (lambda m: lineal.explain_pair(m, A, B, toll=0.1), OptionError, "toll"),
        (lambda m: lineal.explain_pair(m, A, B, mode="sideways"), OptionError, "forward"),
        (lambda m: lineal.explain_pair(m, A, B, similarity="euclid"), OptionError, "cosine"),
        (lambda m: lineal.explain_pair(m, A, B, decomposition="three"), OptionError, "projected"),
        (lambda m: lineal.explain_pair(m, A, B, baseline="mask,pad"), OptionError, "one baseline per text"),
        (lambda m: lineal.explain_similarity(m, A, B, sides="c"), OptionError, "both"),
        (lambda m: lineal.explain_matches(m, A, []), InputError, "no document"),
        (lambda m: lineal.explain_matches(m, A, B), InputError, "list"),
        (lambda m: lineal.explain_matches(m, A, [B], top=0), InputError, "top"),
        (lambda m: lineal.explain_matches(m, A, [B, ""]), InputError, r"documents\[1\]: "),
    ],
)
def test_bad_input_is_said_clearly(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call(model())


def test_a_model_that_is_no_encoder_is_refused() -> None:
    loaded = model()
    probe = lineal.LinearProbe(loaded, np.ones((1, 32)), [0.0], ["no", "yes"])  # type: ignore[arg-type]
    for verb in (lineal.explain_pair, lineal.explain_similarity):
        with pytest.raises(OptionError, match=r"classifier.*explain\(model"):
            verb(probe, A, B)


def test_truncation_is_told_on_the_record() -> None:
    pair = lineal.explain_pair(model(), A, LONG + " " + LONG, truncate=True)
    assert pair.b.read < len(pair.b.text)
    assert any(note.startswith("Text 2: The text was cut") for note in pair.notes)
