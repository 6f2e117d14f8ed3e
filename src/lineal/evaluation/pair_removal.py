"""Does the similarity of two texts fall when the tokens that their matrix names are deleted, faster than in random order?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineal.engine.removal import REMOVALS, Subject, values
from lineal.errors import InputError, OptionError, listing
from lineal.metrics.pairs import From, Gone, PairCurve, pair_curve
from lineal.models import load
from lineal.objectives.embedding import Embedding
from lineal.records.pair import PairAttribution, Side
from lineal.verbs.options import PairOptions
from lineal.verbs.pair_session import Pairs
from lineal.verbs.session import Session


def pair_removal(
    model: Any, pair: PairAttribution, *, model_b: Any = None, sides: From = "a", removal: str = "delete", draws: int = 8, seed: int = 0
) -> PairCurve:
    """Return how the similarity falls as tokens of a text are removed, those first that the strongest cells of the matrix name.

        pair = lineal.explain_pair("minilm", a, b)
        curve = pair_removal("minilm", pair)
        curve.ahead, curve.spread      # area below random order, and what chance alone gives

    model, model_b: those that explained the pair. sides: whose tokens go, "a" (the other text stays whole), "b", or "both".
    removal: "delete", "attention", or "replace" by the pairs' default baseline. Special tokens stay. At most half of the tokens go: two
    texts of which nothing is left are alike. Raises OptionError for other sides or removals, InputError for a pair summed by word or whose
    tokens the model reads differently.
    Cost: at most 8 (draws + 1) forward passes per text. When not to trust it: `lineal.metrics.pairs.pair_curve`.
    """
    if removal not in REMOVALS:
        raise OptionError(f"unknown removal {removal!r}; choose one of {listing(REMOVALS)}")
    if pair.level != "token":
        raise InputError(f"the pair is summed by {pair.level}; give the pair as explain_pair returned it, by token")
    first = load(model)
    pairs = Pairs(first, first if model_b is None else load(model_b), None, None, PairOptions(similarity=pair.unit))
    texts = [_Embedder(session, side, removal) for session, side in ((pairs.first, pair.a), (pairs.second, pair.b))]

    def similarities(groups: list[tuple[Gone, Gone]]) -> NDArray[np.float64]:
        a, b = (side.embed([group[i] for group in groups]) for i, side in enumerate(texts))
        return np.asarray((a * b).sum(axis=1))

    return pair_curve(pair.matrix[np.ix_(texts[0].tokens, texts[1].tokens)], similarities, sides, draws, seed)


class _Embedder:
    """One text of the pair with tokens removed, as embeddings; of length 1 for the cosine."""

    def __init__(self, session: Session, side: Side, removal: str) -> None:
        case = session.case(side.text)
        if case.encoded.tokens != side.tokens:
            raise InputError(f"the model reads {side.text[:40]!r} as other tokens than those of the pair; give the model that explained it")
        assert isinstance(case.objective, Embedding), "pairs explain whole embeddings"
        self.session, self.remove, self.tokens = session, REMOVALS[removal], np.flatnonzero(case.moving)
        self.subject = Subject(case.encoded, case.end, case.starts[0], case.objective)

    def embed(self, groups: list[Gone]) -> NDArray[np.float64]:
        distinct = {gone.tobytes(): self._whole(gone) for gone in groups}
        found = values(self.session.model, (self.remove(self.subject, gone) for gone in distinct.values()), self.session.budget)
        places = {key: i for i, key in enumerate(distinct)}
        return np.asarray(found[[places[gone.tobytes()] for gone in groups]])

    def _whole(self, gone: Gone) -> Gone:
        whole = np.zeros(len(self.subject.encoded), dtype=bool)
        whole[self.tokens] = gone
        return whole
