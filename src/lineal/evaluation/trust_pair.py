"""The same five questions to the matrix of a pair: the order that is compared is that of its cells."""

from __future__ import annotations

from types import NoneType
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from lineal import prompts
from lineal.engine.removal import Removal, Subject, deleted, replaced, values
from lineal.errors import InputError, OptionError
from lineal.evaluation.stability import randomised
from lineal.evaluation.trust import Floats, agree, matters, notices, orderings, other_baseline
from lineal.metrics.curves import GRID, count
from lineal.models import load
from lineal.records.pair import PairAttribution, Side
from lineal.records.trust import Check, Trust
from lineal.typed import check_seed
from lineal.verbs.options import PairKeywords, PairOptions, lists_options, pair_options_from
from lineal.verbs.pair_session import Pairs
from lineal.verbs.session import Session


@lists_options(PairOptions)
def examine_pair(
    model: Any,
    a: str,
    b: str,
    *,
    baseline: Any = None,
    seed: int = 0,
    record: PairAttribution | None = None,
    **options: Unpack[PairKeywords],
) -> tuple[PairAttribution, Trust]:
    """Return the explanation of a pair and the five checks of it.

    Arguments as in `lineal.explain_pair`; record: the explanation, if it is there already, whose decomposition is then the one that is
    examined. The other method is leaving out one token of each text: S(a, b) − S(a∖i, b) − S(a, b∖j) + S(a∖i, b∖j), with the baseline's
    token in place of what is left out, and without the directions that the matrix leaves out. Deletion takes the tokens of each text in
    the order of what they add to the similarity, while the other text stays whole.
    Cost: three explanations, t_a + t_b + 110 forward passes, and one copy of the model in memory. Raises InputError for texts with fewer
    than three tokens to attribute to together with fewer than three cells: nothing can be ranked.
    """
    check_seed(seed)
    for text in (a, b):
        prompts.check_string(text)
    if not isinstance(record, (PairAttribution, NoneType)):
        raise OptionError(f"record is {record!r}; give the pair attribution that is to be examined")
    if record is not None:
        options = {**options, "decomposition": record.decomposition}
    wanted, loaded = pair_options_from(options), load(model)
    pairs = Pairs(loaded, loaded, baseline, None, wanted)
    record = pairs.explain(a, [b])[0] if record is None else record
    rows, columns = _moving(record.a), _moving(record.b)
    if len(rows) * len(columns) < 3:
        raise InputError(f"the texts have {len(rows)} and {len(columns)} tokens to attribute to; a matrix can be examined from 3 cells on")

    def cells(found: PairAttribution) -> Floats:
        return np.asarray(found.matrix[np.ix_(rows, columns)].ravel())

    def again(others: Pairs) -> Floats:
        return cells(others.explain(a, [b])[0])

    own, other = cells(record), other_baseline(loaded, record.a.baseline)
    whom = "leaving out one token of each text at a time"
    checks = (
        _adds_up(record),
        agree("Would another baseline say the same?", f"the baseline “{other}”", own, again(pairs.beside(other)), "pairs"),
        agree("Would another method say the same?", whom, own, _left_out(pairs, a, b, rows, columns), "pairs"),
        _deletion(pairs, record, rows, columns, seed),
        notices(own, lambda: again(Pairs(drawn := randomised(loaded, seed), drawn, baseline, None, wanted)), "pairs"),
    )
    about = f"Examined: the order of the {len(own)} cells, one for every token of the first text with every token of the second."
    return record, Trust(text=f"{a} ↔ {b}", target=f"similarity ({record.unit})", checks=checks, about=about, model=record.model)


def _moving(side: Side) -> NDArray[np.int64]:
    return np.flatnonzero([role == "content" for role in side.roles])


def _adds_up(record: PairAttribution) -> Check:
    question, share, error = "Do the parts add up?", abs(record.residual) / record.scale, record.error / record.scale
    parts = {"all parts together": (record.total,), "similarity": (record.similarity,)}
    if not record.converged:
        return Check(question, "bad", f"Not to the precision that was asked for: {record.stop.said(record.model.dtype)}.", share, parts)
    sentence = f"Yes: what is missing is {share:.1%} of the size of all parts, and the stated error {error:.1%}."
    return Check(question, "good", sentence, share, parts)


def _left_out(pairs: Pairs, a: str, b: str, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Floats:
    """Return per cell the second difference of the similarity when both its tokens are replaced by the baseline's."""
    first, second = (
        _embedded(session, text, replaced, [np.zeros(0, dtype=np.int64), *which[:, None]])
        for session, text, which in ((pairs.first, a, rows), (pairs.second, b, columns))
    )
    common = pairs.common(pairs.text(pairs.first, a), pairs.text(pairs.second, b))
    s = common.left(first.T).T @ common.left(second.T)  # (1 + rows, 1 + columns)
    return np.asarray((s[0, 0] - s[1:, :1] - s[:1, 1:] + s[1:, 1:]).ravel())


def _deletion(pairs: Pairs, record: PairAttribution, rows: NDArray[np.int64], columns: NDArray[np.int64], seed: int) -> Check:
    """Delete from one text while the other stays whole, and take the mean of both ways: two texts that are both empty are alike."""
    adds = (record.row_terms + record.matrix.sum(axis=1), record.column_terms + record.matrix.sum(axis=0))
    sides = [(pairs.first, record.a.text, rows, adds[0]), (pairs.second, record.b.text, columns, adds[1])]
    embedded = []
    for session, text, which, scores in sides:
        orders = orderings(scores[which], seed)
        embedded.append(_embedded(session, text, deleted, [which[order[: count(share, len(which))]] for order in orders for share in GRID]))
    first, second = embedded
    answers = (first @ second[0] + second @ first[0]) / 2  # the first of each is the whole text
    return matters(answers.reshape(-1, len(GRID)))


def _embedded(session: Session, text: str, remove: Removal, gone: list[NDArray[np.int64]]) -> Floats:
    """Return the (n, D) embeddings of a text with tokens removed, as its similarity reads them."""
    case = session.case(text)
    subject = Subject(case.encoded, case.end, case.starts[0], case.objective)
    masks = np.zeros((len(gone), len(case.encoded)), dtype=bool)
    for mask, which in zip(masks, gone, strict=True):
        mask[which] = True
    return values(session.model, (remove(subject, mask) for mask in masks), session.budget)
