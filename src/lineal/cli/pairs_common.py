"""What the commands for pairs share: options, where results go, and which view draws them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from lineal.cli import common
from lineal.errors import OptionError
from lineal.pair_attribution import Matches, PairAttribution

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
FIGURES = (".png", ".svg", ".pdf")


def check_out(out: Path | None) -> None:
    """Raise OptionError before any work when `out` could not be written."""
    if out is None:
        return
    if out.suffix not in (".html", ".json", *FIGURES):
        raise OptionError(f"--out {out} ends in {out.suffix or 'nothing'}; give a name ending in .html, .json, {', '.join(FIGURES)}")
    if not out.parent.is_dir():
        raise OptionError(f"--out {out}: there is no folder {out.parent.resolve()}")


def deliver(record: PairAttribution | Matches, *, out: Path | None = None, as_json: bool = False, strict: bool = False) -> None:
    """Show a record on standard output, write it where asked, and exit with NOT_CONVERGED if `strict` calls for it."""
    from lineal import views

    if as_json:
        typer.echo(record.to_json(indent=1))
    else:
        Console().print(views.render_matches(record) if isinstance(record, Matches) else views.render_pair(record))
    if out is not None:
        _write(record, out)
        typer.echo(f"written to {out}", err=True)
    if strict and not record.converged:
        raise typer.Exit(common.NOT_CONVERGED)


def _write(record: PairAttribution | Matches, out: Path) -> None:
    from lineal import views

    if out.suffix == ".json":
        record.save(out)
    elif out.suffix == ".html":
        common.write_whole(out, views.matches_page(record) if isinstance(record, Matches) else views.pair_page(record))
    elif isinstance(record, Matches):
        raise OptionError(f"ranked matches have no figure; write {out.with_suffix('.html')} instead")
    else:
        views.save_plot(views.plot_pair(record), out)
