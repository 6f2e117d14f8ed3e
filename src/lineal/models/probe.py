"""Linear probes: a logistic regression on top of sentence embeddings, the common "encode, then classify" stack, as one model."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from torch import Tensor

from lineal.errors import ModelError, OptionError
from lineal.files import write_whole
from lineal.models.base import Adapter, Head
from lineal.models.card import digest, fingerprint
from lineal.models.encoded import Encoded
from lineal.models.encoder import SentenceEncoder
from lineal.models.lease import untouched
from lineal.objectives.units import Activation

CONFIG = "lineal_probe.json"
WEIGHTS = "probe.safetensors"
FOLDS = 5
"""Of the cross-validation by which a probe's penalty is chosen; each holds every label."""


class LinearProbe(Adapter):
    """Class scores W·e(x) + b of an encoder's embedding e. Answers (n, C).

    weights: (C, D), bias: (C,), labels: C names. With weights (1, D) and two labels the probe is binary: its score z becomes (−z, z),
    so the logit of the second label is z itself and its probability sigmoid(z).
    """

    def __init__(
        self,
        encoder: SentenceEncoder,
        weights: Any,
        bias: Any,
        labels: Sequence[str],
        name: str = "probe",
        activation: Activation | None = None,
    ) -> None:
        """Put a head on an encoder; raises OptionError for a head that is not one row per label, ModelError for one of another width."""
        w = np.atleast_2d(np.asarray(weights, dtype=np.float32))
        b = np.atleast_1d(np.asarray(bias, dtype=np.float32))
        binary = len(w) == 1 and len(labels) == 2
        if binary:
            w, b = np.concatenate([-w, w]), np.concatenate([-b, b])
        if w.shape[0] != len(labels) or b.shape != (len(labels),):
            raise OptionError(f"the probe has weights {w.shape} and bias {b.shape} for {len(labels)} labels; give one row per label")
        width = encoder.module.get_embedding_dimension()
        if w.shape[1:] != (width,):
            raise ModelError(f"the probe expects embeddings of width {'×'.join(map(str, w.shape[1:]))}, {encoder.card.name} gives {width}")
        head = Head(tuple(str(label) for label in labels), activation or ("sigmoid" if binary else "softmax"))
        layer = torch.nn.Linear(width, len(w))
        layer.load_state_dict({"weight": torch.from_numpy(w), "bias": torch.from_numpy(b)})
        update = {"name": name, "kind": "classifier", "architecture": f"{encoder.card.architecture} + linear"}
        update |= {"fingerprint": digest(encoder.card.fingerprint, fingerprint(layer), head)}
        super().__init__(encoder.module, encoder.network, encoder.tokenizer, encoder.card.model_copy(update=update))
        self.encoder, self.head, self.layers = encoder, head, (layer.requires_grad_(False),)

    @property
    def weights(self) -> Tensor:
        """(C, D) of the head."""
        return self.layers[0].weight  # type: ignore[return-value]

    @property
    def bias(self) -> Tensor:
        """(C,) of the head."""
        return self.layers[0].bias  # type: ignore[return-value]

    @classmethod
    def fitted(cls, encoder: Any, estimator: Any, labels: Sequence[str] | None = None, name: str = "probe") -> LinearProbe:
        """Return a probe from a fitted scikit-learn classifier, regressor or pipeline object on embeddings of `encoder`.

        Its weights are read off what it computes, `decision_function` (or a regressor's `predict`) at 0 and at the D unit vectors, so that
        scalers and projections in front of a linear classifier are included. labels: names in the order of its classes_.
        Probabilities are those of its `predict_proba`, when they are a softmax or sigmoid of the scores; without them only logits exist.
        Raises OptionError when the estimator is not linear in the embedding. A pickled file is never read: load it yourself.
        """
        base = loaded if isinstance(loaded := encoder, SentenceEncoder) else SentenceEncoder(encoder, type(encoder).__name__)
        score = _scores(estimator)
        width = int(base.module.get_embedding_dimension())
        bias, weights = _affine(score, width)
        known = getattr(estimator, "classes_", None)
        one = len(weights) == 1
        plain = [str(c) for c in known] if known is not None else ["value"] if one else [f"value {c}" for c in range(len(weights))]
        activation = _activation(estimator, score, width)
        names = list(labels) if labels else plain
        return cls(base, weights, bias, names, name, activation)

    def reading(self, prompt: str | None = None, prompt_name: str | None = None, route: str | None = None) -> LinearProbe:
        """Return the same probe on an encoder that reads with another prompt or by another route."""
        encoder = self.encoder.reading(prompt, prompt_name, route)
        if encoder is self.encoder:
            return self
        other = copy.copy(self)
        other.encoder = encoder
        return other

    def encode(self, texts: Sequence[str], truncate: bool = False) -> Encoded:
        """Tokenise as the encoder does. Raises OptionError for several texts."""
        if len(texts) != 1:
            raise OptionError(
                f"{self.card.name} classifies one text at a time, not {len(texts)}; for pairs give a cross-encoder, or compare the texts "
                "with the encoder below it"
            )
        return self.encoder.encode(texts, truncate)

    def run(self, features: dict[str, Tensor], embeds: Tensor | None, positions: Tensor | None) -> Tensor:
        """Return class scores (n, C)."""
        embedding = self.encoder.run(features, embeds, positions)
        weights, bias = self.weights.to(embedding), self.bias.to(embedding)
        return embedding @ weights.T + bias


def _scores(estimator: Any) -> Callable[[Any], Any]:
    """Return the estimator's scores as a function (n, D) → (n, C)."""
    function = getattr(estimator, "decision_function", None)
    if function is None and not hasattr(estimator, "predict_proba") and not hasattr(estimator, "classes_"):
        function = getattr(estimator, "predict", None)
    if function is None:
        raise OptionError(f"a {type(estimator).__name__} has no decision_function, so it is no linear classifier")
    return lambda x: np.asarray(function(x), dtype=np.float64).reshape(len(x), -1)


def _affine(score: Callable[[Any], Any], width: int, tolerance: float = 1e-5) -> tuple[Any, Any]:
    """Return (bias (C,), weights (C, D)) of an affine function, checked at random points."""
    at_zero = score(np.zeros((1, width)))
    weights = score(np.eye(width)) - at_zero  # (D, C)
    points = np.random.default_rng(0).normal(size=(8, width))
    exact, linear = score(points), points @ weights + at_zero
    gap, scale = float(np.abs(exact - linear).max()), max(1.0, float(np.abs(exact).max()))
    if not gap <= tolerance * scale:
        raise OptionError(
            f"the estimator is not linear in the embedding: at random points it is {gap:.3g} away from its own linear part, "
            f"{tolerance * scale:.1g} would be rounding. A step in front of the classifier normalises or transforms each embedding"
        )
    return at_zero[0], weights.T


def _activation(estimator: Any, score: Callable[[Any], Any], width: int) -> Activation | None:
    """Return how scores become the estimator's own probabilities; "none" when it has none or makes them otherwise."""
    points = np.random.default_rng(1).normal(size=(8, width))
    scores = score(points)
    try:
        probabilities = np.asarray(estimator.predict_proba(points))
    except (AttributeError, NotImplementedError):
        return "none"
    if scores.shape[1] == 1:
        scores = np.concatenate([-scores, scores], axis=1)
    sigmoid = 1 / (1 + np.exp(-scores))
    if np.allclose(probabilities, sigmoid, atol=1e-6):
        return "sigmoid"
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return "softmax" if np.allclose(probabilities, exponentials / exponentials.sum(axis=1, keepdims=True), atol=1e-6) else "none"


def save_probe(folder: str | Path, weights: Any, bias: Any, labels: Sequence[str], encoder: str) -> Path:
    """Write a probe folder: weights (C or 1, D) and bias as safetensors, labels and the encoder's name as JSON. Returns the folder."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    arrays = {"weights": np.atleast_2d(np.asarray(weights, np.float32)), "bias": np.atleast_1d(np.asarray(bias, np.float32))}
    write_whole(target / WEIGHTS, save(arrays))
    write_whole(target / CONFIG, json.dumps({"encoder": encoder, "labels": list(labels)}, ensure_ascii=False, indent=1) + "\n")
    return target


def read_probe(folder: str | Path) -> tuple[Any, Any, list[str], str]:
    """Return (weights, bias, labels, encoder name) of a probe folder; ModelError when it is broken."""
    source = Path(folder)
    try:
        config = json.loads((source / CONFIG).read_text(encoding="utf-8"))
        arrays = load_file(source / WEIGHTS)
        return arrays["weights"], arrays["bias"], list(config["labels"]), str(config["encoder"])
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise ModelError(f"{source} is no readable probe ({CONFIG} and {WEIGHTS}): {error}") from None


def fit_probe(encoder: SentenceEncoder, texts: Sequence[str], labels: Sequence[str], seed: int = 0) -> tuple[Any, Any, list[str]]:
    """Fit a logistic regression on embeddings of labelled texts; returns (weights, bias, label names) for `LinearProbe`.

    The strength of the L2 penalty is chosen by 5-fold cross-validation (as many folds as the
    rarest label has texts, where those are fewer). Deterministic. Raises OptionError for fewer than two labels, or fewer than two texts
    of one.
    """
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import StratifiedKFold

    names = sorted(set(labels))
    if len(names) < 2:
        raise OptionError(f"a probe needs at least two labels, the texts have {', '.join(names) or 'none'}")
    rarest = min(names, key=list(labels).count)
    if (count := list(labels).count(rarest)) < 2:
        raise OptionError(f"a probe needs two texts or more of each label, to check one by the others; {rarest!r} has {count}")
    embeddings = _embeddings(encoder, texts)
    folds = StratifiedKFold(min(FOLDS, count), shuffle=True, random_state=seed)
    grid = LogisticRegressionCV(
        Cs=[0.1, 1, 10, 100], cv=folds, max_iter=2000, scoring="neg_log_loss", l1_ratios=(0,), use_legacy_attributes=True
    )
    grid.fit(embeddings, [names.index(label) for label in labels])
    return grid.coef_, grid.intercept_, names


def accuracy(probe: LinearProbe, texts: Sequence[str], labels: Sequence[str]) -> float:
    """Return the share of texts whose highest score is their label."""
    assert probe.head is not None, "a probe has labels"
    scores = _embeddings(probe.encoder, texts) @ probe.weights.numpy().T + probe.bias.numpy()
    return float(np.mean([probe.head.labels[c] == label for c, label in zip(scores.argmax(axis=1), labels, strict=True)]))


def _embeddings(encoder: SentenceEncoder, texts: Sequence[str]) -> Any:
    with encoder.lease(), untouched(encoder.tokenizer):
        return encoder.module.encode(list(texts), convert_to_numpy=True, show_progress_bar=False)
