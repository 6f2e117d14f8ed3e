"""`lineal match MODEL QUERY --documents FILE`: which documents match, and because of which words?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lineal.cli import common
from lineal.cli.groups import takes_groups
from lineal.cli.shared import DecompositionName, ModeName, Shared, SimilarityName
from lineal.errors import InputError
from lineal.records.pair import Matches


@takes_groups
def match(
    model: common.ModelName,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="The query; - reads it from standard input.")],
    *,
    documents: Annotated[Path, typer.Option("--documents", metavar="FILE", help="One document per line; empty lines are skipped.")],
    top: Annotated[int, typer.Option("--top", help="Explain so many of the best documents; all are ranked.")] = 10,
    similarity: SimilarityName = "cosine",
    decomposition: DecompositionName = "projected",
    mode: ModeName = "auto",
    trust: common.Trust = False,
    shared: Shared,
) -> None:
    """Rank documents by similarity to a query and show the words behind every match."""
    from lineal.evaluation.trust_pair import examine_pair
    from lineal.verbs.pair import explain_matches

    lines = _read(documents)
    loaded = shared.load(model, Matches)
    asked = common.read_text(query)
    how = {"similarity": similarity, "decomposition": decomposition, "mode": mode, **shared.settings}
    found = explain_matches(loaded, asked, lines, top=top, **how)
    panels = []
    if trust:
        names = [f"document {number + 1}" for number in found.order]
        panels = common.examined(
            found.pairs, lambda pair: examine_pair(loaded, asked, pair.b.text, record=pair, **how)[1], quiet=shared.as_json, names=names
        )
    shared.deliver(found, panels)


def _read(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--documents {path} cannot be read: {error}") from None
    found = [line for line in lines if line.strip()]
    if not found:
        raise InputError(f"--documents {path} has no line with text")
    return found
