"""One family of records: every kind is stored and read back, refused when it contradicts itself, drawn in every medium, and named."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lineal
from lineal.errors import ResultError
from lineal.metrics.agreement import spearman
from lineal.metrics.curves import GRID
from lineal.records.base import Record
from lineal.records.evaluation import Column
from lineal.records.load import KINDS
from lineal.records.trust import Check
from tests import test_views_interactions, test_views_pairs
from tests.records import HOSTILE, pieces_record, sample_records

A, B = (0.2, -1.0, 0.4, 0.1), (0.3, -0.5, 0.1, 0.2)


def trust(**changes: Any) -> lineal.Trust:
    checks = (
        Check("Do the scores add up?", "good", "Yes.", 0.01, {"sum of scores": (1.0,), "F(text) − F(baseline)": (1.01,)}),
        Check("Would another method say the same?", "good", "Yes.", spearman(np.array(A), np.array(B)), {"this explanation": A, "it": B}),
        Check("Does it depend on the model?", "unknown", "This could not be examined.", float("nan"), {}),
    )
    return lineal.Trust(**{"text": HOSTILE, "target": "POSITIVE", "checks": checks, "about": "Examined: one of two."} | changes)


def evaluation(**changes: Any) -> lineal.Evaluation:
    """Two methods on three texts, with a metric that has no number for one of them."""
    rng = np.random.default_rng(0)
    texts = ("A good film.", "A tepid, unsurprising film.", HOSTILE)
    records = tuple(tuple(pieces_record(text, seed=i + 7 * c) for i, text in enumerate(texts)) for c in range(2))
    values = rng.random((2, 2, 2, 3))
    values[1, :, 1, 2] = np.nan
    fields: dict[str, Any] = {
        "model": "lineal-tiny/sentiment",
        "target": "logit",
        "columns": (Column("ig", "[MASK]"), Column("random", None)),
        "removals": ("delete", "replace:mask"),
        "metrics": ("comprehensiveness", "lds"),
        "values": values,
        "without": rng.random((2, 2, 3, len(GRID))),
        "only": rng.random((2, 2, 3, len(GRID))),
        "records": records,
        "seconds": [sum(record.seconds for record in column) for column in records],
        "gradients": [sum(record.evaluations for record in column) for column in records],
        "skipped": ("'': there is no token",),
    }
    return lineal.Evaluation(**fields | changes)


@cache
def every_kind() -> dict[str | None, Record]:
    """Return a record of every kind there is."""
    samples = sample_records()
    second = samples["converged"].model_copy(update={"method": "occlusion", "scores": samples["converged"].scores * 0.9, "adds_up": False})
    return {
        None: samples["converged"],
        "pair": test_views_pairs.record(),
        "matches": test_views_pairs.matches(),
        "interactions": test_views_interactions.record(),
        "comparison": lineal.Comparison(records=(samples["converged"], second)),
        "evaluation": evaluation(),
        "trust": trust(),
        "failure": lineal.Failure(row=3, text=HOSTILE, error="InputError", message="the text is empty"),
    }


def test_there_is_a_record_of_every_kind() -> None:
    assert {kind: type(record) for kind, record in every_kind().items()} == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_stored_and_read_back(kind: str | None, tmp_path: Path) -> None:
    record = every_kind()[kind]
    path = record.save(tmp_path / "r.json")
    assert lineal.load_result(path) == record
    assert type(lineal.load_result(path)) is type(record)
    json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    data = record.to_dict() | {"unheard": 1}
    with pytest.raises(ResultError, match="unheard"):
        type(record).from_dict(data)


@pytest.mark.parametrize(
    ("record", "change", "says"),
    [
        (evaluation(), {"seconds": [9.0, 9.0]}, r"seconds\[0\] is 9, but those of its records add up to 2.52"),
        (evaluation(), {"without": np.full((2, 2, 3, len(GRID)), 1.5).tolist()}, "without holds 1.5, which is no probability"),
        (evaluation(), {"values": [[[[0.0]]]]}, r"values has shape \(1, 1, 1, 1\)"),
        (evaluation(), {"metrics": ["comprehensiveness", "charm"]}, "unknown metric 'charm'"),
        (evaluation(), {"records": []}, "there is no column"),
        (trust(), {"checks": []}, "at least 1"),
        (
            trust(),
            {"checks": [{"question": "Q?", "verdict": "good", "sentence": "", "value": 0.9, "lines": {"this model": A, "other": A[::-1]}}]},
            r"checks\[0\] has the rank correlation 0.9, but that of its lines is ",
        ),
        (
            trust(),
            {"checks": [{"question": "Q?", "verdict": "good", "sentence": "", "value": 0.9, "lines": {"a": [1.0], "b": []}}]},
            "there are two of equal length",
        ),
        (every_kind()["comparison"], {"records": []}, "nothing to compare"),
    ],
)
def test_what_contradicts_itself_is_refused_with_its_name(record: Record, change: dict[str, Any], says: str) -> None:
    with pytest.raises(ResultError, match=says):
        type(record).from_dict(record.to_dict() | change)


def test_an_evaluation_of_other_texts_in_other_columns_is_refused() -> None:
    data = evaluation().to_dict()
    data["records"][1] = [data["records"][1][i] for i in (1, 0, 2)]
    with pytest.raises(ResultError, match=r"records\[1\]\[0\] is of another text than records\[0\]\[0\]"):
        lineal.Evaluation.from_dict(data)
    data = evaluation().to_dict()
    data["records"][0][1]["scores"][0][1] += 5.0
    with pytest.raises(ResultError, match=r"of records\[0\]\[1\], scores miss"):
        lineal.Evaluation.from_dict(data)
