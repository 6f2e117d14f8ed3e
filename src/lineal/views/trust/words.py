"""What an examination says: how many checks came out well, and each of them in a row."""

from __future__ import annotations

from collections import Counter

from lineal.records.trust import Trust
from lineal.views.media.table import Table
from lineal.views.parts.cells import By, visible
from lineal.views.parts.document import Block, Document
from lineal.views.parts.numbers import number
from lineal.views.parts.words import Piece, opening
from lineal.visible import one_line

SIGNS = {"good": "✓", "mixed": "~", "bad": "✗", "unknown": "?"}
COLUMNS = ("text", "target", "question", "verdict", "value", "sentence")


def document(trust: Trust) -> Document:
    """Return what is said of an explanation's trust."""
    counts: Counter[str] = Counter(check.verdict for check in trust.checks)
    found = ", ".join(f"{counts[verdict]} {verdict}" for verdict in SIGNS if counts[verdict])
    model = "" if trust.model is None else f" · {visible(trust.model.name)}"
    bad = next((check for check in trust.checks if check.verdict == "bad"), trust.checks[0])
    rows = [(SIGNS[check.verdict], check.question, visible(check.sentence), number(check.value, 3)) for check in trust.checks]
    return Document(
        what=f"Trust in the explanation of {opening(trust.text)}: {one_line(trust.target)}{model}",
        finding=(Piece(f"Of {len(trust.checks)} checks: {found}."),),
        facts=tuple(f"{SIGNS[check.verdict]} {check.question}" for check in trust.checks),
        converged=trust.converged,
        reason=visible(bad.sentence),
        blocks=(Block(("", "question", "answer", "number"), rows, names=3),),
        notes=(visible(trust.about),) if trust.about else (),
    )


def trust_table(trust: Trust, by: By = "word") -> Table:
    """Return one row per check; checks have no level, so `by` says nothing here."""
    rows = [(trust.text, trust.target, check.question, check.verdict, check.value, check.sentence) for check in trust.checks]
    return Table(COLUMNS, rows)
