"""`lineal summary DIR`: what do the explanations of many texts say together? Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lineal.cli import console, deliver, options
from lineal.files import write_whole


@options.takes_groups
def summary(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A folder of results (docs/schema.md), on disk or s3://bucket/folder.")],
    group_by: Annotated[
        str | None, typer.Option("--group-by", metavar="COLUMN", help="A column of the input that groups the texts.")
    ] = None,
    between: Annotated[
        list[str] | None, typer.Option("--between", metavar="VALUE", help="Compare two of its values: give it twice.")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", metavar="NAME", help="Only these targets.", show_default="those of most texts")
    ] = None,
    min_texts: Annotated[int, typer.Option("--min-texts", metavar="N", help="Different texts that a word has to stand in.")] = 5,
    case: Annotated[bool, typer.Option("--case", help="Word and word are two words.")] = False,
    out: options.Out = None,
    as_json: options.AsJson = False,
) -> None:
    """Say which words push which target over many texts, with intervals over texts: for all, per group, and between two groups.

    --out FILE.html writes the report, FILE.csv every word with every number, FILE.parquet the same for other programs.
    """
    from lineal.records.summary import Summary
    from lineal.tables.summary import summary as summarise
    from lineal.views.summary.words import table

    parquet = out is not None and out.suffix.lower() == ".parquet"
    if parquet:
        deliver.check_out(out, only=(".parquet",))
    else:
        deliver.check_out(out, Summary)
    with console.working("reading the results …"):
        found = summarise(folder, by=group_by, between=between, targets=target, min_texts=min_texts, case=case)
    if parquet:
        from lineal.tables.shards import packed

        words = table(found)
        write_whole(Path(out or ""), packed(words.columns, words.rows))
        console.say(f"written to {out}", err=True)
    deliver.deliver(found, options.Delivery(out=None if parquet else out, as_json=as_json))
