"""The trust panel: each check as a sentence and a small picture. Works from the checks alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from markupsafe import Markup, escape

from lineal.records.trust import Check, Trust
from lineal.views.media import html
from lineal.views.parts.cells import visible
from lineal.views.parts.document import Document
from lineal.views.trust.words import SIGNS, document

WIDTH, HEIGHT = 220, 54
STYLE = """\
.lineal .trust{border-top:1px solid var(--line);margin:1.2rem 0;padding-top:.8rem}
.lineal .trust h3{margin:0 0 .4em;font-size:1rem}
.lineal .trust ul{list-style:none;margin:0;padding:0;display:grid;grid-template-columns:repeat(auto-fill,minmax(19rem,1fr));gap:.9rem}
.lineal .trust li{background:var(--ground);border:1px solid var(--line);border-radius:.5em;padding:.7em .9em}
.lineal .trust li{font-size:.86rem;line-height:1.4}
.lineal .trust strong{display:block}
.lineal .trust .bad strong{color:var(--alarm)}
.lineal .trust .mixed strong{color:var(--warn)}
.lineal .trust p{margin:.3em 0}
.lineal .trust svg{display:block;width:100%;max-width:22rem;height:auto;color:var(--soft)}
.lineal .trust small{color:var(--soft)}
"""


def trust_panel(trust: Trust) -> Markup:
    """Return the checks as HTML, each with its picture."""
    items = [_item(check) for check in trust.checks]
    about = Markup('<p class="small">{}</p>').format(visible(trust.about)) if trust.about else Markup("")
    shell = '<section class="trust" aria-label="Can it be trusted?"><style>{}</style><h3>Can it be trusted?</h3>{}<ul>{}</ul></section>'
    return Markup(shell).format(Markup(STYLE), about, Markup("").join(items))


def trust_page(trust: Trust, *, title: str | None = None, panels: Sequence[Markup] = ()) -> str:
    """Return a whole HTML page of the checks alone."""
    return html.document_page(_above(trust), title=title, panels=[trust_panel(trust), *panels])


def trust_fragment(trust: Trust) -> str:
    """Return the checks for a notebook cell."""
    return html.document_fragment(_above(trust), trust_panel(trust))


def _above(trust: Trust) -> Document:
    """Return what is said above the panel: without the checks and what was examined, which the panel says."""
    return replace(document(trust), blocks=(), notes=())


def trust_text(trust: Trust) -> str:
    """Return the checks as plain lines for a terminal."""
    about = [visible(trust.about)] if trust.about else []
    return "\n".join([*about, *(f"{SIGNS[check.verdict]} {check.question} {visible(check.sentence)}" for check in trust.checks)])


def _item(check: Check) -> Markup:
    return Markup('<li class="{}"><strong>{} {}</strong><p>{}</p>{}</li>').format(
        check.verdict, SIGNS[check.verdict], check.question, visible(check.sentence), _picture(check.lines) if check.lines else ""
    )


def _picture(lines: Mapping[str, Sequence[float]]) -> Markup:
    """Return a drawing of two rows: bars for single numbers, curves for rows of eleven shares, else dots of one against the other."""
    (first, a), (second, b) = lines.items()
    if len(a) == 1:
        return _bars(first, a[0], second, b[0])
    if first == "strongest first":
        return _curves(first, a, second, b)
    return _dots(first, a, second, b)


def _bars(first: str, a: float, second: str, b: float) -> Markup:
    most = max(abs(a), abs(b)) or 1.0
    rows = ""
    for y, (name, value) in zip((4, 30), ((first, a), (second, b)), strict=True):
        rows += f'<rect x="0" y="{y}" width="{WIDTH * abs(value) / most:.1f}" height="7" fill="currentColor"/>'
        rows += f'<text x="0" y="{y + 17}" font-size="9" fill="currentColor">{escape(name)}: {value:+.3g}</text>'
    return _svg(f"{first} {a:+.3g}, {second} {b:+.3g}", rows)


def _curves(first: str, a: Sequence[float], second: str, b: Sequence[float]) -> Markup:
    low, high = min(*a, *b), max(*a, *b)
    span = high - low or 1.0

    def points(row: Sequence[float]) -> str:
        return " ".join(f"{WIDTH * i / (len(row) - 1):.1f},{(HEIGHT - 6) * (1 - (v - low) / span) + 3:.1f}" for i, v in enumerate(row))

    inside = f'<polyline points="{points(a)}" fill="none" stroke="currentColor" stroke-width="2"/>'
    inside += f'<polyline points="{points(b)}" fill="none" stroke="currentColor" stroke-width="1.5" stroke-dasharray="3 3"/>'
    return _svg(
        f"the answer as tokens are deleted: {first} solid, {second} dashed",
        inside,
        f"the answer as more and more is deleted; solid: {first}, dashed: {second}",
    )


def _dots(first: str, a: Sequence[float], second: str, b: Sequence[float]) -> Markup:
    ranks = [[sorted(row).index(value) for value in row] for row in (a, b)]
    last = max(1, len(a) - 1)
    inside = f'<path d="M6 {HEIGHT - 6}L{WIDTH - 6} 6" stroke="currentColor" stroke-opacity=".35" stroke-dasharray="2 4" fill="none"/>'
    inside += "".join(
        f'<circle cx="{6 + (WIDTH - 12) * i / last:.1f}" cy="{HEIGHT - 6 - (HEIGHT - 12) * j / last:.1f}" r="2.6" fill="currentColor"/>'
        for i, j in zip(*ranks, strict=True)
    )
    return _svg(
        f"ranks: {first} across, {second} upwards",
        inside,
        f"dots: rank in {first} (to the right) and in {second} (upwards); on the line, both agree",
    )


def _svg(label: str, inside: str, caption: str = "") -> Markup:
    drawn = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(WIDTH, HEIGHT, label, Markup(inside))
    return drawn + (Markup("<small>{}</small>").format(caption) if caption else Markup(""))
