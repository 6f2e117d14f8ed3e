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


def test_the_decomposition_is_chosen_on_the_command_line(folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "documents.txt").write_text(f"{B}\n{A}\n", encoding="utf-8")
    commands = {"pair": (folder, A, B), "match": (folder, A, "--documents", str(tmp_path / "documents.txt"))}
    for name, arguments in commands.items():
        for how in ("projected", "four"):
            code, out, err = run(capsys, name, *arguments, "--rule", "gauss:4", "--json", "--decomposition", how)
            assert code == 0, err
            pair = json.loads(out) if name == "pair" else json.loads(out)["pairs"][0]
            assert pair["decomposition"] == how
            assert (pair["bias"] == 0) == (how == "projected") == (pair["shared"] != 0)
    code, out, _ = run(capsys, "pair", *commands["pair"], "--rule", "gauss:4", "--decomposition", "four")
    assert code == 0
    assert "words of text 1 alone" in out


def test_trust_stands_on_the_page_of_a_pair(folder: str, reader: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for model, question in ((folder, "Do the parts add up?"), (reader, "Do the scores add up?")):
        texts = (A, B) if model == folder else ("a tepid film", "a glorious mess")
        code, out, err = run(capsys, "pair", model, *texts, "--rule", "gauss:4", "--trust", "--out", str(tmp_path / "pair.html"))
        assert code == 0, err
        assert question in out
        assert (tmp_path / "pair.html").read_text(encoding="utf-8").count('class="trust"') == 1


def test_trust_stands_below_every_match_and_below_interactions(
    folder: str, reader: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    documents, page = tmp_path / "documents.txt", tmp_path / "page.html"
    documents.write_text(f"{B}\n{A}\n{B} {A}\n", encoding="utf-8")
    how = ("--rule", "gauss:4", "--trust", "--out", str(page))
    code, out, err = run(capsys, "match", folder, A, "--documents", str(documents), "--top", "2", *how)
    assert code == 0, err
    assert out.count("Do the parts add up?") == 2
    assert "document 2" in out
    assert page.read_text(encoding="utf-8").count('class="trust"') == 2
    code, out, err = run(capsys, "interactions", reader, "a tepid film", "a glorious mess", *how)
    assert code == 0, err
    assert out.count("Do the scores add up?") == 1
    assert page.read_text(encoding="utf-8").count('class="trust"') == 1


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


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = tmp_path_factory.mktemp("reader")
    tiny.bert_classifier().save_pretrained(made)
    tiny.tokenizer().save_pretrained(made)
    return str(made)


def test_a_cross_encoder_scores_both_texts_and_is_shown_again(reader: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = ("a tepid film", "a glorious mess")
    code, out, err = run(capsys, "pair", reader, *texts, "--target", "label:L1", "--out", str(tmp_path / "x.json"), "--tol", "0.05")
    assert code == 0, err
    assert "words of text 2" in out
    record = lineal.load_result(tmp_path / "x.json")
    assert record.texts == texts
    assert record.targets == ("L1",)
    assert {0, 1} <= set(record.segments)
    for name in ("x.html", "x.png", "x.svg"):
        code, shown, err = run(capsys, "show", str(tmp_path / "x.json"), "--out", str(tmp_path / name))
        assert code == 0, err
        assert shown == out
        assert (tmp_path / name).stat().st_size > 5000
    assert "How the answer adds up" in (tmp_path / "x.html").read_text(encoding="utf-8")


def test_interactions_are_shown_written_and_shown_again(reader: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored = str(tmp_path / "i.json")
    code, out, err = run(capsys, "interactions", reader, "not a good film", "--target", "label:L1", "--tol", "0.05", "--out", stored)
    assert code == 0, err
    assert "pairs of words" in out
    assert isinstance(lineal.load_result(stored), lineal.Interactions)
    for name in ("i.html", "i.png", "i.svg"):
        code, shown, err = run(capsys, "show", stored, "--out", str(tmp_path / name))
        assert code == 0, err
        assert shown == out
        assert (tmp_path / name).stat().st_size > 5000
    code, out, err = run(capsys, "interactions", reader, "a good film", "a bad film", "--tol", "0.05", "--json")
    assert code == 0, err
    assert json.loads(out)["attribution"]["texts"] == ["a good film", "a bad film"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("pair", "{reader}", "a", "the", "--similarity", "dot"), "for sentence encoders"),
        (("pair", "{reader}", "a", "the", "--decomposition", "four"), "for sentence encoders"),
        (("pair", "{folder}", A, B, "--target", "label:L1"), "for classifiers of pairs"),
        (("match", "{folder}", A, "--documents", __file__, "--out", "m.doc"), ".json"),
        (("interactions", "{reader}", "a film", "--target", "labels"), "one output"),
        (("interactions", "{reader}", "a film", "--out", "i.doc"), ".svg"),
    ],
)
def test_what_does_not_fit_is_one_line(
    arguments: tuple[str, ...], words: str, folder: str, reader: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, *(argument.format(folder=folder, reader=reader) for argument in arguments))
    assert code == 2
    assert words in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("pair", "{folder}", A, " "), "empty"),
        (("pair", "{folder}", A, B, "--out", "x.doc"), ".png"),
        (("match", "{folder}", A, "--documents", "/nowhere.txt"), "is not readable as text"),
    ],
)
def test_mistakes_are_one_line_and_exit_with_2(
    folder: str, arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, *(argument.format(folder=folder) for argument in arguments))
    assert code == 2
    assert words in err


@pytest.mark.parametrize("option", [("--hold", "x"), ("--layer", "1"), ("--prompt", "p"), ("--anchor", "none")])
def test_what_a_matrix_of_two_texts_has_no_use_for_is_refused(
    folder: str, option: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "pair", folder, A, B, *option)
    assert code == 2
    assert f"{option[0]}: for classifiers of pairs" in err


def test_words_of_a_pair_of_texts_can_be_held(reader: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "pair", reader, "a tepid film", "a glorious mess", "--rule", "gauss:4", "--hold", "tepid", "--json")
    assert code == 0, err
    record = json.loads(out)
    held = [record["scores"][0][i] for i, role in enumerate(record["roles"]) if role == "held"]
    assert held
    assert set(held) == {0.0}


def test_a_ranking_is_written_as_a_table_and_a_figure(folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    documents = tmp_path / "documents.txt"
    documents.write_text(f"{B}\n{A}\n", encoding="utf-8")
    for ending, begins in ((".csv", b"rank,document,similarity"), (".svg", b"<?xml"), (".md", b"## Matches")):
        path = tmp_path / f"m{ending}"
        code, _, err = run(capsys, "match", folder, A, "--documents", str(documents), "--rule", "gauss:4", "--out", str(path))
        assert code == 0, err
        assert path.read_bytes().startswith(begins)
