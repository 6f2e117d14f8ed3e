"""The public verbs for two texts: the token × token matrix, scores of both texts at once, one query against many documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import NoneType
from typing import Any, Unpack, get_args

import numpy as np

from lineal import prompts, targets
from lineal.errors import InputError, OptionError, listing
from lineal.models import load
from lineal.models.siamese import Siamese, Sides
from lineal.records.attribution import Attribution
from lineal.records.pair import Matches, PairAttribution
from lineal.typed import check_value
from lineal.verbs.options import Keywords, Options, PairKeywords, PairOptions, lists_options, pair_options_from
from lineal.verbs.pair_session import Pairs, default_baseline, encoder_of, of_document
from lineal.verbs.text import explain


@lists_options(PairOptions)
def explain_pair(
    model: Any, a: str, b: str, *, model_b: Any = None, baseline: Any = None, baseline_b: Any = None, **options: Unpack[PairKeywords]
) -> PairAttribution:
    """Return where the similarity of two texts comes from: token × token terms and what both share with empty texts, which sum to it.

        pair = lineal.explain_pair("minilm", "A dog chews a stick.", "A puppy gnaws on wood.")
        pair.words().strongest(3), pair.matrix.sum(), pair.shared, pair.error

    model: a sentence encoder, anything `lineal.load` takes. model_b: how the second text is read where that differs, as
    `model.reading(route="document")` of a model whose queries and documents have prompts of their own.
    baseline: as in `lineal.explain`, for both texts, but pad when nothing is said; baseline_b: another one for the second.
    options: see `PairOptions`; decomposition="four" gives the matrix with row, column and bias terms beside it.
    Cost: one forward pass per text for both its ends, then per path point t_a + t_b tangent passes instead of 2 D reverse passes, or fewer
    where one text is short; about 20 to 40 points per text at tol=0.01.

    Raises InputError, TooLongError, OptionError, ModelError, FidelityError. Not converging is no error: see `PairAttribution.stop`; do not
    trust cells smaller than `PairAttribution.error` by themselves.
    """
    for text in (a, b):
        if isinstance(text, (list, tuple)):
            raise InputError(f"explain_pair takes two strings, not {type(text).__name__}; one query and many documents: explain_matches")
        prompts.check_string(text)
    return _pairs(model, model_b, baseline, baseline_b, options).explain(a, [b])[0]


@lists_options(PairOptions)
def explain_matches(
    model: Any,
    query: str,
    documents: Iterable[str],
    *,
    top: int | None = 10,
    model_b: Any = None,
    baseline: Any = None,
    baseline_b: Any = None,
    **options: Unpack[PairKeywords],
) -> Matches:
    """Return all documents ranked by similarity to the query, the best `top` of them (None: all) explained as pairs.

    The query's token vectors are computed once. Cost: one forward pass per document, then one explanation per document in `top`.
    Raises InputError when there is no document, naming the number of one that is empty or too long; the rest is as in `explain_pair`.
    """
    prompts.check_list(documents, "explain_matches", "explain_pair", "documents")
    prompts.check_string(query)
    given = list(documents)
    for number, document in enumerate(given):
        with of_document(number):
            prompts.check_string(document)
    if not given:
        raise InputError("there is no document to match the query with")
    check_value("top", top, int, NoneType)
    if top is not None and top < 1:
        raise InputError(f"top is {top}; give at least 1, or None for all documents")
    pairs = _pairs(model, model_b, baseline, baseline_b, options)
    similarities = pairs.similarities(query, given)
    order = [int(i) for i in np.argsort(-similarities, kind="stable")]
    explained = pairs.explain(query, [given[i] for i in order[:top]])
    ranked = tuple(float(similarities[i]) for i in order)
    return Matches(query=query, pairs=tuple(explained), order=tuple(order), similarities=ranked, documents=tuple(given))


@lists_options(Options)
def explain_similarity(
    model: Any, a: str, b: str, *, sides: Sides = "both", similarity: str = "cosine", baseline: Any = None, **options: Unpack[Keywords]
) -> Attribution:
    """Return one row of scores over both texts: how much each token adds to the similarity. Complete for every choice of `sides`.

    sides: "a" or "b" moves the tokens of one text while the other stays (its scores are exactly 0); "both" moves both on one path, so that
    the scores sum to sim(a, b) − sim(baseline of a, baseline of b). The rest is as in `lineal.explain`, but
    the baseline is pad when nothing is said, as for `explain_pair`. Raises OptionError for a model that is no sentence encoder.
    """
    if sides not in get_args(Sides):
        raise OptionError(f"unknown sides {sides!r}; choose one of {listing(get_args(Sides))}")
    siamese = Siamese(encoder_of(load(model)), sides)
    baseline = default_baseline(siamese) if baseline is None else baseline
    return explain(siamese, (a, b), targets.pair_similarity(similarity), baseline=baseline, **options)


def _pairs(model: Any, model_b: Any, baseline: Any, baseline_b: Any, given: Mapping[str, Any]) -> Pairs:
    options, loaded = pair_options_from(given), load(model)
    return Pairs(loaded, loaded if model_b is None else load(model_b), baseline, baseline_b, options)
