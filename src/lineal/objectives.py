"""f: which k scalars of a model's answer are explained. Knows nothing about tokenizing, paths or quadrature.

An objective maps the answer of a `TextModel` for n path points to an (n, k) tensor. It says what it needs: `positions`, the token
positions whose answer is read (decoders, token-level heads; empty for models that answer once per text), and `rows`, the entries of the
vocabulary that suffice (None: all of them).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from lineal.errors import OptionError, listing

Unit = Literal["logit", "log_odds", "log_prob", "prob"]
Activation = Literal["softmax", "sigmoid", "none"]
SimilarityName = Literal["cosine", "dot"]


class Objective(Protocol):
    """k differentiable scalars of a model's answer."""

    @property
    def names(self) -> tuple[str, ...]:
        """(k,) what each scalar is, as a reader sees it."""
        ...

    @property
    def units(self) -> tuple[str, ...]:
        """(k,) the unit of each scalar."""
        ...

    @property
    def positions(self) -> tuple[int, ...]:
        """Token positions that are read; empty when the model answers once per text."""
        ...

    @property
    def rows(self) -> tuple[int, ...] | None:
        """Vocabulary entries that suffice, or None for all."""
        ...

    def __call__(self, answer: Tensor) -> Tensor:
        """Return the (n, k) scalars of an answer for n points."""
        ...


@dataclass(frozen=True)
class Similarity:
    """Similarity of an embedding to fixed vectors: cosine or dot product. Answer (n, D) → (n, k) for vectors (k, D)."""

    vectors: Tensor
    names: tuple[str, ...]
    kind: SimilarityName = "cosine"
    positions: tuple[int, ...] = ()
    rows: tuple[int, ...] | None = None

    @property
    def units(self) -> tuple[str, ...]:
        """The kind of similarity, for every vector."""
        return (self.kind,) * len(self.names)

    def __call__(self, answer: Tensor) -> Tensor:
        """Return ⟨e, v⟩, divided by both norms for the cosine."""
        vectors = self.vectors.to(answer)
        if self.kind == "cosine":
            answer = torch.nn.functional.normalize(answer, dim=-1)
            vectors = torch.nn.functional.normalize(vectors, dim=-1)
        return answer @ vectors.T


@dataclass(frozen=True)
class ClassScore:
    """Scores of k classes in one unit. Answer (n, C) → (n, k)."""

    classes: tuple[int, ...]
    names: tuple[str, ...]
    unit: Unit = "logit"
    activation: Activation = "softmax"
    positions: tuple[int, ...] = ()
    rows: tuple[int, ...] | None = None

    @property
    def units(self) -> tuple[str, ...]:
        """The same unit for every class."""
        return (self.unit,) * len(self.classes)

    def __call__(self, answer: Tensor) -> Tensor:
        """Return the chosen classes' scores in the unit."""
        return torch.stack([in_unit(answer, c, self.unit, self.activation) for c in self.classes], dim=-1)


@dataclass(frozen=True)
class TokenScore:
    """Scores of given vocabulary entries at given positions, one output each. Answer (n, p, V) → (n, p).

    positions: (p,) where the logits are read, that is one before the token they predict. tokens: (p,) vocabulary ids.
    """

    positions: tuple[int, ...]
    tokens: tuple[int, ...]
    names: tuple[str, ...]
    unit: Unit = "log_prob"

    @property
    def units(self) -> tuple[str, ...]:
        """The same unit for every token."""
        return (self.unit,) * len(self.tokens)

    @property
    def rows(self) -> tuple[int, ...] | None:
        """A logit needs its own row of the head only; every other unit needs the whole vocabulary."""
        return tuple(sorted(set(self.tokens))) if self.unit == "logit" else None

    def __call__(self, answer: Tensor) -> Tensor:
        """Return each token's score at its own position."""
        rows = self.rows
        columns = self.tokens if rows is None else tuple(rows.index(token) for token in self.tokens)
        return torch.stack([in_unit(answer[:, j], column, self.unit) for j, column in enumerate(columns)], dim=-1)


def in_unit(logits: Tensor, index: int, unit: Unit, activation: Activation = "softmax") -> Tensor:
    """Return entry `index` of `logits` (n, C) in `unit`, as (n,).

    Under a softmax: logit z_c; log_odds z_c − log Σ_{j≠c} exp z_j = log p/(1 − p); log_prob; prob. Under a sigmoid each class stands
    alone: log_odds is the logit itself. With activation "none" (a regression head) only the raw value exists.
    """
    chosen = logits[:, index]
    if unit == "logit" or (unit == "log_odds" and activation == "sigmoid"):
        return chosen
    if activation == "none":
        raise OptionError(f"a regression output has no {unit}; use unit 'logit', which is its raw value")
    if unit == "log_odds":
        others = torch.cat([logits[:, :index], logits[:, index + 1 :]], dim=-1)
        return chosen - torch.logsumexp(others, dim=-1)
    log_prob = torch.nn.functional.logsigmoid(chosen) if activation == "sigmoid" else chosen - torch.logsumexp(logits, dim=-1)
    return log_prob if unit == "log_prob" else log_prob.exp()


def check_unit(unit: str) -> Unit:
    """Return `unit` when it is one; OptionError lists them otherwise."""
    if unit not in get_args(Unit):
        raise OptionError(f"unknown unit {unit!r}; choose one of {listing(get_args(Unit))}")
    return unit  # type: ignore[return-value]


def check_similarity(kind: str) -> SimilarityName:
    """Return `kind` when it is a similarity; OptionError lists them otherwise."""
    if kind not in get_args(SimilarityName):
        raise OptionError(f"unknown similarity {kind!r}; choose one of {listing(get_args(SimilarityName))}")
    return kind  # type: ignore[return-value]
