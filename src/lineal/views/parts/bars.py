"""Which contributions get a bar of their own, so that all bars add up to F(text) − F(baseline)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lineal.records.attribution import Attribution
from lineal.views.parts.cells import By, Cell, cells, level_of
from lineal.views.parts.numbers import count

TOP = 12
Kind = Literal["cell", "rest", "special", "held", "residual"]


@dataclass(frozen=True)
class Bar:
    """One bar. share: |value| relative to the record's mass. cell: the cell it stands for, None for a sum of several.

    spread: how much the value differs between baselines or noisy inputs; 0 for a single one, and for a sum of several cells, whose bound
    (the sum of spreads) would say little.
    """

    label: str
    value: float
    kind: Kind
    share: float
    cell: Cell | None = None
    spread: float = 0.0

    @property
    def is_exact(self) -> bool:
        """True for what is no integral: tokens that do not move, and the residual, which is known."""
        return self.kind == "residual" or (self.kind in ("special", "held") and self.value == 0)


def bars(record: Attribution, target: int = 0, by: By = "word", top: int = TOP) -> list[Bar]:
    """Return the `top` strongest contributions, sorted, then everything else, special tokens, held tokens and what is missing.

    The values add up to `record.delta[target]`: the last bar is minus the residual. The stated error is a bound for each of them. In a
    generation, what is explained and what comes after it has no bar: it cannot matter, so its score is exactly 0.
    """
    groups: dict[str, list[Cell]] = {"content": [], "special": [], "held": []}
    later = len(record.tokens) - record.steps + target if record.steps else len(record.tokens)
    for cell in cells(record, by):
        if cell.tokens.start < later:
            groups[cell.role].append(cell)
    found = [*strongest(record, groups["content"], target, by, top)]
    if special := groups["special"]:
        found.append(_of_many(record, "special tokens", "special", special, target))
    if held := groups["held"]:
        found.append(
            _of_many(
                record,
                f"kept fixed: {held[0].label}" if len(held) == 1 else f"kept fixed ({count(len(held), 'token')})",
                "held",
                held,
                target,
            )
        )
    missing = -float(record.residual[target])
    label = "rounding left over" if record.adds_up else "not explained by this method"
    return [*found, Bar(label, missing, "residual", _share(record, missing, target))]


def strongest(record: Attribution, content: Sequence[Cell], target: int, by: By, top: int) -> tuple[Bar, ...]:
    """Return the `top` strongest of these cells, sorted, then the others as one; the values add up to what the cells add up to."""
    ranked = ranking(content, target)
    cut = top if len(ranked) > top + 1 else len(ranked)
    found = [_of_cell(record, cell, target) for cell in ranked[:cut]]
    if rest := ranked[cut:]:
        found.append(_of_many(record, f"everything else ({count(len(rest), level_of(record, by))})", "rest", rest, target))
    return tuple(found)


def ranking(items: Sequence[Cell], target: int) -> list[Cell]:
    """Return cells by falling |value|, in text order among equals; what is not a number comes first, for it spoils the sum."""
    return sorted(items, key=lambda cell: -float(np.nan_to_num(abs(cell.values[target]), nan=np.inf)))


def _of_cell(record: Attribution, cell: Cell, target: int) -> Bar:
    value = float(cell.values[target])
    return Bar(cell.name, value, "cell", _share(record, value, target), cell, float(cell.spreads[target]))


def _of_many(record: Attribution, label: str, kind: Kind, items: list[Cell], target: int) -> Bar:
    value = float(sum(cell.values[target] for cell in items))
    return Bar(label, value, kind, _share(record, value, target))


def _share(record: Attribution, value: float, target: int) -> float:
    mass = float(record.mass[target])
    return abs(value) / mass if mass else 0.0
