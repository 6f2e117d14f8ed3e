"""Sequence classifiers of transformers: one text (or a pair) in, one row of class scores out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from lineal.models.base import Adapter, Encoded, Head, card, entered, feature_names, model_limit, tokenise


class SequenceClassifier(Adapter):
    """A `…ForSequenceClassification` model. Answers (n, C) class scores before any softmax or sigmoid."""

    def __init__(self, module: Any, tokenizer: Any, name: str, revision: str | None = None) -> None:
        """Wrap a live model; labels come from its config."""
        super().__init__(module, module, tokenizer, card(name, "classifier", module, module, revision))
        self.head = _head(module.config)

    def encode(self, texts: Sequence[str], truncate: bool = False) -> Encoded:
        """Tokenise one text or a pair."""
        return tokenise(self.tokenizer, texts, model_limit(self.tokenizer, self.module.config), truncate, feature_names(self.module))

    def run(self, features: dict[str, Tensor], embeds: Tensor | None, positions: Tensor | None) -> Tensor:
        """Return class scores (n, C)."""
        logits: Tensor = self.module(**entered(features, embeds)).logits
        return logits


def _head(config: Any) -> Head:
    labels = tuple(str(config.id2label[i]) for i in range(config.num_labels))
    if config.problem_type == "multi_label_classification":
        return Head(labels, "sigmoid")
    if config.problem_type == "regression" or len(labels) == 1:
        return Head(labels, "none")
    return Head(labels, "softmax")
