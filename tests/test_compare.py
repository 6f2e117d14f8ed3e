"""Methods side by side: the same text and target in every record, and a page that says who promises what."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import lineal
from lineal import views
from lineal.cli.main import main
from lineal.errors import OptionError, ResultError
from lineal.views import plot_evaluation
from lineal.views import to_csv as evaluation_csv
from lineal.views.comparison.words import agreement
from lineal.views.evaluation.table import evaluation_markdown
from lineal.views.parts.heat import heat
from tests import fakes, records, tiny

TEXT = "the film a glorious mess of tepid good"
METHODS = ["ig", "dig-greedy:steps=3:neighbours=5", "saliency", "random"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAL_CACHE", str(tmp_path / "cache"))


def test_a_comparison_asks_every_method_the_same_question() -> None:
    model = fakes.FakeModel(fakes.smooth)
    found = lineal.compare(model, TEXT, "label:yes", methods=METHODS, baseline="pad", tol=0.001)
    assert [record.method for record in found] == METHODS
    for record in found:
        alone = lineal.explain(model, TEXT, "label:yes", method=record.method, baseline="pad", tol=0.001)
        np.testing.assert_allclose(record.scores, alone.scores, atol=1e-12)
        assert record.f_input == found[0].f_input


def test_a_comparison_is_one_record_of_many(tmp_path: Path) -> None:
    found = lineal.compare(fakes.FakeModel(fakes.smooth), TEXT, "label:yes", methods=METHODS)
    assert isinstance(found, lineal.Comparison)
    assert (len(found), tuple(found), found[1], found[-1]) == (4, found.records, found.records[1], found.records[3])
    assert lineal.load_result(found.save(tmp_path / "c.json")) == found
    assert views.page(found) == views.comparison_page(found) == views.comparison_page(found.records)


def test_what_a_model_draws_is_drawn_once_and_explained_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    model = lineal.load(tiny.llama(), tiny.tokenizer(decoder=True))
    said: list[tuple[int, ...]] = []
    generate = type(model).generate
    monkeypatch.setattr(type(model), "generate", lambda *given, **how: (said.append(generate(*given, **how)), said[-1])[1])
    torch.manual_seed(3)
    found = lineal.compare(model, "the man works as", methods=["ig", "saliency"], max_new_tokens=4, do_sample=True, temperature=5.0)
    assert len(said) == 1
    assert [record.targets for record in found] == [found[0].targets] * 2
    assert found[0].steps == len(said[0])


def test_the_page_shows_each_method_its_promise_and_one_scale() -> None:
    found = lineal.compare(fakes.FakeModel(fakes.smooth), TEXT, "label:yes", methods=METHODS)
    page = views.comparison_page(found)
    for text in (*METHODS, "no sum promised", "converged", "Do they agree?", "These scores are random numbers"):
        assert text in page
    scales = [line for line in page.splitlines() if "full colour" in line]
    assert scales[0] == scales[1]


def test_a_generation_shows_matrices() -> None:
    model = lineal.load(tiny.llama(), tiny.tokenizer(decoder=True))
    found = lineal.compare(model, "the man works as", methods=["ig", "dig-maxcount:steps=3:neighbours=5"], continuation=" a doctor")
    assert all(record.scores.shape == (2, len(found[0].tokens)) for record in found)
    assert views.comparison_page(found).count('<table class="matrix" data-walk>') == 2


def test_hostile_text_stays_text() -> None:
    record = records.make_record([records.HOSTILE], ["a", "b", "c"], [(0, 9), (9, 30), (30, 60)], [[1.0, -2.0, 0.5]])
    page = views.comparison_page([record, record])
    assert "<img" not in page
    assert page.count("<script") == page.count("</script>") == 2, "the page's own"


def test_agreement_of_reversed_scores_is_minus_one() -> None:
    record = records.make_record(["a b c"], ["a", "b", "c"], [(0, 1), (2, 3), (4, 5)], [[1.0, -2.0, 0.5]])
    reverse = record.model_copy(update={"scores": -record.scores})
    assert agreement([record, reverse]) == [[pytest.approx(1.0), pytest.approx(-1.0)], [pytest.approx(-1.0), pytest.approx(1.0)]]


def test_agreement_of_matrices_leaves_out_what_no_row_sees() -> None:
    a = records.make_record(["a b c"], ["a", "b", "c"], [(0, 1), (2, 3), (4, 5)], [[3.0, 0.0, 0.0], [1.0, 2.0, 0.0]])
    b = a.model_copy(update={"scores": np.array([[30.0, 0.0, 0.0], [1.0, 20.0, 0.0]])})
    c = a.model_copy(update={"scores": np.array([[1.0, 0.0, 0.0], [3.0, 2.0, 0.0]])})
    assert agreement([a, b, c], None)[0] == [pytest.approx(1.0), pytest.approx(1.0), pytest.approx(-1.0)]


def test_wide_matrices_beside_one_another_have_the_same_columns() -> None:
    words = [f"w{i}" for i in range(90)]
    spans = [(4 * i, 4 * i + 3) for i in range(90)]
    rising = np.arange(90.0) + 1
    a = records.make_record([" ".join(f"{word:3}" for word in words)], words, spans, [rising, rising])
    b = a.model_copy(update={"scores": 1000 * a.scores[:, ::-1]})
    columns = [heat(one, (0, 1), beside=(a, b)) for one in (a, b)]
    assert columns[0].labels == columns[1].labels
    assert {"w0", "w89"} <= set(columns[0].labels)
    assert columns[1].values.sum() == pytest.approx(b.scores.sum())


def test_a_small_matrix_shows_its_numbers_and_sums() -> None:
    a = records.make_record(["a b c"], ["a", "b", "c"], [(0, 1), (2, 3), (4, 5)], [[3.25, 0.0, 0.0], [1.0, -2.0, 0.0]])
    page = views.comparison_page([a, a])
    for shown in (">+3.2<", ">−2.0<", ">−1.0<", "one colour scale"):
        assert shown in page
    assert page.count("<td></td>") == 2 * 3


def test_what_cannot_be_compared_is_an_error() -> None:
    model = fakes.FakeModel(fakes.linear)
    with pytest.raises(OptionError):
        lineal.compare(model, TEXT, methods=[])
    with pytest.raises(OptionError):
        lineal.compare(model, TEXT, methods="ig")
    one, other = (lineal.explain(model, text, "label:yes") for text in (TEXT, "a good film"))
    with pytest.raises(ResultError):
        views.comparison_page([one, other])
    with pytest.raises(ResultError):
        views.comparison_page([])


def test_an_evaluation_as_tables_and_a_figure() -> None:
    texts = [TEXT, "a good film of the mess", "bad bad film not good"]
    found = lineal.evaluate(fakes.FakeModel(fakes.smooth), texts, "label:yes", methods=["ig", "random"], baselines=["mask", "pad"])
    table, lines = evaluation_markdown(found), evaluation_csv(found).splitlines()
    assert "| ig, mask |" in table
    assert "no sum promised" in table
    assert len(lines) == 1 + 3 * 2 * len(found.metrics)
    assert len(plot_evaluation(found).axes) == 2


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str], shared: Path) -> None:
    model = str(shared / "models" / "minilm-movie-sentiment")
    page, folder = tmp_path / "page.html", tmp_path / "out"
    with pytest.raises(SystemExit, match="0"):
        main(["compare", model, "A tepid mess.", "--methods", "ig,occlusion,random", "--out", str(page)])
    assert "occlusion" in capsys.readouterr().out
    assert "A tepid mess" in page.read_text(encoding="utf-8") or "tepid" in page.read_text(encoding="utf-8")
    stored = tmp_path / "c.json"
    with pytest.raises(SystemExit, match="0"):
        main(["compare", model, "A tepid mess.", "--methods", "ig,random", "--hold", "mess", "--json", "--out", str(stored)])
    found = lineal.load_result(stored)
    assert found.to_dict() == json.loads(capsys.readouterr().out)
    assert [record.method for record in found.records][1].startswith("random")
    assert all("held" in record.roles for record in found.records)
    texts = tmp_path / "texts.tsv"
    texts.write_text("label\ttext\nx\tA tepid mess.\nx\tA good film.\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="0"):
        main(["evaluate", model, str(texts), "--skip", "1", "--methods", "occlusion,random", "--metrics", "log_odds", "--out", str(folder)])
    names = {"evaluation.json", "evaluation.html", "table.md", "table.csv", "values.json", "curves.png", "records.jsonl"}
    assert {path.name for path in folder.iterdir()} == names
    found = lineal.load_result(folder / "evaluation.json")
    assert views.to_csv(found) == (folder / "table.csv").read_text(encoding="utf-8")
    assert len((folder / "records.jsonl").read_text(encoding="utf-8").splitlines()) == 4
