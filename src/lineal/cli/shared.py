"""What the commands for matrices share: their options, declared once, and which view draws which record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console, RenderableType

from lineal.cli import common
from lineal.quadrature.contract import MAX_EVALUATIONS, TOLERANCE
from lineal.records.attribution import Attribution
from lineal.records.base import Record
from lineal.records.interactions import Interactions
from lineal.records.pair import Matches, PairAttribution

SimilarityName = Annotated[Literal["cosine", "dot"], typer.Option("--similarity", help="How two embeddings are compared.")]
ModeName = Annotated[
    Literal["auto", "forward", "reverse", "central", "mixed"],
    typer.Option("--mode", help="How derivatives are computed; auto takes the cheapest."),
]
DecompositionName = Annotated[
    Literal["projected", "four"],
    typer.Option(
        "--decomposition",
        help="Four parts: nothing is taken out of the matrix, and row terms, column terms and a bias stand beside it.",
    ),
]
Drawn = PairAttribution | Matches | Interactions | Attribution


@dataclass(frozen=True, kw_only=True)
class Shared:
    """The options that every command takes whose answer is a matrix, or one row over two texts."""

    baseline: common.BaselineName = None
    tol: common.Tol = TOLERANCE
    rule: common.Rule = "adaptive"
    max_evaluations: common.MaxEvaluations = MAX_EVALUATIONS
    truncate: common.Truncate = False
    out: common.Out = None
    as_json: common.AsJson = False
    strict: common.Strict = False
    device: common.Device = None
    dtype: common.Dtype = None
    allow_missing: common.AllowMissing = False

    @property
    def settings(self) -> dict[str, Any]:
        """What the verbs take."""
        return {name: getattr(self, name) for name in ("baseline", "tol", "rule", "max_evaluations", "truncate")}

    def load(self, model: str, *kinds: type[Record]) -> Any:
        """Return the model, after a look at where the result is to go. kinds: what it may be."""
        from lineal.models import load

        common.check_out(self.out, *kinds)
        with common.working(f"Loading {model} …"):
            return load(model, device=self.device, dtype=self.dtype, allow_missing=self.allow_missing)

    def deliver(self, record: Drawn, panels: Sequence[Any] = ()) -> None:
        """Show a record and write it where asked."""
        deliver(record, out=self.out, as_json=self.as_json, strict=self.strict, panels=panels)


def deliver(
    record: Drawn,
    *,
    by: common.By = "word",
    out: Path | None = None,
    as_json: bool = False,
    strict: bool = False,
    panels: Sequence[Any] = (),
) -> None:
    """Show a record on standard output, write it where asked, and exit with NOT_CONVERGED if `strict` calls for it.

    by: the level of an attribution over two texts; matrices are per word. panels: further HTML for the page of a pair.
    """
    with common.written(record, out, by, panels):
        if as_json:
            common.print_json(record.to_json(indent=1))
        else:
            Console().print(_render(record, by))
    if strict and not record.converged:
        raise typer.Exit(common.NOT_CONVERGED)


def _render(record: Drawn, by: common.By) -> RenderableType:
    from lineal import views

    if isinstance(record, Attribution):
        return views.render_sides(record, by=by)
    if isinstance(record, Interactions):
        return views.render_interactions(record)
    return views.render_matches(record) if isinstance(record, Matches) else views.render_pair(record)
