"""Files of rows: every format, from any place, compressed or not; what is broken is a row with the reason."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lineal.errors import InputError, OptionError
from lineal.tables import inputs
from lineal.tables.inputs import Broken, Source

ROWS = [
    {"text": "A fine day.", "party": "left"},
    {"text": 'He said "no",\nand left.', "party": "right"},
    {"text": "Ein schöner Tag 🙂", "party": ""},
    {"text": "line 3", "party": "left"},
]


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    ending = path.name.removesuffix(".gz").removesuffix(".zst").rpartition(".")[2]
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
        return
    if ending == "jsonl":
        content = "".join(json.dumps(row) + "\n" for row in rows)
    elif ending == "txt":
        content = "".join(row["text"].replace("\n", " ") + "\n" for row in rows)
    else:
        import io

        held = io.StringIO(newline="")
        writer = csv.DictWriter(held, rows[0], delimiter="," if ending == "csv" else "\t")
        writer.writeheader()
        writer.writerows(rows)
        content = held.getvalue()
    raw = content.encode()
    if path.suffix == ".gz":
        raw = gzip.compress(raw)
    if path.suffix == ".zst":
        raw = pa.Codec("zstd").compress(raw, asbytes=True)
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(content.encode())
        raw = sink.getvalue().to_pybytes()
    path.write_bytes(raw)


@pytest.mark.parametrize(
    "name", ["a.csv", "a.csv.gz", "a.csv.zst", "a.tsv", "a.jsonl", "a.jsonl.zst", "a.jsonl.gz", "a.parquet", "a.txt", "a.txt.gz"]
)
def test_rows_are_found_again_from_every_place(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, ROWS)
    (source,) = inputs.sources([str(tmp_path / name)], quoted=True)
    found = list(inputs.rows(source))
    texts = [row["text"] for _, row in found]  # type: ignore[index,call-overload]
    assert [text.replace("\n", " ").replace("\r", "") for text in texts] == [row["text"].replace("\n", " ") for row in ROWS]
    assert [place.row for place, _ in found] == [1, 2, 3, 4]
    for i, (place, _) in enumerate(found):
        assert [row for _, row in inputs.rows(source, place)] == [row for _, row in found[i + 1 :]]
    assert "text" in inputs.columns(source)


def test_folders_globs_and_files_are_one_list_without_repetition(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.csv", "a.csv", "sub/c.jsonl", "notes.md", ".hidden.csv", "_SUCCESS"):
        (tmp_path / name).write_text('{"text": "x"}\n')
    found = inputs.sources([str(tmp_path / "*.csv"), str(tmp_path), str(tmp_path / "a.csv")])
    assert [Path(source.path).name for source in found] == ["a.csv", "b.csv", "c.jsonl"]
    with pytest.raises(InputError, match="no input"):
        inputs.sources([str(tmp_path / "nothing*")])
    with pytest.raises(InputError, match="give format"):
        inputs.sources([str(tmp_path / "notes.md")])
    with pytest.raises(OptionError, match="did you mean 'jsonl'"):
        inputs.sources([str(tmp_path / "notes.md")], format="jsonll")


def test_broken_rows_are_rows_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        b'{"text": "good"}\n{"text": \n[1]\n\n{"text": "\\ud800"}\n{"text": "\xff"}\n{"text": null}\n{"text": "a\\u0000b"}\n'
        + b"[" * 100_000
    )
    found = [row for _, row in inputs.rows(Source(str(path), "jsonl"))]
    assert [type(row) for row in found] == [dict, Broken, Broken, dict, Broken, dict, dict, Broken]
    assert "no JSON" in found[1].reason  # type: ignore[union-attr]
    assert "list" in found[2].reason  # type: ignore[union-attr]
    path = tmp_path / "a.csv"
    path.write_bytes(b"id,text\n1,good\n2\n3,a,b\n4,\xff\n5,a\x00b\n6," + b"x" * 10_000_000 + b"\n")
    found = [row for _, row in inputs.rows(Source(str(path), "csv"))]
    assert [isinstance(row, Broken) for row in found] == [False, True, True, False, False, False]
    assert found[3]["text"] == "\udcff"  # type: ignore[index,call-overload]
    assert len(found[5]["text"]) == 10_000_000  # type: ignore[index,call-overload]
    binary = pa.array([b"good", b"\xff\xfe"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": binary}), tmp_path / "a.parquet")
    found = [row for _, row in inputs.rows(Source(str(tmp_path / "a.parquet"), "parquet"))]
    assert found[0] == {"text": "good"}
    assert "not UTF-8" in found[1].reason  # type: ignore[union-attr]


def test_damaged_files_are_named(tmp_path: Path) -> None:
    write(tmp_path / "a.csv.gz", ROWS * 1000)
    whole = (tmp_path / "a.csv.gz").read_bytes()
    (tmp_path / "a.csv.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "b.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "c.csv").write_bytes("text\na\n".encode("utf-16"))
    (tmp_path / "d.csv").write_bytes(b"")
    for name in ("a.csv.gz", "b.parquet", "c.csv", "d.csv"):
        (source,) = inputs.sources([str(tmp_path / name)])
        with pytest.raises(InputError, match=name):
            list(inputs.rows(source))


def test_a_file_is_known_by_its_bytes_and_a_data_set_of_the_hub_by_its_contents(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", ROWS)
    (source,) = inputs.sources([str(tmp_path / "a.csv")])
    before = inputs.identity(source)
    assert before[0] == (tmp_path / "a.csv").stat().st_size
    write(tmp_path / "a.csv", [*ROWS[:-1], {"text": "line 4", "party": "left"}])
    assert inputs.identity(source)[0] == before[0]
    assert inputs.identity(source) != before


def test_plain_tsv_has_no_quotation_marks_and_names_may_be_given(tmp_path: Path) -> None:
    (tmp_path / "liar.tsv").write_text('1.json\t"Half a quote\n2.json\tSecond\n')
    (source,) = inputs.sources([str(tmp_path / "liar.tsv")], names=["id", "text"])
    assert [row for _, row in inputs.rows(source)] == [{"id": "1.json", "text": '"Half a quote'}, {"id": "2.json", "text": "Second"}]
