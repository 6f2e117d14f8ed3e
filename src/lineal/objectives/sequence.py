"""Scalars of what may follow a text: whole sequences of tokens, by themselves or as the options of a choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from lineal.errors import OptionError, listing
from lineal.objectives.contract import Branches, Plain
from lineal.objectives.units import Unit, in_unit

Normalise = Literal["sum", "mean"]
Among = Literal["options", "vocabulary"]


@dataclass(frozen=True)
class SequenceScore(Plain):
    """Scores of whole token sequences that may follow a text. Answer (n, B·p, V) → (n, k).

    s_c = Σ_j log p(c_j | text, c_<j), divided by the length of c for normalise "mean". unit, among: s_c as a log-probability, or its
    softmax over the sequences (among "options"), as prob, log_prob or log_odds = s_c − log Σ_{others} exp s; over the vocabulary,
    log_odds is log P/(1 − P) with P = exp s_c. logit: the sum (mean) of the raw logits. picks: (k,) the sequence of each output.
    at: the last position of the text. Runs one row per different beginning of a sequence: none but the text for single tokens.
    menu: (C,) what the sequences are called when they are the options of a choice. gold: the right one, where known.
    """

    at: int
    sequences: tuple[tuple[int, ...], ...]
    picks: tuple[int, ...]
    names: tuple[str, ...]
    units: tuple[Unit, ...]
    among: Among = "options"
    normalise: Normalise = "sum"
    menu: tuple[str, ...] = ()
    gold: int | None = None

    @property
    def every(self) -> SequenceScore:
        """The same sequences with one output each: s_c, over the vocabulary."""
        unit: Unit = "log_prob"
        picks = tuple(range(len(self.sequences)))
        return replace(self, picks=picks, names=self.menu, units=(unit,) * len(picks), among="vocabulary")

    @property
    def branches(self) -> Branches:
        """The longest proper beginnings: one that begins another needs no row of its own."""
        begins = sorted({sequence[:-1] for sequence in self.sequences})
        return tuple(b for b in begins if not any(other != b and other[: len(b)] == b for other in begins))

    @property
    def positions(self) -> tuple[int, ...]:
        """From the end of the text to one before the end of the longest sequence."""
        return tuple(range(self.at, self.at + max(map(len, self.sequences))))

    @property
    def rows(self) -> tuple[int, ...] | None:
        """The options' own rows suffice when nothing is normalised over the vocabulary."""
        if all(unit == "logit" for unit in self.units) or (self._single and self.among == "options"):
            return tuple(sorted({token for sequence in self.sequences for token in sequence}))
        return None

    @property
    def _single(self) -> bool:
        return all(len(sequence) == 1 for sequence in self.sequences)

    @property
    def is_softmax(self) -> bool:
        """Over the vocabulary, yes."""
        return True

    def as_log_prob(self) -> SequenceScore:
        """Return the picked sequences' log-probabilities."""
        unit: Unit = "log_prob"
        return replace(self, units=(unit,) * len(self.units))

    def __call__(self, answer: Tensor) -> Tensor:
        """Return each picked sequence's score in its unit."""
        logits = self._logits(answer)
        chosen = [[logits[index][..., column] for index, column in sequence] for sequence in self._places()]
        raw = self._gathered(chosen)  # (n, C)
        if self.rows is not None:
            scores = raw  # logits differ from log-probabilities by a constant that cancels among single tokens
        else:
            scores = self._gathered(
                [
                    [value - torch.logsumexp(logits[i], dim=-1) for value, (i, _) in zip(values, places, strict=True)]
                    for values, places in zip(chosen, self._places(), strict=True)
                ]
            )
        return torch.stack([self._in_unit(raw, scores, c, unit) for c, unit in zip(self.picks, self.units, strict=True)], dim=-1)

    def _logits(self, answer: Tensor) -> dict[tuple[int, int], Tensor]:
        width = len(self.positions)
        return {(b, j): answer[:, b * width + j] for b in range(len(self.branches)) for j in range(width)}

    def _places(self) -> list[list[tuple[tuple[int, int], int]]]:
        """Return for each token of each sequence (branch, position) and column where its logit stands."""
        rows = self.rows
        places = []
        for sequence in self.sequences:
            begin = sequence[:-1]
            b = next(b for b, branch in enumerate(self.branches) if branch[: len(begin)] == begin)
            places.append([((b, j), token if rows is None else rows.index(token)) for j, token in enumerate(sequence)])
        return places

    def _gathered(self, values: Sequence[Sequence[Tensor]]) -> Tensor:
        sums = [torch.stack(list(parts)).sum(dim=0) / (len(parts) if self.normalise == "mean" else 1) for parts in values]
        return torch.stack(sums, dim=-1)

    def _in_unit(self, raw: Tensor, scores: Tensor, c: int, unit: Unit) -> Tensor:
        if unit == "logit":
            return raw[:, c]
        if self.among == "options":
            return in_unit(scores, c, unit)
        if unit == "log_prob":
            return scores[:, c]
        return scores[:, c].exp() if unit == "prob" else scores[:, c] - torch.log(-torch.expm1(scores[:, c]))


def check_normalise(kind: str) -> Normalise:
    """Return `kind` when it is "sum" or "mean"; OptionError otherwise."""
    if kind not in get_args(Normalise):
        raise OptionError(f"unknown normalise {kind!r}; choose one of {listing(get_args(Normalise))}")
    return kind  # type: ignore[return-value]


def check_among(kind: str) -> Among:
    """Return `kind` when it is "options" or "vocabulary"; OptionError otherwise."""
    if kind not in get_args(Among):
        raise OptionError(f"unknown among {kind!r}; choose one of {listing(get_args(Among))}")
    return kind  # type: ignore[return-value]
