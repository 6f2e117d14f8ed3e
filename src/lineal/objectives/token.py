"""Scalars read at positions of a text: tokens that are predicted there, and the ends of a span."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from lineal.objectives.contract import NO_BRANCHES, Branches, Plain
from lineal.objectives.units import Unit, in_unit

Part = Literal["span", "start", "end", "both"]


@dataclass(frozen=True)
class TokenScore(Plain):
    """Scores of given vocabulary entries at given positions, one output each. Answer (n, p, V) → (n, p).

    positions: (p,) where the logits are read, that is one before the token they predict. tokens: (p,) vocabulary ids.
    branches: at most one, the tokens that follow the text without being attributed to.
    """

    positions: tuple[int, ...]
    tokens: tuple[int, ...]
    names: tuple[str, ...]
    unit: Unit = "log_prob"
    branches: Branches = NO_BRANCHES

    @property
    def units(self) -> tuple[str, ...]:
        """The same unit for every token."""
        return (self.unit,) * len(self.tokens)

    @property
    def rows(self) -> tuple[int, ...] | None:
        """A logit needs its own row of the head only; every other unit needs the whole vocabulary."""
        return tuple(sorted(set(self.tokens))) if self.unit == "logit" else None

    @property
    def is_softmax(self) -> bool:
        """Over the vocabulary, yes."""
        return True

    def as_log_prob(self) -> TokenScore:
        """Return the tokens' log-probabilities."""
        return replace(self, unit="log_prob")

    def __call__(self, answer: Tensor) -> Tensor:
        """Return each token's score at its own position."""
        rows = self.rows
        columns = self.tokens if rows is None else tuple(rows.index(token) for token in self.tokens)
        return torch.stack([in_unit(answer[:, j], column, self.unit) for j, column in enumerate(columns)], dim=-1)


@dataclass(frozen=True)
class Fluency(Plain):
    """The mean log-probability of given tokens at given positions. Answer (n, p, V) → (n, 1)."""

    positions: tuple[int, ...]
    tokens: tuple[int, ...]
    names: tuple[str, ...] = ("log-probability per token",)
    units: tuple[str, ...] = ("log_prob",)
    rows: tuple[int, ...] | None = None

    def __call__(self, answer: Tensor) -> Tensor:
        """Return the mean."""
        wanted = torch.tensor(self.tokens, device=answer.device).expand(len(answer), -1)[..., None]
        return (answer.gather(-1, wanted)[..., 0] - answer.logsumexp(dim=-1)).mean(dim=1, keepdim=True)


@dataclass(frozen=True)
class SpanScore(Plain):
    """Start and end logits of one span. positions: its first and last token. Answer (n, 2, 2) → (n, 1), or (n, 2) for both."""

    positions: tuple[int, int]
    text: str
    part: Part
    rows: tuple[int, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The answer, and which end of it."""
        return {
            "span": (f"answer “{self.text}”",),
            "start": (f"start of “{self.text}”",),
            "end": (f"end of “{self.text}”",),
            "both": (f"start of “{self.text}”", f"end of “{self.text}”"),
        }[self.part]

    @property
    def units(self) -> tuple[str, ...]:
        """Logits."""
        return ("logit",) * len(self.names)

    def __call__(self, answer: Tensor) -> Tensor:
        """Return the logits asked for."""
        start, end = answer[:, 0, 0], answer[:, 1, 1]
        return {
            "span": (start + end)[:, None],
            "start": start[:, None],
            "end": end[:, None],
            "both": torch.stack([start, end], dim=-1),
        }[self.part]
