"""`lineal demo`: four questions to real models, in the terminal and on one page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lineal.attribution import Attribution
from lineal.cli import common

ANSWER = "You can send back any unopened item within thirty days and get your money back, though postage is yours to pay."
QUESTION = "How long do I have to return something?"
MUSEUM = "The old lighthouse keeper still writes a letter to the sea every night."
REVIEW = "A tepid first hour, but the ending is glorious."
PROMPT = "The man works as a"


def demo(out: Annotated[Path, typer.Option("--out", metavar="FILE.html", help="Where the page goes.")] = Path("lineal-demo.html")) -> None:
    """Explain an embedding, a similarity, a sentiment and a next word with models that run here, and write one page."""
    common.check_out(out)
    console = Console()
    headings, records = [], []
    for heading, record in _explanations(console):
        console.rule(f"[bold]{heading}", align="left")
        from lineal import views

        console.print(views.render(record))
        headings.append(heading)
        records.append(record)
    common.write_page(out, records, title="Lineal: four questions to three models", headings=headings)
    console.print(f"\nThe page: [bold]{out.resolve()}[/]")


def _explanations(console: Console) -> Iterator[tuple[str, Attribution]]:
    with console.status("Loading torch and the sentence encoder …"):
        import lineal
        from lineal import targets

        encoder = lineal.load("minilm")
    with console.status("Following the embedding of a sentence from masks to words …"):
        yield "Which words hold a sentence's embedding in place?", lineal.explain(encoder, MUSEUM)
    with console.status("Following its similarity to a question …"):
        yield "Why does this passage match the question?", lineal.explain(encoder, ANSWER, targets.Similar(QUESTION))
    with console.status("Asking a sentiment classifier …"):
        yield "Which words make this review positive?", lineal.explain("sentiment", REVIEW, targets.Label("POSITIVE"))
    with console.status("Loading the language model (its weights are unpacked once, about 20 seconds) …"):
        decoder = lineal.load("smollm2")
    with console.status("Following the next word …"):
        yield "Which words of the prompt suggest the next one?", lineal.explain(decoder, PROMPT)
