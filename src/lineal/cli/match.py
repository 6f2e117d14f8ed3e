"""`lineal match MODEL QUERY --documents FILE`: which documents match, and because of which words?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lineal.cli import common, pairs_common
from lineal.errors import InputError


def match(
    model: common.ModelName,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="The query; - reads it from standard input.")],
    documents: Annotated[Path, typer.Option("--documents", metavar="FILE", help="One document per line; empty lines are skipped.")],
    top: Annotated[int, typer.Option("--top", help="Explain so many of the best documents; all are ranked.")] = 10,
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
    """Rank documents by similarity to a query and show the words behind every match."""
    from lineal.models import load
    from lineal.pairs import explain_matches

    pairs_common.check_out(out)
    lines = _read(documents)
    record = explain_matches(
        load(model, device=device, dtype=dtype),
        common.read_text(query),
        lines,
        top=top,
        similarity=similarity,
        baseline=baseline,
        tol=tol,
        rule=rule,
        max_evaluations=max_evaluations,
        mode=mode,
        truncate=truncate,
    )
    pairs_common.deliver(record, out=out, as_json=as_json, strict=strict)


def _read(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--documents {path} cannot be read: {error}") from None
    found = [line for line in lines if line.strip()]
    if not found:
        raise InputError(f"--documents {path} has no line with text")
    return found
