"""Is the stated error honest where token derivatives jump? ReLU units, max pooling and routers, against integrals refined around the jumps.

    python benchmarks/kinked_models.py --fields kinked.npz --classifier ../shared/models/minilm-movie-sentiment \
        --reviews ../shared/data/movie_reviews/test.tsv --pairs ../shared/data/sts/headlines-2015.tsv

Without the last three only the tiny random models run. `--fields` keeps what is dear: for every case `<case>_P` and `<case>_V` as
`record_fields.py` writes them at 4,097 points, `<case>_T` (tokens,), the integral to compare with, and `<case>_E`, the estimate of its own
error. Where all kinks come from one layer (`tests/kinked.py`) they are found exactly and the field is integrated between them, elsewhere
panels are halved around jumps: Simpson's rule on 4,097 even points can be off by 6e-4 of the mass on a DistilBERT.
Cases that are in the file already are not computed again.

A true error counts as above the stated one, or above the tolerance, only if it is by more than the reference's own error.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import lineal
from lineal.models import TextModel

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.kinked import Ask, Kinked, Reference, real, tiny

TOLERANCES = (3e-2, 1e-2, 1e-3, 3e-4)
HEAD = (
    "model",
    "tol",
    "texts",
    "converged",
    "true > stated",
    "of converged, true > tol",
    "worst true / stated",
    "worst true / tol",
    "gradients",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classifier", help="a BERT classifier whose layers the DistilBERT takes: folder or alias")
    parser.add_argument("--reviews", type=Path, help="TSV file with columns text and label (NEGATIVE, POSITIVE)")
    parser.add_argument("--pairs", type=Path, help="TSV file whose last two columns are two texts")
    parser.add_argument("--fields", type=Path, default=Path("kinked.npz"), help="recordings and references, read and added to")
    parser.add_argument("--tol", type=float, nargs="+", default=TOLERANCES)
    parser.add_argument("--only", nargs="+", default=[], help="models whose names begin with one of these")
    parser.add_argument("--limit", type=int, help="texts per model; all otherwise")
    options = parser.parse_args()
    torch.set_num_threads(1)
    arrays = stored(options.fields)
    print("| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|", flush=True)
    for kind in kinds(options):
        if not options.only or kind.name.startswith(tuple(options.only)):
            model = kind.build()
            asks, references = kind.asks[: options.limit], []
            for i, ask in enumerate(asks):
                case = f"{kind.name}_{i}"
                if f"{case}_T" not in arrays:
                    found, values, derivatives = kind.recorded(model, ask)
                    arrays |= {
                        f"{case}_{key}": array
                        for key, array in zip("VPTE", (values, derivatives, found.value, np.array([found.error])), strict=True)
                    }
                    store(options.fields, arrays)
                references.append(Reference(arrays[f"{case}_T"], float(arrays[f"{case}_E"].item()), 0))
            for tol in options.tol:
                outcomes = [outcome(model, ask, reference, tol) for ask, reference in zip(asks, references, strict=True)]
                print(row(kind.name, tol, outcomes), flush=True)


def kinds(options: argparse.Namespace) -> Iterator[Kinked]:
    """Yield the models that the files allow, the tiny ones first."""
    yield from tiny()
    if options.classifier is None or options.reviews is None or options.pairs is None:
        return
    with options.reviews.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    labelled = [(row["text"], int(row["label"] == "POSITIVE")) for row in rows[:600:2]]
    short = [row["text"] for row in rows[401::2] if 4 <= len(row["text"].split()) <= 9][:36]
    lines = [line.split("\t") for line in options.pairs.read_text(encoding="utf-8").splitlines()]
    source = lineal.load(options.classifier)
    yield from real(
        lineal.load("minilm"), source.network.base_model, source.tokenizer, labelled, short, [line[-2:] for line in lines[5::41]][:12]
    )


def stored(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a file that may not be there yet."""
    if not path.exists():
        return {}
    with np.load(path) as file:
        return dict(file)


def store(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write all arrays, leaving the old file whole until the new one is."""
    partial = path.with_suffix(".partial.npz")
    np.savez_compressed(partial, **arrays)
    os.replace(partial, path)


@dataclass(frozen=True)
class Outcome:
    """Errors of one explanation, relative to the attribution mass. own: the reference's."""

    true: float
    stated: float
    own: float
    converged: bool
    evaluations: int


def outcome(model: TextModel, ask: Ask, reference: Reference, tol: float) -> Outcome:
    """Explain one text and compare."""
    text, target, baseline = ask
    record = lineal.explain(model, text, target, baseline=baseline, tol=tol)
    mass = float(np.abs(reference.value).sum())
    true = float(np.abs(record.scores[0] - reference.value).sum())
    return Outcome(true / mass, float(record.error[0]) / mass, reference.error / mass, record.stops[0].converged, record.evaluations)


def row(name: str, tol: float, found: list[Outcome]) -> str:
    """Return one line of the table."""
    converged = [o for o in found if o.converged]
    cells = [
        name,
        f"{tol:g}",
        f"{len(found)}",
        f"{len(converged)}",
        f"{sum(o.true - o.own > o.stated for o in found)}",
        f"{sum(o.true - o.own > tol for o in converged)}",
        f"{max(o.true / o.stated for o in found):.2f}",
        f"{max(o.true / tol for o in converged):.2f}" if converged else "",
        f"{np.mean([o.evaluations for o in found]):.0f} ({max(o.evaluations for o in found)})",
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
