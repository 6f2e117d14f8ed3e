"""In which order a text is drawn: tinted cells, the characters between them, folded quiet passages, and the end nobody read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter

from lineal.records.attribution import Attribution
from lineal.views.parts.cells import By, Cell, by_text, cells

FOLD_FROM = 400
"""Cells in a text from which quiet passages are folded: about what fits on two screens."""
TEMPLATE = "template"
"""The region of what a chat template adds to the messages; it is held, and folded."""
QUIET, SHORTEST = 0.1, 24
"""A cell is quiet below this share of the scale; fewer quiet cells in a row than this are not worth folding."""
CONTEXT = 16
"""Inks (words and the blanks between them) that stay unfolded on each side of what is not quiet."""


@dataclass(frozen=True)
class Ink:
    """Characters to draw. text: as in the input. cell: the cell they show; None for what lies between cells."""

    text: str
    cell: Cell | None = None


@dataclass(frozen=True)
class Passage:
    """A run of the text. quiet: the number of cells in it when it is worth folding, else 0. what: what a folded run is.

    region: in a chat, the named part that it is.
    """

    parts: tuple[Ink, ...]
    quiet: int = 0
    what: str = "quiet"
    region: str = ""

    @property
    def tokens(self) -> range:
        """The tokens in it."""
        inside = [part.cell.tokens for part in self.parts if part.cell]
        return range(inside[0].start, inside[-1].stop)


@dataclass(frozen=True)
class Page:
    """One text. unread: its end, when the model did not see it."""

    passages: tuple[Passage, ...]
    unread: str = ""


def flow(record: Attribution, by: By = "word", is_quiet: Callable[[Cell], bool] | None = None) -> list[Page]:
    """Return each text as passages in reading order; nothing of a text is lost, doubled or moved.

    is_quiet: which cells may be folded away in a long text; None folds nothing.
    """
    items = cells(record, by)
    pages = []
    for segment, inside in enumerate(by_text(record, items)):
        read = record.read[segment] if segment < len(record.read) else len(record.texts[segment])
        parts = tuple(_inks(record.texts[segment], inside, read))
        folding = is_quiet if len(inside) >= FOLD_FROM else None
        pages.append(Page(tuple(_all_passages(record, parts, folding)), record.texts[segment][read:]))
    return pages


def _all_passages(record: Attribution, parts: tuple[Ink, ...], is_quiet: Callable[[Cell], bool] | None) -> Iterator[Passage]:
    """Fold what a chat template added, wherever it stands, and what is quiet in between."""
    if TEMPLATE not in record.region_of:
        yield from _passages(parts, is_quiet)
        return
    added = [_is_template(record, part) for part in parts]
    for i in range(1, len(parts) - 1):  # blanks between two words of the template are the template's
        added[i] |= parts[i].cell is None and added[i - 1] and _is_template(record, parts[i + 1])
    for is_template, run in groupby(zip(added, parts, strict=True), key=itemgetter(0)):
        inside = tuple(part for _, part in run)
        if is_template:
            yield Passage(inside, sum(part.cell is not None for part in inside), TEMPLATE)
        else:
            for region, part in groupby(inside, key=_within(record)):
                yield from (replace(passage, region=region) for passage in _passages(tuple(part), is_quiet))


def said(record: Attribution) -> str:
    """Return the first text without what a chat template added to it."""
    if TEMPLATE not in record.region_of:
        return record.text
    passages = (passage for passage in flow(record)[0].passages if passage.what != TEMPLATE)
    return " ".join("".join(part.text for part in passage.parts).strip() for passage in passages)


def _within(record: Attribution) -> Callable[[Ink], str]:
    """Return what tells the region of one ink after the other; what lies between cells belongs to the one before it."""
    last = ""

    def region(part: Ink) -> str:
        nonlocal last
        last = record.region_of[part.cell.tokens.start] if part.cell is not None else last
        return last

    return region


def _is_template(record: Attribution, part: Ink) -> bool:
    return part.cell is not None and all(record.region_of[i] == TEMPLATE for i in part.cell.tokens)


def _inks(text: str, inside: list[Cell], read: int) -> Iterator[Ink]:
    cursor = 0
    for cell in inside:
        start, end = (max(cursor, cell.start), max(cursor, cell.end)) if cell.segment >= 0 else (cursor, cursor)
        if start > cursor:
            yield Ink(text[cursor:start])
        yield Ink(text[start:end], cell)
        cursor = end
    if cursor < read:
        yield Ink(text[cursor:read])


def _passages(parts: tuple[Ink, ...], is_quiet: Callable[[Cell], bool] | None) -> Iterator[Passage]:
    """Cut a text where long quiet runs begin and end, leaving a few quiet words of context at their edges."""
    if is_quiet is None:
        yield Passage(parts)
        return
    cursor = begin = 0
    for quiet, run in groupby(parts, key=lambda part: part.cell is None or (part.cell.role == "content" and is_quiet(part.cell))):
        length = len(tuple(run))
        end = begin + length
        first, last = begin + CONTEXT * (begin > 0), end - CONTEXT * (end < len(parts))
        last += last < len(parts) and parts[last].cell is None  # what follows starts with a word, not with a blank
        begin = end
        folded = parts[first : max(first, last)] if quiet else ()  # a short run has no middle
        if (n := sum(part.cell is not None for part in folded)) >= SHORTEST:
            if first > cursor:
                yield Passage(parts[cursor:first])
            yield Passage(folded, n)
            cursor = last
    if cursor < len(parts):
        yield Passage(parts[cursor:])


def passage_sum(passage: Passage, target: int) -> float:
    """Return what the cells of a passage add up to for one target."""
    return float(sum(part.cell.values[target] for part in passage.parts if part.cell))
