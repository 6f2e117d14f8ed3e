"""What the commands say, on standard output and beside it, and with which code they end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import typer
from rich.console import Console
from rich.status import Status
from rich.text import Text

from lineal.visible import encodable, one_line, visible

T = TypeVar("T")
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


@contextmanager
def counting(what: str, total: int) -> Iterator[Callable[[T], T]]:
    """Show `what` on standard error while it lasts; of several, how many are done and how long the others will take.

    Yields a function that takes each result as it comes, and returns it.
    """
    begun, done = time.monotonic(), 0
    with working(f"{what} …") as status:

        def count(one: T) -> T:
            nonlocal done
            done += 1
            if total > 1 and done < total:
                left = (time.monotonic() - begun) / done * (total - done)
                status.update(Text(f"{what}: {done:,} of {total:,}, about {lasting(left)} left …"))
            return one

        yield count


def lasting(seconds: float) -> str:
    """Return a time in words: `40 s`, `3 min`, `2.5 h`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def working(what: str) -> Status:
    """Return a context that shows `what` beside a spinner on standard error while it lasts."""
    return Console(stderr=True).status(Text(one_line(what)))
