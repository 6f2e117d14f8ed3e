"""What is written appears whole, beside nothing else, with the mode it had; places are tried before the work."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lineal.errors import LinealError, OutputError
from lineal.files import check_folder, check_writable, write_whole


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of 64 KiB with nothing left, or skip where none can be mounted."""
    folder = tmp_path / "full"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        with contextlib.suppress(OSError), (folder / "rest").open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_planted_link_is_replaced_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine", encoding="utf-8")
    for name in ("r.json", "r.json.partial"):
        (tmp_path / name).symlink_to(precious)
    write_whole(tmp_path / "r.json", "new")
    assert (precious.read_text(encoding="utf-8"), (tmp_path / "r.json").is_symlink()) == ("mine", False)
    assert (tmp_path / "r.json").read_text(encoding="utf-8") == "new"
    assert (tmp_path / "r.json.partial").is_symlink()


def test_a_users_own_file_of_any_name_stays(tmp_path: Path) -> None:
    (tmp_path / "r.json.partial").write_text("mine", encoding="utf-8")
    write_whole(tmp_path / "r.json", "new")
    assert (tmp_path / "r.json.partial").read_text(encoding="utf-8") == "mine"


@pytest.mark.skipif(os.name == "nt", reason="modes are those of POSIX")
def test_the_mode_is_kept_and_a_new_files_is_what_the_umask_leaves(tmp_path: Path, umask: None) -> None:
    path = write_whole(tmp_path / "new", "a")
    assert mode(path) == 0o640
    for wanted in (0o600, 0o664, 0o755):
        path.chmod(wanted)
        write_whole(path, "b")
        assert mode(path) == wanted


def test_two_hundred_writers_at_once_all_succeed_and_one_of_them_stays(tmp_path: Path) -> None:
    failed, texts = [], [f"{i}" * 5000 for i in range(200)]

    def save(text: str) -> None:
        try:
            write_whole(tmp_path / "r.json", text)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=save, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert (tmp_path / "r.json").read_text(encoding="utf-8") in texts
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("no more")])
def test_nothing_is_left_behind_on_any_exit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    (tmp_path / "r.json").write_text("old", encoding="utf-8")

    def broken(*paths: object) -> None:
        raise error

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OutputError if isinstance(error, OSError) else KeyboardInterrupt):
        write_whole(tmp_path / "r.json", "new")
    assert [(path.name, path.read_text(encoding="utf-8")) for path in tmp_path.iterdir()] == [("r.json", "old")]


def test_what_cannot_be_written_is_an_error_before_and_after_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    for name, says in (
        ("missing/r.json", "there is no folder"),
        ("folder", "is a folder"),
        ("file/r.json", "there is no folder"),
        ("a\0b.json", "cannot be a file"),
        ("x" * 300, "cannot be written"),
    ):
        for attempt in (lambda path: check_writable(path), lambda path: write_whole(path, "x")):
            with pytest.raises(OutputError, match=says) as raised:
                attempt(tmp_path / name)
            assert isinstance(raised.value, LinealError)
    with pytest.raises(OutputError, match="is no folder"):
        check_folder(tmp_path / "file")
    with pytest.raises(OutputError, match="is no folder"):
        check_folder(tmp_path / "file" / "below")
    check_folder(tmp_path / "some" / "where")
    check_writable(tmp_path / "r.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    """Where even root may not write: the folder of a process's open files."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("there is no /proc")
    for attempt in (check_writable, lambda path: write_whole(path, "x")):
        with pytest.raises(OutputError, match="cannot be written"):
            attempt(Path("/proc/self/r.json"))
    with pytest.raises(OutputError, match="cannot be written"):
        check_folder("/proc/self/new")


def test_a_full_disk_is_found_before_the_work_and_keeps_the_old_file(full_disk: Path) -> None:
    for attempt in (check_writable, lambda path: write_whole(path, "x" * 5000)):
        with pytest.raises(OutputError, match="No space left"):
            attempt(full_disk / "r.json")
    with pytest.raises(OutputError, match="No space left"):
        check_folder(full_disk / "new")
    assert [path.name for path in full_disk.iterdir()] == ["rest"]
