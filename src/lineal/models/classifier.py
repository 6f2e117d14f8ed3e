"""Sequence classifiers of transformers: one text (or a pair) in, one row of class scores out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from lineal.errors import OptionError
from lineal.models.base import Adapter, Around, Head, TextModel, entered, feature_names
from lineal.models.card import card, digest
from lineal.models.encoded import Encoded, model_limit, tokenise
from lineal.models.lease import lease
from lineal.objectives.units import Activation


class SequenceClassifier(Adapter):
    """A `…ForSequenceClassification` model. Answers (n, C) class scores before any softmax or sigmoid.

    Decoders classify at the last token that is no padding, which transformers finds through the token ids. From embeddings it would take
    the last position, padding included; so when the head is a plain layer on that token's state (tested on construction), the state is
    picked here, by the same rule, from the ids that the embeddings stand for.
    """

    def __init__(self, module: Any, tokenizer: Any, name: str, revision: str | None = None) -> None:
        """Wrap a live model; labels come from its config."""
        super().__init__(module, module, tokenizer, card(name, "classifier", module, module, tokenizer, revision))
        self.head = _head(module.config)
        self._last = _last_token_head(module)

    def encode(self, texts: Sequence[str], truncate: bool = False) -> Encoded:
        """Tokenise one text or a pair."""
        return tokenise(self.tokenizer, texts, model_limit(self.tokenizer, self.module.config), truncate, feature_names(self.module))

    def run(self, features: dict[str, Tensor], embeds: Tensor | None, positions: Tensor | None) -> Tensor:
        """Return class scores (n, C)."""
        if self._last is None:
            logits: Tensor = self.module(**entered(features, embeds)).logits
            return logits
        hidden: Tensor = self.module.base_model(**entered(features, embeds), use_cache=False)[0]
        rows = torch.arange(len(hidden), device=hidden.device)
        return self._last(hidden[rows, last_token(features, self.module.config)])  # type: ignore[no-any-return]

    def own(self, features: dict[str, Tensor]) -> Tensor | None:
        """Return the module's own class scores (n, C)."""
        return None if self._last is None else self.module(**features).logits


class CrossEncoderModel(SequenceClassifier):
    """A live `CrossEncoder` of sentence-transformers: pairs in, scores out. Unit "prob" is its `predict`, where that is a sigmoid."""

    def __init__(self, pipeline: Any, name: str, revision: str | None = None) -> None:
        """Wrap a cross-encoder around a sequence classifier; raises OptionError for one that reads its score off a language model."""
        parts = [type(part).__name__ for part in pipeline]
        if len(parts) != 1 or not hasattr(pipeline.model, "config") or not type(pipeline.model).__name__.endswith(CLASSIFIER):
            raise OptionError(f"{name} scores with {' + '.join(parts)}; only cross-encoders around a …{CLASSIFIER} can be explained")
        super().__init__(pipeline.model, pipeline.tokenizer, name, revision)
        head = _head(pipeline.model.config)
        activation: Activation = "sigmoid" if isinstance(pipeline.activation_fn, nn.Sigmoid) else "none"
        self.head = Head(head.labels, activation) if len(head.labels) == 1 else head
        self._limit = pipeline.max_seq_length
        self.card = self.card.model_copy(update={"fingerprint": digest(self.card.fingerprint, self.head)})

    def encode(self, texts: Sequence[str], truncate: bool = False) -> Encoded:
        """Tokenise a pair as the cross-encoder does."""
        limit = self._limit or model_limit(self.tokenizer, self.module.config)
        return tokenise(self.tokenizer, texts, limit, truncate, feature_names(self.module))


class WithHypothesis(Around):
    """A model of text pairs whose second text is always `hypothesis`; its tokens are held and shown. Answers as the model does."""

    def __init__(self, model: TextModel, hypothesis: str) -> None:
        """Put a fixed second text behind every text."""
        super().__init__(model)
        self.hypothesis = hypothesis

    def encode(self, texts: Sequence[str], truncate: bool = False) -> Encoded:
        """Tokenise the text with the hypothesis behind it."""
        encoded = self.inner.encode((*texts, self.hypothesis), truncate)
        pairs = zip(encoded.segments, encoded.roles, strict=True)
        roles = tuple("held" if segment == 1 and role == "content" else role for segment, role in pairs)
        note = f"The model judges the hypothesis “{self.hypothesis}” against the text; the hypothesis is held and scores 0."
        return replace(encoded, roles=roles, notes=(*encoded.notes, note))


CLASSIFIER = "ForSequenceClassification"


def last_token(features: dict[str, Tensor], config: Any) -> Tensor:
    """Return (n,) the position of each row's last token that is no padding, by attention mask and token id alike."""
    ids = features["input_ids"]
    real = features["attention_mask"].bool() if "attention_mask" in features else torch.ones_like(ids, dtype=torch.bool)
    if config.pad_token_id is not None:
        real = real & (ids != config.pad_token_id)
    return (torch.arange(ids.shape[1], device=ids.device) * real).argmax(dim=-1)


def _last_token_head(module: Any) -> nn.Module | None:
    """Return the layer that a decoder applies to its last token's state, if its answer is exactly that; else None. Two forwards."""
    head, config = getattr(module, "score", None), module.config
    if head is None or module.base_model is module:
        return None
    ids = torch.tensor([[i for i in range(6) if i != config.pad_token_id][:4]], device=module.get_input_embeddings().weight.device)
    with lease(module), torch.no_grad():
        whole = module(input_ids=ids).logits
        split = head(module.base_model(input_ids=ids, use_cache=False)[0][:, -1])
    return head if whole.shape == split.shape and torch.allclose(whole, split, rtol=1e-4, atol=1e-5) else None


def _head(config: Any) -> Head:
    labels = tuple(str(config.id2label[i]) for i in range(config.num_labels))
    if config.problem_type == "multi_label_classification":
        return Head(labels, "sigmoid")
    if config.problem_type == "regression" or len(labels) == 1:
        return Head(labels, "none")
    return Head(labels, "softmax")
