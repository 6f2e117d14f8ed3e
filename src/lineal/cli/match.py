"""`lineal match MODEL QUERY --documents FILE`: which documents match, and because of which words?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lineal.cli import deliver, files, options
from lineal.records.pair import Matches


@options.takes_groups
def match(
    model: options.ModelName,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="The query; - reads it from standard input.")],
    *,
    documents: Annotated[Path, typer.Option("--documents", metavar="FILE", help="One document per line; empty lines are skipped.")],
    top: Annotated[int, typer.Option("--top", help="Explain so many of the best documents; all are ranked.")] = 10,
    similarity: options.SimilarityName = "cosine",
    decomposition: options.DecompositionName = "projected",
    mode: options.ModeName = "auto",
    baseline: options.BaselineName = None,
    precision: options.Precision,
    framing: options.Framing,
    delivery: options.Delivery,
    trust: options.Trust = False,
    loading: options.Loading,
) -> None:
    """Rank documents by similarity to a query and show the words behind every match."""
    from lineal.evaluation.trust_pair import examine_pair
    from lineal.verbs.pair import explain_matches

    lines = files.read_documents(documents)
    deliver.check_out(delivery.out, Matches)
    loaded = loading.load(model)
    asked = files.read_text(query)
    how = {
        "similarity": similarity,
        "decomposition": decomposition,
        "mode": mode,
        "baseline": baseline,
        **options.settings(precision),
        **options.settings(framing),
    }
    found = explain_matches(loaded, asked, lines, top=top, **how)
    panels = []
    if trust:
        names = [f"document {number + 1}" for number in found.order]
        panels = deliver.examined(
            found.pairs, lambda pair: examine_pair(loaded, asked, pair.b.text, record=pair, **how)[1], quiet=delivery.as_json, names=names
        )
    deliver.deliver(found, delivery, panels)
