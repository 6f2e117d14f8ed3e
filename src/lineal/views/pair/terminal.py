"""Pairs and ranked matches in a terminal: the finding, the strongest pairs of words, the parts."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lineal.records.pair import Matches, PairAttribution
from lineal.views.media.terminal import colour, doubts, line, parts_table, plain, spoken, strongest_table, told_facts, verdict
from lineal.views.pair import words as pair_summary
from lineal.views.parts.cells import short, visible
from lineal.views.parts.grid import grid
from lineal.views.parts.numbers import fixed, number, places
from lineal.views.parts.palette import strength
from lineal.views.parts.tinted import tinted
from lineal.views.parts.words import by_words


def render_pair(record: PairAttribution, limit: int = pair_summary.STRONGEST) -> RenderableType:
    """Return one pair for a `rich` console."""
    facts = pair_summary.facts(record)
    found = verdict(pair_summary.brief(record), *pair_summary.verdict(record), facts, record.converged)
    parts = parts_table(pair_summary.rows(record), f"similarity ({record.unit})", record.similarity, pair_summary.added_up(record))
    answered = line(pair_summary.answer(record))
    said = (*((answered, found) if record.converged else (found, answered)), spoken(pair_summary.sentence(record)))
    return Group(*said, _strongest(record, limit), parts, told_facts(facts), *doubts(record), *_notes(record))


def render_matches(matches: Matches, limit: int = 3) -> RenderableType:
    """Return a ranked table for a `rich` console: similarity, the document, the strongest pairs of words behind the match."""
    table = Table(box=None, padding=(0, 1), title=f"Matches of “{visible(short(matches.query, 60))}”", title_justify="left")
    table.add_column("", justify="right")
    table.add_column("similarity", justify="right")
    table.add_column("document", ratio=3)
    table.add_column("words behind it", ratio=2)
    for rank, (number_, pair) in enumerate(zip(matches.order, matches.pairs, strict=False), start=1):
        links = ", ".join(f"{visible(m.left)}–{visible(m.right)} {fixed(m.score, 3)}" for m in pair.words().strongest(limit))
        similarity = f"{number(pair.similarity)}{'' if pair.converged else ' ⚠'}"
        table.add_row(str(rank), similarity, _document(pair, number_), Text(links))
    for rank, (number_, similarity_) in enumerate(list(zip(matches.order, matches.similarities, strict=True))[len(matches.pairs) :]):
        table.add_row(
            str(len(matches.pairs) + rank + 1),
            number(similarity_),
            Text(_unexplained(matches, number_)),
            Text("not explained", style="dim"),
        )
    below = [said for pair in matches.pairs for said in doubts(pair)]
    if matches.converged:
        return Group(table, *below)
    return Group(Text(matches.stop.said(matches.pairs[0].model.dtype), style="bold red"), table, *below)


def _unexplained(matches: Matches, position: int) -> str:
    """Return a document that is ranked only, on one line."""
    return f"[{position + 1}] {by_words(matches.documents[position], 160)}" if matches.documents else f"document {position + 1}"


def to_text(record: PairAttribution | Matches, *, width: int = 100) -> str:
    """Return the same view as a plain string without colours, for logs and pipes."""
    return plain(render_matches(record) if isinstance(record, Matches) else render_pair(record), width)


def _strongest(record: PairAttribution, limit: int) -> Table:
    largest = grid(record).largest
    rows = [(match.left, match.right, match.score, strength(match.score, largest)) for match in record.words().strongest(limit)]
    return strongest_table(("text 1", "text 2", record.unit), rows, min(4, places(largest)))


def _notes(record: PairAttribution) -> list[Text]:
    return [Text(visible(note), style="yellow") for note in record.notes]


def _document(pair: PairAttribution, position: int, limit: int = 160) -> Text:
    text = Text(f"[{position + 1}] ", style="dim")
    for piece in tinted(pair):
        text.append(visible(piece.text), "" if piece.score is None or piece.share < 0.15 else f"{colour(piece.score)} not dim")
    text.truncate(limit, overflow="ellipsis")
    return text
