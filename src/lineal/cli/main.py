"""The front door: registers the commands, turns Lineal's errors into one line and exit code 2."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

import lineal
from lineal.cli.compare import compare
from lineal.cli.console import say
from lineal.cli.demo import demo
from lineal.cli.evaluate import evaluate
from lineal.cli.explain import explain
from lineal.cli.generate import generate
from lineal.cli.interactions import interactions
from lineal.cli.liar import liar
from lineal.cli.match import match
from lineal.cli.models import models
from lineal.cli.pair import pair
from lineal.cli.probe import probe
from lineal.cli.run import run
from lineal.cli.serve import serve
from lineal.cli.show import show
from lineal.cli.summary import summary
from lineal.errors import LinealError, OptionError
from lineal.visible import one_line, writes_anything

WrongUsage: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""What typer raises where a command line does not fit; it comes from one of several places, by typer's version."""

EXAMPLES = {
    "explain": (
        'lineal explain sentiment "Not a masterpiece, but an hour well spent."',
        'lineal explain minilm "Send back any unopened item." "How long may I keep it?" --out result.html',
        'lineal explain smollm2 "The man works as a" --target \'contrast:" doctor"~" nurse"\'',
        "lineal explain sentiment --file reviews.txt --out results.jsonl",
    ),
    "generate": (
        'lineal generate smollm2 "The man works as a" --max-new-tokens 6 --out steps.html',
        "lineal generate smollm2 --messages chat.json --hold template",
    ),
    "pair": ('lineal pair minilm "How long may I keep it?" "Return it within thirty days." --out pair.html',),
    "match": ('lineal match minilm "How long may I keep it?" --documents answers.txt --top 5 --out matches.html',),
    "interactions": ('lineal interactions sentiment "Not a bad film at all." --out together.html',),
    "compare": ('lineal compare sentiment "Not a bad film at all." --methods ig,dig-greedy,occlusion',),
    "evaluate": ("lineal evaluate sentiment reviews.txt --limit 50 --out evaluation",),
    "run": (
        "lineal run sentiment reviews.tsv --text text --out out",
        "lineal run minilm searches.jsonl --text document --target similar:{query} --out out",
        "lineal run sentiment reviews.tsv --out out --write-job",
    ),
    "show": ("lineal show result.json", "lineal show result.json --out result.png"),
    "serve": ("lineal serve", "lineal serve sentiment minilm"),
    "probe": ("lineal probe reviews.tsv --out probe",),
}
"""What the help of a command ends with."""

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich")
for command in (explain, generate, liar, pair, match, interactions, compare, evaluate, run, summary, show, models, demo, probe, serve):
    examples = [f"\u00a0\u00a0{escape(line)}" for line in EXAMPLES.get(command.__name__, ())]
    app.command(epilog="\n\n".join(["Examples:", *examples]) if examples else None)(command)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lineal {lineal.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    """Line-integral attributions for text models, with the error bar: which words did that?"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; `arguments` defaults to the process's own."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # 8-bit layers warn of a cast to float16 at every product
    for stream in (sys.stdout, sys.stderr):
        writes_anything(stream)
    try:
        code = app(args=_read(sys.argv[1:] if arguments is None else arguments), prog_name="lineal", standalone_mode=False)
    except LinealError as error:
        say(f"lineal: {one_line(str(error))}", err=True)
        sys.exit(2)
    except WrongUsage as error:
        said = io.StringIO()
        error.show(said)
        say(said.getvalue().rstrip("\n"), err=True)
        sys.exit(error.exit_code)
    except typer.Abort:
        say("Aborted!", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _read(arguments: Sequence[str]) -> list[str]:
    """Return the arguments; OptionError for one whose bytes are no UTF-8, or that has a NUL: no shell passes one, and no name has it."""
    for number, argument in enumerate(arguments, start=1):
        if "\x00" in argument:
            raise OptionError(f"argument {number} has a NUL in it: {argument!r}; leave it out")
        if any("\ud800" <= char <= "\udfff" for char in argument):
            raise OptionError(f"argument {number} is not UTF-8: {argument!r}; in another encoding, write it to a file and convert that")
    return list(arguments)


if __name__ == "__main__":
    main()
