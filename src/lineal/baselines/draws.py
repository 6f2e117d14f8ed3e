"""Baselines that are drawn at random, several per text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lineal.baselines.contract import Noted, Start
from lineal.baselines.texts import AnotherText, Several
from lineal.errors import OptionError
from lineal.models.base import TextModel
from lineal.models.encoded import Encoded
from lineal.models.vocabulary import drawable
from lineal.typed import check_fields, check_seed, check_value, listed

MOST_SAMPLES = 10_000
"""Random baselines of one text; all are in memory at once, and each is an integral of its own."""


@dataclass(frozen=True)
class RandomWords:
    """`samples` baselines of words drawn uniformly from the `drawable` ones of the vocabulary; averaged, this is Expected Gradients.

    The same seed gives the same token at the same position whatever the text. Cost: one integral per sample.
    """

    samples: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_fields(self)
        if not 1 <= self.samples <= MOST_SAMPLES:
            raise OptionError(f"random words need at least one sample, not {self.samples}; at most {MOST_SAMPLES} are drawn")

    @property
    def name(self) -> str:
        """How many."""
        return f"{self.samples} × random words"

    def bind(self, model: TextModel) -> Start:
        """Look up what may be drawn."""
        return _Words(model, self, torch.from_numpy(drawable(model)))


@dataclass(frozen=True, eq=False)
class _Words(Noted):
    model: TextModel
    asked: RandomWords
    words: Tensor

    def __call__(self, encoded: Encoded) -> Tensor:
        shape = (len(encoded), self.asked.samples)
        drawn = torch.randint(len(self.words), shape, generator=torch.Generator().manual_seed(self.asked.seed))
        with torch.no_grad():
            return self.model.embed(self.words[drawn.T].to(self.model.device))  # (m, t, d)

    @property
    def drawn(self) -> bool:
        return True


def some_of(texts: Sequence[str], samples: int = 8, seed: int = 0) -> Several:
    """Return `samples` of the texts, drawn without replacement, as baselines that are averaged (Expected Gradients over a corpus)."""
    distinct = list(dict.fromkeys(listed("texts", texts, "texts")))
    check_value("samples", samples, int)
    check_seed(seed)
    if not 1 <= samples <= len(distinct):
        raise OptionError(f"cannot draw {samples} baselines from {len(distinct)} different texts")
    picked = torch.randperm(len(distinct), generator=torch.Generator().manual_seed(seed))[:samples].tolist()
    return Several(tuple(AnotherText(distinct[i]) for i in picked))
