"""Scalars of an embedding, (n, D): how similar it is to others, where it points, or all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from lineal.errors import OptionError, listing
from lineal.objectives.contract import Plain

SimilarityName = Literal["cosine", "dot"]


@dataclass(frozen=True)
class Similarity(Plain):
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

    @property
    def needs_model(self) -> bool:
        """Yes: the vectors lie in the space of one model's embeddings."""
        return True

    def __call__(self, answer: Tensor) -> Tensor:
        """Return ⟨e, v⟩, divided by both norms for the cosine."""
        vectors = self.vectors.to(answer)
        if self.kind == "cosine":
            answer = torch.nn.functional.normalize(answer, dim=-1)
            vectors = torch.nn.functional.normalize(vectors, dim=-1)
        return answer @ vectors.T


@dataclass(frozen=True)
class Embedding(Plain):
    """The embedding itself, every dimension an output. Answer (n, D) → (n, D); of length 1 for the cosine.

    without: (r, D) orthonormal directions that are taken out of it, or none.
    """

    width: int
    kind: SimilarityName = "cosine"
    without: Tensor | None = None
    positions: tuple[int, ...] = ()
    rows: tuple[int, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """One name per dimension."""
        return tuple(f"dimension {j}" for j in range(self.width))

    @property
    def units(self) -> tuple[str, ...]:
        """The kind of similarity the embedding is meant for."""
        return (self.kind,) * self.width

    def __call__(self, answer: Tensor) -> Tensor:
        """Return e, or e / ‖e‖ for the cosine, less what lies along `without`."""
        embedding = torch.nn.functional.normalize(answer, dim=-1) if self.kind == "cosine" else answer
        if self.without is None:
            return embedding
        directions = self.without.to(embedding)
        return embedding - embedding @ directions.T @ directions


@dataclass(frozen=True)
class Projection(Plain):
    """The embedding (of length 1 for the cosine) along given vectors (k, D), whose own lengths count. Answer (n, D) → (n, k)."""

    vectors: Tensor
    kind: SimilarityName = "cosine"
    positions: tuple[int, ...] = ()
    rows: tuple[int, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """One name per vector."""
        return tuple(f"vector {j}" for j in range(len(self.vectors)))

    @property
    def units(self) -> tuple[str, ...]:
        """The kind of similarity, for every vector."""
        return (self.kind,) * len(self.vectors)

    @property
    def needs_model(self) -> bool:
        """Yes: the vectors lie in the space of one model's embeddings."""
        return True

    def __call__(self, answer: Tensor) -> Tensor:
        """Return ⟨e, v⟩ for every vector."""
        embedding = torch.nn.functional.normalize(answer, dim=-1) if self.kind == "cosine" else answer
        return embedding @ self.vectors.to(answer).T


@dataclass(frozen=True)
class Together(Plain):
    """Similarity of two embeddings that both move. Answer (n, 2D), one embedding behind the other → (n, 1)."""

    kind: SimilarityName = "cosine"
    names: tuple[str, ...] = ("similarity of the two texts",)
    positions: tuple[int, ...] = ()
    rows: tuple[int, ...] | None = None

    @property
    def units(self) -> tuple[str, ...]:
        """The kind of similarity."""
        return (self.kind,)

    def __call__(self, answer: Tensor) -> Tensor:
        """Return ⟨e_a, e_b⟩, divided by both norms for the cosine."""
        first, second = answer.chunk(2, dim=-1)
        if self.kind == "cosine":
            first, second = torch.nn.functional.normalize(first, dim=-1), torch.nn.functional.normalize(second, dim=-1)
        return (first * second).sum(dim=-1, keepdim=True)


def check_similarity(kind: str) -> SimilarityName:
    """Return `kind` when it is a similarity; OptionError lists them otherwise."""
    if kind not in get_args(SimilarityName):
        raise OptionError(f"unknown similarity {kind!r}; choose one of {listing(get_args(SimilarityName))}")
    return kind  # type: ignore[return-value]
