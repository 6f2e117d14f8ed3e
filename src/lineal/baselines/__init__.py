"""x': where the path starts. A baseline is a value; bound to a model it gives the (t, d) starting embeddings of a text, or (m, t, d)
for m starting points whose explanations are averaged.

Only tokens that move are replaced; the caller puts held and special tokens back. There is no silent substitute: a tokenizer without the
token that is asked for is an error that lists what it has.

Default: the mask token where there is one (masked encoders were trained to read it as "some word"), else the mean vocabulary embedding
(see docs/baselines.md for the measurements).
"""

from lineal.baselines.alternatives import Alternatives
from lineal.baselines.contract import Baseline, Start, drawn, more, notes, still, widened
from lineal.baselines.draws import RandomWords, some_of
from lineal.baselines.spelling import BASELINES, NAMED, resolve, spelling
from lineal.baselines.texts import AnotherText, Counterfactual, Several
from lineal.baselines.vectors import (
    Given,
    MeanEmbedding,
    SpecialToken,
    Word,
    Zero,
    bos,
    default,
    eos,
    mask,
    mean,
    mean_embedding,
    pad,
    unk,
    zero,
)

another_text, counterfactual, random_words, word, given = AnotherText, Counterfactual, RandomWords, Word, Given
alternatives = Alternatives

__all__ = [
    "BASELINES",
    "NAMED",
    "Alternatives",
    "AnotherText",
    "Baseline",
    "Counterfactual",
    "Given",
    "MeanEmbedding",
    "RandomWords",
    "Several",
    "SpecialToken",
    "Start",
    "Word",
    "Zero",
    "alternatives",
    "another_text",
    "bos",
    "counterfactual",
    "default",
    "drawn",
    "eos",
    "given",
    "mask",
    "mean",
    "mean_embedding",
    "more",
    "notes",
    "pad",
    "random_words",
    "resolve",
    "some_of",
    "spelling",
    "still",
    "unk",
    "widened",
    "word",
    "zero",
]
