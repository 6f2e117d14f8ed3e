"""What terminal views of every kind share: plain text of them, sentences in colour, the verdict, sums in rows, what is doubted."""

from __future__ import annotations

import io
from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from lineal.records.attribution import Attribution
from lineal.records.pair import PairAttribution
from lineal.views.parts import words
from lineal.views.parts.cells import short, visible
from lineal.views.parts.document import Block, Document
from lineal.views.parts.numbers import fixed
from lineal.views.parts.palette import hexed, ink
from lineal.views.parts.words import Piece

WIDTH = 20
"""Characters of the longest bar."""


def plain(drawn: RenderableType, width: int = 100) -> str:
    """Return what a console without colours prints."""
    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None, force_terminal=False, legacy_windows=False)
    console.print(drawn)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def verdict(brief: str, headline: str, reason: str, facts: tuple[str, ...], converged: bool) -> Text:
    """Return the badge on one line, or an alarm. brief: of what converged."""
    if converged:
        return Text(f"✓ {brief}", style="bold green")
    return Text(f"{headline.upper()}: {reason}\n{headline} · " + " · ".join(facts), style="bold red")


def told_facts(facts: tuple[str, ...]) -> Text:
    """Return how far numbers can be trusted, in the field's terms."""
    return Text(" · ".join(facts), style="dim")


def spoken(pieces: tuple[Piece, ...]) -> Text:
    """Return a sentence in its colours, with an empty line below it."""
    return Text("\n").join([line(pieces), Text()])


def line(pieces: tuple[Piece, ...]) -> Text:
    """Return a sentence in its colours."""
    text = Text()
    styles = {"name": "bold italic", "up": colour(1.0), "down": colour(-1.0), "warning": "bold red", "answer": "bold"}
    for piece in pieces:
        text.append(piece.text, styles.get(piece.kind, ""))
    return text


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


def strongest_table(heads: tuple[str, str, str], rows: list[tuple[str, str, float, float]], decimals: int) -> Table:
    """Return the strongest pairs of words, (one, other, score, share of the longest bar), with a bar each. heads: of the first columns."""
    table = Table(box=None, padding=(0, 1), show_header=True, header_style="dim")
    table.add_column(heads[0], justify="right")
    table.add_column(heads[1])
    table.add_column(heads[2], justify="right")
    table.add_column("")
    for one, other, score, share in rows:
        bar = Text("█" * max(1, round(WIDTH * share)), style=colour(score))
        table.add_row(Text(short(visible(one), 30)), Text(short(visible(other), 30)), Text(fixed(score, decimals)), bar)
    return table


def doubts(record: Attribution | PairAttribution) -> Iterator[RenderableType]:
    """Yield what is wrong with what was explained."""
    for said in words.doubts(record):
        yield Text.assemble(("⚠ Caution. ", "bold yellow"), (said, "yellow"))


def notes(record: Attribution) -> Iterator[RenderableType]:
    """Yield where the numbers of an attribution come from, and what a reader has to know."""
    yield Text(words.about(record), "dim")
    yield from doubts(record)
    for note in (*words.truncations(record), *record.notes):
        yield Text(visible(note), "yellow")


def colour(value: float) -> str:
    """Return the colour of a number."""
    return hexed(ink(value, dark=True))


def told(said: Document) -> RenderableType:
    """Return a document for a `rich` console."""
    facts = " · ".join(said.facts)
    found = Text(facts, "dim") if said.converged else Text(f"{facts}\n{said.reason}", "bold red")
    tables = (part for block in said.blocks for part in (Text(f"\n{block.title}", "bold"), _table(block)))
    cautions = (Text.assemble(("⚠ Caution. ", "bold yellow"), (caution, "yellow")) for caution in said.cautions)
    answer = [line(said.answer)] if said.answer else []
    return Group(
        Text(said.what, "bold"),
        *((*answer, found) if said.converged else (found, *answer)),
        spoken(said.finding),
        *tables,
        *cautions,
        *(Text(note, "yellow") for note in said.notes),
    )


def _table(block: Block) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    for i, head in enumerate(block.heads):
        table.add_column(Text(head), justify="left" if i < block.names else "right")
    for row in block.rows:
        table.add_row(*(Text(cell.text, "bold") if isinstance(cell, Piece) else Text(cell) for cell in row))
    return table
