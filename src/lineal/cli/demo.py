"""`lineal demo`: four questions to real models, in the terminal and on one page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
from markupsafe import Markup
from rich.console import Console

from lineal.cli import console, deliver
from lineal.errors import LinealError, MissingExtraError, ModelError
from lineal.records.attribution import Attribution
from lineal.visible import visible

ANSWER = "You can send back any unopened item within thirty days and get your money back, though postage is yours to pay."
QUESTION = "How long do I have to return something?"
MUSEUM = "The old lighthouse keeper still writes a letter to the sea every night."
REVIEW = "A tepid first hour, but the ending is glorious."
PROMPT = "The man works as a"


def demo(out: Annotated[Path, typer.Option("--out", metavar="FILE.html", help="Where the page goes.")] = Path("lineal-demo.html")) -> None:
    """Explain an embedding, a similarity, a sentiment and a next word with models that run here, and write one page.

    What cannot be had here, because a package is missing, is named, in the terminal and on the page.
    """
    from lineal import views

    deliver.check_out(out, only=(".html",))
    terminal = Console()
    headings: list[str] = []
    records: list[Attribution] = []
    missing: dict[str, LinealError] = {}
    for heading, doing, answer in QUESTIONS:
        try:
            with console.working(doing):
                record = answer()
        except (MissingExtraError, ModelError) as error:
            missing[heading] = error
            continue
        terminal.rule(f"[bold]{heading}", align="left")
        terminal.print(views.render(record))
        headings.append(heading)
        records.append(record)
    for heading, reason in missing.items():
        console.say(f"left out: {heading} {reason}", err=True)
    if not records:
        raise next(iter(missing.values()))
    panels = [*[Markup("")] * (len(records) - 1), _left_out(missing)]
    title = f"Lineal: {('one question', 'two questions', 'three questions', 'four questions')[len(records) - 1]} to real models"
    deliver.write_page(out, records, title=title, headings=headings, panels=panels)
    console.say(f"\nThe page: {out.resolve()}")


def _left_out(missing: Mapping[str, LinealError]) -> Markup:
    """Return what the page says about questions that had no answer."""
    lines = (Markup('<p class="note">Left out: {} {}</p>').format(heading, visible(str(error))) for heading, error in missing.items())
    return Markup("").join(lines)


@cache
def _encoder() -> Any:
    import lineal

    return lineal.load("minilm")


def _embedding() -> Attribution:
    import lineal

    return lineal.explain(_encoder(), MUSEUM)


def _similarity() -> Attribution:
    import lineal
    from lineal import targets

    return lineal.explain(_encoder(), ANSWER, targets.similar(QUESTION))


def _label() -> Attribution:
    import lineal
    from lineal import targets

    return lineal.explain("sentiment", REVIEW, targets.label("POSITIVE"))


def _next_word() -> Attribution:
    import lineal

    return lineal.explain("smollm2", PROMPT)


QUESTIONS: tuple[tuple[str, str, Callable[[], Attribution]], ...] = (
    ("Which words hold a sentence's embedding in place?", "Following the embedding of a sentence from masks to words …", _embedding),
    ("Why does this passage match the question?", "Following its similarity to a question …", _similarity),
    ("Which words make this review positive?", "Asking a sentiment classifier …", _label),
    (
        "Which words of the prompt suggest the next one?",
        "Asking a language model (its weights are unpacked once, about 20 seconds) …",
        _next_word,
    ),
)
"""What is asked, what is shown meanwhile, and how it is answered."""
