"""`lineal liar FOLDER`: which words decided how true a statement sounds to a language model?"""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lineal.cli import console, deliver, options
from lineal.files import check_folder, write_whole
from lineal.records.base import nulls

if TYPE_CHECKING:
    from lineal.tasks.liar import Verdict

LINES, SUMMARY = "verdicts.jsonl", "index.html"


@options.takes_groups
def liar(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder with train.tsv, valid.tsv and test.tsv of LIAR, or one such file.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the pages and the JSON lines go; made if needed.")],
    model: Annotated[str, typer.Option("--model", metavar="MODEL", help="A causal language model.")] = "smollm2",
    split: Annotated[str, typer.Option("--split", help="train, valid or test.")] = "test",
    shots: Annotated[int, typer.Option("--shots", min=0, help="Examples before the question, drawn from train.tsv.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Which examples.")] = 0,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Statements, from the top of the file.", show_default="all")] = None,
    pick: Annotated[str, typer.Option("--pick", help="Explain the model's choice, the gold label, or a given label.")] = "choice",
    unit: options.Unit = "log_odds",
    chat: Annotated[bool, typer.Option("--chat", help="Ask through the tokenizer's chat template.")] = False,
    baseline: options.BaselineName = None,
    method: options.MethodName = "ig",
    strict: options.Strict = False,
    *,
    precision: options.Precision,
    holding: options.Holding,
    loading: options.Loading,
) -> None:
    """Ask a model how true statements are, explain each answer, and write a page per statement, JSON lines and a summary page.

    --attribute claim asks about the words of the claim alone. Rows of the file that are broken are named and left out.
    """
    from lineal import views
    from lineal.tasks import liar as task

    statements, broken = task.read(folder, split)
    for bad in broken:
        console.say(f"row {bad.row} is left out: {bad.reason}", err=True)
    pool = task.read(folder, "train")[0] if shots else []
    check_folder(out)
    loaded = loading.load(model)
    chosen = statements[:limit]
    verdicts = task.explain(
        loaded,
        chosen,
        shots=shots,
        pool=pool,
        seed=seed,
        pick=pick,
        unit=unit or "log_odds",
        chat=chat,
        baseline=baseline,
        method=method,
        **options.settings(precision),
        **options.settings(holding),
    )
    first = next(verdicts, None)  # what is wrong with the question is said before there is a file
    rows, links = [], []
    out.mkdir(parents=True, exist_ok=True)
    with (out / LINES).open("w", encoding="utf-8") as lines:
        for i, verdict in enumerate(chain([first] if first else [], verdicts), start=1):
            row = verdict.to_dict()
            rows.append(row)
            links.append(f"{i:04}.html")
            lines.write(json.dumps(nulls(row), ensure_ascii=False, allow_nan=False) + "\n")
            lines.flush()
            deliver.write_page(out / links[-1], [verdict.record.model_copy(update={"notes": _notes(verdict)})], title=_title(verdict))
            console.say(f"{i}/{len(chosen)} {verdict.choice} ({verdict.statement.label}) {verdict.record.stop.name.lower()}", err=True)
    summary = views.tally(rows, task.LABELS)
    asked = f"{loaded.card.name}, {shots} examples, {unit} of the {pick}, attributed to {_where(holding)} by {method}"
    notes = (asked, *(f"Row {bad.row} was left out: {bad.reason}." for bad in broken[:20]))
    write_whole(out / SUMMARY, views.verdicts_page(summary, title="LIAR: which words decided", links=links, notes=notes))
    console.say(f"{len(rows)} statements, {summary.accuracy:.0%} as published, {summary.converged} converged; see {out / SUMMARY}")
    if strict and summary.converged < len(rows):
        raise typer.Exit(console.NOT_CONVERGED)


def _where(holding: options.Holding) -> str:
    """What is attributed to."""
    layer = "" if holding.layer is None else f" at layer {holding.layer}"
    return f"{holding.attribute or 'the whole prompt'}{f' without {holding.hold}' if holding.hold else ''}{layer}"


def _title(verdict: Verdict) -> str:
    return f"{verdict.statement.statement} ({verdict.statement.who})"


def _notes(verdict: Verdict) -> tuple[str, ...]:
    """The answer and both checks, as lines of the page."""
    record = verdict.record
    share = abs(float(record.residual[0])) / (abs(float(record.delta[0])) or 1.0)
    return (
        *record.notes,
        f"Chosen: {verdict.choice}; published: {verdict.statement.label}.",
        f"Published check, residual at most 10 % of F(text) − F(baseline): {_word(verdict.passes_published_check)} with {share:.2%}.",
        f"Own check, error at most {record.tol:.0%} of the mass: {_word(record.converged)} with "
        f"{float(record.error[0]) / (float(record.mass[0]) or 1.0):.2%}.",
    )


def _word(passed: bool) -> str:
    return "passed" if passed else "failed"
