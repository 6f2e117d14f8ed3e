"""What a pair says, in a sentence and a few numbers. Every view of pairs shows these; none computes its own."""

from __future__ import annotations

import math

from lineal.records.pair import Matches, PairAttribution
from lineal.views.parts.cells import visible
from lineal.views.parts.document import Block, Document
from lineal.views.parts.numbers import count, fixed, number, percent, signed
from lineal.views.parts.words import Piece, amount, doubts, opening, quote, said

STRONGEST = 12
"""Pairs of words that are listed."""
STRONGEST_TITLE = "Words that belong together"


def sentence(record: PairAttribution) -> tuple[Piece, ...]:
    """Return the finding: the strongest pairs of words, what all pairs bring, and what is there without them."""
    warning = () if record.converged else (Piece("Not converged: do not trust single cells. ", "warning"),)
    pieces: list[Piece] = []
    for position, match in enumerate(record.words().strongest(2)):
        pieces += [Piece(", ")] * (position > 0)
        pieces += [quote(visible(match.left), 30), Piece(" with "), quote(visible(match.right), 30)]
        pieces += [Piece(" adds " if match.score > 0 else " takes off "), amount(abs(match.score), match.score)]
    total = float(record.matrix.sum())
    pieces += [Piece(f"{'; a' if pieces else 'A'}ll pairs of words together "), amount(total, total, signed_too=True)]
    if record.decomposition == "projected" and abs(record.shared) >= 0.005 * abs(record.similarity):
        pieces += [Piece(", and what both share with empty texts "), amount(record.shared, record.shared, signed_too=True)]
    return (*warning, *pieces, Piece("."))


def parts(record: PairAttribution) -> tuple[tuple[str, float, str], ...]:
    """Return the parts as (name, value, explanation); values less the residual add up to the similarity."""
    a, b = record.a.baseline, record.b.baseline
    matrix = ("word × word", float(record.matrix.sum()), "what words of one text share with words of the other: the matrix")
    if record.decomposition == "projected":
        empty = a if a == b else f"{a}, {b}"
        why = f"what lies along the embeddings of both baselines ({empty}); it is in no cell"
        return matrix, ("shared with empty texts", float(record.shared), why)
    return (
        matrix,
        ("words of text 1 alone", float(record.row_terms.sum()), f"text 1 against the baseline of text 2 ({b})"),
        ("words of text 2 alone", float(record.column_terms.sum()), f"text 2 against the baseline of text 1 ({a})"),
        ("bias", float(record.bias), "how similar the two baselines are"),
    )


def rows(record: PairAttribution) -> tuple[tuple[str, float, str], ...]:
    """Return the parts with the residual taken off, where it shows in four decimals."""
    missing = (("less the rounding left over", -record.residual, "what the integrals miss"),)
    return (*parts(record), *(missing if abs(record.residual) >= 0.00005 else ()))


def added_up(record: PairAttribution) -> str:
    """Return how the parts belong together, as a sentence."""
    if record.decomposition == "projected":
        return "The cells of the matrix and what both texts share with empty texts are the similarity."
    share = record.explained
    if not math.isfinite(share):
        return "The similarity is 0: there is no share of it to state."
    return f"The matrix carries {percent(share)} of the similarity; the other three parts bring the rest, or take it off."


def meaning(record: PairAttribution) -> str:
    """Return what a cell is, for readers who want to know."""
    vector = "Each token has a vector: what the embedding gains along the path from the baseline to the text because of this token."
    if record.decomposition == "projected":
        cell = (
            "What lies in the directions of the two baselines is taken out of it; a cell is the dot product of what is left of two tokens."
        )
        return f"{vector} {cell} The total effect (mass) is the sum of all cells without their signs."
    return (
        f"{vector} A cell is the dot product of two of them. The total effect (mass) is the sum of all cells and terms without their signs."
    )


def caption(record: PairAttribution) -> str:
    """Return what stands where in the heat map."""
    alone = " “alone”: each word's own remainder, against the other text's baseline." if record.decomposition == "four" else ""
    return f"Rows: words of text 1; columns: words of text 2.{alone}"


def added(record: PairAttribution) -> str:
    """Return what a word of the second text is tinted by."""
    return "its column of the matrix" + (" and its own term" if record.decomposition == "four" else "")


def facts(record: PairAttribution) -> tuple[str, ...]:
    """Return error, residual and work as short phrases."""
    share = percent(record.error / record.mass if record.mass else 0.0)
    return (
        f"all cells together off by at most {number(record.error, 2)} ({share} of the total effect)",
        f"rounding left over (residual) {signed(record.residual, 2)}",
        f"{count(record.evaluations, 'path point')}, {work(record)}",
    )


def work(record: PairAttribution) -> str:
    """Return how the derivatives were computed: passes per point and text."""
    return " and ".join(f"{side.passes} {side.mode} passes" for side in (record.a, record.b)) + " at each"


def answer(record: PairAttribution) -> tuple[Piece, ...]:
    """Return what the model says of the two texts."""
    return (Piece("Similarity"), Piece(f" {number(record.similarity)}", "answer"), Piece(f" ({record.unit})"))


def brief(record: PairAttribution) -> str:
    """Return how far the numbers can be trusted, for everybody."""
    return f"accurate to {percent(record.error / record.mass if record.mass else 0.0)}" if record.converged else verdict(record)[0]


def verdict(record: PairAttribution) -> tuple[str, str]:
    """Return the headline of the badge and its reason."""
    return said(record.stop, record.model)


def details(record: PairAttribution) -> dict[str, str]:
    """Return where the numbers come from, by name."""
    model = record.model
    baselines = record.a.baseline if record.a.baseline == record.b.baseline else f"{record.a.baseline}; text 2: {record.b.baseline}"
    rows = {
        "Method": f"integrated token vectors, straight paths; rule: {record.rule}",
        "Baseline": baselines,
        "Decomposition": {"projected": "the directions of both baselines taken out", "four": "four parts"}[record.decomposition],
        "Tolerance": f"{percent(record.tol)} of the scale {number(record.scale)}",
        "Work": f"{count(record.evaluations, 'path point')}, {work(record)}, {number(record.seconds)} s",
        "Model": f"{model.name} · {model.architecture}",
        "Weights": f"fingerprint {model.fingerprint} · {model.dtype} · {model.device}",
        "Versions": ", ".join(f"{name} {version}" for name, version in sorted(record.versions.items())),
    }
    return {name: visible(value) for name, value in rows.items()}


def document(record: PairAttribution) -> Document:
    """Return what is said of a pair: the strongest pairs of words, and how the similarity adds up."""
    headline, reason = verdict(record)
    parts = [*((name, fixed(value, 4), visible(why)) for name, value, why in rows(record))]
    whole = (Piece(f"similarity ({record.unit})", "name"), Piece(fixed(record.similarity, 4), "name"), added_up(record))
    found = record.words().strongest(STRONGEST)
    return Document(
        what=f"PairAttribution of {opening(record.a.text, 40)} ↔ {opening(record.b.text, 40)} · {visible(record.model.name)}",
        answer=answer(record),
        finding=sentence(record),
        facts=(headline, *facts(record)),
        converged=record.converged,
        reason=reason,
        blocks=(
            Block(
                ("text 1", "text 2", record.unit),
                [(visible(m.left), visible(m.right), fixed(m.score, 4)) for m in found],
                STRONGEST_TITLE,
                2,
            ),
            Block(("part", record.unit, ""), [*parts, whole], "How the similarity adds up"),
        ),
        notes=tuple(map(visible, record.notes)),
        cautions=doubts(record),
    )


def matches_document(matches: Matches) -> Document:
    """Return what is said of a ranking: the best document, and every document with the words behind its match."""
    best = f"document {matches.order[0] + 1} of {len(matches.order)} matches best, with a similarity of {number(matches.similarities[0])}"
    finding = (Piece(best[:1].upper() + best[1:]), *_behind(matches.pairs[0] if matches.pairs else None), Piece("."))
    texts = dict(enumerate(matches.pairs))
    table = [
        (
            str(rank + 1),
            _document(matches, rank, document),
            ", ".join(f"{visible(m.left)}–{visible(m.right)} {fixed(m.score, 3)}" for m in texts[rank].words().strongest(3))
            if rank in texts
            else "not explained",
            fixed(similarity, 4) + ("" if rank not in texts or texts[rank].converged else " ⚠"),
        )
        for rank, (document, similarity) in enumerate(zip(matches.order, matches.similarities, strict=True))
    ]
    open_ = next((pair for pair in matches.pairs if not pair.converged), None)
    headline, reason = verdict(open_ or matches.pairs[0]) if matches.pairs else ("Nothing is explained", "")
    worst = max((pair.error / pair.mass if pair.mass else 0.0 for pair in matches.pairs), default=0.0)
    return Document(
        what=f"Matches of {opening(matches.query)} among {count(len(matches.order), 'document')}",
        finding=finding,
        facts=(
            headline,
            f"{len(matches.pairs)} explained",
            f"all cells of a pair together off by at most {percent(worst)} of the total effect",
        ),
        converged=matches.converged,
        reason=reason,
        blocks=(Block(("", "document", "words behind it", "similarity"), table, names=3),),
        cautions=tuple(dict.fromkeys(said for pair in matches.pairs for said in doubts(pair))),
    )


def _document(matches: Matches, rank: int, document: int) -> str:
    """Return a document's number, and its beginning where it is known."""
    text = matches.pairs[rank].b.text if rank < len(matches.pairs) else matches.documents[document] if matches.documents else ""
    return f"{document + 1}: {opening(text, 50)}" if text else f"{document + 1}"


def _behind(pair: PairAttribution | None) -> tuple[Piece, ...]:
    found = () if pair is None else pair.words().strongest(1)
    return tuple(
        piece
        for match in found
        for piece in (
            Piece("; the strongest pair of words: "),
            quote(visible(match.left), 30),
            Piece(" with "),
            quote(visible(match.right), 30),
            Piece(" "),
            amount(match.score, match.score, signed_too=True),
        )
    )
