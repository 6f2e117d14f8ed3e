"""Files that appear whole or not at all, and places that are tried before the work. Knows nothing of what it writes."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from lineal.errors import OutputError

TRIAL = 4096
"""Bytes that are written where a result is to go, to find out before the work: one block of most disks."""


def write_whole(path: str | Path, content: str | bytes) -> Path:
    """Write a file that appears whole or not at all, and return its path.

    It is written beside its place under a name of its own, brought to the disk, and moved there in one step: a reader sees the old file or
    a new one, also with several writers at once. An existing file keeps its mode, a new one has what the umask leaves; a link is replaced,
    never followed. Raises OutputError when it cannot be written; nothing is left behind then, and the old file is as it was.
    """
    target = Path(path)
    with _explained(target), _beside(target) as (file, partial):
        file.write(content.encode("utf-8", errors="replace") if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
        file.close()
        os.replace(partial, target)
    return target


def check_writable(path: str | Path) -> None:
    """Raise OutputError, before any work, where `write_whole` could not write: no folder, a folder, a full or read-only disk."""
    target = Path(path)
    with _explained(target):
        _try(target)


def check_folder(path: str | Path) -> None:
    """Raise OutputError, before any work, where there is no such folder and none can be made, or no file can be written in it."""
    folder = Path(path)
    with _explained(folder):
        with suppress(FileNotFoundError, NotADirectoryError):
            folder.lstat()  # a name that is too long is neither there nor can it be
        there = next((place for place in (folder, *folder.absolute().parents) if os.path.lexists(place)), folder)
        if not there.is_dir():
            raise OutputError(f"{there} is no folder; choose another place" + ("" if there == folder else f" than {folder}"))
        _try(there / "file")


def _try(target: Path) -> None:
    with _beside(target) as (file, _):
        file.write(bytes(TRIAL))
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _beside(target: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Open a new file in the folder of `target`, with its mode; it is gone afterwards unless it was moved away."""
    if not target.parent.is_dir():
        raise OutputError(f"{target}: there is no folder {target.parent.resolve()}")
    if target.is_dir():
        raise OutputError(f"{target} is a folder; give the name of a file")
    mode = _mode(target)
    partial = target.with_name(f".{secrets.token_hex(8)}.partial")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(partial, flags, 0o666 if mode is None else mode), "wb") as file:
            if mode is not None:
                os.chmod(partial, mode)  # the umask took part of it away
            yield file, partial
    finally:
        partial.unlink(missing_ok=True)


def _mode(target: Path) -> int | None:
    """Return the mode of a file that is there; None for a new one and for a link, whose file is not touched."""
    try:
        found = target.lstat().st_mode
    except FileNotFoundError:
        return None
    return stat.S_IMODE(found) if stat.S_ISREG(found) else None


@contextmanager
def _explained(target: Path) -> Iterator[None]:
    try:
        if "\0" in str(target):
            raise OutputError(f"{str(target)!r} cannot be a file: its name has a NUL in it")
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}; free some space or choose another place") from error
