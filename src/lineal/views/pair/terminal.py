"""Pairs and ranked matches in a terminal: the finding, the strongest pairs of words, the four parts."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lineal.records.pair import Matches, PairAttribution
from lineal.views.attribution.terminal import doubts, plain
from lineal.views.attribution.words import Piece
from lineal.views.pair import words as pair_summary
from lineal.views.parts.cells import short, visible
from lineal.views.parts.grid import grid
from lineal.views.parts.numbers import fixed, number, places
from lineal.views.parts.palette import ink, strength
from lineal.views.parts.tinted import tinted

STRONGEST = 12
"""Pairs of words that are listed."""
WIDTH = 20
"""Characters of the longest bar."""


def render_pair(record: PairAttribution, limit: int = STRONGEST) -> RenderableType:
    """Return one pair for a `rich` console."""
    found = verdict(*pair_summary.verdict(record), pair_summary.facts(record), record.converged)
    parts = parts_table(pair_summary.rows(record), f"similarity ({record.unit})", record.similarity, pair_summary.explained(record))
    return Group(found, spoken(pair_summary.sentence(record)), _words(record, limit), parts, *doubts(record), *_notes(record))


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
            str(len(matches.pairs) + rank + 1), number(similarity_), Text(f"document {number_ + 1}"), Text("not explained", style="dim")
        )
    below = [said for pair in matches.pairs for said in doubts(pair)]
    if matches.converged:
        return Group(table, *below)
    return Group(Text(matches.stop.said(matches.pairs[0].model.dtype), style="bold red"), table, *below)


def to_text(record: PairAttribution | Matches, *, width: int = 100) -> str:
    """Return the same view as a plain string without colours, for logs and pipes."""
    return plain(render_matches(record) if isinstance(record, Matches) else render_pair(record), width)


def verdict(headline: str, reason: str, facts: tuple[str, ...], converged: bool) -> Text:
    """Return the badge on one line, or an alarm."""
    line = f"{headline} · " + " · ".join(facts)
    return Text(line, style="dim") if converged else Text(f"{headline.upper()}: {reason}\n{line}", style="bold red")


def spoken(pieces: tuple[Piece, ...]) -> Text:
    """Return a sentence in its colours, with an empty line below it."""
    text = Text()
    styles = {"name": "bold italic", "up": style(1.0), "down": style(-1.0), "warning": "bold red"}
    for piece in pieces:
        text.append(piece.text, styles.get(piece.kind, ""))
    return Text("\n").join([text, Text()])


def _words(record: PairAttribution, limit: int) -> Table:
    table = Table(box=None, padding=(0, 1), show_header=True, header_style="dim")
    table.add_column("text 1", justify="right")
    table.add_column("text 2")
    table.add_column(record.unit, justify="right")
    table.add_column("")
    found, largest = record.words().strongest(limit), grid(record).largest
    for match in found:
        bar = "█" * max(1, round(WIDTH * strength(match.score, largest)))
        score = Text(fixed(match.score, min(4, places(largest))))
        table.add_row(
            Text(short(visible(match.left), 30)), Text(short(visible(match.right), 30)), score, Text(bar, style=style(match.score))
        )
    return table


def parts_table(rows: tuple[tuple[str, float, str], ...], whole: str, value: float, why: str) -> Table:
    """Return rows of (name, value, explanation) and what they add up to."""
    table = Table(box=None, padding=(0, 1), show_header=False)
    table.add_column(justify="right")
    table.add_column(justify="right")
    table.add_column(style="dim")
    table.add_row("", "", "")
    for name, part, because in rows:
        table.add_row(name, fixed(part, 4), visible(because))
    table.add_row(Text(short(visible(whole), 40), style="bold"), Text(fixed(value, 4), style="bold"), why)
    return table


def _notes(record: PairAttribution) -> list[Text]:
    return [Text(visible(note), style="yellow") for note in record.notes]


def _document(pair: PairAttribution, position: int, limit: int = 160) -> Text:
    text = Text(f"[{position + 1}] ", style="dim")
    for piece in tinted(pair):
        text.append(visible(piece.text), "" if piece.score is None or piece.share < 0.15 else f"{style(piece.score)} not dim")
    text.truncate(limit, overflow="ellipsis")
    return text


def style(value: float) -> str:
    """Return the colour of a number."""
    return "#{:02x}{:02x}{:02x}".format(*ink(value, dark=True))
