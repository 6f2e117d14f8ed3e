"""`lineal show RESULT.json`: draw a stored result again. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lineal.cli import common, shared
from lineal.errors import ResultError
from lineal.records.attribution import Attribution
from lineal.records.failure import Failure
from lineal.records.load import load_result, load_results


def show(
    result: Annotated[Path, typer.Argument(metavar="RESULT.json", help="A file written by --out FILE.json (or .jsonl).")],
    by: common.Level = "word",
    out: common.Out = None,
    as_json: common.AsJson = False,
    strict: common.Strict = False,
) -> None:
    """Show a stored result in the terminal, or write its page."""
    from lineal.views import has_sides

    if result.suffix == ".jsonl":
        common.check_out(out, several=True)
        common.deliver(_attributions(result), by=by, out=out, as_json=as_json, strict=strict)
        return
    record = load_result(result)
    if isinstance(record, Failure):
        raise ResultError(f"there is nothing to show: {_failed(record)}")
    common.check_out(out, type(record))
    if isinstance(record, Attribution) and not has_sides(record):
        common.deliver(record, by=by, out=out, as_json=as_json, strict=strict)
    else:
        shared.deliver(record, by=by, out=out, as_json=as_json, strict=strict)


def _attributions(path: Path) -> list[Attribution]:
    """Return the attributions of a JSON Lines file; failures in it are named on standard error."""
    found: list[Attribution] = []
    for number, record in enumerate(load_results(path), start=1):
        if isinstance(record, Failure):
            common.say(_failed(record), err=True)
        elif isinstance(record, Attribution):
            found.append(record)
        else:
            raise ResultError(f"result {number} of {path} is of the kind {record.kind!r}; of these, show reads one in a .json file")
    if not found:
        raise ResultError(f"{path} has no result to show")
    return found


def _failed(record: Failure) -> str:
    return f"text {record.row}, {record.text[:60]!r}, failed with {record.error}: {record.message}"
