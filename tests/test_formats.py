"""What the ending of a file's name stands for: every view by its name, unknown endings refused, extras and places looked at first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import lineal
from lineal import views
from lineal.cli.main import main
from lineal.errors import MissingExtraError, OptionError, ResultError
from lineal.records.base import nulls
from tests import test_views_interactions, test_views_pairs, tiny
from tests.records import pair_record, sample_records

RECORDS = {
    "one output": sample_records()["converged"],
    "several": sample_records()["labels"],
    "two texts": sample_records()["two_texts"],
    "pair": pair_record(),
    "matches": test_views_pairs.matches(),
    "interactions": test_views_interactions.record(),
}
BEGINS = {
    ".html": b"<!doctype html>",
    ".json": b"{",
    ".png": b"\x89PNG",
    ".svg": b"<?xml",
    ".pdf": b"%PDF",
    ".csv": b"result,target",
    ".md": b"\xe2\x9c\x93",
    ".txt": b"",
}
OTHERS = {
    ".csv": {"pair": b"part,i,j,a,b,score", "matches": b"rank,document,similarity", "interactions": b"i,j,word,with,score"},
    ".md": {"pair": b"## PairAttribution", "matches": b"## Matches", "interactions": b"## Interactions"},
}


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in arguments])
    return int(stopped.value.code or 0)


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.slow
def test_every_ending_of_a_kind_writes_what_it_names_from_python_and_by_show(name: str, tmp_path: Path) -> None:
    record = RECORDS[name]
    stored = record.save(tmp_path / "r.json")
    assert lineal.load_result(stored) == record
    wanted = views.endings(type(record))
    assert wanted == (".html", ".json", ".md", ".csv", ".txt", ".png", ".svg", ".pdf")
    for ending in wanted:
        a, b = record.save(tmp_path / f"a{ending}"), tmp_path / f"b{ending.upper()}"
        assert run("show", stored, "--out", b) == 0
        assert a.read_bytes() == b.read_bytes()
        begins = OTHERS.get(ending, {}).get(name, BEGINS[ending])
        assert a.read_bytes().lower().startswith(begins.lower())
    assert len(list(tmp_path.iterdir())) == 1 + 2 * len(wanted)


@pytest.mark.parametrize("name", RECORDS)
def test_an_unknown_ending_is_refused_with_the_list(name: str, tmp_path: Path) -> None:
    for unknown in ("r", "r.doc", "r.jsonl"):
        with pytest.raises(OptionError, match=r"give a name ending in \.html, \.json, "):
            RECORDS[name].save(tmp_path / unknown)
    assert list(tmp_path.iterdir()) == []


def test_what_is_saved_as_a_page_is_a_page(tmp_path: Path) -> None:
    assert RECORDS["one output"].save(tmp_path / "r.html").read_text(encoding="utf-8") == views.page(RECORDS["one output"])


def test_figures_without_matplotlib_are_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    stored = RECORDS["pair"].save(tmp_path / "r.json")
    with pytest.raises(MissingExtraError, match="lineal\\[plot\\]"):
        RECORDS["pair"].save(tmp_path / "r.png")
    assert run("show", stored, "--out", tmp_path / "r.png") == 2
    for command in (("pair", "no-such-model", "a", "b"), ("explain", "no-such-model", "a"), ("interactions", "no-such-model", "a")):
        assert run(*command, "--out", tmp_path / "x.svg") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize(
    "command",
    [
        ("explain", "no-such-model", "a text"),
        ("generate", "no-such-model", "a text"),
        ("pair", "no-such-model", "a", "b"),
        ("interactions", "no-such-model", "a"),
        ("compare", "no-such-model", "a"),
        ("demo",),
    ],
)
def test_places_that_cannot_be_written_are_found_before_the_work(
    command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "folder.html").mkdir()
    for out, says in (("no/r.html", "there is no folder"), ("folder.html", "is a folder"), ("r.xyz", "ends in .xyz")):
        assert run(*command, "--out", tmp_path / out) == 2
        assert says in capsys.readouterr().err


def test_folders_that_cannot_be_are_found_before_the_work(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "file").write_text("label\ttext\na\tb\n", encoding="utf-8")
    for command in (("evaluate", "no-such-model", tmp_path / "file"), ("probe", tmp_path / "file", "--encoder", "no-such-model")):
        assert run(*command, "--out", tmp_path / "file") == 2
        assert "is no folder" in capsys.readouterr().err


def test_results_of_a_file_are_read_back_one_by_one(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    several = [record for record in RECORDS.values() if isinstance(record, lineal.Attribution)]
    path = views.save(several, tmp_path / "r.jsonl")
    assert list(lineal.load_results(path)) == several
    assert run("show", path, "--json") == 0
    assert [lineal.Attribution.from_dict(json.loads(line)) for line in capsys.readouterr().out.splitlines()] == several
    for ending in (".html", ".csv", ".md", ".txt"):
        assert run("show", path, "--out", tmp_path / f"all{ending}") == 0
    with path.open("a", encoding="utf-8") as file:
        file.write('\n{"schema": 1, "scores": \n')
    lazy = lineal.load_results(path)
    assert [next(lazy) for _ in several] == several
    with pytest.raises(ResultError, match=r"r\.jsonl, line 5 is not readable as JSON"):
        next(lazy)
    with pytest.raises(ResultError, match="there is no file"):
        lineal.load_results(tmp_path / "no.jsonl")


def test_the_demo_writes_what_it_could_ask_and_names_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def explain(model: str, *asked: object) -> lineal.Attribution:
        if model == "smollm2":
            raise MissingExtraError("reading <x>.gguf needs the extra 'gguf'")
        return RECORDS["one output"]

    monkeypatch.setattr(lineal, "explain", explain, raising=False)
    monkeypatch.setattr(lineal, "load", lambda name: name, raising=False)
    assert run("demo", "--out", tmp_path / "demo.html") == 0
    page = (tmp_path / "demo.html").read_text(encoding="utf-8")
    assert page.count("<article") == 3
    assert "Left out: Which words of the prompt suggest the next one? reading &lt;x&gt;.gguf needs the extra" in page
    assert "needs the extra 'gguf'" in capsys.readouterr().err


def test_numbers_that_json_has_no_word_for_become_null_and_words_stay() -> None:
    rows = [{"method": "NaN of Infinity", "mean": float("nan"), "low": float("-inf"), "texts": 3, "high": (float("inf"), None)}]
    assert nulls(rows) == [{"method": "NaN of Infinity", "mean": None, "low": None, "texts": 3, "high": [None, None]}]


def test_an_evaluation_is_written_as_plain_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.bert_classifier().save_pretrained(tmp_path / "NaN")
    tiny.tokenizer().save_pretrained(tmp_path / "NaN")
    (tmp_path / "texts.txt").write_text("a good film\na tepid movie\n", encoding="utf-8")
    spoilt = {"method": "Infinity, NaN", "mean": float("inf"), "low": float("nan")}
    monkeypatch.setattr("lineal.views.evaluation.table.evaluation_rows", lambda found: [spoilt])
    command = ("evaluate", tmp_path / "NaN", tmp_path / "texts.txt", "--methods", "random", "--metrics", "lds", "--device", "cpu")
    assert run(*command, "--out", tmp_path / "out") == 0
    written = (tmp_path / "out" / "values.json").read_text(encoding="utf-8")
    assert json.loads(written, parse_constant=pytest.fail) == [{"method": "Infinity, NaN", "mean": None, "low": None}]
