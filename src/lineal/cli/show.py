"""`lineal show RESULT.json`, `lineal show DIR --id ID`: draw a stored result again. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lineal.cli import console, deliver, options
from lineal.errors import OptionError, ResultError
from lineal.records.attribution import Attribution
from lineal.records.failure import Failure
from lineal.records.load import load_result, load_results
from lineal.tables.results import read_results


@options.takes_groups
def show(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT.json | DIR", help="A file written by --out FILE.json (or .jsonl); or a folder of lineal run.")
    ],
    id: Annotated[str | None, typer.Option("--id", metavar="ID", help="Which row of a folder of results.")] = None,
    input: Annotated[str | None, typer.Option("--input", metavar="FILE", help="The row's input file, where an id is not enough.")] = None,
    row: Annotated[int | None, typer.Option("--row", metavar="N", help="The row's number there, from 0.")] = None,
    *,
    delivery: options.Delivery,
) -> None:
    """Show a stored result in the terminal, or write its page."""
    if result.is_dir() or result.suffix == ".parquet":
        one = read_results(result).record(id, file=input, row=row)
        deliver.check_out(delivery.out, type(one))
        deliver.deliver(one, delivery)
        return
    if (id, input, row) != (None, None, None):
        raise OptionError(f"--id, --input and --row choose a row of a folder of results; {result} is one result")
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
