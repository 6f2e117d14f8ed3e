"""Models whose token derivatives jump along a path, because of ReLU units, max pooling or routers; and integrals of them to compare with.

Used by test_kinked_models.py, and by `python benchmarks/kinked_models.py`. The tiny ones are random and need nothing; the others stand on
the weights of a real sentence encoder or classifier.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

import lineal
from lineal import targets
from lineal.engine.field import Answer, Problem, Request, evaluate
from lineal.models import TextModel
from lineal.models.lease import lease
from lineal.paths import Straight
from lineal.verbs.options import Options
from lineal.verbs.session import Session
from tests import families, tiny_lm

Floats = NDArray[np.float64]
Ask = tuple[Any, Any, str | None]
"""A text, a target and a baseline."""

Pattern = Callable[[Floats], NDArray[np.int64]]
"""From what a layer gives (m, …) to what was chosen there (m, u): the sign of each ReLU unit, or the token that holds each maximum."""


def signs(states: Floats) -> NDArray[np.int64]:
    """Which units are on."""
    return (states > 0).astype(np.int64)


def winners(states: Floats) -> NDArray[np.int64]:
    """Which token (m, t, D) holds the maximum of each dimension."""
    return states.argmax(axis=1)


# --- real weights --------------------------------------------------------------------------------------------------------------------

PRAISE = ("glorious", "moving", "very funny", "a delight", "clever and warm", "beautifully acted")
BLAME = ("tepid", "a mess", "far too long", "painfully dull", "badly written", "a waste of time")
FRAMES = ("The film is {}.", "The ending is {}.", "I thought it was {}.", "Her new book: {}.", "What a story, {}!")
SENTENCES = [(frame.format(word), label) for label, words in enumerate((BLAME, PRAISE)) for frame, word in product(FRAMES, words)]
"""Sixty labelled sentences, 0 or 1, for heads that have to be fitted to something."""


def distilbert(bert: Any, words: Any, labelled: Sequence[tuple[str, int]] = SENTENCES, dtype: torch.dtype = torch.float32) -> TextModel:
    """Return a DistilBERT classifier with the layers of a BERT encoder, and a head fitted to labelled texts; reads up to 512 tokens.

    Layers map one to one. The segment embedding, a constant for single texts, goes into the positions. As in every DistilBERT classifier
    the head reads the first position through a dense layer and a ReLU: that layer is a random rotation here, what follows is a logistic
    regression. Raises AssertionError when the copy does not give the original's states.
    """
    c = bert.config
    config = transformers.DistilBertConfig(
        vocab_size=c.vocab_size,
        max_position_embeddings=c.max_position_embeddings,
        dim=c.hidden_size,
        n_layers=c.num_hidden_layers,
        n_heads=c.num_attention_heads,
        hidden_dim=c.intermediate_size,
        activation=c.hidden_act,
        id2label={0: "NEGATIVE", 1: "POSITIVE"},
    )
    model = transformers.DistilBertForSequenceClassification(config).eval()
    old, new = bert.state_dict(), {}
    for name in ("embeddings.word_embeddings.weight", "embeddings.LayerNorm.weight", "embeddings.LayerNorm.bias"):
        new[name] = old[name]
    new["embeddings.position_embeddings.weight"] = (
        old["embeddings.position_embeddings.weight"] + old["embeddings.token_type_embeddings.weight"][0]
    )
    for layer, (theirs, ours), kind in product(range(c.num_hidden_layers), LAYER.items(), ("weight", "bias")):
        new[f"transformer.layer.{layer}.{ours}.{kind}"] = old[f"encoder.layer.{layer}.{theirs}.{kind}"]
    model.distilbert.load_state_dict(new)
    batch = words([text for text, _ in labelled], padding=True, return_tensors="pt")
    with torch.no_grad():
        known = {name: batch[name] for name in ("input_ids", "attention_mask")}
        states = model.distilbert(**known).last_hidden_state[:, 0]
        apart = (states - bert(**known).last_hidden_state[:, 0]).abs().max()
        assert apart < 1e-4 * states.abs().max(), f"the copied layers answer {apart:.2g} apart"
        generator = torch.Generator().manual_seed(0)
        rotation = torch.linalg.qr(torch.randn(config.dim, config.dim, generator=generator)).Q
        model.pre_classifier.weight.copy_(rotation)
        model.pre_classifier.bias.zero_()
        weights, bias = logistic(torch.relu(states @ rotation.T).numpy(), [label for _, label in labelled])
        model.classifier.weight.copy_(torch.tensor(np.stack([-weights, weights]) / 2))
        model.classifier.bias.copy_(torch.tensor([-bias / 2, bias / 2]))
    return lineal.load(model, words, device="cpu", dtype=dtype)


LAYER = {
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}
"""Parts of a BERT layer, and what they are called in DistilBERT."""


def max_pooling(encoder: TextModel, dtype: torch.dtype = torch.float32) -> TextModel:
    """Return the sentence encoder with the largest state of each dimension in place of their mean."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    first = copy.deepcopy(encoder.module[0])
    pooling = Pooling(encoder.network.config.hidden_size, "max")
    return lineal.load(SentenceTransformer(modules=[first, pooling], device="cpu"), dtype=dtype)


def relu_probe(
    encoder: TextModel, labelled: Sequence[tuple[str, int]] = SENTENCES, width: int = 64, dtype: torch.dtype = torch.float32
) -> TextModel:
    """Return a classifier with one hidden layer of ReLU units, fitted to embeddings of labelled texts."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense
    from sklearn.neural_network import MLPClassifier

    embeddings = encoder.module.encode([text for text, _ in labelled], show_progress_bar=False)
    fitted = MLPClassifier((width,), random_state=0, max_iter=400).fit(embeddings, [label for _, label in labelled])
    hidden = Dense(embeddings.shape[1], width, activation_function=torch.nn.ReLU())
    with torch.no_grad():
        hidden.linear.weight.copy_(torch.tensor(fitted.coefs_[0].T))
        hidden.linear.bias.copy_(torch.tensor(fitted.intercepts_[0]))
    pipeline = SentenceTransformer(modules=[*copy.deepcopy(list(encoder.module)), hidden], device="cpu")
    loaded: Any = lineal.load(pipeline, dtype=dtype)
    return lineal.LinearProbe(loaded, fitted.coefs_[1].T, fitted.intercepts_[1], ["NEGATIVE", "POSITIVE"])


def logistic(features: Any, labels: Sequence[int]) -> tuple[Any, float]:
    """Return weights (D,) and bias of a logistic regression."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(max_iter=2000).fit(features, labels)
    return fitted.coef_[0].astype(np.float32), float(fitted.intercept_[0])


# --- tiny random models --------------------------------------------------------------------------------------------------------------

TEXTS = (
    "the cat sat on the mat",
    "not a very good film",
    "rain fell all day long over hills",
    "the old dog ran under a car",
    "we read good books by the fire",
    "her plot was bad and his film was good",
    "who sold the old house",
    "a very bad cat and a good dog sat by the fire all day",
)


def scaled(module: Any, times: float) -> Any:
    """Multiply the weight matrices of all blocks, not the embeddings, and return the module."""
    embeddings = module.get_input_embeddings().weight
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1 and parameter is not embeddings:
                parameter.mul_(times)
    return module


def t5(times: float = 1.0) -> TextModel:
    """Return a T5 encoder and decoder, whose feed-forward layers are ReLU units, in float64."""
    torch.manual_seed(0)
    words = tiny_lm.tokenizer()
    size = {"vocab_size": len(words), "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.0}
    config = transformers.T5Config(**size, pad_token_id=3, eos_token_id=2, decoder_start_token_id=3, feed_forward_proj="relu")
    return lineal.load(scaled(transformers.T5ForConditionalGeneration(config), times).double().eval(), words)


def opt(times: float = 1.0) -> TextModel:
    """Return an OPT decoder, whose feed-forward layers are ReLU units, in float64."""
    family = next(family for family in families.FAMILIES if family.name == "OPT")
    module, words = family.build("causal", torch.float64, activation_function="relu")
    return lineal.load(scaled(module, times), words)


def mixture(times: float = 1.0) -> TextModel:
    """Return a Mixtral decoder, two of four experts for each token, in float64: where the router changes its mind F itself jumps."""
    settings = families.ROTARY | {"num_local_experts": 4, "num_experts_per_tok": 2}
    module, words = families.Family("Mixtral", "MixtralConfig", settings, ("causal",), "decoder-bos").build("causal", torch.float64)
    module.set_experts_implementation("eager")  # the grouped product knows no float64
    return lineal.load(scaled(module, times), words)


@dataclass(frozen=True)
class Kinked:
    """One kind of model with what is asked of it.

    layer, pattern: the one layer whose output decides where the kinks are, and what is chosen there; None when there are several.
    """

    name: str
    build: Callable[[], TextModel]
    asks: Sequence[Ask]
    layer: Callable[[Any], torch.nn.Module] | None = None
    pattern: Pattern = signs

    def recorded(self, model: TextModel, ask: Ask) -> tuple[Reference, Floats, Floats]:
        """Return the integral to compare with, F (4097,) and token derivatives (4097, t) at even α."""
        line = Line.of(model, *ask)
        if self.layer is not None:
            return between(line, switches(line, self.layer(model), self.pattern))
        values, derivatives = line.at(np.linspace(0.0, 1.0, 4097))
        return refined(line, cells=1024, grid=derivatives), values, derivatives


def real(encoder: TextModel, bert: Any, words: Any, labelled: Sequence[tuple[str, int]], texts: Sequence[str], pairs: Any) -> list[Kinked]:
    """Return the models on real weights, in float32. bert, words: what the DistilBERT is made of. pairs: (text, other) for max pooling."""
    half = len(texts) * 2 // 3
    return [
        Kinked(
            "distilbert",
            lambda: distilbert(bert, words, labelled),
            [(text, None, "mask") for text in texts[:half]],
            lambda model: model.module.pre_classifier,
        ),
        Kinked(
            "maxpool",
            lambda: max_pooling(encoder),
            [(text, targets.similar(other), None) for text, other in pairs],
            lambda model: model.module[0],
            winners,
        ),
        Kinked(
            "reluprobe",
            lambda: relu_probe(encoder, labelled),
            [(text, None, None) for text in texts[half:]],
            lambda model: model.encoder.module[-1].linear,
        ),
    ]


def tiny() -> list[Kinked]:
    """Return the random models, with weights as drawn and three times as large."""
    asks = [(text, None, "unk") for text in TEXTS]
    makers: dict[str, Callable[[float], TextModel]] = {"T5": t5, "OPT": opt, "Mixtral": mixture}
    return [
        Kinked(f"{name.lower()}x{times}", lambda make=make, times=times: make(times), asks)  # type: ignore[misc]
        for (name, make), times in product(makers.items(), (1, 3))
    ]


# --- integrals to compare with -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """The field of one output on one path. Points may be asked for again; each costs a gradient every time."""

    model: TextModel
    problem: Problem

    @classmethod
    def of(cls, model: TextModel, text: Any, target: Any = None, baseline: Any = None) -> Line:
        """Return the path that `lineal.explain` integrates along."""
        session = Session(model, target, baseline, Options())
        case = session.case(text)
        return cls(session.model, Problem(case.encoded, Straight(case.starts[0], case.end), case.objective))

    def at(self, alphas: Floats) -> tuple[Floats, Floats]:
        """Return F (m,) and token derivatives (m, t) of the first output."""
        answers = self._answers(alphas, np.arange(self.problem.k) == 0)
        return np.concatenate([a.values[:, 0] for a in answers]), np.concatenate([a.derivatives[:, 0] for a in answers])

    def values(self, alphas: Floats) -> Floats:
        """Return F (m,) alone."""
        return np.concatenate([a.values[:, 0] for a in self._answers(alphas, None)])

    def _answers(self, alphas: Floats, outputs: Any) -> list[Answer]:
        numbers = len(alphas) * self.problem.path.at([0.0])[0].numel()
        blocks = np.array_split(alphas, -(-numbers // 400_000))
        with lease(self.model.module):
            return [evaluate(self.model, [Request(self.problem, tuple(block), outputs)])[0] for block in blocks if len(block)]


@dataclass(frozen=True)
class Reference:
    """An integral to compare with. value: (t,). error: estimate of its own L1 error. evaluations: points it took."""

    value: Floats
    error: float
    evaluations: int


SIMPSON, FINER = np.array([1, 0, 4, 0, 1]) / 6, np.array([1, 4, 2, 4, 1]) / 12


def refined(line: Line, accuracy: float = 2e-5, cells: int = 128, most: int = 30_000, grid: Floats | None = None) -> Reference:
    """Integrate the field by halving panels, down to 2⁻²⁰ around jumps, until the error is `accuracy` times the mass.

    Simpson's rule on two halves of each panel. Its error is counted as twice the distance to Simpson's rule on the whole panel, which
    bounds it for one jump anywhere inside (the distance is at least 1/12, the error at most 1/6 of jump × width) and is thirty times too
    much where the field is smooth. Panels are joined by the root of the sum of squares, since where a jump lies in its panel is chance;
    the residual, known exactly, can be compared. grid: (4·cells + 1, t) derivatives already known at even points.
    """
    edges = np.linspace(0, 1, cells + 1)
    if grid is None:
        grid = line.at(np.linspace(0, 1, 4 * cells + 1))[1]
    evaluations = len(grid)
    starts, widths = edges[:-1], np.diff(edges)
    nodes = np.stack([grid[4 * i : 4 * i + 5] for i in range(cells)])  # (panels, 5, t)
    while True:
        parts = widths[:, None] * np.einsum("n,pnt->pt", FINER, nodes)
        errors = 2 * widths * np.abs(np.einsum("n,pnt->pt", FINER - SIMPSON, nodes)).sum(axis=1)
        value = parts.sum(axis=0)
        goal = accuracy * np.abs(value).sum()
        order = np.argsort(errors)
        split = np.zeros(len(errors), dtype=bool)
        split[order[np.cumsum(errors[order] ** 2) > (goal / 2) ** 2]] = True
        split &= widths > 2.0**-20
        total = float(np.sqrt((errors**2).sum()))
        if total <= goal or not split.any() or evaluations >= most:
            return Reference(value, total, evaluations)
        a, h, old = starts[split], widths[split], nodes[split]
        alphas = a[:, None] + h[:, None] * np.array([1, 3, 5, 7]) / 8
        new = line.at(alphas.ravel())[1].reshape(*alphas.shape, -1)
        evaluations += alphas.size
        left = np.stack([old[:, 0], new[:, 0], old[:, 1], new[:, 1], old[:, 2]], axis=1)
        right = np.stack([old[:, 2], new[:, 2], old[:, 3], new[:, 3], old[:, 4]], axis=1)
        starts = np.concatenate([starts[~split], a, a + h / 2])
        widths = np.concatenate([widths[~split], h / 2, h / 2])
        nodes = np.concatenate([nodes[~split], left, right])


def switches(line: Line, layer: torch.nn.Module, pattern: Pattern, points: int = 257) -> Floats:
    """Return the α where the pattern of a layer changes.

    Forward passes at even points, a cubic spline through the layer's output, which is smooth, and bisection of that.
    """
    from scipy.interpolate import CubicSpline

    seen: list[Floats] = []
    hook = layer.register_forward_hook(lambda _, __, out: seen.append(_states(out).detach().double().numpy()))
    alphas = np.linspace(0.0, 1.0, points)
    try:
        line.values(alphas)
    finally:
        hook.remove()
    states = np.concatenate(seen)
    spline = CubicSpline(alphas, states, axis=0)
    fine = np.linspace(0.0, 1.0, 16 * (points - 1) + 1)
    chosen = np.concatenate([pattern(spline(block)) for block in np.array_split(fine, 32)])
    where, unit = np.nonzero(np.diff(chosen, axis=0))
    low, high, before = fine[where], fine[where + 1], chosen[where, unit]
    for _ in range(24):
        middle = (low + high) / 2
        now = np.concatenate([pattern(spline(block)) for block in np.array_split(middle, max(1, len(middle) // 64))] or [chosen[:0]])
        same = now[np.arange(len(middle)), unit] == before
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return np.unique((low + high) / 2)


def _states(out: Any) -> torch.Tensor:
    return out if isinstance(out, torch.Tensor) else out["token_embeddings"]


def between(line: Line, kinks: Floats, cells: int = 64, points: int = 4097) -> tuple[Reference, Floats, Floats]:
    """Integrate between known kinks by three Gauss points a piece. Returns the integral, F (points,) and derivatives (points, t) at even α.

    Both are those of the parabolas through the three points of each piece, so that a recording can be as dense as one likes. The error
    stated is twice the residual.
    """
    edges = np.unique(np.concatenate([np.linspace(0.0, 1.0, cells + 1), kinks]))
    edges = np.append(edges[:-1][np.diff(edges) > 1e-7], 1.0)
    widths = np.diff(edges)
    at = (np.polynomial.legendre.leggauss(3)[0] + 1) / 2
    nodes = line.at((edges[:-1, None] + widths[:, None] * at).ravel())[1].reshape(len(widths), 3, -1)
    parabolas = np.einsum("kn,pnt->pkt", np.linalg.inv(np.vander(at, increasing=True)), nodes)  # coefficients of 1, x, x²
    parts = widths[:, None] * (parabolas / np.array([1, 2, 3])[:, None]).sum(axis=1)
    value = parts.sum(axis=0)
    first, last = line.values(np.array([0.0, 1.0]))
    alphas = np.linspace(0.0, 1.0, points)
    piece = np.clip(np.searchsorted(edges, alphas, side="right") - 1, 0, len(widths) - 1)
    powers = ((alphas - edges[piece]) / widths[piece])[:, None] ** np.arange(1, 4)
    before = np.append(0.0, np.cumsum(parts.sum(axis=1)))[piece]
    values = first + before + widths[piece] * (powers / np.array([1, 2, 3]) * parabolas.sum(axis=2)[piece]).sum(axis=1)
    derivatives = np.einsum("mk,mkt->mt", np.insert(powers[:, :2], 0, 1.0, axis=1), parabolas[piece])
    return Reference(value, 2 * abs(float(value.sum() - (last - first))), 3 * len(widths)), values, derivatives
