"""Encoder-decoder models of transformers: what may follow, given a source text and what was said so far."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lineal.errors import InputError, OptionError
from lineal.models.card import card
from lineal.models.encoded import Encoded, check_characters, tokenise
from lineal.models.generative import Generative
from lineal.models.lease import lease, untouched

SIDE = "side"
"""The feature (t,) that tells source tokens, 0, from decoder tokens, 1."""
CLOSE = 1e-4
"""Largest accepted difference between two ways to run the decoder, relative to the largest logit."""


class Seq2SeqLM(Generative):
    """A `…ForConditionalGeneration` or Marian model. Answers (n, p, V) logits at the p wanted positions.

    A prompt is the source text and, behind it, the decoder's start token; whatever follows is appended to that, so that generations,
    continuations and choices are the same as for decoders. A row of scores covers source tokens and earlier decoder tokens.
    One embedding table for both sides is needed. Embeddings carry the encoder's scale; the decoder's is divided out where it differs.
    """

    def __init__(self, module: Any, tokenizer: Any, name: str, revision: str | None = None) -> None:
        """Wrap a live model; a few forwards over four tokens find how embeddings are scaled. Raises OptionError for two tables."""
        super().__init__(module, module.get_encoder(), tokenizer, card(name, "seq2seq", module, module, tokenizer, revision))
        own, other = (side.get_input_embeddings().weight for side in (module.get_encoder(), module.get_decoder()))
        if own.data_ptr() != other.data_ptr():
            raise OptionError(f"{name} has different embedding tables for source and target; only models that share one can be explained")
        self.start = next(
            (int(i) for i in (module.generation_config.decoder_start_token_id, module.config.decoder_start_token_id) if i is not None), None
        )
        if self.start is None:
            raise OptionError(f"{name} names no decoder_start_token_id in its config; set it")
        self._scale, self._ratio = _scales(module)

    @property
    def limit(self) -> int | None:
        """Most source tokens; the decoder has the same limit of its own."""
        table = next(
            (v for n in ("max_position_embeddings", "n_positions") if isinstance(v := getattr(self.module.config, n, None), int)), None
        )
        stated = self.tokenizer.model_max_length
        relative = self.module.config.model_type in ("t5", "mt5", "umt5", "longt5", "switch_transformers")
        sensible = [v for v in (stated, None if relative else table) if isinstance(v, int) and 0 < v < 10_000_000]
        return min(sensible) if sensible else None

    def embed(self, ids: Tensor) -> Tensor:
        """Return word embeddings as the encoder reads them, scale included."""
        return self.network.get_input_embeddings()(ids) * self._scale  # type: ignore[no-any-return]

    def encode(self, texts: Sequence[str], truncate: bool = False, add_special: bool = True) -> Encoded:
        """Tokenise the source, and put the decoder's start token behind it."""
        if len(texts) != 1:
            raise OptionError("an encoder-decoder model reads one source text; give its continuation as the target or the continuation")
        source = tokenise(self.tokenizer, texts, self.limit, truncate, ("input_ids", "attention_mask"), add_special)
        start = torch.tensor([self.start])
        return replace(
            source,
            features={
                "input_ids": torch.cat([source.features["input_ids"], start]),
                "attention_mask": torch.cat([source.features["attention_mask"], torch.ones(1, dtype=torch.long)]),
                SIDE: torch.tensor([0] * len(source) + [1]),
            },
            tokens=(*source.tokens, str(self.tokenizer.convert_ids_to_tokens(self.start))),
            offsets=(*source.offsets, (0, 0)),
            segments=(*source.segments, -1),
            word_ids=(*source.word_ids, None),
            roles=(*source.roles, "special"),
        )

    def run(self, features: dict[str, Tensor], embeds: Tensor | None, positions: Tensor | None) -> Tensor:
        """Return logits (n, p, V): source and decoder tokens of each row are moved to where their side wants them."""
        assert positions is not None, "an encoder-decoder model answers per position"
        held = embeds if embeds is not None else self.embed(features["input_ids"])
        mask, side = features["attention_mask"].bool(), features[SIDE].bool()
        sources, targets = (mask & ~side).sum(dim=1), (mask & side).sum(dim=1)  # (n,)
        s, t = int(sources.max()), int(targets.max())
        rows = torch.arange(len(held), device=held.device)[:, None]
        behind = (sources[:, None] + torch.arange(t, device=held.device)).clamp(max=held.shape[1] - 1)  # (n, t)
        inputs: dict[str, Any] = {
            "attention_mask": (torch.arange(s, device=held.device) < sources[:, None]).long(),
            "decoder_attention_mask": (torch.arange(t, device=held.device) < targets[:, None]).long(),
        }
        if embeds is None:
            inputs |= {"input_ids": features["input_ids"][:, :s], "decoder_input_ids": features["input_ids"][rows, behind]}
        else:
            inputs |= {"inputs_embeds": held[:, :s], "decoder_inputs_embeds": held[rows, behind] * self._ratio}
        logits: Tensor = self.module(**inputs, use_cache=False).logits
        return logits[rows, (positions - sources[:, None]).clamp(min=0)]

    def read(self, states: Tensor, rows: tuple[int, ...] | None) -> Tensor:
        """Return logits, or only the wanted rows of the vocabulary."""
        return states if rows is None else states[..., list(rows)]

    def follow(self, encoded: Encoded, continuation: str) -> tuple[int, ...]:
        """Return the ids of a target text, as the tokenizer reads targets; it shares no token with the source."""
        if not continuation.strip():
            raise InputError("the continuation is empty; give the text that the decoder is to say")
        check_characters(continuation)
        with untouched(self.tokenizer):
            return tuple(self.tokenizer(text_target=continuation, add_special_tokens=False, verbose=False)["input_ids"])

    def inputs(self, encoded: Encoded) -> dict[str, Tensor]:
        """Return the source alone: `generate` starts the decoder itself."""
        source = encoded.features[SIDE] == 0
        return {name: value[source] for name, value in encoded.features.items() if name != SIDE}

    def answered(self, encoded: Encoded) -> int:
        """Only the start token is not new."""
        return 1

    def _before(self, encoded: Encoded) -> list[int]:
        return []


def _scales(module: Any) -> tuple[float, float]:
    """Return the encoder's embedding scale, and decoder scale / encoder scale, as runs from ids and from embeddings must agree.

    Some models scale inside the embedding layer, some behind it and only for ids, some behind it for embeddings too.
    """
    encoder, decoder = module.get_encoder(), module.get_decoder()
    named = [float(s) for side in (encoder, decoder) if isinstance(s := getattr(side, "embed_scale", None), (int, float))]
    known = list(dict.fromkeys([1.0, *named]))
    weight = encoder.get_input_embeddings().weight
    ids = torch.arange(4, device=weight.device)[None]
    with lease(module), torch.no_grad():
        wanted = module(input_ids=ids, decoder_input_ids=ids, use_cache=False).logits
        first, second = encoder.get_input_embeddings()(ids), decoder.get_input_embeddings()(ids)
        ratio = float((second.double() * first.double()).sum() / (first.double() ** 2).sum())
        for a, b in itertools.product(known, known):
            given = {"inputs_embeds": first * a, "decoder_inputs_embeds": first * (b * ratio)}
            got = module(**given, use_cache=False).logits
            if float((got - wanted).abs().max()) <= CLOSE * float(wanted.abs().max()):
                return a, b * ratio / a
    return 1.0, 1.0  # the fidelity check says what is wrong
