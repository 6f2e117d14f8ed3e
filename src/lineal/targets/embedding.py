"""Questions to an embedding: its similarity to itself, to another text or vector, to a text read beside it, and all of it at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lineal.errors import OptionError
from lineal.models.base import TextModel, require
from lineal.models.forward import answer
from lineal.objectives.embedding import Embedding, Similarity, Together, check_similarity
from lineal.targets.contract import Bound, Target


@dataclass(frozen=True)
class OwnEmbedding(Target):
    """How similar the text stays to its own embedding e(x): F(x) is 1 for the cosine, ‖e‖² for the dot product. One forward per text."""

    similarity: str = "cosine"

    def bind(self, model: TextModel) -> Bound:
        """Need an encoder."""
        kind = check_similarity(self.similarity)
        require(model, "encoder", "its own embedding")
        return lambda encoded: Similarity(answer(model, encoded)[None], ("its own embedding",), kind)


@dataclass(frozen=True)
class Similar(Target):
    """Similarity to another text, or to a vector (D,) or several (k, D). One forward for the other text, once.

    prompt, prompt_name, route: how the other text is read, if not as the explained one is; see `lineal.verbs.options.Options`.
    """

    other: Any
    similarity: str = "cosine"
    name: str | None = None
    prompt: str | None = None
    prompt_name: str | None = None
    route: str | None = None

    def bind(self, model: TextModel) -> Bound:
        """Embed the other text, or check the width of the vectors."""
        kind = check_similarity(self.similarity)
        require(model, "encoder", "similarity to a text or vector")
        if isinstance(self.other, str):
            reader = model.reading(self.prompt, self.prompt_name, self.route)
            vectors = answer(reader, reader.encode([self.other]))[None]
            names: tuple[str, ...] = (self.name or f"“{self.other}”",)
            return lambda encoded: Similarity(vectors, names, kind)
        given = torch.as_tensor(self.other)
        vectors = given if given.ndim == 2 else given[None]
        names = tuple(self.name or f"vector {j}" if len(vectors) > 1 else self.name or "the vector" for j in range(len(vectors)))
        return lambda encoded: Similarity(_of_width(vectors, answer(model, encoded)), names, kind)


@dataclass(frozen=True)
class WholeEmbedding(Target):
    """Every dimension of the embedding at once (k = D), of length 1 for the cosine: what pair matrices are made of.

    One forward pass per text.
    """

    similarity: str = "cosine"

    def bind(self, model: TextModel) -> Bound:
        """Need an encoder of single texts."""
        kind = check_similarity(self.similarity)
        require(model, "encoder", "a whole embedding")
        return lambda encoded: Embedding(len(answer(model, encoded)), kind)


@dataclass(frozen=True)
class PairSimilarity(Target):
    """Similarity of two texts that are read side by side by a `lineal.models.Siamese`: one path for both, or for one of them."""

    similarity: str = "cosine"

    def bind(self, model: TextModel) -> Bound:
        """Need two texts in one model."""
        kind = check_similarity(self.similarity)
        require(model, "pair encoder", "the similarity of two texts at once")
        return lambda encoded: Together(kind)


def _of_width(vectors: Tensor, embedding: Tensor) -> Tensor:
    if vectors.shape[-1] != embedding.shape[-1]:
        raise OptionError(f"the vector has {vectors.shape[-1]} dimensions, the model's embedding has {embedding.shape[-1]}")
    return vectors
