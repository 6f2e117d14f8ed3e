"""`lineal evaluate MODEL FILE`: which method says what the model does, on many texts?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from lineal.cli import console, deliver, files, options
from lineal.errors import MissingExtraError
from lineal.files import check_folder, write_whole
from lineal.metrics.catalogue import CATALOGUE
from lineal.records.base import nulls

METRICS_HELP = (
    "Separated by commas, of (+ higher is better, - lower): "
    + ", ".join(["causal (all that begin so)", *(f"{name} {'+' if metric.higher else '-'}" for name, metric in CATALOGUE.items())])
    + "; see docs/faithfulness.md."
)


@options.takes_groups
def evaluate(
    model: options.ModelName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="One text per line; of tab-separated lines the last field, or --column.")],
    methods: Annotated[str | None, typer.Option("--methods", metavar="NAMES", help="Separated by commas.", show_default="by model")] = None,
    metrics: Annotated[str | None, typer.Option("--metrics", metavar="NAMES", help=METRICS_HELP, show_default="by model")] = None,
    baselines: Annotated[
        str | None, typer.Option("--baselines", metavar="NAMES", help="Separated by commas.", show_default="by model")
    ] = None,
    removals: Annotated[
        str | None,
        typer.Option(
            "--removals",
            metavar="NAMES",
            help="delete, attention, or a baseline that is put in place, as mask or alternatives:8; separated by commas.",
            show_default="by model",
        ),
    ] = None,
    piece: Annotated[
        Literal["token", "word", "region"], typer.Option("--piece", help="What causal metrics replace at a time: token, word or region.")
    ] = "word",
    target: options.TargetSpec = None,
    unit: options.Unit = None,
    column: Annotated[
        int | None, typer.Option("--column", help="Which tab-separated field is the text, from 1.", show_default="last")
    ] = None,
    skip: Annotated[int, typer.Option("--skip", help="Lines to skip, such as a header.")] = 0,
    limit: Annotated[int, typer.Option("--limit", metavar="N", help="Texts to use, from the top.")] = 100,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for tables, figure and records.")] = Path("evaluation"),
    as_json: options.AsJson = False,
    strict: options.Strict = False,
    *,
    precision: options.Precision,
    reading: options.Reading,
    loading: options.Loading,
) -> None:
    """Measure methods on many texts: what happens to the answer when the tokens they call strongest are removed?

    Writes evaluation.json (the whole result, for `lineal show`) and evaluation.html, table.md, table.csv, values.json, curves.png (with
    matplotlib) and the records, one JSON line per text and method. Until then DIR
    keeps unfinished.jsonl: the same command goes on from it after an interruption.
    """
    from lineal import targets, views
    from lineal.evaluation.run import evaluate as run
    from lineal.targets import spelling as specs
    from lineal.views.evaluation.table import evaluation_rows

    texts = files.read_column(file, column, skip)[:limit]
    check_folder(out)
    unfinished = out / "unfinished.jsonl"
    if unfinished.exists():
        console.say(f"going on from {unfinished}", err=True)
    loaded = loading.load(model)
    with console.working("measuring") as status:
        found = run(
            loaded,
            texts,
            specs.target(target, unit, usual=targets.default(loaded)),
            methods=_names(methods),
            baselines=_names(baselines) or (None,),
            metrics=_names(metrics),
            removals=_names(removals),
            piece=piece,
            into=unfinished,
            on_step=lambda step: status.update(step),
            **options.settings(precision),
            **options.settings(reading),
        )
    for name in ("evaluation.json", "evaluation.html", "table.md", "table.csv"):
        views.save(found, out / name)
    write_whole(out / "values.json", json.dumps(nulls(evaluation_rows(found)), indent=1, allow_nan=False) + "\n")
    lines = [json.dumps(record.to_dict(), ensure_ascii=False) for records in found.records for record in records]
    write_whole(out / "records.jsonl", "\n".join(lines) + "\n")
    try:
        views.save(found, out / "curves.png")
    except MissingExtraError as error:
        console.say(f"no figure: {error}", err=True)
    unfinished.unlink(missing_ok=True)
    if as_json:
        console.print_json(found.to_json(indent=1))
    else:
        console.say(views.to_markdown(found))
    console.say(f"written to {out}/", err=True)
    deliver.strictly(strict, [found])


def _names(given: str | None) -> list[str] | None:
    from lineal import spellings

    return None if given is None else [name if quoted else name.strip() for name, quoted in spellings.split(given, ",") if name.strip()]
