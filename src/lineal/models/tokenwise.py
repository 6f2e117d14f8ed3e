"""Models with one answer per token: labels of words, the start and end of an answer, the words behind a mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lineal.errors import InputError
from lineal.models.base import Adapter, Head, entered, feature_names
from lineal.models.card import card
from lineal.models.encoded import Encoded, model_limit, tokenise

READ_OUT: dict[str, Callable[[Any], Tensor]] = {
    "tagger": lambda output: output.logits,  # (n, t, C) scores of labels
    "reader": lambda output: torch.stack([output.start_logits, output.end_logits], dim=-1),  # (n, t, 2)
    "masked": lambda output: output.logits,  # (n, t, V) scores of words
}
"""What each kind answers per token."""


class TokenwiseModel(Adapter):
    """A `…ForTokenClassification` (kind tagger), `…ForQuestionAnswering` (reader) or `…ForMaskedLM` (masked) model.

    Answers (n, p, ·) at the p wanted positions. A mask token in the text of a masked model is held: it is the question, not the text.
    """

    def __init__(self, module: Any, tokenizer: Any, name: str, kind: str, revision: str | None = None) -> None:
        """Wrap a live model; a tagger's labels come from its config."""
        super().__init__(module, module, tokenizer, card(name, kind, module, module, tokenizer, revision))
        self._read_out = READ_OUT[kind]
        if kind == "tagger":
            self.head = Head(tuple(str(module.config.id2label[i]) for i in range(module.config.num_labels)))

    def encode(self, texts: Sequence[str], truncate: bool = False) -> Encoded:
        """Tokenise one text or, for a reader, a question and the text that answers it."""
        if self.card.kind == "reader" and len(texts) != 2:
            raise InputError(f"{self.card.name} answers questions: give a pair, (question, text that contains the answer)")
        limit = model_limit(self.tokenizer, self.module.config)
        encoded = tokenise(self.tokenizer, texts, limit, truncate, feature_names(self.module))
        if self.card.kind != "masked":
            return encoded
        masks = mask_positions(self, encoded)
        return replace(encoded, roles=tuple("held" if i in masks else role for i, role in enumerate(encoded.roles)))

    def run(self, features: dict[str, Tensor], embeds: Tensor | None, positions: Tensor | None) -> Tensor:
        """Return the answers (n, p, ·) at the wanted positions."""
        assert positions is not None, "a model with one answer per token is read at positions"
        states = self._read_out(self.module(**entered(features, embeds)))
        return states[torch.arange(len(states), device=states.device)[:, None], positions]

    def read(self, states: Tensor, rows: tuple[int, ...] | None) -> Tensor:
        """Return the answers, or only the wanted entries of them."""
        return states if rows is None else states[..., list(rows)]


def mask_positions(model: Any, encoded: Encoded) -> tuple[int, ...]:
    """Return where the text has the mask token of the model's tokenizer."""
    return tuple(i for i, token in enumerate(encoded.ids) if token == model.tokenizer.mask_token_id)
