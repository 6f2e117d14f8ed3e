"""What other people wrote cannot steer a terminal: not through a view, a message, a name or a path; and a terminal may be in Latin-1."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lineal
from lineal.cli.main import main
from lineal.views.evaluation import table as evaluation
from lineal.visible import one_line, visible
from tests.records import make_record

EVIL = "a\x1b]0;title\x07b\x9b31mc\u202ed\u2066e\x00f"
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in arguments])
    return int(stopped.value.code or 0)


def record() -> lineal.Attribution:
    made = make_record([EVIL], ["a", EVIL], [(0, 3), (3, len(EVIL))], [[0.5, -0.4]], targets=(EVIL,), notes=(EVIL,))
    card = made.model.model_copy(update={"name": EVIL, "architecture": EVIL})
    return made.model_copy(update={"model": card, "baseline": EVIL, "method": EVIL, "rule": EVIL})


def test_steering_characters_have_pictures_one_for_one() -> None:
    assert not STEERS.search(visible(EVIL))
    assert len(visible(EVIL)) == len(EVIL)
    assert "\n" not in one_line("two\nlines\t")
    assert visible("שלום\tx\n") == "שלום\tx\n"


@pytest.mark.parametrize("ending", [".html", ".md", ".csv", ".txt", ".json", ".svg"])
def test_no_view_lets_text_steer(ending: str, tmp_path: Path) -> None:
    written = record().save(tmp_path / f"r{ending}").read_text(encoding="utf-8")
    assert not STEERS.search(written)
    if ending == ".json":
        assert lineal.load_result(tmp_path / "r.json") == record()


@pytest.mark.parametrize("how", [(), ("--json",), ("--by", "token")])
def test_commands_print_nothing_that_steers(how: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    stored = record().save(tmp_path / "r.json")
    out = tmp_path / f"{EVIL.replace(chr(0), '')}.html"
    assert run("show", stored, *how, "--out", out) == 0
    printed = capsys.readouterr()
    assert "written to" in printed.err
    assert not STEERS.search(printed.out + printed.err)


@pytest.mark.parametrize(
    "command",
    [
        ("show", EVIL),
        ("explain", "./" + EVIL, "text"),
        ("explain", EVIL, "text"),
        ("pair", "[/bold]" + EVIL, "a", "b"),
        ("explain", "minilm", "text", f"--{EVIL}"),
        ("explain", "minilm", "text", "--by", EVIL),
        (EVIL,),
        ("evaluate", "minilm", EVIL),
        ("match", "minilm", "q", "--documents", EVIL),
        ("explain", "minilm", "text", "--out", EVIL + ".html"),
        ("explain", "m", "\udcff"),
    ],
)
def test_errors_that_repeat_a_name_steer_nothing(command: tuple[str, ...], capsys: pytest.CaptureFixture) -> None:
    assert run(*command) == 2
    printed = capsys.readouterr()
    assert printed.err
    assert not STEERS.search(printed.out + printed.err)


def test_names_in_a_table_stay_in_their_cell() -> None:
    assert evaluation._cell_text(f"text:a | b\n# c {EVIL}").count("\\|") == 1
    assert not STEERS.search(evaluation._cell_text(EVIL))
    assert "\n" not in evaluation._cell_text("a\nb")


@pytest.mark.parametrize("how", [(), ("--json",)])
def test_a_terminal_in_latin_1_shows_what_it_can(how: tuple[str, ...], tmp_path: Path) -> None:
    stored = make_record(["né 🎉 ←"], ["né", "🎉"], [(0, 2), (3, 4)], [[0.5, -0.4]]).save(tmp_path / "r.json")
    code = "from lineal.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "show", stored, *how],
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = done.stdout.decode("latin-1")
    assert json.loads(printed)["texts"] == ["né 🎉 ←"] if how else "né" in printed


def test_arguments_that_are_not_utf_8_are_one_line() -> None:
    code = "from lineal.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "explain", "minilm", b"caf\xe9"], capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(b"lineal: argument 3 is not UTF-8")
    assert done.stderr.count(b"\n") == 1
