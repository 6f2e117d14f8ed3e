"""One family of records: every kind is stored and read back, refused when it contradicts itself, drawn in every medium, and named."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import lineal
from lineal import views
from lineal.cli.main import main
from lineal.errors import OptionError, ResultError
from lineal.metrics.agreement import spearman
from lineal.metrics.curves import GRID
from lineal.records.base import Record
from lineal.records.evaluation import Column
from lineal.records.load import KINDS
from lineal.records.trust import Check
from tests import test_views_interactions, test_views_pairs
from tests.records import HOSTILE, pair_record, pieces_record, sample_records, summary_record

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
        "pair": pair_record(),
        "matches": test_views_pairs.matches(),
        "interactions": test_views_interactions.record(),
        "comparison": lineal.Comparison(records=(samples["converged"], second)),
        "evaluation": evaluation(),
        "trust": trust(),
        "summary": summary_record(),
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


KINDS_WITHOUT_FIGURE = ("trust", "failure")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_in_every_medium(kind: str | None, tmp_path: Path) -> None:
    record = every_kind()[kind]
    wanted = views.endings(type(record))
    assert wanted[:5] == (".html", ".json", ".md", ".csv", ".txt")
    assert (".svg" in wanted) == (kind not in KINDS_WITHOUT_FIGURE)
    for ending in wanted:
        record.save(tmp_path / f"r{ending}")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "onerror=alert(1)>" not in page
    assert (tmp_path / "r.txt").read_text(encoding="utf-8") == views.to_text(record)
    assert (tmp_path / "r.md").read_text(encoding="utf-8") == views.to_markdown(record)
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(views.render(record))
    assert len(console.export_text()) > 20
    for text in (views.to_text(record), views.to_markdown(record), repr(record)):
        assert "\x1b" not in text
    if kind in KINDS_WITHOUT_FIGURE:
        with pytest.raises(OptionError, match="has no figure"):
            views.plot(record)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_three_lines(kind: str | None) -> None:
    record = every_kind()[kind]
    what, finding, trust = repr(record).split("\n")
    assert what.startswith(type(record).__name__)
    assert finding
    assert trust
    assert str(record) == repr(record)
    assert len(what) < 300


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_fragment_in_a_notebook(kind: str | None) -> None:
    shown = every_kind()[kind]._repr_html_()
    assert shown.lstrip().startswith('<div class="lineal"')
    assert "<script" not in shown
    assert "onerror=alert(1)>" not in shown
    assert " id=" not in shown


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_table_of_numbers(kind: str | None, tmp_path: Path) -> None:
    record = every_kind()[kind]
    frame = views.to_dataframe(record)
    read = pd.read_csv(record.save(tmp_path / "r.csv"), keep_default_na=False)
    assert list(read.columns) == list(frame.columns)
    assert len(read) == len(frame) > 0


def test_tables_of_matrices_add_up() -> None:
    pair, joint = every_kind()["pair"], every_kind()["interactions"]
    assert isinstance(pair, lineal.PairAttribution)
    assert isinstance(joint, lineal.Interactions)
    for by in ("word", "token"):
        assert views.to_dataframe(pair, by).score.sum() == pytest.approx(pair.similarity + pair.residual)
        assert views.to_dataframe(joint, by).score.sum() == pytest.approx(joint.attribution.delta[0] + joint.residual)
    beside = 1 if pair.decomposition == "projected" else len(pair.a.tokens) + len(pair.b.tokens) + 1
    assert len(views.to_dataframe(pair, "token")) == pair.matrix.size + beside


def test_a_ranking_as_a_figure_has_parts_that_end_at_the_similarity() -> None:
    matches = every_kind()["matches"]
    assert isinstance(matches, lineal.Matches)
    axes = views.plot_matches(matches).axes[0]
    drawn = list(axes.patches)
    for pair in matches.pairs:
        sums = [pair.matrix.sum(), pair.shared, pair.row_terms.sum(), pair.column_terms.sum(), pair.bias]
        values = [sums[i] for i in ((0, 1) if pair.decomposition == "projected" else (0, 2, 3, 4))]
        values[-1] -= pair.residual
        widths = [float(patch.get_width()) for patch in drawn[: len(values)]]
        np.testing.assert_allclose(widths, np.abs(values), atol=1e-12)
        assert sum(values) == pytest.approx(pair.similarity)
        drawn = drawn[len(values) :]
    assert not drawn


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "failure"])
def test_show_draws_every_kind_again(kind: str | None, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    stored = every_kind()[kind].save(tmp_path / "r.json")
    for more in ([], ["--json"], ["--out", str(tmp_path / "again.html")]):
        with pytest.raises(SystemExit) as stopped:
            main(["show", str(stored), *more])
        assert not stopped.value.code
    assert (tmp_path / "again.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_what_was_examined_stands_once_on_every_view_of_it() -> None:
    found = trust()
    for view in (views.page(found), views.repr_html(found), views.to_text(found), views.to_markdown(found)):
        assert view.count(found.about) == 1


@pytest.mark.parametrize("ending", ["html", "md", "csv", "txt"])
def test_a_stored_failure_is_shown_and_written(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failure = every_kind()["failure"]
    stored = failure.save(tmp_path / "f.json")
    with pytest.raises(SystemExit, match="0"):
        main(["show", str(stored), "--out", str(tmp_path / f"f.{ending}")])
    shown = capsys.readouterr().out
    written = (tmp_path / f"f.{ending}").read_text(encoding="utf-8")
    for said in ("the text is empty", "InputError"):
        assert said.lower() in shown.lower()
        assert said.lower() in written.lower()
    with pytest.raises(SystemExit, match="3"):
        main(["show", str(stored), "--strict"])


def test_the_figure_of_a_comparison_names_every_method_whole() -> None:
    methods = ["ig", "dig-greedy:steps=10:neighbours=5:alternation=true", "smoothgrad-ig[seed=3]:samples=20:noise=0.1"]
    records = tuple(sample_records()["converged"].model_copy(update={"method": method}) for method in methods)
    figure = views.plot_comparison(lineal.Comparison(records=records))
    rows = [label.get_text().replace("\n", "") for label in figure.axes[0].get_yticklabels()]
    assert [row.replace("\u200e", "").rpartition(" (±")[0] for row in rows] == methods
