"""Is the stated error honest? True token error against a dense reference, text by text, on the movie-review classifier.

    python benchmarks/calibrate.py --model ../shared/models/minilm-movie-sentiment --texts ../shared/data/movie_reviews/test.tsv

Each text is explained with the defaults and with a Gauss-Legendre rule of `--reference` points. Finished texts are appended to `--log`,
so that a run that was interrupted goes on where it stopped. Prints the share of texts whose true L1 error stays within the stated error,
the median of stated / true, and the gradients spent.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import torch

import lineal
from lineal import Attribution


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="classifier to explain: folder or alias")
    parser.add_argument("--texts", type=Path, required=True, help="TSV file with a column named text")
    parser.add_argument("--limit", type=int, default=300, help="texts, from the top of the file")
    parser.add_argument("--tol", type=float, default=0.01)
    parser.add_argument("--reference", type=int, default=400, help="Gauss-Legendre points of the reference")
    parser.add_argument("--log", type=Path, default=Path("calibration.jsonl"), help="one line per finished text")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = _finished(options.log)
    todo = [text for text in _texts(options.texts, options.limit) if (text, options.reference, options.tol) not in rows]
    for row in _measured(options, todo):
        rows[row["text"], row["reference"], row["tol"]] = row
    wanted = [row for key, row in rows.items() if key[1:] == (options.reference, options.tol)]
    print(table(wanted, options))


def _measured(options: argparse.Namespace, texts: list[str]) -> list[dict]:
    """Explain texts twice and log a line each."""
    model = lineal.load(options.model)
    done = []
    with options.log.open("a", encoding="utf-8") as log:
        for i in range(0, len(texts), 16):
            block = texts[i : i + 16]
            ours = lineal.explain_many(model, block, tol=options.tol)
            reference = lineal.explain_many(model, block, rule=f"gauss:{options.reference}")
            for record, truth in zip(list(ours), reference, strict=True):
                done.append(compared(record, truth, options))
                log.write(json.dumps(done[-1], ensure_ascii=False) + "\n")
                log.flush()
    return done


def compared(record: Attribution, truth: Attribution, options: argparse.Namespace) -> dict:
    """Return the errors of one text, relative to its attribution mass."""
    mass = float(truth.mass[0])
    return {
        "text": record.text,
        "reference": options.reference,
        "tol": options.tol,
        "true": float(np.abs(record.scores - truth.scores).sum()) / mass,
        "stated": float(record.error[0]) / mass,
        "residual": float(record.residual[0]) / mass,
        "reference_residual": float(truth.residual[0]) / mass,
        "evaluations": record.evaluations,
        "converged": record.converged,
    }


def table(rows: list[dict], options: argparse.Namespace) -> str:
    """Return the summary as Markdown."""
    column = {name: np.array([row[name] for row in rows]) for name in ("true", "stated", "evaluations", "converged", "reference_residual")}
    lines = {
        "texts": f"{len(rows)}",
        "converged": f"{column['converged'].mean():.1%}",
        "true error within the stated error": f"{(column['true'] <= column['stated']).mean():.1%}",
        f"true error within tol = {options.tol:g}": f"{(column['true'] <= options.tol).mean():.1%}",
        "stated / true, median": f"{np.median(column['stated'] / column['true']):.1f}",
        "true error, median and largest": f"{np.median(column['true']):.1e}, {column['true'].max():.1e}",
        "gradients, mean, 95th percentile and largest": ", ".join(
            f"{f(column['evaluations']):.4g}" for f in (np.mean, lambda n: np.quantile(n, 0.95), np.max)
        ),
        f"|residual| of the {options.reference}-point reference, largest": f"{np.abs(column['reference_residual']).max():.1e}",
    }
    return "\n".join(["| errors relative to Σ|A| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in lines.items())])


def _texts(path: Path, limit: int) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)][:limit]


def _finished(log: Path) -> dict[tuple, dict]:
    if not log.is_file():
        return {}
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return {(row["text"], row["reference"], row["tol"]): row for row in rows}


if __name__ == "__main__":
    main()
