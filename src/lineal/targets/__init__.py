"""What to explain, in the user's words. A target is a value; bound to a model it gives, text by text, an objective.

Each target says its cost of binding. The names and units it yields are those of the record.
"""

from __future__ import annotations

from typing import Protocol

from lineal.errors import OptionError
from lineal.models.base import TextModel
from lineal.models.vocabulary import spell, token_id
from lineal.targets.embedding import OwnEmbedding, PairSimilarity, Similar, WholeEmbedding, own_embedding, similar
from lineal.targets.label import Label, Labels, ZeroShot, label, labels, zero_shot
from lineal.targets.language import (
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
from lineal.targets.token import AnswerSpan, Entities, Fill, WordLabel, answer_span, entities, fill, word_label

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
    "PairSimilarity",
    "Similar",
    "Steps",
    "Target",
    "WholeEmbedding",
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


def default(model: TextModel) -> Target:
    """Return what a model is asked when nothing is said: its own embedding, the predicted label, or the next token.

    Raises OptionError for a kind of model that has no such question.
    """
    choices: dict[str, Target] = {"encoder": OwnEmbedding(), "classifier": Label(), "causal": NextToken(), "seq2seq": NextToken()}
    choices |= {"tagger": Entities(), "reader": AnswerSpan(), "masked": Fill()}
    if model.card.kind not in choices:
        raise OptionError(f"{model.card.name} is of kind {model.card.kind}, which has no question of its own; give a target")
    return choices[model.card.kind]
