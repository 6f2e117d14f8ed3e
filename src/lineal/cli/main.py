"""The front door: registers the commands, turns Lineal's errors into one line and exit code 2."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

import lineal
from lineal.cli.compare import compare
from lineal.cli.demo import demo
from lineal.cli.evaluate import evaluate
from lineal.cli.explain import explain
from lineal.cli.generate import generate
from lineal.cli.interactions import interactions
from lineal.cli.liar import liar
from lineal.cli.match import match
from lineal.cli.models import models
from lineal.cli.pair import pair
from lineal.cli.probe import probe
from lineal.cli.show import show
from lineal.errors import LinealError
from lineal.visible import visible, writes_anything

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
for command in (explain, generate, liar, pair, match, interactions, compare, evaluate, show, models, demo, probe):
    app.command()(command)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lineal {lineal.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    """Line-integral attributions for text models, with the error bar: which words did that?"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; `arguments` defaults to the process's own."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # 8-bit layers warn of a cast to float16 at every product
    for stream in (sys.stdout, sys.stderr):
        writes_anything(stream)
    try:
        app(args=None if arguments is None else list(arguments), prog_name="lineal")
    except LinealError as error:
        typer.echo(visible(f"lineal: {error}"), err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
