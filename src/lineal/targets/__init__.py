"""What to explain, in the user's words: `targets.label("POSITIVE")`, `targets.next_token(rank=1)`, `targets.choice(["A", "B"])`.

A target is a value; bound to a model it gives, text by text, an objective. Each says its cost of binding; the names and units it yields are
those of the record. To write one's own: inherit from `Target`.
"""

from __future__ import annotations

from lineal.errors import OptionError
from lineal.models.base import TextModel
from lineal.models.vocabulary import spell, token_id
from lineal.targets.contract import Bound, Target
from lineal.targets.embedding import OwnEmbedding, PairSimilarity, Similar, WholeEmbedding
from lineal.targets.label import Label, Labels, ZeroShot
from lineal.targets.language import Choice, Continuation, Contrast, NextToken, Steps
from lineal.targets.token import AnswerSpan, Entities, Fill, WordLabel

answer_span = AnswerSpan
choice = Choice
continuation = Continuation
contrast = Contrast
entities = Entities
fill = Fill
label = Label
labels = Labels
next_token = NextToken
own_embedding = OwnEmbedding
pair_similarity = PairSimilarity
similar = Similar
steps = Steps
whole_embedding = WholeEmbedding
word_label = WordLabel
zero_shot = ZeroShot

__all__ = [
    "Bound",
    "Target",
    "answer_span",
    "choice",
    "continuation",
    "contrast",
    "default",
    "entities",
    "fill",
    "label",
    "labels",
    "next_token",
    "own_embedding",
    "pair_similarity",
    "similar",
    "spell",
    "steps",
    "token_id",
    "whole_embedding",
    "word_label",
    "zero_shot",
]


def default(model: TextModel) -> Target:
    """Return what a model is asked when nothing is said: its own embedding, the predicted label, or the next token.

    Raises OptionError for a kind of model that has no such question.
    """
    questions: dict[str, Target] = {"encoder": OwnEmbedding(), "classifier": Label(), "causal": NextToken(), "seq2seq": NextToken()}
    questions |= {"tagger": Entities(), "reader": AnswerSpan(), "masked": Fill()}
    if model.card.kind not in questions:
        raise OptionError(f"{model.card.name} is of kind {model.card.kind}, which has no question of its own; give a target")
    return questions[model.card.kind]
