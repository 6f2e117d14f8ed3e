"""A folder of results: read as a table, narrowed before anything is read, or as records. Needs the extra `data`, no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineal.errors import InputError, MissingExtraError, OptionError, ResultError, listing, unknown
from lineal.tables import schema, shards

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.dataset

BATCH = 1024
"""Rows that are read at a time where rows are gone through one by one."""


def read_results(path: str | Path) -> Results:
    """Return the results of `lineal run` that lie in a folder, or in one of its files; nothing but their schema is read yet.

        results = lineal.read_results("out")
        results.where(party="democrat", converged=True).to_pandas(["id", "text", "tokens", "scores"])
        results.record("17")     # an Attribution, with all its views

    path: the folder, on disk or as fsspec writes it (s3://bucket/folder). A run that goes on may be read: what is there is whole.
    Raises ResultError where there are none, or where they are of another version; MissingExtraError without the extra `data`.
    """
    pa = schema.arrow()
    import pyarrow.dataset

    files, filesystem = shards.found(path)
    if not files:
        raise ResultError(f"there are no results in {path}: no file {shards.NAME.format('…')}; give the folder that `lineal run` wrote")
    try:
        dataset = pyarrow.dataset.dataset(files, format="parquet", filesystem=filesystem)
    except (OSError, pa.ArrowException) as error:
        raise ResultError(f"{path} cannot be read as results: {error}") from None
    version = (dataset.schema.metadata or {}).get(shards.SCHEMA, b"none").decode()
    if version != str(schema.VERSION):
        raise ResultError(f"{path} has results of schema {version}; this version of Lineal reads schema {schema.VERSION}")
    return Results(str(path), dataset)


class Results:
    """Rows of results, perhaps not all of them. docs/schema.md says what their columns are. Thin: it holds where they lie, and no row."""

    def __init__(self, path: str, dataset: pyarrow.dataset.Dataset, filter: Any = None) -> None:
        """Hold a dataset of pyarrow and which of its rows are meant."""
        self.path, self.dataset, self.filter = path, dataset, filter

    @property
    def columns(self) -> list[str]:
        """The names of all columns."""
        return list(self.dataset.schema.names)

    @property
    def own(self) -> list[str]:
        """The names of those that came with the input."""
        return [name for name in self.columns if name not in schema.COLUMNS]

    @property
    def files(self) -> list[str]:
        """The Parquet files, in order: what DuckDB or any other reader takes."""
        return list(self.dataset.files)

    def where(self, filter: Any = None, **equal: Any) -> Results:
        """Return fewer rows: those for which an expression of `pyarrow.compute` holds, and whose columns have these values (None: null).

        Files and row groups in which there can be none are not read. Raises OptionError for an unknown column.
        """
        import pyarrow.compute as pc

        found = self.filter
        for one in (filter, *(self._equals(pc, name, value) for name, value in equal.items())):
            if one is not None:
                found = one if found is None else found & one
        return Results(self.path, self.dataset, found)

    def __len__(self) -> int:
        """Count the rows."""
        return int(self.dataset.count_rows(filter=self.filter))

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pyarrow.RecordBatch]:
        """Yield the rows a thousand at a time, in order of files; columns: which, None for all. Raises ResultError for a damaged file."""
        pa = schema.arrow()
        for name in columns or ():
            self._check(name)
        try:
            scanned = self.dataset.scanner(columns=columns, filter=self.filter, batch_size=BATCH, batch_readahead=2, fragment_readahead=2)
            yield from (batch for batch in scanned.to_batches() if len(batch))
        except (OSError, pa.ArrowException) as error:
            raise ResultError(f"the results in {self.path} cannot be read: {error}; lineal run --verify names the file") from None

    def to_arrow(self, columns: Sequence[str] | None = None) -> pyarrow.Table:
        """Return a table of pyarrow. columns: which, None for all."""
        names = self.columns if columns is None else columns
        batches = list(self.batches(columns))
        return schema.arrow().Table.from_batches(batches, schema.arrow().schema([self.dataset.schema.field(name) for name in names]))

    def to_pandas(self, columns: Sequence[str] | None = None) -> Any:
        """Return a data frame of pandas, which has to be installed."""
        table = self.to_arrow(columns)
        try:
            return table.to_pandas()
        except ImportError:
            raise MissingExtraError("to_pandas needs pandas: pip install pandas") from None

    def to_polars(self, columns: Sequence[str] | None = None) -> Any:
        """Return a data frame of polars, which has to be installed."""
        try:
            import polars
        except ImportError:
            raise MissingExtraError("to_polars needs polars: pip install polars") from None
        return polars.from_arrow(self.to_arrow(columns))

    def records(self) -> Iterator[Any]:
        """Yield the records of all rows, a batch of rows in memory at a time."""
        for batch in self.batches():
            yield from map(schema.record, batch.to_pylist())

    def record(self, id: str | int | None = None, *, file: str | None = None, row: int | None = None) -> Any:
        """Return the record of one row: by its id, or by its file and row, whichever tells it apart.

        Raises InputError where no row is meant or more than one is.
        """
        given = {"id": None if id is None else str(id), "file": file, "row": row}
        asked = {name: value for name, value in given.items() if value is not None}
        if not asked:
            raise InputError("which record? Give its id, or its file and row")
        narrowed, said = self.where(**asked), ", ".join(f"{name} {value!r}" for name, value in asked.items())
        places = [(each["file"], each["row"]) for batch in narrowed.batches(["file", "row"]) for each in batch.to_pylist()]
        if not places:
            raise InputError(f"no row of {self.path} has {said}")
        if len(places) > 1:
            listed = listing([f"{name} row {number}" for name, number in places], 5)
            raise InputError(f"{len(places)} rows of {self.path} have {said}: {listed}; give file= and row= too")
        return next(narrowed.records())

    def _equals(self, pc: Any, name: str, value: Any) -> Any:
        self._check(name)
        return pc.field(name).is_null() if value is None else pc.field(name) == value

    def _check(self, name: str) -> None:
        if name not in self.columns:
            raise OptionError(unknown("column", name, self.columns))

    def __repr__(self) -> str:
        """Say where they lie and what they came with."""
        return f"Results({self.path!r}, {len(self.files)} files, own columns: {listing(self.own) or 'none'})"
