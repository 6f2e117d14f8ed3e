"""The result of asking which tokens act together: a frozen record, a matrix beside its attribution. Knows nothing about torch or drawing.

    F(text) = F(baseline) + Σ_ij matrix[i, j] − residual            Σ_j matrix[i, j] = attribution.scores[0, i]

Aggregation sums, so both equations hold for words as they do for tokens.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import model_validator

from lineal.quadrature.contract import Stop
from lineal.records import group as regroup
from lineal.records.attribution import Attribution
from lineal.records.base import Array, Number, Reason, Record, frozen, unsound


class Interactions(Record):
    """What every two tokens do together. attribution: its scores are the row sums, which equal Integrated Gradients.

    matrix: (t, t) symmetric, in the unit of the output; Σ_ij = F(text) − F(baseline). error: bound on Σ_ij |error|; an estimate.
    stop: whether that error is within the tolerance of Σ_ij |Γ_ij|, or why not. The row sums are smaller, and may be called cancelled.
    Entry (i, j) is what i and j add together beyond what each adds alone, half of it here and half in (j, i); the diagonal holds the rest.
    """

    kind: Literal["interactions"] = "interactions"
    attribution: Attribution
    matrix: Annotated[Array, "t t"]
    error: Number
    stop: Reason

    @model_validator(mode="after")
    def _agree(self) -> Interactions:
        k, t = self.attribution.scores.shape
        if k != 1:
            raise ValueError(f"interactions are of one output, the attribution has {k}")
        if self.matrix.shape != (t, t):
            raise ValueError(f"matrix has shape {self.matrix.shape}, but there are {t} tokens")
        return self

    def doubt(self) -> str | None:
        """Return what contradicts itself in the record, with the field's name, or None."""
        own, numbers = self.attribution, {"matrix": self.matrix}
        if (found := own.doubt()) is not None:
            return f"in its attribution, {found}"
        with np.errstate(invalid="ignore"):
            size = self.mass + abs(float(own.f_input[0])) + abs(float(own.f_baseline[0]))
            limit = own.tol * self.mass if own.level == "token" else np.inf
            apart = float(np.abs(self.matrix.sum(axis=1) - own.scores[0]).max())
            found = unsound(self.stop, numbers, self.residual, self.error, size, limit)
        if found is None and self.stop is not Stop.NOT_FINITE and not apart <= 1e-6 * size:
            return f"matrix has rows that add up to other scores than the attribution's; the largest difference is {apart:g}"
        return found

    @property
    def unit(self) -> str:
        """The unit of the output."""
        return self.attribution.units[0]

    @property
    def residual(self) -> float:
        """Σ matrix − (F(text) − F(baseline)): 0 for an exact integral."""
        return float(self.matrix.sum() - self.attribution.delta[0])

    @property
    def mass(self) -> float:
        """Σ |matrix|, the scale that the tolerance and `error` are relative to."""
        return float(np.abs(self.matrix).sum())

    @property
    def alone(self) -> float:
        """Σ_i matrix[i, i]: what tokens (or words) add by themselves."""
        return float(np.trace(self.matrix))

    @property
    def together(self) -> float:
        """The sum of all other entries: what pairs add."""
        return float(self.matrix.sum() - np.trace(self.matrix))

    @property
    def converged(self) -> bool:
        """True when the matrix is within its tolerance."""
        return self.stop.converged

    def words(self) -> Interactions:
        """Return the same result per word: entries summed, so a word's diagonal also holds what its own tokens do together."""
        if self.attribution.level == "word":
            return self
        groups = regroup.words(self.attribution)
        matrix = regroup.summed(regroup.summed(self.matrix, groups, axis=0), groups, axis=1)
        return self.model_copy(update={"attribution": self.attribution.words(), "matrix": frozen(matrix)})

    def strongest(self, n: int = 10) -> list[tuple[int, int, float]]:
        """Return the n pairs i < j with the largest |Γ_ij + Γ_ji|, and that sum; pairs that do nothing are left out."""
        rows, columns = np.triu_indices(len(self.matrix), k=1)
        sums = self.matrix[rows, columns] + self.matrix[columns, rows]
        order = [o for o in np.argsort(-np.abs(np.nan_to_num(sums)), kind="stable")[:n] if sums[o]]
        return [(int(rows[o]), int(columns[o]), float(sums[o])) for o in order]
