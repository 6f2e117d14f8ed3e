"""What to explain, in the user's words. A target is a value; bound to a model it gives, text by text, an objective.

Each target says its cost of binding. The names and units it yields are those of the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from lineal.continuations import (
    Bound,
    Choice,
    Continuation,
    Contrast,
    NextToken,
    Steps,
    choice,
    continuation,
    contrast,
    follow,
    next_token,
    score,
)
from lineal.errors import InputError, OptionError
from lineal.heads import AnswerSpan, Entities, WordLabel, ZeroShot, answer_span, entities, word_label, zero_shot
from lineal.models.base import Encoded, Head, TextModel, answer, require
from lineal.models.tokenwise import mask_positions
from lineal.models.vocabulary import spell, token_id
from lineal.objectives import (
    ClassScore,
    Embedding,
    Similarity,
    Together,
    TokenScore,
    check_similarity,
    check_unit,
    in_unit,
)
from lineal.typed import listed

__all__ = [
    "AnswerSpan",
    "Choice",
    "Continuation",
    "Contrast",
    "Entities",
    "Fill",
    "Label",
    "Labels",
    "NextToken",
    "OwnEmbedding",
    "Similar",
    "Steps",
    "Target",
    "WordLabel",
    "ZeroShot",
    "answer_span",
    "choice",
    "continuation",
    "contrast",
    "default",
    "entities",
    "fill",
    "follow",
    "label",
    "labels",
    "next_token",
    "own_embedding",
    "score",
    "similar",
    "spell",
    "token_id",
    "word_label",
    "zero_shot",
]


class Target(Protocol):
    """Names what is explained; `bind` prepares it once for a model."""

    def bind(self, model: TextModel) -> Bound:
        """Return the function from a text to its objective. Raises OptionError when the model cannot answer this."""
        ...


@dataclass(frozen=True)
class OwnEmbedding:
    """How similar the text stays to its own embedding e(x): F(x) is 1 for the cosine, ‖e‖² for the dot product. One forward per text."""

    similarity: str = "cosine"

    def bind(self, model: TextModel) -> Bound:
        """Need an encoder."""
        kind = check_similarity(self.similarity)
        require(model, "encoder", "its own embedding")
        return lambda encoded: Similarity(answer(model, encoded)[None], ("its own embedding",), kind)


@dataclass(frozen=True)
class Similar:
    """Similarity to another text, or to a vector (D,) or several (k, D). One forward for the other text, once.

    prompt, prompt_name, route: how the other text is read, if not as the explained one is; see `lineal.options.Options`.
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
            reader = model.reading(self.prompt, self.prompt_name, self.route)  # type: ignore[attr-defined]
            vectors = answer(reader, reader.encode([self.other]))[None]
            names: tuple[str, ...] = (self.name or f"“{self.other}”",)
            return lambda encoded: Similarity(vectors, names, kind)
        given = torch.as_tensor(self.other)
        vectors = given if given.ndim == 2 else given[None]
        names = tuple(self.name or f"vector {j}" if len(vectors) > 1 else self.name or "the vector" for j in range(len(vectors)))
        return lambda encoded: Similarity(_of_width(vectors, answer(model, encoded)), names, kind)


@dataclass(frozen=True)
class WholeEmbedding:
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
class PairSimilarity:
    """Similarity of two texts that are read side by side by a `lineal.models.Siamese`: one path for both, or for one of them."""

    similarity: str = "cosine"

    def bind(self, model: TextModel) -> Bound:
        """Need two texts in one model."""
        kind = check_similarity(self.similarity)
        require(model, "pair encoder", "the similarity of two texts at once")
        return lambda encoded: Together(kind)


@dataclass(frozen=True)
class Label:
    """One class: by name, by number, or None for the class predicted for the text (one forward per text).

    unit: logit, log_odds, log_prob or prob. Probabilities saturate: their gradients vanish near 0 and 1, so logits integrate better.
    """

    label: str | int | None = None
    unit: str = "logit"

    def bind(self, model: TextModel) -> Bound:
        """Look the label up; OptionError lists the labels."""
        unit, head = check_unit(self.unit), _head(model)
        chosen = None if self.label is None else head.index(self.label)
        if head.activation == "none":
            in_unit(torch.zeros(1, len(head.labels)), 0, unit, "none")

        def bound(encoded: Encoded) -> ClassScore:
            c = int(answer(model, encoded).argmax()) if chosen is None else chosen
            return ClassScore((c,), (head.names[c],), unit, head.activation)

        return bound


@dataclass(frozen=True)
class Labels:
    """All classes at once (k = C), or the named ones: one shared forward pass per point, one reverse pass per class."""

    labels: Sequence[str | int] | None = None
    unit: str = "logit"

    def bind(self, model: TextModel) -> Bound:
        """Look the labels up."""
        unit, head = check_unit(self.unit), _head(model)
        named = None if self.labels is None else listed("labels", self.labels, kinds=(str, int))
        classes = tuple(range(len(head.labels))) if named is None else tuple(head.index(label) for label in named)
        objective = ClassScore(classes, tuple(head.names[c] for c in classes), unit, head.activation)
        return lambda encoded: objective


@dataclass(frozen=True)
class Fill:
    """What stands behind each mask token of the text, one output per mask: the most likely word (rank 0), another rank, or a given word.

    A text must be one token as it stands, leading space included where the tokenizer's words have one.
    """

    token: str | int | None = None
    rank: int = 0
    unit: str = "log_prob"

    def bind(self, model: TextModel) -> Bound:
        """Look the token up; the most likely ones cost a forward per text. InputError for a text without a mask."""
        unit = check_unit(self.unit)
        require(model, "masked", "a masked word")
        fixed = None if self.token is None else token_id(model, self.token)

        def bound(encoded: Encoded) -> TokenScore:
            where = mask_positions(model, encoded)
            if not where:
                raise InputError(f"the text has no {model.tokenizer.mask_token} to fill: {encoded.texts[0][:60]!r}")
            if fixed is not None:
                tokens = (fixed,) * len(where)
            else:
                tokens = tuple(answer(model, encoded, where).topk(self.rank + 1).indices[:, self.rank].tolist())
            return TokenScore(where, tokens, tuple(spell(model, token) for token in tokens), unit)

        return bound


own_embedding, similar, label, labels, fill = OwnEmbedding, Similar, Label, Labels, Fill


def default(model: TextModel) -> Target:
    """Return what a model is asked when nothing is said: its own embedding, the predicted label, or the next token.

    Raises OptionError for a kind of model that has no such question.
    """
    choices: dict[str, Target] = {"encoder": OwnEmbedding(), "classifier": Label(), "causal": NextToken(), "seq2seq": NextToken()}
    choices |= {"tagger": Entities(), "reader": AnswerSpan(), "masked": Fill()}
    if model.card.kind not in choices:
        raise OptionError(f"{model.card.name} is of kind {model.card.kind}, which has no question of its own; give a target")
    return choices[model.card.kind]


def _head(model: TextModel) -> Head:
    if model.head is None or model.card.kind != "classifier":
        raise OptionError(f"{model.card.name} is of kind {model.card.kind} and has no label for a whole text; use another target")
    return model.head


def _of_width(vectors: Tensor, embedding: Tensor) -> Tensor:
    if vectors.shape[-1] != embedding.shape[-1]:
        raise OptionError(f"the vector has {vectors.shape[-1]} dimensions, the model's embedding has {embedding.shape[-1]}")
    return vectors
