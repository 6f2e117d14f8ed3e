"""`lineal pair`, `lineal match` and `lineal show` for what they write, through the front door."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import lineal
from lineal.cli.main import main
from tests import tiny
from tests.test_pairs import LONG, A, B, encoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = tmp_path_factory.mktemp("encoder")
    encoder().save(str(made))
    return str(made)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        main(arguments)
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_a_pair_is_shown_written_and_shown_again(folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "pair", folder, A, B, "--tol", "0.05", "--out", str(tmp_path / "pair.json"))
    assert code == 0, err
    assert "word × word" in out
    record = lineal.load_result(tmp_path / "pair.json")
    assert isinstance(record, lineal.PairAttribution)
    for name in ("pair.html", "pair.png", "pair.svg"):
        code, shown, err = run(capsys, "show", str(tmp_path / "pair.json"), "--out", str(tmp_path / name))
        assert code == 0, err
        assert shown == out
        assert (tmp_path / name).stat().st_size > 5000


def test_matches_are_ranked_and_written(folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "documents.txt").write_text(f"{LONG}\n\n{B}\n{A}\n", encoding="utf-8")
    documents = ("--documents", str(tmp_path / "documents.txt"))
    code, out, err = run(capsys, "match", folder, B, *documents, "--top", "2", "--rule", "gauss:5", "--json")
    assert code == 0, err
    assert json.loads(out)["order"][0] == 1
    code, out, err = run(capsys, "match", folder, B, *documents, "--top", "1", "--rule", "gauss:5", "--out", str(tmp_path / "m.html"))
    assert code == 0, err
    assert "not explained" in out
    assert (tmp_path / "m.html").read_text(encoding="utf-8").count("<article") == 1


def test_a_cross_encoder_scores_both_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny.bert_classifier().save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    code, out, err = run(capsys, "pair", str(tmp_path), "a tepid film", "a glorious mess", "--json", "--rule", "gauss:4")
    assert code == 0, err
    found = json.loads(out)
    assert found["texts"] == ["a tepid film", "a glorious mess"]
    assert {0, 1} <= set(found["segments"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("pair", "{folder}", A, " "), "empty"),
        (("pair", "{folder}", A, B, "--out", "x.txt"), ".png"),
        (("match", "{folder}", A, "--documents", "/nowhere.txt"), "cannot be read"),
    ],
)
def test_mistakes_are_one_line_and_exit_with_2(
    folder: str, arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, *(argument.format(folder=folder) for argument in arguments))
    assert code == 2
    assert words in err
