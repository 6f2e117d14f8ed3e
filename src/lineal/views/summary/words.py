"""A summary in words and tables: which words push which target, in which group, where in the text, in which texts. Computes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lineal.records.summary import Between, Group, Mean, Summary, TargetSummary, WordEffect
from lineal.views.media.table import Table
from lineal.views.parts.cells import By, short
from lineal.views.parts.document import Block, Document
from lineal.views.parts.numbers import count, number, percent, share, signed
from lineal.views.parts.words import Piece, quote, unit_name
from lineal.visible import one_line

SHOWN = 15
"""Words of each table, of each sign; the CSV has all."""
SURE = 0.05
"""Share of false findings among the words that are called sure."""
FEW = 4
"""Words that stand for a group in the table of groups."""


def document(found: Summary) -> Document:
    """Return what is said of a summary: how many texts, the surest words, then a table per question."""
    sure = sum(1 for target in found.targets for word in target.groups[0].words if word.q <= SURE)
    blocks = [block for target in found.targets for block in _blocks(found, target)]
    open_ = found.explained - found.converged_rows
    reason = f"{count(open_, 'explanation')} of {found.explained:,} did not converge; they are counted in every table below"
    return Document(
        what=f"Summary of {count(found.explained, 'explanation')} in {one_line(found.path)}",
        finding=_finding(found.targets[0]) if found.targets else (Piece("Nothing was explained."),),
        facts=(
            f"{found.converged_rows:,} of {found.explained:,} converged",
            f"error at most {percent(found.error[1])} of the total effect in 95 % of the texts",
            f"{count(sure, 'word')} sure at a false discovery rate of {SURE:.0%}".replace("%", " %"),
        ),
        converged=found.converged,
        reason=reason,
        blocks=(*blocks, _tally(found)),
        notes=tuple(_notes(found)),
    )


def table(found: Summary, by: By = "word") -> Table:
    """Return all words of all targets and groups, and their differences, with every number."""
    heads = ("target", "unit", "group", "word", "texts", "share", "mean", "low", "high", "p", "q")
    rows: list[tuple[object, ...]] = [
        (target.target, target.unit, group.name, w.word, w.texts, w.share, w.mean, w.low, w.high, w.p, w.q)
        for target in found.targets
        for group in target.groups
        for w in group.words
    ]
    rows += [
        (target.target, target.unit, f"{b.a} − {b.b}", w.word, sum(w.texts), None, w.difference, w.low, w.high, w.p, w.q)
        for target in found.targets
        if (b := target.between) is not None
        for w in b.words
    ]
    return Table(heads, rows)


def strongest(words: Iterable[WordEffect], sign: int, most: int = SHOWN) -> list[WordEffect]:
    """Return the words that push surely up (sign 1) or down (−1), which many words at once have to show by q: the surest first."""
    return [word for word in words if sign * word.surely > 0 and word.q <= SURE][:most]


def _finding(target: TargetSummary) -> tuple[Piece, ...]:
    name, words = one_line(target.target), target.groups[0].words
    pieces: list[Piece] = []
    for sign, verb in ((1, "up"), (-1, "down")):
        if found := strongest(words, sign, FEW):
            pieces += [
                Piece("; " if pieces else ""),
                *_listed(found),
                Piece(f" push {name} {verb} most surely" if sign == 1 else " push it down"),
            ]
    return (*pieces, Piece(".")) if pieces else (Piece(f"No word surely pushes {name} one way over these texts."),)


def _listed(words: Sequence[WordEffect]) -> list[Piece]:
    pieces: list[Piece] = []
    for word in words:
        pieces += [Piece(", ")] * bool(pieces) + [quote(word.word)]
    return pieces


def _blocks(found: Summary, target: TargetSummary) -> Iterable[Block]:
    name, unit = one_line(target.target), unit_name(target.unit)
    of = f": {name}" if len(found.targets) > 1 else ""
    for sign, way in ((1, "up"), (-1, "down")):
        words = strongest(target.groups[0].words, sign)
        if words:
            yield _words(words, f"Words that push {name} {way} ({unit})")
    if len(target.groups) > 1:
        yield _groups(target.groups, f"By {one_line(found.by or '')}{of} ({unit})")
    if target.between is not None:
        yield from _between(target.between, of, unit)
    if any(target.places):
        tenths = [(f"{10 * i}–{10 * i + 10} %", percent(part)) for i, part in enumerate(target.places)]
        spans = [(0.0, part, part) for part in target.places]
        yield Block(("part of the text", "share of the total effect"), tenths, f"Where in the text{of}", spans=spans)
    if target.regions:
        parts = [(one_line(region), percent(part)) for region, part in target.regions]
        spans = [(0.0, part, part) for _, part in target.regions]
        yield Block(("part of the prompt", "share of the total effect"), parts, f"Which part of the prompt{of}", spans=spans)
    if target.examples:
        rows = [(e.why, short(one_line(e.text), 160), number(e.f), signed(e.effect), one_line(e.id)) for e in target.examples]
        heads = ("why", "text", f"F, {unit}", "effect of its words", "id")
        yield Block(heads, rows, f"Texts{of}", names=2)


def _words(words: Sequence[WordEffect], title: str) -> Block:
    rows = [(one_line(w.word), f"{w.texts:,}", share(w.share), signed(w.mean), _range(w.low, w.high), _q(w.q)) for w in words]
    heads = ("word", "texts", "of all", "adds", "95 % interval", "q")
    return Block(heads, rows, title, spans=[(w.low, w.mean, w.high) for w in words])


def _groups(groups: Sequence[Group], title: str) -> Block:
    rows = []
    for group in groups:
        best = [", ".join(one_line(w.word) for w in strongest(group.words, sign, FEW)) or "–" for sign in (1, -1)]
        rows.append((_named(group.name), *best, f"{group.f.texts:,}", signed(group.f.mean), _range(group.f.low, group.f.high)))
    heads = ("group", "words up", "words down", "texts", "mean F", "95 % interval")
    return Block(heads, rows, title, names=3, spans=[_span(group.f) for group in groups])


def _between(found: Between, of: str, unit: str) -> Iterable[Block]:
    """Yield two tables, since the whole text moves F on another scale than a word."""
    a, b = _named(found.a), _named(found.b)
    whole = (f"{a} − {b}", f"{found.f.texts:,}", signed(found.f.mean), _range(found.f.low, found.f.high), _q(found.p))
    yield Block(("groups", "texts", "difference of mean F", "95 % interval", "p"), [whole], f"{a} against {b}, the whole text{of} ({unit})")
    sure = [w for w in found.words if w.q <= SURE]
    shown = (sure or found.words)[: 2 * SHOWN]
    rows = [
        (
            one_line(w.word),
            f"{w.texts[0]:,} / {w.texts[1]:,}",
            signed(w.means[0]),
            signed(w.means[1]),
            signed(w.difference),
            _range(w.low, w.high),
            _q(w.q),
        )
        for w in shown
    ]
    heads = ("word", "texts", f"adds in {a}", f"adds in {b}", "difference", "95 % interval", "q")
    spans = [(w.low, w.difference, w.high) for w in shown]
    said = "the words that surely differ" if sure else "word by word: none surely differs"
    yield Block(heads, rows, f"{a} against {b}, {said}{of} ({unit})", spans=spans)


def _tally(found: Summary) -> Block:
    rows = [
        ("texts explained", f"{found.explained:,}"),
        ("different texts", f"{found.distinct:,}"),
        ("converged", f"{found.converged_rows:,}"),
    ]
    rows += [(f"failed: {one_line(name)}", f"{n:,}") for name, n in found.failures.items()]
    rows += [("pairs, not summarised", f"{found.pairs:,}")] * bool(found.pairs)
    rows += [("error over the total effect, median and 95th percentile", " and ".join(percent(e) for e in found.error))]
    rows += [("gradients per text", number(found.evaluations)), ("seconds in all", number(found.seconds))]
    return Block(("", "rows"), rows, "What was read")


def _notes(found: Summary) -> Iterable[str]:
    yield (
        f"A word adds the mean over texts of its score there; it stands in {found.min_texts} different texts or more. Intervals are over "
        "texts; q holds the share of false findings among words as clear as this one. Equal texts count once."
    )
    yield f"One text: lineal show {one_line(found.path)} --id ID, with an id of the table of texts."
    yield "A mean over texts is not what the word does on its own: words that people write together share their texts."
    if found.unread:
        yield f"{count(found.unread, 'further target')} of fewer texts have no table here; name them to see them."
    if found.pairs and not found.explained:
        yield "Only pairs were found, which have no words of one text."


def _named(group: str | None) -> str:
    return "all texts" if group is None else one_line(group) or "(none)"


def _range(low: float, high: float) -> str:
    return f"[{number(low)}, {number(high)}]"


def _span(found: Mean) -> tuple[float, float, float]:
    return found.low, found.mean, found.high


def _q(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
