"""Where results go: shown on standard output, written to a file, examined, judged by `--strict`. One way for every kind of record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import typer
from rich.console import Console

from lineal.cli.console import NOT_CONVERGED, print_json, say, working
from lineal.cli.options import Delivery
from lineal.errors import InputError, OptionError
from lineal.files import write_whole
from lineal.records.attribution import Attribution
from lineal.records.base import Record

T = TypeVar("T")


def check_out(out: Path | None, *kinds: type[Record], several: bool = False, only: Sequence[str] = ()) -> None:
    """Raise an error before any work when `out` could not be written (see `lineal.views.check`).

    kinds: what the command may return, whichever of them. only: the endings, where they are not those of a record.
    """
    from lineal import views

    if out is not None:
        views.check(out, only or views.endings(*kinds, several=several))


@contextmanager
def kept(out: Path | None, total: int) -> Iterator[Callable[[T], T]]:
    """Keep the results of several texts as they finish in a file beside `out`, a line each, until `out` itself is written.

    Yields a function that takes each result, and returns it. What is cut short leaves the file and says so; else nothing of it is left.
    """
    if out is None or total < 2:
        yield lambda one: one
        return
    path, done = out.with_name(f"{out.stem}.unfinished.jsonl"), 0

    def keep(one: T) -> T:
        nonlocal done
        if isinstance(one, Record):
            with path.open("a" if done else "w", encoding="utf-8") as file:
                file.write(one.to_json() + "\n")
            done += 1
        return one

    try:
        yield keep
    except typer.Exit:  # all was delivered; what it is worth is the exit code
        path.unlink(missing_ok=True)
        raise
    except BaseException:
        if done:
            say(f"{done} of {total} texts were finished; they are in {path}, for lineal show or lineal.load_results", err=True)
        raise
    path.unlink(missing_ok=True)


def check_trust(trust: bool, layer: str | None) -> None:
    """Raise OptionError where there is nothing to compare with."""
    if trust and layer is not None:
        raise OptionError("--trust examines explanations of words, and --layer explains a layer's states; drop one of the two")


def examined(texts: Sequence[Any], examine: Callable[[Any], Any], quiet: bool = False, names: Sequence[str] = ()) -> list[Any]:
    """Examine each text, print the checks below its name (on standard error if `quiet`), and return them as panels for a page."""
    from lineal.views import trust_panel, trust_text

    panels: list[Any] = []
    for i, text in enumerate(texts):
        try:
            with working("Examining the explanation …"):
                checks = examine(text)
        except InputError as error:  # of several, the others are examined, and what was explained is delivered
            if len(texts) == 1:
                raise
            said, panel = f"not examined: {error}", ""
        else:
            said, panel = trust_text(checks), trust_panel(checks)
        say("\n".join([*names[i : i + 1], said]), err=quiet)
        panels.append(panel)
    return panels


def write_page(path: Path, records: Sequence[Attribution], **how: Any) -> None:
    """Write a page; it appears whole or not at all."""
    from lineal import views

    write_whole(path, views.page(records, **how))


def deliver(records: Record | Sequence[Attribution], delivery: Delivery, panels: Sequence[Any] = ()) -> None:
    """Show a record (or several attributions) on standard output and write it where asked, each whatever becomes of the other.

    panels: further HTML for a page. Exits with NOT_CONVERGED if `--strict` calls for it.
    """
    from lineal import views

    several = [records] if isinstance(records, Record) else records
    done = False
    try:
        if delivery.out is not None:
            views.save(records, delivery.out, by=delivery.by, panels=panels)
            done = True
    finally:
        try:
            for record in several:
                if delivery.as_json:
                    print_json(record.to_json(indent=1 if len(several) == 1 else None))
                else:
                    Console().print(views.view_of(record).render(record, delivery.by))
        finally:
            if done:
                say(f"written to {delivery.out}", err=True)
    strictly(delivery.strict, several)


def strictly(strict: bool, records: Sequence[Any]) -> None:
    """Exit with NOT_CONVERGED where `--strict` asks for it and a record did not converge."""
    if strict and not all(record.converged for record in records):
        raise typer.Exit(NOT_CONVERGED)
