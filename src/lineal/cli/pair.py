"""`lineal pair MODEL A B`: which words of two texts make them similar?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lineal.cli import common, pairs_common


def pair(
    model: common.ModelName,
    a: Annotated[str, typer.Argument(metavar="A", help="The first text; - reads it from standard input.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The second text.")],
    similarity: pairs_common.SimilarityName = "cosine",
    baseline: common.BaselineName = None,
    tol: common.Tol = 0.01,
    rule: common.Rule = "adaptive",
    max_evaluations: common.MaxEvaluations = 1000,
    mode: pairs_common.ModeName = "auto",
    truncate: common.Truncate = False,
    out: pairs_common.Out = None,
    as_json: common.AsJson = False,
    strict: common.Strict = False,
    device: common.Device = None,
    dtype: common.Dtype = None,
) -> None:
    """Explain the similarity of two texts: the word × word matrix, and the parts that are not in it.

    A sentence encoder gives the matrix. A classifier that reads pairs (a cross-encoder) gives one row of scores over both texts.
    """
    from lineal.models import load
    from lineal.pairs import explain_pair
    from lineal.session import explain

    pairs_common.check_out(out)
    first, second = common.read_text(a), common.read_text(b)
    loaded = load(model, device=device, dtype=dtype)
    shared: dict[str, Any] = {"baseline": baseline, "tol": tol, "rule": rule, "max_evaluations": max_evaluations, "truncate": truncate}
    if loaded.card.kind == "classifier":
        common.check_out(out)
        common.deliver(explain(loaded, (first, second), **shared), out=out, as_json=as_json, strict=strict)
        return
    record = explain_pair(loaded, first, second, similarity=similarity, mode=mode, **shared)
    pairs_common.deliver(record, out=out, as_json=as_json, strict=strict)
