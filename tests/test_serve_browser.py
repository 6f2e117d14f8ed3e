"""The page in a real browser: every question by mouse and by keyboard, wide and narrow, light and dark, without a complaint; and fuzzed."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
import uvicorn
from playwright.sync_api import expect, sync_playwright
from schemathesis import Case

from lineal.web import api, questions
from lineal.web.app import application
from lineal.web.jobs import Jobs, Models
from tests.test_browser import CHROMIUM, FLAGS, SIZES
from tests.test_web_questions import models

pytestmark = pytest.mark.slow
TOKEN = "a-token-of-the-tests"
THEMES = ("light", "dark")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Serve the tiny models on a port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        jobs = Jobs(Models(tuple(models()), (), lambda name: models()[name]))
        config = uvicorn.Config(application(jobs, frozenset({host}), TOKEN), log_level="error", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://{host}"
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: Any, address: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return a tab of a new visit; nothing may be complained about, and nothing asked of another host."""
    size, theme, script = getattr(request, "param", (SIZES[0], "light", True))
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=theme, java_script_enabled=script, bypass_csp=False
    )
    context.set_default_timeout(20_000)
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith((address, "data:")) else complaints.append(asked.url))
    page.goto(f"{address}/?token={TOKEN}")
    yield page
    context.close()
    assert complaints == []


def answer(page: Any) -> str:
    """Return what the frame shows, once it does."""
    page.wait_for_selector("iframe.answer")
    frame = page.frame_locator("iframe.answer")
    frame.locator("body").wait_for()
    return str(frame.locator("body").inner_text())


ASKED = [(kind, name) for kind, model in models().items() for name, question in questions.QUESTIONS.items() if question.fits(model)]
SETTINGS = [pytest.param((size, theme, True), id=f"{size[0]}-{theme}") for size in SIZES for theme in THEMES]


@pytest.mark.parametrize(("kind", "name"), ASKED)
def test_every_question_is_clicked_through(tab: Any, address: str, kind: str, name: str) -> None:
    tab.goto(f"{address}/?model={kind}&question={name}")
    tab.click("summary:has-text('How it is asked')")
    tab.fill("#f-tol", "0.2")
    if name == "comparison":
        for method in ("occlusion", "gradient-x-input"):
            tab.uncheck(f"input[value={method}]")
    tab.click("button.go")
    assert answer(tab)
    assert "JSON" in tab.inner_text(".downloads")


@pytest.mark.parametrize("tab", SETTINGS, indirect=True)
def test_a_question_is_asked_with_the_keyboard_alone_on_any_screen(tab: Any, address: str) -> None:
    tab.goto(f"{address}/?model=classifier&question=label")
    for _ in range(40):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.id") == "f-text":
            break
    tab.keyboard.press("Control+A")
    tab.keyboard.type("a good film")
    for _ in range(40):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.className") == "go":
            break
    tab.keyboard.press("Enter")
    assert "good" in answer(tab)
    tab.wait_for_selector("#answer:focus")
    assert tab.evaluate("document.documentElement.scrollWidth") <= tab.viewport_size["width"]


@pytest.mark.parametrize("tab", SETTINGS, indirect=True)
def test_axe_finds_nothing_serious(tab: Any, address: str) -> None:
    from importlib.resources import files

    axe = files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    tab.goto(f"{address}/?model=classifier&question=comparison")
    tab.click("summary:has-text('How it is asked')")
    tab.click("button.go")
    answer(tab)
    found = tab.evaluate(axe + "\naxe.run(document.querySelector('main'), {iframes: false})")
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"] if one["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize("tab", [pytest.param((SIZES[0], "light", False), id="no-script")], indirect=True)
def test_everything_works_without_script(tab: Any, address: str) -> None:
    tab.goto(f"{address}/?model=classifier&question=label")
    tab.fill("#f-text", "a bad film")
    tab.click("button.go")
    tab.wait_for_selector("iframe.answer")
    assert "a bad film" in tab.inner_text(".history")


def test_a_link_restores_what_was_asked_and_sends_none_of_it(tab: Any, address: str) -> None:
    sent: list[str] = []
    tab.on("request", lambda asked: sent.append(asked.url))
    tab.goto(f"{address}/?model=classifier&question=label")
    tab.fill("#f-text", "a very secret film")
    tab.click("button.link")
    link = tab.url
    tab.goto("about:blank")
    tab.goto(re.sub(r"\?[^#]*", "", link))
    expect(tab.locator("#f-text")).to_have_value("a very secret film")
    assert not [url for url in sent if "secret" in url.partition("#")[0]]


def test_hostile_text_runs_nowhere(tab: Any, address: str) -> None:
    tab.goto(f"{address}/?model=classifier&question=label")
    tab.fill("#f-text", "<img src=x onerror=\"parent.document.title='taken'\"><script>document.title='taken'</script> good film")
    tab.click("button.go")
    assert "onerror" in answer(tab)
    assert "taken" not in tab.title()


def test_two_answers_are_seen_side_by_side(tab: Any, address: str) -> None:
    for text in ("a good film", "a bad film"):
        tab.goto(f"{address}/?model=classifier&question=label")
        tab.fill("#f-text", text)
        tab.click("button.go")
        answer(tab)
    tab.click("text=A and B side by side")
    frames = tab.locator("iframe.answer")
    assert frames.count() == 2
    assert [text in tab.inner_text(".pair") for text in ("a good film", "a bad film")] == [True, True]
    for n in range(2):
        tab.frame_locator("iframe.answer").nth(n).locator("article").first.wait_for()


DOCUMENT = schemathesis.openapi.from_dict(api.openapi())


@DOCUMENT.parametrize()
def test_the_api_survives_whatever_is_sent(case: Case, address: str) -> None:
    said = case.call(base_url=address, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)
    assert said.status_code < 500
