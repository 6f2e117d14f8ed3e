"""Records in a terminal: the badge, the sentence, the tinted text, bars, and the numbers they rest on."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.style import Style
from rich.table import Table
from rich.text import Text

from lineal.records.attribution import Attribution
from lineal.records.pair import PairAttribution
from lineal.views.attribution import words as summary
from lineal.views.parts.bars import Bar, bars
from lineal.views.parts.cells import By, Cell, level_of, short, visible
from lineal.views.parts.flow import QUIET, Ink, flow
from lineal.views.parts.menu import GROUPS, caption, menu
from lineal.views.parts.numbers import fixed, number, places, share, signed
from lineal.views.parts.palette import RGB, ink, scale, strength, tint

Ground = Literal["dark", "light", "none"]

WIDTH, LABEL = 22, 28
"""Characters of the bars and of their labels."""
FAINT, STRONG = 0.04, 1 / 3
"""Shares of the scale: below the first a cell has no tint, above the second it is underlined."""
EIGHTHS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")


def render(record: Attribution, by: By = "word", target: int | None = None, *, ground: Ground = "dark") -> RenderableType:
    """Return the record for a `rich` console.

    target: an index, or None for all targets. ground: the terminal's background; none means no colours: names stand between asterisks
    and strong cells carry their number.
    """
    rows = range(len(record.targets)) if target is None else (target,)
    parts = (part for c in rows for part in _parts(View(record, by, c, ground)))
    return Group(*parts, *_menu(record), *notes(record))


def to_text(record: Attribution, by: By = "word", target: int | None = None, *, width: int = 100) -> str:
    """Return the same view as a plain string without colours, for logs and pipes."""
    return plain(render(record, by, target, ground="none"), width)


def plain(drawn: RenderableType, width: int = 100) -> str:
    """Return what a console without colours prints."""
    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None, force_terminal=False, legacy_windows=False)
    console.print(drawn)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


@dataclass(frozen=True)
class View:
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
        return summary.unit_name(self.record.units[self.target])

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
        return Style(color=_hex(ink(value, self.dark)) if self.ground != "none" else None)


def _parts(view: View) -> Iterator[RenderableType]:
    yield from reading(view, summary.sentence(view.record, view.target, view.by))
    yield Padding(_chart(bars(view.record, view.target, view.by), view), (1, 0))
    yield _facts(view)


def reading(view: View, pieces: tuple[summary.Piece, ...]) -> Iterator[RenderableType]:
    """Yield the finding with its badge, and the text (or both) in its colours."""
    badge = summary.badge(view.record, view.target)
    if not badge.converged:
        yield _alarm(badge)
    yield _sentence(pieces, view)
    if badge.converged:
        yield Text.assemble(("✓ Converged", "bold green"), *((f"  {fact}", "dim") for fact in badge.facts))
    if badge.caution:
        yield Text.assemble(("Caution. ", "bold yellow"), (badge.caution, "yellow"))
    yield from _texts(view)
    if view.ground != "none":
        yield _legend(view)


def _menu(record: Attribution) -> Iterator[RenderableType]:
    """Draw the options of a choice, each number at the text and, behind an arrow, at the baseline."""
    found = menu(record)
    if not found:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("option (text ← baseline)", min_width=8)
    for head, _ in GROUPS:
        table.add_column(head, justify="right", no_wrap=True)
    for row in found:
        name = Text.assemble((short(row.name, 2 * LABEL), "bold" if row.is_picked else ""), (f" {row.marks}" if row.marks else "", "dim"))
        table.add_row(name, *(Text.assemble(at_text, (f" ← {at_baseline}", "dim")) for at_text, at_baseline in row.numbers))
    yield Padding(Group(table, Text(caption(record), "dim")) if caption(record) else table, (0, 0, 1, 0))


def _alarm(badge: summary.Badge) -> Panel:
    reason = f"{badge.reason[:1].upper()}{badge.reason[1:]}."
    return Panel(
        Text("\n".join((reason, "  ".join(badge.facts)))),
        title=Text(f" ⚠ {badge.headline.upper()} ", "bold white on red"),
        title_align="left",
        border_style="bold red",
        padding=(1, 2),
    )


def _sentence(pieces: tuple[summary.Piece, ...], view: View) -> Text:
    if view.ground == "none":
        return Text(summary.spoken(pieces))
    styles = {"plain": Style(), "name": Style(bold=True, italic=True), "warning": Style(bold=True, color="red")}
    styles |= {"up": Style(bold=True, color=_hex(ink(1, view.dark))), "down": Style(bold=True, color=_hex(ink(-1, view.dark)))}
    return Text.assemble(*((piece.text, styles[piece.kind]) for piece in pieces))


def _texts(view: View) -> Iterator[RenderableType]:
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


def _ink(part: Ink, view: View) -> Text:
    """Return a stretch of text; a chip between angle brackets, a blank cell as its picture."""
    cell = part.cell
    if cell is None:
        return Text(visible(part.text))
    shown = (
        f" ⟨{cell.label}⟩ " if cell.is_chip else cell.label + visible(part.text.lstrip(" ")) if part.text.isspace() else visible(part.text)
    )
    drawn = Text(shown, _style(cell, view))
    if view.ground == "none" and view.strength(cell) > STRONG:
        drawn.append(f"[{signed(float(cell.values[view.target]), 2)}]")
    return drawn


def _style(cell: Cell, view: View) -> Style:
    """Tint by strength; bold and underline repeat it without colour."""
    s = view.strength(cell)
    if cell.role != "content":
        return Style(dim=True, italic=cell.role == "held")
    if s < FAINT or view.ground == "none":
        return Style()
    ground = _hex(tint(float(cell.values[view.target]), view.largest, view.dark))
    return Style(bgcolor=ground, color="#ffffff" if view.dark else "#000000", bold=s > 2 * STRONG, underline=s > STRONG)


def _legend(view: View) -> Text:
    legend = Text(f"−{number(view.largest)} ", "dim")
    for i in range(-5, 6):
        legend.append(" ", Style(bgcolor=_hex(tint(i / 5, 1.0, view.dark))))
    legend.append(f" +{number(view.largest)} {view.unit} per {level_of(view.record, view.by)}; underlined: over a third of that", "dim")
    return legend


def _chart(found: list[Bar], view: View) -> Table:
    finite = [0.0, *(bar.value for bar in found if math.isfinite(bar.value))]
    reach = max(finite) - min(finite)
    left = round(WIDTH * -min(finite) / reach) if reach else 0
    decimals = places(max(map(abs, finite)))
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("contribution", justify="right", max_width=LABEL)
    table.add_column("", no_wrap=True, min_width=WIDTH)
    table.add_column(view.unit, justify="right", no_wrap=True, min_width=9)
    table.add_column("of mass", justify="right", no_wrap=True, min_width=7)
    if view.record.spread is not None:
        table.add_column("spread", justify="right", no_wrap=True, min_width=8)
    table.add_column(f"± {number(float(view.record.error[view.target]), 2)}", no_wrap=True, min_width=8)
    for bar in found:
        style = "" if bar.kind == "cell" else "dim"
        drawn = _bar(bar, left, WIDTH / reach if reach else 0.0, view)
        numbers = [Text(fixed(bar.value, decimals), style), Text(share(bar.share), "dim")]
        if view.record.spread is not None:
            numbers.append(Text(f"± {number(bar.spread, 2)}" if bar.spread else "", "dim"))
        table.add_row(Text(short(bar.label, LABEL), style), drawn, *numbers, _doubt(bar, view))
    table.add_row(Text("F(text) − F(baseline)", "bold"), "", Text(fixed(float(view.record.delta[view.target]), decimals), "bold"))
    return table


def _bar(bar: Bar, left: int, unit: float, view: View) -> Text:
    """Draw a bar to the left or right of the axis at column `left`; eighths of a character to the right, halves to the left."""
    length = abs(bar.value) * unit if math.isfinite(bar.value) else 0.0
    style = view.ink(bar.value) + Style(dim=bar.kind != "cell")
    if bar.value < 0:
        whole, halves = divmod(round(2 * min(length, left)), 2)
        drawn = "▐" * halves + "█" * whole or "▕"
        return Text(" " * (left - len(drawn)) + drawn, style)
    whole, eighths = divmod(round(8 * length), 8)
    return Text(" " * left + "█" * whole + EIGHTHS[eighths], style)


def _doubt(bar: Bar, view: View) -> Text:
    """Say when the error leaves even the sign of a bar open."""
    is_open = not bar.is_exact and abs(bar.value) <= float(view.record.error[view.target])
    return Text("sign?" if is_open else "", "dim" if view.converged else "red")


def _facts(view: View) -> Text:
    record, c = view.record, view.target
    facts = (
        ("target", f"{summary.target_name(record, c)} ({view.unit})"),
        ("F(text)", number(float(record.f_input[c]), 5)),
        ("F(baseline)", number(float(record.f_baseline[c]), 5)),
        ("Σ scores", signed(float(record.scores[c].sum()), 5)),
        ("residual", signed(float(record.residual[c]), 3)),
        ("error ≤", number(float(record.error[c]), 3)),
        ("gradients", f"{record.evaluations:,}"),
        ("ended", record.stops[c].name.lower().replace("_", " ")),
    )
    return Text.assemble(*(pair for name, value in facts for pair in ((f"{name} ", "dim"), f"{value}   ")))


def doubts(record: Attribution | PairAttribution) -> Iterator[RenderableType]:
    """Yield what is wrong with what was explained."""
    for said in summary.doubts(record):
        yield Text.assemble(("⚠ Caution. ", "bold yellow"), (said, "yellow"))


def notes(record: Attribution) -> Iterator[RenderableType]:
    """Yield where the numbers come from, and what a reader has to know."""
    yield Text(summary.about(record), "dim")
    yield from doubts(record)
    for note in (*summary.truncations(record), *record.notes):
        yield Text(visible(note), "yellow")


def _hex(colour: RGB) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
