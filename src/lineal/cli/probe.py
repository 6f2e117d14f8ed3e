"""`lineal probe FILE.tsv`: train a linear classifier on sentence embeddings, ready to be explained."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer

from lineal.cli import options
from lineal.cli.console import say
from lineal.errors import InputError, OptionError
from lineal.files import check_folder


@options.takes_groups
def probe(
    sentences: Annotated[
        Path, typer.Argument(metavar="FILE.tsv", help="Tab-separated, with a header row naming the columns label and text.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the probe goes; explain it by this folder's name.")],
    encoder: Annotated[str, typer.Option("--encoder", metavar="MODEL", help="The sentence encoder below it.")] = "minilm",
    test: Annotated[
        Path | None, typer.Option("--test", metavar="FILE.tsv", help="Report the accuracy on this file.", show_default=False)
    ] = None,
    *,
    loading: options.Loading,
) -> None:
    """Fit a logistic regression on sentence embeddings and save it as a folder that `lineal explain` takes as MODEL."""
    from lineal.models.encoder import SentenceEncoder
    from lineal.models.probe import LinearProbe, accuracy, fit_probe, save_probe

    labels, texts = _rows(sentences)
    held_out = None if test is None else _rows(test)
    check_folder(out)
    base = loading.load(encoder, task="sentence-similarity")
    if not isinstance(base, SentenceEncoder):
        raise OptionError(f"{encoder} is of kind {base.card.kind}; a probe needs a sentence encoder")
    weights, bias, names = fit_probe(base, texts, labels)
    save_probe(out, weights, bias, names, encoder)
    say(f"{len(texts)} sentences, labels {', '.join(names)}; written to {out}")
    if held_out is not None:
        share = accuracy(LinearProbe(base, weights, bias, names), held_out[1], held_out[0])
        say(f"accuracy on {len(held_out[1])} texts of {test}: {share:.1%}")


def _rows(path: Path) -> tuple[list[str], list[str]]:
    """Return (labels, texts); InputError names the file and line that is broken."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not readable: {error}") from None
    if not rows or not {"label", "text"} <= set(rows[0]):
        raise InputError(f"{path} needs a header row with the columns label and text, and rows below it")
    for number, row in enumerate(rows, start=2):
        if not row["label"] or not row["text"]:
            raise InputError(f"{path}, line {number}: label or text is missing")
    return [row["label"] for row in rows], [row["text"] for row in rows]
