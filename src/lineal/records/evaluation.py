"""The result of judging methods on many texts: a frozen record, with the explanations that were judged. Knows no torch, no drawing."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from lineal.errors import OptionError
from lineal.metrics import catalogue
from lineal.metrics.bootstrap import Interval, difference, interval
from lineal.metrics.curves import GRID
from lineal.quadrature.contract import Stop
from lineal.records.attribution import Attribution
from lineal.records.base import ROUNDING, Array, Record


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Column:
    """One way to explain: a method from one baseline (None for methods that use none)."""

    method: str
    baseline: str | None

    @property
    def name(self) -> str:
        """Its name in tables."""
        return self.method if self.baseline is None else f"{self.method}, {self.baseline}"


class Evaluation(Record):
    """What was measured.

    values: (columns, removals, metrics, texts), NaN where a metric has none. records: per column, one per text. seconds, gradients:
    (columns,) of computing the explanations. without, only: (columns, removals, texts, len(GRID)) p along the curves. skipped: texts that
    could not be explained, with the reason. measured: what p is, "probability", or the unit of F where there is none. Numbers of metrics
    that no removal takes part in (`Metric.removes`) are repeated for every removal. favoured: (columns, removals) whether the removal is
    made of what the explanation is made of (the same filling, or the same deletion), which flatters it; () where that is not known.
    piece: what causal metrics replace at a time.
    """

    kind: Literal["evaluation"] = "evaluation"
    model: str
    target: str
    columns: tuple[Column, ...]
    removals: tuple[str, ...]
    metrics: tuple[str, ...]
    values: Annotated[Array, "columns removals metrics texts"]
    without: Annotated[Array, "columns removals texts shares"]
    only: Annotated[Array, "columns removals texts shares"]
    records: tuple[tuple[Attribution, ...], ...]
    seconds: Annotated[Array, "columns"]
    gradients: Annotated[Array, "columns"]
    skipped: tuple[str, ...] = ()
    favoured: tuple[tuple[bool, ...], ...] = ()
    piece: Literal["token", "word", "region"] = "word"
    measured: str = "probability"
    versions: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _agree(self) -> Evaluation:
        if not self.records or not self.records[0] or not self.removals or not self.metrics:
            raise ValueError("there is no column, no text, no removal or no metric; each is at least 1")
        c, r, m, n = len(self.columns), len(self.removals), len(self.metrics), len(self.records[0])
        if len(self.records) != c or any(len(column) != n for column in self.records):
            raise ValueError(f"records are those of {[len(column) for column in self.records]} texts; there are {c} columns of {n} texts")
        shapes = {"values": (c, r, m, n), "without": (c, r, n, len(GRID)), "only": (c, r, n, len(GRID)), "seconds": (c,), "gradients": (c,)}
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}; for {c} columns and {n} texts it is {shape}")
        if self.favoured and (len(self.favoured) != c or any(len(row) != r for row in self.favoured)):
            raise ValueError(f"favoured has rows of {[len(row) for row in self.favoured]}; there are {c} columns and {r} removals")
        try:
            catalogue.check(self.metrics)
        except OptionError as error:
            raise ValueError(f"metrics: {error}") from None
        return self

    def doubt(self) -> str | None:
        """Return what contradicts itself in the record, with the field's name, or None."""
        for name, unit in (("seconds", "seconds"), ("gradients", "evaluations")):
            for c, records in enumerate(self.records):
                total, added = float(getattr(self, name)[c]), float(sum(getattr(record, unit) for record in records))
                if not abs(total - added) <= ROUNDING * added:
                    return f"{name}[{c}] is {total:g}, but those of its records add up to {added:g}"
        for n, first in enumerate(self.records[0]):
            for c, records in enumerate(self.records):
                if records[n].texts != first.texts:
                    return f"records[{c}][{n}] is of another text than records[0][{n}]"
                if (found := records[n].doubt()) is not None:
                    return f"of records[{c}][{n}], {found}"
        if self.measured == "probability":
            for name in ("without", "only"):
                curves = getattr(self, name)
                if (outside := curves[(curves < -ROUNDING) | (curves > 1 + ROUNDING)]).size:
                    return f"{name} holds {outside[0]:g}, which is no probability"
        return None

    @property
    def texts(self) -> tuple[str, ...]:
        """(texts,) What was explained."""
        return tuple(record.text for record in self.records[0])

    @property
    def stop(self) -> Stop:
        """The first explanation's reason that is not success, or success."""
        return next((record.stop for column in self.records for record in column if not record.converged), Stop.CONVERGED)

    @property
    def converged(self) -> bool:
        """True when every explanation converged."""
        return self.stop.converged

    def interval(self, column: int, removal: int, metric: int) -> Interval:
        """Return the mean over texts with its 95 % interval."""
        return interval(self.values[column, removal, metric])

    def against(self, column: int, control: int, removal: int, metric: int) -> Interval:
        """Return the mean paired difference to another column, with its 95 % interval."""
        return difference(self.values[column, removal, metric], self.values[control, removal, metric])

    def gap(self, column: int) -> tuple[float, float] | None:
        """Return the medians of |residual| and of |residual| / |F(text) − F(baseline)|; None for methods that promise no sum."""
        if not self.records[column][0].adds_up:
            return None
        residuals = np.array([abs(r.residual[0]) for r in self.records[column]])
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = residuals / np.array([abs(r.delta[0]) for r in self.records[column]])
        return float(np.median(residuals)), float(np.nanmedian(shares))
