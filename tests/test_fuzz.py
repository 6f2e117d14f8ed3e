"""The fuzzer sees what it is there to see, and a fixed sample of its cases brings no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from lineal.errors import OptionError
from tests.fuzz import cases, commands, values
from tests.fuzz.__main__ import KINDS
from tests.fuzz.__main__ import cases as mixed
from tests.fuzz.workspace import Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LINEAL_CACHE", str(tmp_path_factory.mktemp("cache")))
        return Workspace(tmp_path_factory.mktemp("fuzz"))


def raising(error: BaseException) -> cases.Case:
    def run() -> None:
        raise error

    return cases.Case("call:0", "a case", run)


def test_what_fails_a_case_and_what_does_not() -> None:
    assert cases.attempt(raising(OptionError("no such option"))).failure is None
    assert cases.attempt(raising(KeyError("weights"))).failure == "KeyError: 'weights'"
    assert cases.attempt(raising(SystemExit(0))).failure is not None
    assert cases.attempt(raising(cases.Wrong("half a file"))).failure == "half a file"
    assert cases.attempt(cases.Case("call:0", "for ever", lambda: [None for _ in iter(int, 1)] and None), seconds=0.05).late


def test_a_refused_command_that_leaves_a_file_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(arguments: list[str]) -> None:
        (tmp_path / "half.html").write_text("<html>")
        print("lineal: no", file=cases.sys.stderr)
        raise SystemExit(2)

    monkeypatch.setattr(cases, "main", refuses)
    with pytest.raises(cases.Wrong, match=r"refused, and yet there is \['half\.html'\]"):
        cases.checked(["show", "a.json"], tmp_path)


def test_a_full_disk_is_full(tmp_path: Path) -> None:
    def write() -> None:
        with (tmp_path / "a").open("wb", buffering=0) as file:
            while file.write(b"x" * 1000):
                pass

    with commands.full_disk(1500), pytest.raises(OSError, match="File too large"):
        write()
    assert (tmp_path / "a").stat().st_size == 1500


def test_a_case_is_made_from_seed_kind_and_number_alone(workspace: Workspace) -> None:
    for kind, (_, make) in KINDS.items():
        assert [make(3, i, workspace).what for i in range(20)] == [make(3, i, workspace).what for i in range(20)], kind
        assert len({make(seed, 0, workspace).what for seed in range(20)}) > 10, kind


def test_every_pool_of_values_belongs_to_an_option() -> None:
    options = {parameter.name for command in commands.COMMANDS.values() for parameter in command.params}
    assert set(values.POOLS) <= options
    assert set(commands.WEIGHTS) == set(commands.COMMANDS) - {"serve"}


@pytest.mark.slow
def test_a_fixed_sample_brings_no_failure(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LINEAL_CACHE", str(tmp_path))
    failed = [done for one in mixed(11, 60, workspace) if (done := cases.attempt(one)).failure]
    assert not failed, "\n".join(f"{done.case.name} {done.case.what!a}: {done.failure!a}" for done in failed)
