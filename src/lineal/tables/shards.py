"""Shards: Parquet files of rows that appear whole or not at all. A shard is done where its file is there; nothing else says so."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineal.errors import OutputError
from lineal.tables.schema import VERSION, arrow

if TYPE_CHECKING:
    import pyarrow

NAME = "part-{}.parquet"
SCHEMA = b"lineal.schema"
"""The entry of a file's metadata that has the schema's version."""
PARTIAL = ".tmp"
"""Folder within the results' own where shards are while they are written."""


def name(number: int) -> str:
    """Return the file name of a shard, a function of its number alone."""
    return NAME.format(f"{number:06}")


def found(path: str | Path) -> tuple[list[str], Any]:
    """Return the shards in a folder, or the one file that was given, in order, and the file system they lie in: None for the local one."""
    if "://" in str(path):
        import fsspec

        filesystem, root = fsspec.core.url_to_fs(str(path))
        if filesystem.isfile(root):
            return [root], filesystem
        return sorted(filesystem.glob(f"{root}/{NAME.format('*')}")), filesystem
    place = Path(path)
    return [str(place)] if place.is_file() else sorted(str(file) for file in place.glob(NAME.format("*"))), None


def write(path: Path, schema: pyarrow.Schema, groups: Iterable[Iterable[Mapping[str, Any]]], metadata: Mapping[bytes | str, str]) -> int:
    """Write a shard of row groups, one in memory at a time; return how many rows it has.

    It is written aside, brought to the disk and read back as far as its footer before it gets its name, and the folder is brought to the
    disk behind it: a file that has its name is whole. Who writes it a second time replaces it by the same rows. Raises OutputError, with
    nothing left behind, where it cannot be written.
    """
    pa = arrow()
    import pyarrow.parquet as pq

    aside = path.parent / PARTIAL / f"{path.name}.{secrets.token_hex(8)}"
    noted: dict[bytes | str, str] = {SCHEMA: str(VERSION), **metadata}
    try:
        aside.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(aside, schema.with_metadata(noted), compression="zstd", write_page_checksum=True) as writer:
            rows = 0
            for group in groups:
                listed = list(group)
                writer.write_table(pa.Table.from_pylist(listed, schema=writer.schema))
                rows += len(listed)
                del listed
        _to_disk(aside)
        if (kept := pq.read_metadata(aside).num_rows) != rows:
            raise OutputError(f"{aside} has {kept} rows, but {rows} were written; the disk may be failing")
        os.replace(aside, path)
        _to_disk(path.parent)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{path} cannot be written: {error.strerror or error}; free some space or choose another place") from error
    finally:
        aside.unlink(missing_ok=True)
    return rows


def packed(columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> bytes:
    """Return a table of a few rows as the bytes of a Parquet file."""
    pa = arrow()
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({name: [row[i] for row in rows] for i, name in enumerate(columns)}), sink, compression="zstd")
    return bytes(sink.getvalue())


def _to_disk(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
