"""Causal language models of transformers: the next-token scores at chosen positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lineal.errors import FidelityError
from lineal.models.base import entered
from lineal.models.card import card
from lineal.models.checks import FIDELITY
from lineal.models.encoded import Encoded, tokenise
from lineal.models.generative import Generative
from lineal.models.lease import lease


class CausalLM(Generative):
    """A `…ForCausalLM` model. Answers (n, p, V) logits at the p wanted positions; nothing is computed at the others.

    When the head is a plain linear layer on the last hidden state (tested on construction), `run` returns hidden states and `read`
    multiplies with the wanted rows of the head only. Otherwise (soft-capped logits, scaled heads) the model computes its own logits.
    Rows are padded on the right, where causality makes padding invisible.
    """

    def __init__(self, module: Any, tokenizer: Any, name: str, revision: str | None = None) -> None:
        """Wrap a live model: up to three forwards over four tokens decide how logits are read."""
        super().__init__(module, module, tokenizer, card(name, "causal", module, module, tokenizer, revision))
        self._linear = _linear_head(module)
        self._keeps = _keeps_logits(module)

    def encode(self, texts: Sequence[str], truncate: bool = False, add_special: bool = True) -> Encoded:
        """Tokenise one prompt, special tokens as the tokenizer adds them (add_special=False: the prompt spells them itself)."""
        return tokenise(self.tokenizer, texts, self.limit, truncate, ("input_ids", "attention_mask"), add_special)

    def run(self, features: dict[str, Tensor], embeds: Tensor | None, positions: Tensor | None) -> Tensor:
        """Return hidden states (n, p, d), or logits (n, p, V) when the head is not plain linear."""
        return self._run(entered(features, embeds) | {"use_cache": False}, positions)

    def _run(self, inputs: dict[str, Any], positions: Tensor | None) -> Tensor:
        assert positions is not None, "a decoder answers per position"
        rows = torch.arange(positions.shape[0], device=positions.device)[:, None]
        if self._linear is not None:
            hidden: Tensor = self.module.base_model(**inputs)[0]
            return hidden[rows, positions]
        if not self._keeps:
            every: Tensor = self.module(**inputs).logits
            return every[rows, positions]
        kept, where = torch.unique(positions, return_inverse=True)
        logits: Tensor = self.module(**inputs, logits_to_keep=kept).logits
        if logits.shape[1] != len(kept):
            raise FidelityError(
                f"{self.card.name} ({self.card.architecture}) answers at {logits.shape[1]} positions where {len(kept)} "
                f"{'was' if len(kept) == 1 else 'were'} asked for, though on four tokens it kept to logits_to_keep: which answer belongs "
                "to which position cannot be told"
            )
        return logits[rows, where.to(rows.device)]

    def own(self, features: dict[str, Tensor]) -> Tensor:
        """Return the module's own logits (n, 1, V) at the last position."""
        wanted = {"logits_to_keep": 1} if self._keeps else {}
        logits: Tensor = self.module(**features, use_cache=False, **wanted).logits
        return logits[:, -1:]

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

    def prefix(self, encoded: Encoded, length: int) -> Prefix | None:
        """Run the first `length` tokens once and return their keys and values; None for a model that keeps no such cache.

        Three forward passes: the cache, and the whole prompt with and without it, which must agree.
        """
        features = {name: value[None].to(self.device) for name, value in encoded.features.items()}
        last = torch.tensor([[len(encoded) - 1]], device=self.device)
        with lease(self.module), torch.no_grad():
            cache = getattr(self.module.base_model(input_ids=features["input_ids"][:, :length], use_cache=True), "past_key_values", None)
            layers = getattr(cache, "layers", ())
            if not layers or not all(getattr(layer, "keys", None) is not None and layer.keys.shape[-2] == length for layer in layers):
                return None
            found = Prefix(self, length, tuple((layer.keys, layer.values) for layer in layers))
            whole = self.read(self.run(features, None, last), None).double()
            short = {name: value[:, length:] for name, value in features.items()}
            resumed = self.read(found.run(short, self.embed(short["input_ids"]), last - length), None).double()
        return found if bool((whole - resumed).abs().max() <= PREFIX_GAP.get(self.embed(last).dtype, 0.05) * whole.abs().max()) else None


PREFIX_GAP = {torch.float64: 1e-9, torch.float32: 1e-4}
"""Largest accepted difference of logits with and without a cached prefix, relative to the largest logit: other kernels, other roundings."""


@dataclass(frozen=True, eq=False)
class Prefix:
    """The keys and values of the first `length` tokens of prompts that share them: computed once, read by every path point.

    Exact: causality makes them independent of all that follows, and tokens that never move have the same ones at every α. Memory: one
    copy per row while a batch runs. layers: per layer keys and values, each (1, heads, length, width).
    """

    model: CausalLM
    length: int
    layers: tuple[tuple[Tensor, Tensor], ...]

    def run(self, features: dict[str, Tensor], embeds: Tensor, positions: Tensor | None) -> Tensor:
        """Return what `CausalLM.run` returns; features (n, t − length), embeds and positions are those of what follows the prefix."""
        from transformers import DynamicCache

        n = embeds.shape[0]
        held = torch.ones(n, self.length, dtype=features["attention_mask"].dtype, device=embeds.device)
        past = DynamicCache([(keys.expand(n, -1, -1, -1), values.expand(n, -1, -1, -1)) for keys, values in self.layers])
        inputs = {"inputs_embeds": embeds, "attention_mask": torch.cat([held, features["attention_mask"]], dim=1)}
        return self.model._run(inputs | {"past_key_values": past, "use_cache": True}, positions)


def _linear_head(module: Any) -> nn.Module | None:
    """Return the output layer when logits are exactly that layer applied to the last hidden state, else None."""
    head = module.get_output_embeddings()
    if head is None or module.base_model is module:
        return None
    ids = torch.arange(4, device=module.get_input_embeddings().weight.device)[None]
    with lease(module), torch.no_grad():
        whole = module(input_ids=ids, use_cache=False).logits
        split = head(module.base_model(input_ids=ids, use_cache=False)[0])
    return head if whole.shape == split.shape and torch.allclose(whole, split.to(whole), rtol=1e-4, atol=1e-5) else None


def _keeps_logits(module: Any) -> bool:
    """Return whether the module computes logits at the wanted positions alone when asked to; many forwards swallow the request unread."""
    ids, wanted = (torch.tensor(of, device=module.get_input_embeddings().weight.device) for of in ([[0, 1, 2, 3]], [1, 3]))
    with lease(module), torch.no_grad():
        try:
            some = module(input_ids=ids, use_cache=False, logits_to_keep=wanted).logits
        except TypeError:
            return False
        whole = module(input_ids=ids, use_cache=False).logits[:, wanted]
    rounding = FIDELITY.get(whole.dtype, 1e-3) * float(whole.abs().max())
    return some.shape == whole.shape and bool((some - whole).abs().max() <= rounding)
