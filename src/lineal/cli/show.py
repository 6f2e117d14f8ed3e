"""`lineal show RESULT.json`: draw a stored result again. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lineal.cli import console, deliver, options
from lineal.errors import ResultError
from lineal.records.attribution import Attribution
from lineal.records.failure import Failure
from lineal.records.load import load_result, load_results


@options.takes_groups
def show(
    result: Annotated[Path, typer.Argument(metavar="RESULT.json", help="A file written by --out FILE.json (or .jsonl).")],
    *,
    delivery: options.Delivery,
) -> None:
    """Show a stored result in the terminal, or write its page."""
    if result.suffix == ".jsonl":
        deliver.check_out(delivery.out, several=True)
        deliver.deliver(_attributions(result), delivery)
        return
    record = load_result(result)
    deliver.check_out(delivery.out, type(record))
    deliver.deliver(record, delivery)


def _attributions(path: Path) -> list[Attribution]:
    """Return the attributions of a JSON Lines file; failures in it are named on standard error."""
    found: list[Attribution] = []
    for number, record in enumerate(load_results(path), start=1):
        if isinstance(record, Failure):
            console.say(f"text {record.row}, {record.text[:60]!r}, failed with {record.error}: {record.message}", err=True)
        elif isinstance(record, Attribution):
            found.append(record)
        else:
            raise ResultError(f"result {number} of {path} is of the kind {record.kind!r}; of these, show reads one in a .json file")
    if not found:
        raise ResultError(f"{path} has no result to show")
    return found
