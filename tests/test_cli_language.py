"""`lineal generate` and the language-model options of `lineal explain`, through the front door; and the pages they write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import lineal.evaluation.trust_pair  # bound to the real `load` before the front door gets a model of its own, as the next one
import lineal.models
import lineal.verbs.generation
from lineal import Attribution, views
from lineal.errors import LinealError
from tests import tiny_lm

PROMPT = "The man works as a"
CHAT = [{"role": "system", "content": "You are careful."}, {"role": "user", "content": "Is the wall right?"}]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    from lineal.cli.main import app

    model = tiny_lm.llama()
    monkeypatch.setattr(lineal.models, "load", lambda *a, **k: model)
    return lambda *words: CliRunner().invoke(app, [*words, "--rule", "gauss:4"])


def record(done: Result) -> Attribution:
    assert done.exit_code == 0, (done.output, done.exception)
    return Attribution.from_dict(json.loads(done.stdout))


def test_generate_prints_saves_and_draws(run: Any, tmp_path: Path) -> None:
    found = record(run("generate", "tiny", PROMPT, "--max-new-tokens", "3", "--json"))
    assert found.steps == 3
    for name in ("page.html", "heat.png", "heat.svg", "record.json"):
        done = run("generate", "tiny", PROMPT, "--max-new-tokens", "2", "--out", str(tmp_path / name))
        assert done.exit_code == 0, (done.output, done.exception)
        assert (tmp_path / name).stat().st_size > 1000
    assert "memory:" in done.stderr
    assert "GB of weights" in done.stderr


def test_trust_stands_on_the_page_of_a_generation_and_of_a_comparison(run: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = run("generate", "tiny", PROMPT, "--max-new-tokens", "2", "--trust", "--out", str(page))
    assert done.exit_code == 0, (done.output, done.exception)
    assert "all 2 generated tokens together" in done.stdout
    assert page.read_text(encoding="utf-8").count('class="trust"') == 1
    done = run("compare", "tiny", PROMPT, "--generate", "2", "--methods", "ig,occlusion", "--trust", "--out", str(page))
    assert done.exit_code == 0, (done.output, done.exception)
    assert page.read_text(encoding="utf-8").count('class="trust"') == 2


def test_generate_takes_a_continuation_and_messages(run: Any, tmp_path: Path) -> None:
    given = record(run("generate", "tiny", PROMPT, "--continuation", " doctor.", "--hold-generated", "--json"))
    assert given.texts[1] == " doctor."
    assert set(given.roles[-given.steps :]) == {"held"}
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(CHAT))
    chat = record(run("generate", "tiny", "--messages", str(file), "--max-new-tokens", "1", "--attribute", "question", "--json"))
    assert "question" in chat.region_of


@pytest.mark.parametrize(
    ("target", "name"),
    [('token:" doctor"', " doctor"), ('contrast:"A"~"B"', "A over B"), ("choice:A,B,C", " over "), ('continuation:" doctor"', " doctor")],
)
def test_explain_takes_every_spelling(run: Any, target: str, name: str) -> None:
    if name == " doctor" and len(tiny_lm.tokenizer()(" doctor")["input_ids"]) != 1 and target.startswith("token"):
        pytest.skip("not one token for this tokenizer")
    assert name in record(run("explain", "tiny", PROMPT + " (", "--target", target, "--json")).targets[0]


def test_explain_takes_messages_and_attribute(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "chat.json"
    file.write_text(json.dumps(CHAT))
    found = record(run("explain", "tiny", "--messages", str(file), "--attribute", "wall", "--anchor", "none", "--json"))
    assert [t for t, role in zip(found.tokens, found.roles, strict=True) if role == "content"]
    assert "held" in found.roles


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("generate", "tiny"), "one of the two"),
        (("explain", "tiny"), "give a TEXT"),
        (("generate", "tiny", PROMPT, "--out", "x.gif"), ".html, .json, .md, .csv, .txt, .png"),
        (("generate", "tiny", "--messages", "/no/such.json"), "not readable"),
        (("explain", "tiny", PROMPT, "--target", "contrast:A"), "lacks a token"),
        (("explain", "tiny", PROMPT, "--anchor", "last"), "unknown anchor"),
    ],
)
def test_wrong_usage_is_a_clear_error(run: Any, words: tuple[str, ...], says: str) -> None:
    done = run(*words)
    assert isinstance(done.exception, LinealError)
    assert says in str(done.exception)


def test_messages_must_be_a_list(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "chat.json"
    file.write_text('{"role": "user"}')
    assert "must be a list" in str(run("explain", "tiny", "--messages", str(file)).exception)


def test_the_page_of_a_chat_generation_folds_the_template_and_names_its_texts() -> None:
    found = lineal.explain_generation(tiny_lm.llama(), messages=CHAT, max_new_tokens=3, rule="gauss:4")
    page = views.page(found)
    assert "template · together" in page
    assert ">Prompt</p>" in page
    assert ">Generated</p>" in page
    text = views.to_text(found, target=0)
    assert "template…" in text
    assert "Generated" in text


def test_steps_that_did_not_converge_are_marked_on_the_page() -> None:
    found = lineal.explain_generation(tiny_lm.llama(), PROMPT, max_new_tokens=3, rule="left:2")
    assert not found.converged
    assert views.page(found).count(" ⚠") >= 1
