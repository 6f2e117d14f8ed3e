"""What the commands for matrices share: their options, declared once, and which view draws which record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from lineal.attribution import Attribution
from lineal.cli import common
from lineal.errors import OptionError
from lineal.interaction_matrix import Interactions
from lineal.pair_attribution import Matches, PairAttribution
from lineal.record import write_whole

SimilarityName = Annotated[Literal["cosine", "dot"], typer.Option("--similarity", help="How two embeddings are compared.")]
ModeName = Annotated[
    Literal["auto", "forward", "reverse", "central", "mixed"], typer.Option("--mode", help="How derivatives are computed; auto measures.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", help="Write FILE.html, FILE.json, or a figure: FILE.png, FILE.svg, FILE.pdf.", show_default=False
    ),
]

Drawn = PairAttribution | Matches | Interactions | Attribution


@dataclass(frozen=True, kw_only=True)
class Shared:
    """The options that every command takes whose answer is a matrix, or one row over two texts."""

    baseline: common.BaselineName = None
    tol: common.Tol = 0.01
    rule: common.Rule = "adaptive"
    max_evaluations: common.MaxEvaluations = 1000
    truncate: common.Truncate = False
    out: Out = None
    as_json: common.AsJson = False
    strict: common.Strict = False
    device: common.Device = None
    dtype: common.Dtype = None
    allow_missing: common.AllowMissing = False

    @property
    def settings(self) -> dict[str, Any]:
        """What the verbs take."""
        return {name: getattr(self, name) for name in ("baseline", "tol", "rule", "max_evaluations", "truncate")}

    def load(self, model: str, figures: bool = True) -> Any:
        """Return the model, after a look at where the result is to go. figures: whether there is one of such a result."""
        from lineal.models import load

        check_out(self.out, figures)
        with common.working(f"Loading {model} …"):
            return load(model, device=self.device, dtype=self.dtype, allow_missing=self.allow_missing)

    def deliver(self, record: Drawn, panels: Sequence[Any] = ()) -> None:
        """Show a record and write it where asked."""
        deliver(record, out=self.out, as_json=self.as_json, strict=self.strict, panels=panels)


def check_out(out: Path | None, figures: bool = True) -> None:
    """Raise OptionError before any work when `out` could not be written. figures: whether there is one of such a result."""
    if out is None:
        return
    endings = (".html", ".json", *(common.PICTURES if figures else ()))
    if out.suffix not in endings:
        raise OptionError(f"--out {out} ends in {out.suffix or 'nothing'}; give a name ending in {', '.join(endings)}")
    if not out.parent.is_dir():
        raise OptionError(f"--out {out}: there is no folder {out.parent.resolve()}")


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
    from lineal import views

    render, page, plot = _views(record, by)
    if as_json:
        typer.echo(record.to_json(indent=1))
    else:
        Console().print(render(record))
    if out is not None:
        if out.suffix == ".json":
            record.save(out)
        elif out.suffix == ".html":
            write_whole(out, page(record, panels=panels) if panels else page(record))
        elif plot is not None:
            views.save_plot(plot(record), out)
        typer.echo(f"written to {out}", err=True)
    if strict and not record.converged:
        raise typer.Exit(common.NOT_CONVERGED)


def _views(record: Drawn, by: common.By) -> tuple[Callable[..., Any], Callable[..., str], Callable[..., Any] | None]:
    """Return what draws a record in the terminal, as a page and as a figure."""
    from lineal import views

    if isinstance(record, Attribution):
        return partial(views.render_sides, by=by), views.sides_page, partial(views.plot_sides, by=by)
    if isinstance(record, Interactions):
        return views.render_interactions, views.interactions_page, views.plot_interactions
    if isinstance(record, Matches):
        return views.render_matches, views.matches_page, None
    return views.render_pair, views.pair_page, views.plot_pair
