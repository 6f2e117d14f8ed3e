"""Where texts come from: files of rows, one after the other, each row found again by a place in its file. Streams; needs the extra `data`.

CSV and TSV with a header, JSON Lines, Parquet and plain lines, on disk or as fsspec names them, compressed with gzip or zstd, and data
sets of the Hugging Face hub (hf://NAME, extra `hub`). A row that cannot be read is a `Broken` one in its place, with the reason.
"""

from __future__ import annotations

import csv
import glob
import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import parse_qsl

from lineal.errors import InputError, MissingExtraError, OptionError, listing, unknown
from lineal.tables.schema import arrow

ENDINGS = MappingProxyType(
    {"csv": "csv", "tsv": "tsv", "tab": "tsv", "jsonl": "jsonl", "ndjson": "jsonl", "parquet": "parquet", "pq": "parquet", "txt": "lines"}
)
"""Ending of a file's name, behind which .gz or .zst may stand → its format."""
FORMATS = ("csv", "tsv", "jsonl", "parquet", "lines", "hub")
HUB = "hf://"
LINE = "text"
"""The one column of plain lines."""
CELL = 2**31 - 1
"""Most characters of a cell of a CSV file; Python's own limit is 131,072, and is raised for the whole process."""
PIECE = 1 << 20


@dataclass(frozen=True)
class Source:
    """A file of rows. path: as it is named in results. quoted: whether quotation marks frame cells. names: columns, where no header is."""

    path: str
    format: str
    quoted: bool = True
    names: tuple[str, ...] | None = None


class Broken(NamedTuple):
    """A row that cannot be read. text: what stood there, as far as it can be shown."""

    reason: str
    text: str


class Place(NamedTuple):
    """Where a row begins. row: its number from 0. offset: in bytes once decompressed; the row itself where a file has random access."""

    row: int
    offset: int


START = Place(0, 0)
Found = tuple[Place, dict[str, Any] | Broken]
"""A row, and where the one behind it begins."""


def sources(
    inputs: Sequence[str], format: str | None = None, quoted: bool | None = None, names: Sequence[str] | None = None
) -> list[Source]:
    """Return the files that are meant, in order: files, folders (all that have a known ending), globs, hf://NAME?split=test.

    format: of all of them, where their endings do not tell. quoted: usually in CSV and not in TSV. names: the columns, where no file has
    a header. Raises InputError where nothing is found, OptionError where a format is unknown.
    """
    if format is not None and format not in FORMATS:
        raise OptionError(unknown("format", format, FORMATS))
    found: dict[str, Source] = {}
    for given in inputs:
        for path in _paths(given):
            kind = format or ("hub" if path.startswith(HUB) else _format(path))
            marks = kind == "csv" if quoted is None else quoted
            found.setdefault(path, Source(path, kind, marks, None if names is None else tuple(names)))
    return list(found.values())


def columns(source: Source) -> list[str]:
    """Return the names of a file's columns; of JSON Lines those of the first row. Raises InputError where it has none."""
    if source.format == "parquet":
        with _opened(source.path) as file:
            return list(_parquet(source, file).schema_arrow.names)
    if source.format == "hub":
        return list(_hub(source.path).column_names)
    if source.format == "lines":
        return [LINE]
    if source.names is not None:
        return list(source.names)
    if source.format == "jsonl":
        return next((list(row) for _, row in rows(source) if isinstance(row, dict)), [])
    with _lines(source, 0) as lines:
        header = next((cells for cells in csv.reader(map(_text, lines.each()), **_dialect(source)) if cells), [])
    if not header:
        raise InputError(f"{source.path} is empty: it has no header with the names of its columns")
    if twice := [name for name in dict.fromkeys(header) if header.count(name) > 1]:
        raise InputError(f"the header of {source.path} has {listing(twice)} more than once; rename one")
    return header


def rows(source: Source, place: Place = START, wanted: Sequence[str] | None = None) -> Iterator[Found]:
    """Yield every row of a file from a place on, with the place behind it. wanted: the columns to read, where a file can be read in part.

    Values are as the file has them: strings in CSV, TSV and lines, whatever JSON and Parquet hold. Bytes that are no UTF-8 become
    surrogates, as Python writes them. Memory: one row, of Parquet and the hub a batch.
    """
    return READERS[source.format](source, place, wanted)


def identity(source: Source) -> tuple[int, str]:
    """Return the size of a file in bytes and a hash of them: one pass. Of the hub: its rows, and a hash of their contents."""
    digest, size = hashlib.blake2b(digest_size=16), 0
    if source.format == "hub":
        pa, table = arrow(), _hub(source.path)
        for batch in table.with_format("arrow").iter(1000):
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, batch.schema.remove_metadata()) as writer:
                writer.write_table(batch.replace_schema_metadata(None).combine_chunks())
            digest.update(sink.getvalue())
        return len(table), digest.hexdigest()
    with _opened(source.path) as file:
        while piece := file.read(PIECE):
            digest.update(piece)
            size += len(piece)
    return size, digest.hexdigest()


def types(source: Source) -> dict[str, str] | None:
    """Return the types of a file's columns, spelled as pyarrow does, or None where only its rows tell. Nested ones are kept as JSON."""
    if source.format == "jsonl":
        return None
    if source.format in ("parquet", "hub"):
        if source.format == "hub":
            schema = _hub(source.path).features.arrow_schema
        else:
            with _opened(source.path) as file:
                schema = _parquet(source, file).schema_arrow
        return {field.name: _spelled(field.type) for field in schema}
    return dict.fromkeys(columns(source), "string")


def _spelled(kind: Any) -> str:
    pa = arrow()
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    for test, name in ((pa.types.is_boolean, "bool"), (pa.types.is_integer, "int64"), (pa.types.is_floating, "double")):
        if test(kind):
            return name if not pa.types.is_uint64(kind) else "uint64"
    return "string"


def _paths(given: str) -> list[str]:
    if given.startswith(HUB):
        return [given]
    if "://" in given:
        import fsspec

        files, root = fsspec.core.url_to_fs(given)
        scheme = given.partition("://")[0]
        found = [root] if files.isfile(root) else list(files.glob(f"{root}/**" if files.isdir(root) else root))
        kept = sorted(f"{scheme}://{path.lstrip('/') if scheme != 'file' else path}" for path in found if files.isfile(path))
        kept = [path for path in kept if len(found) == 1 or _known(path)]
    elif Path(given).is_dir():
        kept = sorted(str(path) for path in Path(given).rglob("*") if path.is_file() and path.name[0] not in "._" and _known(str(path)))
    elif Path(given).exists():
        kept = [given]
    else:
        kept = sorted(path for path in glob.glob(given, recursive=True) if Path(path).is_file())
    if not kept:
        raise InputError(
            f"no input: {given} is no file, no folder with {listing('.' + ending for ending in ENDINGS)} files, and matches none"
        )
    return kept


def _format(path: str) -> str:
    ending = path.removesuffix(".gz").removesuffix(".zst").rpartition(".")[2].lower()
    if ending not in ENDINGS:
        raise InputError(f"the format of {path} is not to be told from its name; give format: {listing(FORMATS[:-1])}")
    return ENDINGS[ending]


def _known(path: str) -> bool:
    return path.removesuffix(".gz").removesuffix(".zst").rpartition(".")[2].lower() in ENDINGS


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    """Open a file as it lies there."""
    try:
        if "://" in path:
            import fsspec

            with fsspec.open(path, "rb") as remote:
                yield remote
            return
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


class _Lines:
    """The lines of a file, as bytes with their ends. offset: where the next one begins, in bytes once decompressed."""

    def __init__(self, path: str, file: Any, offset: int) -> None:
        self.path, self.file, self.offset = path, file, offset

    def each(self) -> Iterator[bytes]:
        while True:
            try:
                line = self.file.readline()
            except (OSError, EOFError) as error:  # gzip and zstd say so of what is cut off
                raise InputError(f"{self.path} is damaged behind byte {self.offset} of its text: {error}") from None
            if not line:
                return
            first = self.offset == 0
            self.offset += len(line)
            if first and line.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise InputError(f"{self.path} is UTF-16; convert it first: iconv -f utf-16 -t utf-8")
            yield line.removeprefix(b"\xef\xbb\xbf") if first else line


@contextmanager
def _lines(source: Source, offset: int) -> Iterator[_Lines]:
    with _opened(source.path) as raw:
        file: Any = raw
        if source.path.endswith(".gz"):
            file = gzip.GzipFile(fileobj=raw)
        elif source.path.endswith(".zst"):
            file = io.BufferedReader(arrow().CompressedInputStream(arrow().PythonFile(raw), "zstd"), PIECE)
            ahead = offset
            while ahead and (skipped := len(file.read(min(PIECE, ahead)))):
                ahead -= skipped
        if offset and not source.path.endswith(".zst"):
            file.seek(offset)
        yield _Lines(source.path, file, offset)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")


def _dialect(source: Source) -> dict[str, Any]:
    csv.field_size_limit(CELL)
    return {"delimiter": "\t" if source.format == "tsv" else ",", "quoting": csv.QUOTE_MINIMAL if source.quoted else csv.QUOTE_NONE}


def _cells(source: Source, place: Place, wanted: Sequence[str] | None) -> Iterator[Found]:
    names = columns(source)
    row, header = place.row, place.offset == 0 and source.names is None
    with _lines(source, place.offset) as lines:
        reader = csv.reader(map(_text, lines.each()), **_dialect(source))
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                cells, reason = [""], f"it is no row of {source.format.upper()}: {error}"
            else:
                reason = f"it has {len(cells)} cells, and there are {len(names)} columns"
            if not cells:  # a blank line
                continue
            if header:
                header = False
                continue
            row += 1
            whole = dict(zip(names, cells, strict=True)) if len(cells) == len(names) else Broken(reason, "\t".join(cells))
            yield Place(row, lines.offset), whole


def _objects(source: Source, place: Place, wanted: Sequence[str] | None) -> Iterator[Found]:
    row = place.row
    with _lines(source, place.offset) as lines:
        for line in lines.each():
            if not line.strip():
                continue
            row += 1
            try:
                found = json.loads(line)
            except (ValueError, RecursionError) as error:
                found = Broken(f"it is no JSON: {error}", _text(line).rstrip("\r\n"))
            else:
                if not isinstance(found, dict):
                    found = Broken(f"it is no JSON object but a {type(found).__name__}", _text(line).rstrip("\r\n"))
            yield Place(row, lines.offset), found


def _plain(source: Source, place: Place, wanted: Sequence[str] | None) -> Iterator[Found]:
    with _lines(source, place.offset) as lines:
        for row, line in enumerate(lines.each(), start=place.row + 1):
            yield Place(row, lines.offset), {LINE: _text(line).removesuffix("\n").removesuffix("\r")}


def _parquet(source: Source, file: BinaryIO) -> Any:
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file)
    except arrow().ArrowException as error:
        raise InputError(f"{source.path} is no whole Parquet file: {error}") from None


def _groups(source: Source, place: Place, wanted: Sequence[str] | None) -> Iterator[Found]:
    row = place.row
    with _opened(source.path) as file:
        table, first, begun = _parquet(source, file), 0, 0
        while first < table.num_row_groups and begun + table.metadata.row_group(first).num_rows <= row:
            begun += table.metadata.row_group(first).num_rows
            first += 1
        ahead = row - begun
        try:
            for batch in table.iter_batches(256, row_groups=range(first, table.num_row_groups), columns=wanted):
                for found in _values(batch.slice(min(ahead, len(batch)))):
                    row += 1
                    yield Place(row, row), found
                ahead = max(0, ahead - len(batch))
        except (OSError, arrow().ArrowException) as error:
            raise InputError(f"{source.path} is damaged behind row {row}: {error}") from None


def _values(batch: Any) -> Iterator[dict[str, Any] | Broken]:
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:  # Arrow does not look into strings
        for i in range(len(batch)):
            try:
                yield batch.slice(i, 1).to_pylist()[0]
            except UnicodeDecodeError as error:
                yield Broken(f"it is not UTF-8: {error}", error.object.decode("utf-8", "backslashreplace"))


def _of_hub(source: Source, place: Place, wanted: Sequence[str] | None) -> Iterator[Found]:
    table = _hub(source.path)
    for row in range(place.row, len(table)):
        yield Place(row + 1, row + 1), table[row]


def _hub(path: str) -> Any:
    """Return the data set of hf://NAME?split=…&name=…; the split is train where none is given."""
    try:
        import datasets
    except ImportError:
        raise MissingExtraError(f"{path} needs the extra 'hub': pip install 'lineal[hub]'") from None
    name, _, options = path.removeprefix(HUB).partition("?")
    given = dict(parse_qsl(options, strict_parsing=bool(options)))
    if strange := [key for key in given if key not in ("split", "name", "revision")]:
        raise OptionError(f"in {path}: {unknown('option', strange[0], ('split', 'name', 'revision'))}")
    try:
        return datasets.load_dataset(name, **({"split": "train"} | given))
    except Exception as error:  # what a hub, a script or a cache raises is theirs
        raise InputError(f"{path} cannot be loaded: {error}") from error


READERS: dict[str, Callable[[Source, Place, Sequence[str] | None], Iterator[Found]]] = {
    "csv": _cells,
    "tsv": _cells,
    "jsonl": _objects,
    "parquet": _groups,
    "lines": _plain,
    "hub": _of_hub,
}
