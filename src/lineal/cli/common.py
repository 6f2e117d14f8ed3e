"""What the commands share: option types, reading a text, showing and writing records, exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.status import Status
from rich.text import Text

from lineal.errors import InputError, OptionError
from lineal.files import write_whole
from lineal.records.attribution import Attribution
from lineal.records.base import Record
from lineal.visible import encodable, one_line, visible

NOT_CONVERGED = 3
"""Exit code of `--strict` when a result did not converge. Errors exit with 2, like wrong usage."""

FAILED = 2
"""Exit code of every error."""

By = Literal["token", "word", "sentence", "region"]

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="Alias (see `lineal models`), folder, GGUF file, or Hugging Face hub id.")]
TargetSpec = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="SPEC",
        help="What to explain: self, label:NAME, next, …; all spellings: lineal explain --help.",
        show_default="by model",
    ),
]
Unit = Annotated[
    str | None, typer.Option("--unit", metavar="UNIT", help="logit, log_odds, log_prob, prob; or cosine, dot.", show_default="by target")
]
BaselineName = Annotated[
    list[str] | None,
    typer.Option(
        "--baseline",
        metavar="NAME",
        help="mask, pad, unk, eos, bos, mean, zero, text:SOME WORDS, counterfactual:TEXT, word:WORD, random:8 or "
        "alternatives:8. Several are averaged: give it again.",
        show_default="by model",
    ),
]
MethodName = Annotated[
    str, typer.Option("--method", metavar="NAME", help="ig, dig-greedy, dig-maxcount, occlusion, …; settings as in dig-greedy:steps=10.")
]
Tol = Annotated[float, typer.Option("--tol", help="Wanted error, relative to the sum of |scores|.")]
Rule = Annotated[str, typer.Option("--rule", metavar="RULE", help="adaptive, nested, or a fixed rule as gauss:50, left:50, trapezoid:50.")]
MaxEvaluations = Annotated[int, typer.Option("--max-evaluations", help="Gradient budget per text.")]
Hold = Annotated[str | None, typer.Option("--hold", metavar="REGEX", help="Hold what matches: its score is exactly 0.", show_default=False)]
Attribute = Annotated[
    str | None,
    typer.Option(
        "--attribute",
        metavar="REGEX",
        help="Attribute only to what matches (or to a region or role by name); the rest is held.",
        show_default=False,
    ),
]
AnchorName = Annotated[
    str | None,
    typer.Option(
        "--anchor",
        metavar="WHICH",
        help="First position of a decoder: first (held), bos (put one in front), none.",
        show_default="first for decoders",
    ),
]
Messages = Annotated[
    Path | None, typer.Option("--messages", metavar="FILE.json", help='A chat: [{"role": "user", "content": "…"}, …].', show_default=False)
]
DeviceMap = Annotated[
    str | None, typer.Option("--device-map", metavar="NAME", help="auto spreads a large model over devices.", show_default=False)
]
FourBit = Annotated[bool, typer.Option("--load-in-4bit", help="Load weights as 4-bit NF4 (extra quant).")]
EightBit = Annotated[bool, typer.Option("--load-in-8bit", help="Load weights as 8-bit integers (extra quant).")]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing-weights", help="Go on when weights are in no file; they are drawn at random.", show_default=False)
]
LayerName = Annotated[
    str | None,
    typer.Option(
        "--layer",
        metavar="WHICH",
        help="Enter the model at a layer: embeddings, a block's number from 0 (−1: the last), or a module's name.",
        show_default="at the word embeddings",
    ),
]
Truncate = Annotated[bool, typer.Option("--truncate", help="Cut a text that is too long instead of stopping.")]
Level = Annotated[By, typer.Option("--by", help="Sum scores by token, word, sentence, or region of a prompt.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="FILE.html a page, .json the record (.jsonl several), .png, .svg or .pdf a figure, .md, .csv or .txt.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the record as JSON instead of a picture.")]
Strict = Annotated[bool, typer.Option("--strict", help=f"Exit with {NOT_CONVERGED} when a result did not converge.")]
Trust = Annotated[bool, typer.Option("--trust", help="Examine the explanation: five checks, in words, below the result.")]
Device = Annotated[str | None, typer.Option("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps.", show_default="the best there is")]
Dtype = Annotated[str | None, typer.Option("--dtype", metavar="NAME", help="float32, float64, bfloat16, float16.", show_default="float32")]


def read_text(text: str) -> str:
    """Return the text itself, or standard input for `-`."""
    if text != "-":
        return text
    try:
        return sys.stdin.read().strip("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"standard input is not readable as text: {error}") from None


def layer_of(given: str | None) -> str | int | None:
    """Return a layer as `lineal.verbs.options.Options` takes it: a number where it is one."""
    return int(given) if given is not None and given.removeprefix("-").isdecimal() and len(given) < 10 else given


def check_trust(trust: bool, layer: str | None) -> None:
    """Raise OptionError where there is nothing to compare with."""
    if trust and layer is not None:
        raise OptionError("--trust examines explanations of words, and --layer explains a layer's states; drop one of the two")


def examined(texts: Sequence[Any], examine: Callable[[Any], Any], quiet: bool = False, names: Sequence[str] = ()) -> list[Any]:
    """Examine each text, print the checks below its name (on standard error if `quiet`), and return them as panels for a page."""
    from lineal.views import trust_panel, trust_text

    with working("Examining the explanation …"):
        found = [examine(text) for text in texts]
    for i, checks in enumerate(found):
        say("\n".join([*names[i : i + 1], trust_text(checks)]), err=quiet)
    return [trust_panel(checks) for checks in found]


def say(text: str, err: bool = False) -> None:
    """Print a line, or several, in which other people's names may stand."""
    typer.echo(visible(text), err=err)


def print_json(document: str) -> None:
    """Print a JSON document so that it means the same in whatever encoding standard output has."""
    typer.echo(encodable(document, sys.stdout.encoding))


def working(what: str) -> Status:
    """Return a context that shows `what` beside a spinner on standard error while it lasts."""
    return Console(stderr=True).status(Text(one_line(what)))


def read_texts(text: str | None, text2: str | None, file: Path | None) -> list[tuple[str, ...]]:
    """Return one tuple of texts, or one per line of a file that is not blank, where a tab parts the two texts of a pair."""
    if (text is None) == (file is None):
        raise OptionError("give a TEXT, or --file FILE with a text in every line; not both, and not neither")
    if file is None:
        return [tuple(read_text(one) for one in (text, text2) if one is not None)]
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--file {file} is not readable as text: {error}") from None
    found = [tuple(line.split("\t")) for line in lines if line.strip()]
    if not found:
        raise InputError(f"--file {file} has no text in it")
    return found


def read_messages(path: Path) -> list[dict[str, str]]:
    """Return the messages of a chat from a JSON file; what is in them is checked by `lineal.prompts.Chat`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"--messages {path} is not readable as JSON: {error}") from None
    if not isinstance(found, list):
        raise InputError(f"--messages {path} holds a {type(found).__name__}; it must be a list of messages")
    return found


def announce_memory(model: Any) -> None:
    """Say on standard error how much memory a language model's explanation will take."""
    from lineal.engine.memory import measure
    from lineal.models.base import GENERATIVE
    from lineal.verbs.prepare import BATCH_TOKENS

    if model.card.kind not in GENERATIVE:
        return
    needed = measure(model)
    tokens = needed.fitting(BATCH_TOKENS.get(model.device.type, 1024))
    there = "" if needed.free is None else f", {needed.free / 1e9:.1f} GB are free"
    typer.echo(f"memory: {needed.weights / 1e9:.2f} GB of weights, about {needed.batch(tokens) / 1e9:.2f} GB per batch{there}", err=True)


def check_out(out: Path | None, *kinds: type[Record], several: bool = False, only: Sequence[str] = ()) -> None:
    """Raise an error before any work when `out` could not be written (see `lineal.views.check`).

    kinds: what the command may return, whichever of them. only: the endings, where they are not those of a record.
    """
    from lineal import views

    if out is not None:
        views.check(out, only or views.endings(*kinds, several=several))


def write_page(path: Path, records: Sequence[Attribution], **how: Any) -> None:
    """Write a page; it appears whole or not at all."""
    from lineal import views

    write_whole(path, views.page(records, **how))


@contextmanager
def written(records: Record | Sequence[Attribution], out: Path | None, by: By, panels: Sequence[Any]) -> Iterator[None]:
    """Write records where asked, whatever becomes of showing them; and show them, whatever becomes of writing."""
    from lineal import views

    done = False
    try:
        if out is not None:
            views.save(records, out, by=by, panels=panels)
            done = True
    finally:
        try:
            yield
        finally:
            if done:
                say(f"written to {out}", err=True)


def deliver(
    records: Attribution | Sequence[Attribution],
    *,
    by: By = "word",
    out: Path | None = None,
    as_json: bool = False,
    strict: bool = False,
    panels: Sequence[Any] = (),
) -> None:
    """Show records on standard output, write them where asked, and exit with NOT_CONVERGED if `strict` calls for it."""
    from lineal import views

    several = [records] if isinstance(records, Attribution) else records
    with written(records, out, by, panels):
        for record in several:
            if as_json:
                print_json(record.to_json(indent=1 if len(several) == 1 else None))
            else:
                Console().print(views.render(record, by=by))
    if strict and not all(record.converged for record in several):
        raise typer.Exit(NOT_CONVERGED)
