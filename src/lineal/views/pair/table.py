"""Pairs and ranked matches as tables to compute with."""

from __future__ import annotations

from collections.abc import Iterator

from lineal.records.pair import Matches, PairAttribution
from lineal.views.media.table import Table
from lineal.views.parts.cells import By

COLUMNS = (
    *("part", "i", "j", "a", "b", "score", "unit", "level", "decomposition"),
    *("similarity", "residual", "error", "evaluations", "stop"),
)
RANKING = (
    *("rank", "document", "similarity", "text", "decomposition", "matrix", "shared", "row_terms", "column_terms", "bias"),
    *("residual", "error", "evaluations", "stop"),
)


def pair_table(record: PairAttribution, by: By = "word") -> Table:
    """Return one row per term: cells of the matrix, then what no cell holds; they sum to the similarity + residual.

    i, j: places of the words (or tokens) in their texts, a, b: their spelling; none where a term has none. by: token, else words.
    """
    own = record if by == "token" else record.words()
    how = (own.unit, own.level, own.decomposition, own.similarity, own.residual, own.error, own.evaluations, own.stop.name.lower())
    return Table(COLUMNS, [(*term, *how) for term in _terms(own)])


def matches_table(matches: Matches, by: By = "word") -> Table:
    """Return one row per document, best first: its similarity, and the sums of its parts where it is explained."""
    pairs = [*matches.pairs, *[None] * (len(matches.order) - len(matches.pairs))]
    ranked = enumerate(zip(matches.order, matches.similarities, pairs, strict=True), start=1)
    return Table(RANKING, [(rank, document + 1, similarity, *_parts(pair)) for rank, (document, similarity, pair) in ranked])


def _terms(own: PairAttribution) -> Iterator[tuple[object, ...]]:
    a, b = own.a.tokens, own.b.tokens
    for i, row in enumerate(own.matrix.tolist()):
        yield from (("matrix", i, j, a[i], b[j], score) for j, score in enumerate(row))
    if own.decomposition == "projected":
        yield ("shared", None, None, None, None, own.shared)
        return
    yield from (("row_terms", i, None, a[i], None, score) for i, score in enumerate(own.row_terms.tolist()))
    yield from (("column_terms", None, j, None, b[j], score) for j, score in enumerate(own.column_terms.tolist()))
    yield ("bias", None, None, None, None, own.bias)


def _parts(pair: PairAttribution | None) -> tuple[object, ...]:
    if pair is None:
        return (None,) * (len(RANKING) - 3)
    alone = (float(pair.row_terms.sum()), float(pair.column_terms.sum()))
    return (
        pair.b.text,
        pair.decomposition,
        float(pair.matrix.sum()),
        pair.shared,
        *alone,
        pair.bias,
        pair.residual,
        pair.error,
        pair.evaluations,
        pair.stop.name.lower(),
    )
