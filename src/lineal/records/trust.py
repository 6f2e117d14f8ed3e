"""The result of examining one explanation: its checks, each a question with its verdict. Knows nothing about torch or drawing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from lineal.metrics.agreement import spearman
from lineal.records.attribution import ModelCard
from lineal.records.base import Number, Record

Verdict = Literal["good", "mixed", "bad", "unknown"]
ADDS_UP = ("Do the scores add up?", "Do the parts add up?")
"""The first question, asked of one text or of a pair."""
RANKED = ("this explanation", "this model")
"""First lines of checks whose value is the rank correlation of both lines."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Check:
    """One question. value: the number behind the verdict. lines: named curves or pairs of values for a small picture."""

    question: str
    verdict: Verdict
    sentence: str
    value: Number
    lines: Mapping[str, tuple[Number, ...]]

    def __post_init__(self) -> None:
        """Refuse what no picture can be drawn of."""
        if self.lines and (
            len(self.lines) != 2 or len({len(line) for line in self.lines.values()}) != 1 or not min(map(len, self.lines.values()))
        ):
            raise ValueError(f"lines are {[len(line) for line in self.lines.values()]} numbers; there are two of equal length, or none")


class Trust(Record):
    """All checks of one explanation.

    text: what was explained; target: of which output. about: which of several outputs was examined, as a sentence; "" when there is only
    one. model: whose explanation it was, where that is known.
    """

    kind: Literal["trust"] = "trust"
    text: str
    target: str
    checks: Annotated[tuple[Check, ...], Field(min_length=1)]
    about: str = ""
    model: ModelCard | None = None

    def doubt(self) -> str | None:
        """Return what contradicts itself in the record, with the field's name, or None."""
        for i, check in enumerate(self.checks):
            if next(iter(check.lines), "") in RANKED:
                alike = spearman(*map(np.array, check.lines.values()))
                if not np.isclose(alike, check.value, rtol=0, atol=1e-9, equal_nan=True):
                    return f"checks[{i}] has the rank correlation {check.value:g}, but that of its lines is {alike:g}"
        return None

    @property
    def converged(self) -> bool:
        """False when the explanation does not add up to the precision that was asked for."""
        return not any(check.question in ADDS_UP and check.verdict == "bad" for check in self.checks)
