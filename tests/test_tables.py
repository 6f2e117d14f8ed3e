"""Laws of tables of results: a row gives back the record it was made of, a shard is whole or not there, filters read what they need."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lineal
from lineal.errors import InputError, MissingExtraError, OptionError, OutputError, ResultError
from lineal.records.attribution import Attribution, Choices
from lineal.records.failure import Failure
from lineal.tables import results, schema, shards
from tests.records import HOSTILE, make_record, pair_record, sample_records

pa = pytest.importorskip("pyarrow")


def review() -> Attribution:
    return sample_records()["converged"]


def several() -> Attribution:
    return sample_records()["labels"]


def written(folder: Path, records: list[Any], number: int = 0, **own: list[Any]) -> Path:
    kinds = {name: pa.infer_type(values) for name, values in own.items()}
    rows = [schema.row(record, "in.csv", i, own={name: values[i] for name, values in own.items()}) for i, record in enumerate(records)]
    shards.write(folder / shards.name(number), schema.schema(kinds), [rows], {})
    return folder


def chosen() -> Attribution:
    options = Choices(names=("A", "B"), log_probs=np.log([[0.7, 0.2], [0.4, 0.4]]), picked=0, gold=1)
    return several().model_copy(update={"choices": options, "spread": np.abs(several().scores), "fluency": {"text": -2.5}})


@pytest.mark.parametrize(
    "record",
    [
        review(),
        several(),
        chosen(),
        make_record(["", HOSTILE], ["[CLS]", "b"], [(0, 0), (0, 1)], [0.1, -0.25], segments=(-1, 1), words=(None, 0)),
        several().model_copy(update={"scores": np.full_like(several().scores, np.nan), "stops": (lineal.Stop.NOT_FINITE,) * 3}),
        review().words(),
        pair_record(),
        Failure(row=0, text="", error="InputError", message="the text is empty"),
    ],
    ids=["plain", "several targets", "choices and spread", "hostile pair of texts", "not finite", "words", "pair", "failure"],
)
def test_a_row_gives_back_its_record_to_the_last_bit(record: Any, tmp_path: Path) -> None:
    (back,) = lineal.read_results(written(tmp_path, [record])).records()
    assert type(back) is type(record)
    assert back.to_dict() == record.to_dict()


def test_half_a_surrogate_pair_can_be_written(tmp_path: Path) -> None:
    (back,) = lineal.read_results(written(tmp_path, [Failure(row=0, text="a\ud800b", error="InputError", message="\udfff")])).records()
    assert (back.text, back.message) == ("a\\ud800b", "\\udfff")


def test_a_file_that_has_its_name_is_whole(tmp_path: Path) -> None:
    def groups() -> Any:
        yield [schema.row(review(), "in.csv", 0)]
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        shards.write(tmp_path / shards.name(0), schema.schema(), groups(), {})
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_page_that_was_changed_on_the_disk_is_known_by_its_checksum(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    path = written(tmp_path, [review()]) / shards.name(0)
    column = pq.read_metadata(path).row_group(0).column(list(schema.COLUMNS).index("seconds"))
    whole = bytearray(path.read_bytes())
    begin = column.dictionary_page_offset or column.data_page_offset
    whole[begin + column.total_compressed_size - 1] ^= 1  # the last byte of the column's last page
    path.write_bytes(whole)
    with pytest.raises(OSError, match=r"(?i)crc|checksum"), pq.ParquetFile(path, page_checksum_verification=True) as file:
        file.read()


def test_a_shard_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / shards.name(0)).mkdir()
    with pytest.raises(OutputError, match=r"part-000000\.parquet cannot be written"):
        written(tmp_path, [review()])
    assert list((tmp_path / shards.PARTIAL).iterdir()) == []


def test_rows_are_narrowed_and_found(tmp_path: Path) -> None:
    written(tmp_path, [review(), several(), Failure(row=2, text="", error="InputError", message="empty")], party=["x", "y", None])
    found = lineal.read_results(tmp_path)
    assert (len(found), found.own) == (3, ["party"])
    assert found.where(party="y").to_arrow(["id", "row"]).to_pylist() == [{"id": "in.csv:1", "row": 1}]
    assert len(found.where(party=None)) == 1
    import pyarrow.compute as pc

    assert found.where(pc.field("row") > 0).where(converged=True).to_arrow(["row"]).to_pylist() == [{"row": 1}]
    assert found.record("in.csv:1") == several()
    assert found.record(file="in.csv", row=0) == review()
    with pytest.raises(InputError, match=r"no row of .* has id '7'"):
        found.record(7)
    with pytest.raises(InputError, match=r"3 rows of .* have file 'in.csv': in.csv row 0, in.csv row 1"):
        found.record(file="in.csv")
    with pytest.raises(OptionError, match="did you mean 'party'"):
        found.where(partie="x")
    with pytest.raises(OptionError, match="did you mean 'tokens'"):
        found.to_arrow(["token"])


def test_frames_hold_the_same(tmp_path: Path) -> None:
    written(tmp_path, [review()])
    found = lineal.read_results(tmp_path)
    pytest.importorskip("pandas")
    assert np.array_equal(found.to_pandas().loc[0, "scores"][0], review().scores[0])
    polars = pytest.importorskip("polars")
    assert found.to_polars(["tokens"]).schema == {"tokens": polars.List(polars.String)}


def test_what_holds_no_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="there are no results in"):
        lineal.read_results(tmp_path)
    (tmp_path / shards.name(0)).write_bytes(b"PAR1 no")
    with pytest.raises(ResultError, match="cannot be read as results"):
        lineal.read_results(tmp_path)
    shards.write(tmp_path / shards.name(0), schema.schema(), [], {shards.SCHEMA: "99"})  # type: ignore[dict-item]
    with pytest.raises(ResultError, match="schema 99; this version of Lineal reads schema 1"):
        lineal.read_results(tmp_path)


def test_own_columns_may_not_take_the_name_of_another() -> None:
    with pytest.raises(OptionError, match="rename it: NAME=scores"):
        schema.schema({"scores": pa.string()})


def test_a_row_that_lacks_a_column_or_is_none_is_refused() -> None:
    row = schema.row(review(), "in.csv", 0)
    with pytest.raises(ResultError, match="lacks tokens"):
        schema.record({name: value for name, value in row.items() if name != "tokens"})
    with pytest.raises(ResultError, match="of the kind 'banana'"):
        schema.record(row | {"kind": "banana"})
    with pytest.raises(ResultError, match="Evaluation has no row"):
        schema.row(lineal.Evaluation.model_construct(), "in.csv", 0)


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lineal\[data\]'"):
        lineal.read_results(tmp_path)


def test_the_page_of_the_schema_is_the_schema() -> None:
    page = (Path(__file__).parents[1] / "docs" / "schema.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \| `([\w<>]+)` \| (.+) \|$", page, re.MULTILINE)
    assert told == [(name, column.type, column.about) for name, column in schema.COLUMNS.items()]
    assert f"Version {schema.VERSION}" in page
    assert results.read_results.__name__ in page
