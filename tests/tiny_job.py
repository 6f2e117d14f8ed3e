"""A tiny model in a folder and rows in a file, for runs that are ended by force; and a driver to end."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from lineal.jobs import drive
from lineal.jobs.job import Job, job
from lineal.tables.results import read_results
from tests import tiny

WORDS = ["the", "a", "movie", "plot", "acting", "was", "is", "not", "very", "good", "bad", "great", "terrible", "fine", "boring", "fun"]


def model(folder: Path, seed: int = 0) -> str:
    """Write a classifier of three labels; its name is its folder."""
    made = tiny.bert_classifier(seed=seed)
    getattr(made, "module", made).save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)
    return str(folder)


def rows(path: Path, many: int) -> str:
    """Write rows of a few words, some of them equal."""
    with path.open("w", encoding="utf-8") as file:
        for i in range(many):
            text = " ".join(WORDS[(i * 7 + 3 * j) % len(WORDS)] for j in range(3 + i % 5))
            file.write(json.dumps({"text": text, "party": "ab"[i % 2], "number": i}) + "\n")
    return str(path)


def small(folder: Path, many: int = 40, **more: Any) -> Job:
    """Return a job over a few rows."""
    usual: dict[str, Any] = {"model": model(folder / "model"), "input": rows(folder / "rows.jsonl", many), "out": str(folder / "out")}
    return job({**usual, "shard": 8, "workers": 1, "device": "cpu", **more})


def found(folder: str | Path) -> dict[tuple[str, int], tuple[Any, ...]]:
    """Return what stands in a folder, by id; seconds left out. Asserts that no id is there twice."""
    listed = read_results(folder).to_arrow(["file", "row", "kind", "text", "scores", "error", "f_input", "failure", "stops"]).to_pylist()
    by_id = {(row.pop("file"), row.pop("row")): tuple(row.values()) for row in listed}
    assert len(by_id) == len(listed)
    return by_id


if __name__ == "__main__":
    drive.run(job(json.loads(sys.argv[1])))
