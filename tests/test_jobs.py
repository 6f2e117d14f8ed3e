"""Jobs: what is refused and how it is said; plans; whole runs over tiny models; what a broken row becomes."""

from __future__ import annotations

import gc
import json
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import lineal
from lineal.errors import InputError, LinealError, OptionError, OutputError, ResultError
from lineal.jobs import drive, folder, plan
from lineal.jobs.job import Job, job, read
from lineal.jobs.worker import Receipt, Worker
from tests import tiny_job, tiny_lm
from tests.test_pairs import encoder


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Job]:
    """A run of 40 rows, undisturbed."""
    place = tmp_path_factory.mktemp("done")
    asked = tiny_job.small(place)
    drive.run(asked)
    return place, asked


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"worker": 2}, "unknown key 'worker'; did you mean 'workers'"),
        ({"tol": 2.0}, "tol is 2.0"),
        ({"tol": "0.1"}, "tol is '0.1'"),
        ({"do": "expain"}, "did you mean 'explain'"),
        ({"do": "pair"}, "give text and second"),
        ({"similarity": "dot"}, "similarity is for pairs"),
        ({"do": "pair", "text": "a", "second": "b", "layer": 1}, "layer is for explanations of texts"),
        ({"shard": 0}, "at least 1 row"),
        ({"workers": 0}, "at least 1"),
        ({"input": []}, "input is empty"),
        ({"format": "cvs"}, "did you mean 'csv'"),
        ({"out": "s3://bucket/out"}, "a folder on disk"),
        ({"rule": "gaus:3"}, "gauss"),
        ({"engine": "rai"}, "did you mean 'ray'"),
        ({"text": "a", "messages": "b"}, "one of the two"),
    ],
)
def test_a_job_is_checked_before_anything_is_read(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        job({"model": "m", "input": "in.csv", "out": "out", **wrong})


def test_a_job_is_its_file(tmp_path: Path) -> None:
    asked = job(
        {
            "model": "m",
            "input": ["a\\b.csv", 'q"u\n\x7f'],
            "out": "o",
            "keep": ["x"],
            "layer": 3,
            "tol": 1e-5,
            "quotes": False,
            "workers": 2,
        }
    )
    (tmp_path / "job.toml").write_text(asked.to_toml(), encoding="utf-8")
    assert job(read(tmp_path / "job.toml")) == asked
    with pytest.raises(OptionError, match="lacks out"):
        job({"model": "m", "input": "a.csv"})


def test_a_run_gives_what_explain_gives(done: tuple[Path, Job]) -> None:
    _, asked = done
    results = lineal.read_results(asked.out)
    assert len(results) == 40
    assert results.own == ["party", "number"]
    record = results.where(number=17).records().__next__()
    alone = lineal.explain(lineal.load(asked.model, device="cpu"), record.texts[0])
    assert record.scores == pytest.approx(alone.scores, abs=1e-6)
    said = json.loads((Path(asked.out) / folder.SUCCESS).read_text())
    assert (said["rows"], said["explained"], said["converged"], said["failed"]) == (40, 40, 40, {})
    assert folder.verify(plan.load(asked.out), Path(asked.out)).done == (0, 1, 2, 3, 4)


def test_a_run_that_is_done_does_nothing_more_and_one_that_lacks_shards_makes_those(done: tuple[Path, Job], tmp_path: Path) -> None:
    _, asked = done
    before = tiny_job.found(asked.out)
    (Path(asked.out) / "part-000002.parquet").unlink()
    (Path(asked.out) / ".tmp").mkdir(exist_ok=True)
    (Path(asked.out) / ".tmp" / "part-000002.parquet.left").write_bytes(b"half")
    with pytest.raises(ResultError, match="lacks 1 of 5 shards: part-000002"):
        folder.succeed(plan.load(asked.out), Path(asked.out))
    made: list[int] = []
    drive.run(asked, drive.Watch(shard=lambda receipt: made.append(receipt.shard)))
    assert made == [2]
    assert tiny_job.found(asked.out) == before
    assert list((Path(asked.out) / ".tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"tol": 0.05}, "tol = 0.01, and now it is 0.05"),
        ({"baseline": "zero"}, "baseline = None"),
        ({"shard": 9}, "shard = 8"),
        ({"keep": ["party"]}, "keep"),
    ],
)
def test_what_differs_is_named(done: tuple[Path, Job], more: dict[str, Any], said: str) -> None:
    _, asked = done
    with pytest.raises(OptionError, match=said):
        drive.run(job(asked.to_dict() | more))


def test_another_model_and_another_input_are_refused_by_name(tmp_path: Path) -> None:
    asked = tiny_job.small(tmp_path, 10)
    drive.run(asked)
    before = tiny_job.found(asked.out)
    tiny_job.model(tmp_path / "model", seed=1)
    with pytest.raises(OptionError, match="model = "):
        drive.run(asked)
    tiny_job.model(tmp_path / "model")
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write('{"text": "one more", "party": "a", "number": 1}\n')
    with pytest.raises(InputError, match=r"rows\.jsonl has changed"):
        drive.run(asked)
    assert tiny_job.found(asked.out) == before


def test_damaged_shards_are_named_and_computed_again_on_request(tmp_path: Path) -> None:
    asked = tiny_job.small(tmp_path)
    drive.run(asked)
    before, out = tiny_job.found(asked.out), Path(asked.out)
    whole = (out / "part-000001.parquet").read_bytes()
    (out / "part-000001.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ResultError, match=r"part-000001\.parquet: it cannot be read.*--redo"):
        drive.run(asked)
    (out / "part-000001.parquet").write_bytes(whole)
    middle = bytearray((out / "part-000003.parquet").read_bytes())
    for i in range(200, 1200):
        middle[i] ^= 0x55
    (out / "part-000003.parquet").write_bytes(middle)
    (out / "part-000099.parquet").write_bytes(whole)
    os.replace(out / "part-000000.parquet", out / "part-000002.parquet")
    with pytest.raises(ResultError) as refused:
        folder.verify(plan.load(out), out)
    for name in ("part-000002", "part-000003", "part-000099"):
        assert name in str(refused.value)
    assert "part-000001" not in str(refused.value)
    drive.run(asked, redo=True)
    assert tiny_job.found(out) == before


def test_a_hundred_broken_rows_are_a_hundred_rows_with_reasons(tmp_path: Path) -> None:
    broken = [
        b'{"text": null}', b'{"text": 5}', b'{"text": ""}', b'{"text": "   "}', b'{"text": "\\ud800"}', b'{"text": "a \xff b"}',
        b'{"txt": "a"}',         b'{"text": ', b"[]", b'{"text": ["a"]}',
    ]  # fmt: skip
    odd = [b'{"text": "a\\u0000b"}', b'{"text": "\\u001b[31m good"}', b'{"text": "' + b"good " * 2_000_000 + b'"}']
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join([*broken * 10, *odd, b'{"text": "good movie"}']) + b"\n")
    asked = job(
        {
            "model": tiny_job.model(tmp_path / "m"),
            "input": str(tmp_path / "rows.jsonl"),
            "out": str(tmp_path / "out"),
            "shard": 50,
            "workers": 1,
            "keep": [],
        }
    )
    said = drive.run(asked)
    assert said["rows"] == 104
    found = tiny_job.found(asked.out)
    failed = [row for _, row in sorted(found.items()) if row[0] == "failure"]
    assert len(failed) >= 100
    assert found[str(tmp_path / "rows.jsonl"), 103][0] == "attribution"
    messages = lineal.read_results(asked.out).where(kind="failure").to_arrow(["message"]).column(0).to_pylist()
    for reason in ("missing", "half of a surrogate pair", "utf-8", "no JSON", "no 'text'"):
        assert any(reason in message for message in messages), reason
    with pytest.raises(LinealError, match=r"row 0 of .*rows\.jsonl failed"):
        drive.run(job(asked.to_dict() | {"out": str(tmp_path / "stop"), "on_error": "stop"}))
    assert list((tmp_path / "stop").glob("*.parquet")) == []


def test_a_target_may_name_columns(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,gold\ngood movie,L1\nbad movie,L2\ngood movie,L0\ngreat,nothing\n")
    asked = job(
        {
            "model": tiny_job.model(tmp_path / "m"),
            "input": str(tmp_path / "rows.csv"),
            "out": str(tmp_path / "out"),
            "target": "label:{gold}",
            "workers": 1,
        }
    )
    drive.run(asked)
    rows = lineal.read_results(asked.out).to_arrow(["targets", "failure", "gold"]).to_pylist()
    assert [row["targets"] for row in rows] == [["L1"], ["L2"], ["L0"], None]
    assert rows[3]["failure"] == "OptionError"


def test_a_wrong_column_or_option_is_said_before_the_model_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lineal.jobs.worker.load", lambda *_, **__: pytest.fail("the model was loaded"))
    given = {"model": "m", "input": tiny_job.rows(tmp_path / "rows.jsonl", 3), "out": str(tmp_path / "out")}
    with pytest.raises(InputError, match="unknown column 'txt'; did you mean 'text'"):
        drive.run(job(given | {"text": "txt"}))
    with pytest.raises(OptionError, match="'text' cannot be kept under its name"):
        drive.run(job(given | {"text": "party"}))


def test_an_option_that_fits_no_row_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="L9"):
        drive.run(tiny_job.small(tmp_path, 10, target="label:L9"))
    assert not list((tmp_path / "out").glob("*.parquet"))


def test_a_read_only_and_a_full_folder_are_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="no folder"):
        drive.run(tiny_job.small(tmp_path, 10, out=str(tmp_path / "file" / "out")))
    asked = tiny_job.small(tmp_path, 20)
    written: list[Path] = []
    real = os.replace

    def full(source: Any, target: Any) -> None:
        if str(target).endswith(".parquet"):
            written.append(Path(target))
            if len(written) == 2:
                raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match=r"part-000001\.parquet cannot be written: No space"):
        drive.run(asked)
    assert [path.name for path in Path(asked.out).glob("*.parquet")] == ["part-000000.parquet"]
    assert not list(Path(asked.out, ".tmp").iterdir())
    monkeypatch.setattr(os, "replace", real)
    assert drive.run(asked)["rows"] == 20


def test_what_runs_out_of_memory_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = tiny_job.small(tmp_path, 10)
    worker = Worker(asked)
    session = worker._session(None)
    real = session.preparation.case

    def case(text: Any) -> Any:
        if len(text.split()) == 7:
            raise MemoryError("injected")
        return real(text)

    monkeypatch.setattr(session.preparation, "case", case)
    made = plan.make(asked, worker.decided)
    Path(asked.out).mkdir()
    receipt = worker.write(made, 0, Path(asked.out))
    assert receipt.failed == {"MemoryError": 1}
    assert receipt.explained == 7


def saved_decoder(folder: Path) -> str:
    made = tiny_lm.llama(torch.float32, limit=64)
    made.module.save_pretrained(folder)
    made.tokenizer.save_pretrained(folder)
    return str(folder)


def ran(folder: Path, model: str, rows: list[dict[str, Any]], **asked: Any) -> list[Any]:
    """Run a job over rows and return the records of its results, in order."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    how = {"model": model, "input": str(folder / "rows.jsonl"), "out": str(folder / "out"), "workers": 1, "device": "cpu", "tol": 0.05}
    drive.run(job(how | asked))
    return list(lineal.read_results(folder / "out").records())


def test_a_job_of_pairs_gives_what_explain_pair_gives(tmp_path: Path) -> None:
    encoder().save(str(tmp_path / "model"))
    rows = [{"a": "the film was good", "b": "a good plot"}, {"a": "the end", "b": ""}, {"a": "bad acting", "b": "the acting was bad"}]
    first, empty, last = ran(tmp_path, str(tmp_path / "model"), rows, do="pair", text="a", second="b")
    for found, row in ((first, rows[0]), (last, rows[2])):
        alone = lineal.explain_pair(lineal.load(str(tmp_path / "model"), device="cpu"), row["a"], row["b"], tol=0.05)
        assert found.matrix == pytest.approx(alone.matrix, abs=1e-6)
    assert isinstance(empty, lineal.Failure)


def test_a_job_of_generations_gives_what_explain_generation_gives(tmp_path: Path) -> None:
    model = saved_decoder(tmp_path / "model")
    (found,) = ran(tmp_path, model, [{"text": "the film was"}], do="generate", max_new_tokens=2)
    alone = lineal.explain_generation(lineal.load(model, device="cpu"), "the film was", 2, tol=0.05)
    assert (found.steps, found.targets) == (alone.steps, alone.targets)
    assert found.scores == pytest.approx(alone.scores, abs=1e-6)


def test_a_job_of_chats_reads_them_as_lists_and_as_json(tmp_path: Path) -> None:
    model = saved_decoder(tmp_path / "model")
    chat = [{"role": "user", "content": "the film was"}]
    rows = [{"said": chat}, {"said": json.dumps(chat)}, {"said": "no json"}]
    first, second, broken = ran(tmp_path, model, rows, messages="said", target="next")
    alone = lineal.explain(lineal.load(model, device="cpu"), lineal.prompts.Chat(chat), "next", tol=0.05)
    for found in (first, second):
        assert found.tokens == alone.tokens
        assert found.scores == pytest.approx(alone.scores, abs=1e-6)
    assert "no JSON" in broken.message


def test_a_job_enters_a_layer(tmp_path: Path) -> None:
    model = tiny_job.model(tmp_path / "model")
    (found,) = ran(tmp_path, model, [{"text": "the plot was good"}], layer=1)
    alone = lineal.explain(lineal.load(model, device="cpu"), "the plot was good", layer=1, tol=0.05)
    assert found.scores == pytest.approx(alone.scores, abs=1e-6)


def test_who_lets_others_work_holds_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, made, alive = tiny_job.small(tmp_path, 16, workers=2), [], []

    class Seen(Worker):
        def __init__(self, job: Job) -> None:
            super().__init__(job)
            made.append(weakref.ref(self))

    def others(*_: Any) -> Iterator[Receipt]:
        gc.collect()
        alive.append(made[0]() is not None)
        yield from ()

    monkeypatch.setattr(drive, "Worker", Seen)
    monkeypatch.setattr(drive.processes, "run", others)
    with pytest.raises(ResultError, match="lacks 2 of 2 shards"):
        drive.run(asked)
    assert alive == [False]
