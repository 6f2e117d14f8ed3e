"""What the commands say, on standard output and beside it, and with which code they end."""

from __future__ import annotations

import sys

import typer
from rich.console import Console
from rich.status import Status
from rich.text import Text

from lineal.visible import encodable, one_line, visible

NOT_CONVERGED = 3
"""Exit code of `--strict` when a result did not converge. Errors exit with 2, like wrong usage."""

FAILED = 2
"""Exit code of every error."""


def say(text: str, err: bool = False) -> None:
    """Print a line, or several, in which other people's names may stand."""
    typer.echo(visible(text), err=err)


def print_json(document: str) -> None:
    """Print a JSON document so that it means the same in whatever encoding standard output has."""
    typer.echo(encodable(document, sys.stdout.encoding))


def working(what: str) -> Status:
    """Return a context that shows `what` beside a spinner on standard error while it lasts."""
    return Console(stderr=True).status(Text(one_line(what)))
