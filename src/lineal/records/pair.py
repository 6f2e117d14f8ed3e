"""The result of explaining how similar two texts are: a frozen, self-contained record. Knows nothing about torch or drawing.

    similarity = shared + Σ_ij matrix[i, j] + Σ_i row_terms[i] + Σ_j column_terms[j] + bias − residual

In the projected decomposition row terms, column terms and bias are exactly 0; in that of four parts `shared` is. Rows are tokens of the
first text, columns those of the second. Aggregation sums, so the equation holds for words as it does for tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from lineal.errors import InputError
from lineal.quadrature.contract import Stop
from lineal.records import group as regroup
from lineal.records.attribution import ModelCard, Role
from lineal.records.base import ROUNDING, Array, Count, Number, Reason, Record, frozen, laid_out, unsound

Decomposition = Literal["projected", "four"]
"""What a similarity falls into: what both texts share with empty texts and the matrix of what is left, or four parts."""
PAIR_SCHEMA = 2
"""Of pairs and matches. Before `decomposition` there was 1, all of it four parts."""


class Side(BaseModel):
    """One text of a pair, as the model read it, and how its half of the work went.

    tokens, offsets, word_ids, roles: (t,) as in `lineal.Attribution`. read: characters the model saw. baseline: where its path began.
    evaluations: path points whose derivatives were computed; passes: reverse or tangent passes per point; mode: reverse, forward,
    central, or mixed (reverse passes on the other text's token vectors). stop: why its integration ended.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    tokens: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]
    word_ids: tuple[int | None, ...]
    roles: tuple[Role, ...]
    read: Count
    baseline: str
    evaluations: Count
    passes: Count
    mode: Literal["reverse", "forward", "central", "mixed"]
    stop: Reason

    @model_validator(mode="after")
    def _agree(self) -> Side:
        for name in ("offsets", "word_ids", "roles"):
            if len(getattr(self, name)) != len(self.tokens):
                raise ValueError(f"{name} has {len(getattr(self, name))} entries for {len(self.tokens)} tokens")
        if not self.tokens:
            raise ValueError("there are no tokens")
        laid_out(self.texts, (0,) * len(self.tokens), self.offsets, self.word_ids)
        if self.read > len(self.text):
            raise ValueError(f"read is {self.read}, but the text has {len(self.text)} characters")
        return self

    @property
    def texts(self) -> tuple[str, ...]:
        """The text, alone: what `lineal.records.group` reads."""
        return (self.text,)

    @property
    def segments(self) -> tuple[int, ...]:
        """(t,) 0 for tokens of the text, -1 for special tokens that come from none."""
        return tuple(-1 if begin == end == 0 else 0 for begin, end in self.offsets)


@dataclass(frozen=True)
class Match:
    """One cell of the matrix: row i with column j."""

    row: int
    column: int
    left: str
    right: str
    score: float


class PairAttribution(Record):
    """Where the similarity of two texts comes from: t_a × t_b pair terms and what no word is needed for, which sum to it.

    For the embedding ê (normalised for the cosine), path γ from the baseline r to the text, and token vectors
    t_i = ∫₀¹ ∂ê/∂x_i γ_i′ dα of both texts:

    - decomposition "projected": ⊥ is what is orthogonal to ê(r_a) and ê(r_b). matrix[i, j] = t_i^⊥ · t_j^⊥, and shared is the similarity
      that lies in the directions of the two baselines: what both texts have in common with texts that say nothing.
    - decomposition "four": matrix[i, j] = t_i · t_j, row_terms[i] = t_i · ê(r_b), column_terms[j] = ê(r_a) · t_j, bias = ê(r_a) · ê(r_b).

    What belongs to the other decomposition is exactly 0. matrix: (t_a, t_b). row_terms: (t_a,). column_terms: (t_b,).

    similarity: ê(a) · ê(b), the model's own. unit: "cosine" or "dot". error: bound on the L1 distance of all terms together to the exact
    ones, and on |residual|, from the errors of the token vectors by Cauchy-Schwarz: pessimistic, and an estimate, not a proof.
    seconds: what this pair took; what several documents share (the query's vectors) is divided by their number.
    scale: what `tol` is relative to. Projected, the product of Σ‖t_i‖ of both texts, each without the direction of its own baseline:
    Σ|matrix| is at most that, and `error` at most `tol` of it where the record converged. Of four parts,
    Σ_i‖t_i‖ Σ_j‖t_j‖ + ‖ê(r_b)‖ Σ_i‖t_i‖ + ‖ê(r_a)‖ Σ_j‖t_j‖. Where a side's mode is "mixed", its vectors
    are never formed, and the sum of their norms comes from random directions (always the same): `scale` is then good to about 7 % (standard
    deviation), and so is its part of `error`, which also depends on the points that a mode needed.
    """

    reads: ClassVar[tuple[int, ...]] = (1, PAIR_SCHEMA)

    schema_number: int = Field(default=PAIR_SCHEMA, alias="schema")
    kind: Literal["pair"] = "pair"
    a: Side
    b: Side
    level: Literal["token", "word"] = "token"
    decomposition: Decomposition
    shared: Number
    matrix: Annotated[Array, "t_a t_b"]
    row_terms: Annotated[Array, "t_a"]
    column_terms: Annotated[Array, "t_b"]
    bias: Number
    similarity: Number
    unit: Literal["cosine", "dot"]
    error: Number
    scale: Number
    tol: float = Field(gt=0, allow_inf_nan=False)
    rule: str
    model: ModelCard
    versions: dict[str, str] = Field(default_factory=dict)
    seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _renewed(cls, data: Any) -> Any:
        """Read schema 1, which knew four parts alone."""
        if not isinstance(data, dict) or data.get("schema") != 1:
            return data
        return {"decomposition": "four", "shared": 0.0} | data | {"schema": PAIR_SCHEMA}

    @model_validator(mode="after")
    def _agree(self) -> PairAttribution:
        shape = (len(self.a.tokens), len(self.b.tokens))
        if self.matrix.shape != shape:
            raise ValueError(f"matrix has shape {self.matrix.shape}, but the texts have {shape[0]} and {shape[1]} tokens")
        if (self.row_terms.shape, self.column_terms.shape) != (shape[:1], shape[1:]):
            raise ValueError(
                f"row_terms and column_terms have shapes {self.row_terms.shape} and {self.column_terms.shape}, "
                f"but the texts have {shape[0]} and {shape[1]} tokens"
            )
        return self

    def doubt(self) -> str | None:
        """Return what contradicts itself in the record, with the field's name, or None."""
        numbers = {name: getattr(self, name) for name in ("shared", "matrix", "row_terms", "column_terms", "bias", "similarity", "scale")}
        if self.scale < 0:
            return f"scale is {self.scale:g}; it is made of lengths, 0 or more"
        with np.errstate(invalid="ignore"):
            size = self.mass + abs(self.shared) + abs(self.bias) + abs(self.similarity)
            if (found := unsound(self.stop, numbers, self.residual, self.error, size, self.tol * self.scale)) is not None:
                return found
            if "mixed" not in (self.a.mode, self.b.mode) and self.mass > self.scale * (1 + ROUNDING):
                return f"scale is {self.scale:g}, but it bounds the terms, which add up to {self.mass:g} without their signs"
        others = ("shared",) if self.decomposition == "four" else ("row_terms", "column_terms", "bias")
        wrong = next((name for name in others if np.any(numbers[name])), None)
        return None if wrong is None else f"{wrong} is not 0, but the decomposition is {self.decomposition!r}"

    @property
    def texts(self) -> tuple[str, str]:
        """Both texts."""
        return self.a.text, self.b.text

    @property
    def total(self) -> float:
        """All parts: shared + bias + row terms + column terms + matrix."""
        return float(self.shared + self.bias + self.row_terms.sum() + self.column_terms.sum() + self.matrix.sum())

    @property
    def residual(self) -> float:
        """`total` − `similarity`: 0 for exact integrals."""
        return self.total - self.similarity

    @property
    def explained(self) -> float:
        """Σ matrix / similarity: how much of the similarity the matrix carries; 1 when the other parts cancel or vanish, NaN for 0/0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.divide(self.matrix.sum(), self.similarity))

    @property
    def mass(self) -> float:
        """Σ |terms| of matrix, rows and columns."""
        return float(np.abs(self.matrix).sum() + np.abs(self.row_terms).sum() + np.abs(self.column_terms).sum())

    @property
    def evaluations(self) -> int:
        """Path points of both texts."""
        return self.a.evaluations + self.b.evaluations

    @property
    def stop(self) -> Stop:
        """The first side's reason that is not success, or success."""
        return next((side.stop for side in (self.a, self.b) if not side.stop.converged), Stop.CONVERGED)

    @property
    def converged(self) -> bool:
        """True when both sides converged."""
        return self.stop.converged

    @property
    def swapped(self) -> PairAttribution:
        """The same result with the texts exchanged: the matrix transposed."""
        fields = {"a": self.b, "b": self.a, "row_terms": self.column_terms, "column_terms": self.row_terms}
        return self.model_copy(update=fields | {"matrix": frozen(self.matrix.T)})

    def words(self) -> PairAttribution:
        """Return the same result per word: terms of a word's tokens summed."""
        if self.level == "word":
            return self
        rows, columns = regroup.words(self.a), regroup.words(self.b)
        matrix = regroup.summed(regroup.summed(self.matrix, rows, axis=0), columns, axis=1)
        fields = {
            "a": _grouped(self.a, rows),
            "b": _grouped(self.b, columns),
            "matrix": frozen(matrix),
            "row_terms": frozen(regroup.summed(self.row_terms, rows, axis=0)),
            "column_terms": frozen(regroup.summed(self.column_terms, columns, axis=0)),
            "level": "word",
        }
        return self.model_copy(update=fields)

    def strongest(self, limit: int = 10) -> tuple[Match, ...]:
        """Return the cells with the largest |score|, strongest first; cells that are exactly 0 are left out. Raises InputError below 1."""
        if limit < 1:
            raise InputError(f"limit is {limit}; give at least 1")
        flat = np.abs(np.nan_to_num(self.matrix)).ravel()
        order = [int(i) for i in np.argsort(-flat, kind="stable")[:limit] if flat[i] > 0]
        cells = [divmod(i, self.matrix.shape[1]) for i in order]
        return tuple(Match(i, j, self.a.tokens[i], self.b.tokens[j], float(self.matrix[i, j])) for i, j in cells)


class Matches(Record):
    """One query and many documents, ranked by similarity.

    pairs: the best documents, explained, best first. order: (n,) numbers of all documents as they were given, best first; similarities:
    (n,) in the same order. pairs[r] explains document order[r]; documents behind the last pair are ranked, but not explained.
    documents: (n,) their texts as they were given; () in records that do not know those that were not explained.
    """

    reads: ClassVar[tuple[int, ...]] = (1, PAIR_SCHEMA)

    schema_number: int = Field(default=PAIR_SCHEMA, alias="schema")
    kind: Literal["matches"] = "matches"
    query: str
    pairs: tuple[PairAttribution, ...]
    order: tuple[int, ...]
    similarities: tuple[Number, ...]
    documents: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _renewed(cls, data: Any) -> Any:
        """Read schema 1; each pair renews itself."""
        return data | {"schema": PAIR_SCHEMA} if isinstance(data, dict) and data.get("schema") == 1 else data

    @model_validator(mode="after")
    def _agree(self) -> Matches:
        n = len(self.order)
        if sorted(self.order) != list(range(n)):
            raise ValueError(f"order is no order of {n} documents: each number from 0 to {n - 1} once")
        if len(self.similarities) != n or len(self.pairs) > n:
            raise ValueError(f"{len(self.similarities)} similarities and {len(self.pairs)} pairs for {n} documents")
        if self.documents and len(self.documents) != n:
            raise ValueError(f"{len(self.documents)} documents, but {n} are ranked")
        return self

    def doubt(self) -> str | None:
        """Return what contradicts itself in the record, with the field's name, or None."""
        if any(a < b for a, b in pairwise(self.similarities)):
            return "similarities rise along the order, which is best first"
        doubts = ((rank, pair.doubt()) for rank, pair in enumerate(self.pairs))
        return next((f"of pairs[{rank}], {found}" for rank, found in doubts if found is not None), None)

    @property
    def stop(self) -> Stop:
        """The first pair's reason that is not success, or success."""
        return next((pair.stop for pair in self.pairs if not pair.converged), Stop.CONVERGED)

    @property
    def converged(self) -> bool:
        """True when every explained pair converged."""
        return self.stop.converged


def _grouped(side: Side, groups: regroup.Groups) -> Side:
    firsts = [group[0] for group in groups]
    ends = [max(side.offsets[i][1] for i in group) for group in groups]
    spellings = [side.text[side.offsets[first][0] : end].strip() or side.tokens[first] for first, end in zip(firsts, ends, strict=True)]
    fields = {
        "tokens": tuple(spellings),
        "offsets": tuple((side.offsets[first][0], end) for first, end in zip(firsts, ends, strict=True)),
        "word_ids": tuple(side.word_ids[first] for first in firsts),
        "roles": tuple(side.roles[first] for first in firsts),
    }
    return side.model_copy(update=fields)
