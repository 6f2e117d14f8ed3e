"""A classifier of text pairs asked about one text: the second text is fixed, acts, and does not move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from lineal.models.base import Adapter, Encoded, TextModel


class WithHypothesis(Adapter):
    """A model of text pairs whose second text is always `hypothesis`; its tokens are held and shown. Answers as the model does."""

    def __init__(self, model: TextModel, hypothesis: str) -> None:
        """Put a fixed second text behind every text."""
        super().__init__(model.module, getattr(model, "network", model.module), model.tokenizer, model.card)
        self.model, self.hypothesis, self.head = model, hypothesis, model.head

    def encode(self, texts: Sequence[str], truncate: bool = False) -> Encoded:
        """Tokenise the text with the hypothesis behind it."""
        encoded = self.model.encode((*texts, self.hypothesis), truncate)
        roles = [
            "held" if segment == 1 and role == "content" else role for segment, role in zip(encoded.segments, encoded.roles, strict=True)
        ]
        note = f"The model judges the hypothesis “{self.hypothesis}” against the text; the hypothesis is held and scores 0."
        changed: Any = {"roles": tuple(roles), "notes": (*encoded.notes, note)}
        return replace(encoded, **changed)

    def run(self, features: dict[str, Tensor], embeds: Tensor | None, positions: Tensor | None) -> Tensor:
        """Run the model."""
        return self.model.run(features, embeds, positions)
