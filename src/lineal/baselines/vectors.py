"""Baselines of one vector that stands at every place, or of vectors of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lineal.baselines.contract import Baseline, Start, repeat, vector
from lineal.errors import OptionError, listing
from lineal.models.base import TextModel
from lineal.models.encoded import Encoded
from lineal.models.vocabulary import SPECIAL, special_tokens, token_id


@dataclass(frozen=True)
class SpecialToken:
    """One special token of the tokenizer (mask, pad, unk, eos or bos) at every position that moves."""

    name: str

    def bind(self, model: TextModel) -> Start:
        """Look the token up; OptionError lists the tokens there are."""
        tokens = special_tokens(model.tokenizer)
        if self.name not in tokens:
            raise OptionError(f"{model.card.name} has no {self.name} token; baselines it has: {listing([*tokens, 'mean', 'zero'])}")
        token = tokens[self.name]
        return lambda encoded: repeat(vector(model, token), encoded)


@dataclass(frozen=True)
class Word:
    """One word of the vocabulary at every position that moves. It must be one token as it stands, its leading space included; or an id."""

    word: str | int

    @property
    def name(self) -> str:
        """The word."""
        return f"word “{self.word}”" if isinstance(self.word, str) else f"token {self.word}"

    def bind(self, model: TextModel) -> Start:
        """Look the word up; InputError when it is several tokens, OptionError for an id outside the vocabulary."""
        token = token_id(model, self.word)
        return lambda encoded: repeat(vector(model, token), encoded)


@dataclass(frozen=True)
class Zero:
    """The zero vector. Models that normalise their input (Llama, most decoders) have no usable gradient there: expect no convergence."""

    name: str = "zero"

    def bind(self, model: TextModel) -> Start:
        """Every model has it."""
        return lambda encoded: repeat(torch.zeros_like(vector(model, 0)), encoded)


@dataclass(frozen=True)
class MeanEmbedding:
    """The mean of all vocabulary embeddings: no particular word. Computed once per call, in blocks."""

    name: str = "mean"

    def bind(self, model: TextModel) -> Start:
        """Average the embedding table in float64."""
        mean = mean_embedding(model)
        return lambda encoded: repeat(mean, encoded)


@dataclass(frozen=True, eq=False)
class Given:
    """Embeddings of one's own: (d,) for every position, (t, d) per token, or (m, t, d) for m baselines that are averaged."""

    values: Any
    name: str = "given embeddings"

    def bind(self, model: TextModel) -> Start:
        """Check the width; the number of tokens is checked per text. Raises OptionError with both sizes."""
        try:
            values = torch.as_tensor(self.values).detach().to(vector(model, 0))
        except (TypeError, ValueError, RuntimeError):
            raise OptionError(f"the given baseline is {self.values!r}; give an array of embeddings, (d,), (t, d) or (m, t, d)") from None
        width = vector(model, 0).shape[-1]
        if values.dim() not in (1, 2, 3) or values.shape[-1] != width:
            raise OptionError(
                f"the given baseline has shape {tuple(values.shape)}, the model's embeddings have width {width}; give (t, {width})"
            )

        def start(encoded: Encoded) -> Tensor:
            if values.dim() == 1:
                return repeat(values, encoded)
            if values.shape[-2] != len(encoded):
                raise OptionError(f"the given baseline has {values.shape[-2]} tokens, the text has {len(encoded)}, special ones included")
            return values

        return start


mask, pad, unk, eos, bos = (SpecialToken(name) for name in SPECIAL)
mean = MeanEmbedding()
zero = Zero()


def default(model: TextModel) -> Baseline:
    """Return the measured choice for a model: mask where the tokenizer has one, else the mean vocabulary embedding."""
    return mask if "mask" in special_tokens(model.tokenizer) else mean


def mean_embedding(model: TextModel, block: int = 8192) -> Tensor:
    """Return the (d,) mean of the vocabulary's embeddings."""
    total: Tensor | None = None
    with torch.no_grad():
        for first in range(0, model.vocabulary, block):
            ids = torch.arange(first, min(first + block, model.vocabulary), device=model.device)
            part = model.embed(ids).double().sum(dim=0)
            total = part if total is None else total + part
    assert total is not None, "a vocabulary is never empty"
    return (total / model.vocabulary).to(vector(model, 0).dtype)
