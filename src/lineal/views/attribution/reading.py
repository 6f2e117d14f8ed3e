"""How a text is read in a terminal: the finding with its badge, and the text (or both) in its colours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from rich.console import RenderableType
from rich.panel import Panel
from rich.style import Style
from rich.text import Text

from lineal.records.attribution import Attribution
from lineal.views.attribution.words import Badge, badge
from lineal.views.parts.answer import answer
from lineal.views.parts.cells import By, Cell, level_of, visible
from lineal.views.parts.flow import QUIET, Ink, flow
from lineal.views.parts.numbers import number, signed
from lineal.views.parts.palette import hexed, ink, scale, strength, tint
from lineal.views.parts.words import Piece, spoken, unit_name

Ground = Literal["dark", "light", "none"]

FAINT, STRONG = 0.04, 1 / 3
"""Shares of the scale: below the first a cell has no tint, above the second it is underlined."""


@dataclass(frozen=True)
class Reading:
    """One target of a record: what is drawn, and on what."""

    record: Attribution
    by: By
    target: int
    ground: Ground

    @property
    def dark(self) -> bool:
        """True for light letters on a dark ground."""
        return self.ground == "dark"

    @property
    def unit(self) -> str:
        """The unit, for print."""
        return unit_name(self.record.units[self.target])

    @property
    def converged(self) -> bool:
        """Whether this target converged."""
        return self.record.stops[self.target].converged

    @cached_property
    def largest(self) -> float:
        """The |score| of full colour."""
        return scale([self.record], self.record.units[self.target], self.by)

    def strength(self, cell: Cell) -> float:
        """Return how loud a cell is, in [0, 1]."""
        return strength(float(cell.values[self.target]), self.largest)

    def ink(self, value: float) -> Style:
        """Return the colour of a number or a bar."""
        return Style(color=hexed(ink(value, self.dark)) if self.ground != "none" else None)


def reading(view: Reading, pieces: tuple[Piece, ...]) -> Iterator[RenderableType]:
    """Yield the finding with its badge, and the text (or both) in its colours."""
    own = badge(view.record, view.target)
    if not own.converged:
        yield _alarm(own)
    yield _sentence(answer(view.record, view.target), view)
    yield _sentence(pieces, view)
    if own.converged:
        yield Text(f"✓ {own.brief}", "bold green" if view.ground != "none" else "")
    if own.caution:
        yield Text.assemble(("Caution. ", "bold yellow"), (own.caution, "yellow"))
    yield from _texts(view)
    if view.ground != "none":
        yield _legend(view)


def _alarm(own: Badge) -> Panel:
    reason = f"{own.reason[:1].upper()}{own.reason[1:]}."
    return Panel(
        Text("\n".join((reason, "  ".join(own.facts)))),
        title=Text(f" ⚠ {own.headline.upper()} ", "bold white on red"),
        title_align="left",
        border_style="bold red",
        padding=(1, 2),
    )


def _sentence(pieces: tuple[Piece, ...], view: Reading) -> Text:
    if view.ground == "none":
        return Text(spoken(pieces))
    styles = {"plain": Style(), "name": Style(bold=True, italic=True), "warning": Style(bold=True, color="red")}
    styles |= {"answer": Style(bold=True)}
    styles |= {"up": Style(bold=True, color=hexed(ink(1, view.dark))), "down": Style(bold=True, color=hexed(ink(-1, view.dark)))}
    return Text.assemble(*((piece.text, styles[piece.kind]) for piece in pieces))


def _texts(view: Reading) -> Iterator[RenderableType]:
    pages = flow(view.record, view.by, lambda cell: view.strength(cell) < QUIET)
    for i, page in enumerate(pages):
        drawn = Text(overflow="fold")
        for passage in page.passages:
            if passage.quiet:
                drawn.append(f" […{passage.quiet:,} {passage.what}…] ", "dim")
            else:
                drawn = drawn.append_text(Text.assemble(*(_ink(part, view) for part in passage.parts)))
        if page.unread:
            drawn.append(f" [{len(page.unread):,} characters not read by the model]", "yellow")
        title = Text(_named(view.record, i), "dim") if len(pages) > 1 else None
        yield Panel(drawn, title=title, title_align="left", border_style="dim" if view.converged else "bold red", padding=(0, 1))


def _named(record: Attribution, i: int) -> str:
    return ("Prompt", "Generated")[i] if record.steps and i < 2 else f"Text {i + 1}"


def _ink(part: Ink, view: Reading) -> Text:
    """Return a stretch of text; a chip between angle brackets, a blank cell as its picture."""
    cell = part.cell
    if cell is None:
        return Text(visible(part.text))
    chip = cell.label if cell.label.startswith("⟨") else f"⟨{cell.label}⟩"
    shown = f" {chip} " if cell.is_chip else cell.label + visible(part.text.lstrip(" ")) if part.text.isspace() else visible(part.text)
    drawn = Text(shown, _style(cell, view))
    if view.ground == "none" and view.strength(cell) > STRONG:
        drawn.append(f"[{signed(float(cell.values[view.target]), 2)}]")
    return drawn


def _style(cell: Cell, view: Reading) -> Style:
    """Tint by strength; bold and underline repeat it without colour."""
    s = view.strength(cell)
    if cell.role != "content":
        return Style(dim=True, italic=cell.role == "held")
    if s < FAINT or view.ground == "none":
        return Style()
    ground = hexed(tint(float(cell.values[view.target]), view.largest, view.dark))
    return Style(bgcolor=ground, color="#ffffff" if view.dark else "#000000", bold=s > 2 * STRONG, underline=s > STRONG)


def _legend(view: Reading) -> Text:
    legend = Text(f"−{number(view.largest)} ", "dim")
    for i in range(-5, 6):
        legend.append(" ", Style(bgcolor=hexed(tint(i / 5, 1.0, view.dark))))
    legend.append(f" +{number(view.largest)} {view.unit} per {level_of(view.record, view.by)}; underlined: over a third of that", "dim")
    return legend
