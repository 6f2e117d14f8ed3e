"""x': where the path starts. A baseline is a value; bound to a model it gives the (t, d) starting embeddings of a text, or (m, t, d)
for m starting points whose explanations are averaged.

Only tokens that move are replaced; the caller puts held and special tokens back. There is no silent substitute: a tokenizer without the
token that is asked for is an error that lists what it has.

Default: the mask token where there is one (masked encoders were trained to read it as "some word"), else the mean vocabulary embedding
(see docs/baselines.md for the measurements).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from lineal.errors import OptionError, listing
from lineal.models.base import Encoded, TextModel

Start = Callable[[Encoded], Tensor]
SPECIAL = ("mask", "pad", "unk", "eos", "bos")


class Baseline(Protocol):
    """Names a starting point; `bind` prepares it once for a model."""

    @property
    def name(self) -> str:
        """What the record calls it."""
        ...

    def bind(self, model: TextModel) -> Start:
        """Return the function from a text to its (t, d) or (m, t, d) starting embeddings.

        Raises OptionError when the model has no such thing.
        """
        ...


@dataclass(frozen=True)
class SpecialToken:
    """One special token of the tokenizer (mask, pad, unk, eos or bos) at every position that moves."""

    name: str

    def bind(self, model: TextModel) -> Start:
        """Look the token up; OptionError lists the tokens there are."""
        token = getattr(model.tokenizer, f"{self.name}_token_id", None)
        if token is None:
            has = [name for name in SPECIAL if getattr(model.tokenizer, f"{name}_token_id", None) is not None]
            raise OptionError(f"{model.card.name} has no {self.name} token; baselines it has: {listing([*has, 'mean', 'zero'])}")
        return lambda encoded: _repeat(_vector(model, token), encoded)


@dataclass(frozen=True)
class Zero:
    """The zero vector. Models that normalise their input (Llama, most decoders) have no usable gradient there: expect no convergence."""

    name: str = "zero"

    def bind(self, model: TextModel) -> Start:
        """Every model has it."""
        return lambda encoded: _repeat(torch.zeros_like(_vector(model, 0)), encoded)


@dataclass(frozen=True)
class MeanEmbedding:
    """The mean of all vocabulary embeddings: no particular word. Computed once per call, in blocks."""

    name: str = "mean"

    def bind(self, model: TextModel) -> Start:
        """Average the embedding table in float64."""
        mean = mean_embedding(model)
        return lambda encoded: _repeat(mean, encoded)


@dataclass(frozen=True)
class Several:
    """Several baselines, averaged with equal weight; the record's spread says how much the scores differ between them."""

    parts: tuple[Baseline, ...]

    @property
    def name(self) -> str:
        """The names, joined."""
        return ", ".join(part.name for part in self.parts)

    def bind(self, model: TextModel) -> Start:
        """Bind every part; the starting points of a text are those of all parts."""
        starts = [part.bind(model) for part in self.parts]

        def bound(encoded: Encoded) -> Tensor:
            points = [start(encoded) for start in starts]
            return torch.cat([point if point.dim() == 3 else point[None] for point in points])  # (m, t, d)

        return bound


mask, pad, unk, eos, bos = (SpecialToken(name) for name in SPECIAL)
mean = MeanEmbedding()
zero = Zero()
NAMED: dict[str, Baseline] = {baseline.name: baseline for baseline in (mask, pad, unk, eos, bos, mean, zero)}


def default(model: TextModel) -> Baseline:
    """Return the measured choice for a model: mask where the tokenizer has one, else the mean vocabulary embedding."""
    return mask if getattr(model.tokenizer, "mask_token_id", None) is not None else mean


def resolve(baseline: Any, model: TextModel) -> Baseline:
    """Return a baseline from None (the model's default), a name, a baseline, or several of them: a list, or "mask,pad" in one string.

    OptionError lists the names.
    """
    if baseline is None:
        return default(model)
    if isinstance(baseline, str) and len(names := [name.strip() for name in baseline.split(",")]) > 1 and set(names) <= set(NAMED):
        baseline = names
    if isinstance(baseline, (list, tuple)):
        if not baseline:
            raise OptionError(f"the list of baselines is empty; give one or more of {listing(NAMED)}")
        return Several(tuple(resolve(part, model) for part in baseline))
    if isinstance(baseline, str):
        if baseline not in NAMED:
            raise OptionError(f"unknown baseline {baseline!r}; choose one of {listing(NAMED)}")
        return NAMED[baseline]
    if not hasattr(baseline, "bind"):
        raise OptionError(f"a baseline is a name ({listing(NAMED)}) or a value of lineal.baselines, not {type(baseline).__name__}")
    return baseline  # type: ignore[no-any-return]


def mean_embedding(model: TextModel, block: int = 8192) -> Tensor:
    """Return the (d,) mean of the vocabulary's embeddings."""
    total: Tensor | None = None
    with torch.no_grad():
        for first in range(0, model.vocabulary, block):
            ids = torch.arange(first, min(first + block, model.vocabulary), device=model.device)
            part = model.embed(ids).double().sum(dim=0)
            total = part if total is None else total + part
    assert total is not None, "a vocabulary is never empty"
    return (total / model.vocabulary).to(_vector(model, 0).dtype)


def _vector(model: TextModel, token: int) -> Tensor:
    with torch.no_grad():
        return model.embed(torch.tensor([token], device=model.device))[0]


def _repeat(vector: Tensor, encoded: Encoded) -> Tensor:
    return vector.expand(len(encoded), -1)
