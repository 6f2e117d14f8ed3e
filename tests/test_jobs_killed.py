"""Runs that are ended by force, at random points, and go on: every row is there once, with the numbers of an undisturbed run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from lineal.cli.main import main
from lineal.errors import ModelError, OutputError
from lineal.jobs import drive, folder, plan, processes
from lineal.jobs.job import Job, job
from tests import tiny_job

ROOT = Path(__file__).parents[1]
ROWS = 64


def begun(asked: Job) -> subprocess.Popen[bytes]:
    """Start a driver in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    command = [sys.executable, "-m", "tests.tiny_job", json.dumps(asked.to_dict())]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE)


def beneath(process: int) -> list[int]:
    """Return the processes that a process has started and that explain."""
    found = []
    with suppress(OSError):  # what has ended meanwhile is none
        for one in Path(f"/proc/{process}/task/{process}/children").read_text().split():
            found += [int(one)] * (b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes())
    return found


def same(found: dict[Any, tuple[Any, ...]], wanted: dict[Any, tuple[Any, ...]]) -> None:
    """Assert equal ids, texts, tokens and numbers; the folder of the input may differ."""
    mine, theirs = ({row: values for (_, row), values in table.items()} for table in (found, wanted))
    assert mine == theirs


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[Any, tuple[Any, ...]]:
    asked = tiny_job.small(tmp_path_factory.mktemp("undisturbed"), ROWS)
    drive.run(asked)
    return tiny_job.found(asked.out)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_killed_driver_loses_nothing_that_was_done(tmp_path: Path, undisturbed: dict[Any, tuple[Any, ...]], seed: int) -> None:
    draw, asked = random.Random(seed), tiny_job.small(tmp_path, ROWS)
    for _ in range(2):
        driver, shards = begun(asked), len(list(Path(asked.out).glob("part-*")))
        until, most = draw.randint(1, 3), time.monotonic() + 120
        while driver.poll() is None and len(list(Path(asked.out).glob("part-*"))) < shards + until and time.monotonic() < most:
            time.sleep(0.01)
        time.sleep(draw.random() * 0.2)
        driver.kill()
        driver.communicate()
        if Path(asked.out, plan.NAME).exists():
            assert folder.state(plan.load(asked.out), Path(asked.out), whole=True).damaged == {}
    drive.run(asked)
    same(tiny_job.found(asked.out), undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_killed_workers_are_replaced(tmp_path: Path, undisturbed: dict[Any, tuple[Any, ...]], seed: int) -> None:
    draw, asked = random.Random(seed), tiny_job.small(tmp_path, ROWS, workers=2)
    driver, killed, most = begun(asked), 0, time.monotonic() + 200
    while driver.poll() is None and killed < 2 and time.monotonic() < most:
        time.sleep(draw.random())
        if there := beneath(driver.pid):
            os.kill(draw.choice(there), signal.SIGKILL)
            killed += 1
    said = driver.communicate()[1].decode()
    assert driver.returncode == 0, said
    assert killed >= 1
    same(tiny_job.found(asked.out), undisturbed)


def test_a_second_driver_is_told_so_and_does_no_harm(tmp_path: Path) -> None:
    asked, told = tiny_job.small(tmp_path), list[str]()

    def second(*_: Any) -> None:
        if not told:
            there = sorted(Path(asked.out).iterdir())
            with pytest.raises(OutputError, match=f"another driver is at work.*process {os.getpid()}"):
                drive.run(asked)
            told.append("told")
            assert sorted(Path(asked.out).iterdir()) == there

    said = drive.run(asked, drive.Watch(shard=second))
    assert told == ["told"]
    assert said["rows"] == 40


def test_a_writer_that_was_thought_dead_writes_the_same_rows(tmp_path: Path) -> None:
    from lineal.jobs.worker import Worker

    asked = tiny_job.small(tmp_path)
    drive.run(asked)
    before, made = tiny_job.found(asked.out), plan.load(asked.out)
    zombie = threading.Thread(target=lambda: Worker(asked).write(made, 2, Path(asked.out)))
    zombie.start()
    zombie.join()
    assert tiny_job.found(asked.out) == before


def test_a_clock_that_goes_backwards_changes_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = tiny_job.small(tmp_path)
    drive.run(asked)
    before = tiny_job.found(asked.out)
    back = iter(range(10**9, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: float(next(back)))
    other = job(asked.to_dict() | {"out": str(tmp_path / "other")})
    drive.run(other)
    assert tiny_job.found(other.out) == before
    Path(other.out, "part-000001.parquet").unlink()
    drive.run(other)
    assert tiny_job.found(other.out) == before


@pytest.mark.slow
def test_what_kills_every_worker_ends_the_run_and_names_the_shard(tmp_path: Path) -> None:
    asked = tiny_job.small(tmp_path, 40, workers=2)
    said: list[str] = []

    def kill(*_: Any) -> None:
        for one in beneath(os.getpid()):
            os.kill(one, signal.SIGKILL)

    with pytest.raises(ModelError, match=rf"a worker died {processes.DEATHS} times at part-0000\d\d"):
        drive.run(asked, drive.Watch(row=kill, said=said.append))
    assert any("the shard is done again" in line for line in said)
    assert drive.run(asked)["rows"] == 40


@pytest.mark.slow
def test_a_worker_that_dies_before_it_hears_of_its_next_shard_is_replaced(tmp_path: Path, undisturbed: dict[Any, tuple[Any, ...]]) -> None:
    asked, said = tiny_job.small(tmp_path, ROWS, workers=2), list[str]()

    def kill(receipt: Any) -> None:
        if not said:  # the driver has its receipt, and has sent no other shard yet
            killed = beneath(os.getpid())
            for one in killed:
                os.kill(one, signal.SIGKILL)
            while any(Path(f"/proc/{one}/stat").read_text().split()[2] != "Z" for one in killed):
                time.sleep(0.01)

    drive.run(asked, drive.Watch(shard=kill, said=said.append))
    assert any("the shard is done again" in line for line in said)
    same(tiny_job.found(asked.out), undisturbed)


@pytest.mark.slow
def test_an_error_of_a_worker_is_the_runs(tmp_path: Path) -> None:
    asked = tiny_job.small(tmp_path, 40, workers=2)
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write('{"text": null, "party": "a", "number": 1}\n')
    with pytest.raises(Exception, match=r"row 40 of .*rows\.jsonl failed"):
        drive.run(job(asked.to_dict() | {"on_error": "stop"}))
    assert not [one for one in beneath(os.getpid()) if Path(f"/proc/{one}").exists()]


@pytest.mark.slow
def test_an_interrupted_run_says_how_to_go_on(tmp_path: Path, undisturbed: dict[Any, tuple[Any, ...]]) -> None:
    asked = tiny_job.small(tmp_path, ROWS)
    (tmp_path / "job.toml").write_text(asked.to_toml())
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    driver = subprocess.Popen([sys.executable, "-m", "lineal", "run", str(tmp_path / "job.toml")], env=environment, stderr=subprocess.PIPE)
    while driver.poll() is None and not Path(asked.out, "manifest.json").exists():
        time.sleep(0.01)  # a run of few rows is soon over once its first shard is there
    driver.send_signal(signal.SIGINT)
    said = driver.communicate()[1].decode()
    assert driver.returncode == 130, said
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert not list(Path(asked.out).glob(".tmp/*"))
    drive.run(asked)
    same(tiny_job.found(asked.out), undisturbed)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = tiny_job.small(tmp_path, 20, id="number")
    typed = ["run", asked.model, asked.input[0], "--out", asked.out, "--shard", "8", "--workers", "1", "--device", "cpu", "--id", "number"]
    with pytest.raises(SystemExit) as ended:
        main([*typed, "--write-job"])
    (tmp_path / "job.toml").write_text(capsys.readouterr().out)
    assert ended.value.code == 0
    with pytest.raises(SystemExit) as ended:
        main(["run", str(tmp_path / "job.toml"), "--tol", "0.02"])
    said = capsys.readouterr()
    assert ended.value.code == 0
    assert "20 rows in 3 shards: 20 converged of 20 explained" in said.out
    with pytest.raises(SystemExit) as ended:
        main(["run", "--verify", asked.out])
    assert "20 of 20 rows are there, each once, in 3 of 3 shards" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["show", asked.out, "--id", "7"])
    assert ended.value.code == 0
    assert "L" in capsys.readouterr().out
    Path(asked.out, "part-000001.parquet").unlink()
    with pytest.raises(SystemExit) as ended:
        main(["run", "--verify", asked.out])
    assert ended.value.code == 2
    with pytest.raises(SystemExit) as ended:
        main(typed)
    assert ended.value.code == 2
    assert "tol = 0.02, and now it is 0.01" in capsys.readouterr().err


@pytest.mark.slow
def test_ray_gives_the_same_rows(tmp_path: Path, undisturbed: dict[Any, tuple[Any, ...]]) -> None:
    pytest.importorskip("ray")
    asked = tiny_job.small(tmp_path, ROWS, engine="ray")
    driver = begun(asked)  # in a process of its own: Ray leaves threads and sockets behind
    while driver.poll() is None and not list(Path(asked.out).glob("part-*")):
        time.sleep(0.1)
    driver.kill()
    driver.communicate()
    assert folder.state(plan.load(asked.out), Path(asked.out), whole=True).damaged == {}
    driver = begun(asked)
    said = driver.communicate()[1].decode()
    assert driver.returncode == 0, said
    same(tiny_job.found(asked.out), undisturbed)
