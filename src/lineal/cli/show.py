"""`lineal show RESULT.json`: draw a stored result again. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lineal.cli import common, pairs_common
from lineal.pair_attribution import Matches, PairAttribution
from lineal.stored import load_result


def show(
    result: Annotated[Path, typer.Argument(metavar="RESULT.json", help="A file written by --out FILE.json.")],
    by: common.Level = "word",
    out: common.Out = None,
    as_json: common.AsJson = False,
    strict: common.Strict = False,
) -> None:
    """Show a stored result in the terminal, or write its page."""
    record = load_result(result)
    if isinstance(record, (PairAttribution, Matches)):
        pairs_common.check_out(out)
        pairs_common.deliver(record, out=out, as_json=as_json, strict=strict)
        return
    common.check_out(out)
    common.deliver(record, by=by, out=out, as_json=as_json, strict=strict)
