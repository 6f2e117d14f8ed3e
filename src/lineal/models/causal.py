"""Causal language models of transformers: the next-token scores at chosen positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lineal.models.base import Adapter, Encoded, card, entered, evaluating, model_limit, tokenise


class CausalLM(Adapter):
    """A `…ForCausalLM` model. Answers (n, p, V) logits at the p wanted positions; nothing is computed at the others.

    When the head is a plain linear layer on the last hidden state (tested on construction), `run` returns hidden states and `read`
    multiplies with the wanted rows of the head only. Otherwise (soft-capped logits, scaled heads) the model computes its own logits.
    Rows are padded on the right, where causality makes padding invisible.
    """

    def __init__(self, module: Any, tokenizer: Any, name: str, revision: str | None = None) -> None:
        """Wrap a live model: two forwards over four tokens decide how logits are read."""
        super().__init__(module, module, tokenizer, card(name, "causal", module, module, revision))
        self._linear = _linear_head(module)

    def encode(self, texts: Sequence[str], truncate: bool = False) -> Encoded:
        """Tokenise one prompt, special tokens as the tokenizer adds them."""
        return tokenise(self.tokenizer, texts, model_limit(self.tokenizer, self.module.config), truncate, ("input_ids", "attention_mask"))

    def run(self, features: dict[str, Tensor], embeds: Tensor | None, positions: Tensor | None) -> Tensor:
        """Return hidden states (n, p, d), or logits (n, p, V) when the head is not plain linear."""
        assert positions is not None, "a decoder answers per position"
        inputs: dict[str, Any] = entered(features, embeds) | {"use_cache": False}
        rows = torch.arange(positions.shape[0], device=positions.device)[:, None]
        if self._linear is not None:
            hidden: Tensor = self.module.base_model(**inputs)[0]
            return hidden[rows, positions]
        kept, where = torch.unique(positions, return_inverse=True)
        logits: Tensor = self.module(**inputs, logits_to_keep=kept).logits
        return logits[rows, where.to(rows.device)]

    def read(self, states: Tensor, rows: tuple[int, ...] | None) -> Tensor:
        """Return logits (n, p, V), or only the wanted `rows` of the vocabulary."""
        head = self._linear
        if head is None:
            return states if rows is None else states[..., list(rows)]
        if rows is None or type(head) is not nn.Linear:
            logits: Tensor = head(states)
            return logits if rows is None else logits[..., list(rows)]
        picked = list(rows)
        return nn.functional.linear(states, head.weight[picked], None if head.bias is None else head.bias[picked])


def _linear_head(module: Any) -> nn.Module | None:
    """Return the output layer when logits are exactly that layer applied to the last hidden state, else None."""
    head = module.get_output_embeddings()
    if head is None or module.base_model is module:
        return None
    ids = torch.arange(4, device=module.get_input_embeddings().weight.device)[None]
    with evaluating(module), torch.no_grad():
        whole = module(input_ids=ids, use_cache=False).logits
        split = head(module.base_model(input_ids=ids, use_cache=False)[0])
    return head if whole.shape == split.shape and torch.allclose(whole, split.to(whole), rtol=1e-4, atol=1e-5) else None
