"""`lineal show RESULT.json`: draw a stored result again. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lineal.attribution import Attribution
from lineal.cli import common, shared
from lineal.errors import ResultError
from lineal.failure import Failure
from lineal.pair_attribution import Matches
from lineal.stored import load_result


def show(
    result: Annotated[Path, typer.Argument(metavar="RESULT.json", help="A file written by --out FILE.json.")],
    by: common.Level = "word",
    out: shared.Out = None,
    as_json: common.AsJson = False,
    strict: common.Strict = False,
) -> None:
    """Show a stored result in the terminal, or write its page."""
    from lineal.views import has_sides

    record = load_result(result)
    if isinstance(record, Failure):
        raise ResultError(
            f"there is nothing to show: text {record.row}, {record.text[:60]!r}, failed with {record.error}: {record.message}"
        )
    if isinstance(record, Attribution) and not has_sides(record):
        common.check_out(out)
        common.deliver(record, by=by, out=out, as_json=as_json, strict=strict)
    else:
        shared.check_out(out, figures=not isinstance(record, Matches))
        shared.deliver(record, by=by, out=out, as_json=as_json, strict=strict)
