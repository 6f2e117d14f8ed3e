"""The page and the API: who is let in, what is shown, what happens to work that waits, is cancelled, fails or is asked again."""

from __future__ import annotations

import json
import re
import threading
import time
import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from typer.testing import CliRunner

import lineal
from lineal.cli.main import app as commands
from lineal.cli.main import main
from lineal.errors import OptionError
from lineal.records.load import load_result
from lineal.web import api, asking, questions
from lineal.web.app import application
from lineal.web.guard import MOST_BYTES
from lineal.web.jobs import BusyError, Job, Jobs, Models
from tests import tiny, tiny_lm

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the test client, about the library beneath it
    from starlette.testclient import TestClient


HOST, TOKEN = "127.0.0.1:8765", "a-token-of-the-tests"
GOOD = {"text": "a good film", "tol": "0.1"}


@cache
def made(name: str) -> Any:
    return {"classifier": lambda: lineal.load(tiny.bert_classifier(), tiny.tokenizer()), "chat": tiny_lm.llama}[name]()


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    found = Jobs(Models(("classifier", "chat"), (), made))
    yield found
    found.close()


def browser(jobs: Jobs, **headers: str) -> TestClient:
    client = TestClient(application(jobs, frozenset({HOST}), TOKEN), base_url=f"http://{HOST}", follow_redirects=False)
    client.headers.update({"origin": f"http://{HOST}"} | headers)
    return client


@pytest.fixture
def visitor(jobs: Jobs) -> TestClient:
    client = browser(jobs)
    assert client.get(f"/?token={TOKEN}").status_code == 303
    return client


@pytest.fixture
def program(jobs: Jobs) -> TestClient:
    client = browser(jobs, authorization=f"Bearer {TOKEN}")
    del client.headers["origin"]
    return client


def ended(jobs: Jobs, job: Job) -> Job:
    until = time.monotonic() + 60
    while not job.ended:
        assert time.monotonic() < until, "the work takes too long"
        time.sleep(0.01)
    return job


class Held:
    """A model's lease that is taken, so that whatever is asked of it waits."""

    def __init__(self, jobs: Jobs, count: int) -> None:
        self.jobs, self.count, self.go = jobs, count, threading.Event()

    def __enter__(self) -> Held:
        ready = threading.Event()

        def hold() -> None:
            with made("classifier").lease():
                ready.set()
                self.go.wait(60)

        threading.Thread(target=hold, daemon=True).start()
        ready.wait(10)
        self.asked = [self.jobs.ask("classifier", "label", GOOD | {"text": "a good film " + "very " * i}) for i in range(self.count)]
        return self

    def __exit__(self, *error: object) -> None:
        self.go.set()
        for job in self.asked:
            ended(self.jobs, job)


# Who is let in.


def test_the_first_address_holds_the_token_and_no_other_does(jobs: Jobs) -> None:
    client = browser(jobs)
    assert client.get("/").status_code == 401
    assert client.get("/?token=wrong").status_code == 401
    first = client.get(f"/?token={TOKEN}&model=chat")
    assert (first.status_code, first.headers["location"]) == (303, "/?model=chat")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(first.headers["set-cookie"].split("; "))
    page = client.get("/?model=chat")
    assert page.status_code == 200
    assert TOKEN not in page.text


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1", "127.0.0.1:80", "127.0.0.1.evil.example:8765", ""])
def test_another_host_is_refused_as_after_rebinding(visitor: TestClient, host: str) -> None:
    assert visitor.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "", "http://127.0.0.1:8765.evil.example"])
def test_a_form_of_another_page_is_refused(visitor: TestClient, origin: str) -> None:
    sent = visitor.post("/ask", data={"model": "classifier", "question": "label", **GOOD}, headers={"origin": origin})
    assert sent.status_code == 403


def test_no_other_page_may_read_an_answer(visitor: TestClient) -> None:
    page = visitor.get("/")
    assert not [name for name in page.headers if name.startswith("access-control")]
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert visitor.options("/api/explain", headers={"access-control-request-method": "POST"}).status_code == 405


def test_what_is_too_large_is_not_read(program: TestClient) -> None:
    assert program.post("/api/explain", content=b"x" * (10 * MOST_BYTES)).status_code == 413

    def parts() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * 100_000

    assert program.post("/api/explain", content=parts()).status_code == 413


@pytest.mark.parametrize("path", ["/../pyproject.toml", "/answer/..%2f..%2fetc%2fpasswd", "/answer/%2e%2e/x.json", "/assets/x"])
def test_no_path_leads_out(visitor: TestClient, path: str) -> None:
    assert visitor.get(path).status_code in (404, 400)


@pytest.mark.parametrize("name", ["/etc/passwd", "../model", "hub/model", "minilm"])
def test_no_model_is_named_that_is_not_served(program: TestClient, name: str) -> None:
    said = program.post("/api/explain", json={"model": name, "question": "label", "fields": GOOD})
    assert said.status_code == 400
    assert "unknown model" in said.json()["message"]


def test_a_model_may_be_typed_where_a_pattern_allows_it() -> None:
    loaded: list[str] = []

    def load(name: str) -> Any:
        loaded.append(name)
        return made("classifier")

    models = Models(("classifier",), ("allowed/*",), load)
    for name in ("allowed/a", "allowed/b", "allowed/c", "allowed/c", "classifier", "allowed/a"):
        models.get(name)
    assert loaded == ["allowed/a", "allowed/b", "allowed/c", "classifier", "allowed/a"], "two of them are kept"
    with pytest.raises(OptionError):
        models.get("other/a")


def test_hostile_text_shows_as_text(visitor: TestClient, jobs: Jobs) -> None:
    text = "<script>alert(1)</script><img src=x onerror=alert(2)> </textarea> \"' {{ 7*7 }} good film"
    sent = visitor.post("/ask", data={"model": "classifier", "question": "label", "text": text, "tol": "0.1"})
    job = ended(jobs, jobs.of(next(iter(visitor.cookies.values())).partition(".")[2])[0])
    page, answer = visitor.get(sent.headers["location"]).text, visitor.get(f"/answer/{job.id}.html")
    for shown in (page, answer.text):
        assert "<img src=x" not in shown
        assert shown.count("<script>alert") == 0
        assert "&lt;script&gt;" in shown or "\\u003cscript" in shown
    assert answer.headers["content-security-policy"].startswith("sandbox allow-scripts; default-src 'none'")


# What is asked, and what is answered.


def test_the_api_gives_the_record_that_the_verb_gives(program: TestClient) -> None:
    said = program.post("/api/explain", json={"model": "classifier", "question": "label", "fields": GOOD})
    assert said.status_code == 200
    found = lineal.Attribution.from_dict(said.json())
    alone = lineal.explain(made("classifier"), "a good film", tol=0.1)
    assert (found.scores == alone.scores).all()


def test_a_form_without_script_leads_to_its_answer_and_its_files(visitor: TestClient, jobs: Jobs, tmp_path: Any) -> None:
    sent = visitor.post("/ask", data={"model": "classifier", "question": "label", **GOOD})
    assert sent.status_code == 303
    name = sent.headers["location"].removeprefix("/job/")
    job = jobs.get(name)
    assert job is not None
    ended(jobs, job)
    page = visitor.get(f"/job/{name}").text
    assert f'src="/answer/{name}.html"' in page
    assert 'sandbox="allow-scripts"' in page
    assert "a good film" in page
    for ending, begins in ((".html", b"<!doctype html>"), (".json", b"{"), (".csv", b""), (".png", b"\x89PNG")):
        file = visitor.get(f"/answer/{name}{ending}")
        assert file.status_code == 200
        assert file.content.startswith(begins)
    (tmp_path / "answer.json").write_bytes(visitor.get(f"/answer/{name}.json").content)
    assert load_result(tmp_path / "answer.json") == job.record


def test_a_form_that_does_not_fit_comes_back_with_its_words_and_why(visitor: TestClient) -> None:
    page = visitor.post("/ask", data={"model": "classifier", "question": "label", "text": "a good film", "tol": "7"})
    assert page.status_code == 400
    assert "give a number from 0.001 to 0.3" in page.text
    assert "a good film</textarea>" in page.text


def test_the_same_question_is_answered_once(jobs: Jobs) -> None:
    first = ended(jobs, jobs.ask("classifier", "label", GOOD))
    assert jobs.ask("classifier", "label", GOOD).record is first.record
    assert jobs.ask("classifier", "label", GOOD | {"unit": "prob"}).record is not first.record


def test_answers_and_questions_are_forgotten_at_last() -> None:
    jobs = Jobs(Models(("classifier",), (), made), kept=3)
    for i in range(6):
        ended(jobs, jobs.ask("classifier", "label", GOOD | {"text": "a good film " + "very " * i}))
    assert len(jobs._all) <= 4
    assert len(jobs._answers) == 3
    jobs.close()


def test_a_queue_is_bounded_and_says_where_one_stands() -> None:
    jobs = Jobs(Models(("classifier",), (), made), workers=1, most=3)
    with Held(jobs, 1):
        while jobs.waiting:
            time.sleep(0.01)
        waiting = [jobs.ask("classifier", "label", GOOD | {"text": f"a bad film {'of ' * i}"}) for i in range(3)]
        assert [jobs.position(job) for job in waiting] == [1, 2, 3]
        for _ in range(1000):
            with pytest.raises(BusyError, match="3 questions are waiting"):
                jobs.ask("classifier", "label", GOOD | {"text": "one more film"})
        jobs.cancel(waiting[0])
        assert waiting[0].state == "failed"
        assert [jobs.position(job) for job in waiting[1:]] == [1, 2]
    assert all(ended(jobs, job).state == "done" for job in waiting[1:])
    jobs.close()


def test_what_is_stopped_keeps_what_is_known_and_is_not_remembered_as_the_answer(jobs: Jobs) -> None:
    with Held(jobs, 1) as held:
        (job,) = held.asked
        while job.state == "waiting":
            time.sleep(0.01)
        jobs.cancel(job)
    assert job.state == "done"
    assert job.record is not None
    assert not job.record.converged  # type: ignore[attr-defined]
    assert jobs.status(job)["stopped"]
    assert ended(jobs, jobs.ask("classifier", "label", job.given)).record.converged  # type: ignore[union-attr]


def test_what_is_cancelled_twice_leaves_nothing(jobs: Jobs) -> None:
    with Held(jobs, 1) as held:
        (job,) = held.asked
        while job.state == "waiting":
            time.sleep(0.01)
        jobs.cancel(job)
        jobs.cancel(job)
    assert (job.state, job.record) == ("failed", None)
    assert "cancelled" in job.error


def test_time_is_bounded() -> None:
    jobs = Jobs(Models(("classifier",), (), made), asking.Limits(seconds=-1.0))
    job = ended(jobs, jobs.ask("classifier", "label", {"text": "a good film", "tol": 0.001}))
    assert job.record is not None
    assert job.record.stop is lineal.Stop.STOPPED  # type: ignore[attr-defined]
    jobs.close()


def test_a_model_that_fails_stops_nobody_else(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = questions.QUESTIONS["label"]
    monkeypatch.setitem(questions.QUESTIONS, "label", asking.Question(**{**vars(broken), "ask": lambda *_: 1 / 0}))
    job = ended(jobs, jobs.ask("classifier", "label", GOOD))
    assert "ZeroDivisionError" in job.error
    monkeypatch.undo()
    assert ended(jobs, jobs.ask("classifier", "label", GOOD)).state == "done"


def test_progress_is_told_until_the_end(visitor: TestClient, jobs: Jobs) -> None:
    job = jobs.ask("classifier", "label", {"text": "a good film", "tol": 0.001})
    told = [json.loads(line[6:]) for line in visitor.get(f"/job/{job.id}/events").text.splitlines() if line]
    assert told[-1]["state"] == "done"
    assert told[-1]["evaluations"] >= job.record.evaluations  # type: ignore[union-attr]
    errors = [error for _, error in told[-1]["curve"] if error is not None]
    assert errors[-1] <= 0.001 <= errors[0]


def test_two_answers_stand_side_by_side_and_a_visit_has_its_own_history(visitor: TestClient, jobs: Jobs) -> None:
    for text in ("a good film", "a bad film"):
        visitor.post("/ask", data={"model": "classifier", "question": "label", "text": text, "tol": "0.1"})
    names = re.findall(r'name="a" value="([\w-]+)"', visitor.get("/").text)
    assert len(names) == 2
    page = visitor.get(f"/both?a={names[0]}&b={names[1]}").text
    assert page.count("<iframe") + page.count("The work goes on") == 2
    other = browser(jobs)
    other.get(f"/?token={TOKEN}")
    assert names[0] not in other.get("/").text


def test_the_api_waits_for_nobody_where_it_is_asked_not_to(program: TestClient, jobs: Jobs) -> None:
    given = {"model": "classifier", "question": "label", "fields": GOOD, "wait": False}
    said = program.post("/api/explain", json=given)
    assert said.status_code == 202
    job = jobs.get(said.json()["id"])
    assert job is not None
    ended(jobs, job)
    assert program.get(f"/api/jobs/{job.id}").json()["state"] == "done"
    assert program.get(f"/api/jobs/{job.id}/record").json()["schema"] == 1
    assert program.get("/api/jobs/none").status_code == 404
    assert program.delete(f"/api/jobs/{job.id}").json()["state"] == "done"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b'{"model": 1, "question": "label"}', b'{"odd": 1}', b"[" * 100_000, b"\xff"])
def test_a_body_of_another_shape_is_refused(program: TestClient, body: bytes) -> None:
    said = program.post("/api/explain", content=body)
    assert said.status_code == 400
    assert said.json()["error"] == "InputError"


def test_every_path_of_the_document_is_served_and_the_other_way_round() -> None:
    assert {route.path for route in api.ROUTES} - {"/api/openapi.json"} == set(api.openapi()["paths"])


# The command.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "192.0.2.1"], "give a --token"),
        (["--host", "0.0.0.0", "--token", "x" * 16], "every address at once"),
        (["--token", "short"], "fewer than 16"),
    ],
)
def test_the_command_listens_to_this_machine_unless_told_otherwise(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["serve", "nothing-that-exists", *arguments])
    assert left.value.code == 2
    assert words in capsys.readouterr().err


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("lineal.cli.serve.importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        main(["serve"])
    assert "pip install 'lineal[web]'" in capsys.readouterr().err


def test_the_command_is_there() -> None:
    assert "serve" in CliRunner().invoke(commands, ["--help"]).output
