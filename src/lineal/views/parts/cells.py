"""Where tokens lie in the text: the pieces that views tint, each with its place, its name and its summed scores.

A cell is what a reader sees as one thing: a word, a token, a sentence, a named part of a prompt, or the tokens that share one character (an
emoji in three bytes).
Every token is in exactly one cell, so cells add up to what tokens add up to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lineal.kept import Kept
from lineal.records import group as regroup
from lineal.records.attribution import Attribution, Role
from lineal.visible import visible

__all__ = ["By", "Cell", "by_text", "cells", "level_of", "levels", "named", "numbered", "short", "visible"]

By = Literal["word", "token", "sentence", "region"]

_GROUPINGS: dict[str, Callable[[Attribution], regroup.Groups]] = {
    "word": regroup.words,
    "sentence": regroup.sentences,
    "region": regroup.regions,
}
_kept: Kept[By, tuple[Cell, ...]] = Kept(most=len(get_args(By)))
_BLANKS = {"\n": "↵", "\t": "⇥"}


@dataclass(frozen=True, eq=False)
class Cell:
    """One thing to tint.

    tokens: the tokens in it, a run. segment: the text it comes from, -1 for none. start, end: its visible characters in that text, none for
    a chip. label: how to name it. nth, of: which occurrence of that label it is. values: (k,) sums of its tokens' scores; spreads: (k,) of
    their spreads, 0 when the record has none.
    """

    tokens: range
    segment: int
    start: int
    end: int
    label: str
    role: Role
    values: NDArray[np.float64]
    spreads: NDArray[np.float64]
    nth: int = 1
    of: int = 1

    @property
    def is_chip(self) -> bool:
        """True when it has no characters of its own: a special token, or one that stands for nothing visible."""
        return self.start == self.end

    @property
    def name(self) -> str:
        """The label, with its occurrence when the label is not unique: `the (2 of 5)`."""
        return self.label if self.of == 1 else f"{self.label} ({self.nth} of {self.of})"


def cells(record: Attribution, by: By = "word") -> tuple[Cell, ...]:
    """Return the record's cells in token order. A record that is grouped already keeps its own grouping.

    Computed once per record and level and kept for as long as the record lives: records do not change.
    """
    return _kept.get(record, by, lambda: _cells(record, by))


def level_of(record: Attribution, by: By) -> str:
    """Return what one cell is called: `by`, unless the record is grouped already."""
    return by if record.level == "token" else record.level


def levels(record: Attribution) -> tuple[By, ...]:
    """Return the groupings worth offering: words, then tokens, sentences and named parts of a prompt where they differ from words."""
    if record.level != "token":
        return ("word",)
    n = len(cells(record, "word"))
    others: tuple[By, ...] = ("token", "sentence", "region") if any(record.region_of) else ("token", "sentence")
    return ("word", *(by for by in others if _content(cells(record, by)) > 1 and len(cells(record, by)) != n))


def by_text(record: Attribution, items: Sequence[Cell]) -> list[list[Cell]]:
    """Return the cells of each text. Cells of no text go with the text around or before them; of those between two texts, which are the end
    of one and the beginning of the other, the second half goes with the second.
    """
    texts: list[list[Cell]] = [[] for _ in record.texts]
    current = next((cell.segment for cell in items if cell.segment >= 0), 0)
    waiting: list[Cell] = []
    for cell in items:
        if cell.segment < 0:
            waiting.append(cell)
            continue
        half = len(waiting) if cell.segment == current else (len(waiting) + 1) // 2
        texts[current] += waiting[:half]
        texts[cell.segment] += [*waiting[half:], cell]
        current, waiting = cell.segment, []
    texts[current] += waiting
    return texts


def named(token: str) -> str:
    """Return a token for print: as it is, or by its code points when there is nothing to see, as of the joiner between two emoji."""
    seen = any(char.isprintable() and not char.isspace() for char in token)
    return visible(token) if seen or not token else " ".join(f"U+{ord(char):04X}" for char in token)


def short(text: str, limit: int) -> str:
    """Return `text` on one line in at most `limit` characters, cut in the middle."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    tail = (limit - 1) // 3
    return f"{line[: limit - 1 - tail]}…{line[len(line) - tail :]}"


def numbered(items: Sequence[Cell]) -> tuple[Cell, ...]:
    """Return cells that know which occurrence of their label they are among these."""
    total = Counter(cell.label for cell in items)
    seen: Counter[str] = Counter()

    def number(cell: Cell) -> Cell:
        seen[cell.label] += 1
        return replace(cell, nth=seen[cell.label], of=total[cell.label])

    return tuple(number(cell) for cell in items)


def _cells(record: Attribution, by: By) -> tuple[Cell, ...]:
    singles = [[i] for i in range(len(record.tokens))]
    groups = _GROUPINGS[by](record) if record.level == "token" and by in _GROUPINGS else singles
    found = [_cell(record, group) for group in _joined(record, groups)]
    if by == "region" and record.level == "token":
        names = [record.region_of[cell.tokens.start] if cell.role == "content" else "" for cell in found]
        found = [replace(cell, label=name or cell.label) for cell, name in zip(found, names, strict=True)]
    return numbered(found)


def _content(items: Sequence[Cell]) -> int:
    return sum(cell.role == "content" for cell in items)


def _joined(record: Attribution, groups: regroup.Groups) -> regroup.Groups:
    """Join groups that share a character: byte-level tokens of one emoji all point to it."""
    joined: regroup.Groups = []
    for group in groups:
        if joined and _overlap(record, joined[-1], group):
            joined[-1] = joined[-1] + group
        else:
            joined.append(group)
    return joined


def _overlap(record: Attribution, left: list[int], right: list[int]) -> bool:
    if record.segments[left[0]] < 0 or record.segments[left[0]] != record.segments[right[0]]:
        return False
    (a, b), (c, d) = _span(record, left), _span(record, right)
    return a < b and c < d and c < b


def _span(record: Attribution, group: list[int]) -> tuple[int, int]:
    return min(record.offsets[i][0] for i in group), max(record.offsets[i][1] for i in group)


def _cell(record: Attribution, group: list[int]) -> Cell:
    segment = record.segments[group[0]]
    start, end = _span(record, group) if segment >= 0 else (0, 0)
    piece = record.texts[segment][start:end] if segment >= 0 else ""
    if bare := piece.strip():
        start += piece.index(bare)
        end = start + len(bare)
    label = bare or "".join(_BLANKS.get(char, "␣") for char in piece) or " ".join(record.tokens[i] for i in group)
    roles = [record.roles[i] for i in group]
    return Cell(
        tokens=range(group[0], group[-1] + 1),
        segment=segment,
        start=start,
        end=end,
        label=visible(label),
        role="content" if "content" in roles else roles[0],
        values=record.scores[:, group].sum(axis=1),
        spreads=np.zeros(len(record.targets)) if record.spread is None else record.spread[:, group].sum(axis=1),
    )
