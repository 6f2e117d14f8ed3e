"""Baselines that are other texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lineal.baselines.contract import Baseline, Start, notes
from lineal.baselines.vectors import default
from lineal.errors import OptionError
from lineal.models.base import Encoded, TextModel
from lineal.typed import listed


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

        return _AllOf(starts)


@dataclass(frozen=True)
class _AllOf:
    starts: Sequence[Start]

    def __call__(self, encoded: Encoded) -> Tensor:
        points = [start(encoded) for start in self.starts]
        return torch.cat([point if point.dim() == 3 else point[None] for point in points])  # (m, t, d)

    def notes(self, encoded: Encoded) -> tuple[str, ...]:
        found = [note for start in self.starts for note in notes(start, encoded)]
        return tuple(found) if len(found) < 3 else (f"{found[0]} So with the other {len(found) - 1} texts, each in its own way.",)


@dataclass(frozen=True)
class AnotherText:
    """The tokens of another text, one for one in order; for a pair, of another pair.

    A longer text is cut; a shorter one is followed by the model's default baseline (mask, or the mean embedding). The record's notes say
    which it was. Positions that do not move keep their own token and the other text's token there goes unused.
    """

    text: str | tuple[str, ...]

    def __post_init__(self) -> None:
        """Check that there is a text, or one per text of a pair."""
        if not isinstance(self.text, str):
            object.__setattr__(self, "text", tuple(listed("text", self.text, "texts, or one text")))

    @property
    def name(self) -> str:
        """The text, shortened."""
        whole = self.text if isinstance(self.text, str) else " / ".join(self.text)
        return f"text “{whole if len(whole) <= 40 else whole[:39] + '…'}”"

    def bind(self, model: TextModel) -> Start:
        """Tokenise the other text; InputError when it is empty."""
        other = model.encode((self.text,) if isinstance(self.text, str) else self.text)
        return _Aligned(model, other, default(model).name, default(model).bind(model))


@dataclass(frozen=True)
class _Aligned:
    """A text laid over another, segment by segment."""

    model: TextModel
    other: Encoded
    filler: str
    fill: Start

    def __call__(self, encoded: Encoded) -> Tensor:
        start = self.fill(encoded).clone()  # (t, d)
        for here, there in self._pairs(encoded):
            ids = torch.tensor([self.other.ids[i] for i in there[: len(here)]], device=self.model.device)
            start[here[: len(there)]] = self.model.embed(ids).to(start)
        return start

    def notes(self, encoded: Encoded) -> tuple[str, ...]:
        here, there = (sum(map(len, side)) for side in zip(*self._pairs(encoded), strict=True))
        how = (
            "token by token"
            if here == there
            else f"cut after {here} tokens"
            if there > here
            else f"and {here - there} times {self.filler} after it"
        )
        return (f"The baseline is another text of {there} tokens, laid over the text's {here}: {how}.",)

    def _pairs(self, encoded: Encoded) -> list[tuple[list[int], list[int]]]:
        if len(encoded.texts) != len(self.other.texts):
            raise OptionError(f"the baseline is {len(self.other.texts)} text(s), what is explained are {len(encoded.texts)}; give as many")
        places = [[[i for i, s in enumerate(e.segments) if s == j] for e in (encoded, self.other)] for j in range(len(encoded.texts))]
        return [(here, there) for here, there in places]
