"""f: which k scalars of a model's answer are explained. Knows nothing about tokenizing, paths or quadrature.

An objective maps the answer of a `TextModel` for n path points to an (n, k) tensor. It says what it needs: `positions`, the token
positions whose answer is read (decoders, token-level heads; empty for models that answer once per text), and `rows`, the entries of the
vocabulary that suffice (None: all of them). With `branches`, B tuples of token ids, each is appended to every path point as constant
embeddings, and the answer that is read is (n, B·p, V), branch by branch. Most objectives have but one, empty: the text as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor

from lineal.errors import OptionError, listing

Unit = Literal["logit", "log_odds", "log_prob", "prob"]
Activation = Literal["softmax", "sigmoid", "none"]
SimilarityName = Literal["cosine", "dot"]
Normalise = Literal["sum", "mean"]
Among = Literal["options", "vocabulary"]
Part = Literal["span", "start", "end", "both"]
Branches = tuple[tuple[int, ...], ...]
NO_BRANCHES: Branches = ((),)


class Objective(Protocol):
    """k differentiable scalars of a model's answer."""

    @property
    def names(self) -> tuple[str, ...]:
        """(k,) what each scalar is, as a reader sees it."""
        ...

    @property
    def units(self) -> tuple[str, ...]:
        """(k,) the unit of each scalar."""
        ...

    @property
    def positions(self) -> tuple[int, ...]:
        """Token positions that are read; empty when the model answers once per text."""
        ...

    @property
    def rows(self) -> tuple[int, ...] | None:
        """Vocabulary entries that suffice, or None for all."""
        ...

    @property
    def branches(self) -> Branches:
        """Token ids that follow every path point, a row per branch; `NO_BRANCHES` for the text as it is."""
        ...

    @property
    def is_softmax(self) -> bool:
        """Whether the scalars are read off one softmax distribution."""
        ...

    @property
    def needs_model(self) -> bool:
        """Whether it holds numbers of the model it was bound to (an embedding to compare with), and another model needs its own."""
        ...

    def as_log_prob(self) -> Objective | None:
        """Return the same outputs as log-probabilities; None for what has no probability."""
        ...

    def __call__(self, answer: Tensor) -> Tensor:
        """Return the (n, k) scalars of an answer for n points."""
        ...


class Plain:
    """What an objective is unless it says otherwise: of the text as it is, of any model, and no probability."""

    @property
    def branches(self) -> Branches:
        """None but the text."""
        return NO_BRANCHES

    @property
    def is_softmax(self) -> bool:
        """No."""
        return False

    @property
    def needs_model(self) -> bool:
        """No."""
        return False

    def as_log_prob(self) -> Objective | None:
        """None."""
        return None


@dataclass(frozen=True)
class Similarity(Plain):
    """Similarity of an embedding to fixed vectors: cosine or dot product. Answer (n, D) → (n, k) for vectors (k, D)."""

    vectors: Tensor
    names: tuple[str, ...]
    kind: SimilarityName = "cosine"
    positions: tuple[int, ...] = ()
    rows: tuple[int, ...] | None = None

    @property
    def units(self) -> tuple[str, ...]:
        """The kind of similarity, for every vector."""
        return (self.kind,) * len(self.names)

    @property
    def needs_model(self) -> bool:
        """Yes: the vectors lie in the space of one model's embeddings."""
        return True

    def __call__(self, answer: Tensor) -> Tensor:
        """Return ⟨e, v⟩, divided by both norms for the cosine."""
        vectors = self.vectors.to(answer)
        if self.kind == "cosine":
            answer = torch.nn.functional.normalize(answer, dim=-1)
            vectors = torch.nn.functional.normalize(vectors, dim=-1)
        return answer @ vectors.T


@dataclass(frozen=True)
class Embedding(Plain):
    """The embedding itself, every dimension an output. Answer (n, D) → (n, D); of length 1 for the cosine.

    without: (r, D) orthonormal directions that are taken out of it, or none.
    """

    width: int
    kind: SimilarityName = "cosine"
    without: Tensor | None = None
    positions: tuple[int, ...] = ()
    rows: tuple[int, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """One name per dimension."""
        return tuple(f"dimension {j}" for j in range(self.width))

    @property
    def units(self) -> tuple[str, ...]:
        """The kind of similarity the embedding is meant for."""
        return (self.kind,) * self.width

    def __call__(self, answer: Tensor) -> Tensor:
        """Return e, or e / ‖e‖ for the cosine, less what lies along `without`."""
        embedding = torch.nn.functional.normalize(answer, dim=-1) if self.kind == "cosine" else answer
        if self.without is None:
            return embedding
        directions = self.without.to(embedding)
        return embedding - embedding @ directions.T @ directions


@dataclass(frozen=True)
class Projection(Plain):
    """The embedding (of length 1 for the cosine) along given vectors (k, D), whose own lengths count. Answer (n, D) → (n, k)."""

    vectors: Tensor
    kind: SimilarityName = "cosine"
    positions: tuple[int, ...] = ()
    rows: tuple[int, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """One name per vector."""
        return tuple(f"vector {j}" for j in range(len(self.vectors)))

    @property
    def units(self) -> tuple[str, ...]:
        """The kind of similarity, for every vector."""
        return (self.kind,) * len(self.vectors)

    @property
    def needs_model(self) -> bool:
        """Yes: the vectors lie in the space of one model's embeddings."""
        return True

    def __call__(self, answer: Tensor) -> Tensor:
        """Return ⟨e, v⟩ for every vector."""
        embedding = torch.nn.functional.normalize(answer, dim=-1) if self.kind == "cosine" else answer
        return embedding @ self.vectors.to(answer).T


@dataclass(frozen=True)
class Together(Plain):
    """Similarity of two embeddings that both move. Answer (n, 2D), one embedding behind the other → (n, 1)."""

    kind: SimilarityName = "cosine"
    names: tuple[str, ...] = ("similarity of the two texts",)
    positions: tuple[int, ...] = ()
    rows: tuple[int, ...] | None = None

    @property
    def units(self) -> tuple[str, ...]:
        """The kind of similarity."""
        return (self.kind,)

    def __call__(self, answer: Tensor) -> Tensor:
        """Return ⟨e_a, e_b⟩, divided by both norms for the cosine."""
        first, second = answer.chunk(2, dim=-1)
        if self.kind == "cosine":
            first, second = torch.nn.functional.normalize(first, dim=-1), torch.nn.functional.normalize(second, dim=-1)
        return (first * second).sum(dim=-1, keepdim=True)


@dataclass(frozen=True)
class ClassScore(Plain):
    """Scores of k classes in one unit. Answer (n, C) → (n, k)."""

    classes: tuple[int, ...]
    names: tuple[str, ...]
    unit: Unit = "logit"
    activation: Activation = "softmax"
    positions: tuple[int, ...] = ()
    rows: tuple[int, ...] | None = None

    @property
    def units(self) -> tuple[str, ...]:
        """The same unit for every class."""
        return (self.unit,) * len(self.classes)

    @property
    def is_softmax(self) -> bool:
        """Whether the classes exclude one another."""
        return self.activation == "softmax"

    def as_log_prob(self) -> ClassScore | None:
        """Return the classes' log-probabilities; None for a regression."""
        return None if self.activation == "none" else replace(self, unit="log_prob")

    def __call__(self, answer: Tensor) -> Tensor:
        """Return the chosen classes' scores in the unit."""
        return torch.stack([in_unit(answer, c, self.unit, self.activation) for c in self.classes], dim=-1)


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
    """The mean log-probability of given tokens at given positions, and with `alive` what is left for these tokens at the last one.

    Answer (n, p, V) → (n, 1), or (n, 2) with the summed probability of `alive` read at position `last`.
    """

    read: tuple[int, ...]
    tokens: tuple[int, ...]
    alive: tuple[int, ...] = ()
    last: int = 0
    rows: tuple[int, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """One or two."""
        return ("log-probability per token", "probability of the tokens together")[: 2 if self.alive else 1]

    @property
    def units(self) -> tuple[str, ...]:
        """One or two."""
        return ("log_prob", "prob")[: 2 if self.alive else 1]

    @property
    def positions(self) -> tuple[int, ...]:
        """Where the tokens are predicted, and the last position."""
        return (*self.read, self.last) if self.alive else self.read

    def __call__(self, answer: Tensor) -> Tensor:
        """Return the mean, and the sum."""
        every = answer.logsumexp(dim=-1)  # (n, p)
        wanted = torch.tensor(self.tokens, device=answer.device).expand(len(answer), -1)[..., None]
        told = answer[:, : len(self.read)].gather(-1, wanted)[..., 0] - every[:, : len(self.read)]
        mean = told.mean(dim=1, keepdim=True)
        if not self.alive:
            return mean
        left = (answer[:, -1, list(self.alive)] - every[:, -1:]).exp().sum(dim=1, keepdim=True)
        return torch.cat([mean, left], dim=1)


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


def in_unit(logits: Tensor, index: int, unit: Unit, activation: Activation = "softmax") -> Tensor:
    """Return entry `index` of `logits` (n, C) in `unit`, as (n,).

    Under a softmax: logit z_c; log_odds z_c − log Σ_{j≠c} exp z_j = log p/(1 − p); log_prob; prob. Under a sigmoid each class stands
    alone: log_odds is the logit itself. With activation "none" (a regression head) only the raw value exists.
    """
    chosen = logits[:, index]
    if unit == "logit" or (unit == "log_odds" and activation == "sigmoid"):
        return chosen
    if activation == "none":
        raise OptionError(f"a regression output has no {unit}; use unit 'logit', which is its raw value")
    if unit == "log_odds":
        others = torch.cat([logits[:, :index], logits[:, index + 1 :]], dim=-1)
        return chosen - torch.logsumexp(others, dim=-1)
    log_prob = torch.nn.functional.logsigmoid(chosen) if activation == "sigmoid" else chosen - torch.logsumexp(logits, dim=-1)
    return log_prob if unit == "log_prob" else log_prob.exp()


def check_unit(unit: str) -> Unit:
    """Return `unit` when it is one; OptionError lists them otherwise."""
    if unit not in get_args(Unit):
        raise OptionError(f"unknown unit {unit!r}; choose one of {listing(get_args(Unit))}")
    return unit  # type: ignore[return-value]


def check_similarity(kind: str) -> SimilarityName:
    """Return `kind` when it is a similarity; OptionError lists them otherwise."""
    if kind not in get_args(SimilarityName):
        raise OptionError(f"unknown similarity {kind!r}; choose one of {listing(get_args(SimilarityName))}")
    return kind  # type: ignore[return-value]


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


@dataclass(frozen=True)
class EntailmentScore(Plain):
    """Entailment against contradiction, neutral left out. Answer (n, C) → (n, 1)."""

    entailment: int
    contradiction: int
    label: str
    unit: str
    positions: tuple[int, ...] = ()
    rows: tuple[int, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The label."""
        return (self.label,)

    @property
    def units(self) -> tuple[str, ...]:
        """The unit."""
        return (self.unit,)

    def as_log_prob(self) -> EntailmentScore:
        """Return the log-probability."""
        return replace(self, unit="log_prob")

    def __call__(self, answer: Tensor) -> Tensor:
        """Return z_entailment − z_contradiction, or its sigmoid, or the logarithm of that."""
        odds = (answer[:, self.entailment] - answer[:, self.contradiction])[:, None]
        if self.unit == "log_odds":
            return odds
        return torch.sigmoid(odds) if self.unit == "prob" else torch.nn.functional.logsigmoid(odds)
