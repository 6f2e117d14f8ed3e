"""What to explain, in the user's words. A target is a value; bound to a model it gives, text by text, an objective.

Each target says its cost of binding. The names and units it yields are those of the record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from lineal.errors import InputError, OptionError
from lineal.models.base import Encoded, Head, TextModel, answer
from lineal.objectives import ClassScore, Objective, Similarity, TokenScore, check_similarity, check_unit, in_unit

Bound = Callable[[Encoded], Objective]


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
        _require(model, "encoder", "its own embedding")
        return lambda encoded: Similarity(answer(model, encoded)[None], ("its own embedding",), kind)


@dataclass(frozen=True)
class Similar:
    """Similarity to another text, or to a vector (D,) or several (k, D). One forward for the other text, once.

    prompt, prompt_name, route: how the other text is read, if not as the explained one is; see `lineal.session.Options`.
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
        _require(model, "encoder", "similarity to a text or vector")
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
            return ClassScore((c,), (head.labels[c],), unit, head.activation)

        return bound


@dataclass(frozen=True)
class Labels:
    """All classes at once (k = C), or the named ones: one shared forward pass per point, one reverse pass per class."""

    labels: Sequence[str | int] | None = None
    unit: str = "logit"

    def bind(self, model: TextModel) -> Bound:
        """Look the labels up."""
        unit, head = check_unit(self.unit), _head(model)
        classes = tuple(range(len(head.labels))) if self.labels is None else tuple(head.index(label) for label in self.labels)
        objective = ClassScore(classes, tuple(head.labels[c] for c in classes), unit, head.activation)
        return lambda encoded: objective


@dataclass(frozen=True)
class NextToken:
    """The token after the prompt: the most likely one (rank 0), the one of another rank, or a given token (text or id).

    A text must be one token as it stands, leading space included: " nurse", not "nurse", after "works as a".
    unit: log_prob (default: unlike the logit it does not depend on a constant added to all logits), prob, log_odds or logit.
    """

    token: str | int | None = None
    rank: int = 0
    unit: str = "log_prob"

    def bind(self, model: TextModel) -> Bound:
        """Look the token up; the most likely one costs a forward per text."""
        unit = check_unit(self.unit)
        _require(model, "causal", "a next token")
        fixed = None if self.token is None else token_id(model, self.token)

        def bound(encoded: Encoded) -> TokenScore:
            last = len(encoded) - 1
            chosen = fixed
            if chosen is None:
                ranked = answer(model, encoded, (last,))[0].topk(self.rank + 1).indices
                chosen = int(ranked[self.rank])
            return TokenScore((last,), (chosen,), (spell(model, chosen),), unit)

        return bound


own_embedding, similar, label, labels, next_token = OwnEmbedding, Similar, Label, Labels, NextToken


def default(model: TextModel) -> Target:
    """Return what a model is asked when nothing is said: its own embedding, the predicted label, or the next token."""
    choices: dict[str, Target] = {"encoder": OwnEmbedding(), "classifier": Label(), "causal": NextToken()}
    return choices[model.card.kind]


def token_id(model: TextModel, token: str | int) -> int:
    """Return the id of one token. Raises OptionError for an id outside the vocabulary, InputError for a text of several tokens."""
    if isinstance(token, int):
        if not 0 <= token < model.vocabulary:
            raise OptionError(f"token id {token} is outside the vocabulary of {model.vocabulary}")
        return token
    ids = model.tokenizer(token, add_special_tokens=False)["input_ids"]
    if len(ids) != 1:
        pieces = ", ".join(repr(spell(model, i)) for i in ids) or "nothing"
        raise InputError(f"{token!r} is {len(ids)} tokens for this model ({pieces}); give one token, its leading space included")
    return int(ids[0])


def spell(model: TextModel, token: int) -> str:
    """Return a token as text, leading space kept."""
    return str(model.tokenizer.decode([token])) or f"token {token}"


def _require(model: TextModel, kind: str, what: str) -> None:
    if model.card.kind != kind:
        raise OptionError(f"{what} is explained with a model of kind {kind}; {model.card.name} is of kind {model.card.kind}")


def _head(model: TextModel) -> Head:
    if model.head is None:
        raise OptionError(f"{model.card.name} is of kind {model.card.kind} and has no labels; use another target")
    return model.head


def _of_width(vectors: Tensor, embedding: Tensor) -> Tensor:
    if vectors.shape[-1] != embedding.shape[-1]:
        raise OptionError(f"the vector has {vectors.shape[-1]} dimensions, the model's embedding has {embedding.shape[-1]}")
    return vectors
