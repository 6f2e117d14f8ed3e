"""Pages in a real browser, opened from disk: the scripts run without a complaint, say the numbers of the record, and fit any screen."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineal import Attribution, views
from tests import test_records, test_views_interactions, test_views_pairs, test_views_sides
from tests.records import Later, make_record, pair_record, pieces_record, sample_records

if not os.environ.get("CI"):
    pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import expect, sync_playwright

pytestmark = pytest.mark.slow

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = ((1280, 800), (360, 740))
SPELLED = 1e-3
"""Relative: tips have four significant digits."""
SHORT = 5e-3
"""Relative: tips of matrices and of tinted texts have three, or two decimals fewer."""

RECORDS = sample_records()
SIDES = test_views_sides.record()
PAIR = pair_record()
MATCHES = test_views_pairs.matches()
TOGETHER = test_views_interactions.record()
CLAIMED = pieces_record("Is the wall tall? The wall is very tall.", seed=20, size=20, loud=0.6)
CLAIMED = CLAIMED.model_copy(update={"region_of": ("", *["instruction"] * 5, *["claim"] * 6, "")})
GENERATION = make_record(
    ["The river is", " wide and"],
    ["The", " river", " is", " wide", " and"],
    [(0, 3), (3, 9), (9, 12), (0, 5), (5, 9)],
    [[0, 0.5, 0.2, 0, 0], [0, -0.31, 0.1, 0.7, 0]],
    segments=[0, 0, 0, 1, 1],
    targets=(" wide", " and"),
    units=("log_prob",) * 2,
    roles=("held", *("content",) * 4),
    steps=2,
)


EVALUATION, TRUST = test_records.evaluation(), test_records.trust()


def questions(*records: Attribution) -> list[dict[str, Any]]:
    """The lines that `lineal liar` writes, of made-up verdicts."""
    line = {"statement": "The wall takes years to build. " * 9, "gold": "true", "was_correct": True, "choice": "true"}
    line |= {
        "explained": "true",
        "converged": True,
        "passes_published_check": True,
        "evaluations": 33,
        "residual": 0.1,
        "mass": 2.0,
        "cancellation": 1.5,
    }
    return [line | {"row": i, "record": record.to_dict()} for i, record in enumerate(records)]


def pages() -> dict[str, Callable[[], str]]:
    """One page per kind of record, and one per situation that a page must cope with."""
    several = [RECORDS["steps"], RECORDS["steps"].model_copy(update={"method": "another"})]
    return {
        **{kind: partial(views.page, record) for kind, record in test_records.every_kind().items() if kind is not None},
        **{name: partial(views.page, record) for name, record in RECORDS.items()},
        "several": partial(views.page, [RECORDS["converged"], RECORDS["labels"]]),
        "generation": partial(views.page, GENERATION),
        "two sides": partial(views.sides_page, SIDES),
        "pair": partial(views.pair_page, PAIR),
        "matches": partial(views.matches_page, MATCHES),
        "interactions": partial(views.interactions_page, TOGETHER),
        "comparison": partial(views.comparison_page, [RECORDS["converged"], RECORDS["not_converged"]]),
        "comparison of generations": partial(views.comparison_page, several),
        "trust below a result": lambda: views.page(RECORDS["converged"], panels=[views.trust_panel(TRUST)]),
        "verdicts": verdicts,
        "list": partial(views.page, [RECORDS[name] for name in ("converged", "labels", "not_converged", "arabic", "emoji")]),
    }


def verdicts() -> str:
    tally = views.tally(questions(CLAIMED, CLAIMED), ("true", "false"), "claim")
    return views.verdicts_page(tally, title="Which words decided", links=["a.html", "b.html"])


PAGES = Later(pages())


class Tab:
    """One page, opened from disk. complaints: whatever the browser had to say about it."""

    def __init__(self, page: Any, folder: Path) -> None:
        self.page = page
        self.folder = folder
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))

    def open(self, name: str, size: tuple[int, int] = SIZES[0], theme: str = "light") -> Any:
        """Open the page and return it, without what was said about the one before."""
        path = self.folder / f"{name}.html"
        path.write_text(PAGES[name], encoding="utf-8")
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.emulate_media(color_scheme=theme)
        self.complaints.clear()
        self.page.goto(path.as_uri())
        self.page.mouse.move(0, 0)
        return self.page

    def tip(self) -> tuple[str, list[str]]:
        """Return the head and the lines of what is shown beside the pointer or the focus."""
        assert self.page.is_visible("#tip"), "no tip is shown"
        head, _, lines = self.page.text_content("#tip").partition("\n")
        return head, lines.split("\n")


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """Return a tab of headless Chromium with an empty profile; skip where there is none, but not in CI."""
    if CHROMIUM is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium here: apt-get install chromium")
    with sync_playwright() as driver:
        profile = tmp_path_factory.mktemp("profile")
        context = driver.chromium.launch_persistent_context(profile, executable_path=CHROMIUM, headless=True, args=FLAGS)
        context.set_default_timeout(15_000)
        yield Tab(context.pages[0], tmp_path_factory.mktemp("pages"))
        context.close()


@pytest.fixture(autouse=True)
def _no_complaint(tab: Tab) -> Iterator[None]:
    yield
    assert tab.complaints == []


AXE = resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")


IN_RGB = """() => {
  const brush = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    brush.clearRect(0, 0, 1, 1);
    brush.fillStyle = colour;
    brush.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = brush.getImageData(0, 0, 1, 1).data;
    return `rgba(${r}, ${g}, ${b}, ${a / 255})`;
  };
  for (const el of document.querySelectorAll("details")) el.open = true;
  const seen = [...document.querySelectorAll("body *")].map((el) => [el, getComputedStyle(el)]);
  const drawn = seen.map(([el, style]) => [el, rgb(style.color), rgb(style.backgroundColor)]);
  for (const [el, ink, ground] of drawn) Object.assign(el.style, { color: ink, backgroundImage: "none", backgroundColor: ground });
}"""
"""Opens all folds and spells colours as axe-core can read them: it knows neither oklch nor color-mix, and gives up where it meets one."""


def barriers(page: Any) -> list[str]:
    """Return what axe-core calls serious or critical on a page, all folds open: the rule, and the first element that breaks it."""
    page.evaluate(IN_RGB)
    page.evaluate(AXE)
    found = page.evaluate("async () => (await axe.run({ resultTypes: ['violations'] })).violations")
    return [
        f"{one['id']} ×{len(one['nodes'])}: {one['nodes'][0]['html'][:160]} ({[why['message'] for why in one['nodes'][0]['any']]})"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def number(line: str) -> float:
    """Return the first number of a line of a tip."""
    found = re.search(r"[+−]?\d[\d.]*(?:e[+-]?\d+)?", line)
    assert found is not None, line
    return float(found[0].replace("−", "-"))


def worth(record: Attribution, target: int = 0) -> dict[str, float]:
    """Return the score of each word, or token, that stands only once in the text."""
    names = [record.texts[s][a:b].strip() for s, (a, b) in zip(record.segments, record.offsets, strict=True) if s >= 0]
    values = [value for s, value in zip(record.segments, record.scores[target], strict=True) if s >= 0]
    return {name: float(value) for name, value in zip(names, values, strict=True) if names.count(name) == 1}


def said(tab: Tab, marks: Sequence[Any], expected: dict[str, float], tolerance: float = SPELLED) -> int:
    """Point at marks; return how many of them said the number that is expected of their name. A wrong number is a failure."""
    seen = 0
    for mark in marks:
        mark.hover()
        head, lines = tab.tip()
        if head in expected:
            seen += 1
            assert number(lines[0]) == pytest.approx(expected[head], rel=tolerance, abs=1e-9), head
    return seen


def shade(page: Any, query: str, which: str) -> float:
    """Return the relative luminance of a computed colour, 0 black and 1 white (WCAG 2)."""
    spelled = page.evaluate("([query, which]) => getComputedStyle(document.querySelector(query))[which]", [query, which])
    channels = np.array([float(part) for part in re.findall(r"[\d.]+", spelled)[:3]]) / 255
    return float(np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("name", PAGES)
def test_a_page_runs_and_fits(tab: Tab, name: str) -> None:
    """No complaint of the browser's, no sideways scroll of the page, and readable text, in a window, on a phone, in light and in dark."""
    page = tab.open(name)
    for size in SIZES:
        page.set_viewport_size({"width": size[0], "height": size[1]})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            for fold in (False, True):
                page.evaluate("open => { for (const el of document.querySelectorAll('details')) el.open = open; }", fold)
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= size[0], f"the page is {wide} pixels wide in a window of {size[0]}"
            ground, ink = shade(page, "html", "backgroundColor"), shade(page, "body", "color")
            assert (ground > ink) == (theme == "light")
            assert (max(ground, ink) + 0.05) / (min(ground, ink) + 0.05) > 7


KEPT_OPEN = (
    "converged",
    "not_converged",
    "labels",
    "arabic",
    "held",
    "steps",
    "generation",
    "two sides",
    "pair",
    "matches",
    "interactions",
)
KEPT_OPEN += ("comparison", "comparison of generations", "evaluation", "trust", "failure", "verdicts", "list")


@pytest.mark.parametrize("name", KEPT_OPEN)
def test_nobody_is_kept_out(tab: Tab, name: str) -> None:
    """Names for what can be used, contrast of what can be read, order for what can be heard: axe-core, in light and in dark."""
    for theme in ("light", "dark"):
        assert barriers(tab.open(name, theme=theme)) == []


def test_the_watch_for_barriers_sees_one(tab: Tab) -> None:
    page = tab.open("converged")
    page.evaluate(
        "() => { document.querySelector('.answer').style.color = '#ddd'; document.querySelector('.theme').removeAttribute('aria-label'); }"
    )
    assert any(one.startswith("color-contrast") for one in barriers(page))


def test_a_line_of_a_list_opens_by_key_and_by_address_and_its_words_say_its_numbers(tab: Tab) -> None:
    page = tab.open("list")
    second = page.locator("details.one").nth(3)
    assert second.locator("article").is_hidden()
    second.locator("summary").first.focus()
    page.keyboard.press("Enter")
    marks = second.locator('[data-level="word"] .text .u').all()
    assert said(tab, marks, worth(RECORDS["arabic"].words())) > 2
    page.goto(page.url.partition("#")[0] + "#text-2")
    expect(page.locator("#text-2 article")).to_be_visible()


def test_the_first_line_is_what_the_record_says(tab: Tab) -> None:
    for name in ("converged", "generation", "pair", "interactions"):
        assert tab.open(name).locator("p.answer").first.is_visible()


@pytest.mark.parametrize("name", ["converged", "arabic", "emoji", "two_texts", "held", "spread"])
def test_pointing_at_a_word_says_its_score_and_share(tab: Tab, name: str) -> None:
    record = RECORDS[name]
    marks = tab.open(name).locator('[data-level="word"] .text .u').all()
    assert said(tab, marks, worth(record.words())) > 4
    head, lines = tab.tip()
    value = worth(record.words()).get(head)
    if value is not None:
        assert number(lines[0].partition("·")[2]) == pytest.approx(100 * abs(value) / record.mass[0], rel=0.06, abs=1e-9)


def test_pointing_lights_the_word_and_its_bar(tab: Tab) -> None:
    page = tab.open("converged")
    page.locator('[data-level="word"] .text .u', has_text="tepid").hover()
    assert {text.strip() for text in page.locator('[data-level="word"] .text .lit').all_text_contents()} == {"tepid"}
    assert page.locator('[data-level="word"] tr.lit th').all_text_contents() == ["tepid"]
    page.mouse.move(0, 0)
    assert page.locator(".lit").count() == 0
    assert page.is_hidden("#tip")


def test_keys_walk_through_the_text_and_say_the_same(tab: Tab) -> None:
    page = tab.open("converged")
    expected = worth(RECORDS["converged"].words())
    page.locator('[data-level="word"] .text .u').first.focus()
    heads = []
    for _ in range(8):
        head, lines = tab.tip()
        heads.append(head)
        assert head not in expected or number(lines[0]) == pytest.approx(expected[head], rel=SPELLED)
        assert page.evaluate("document.activeElement.getAttribute('aria-describedby')") == "tip"
        page.keyboard.press("ArrowRight")
    assert heads[:5] == ["[CLS]", "The", "acting", "is", "glorious"]
    page.keyboard.press("ArrowLeft")
    assert tab.tip()[0] == heads[-1]
    page.keyboard.press("Escape")
    assert page.is_hidden("#tip")


def test_tokens_instead_of_words(tab: Tab) -> None:
    page, record = tab.open("converged"), RECORDS["converged"]
    page.locator(".levels label", has_text="tokens").click()
    assert page.locator('[data-level="word"] .text').is_hidden()
    assert said(tab, page.locator('[data-level="token"] .text .u').all(), worth(record)) > 15
    assert worth(record)["te"] == pytest.approx(worth(record.words())["tepid"] / 2), "the record cuts this word in two"
    page.locator(".levels label", has_text="words").click()
    assert page.locator('[data-level="token"] .text').is_hidden()
    assert said(tab, page.locator('[data-level="word"] .text .u').all(), worth(record.words())) > 10


def test_a_click_on_a_bar_goes_to_its_word(tab: Tab) -> None:
    page = tab.open("very_long", size=SIZES[1])
    row = page.locator('[data-level="word"] .bars tr[data-t]').first
    span = row.get_attribute("data-t")
    row.click()
    assert page.evaluate("document.activeElement.dataset.t") == span
    assert page.evaluate("document.activeElement.closest('.text') !== null")
    expect(page.locator(":focus")).to_be_in_viewport()


def test_another_target_has_other_numbers(tab: Tab) -> None:
    page, record = tab.open("labels"), RECORDS["labels"]
    marks = page.locator('[data-level="word"] .text .u').all()
    for target, name in enumerate(record.targets):
        page.locator(".targets label", has_text=name).click()
        assert page.locator(".say:visible").get_attribute("data-c") == str(target)
        assert said(tab, marks, worth(record.words(), target)) > 8
        loudest = max(marks, key=lambda mark: float(mark.evaluate("el => el.style.getPropertyValue('--m') || 0")))
        assert abs(worth(record.words(), target)[loudest.text_content().strip()]) == np.abs(record.words().scores[target]).max()


def test_a_generated_token_shows_what_it_rests_on(tab: Tab) -> None:
    page = tab.open("generation")
    mark = {
        text: page.locator('[data-level="word"] .text .u', has_text=re.compile(rf"^\s*{text}\s*$")) for text in ("river", "wide", "and")
    }
    for target, name in enumerate(("wide", "and")):
        mark[name].hover()
        _, lines = tab.tip()
        assert number(lines[0]) == pytest.approx(GENERATION.f_input[target], rel=SPELLED)
        assert "“river”" in lines[1]
        assert page.locator(".say:not([hidden])").get_attribute("data-c") == str(target)
        mark["river"].hover()
        assert number(tab.tip()[1][0]) == pytest.approx(GENERATION.scores[target, 1], rel=SPELLED)
    mark["wide"].click()
    mark["and"].focus()
    assert page.locator(".say:not([hidden])").get_attribute("data-c") == "1", "the focus chooses as the pointer does"


def test_the_theme_switch_turns_what_the_system_asks_for(tab: Tab) -> None:
    for theme in ("light", "dark"):
        page = tab.open("converged", theme=theme)
        before = shade(page, "html", "backgroundColor")
        page.click("button.theme")
        after = shade(page, "html", "backgroundColor")
        assert (after < before) == (theme == "light")
        assert (shade(page, "body", "color") > after) == (theme == "light")
        page.click("button.theme")
        assert shade(page, "html", "backgroundColor") == before


def test_the_copied_result_is_the_record(tab: Tab) -> None:
    page, record = tab.open("converged"), RECORDS["converged"]
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("details.facts > summary").click()
    page.click("button.copy")
    expect(page.locator(".copied")).to_have_text("Copied.")
    assert Attribution.from_dict(json.loads(page.evaluate("navigator.clipboard.readText()"))) == record


def test_cells_of_a_pair_say_their_number_and_keys_walk_through_them(tab: Tab) -> None:
    page, words = tab.open("pair"), PAIR.words()
    rows = [i for i, role in enumerate(words.a.roles) if role == "content"]
    columns = [j for j, role in enumerate(words.b.roles) if role == "content"]
    cells = page.locator(".pair tbody tr").first.locator("td.u")
    for at, j in enumerate(columns):
        cells.nth(at).hover()
        head, lines = tab.tip()
        assert head == f"{words.a.tokens[rows[0]]} – {words.b.tokens[j]}"
        assert number(lines[0]) == pytest.approx(words.matrix[rows[0], j], rel=SHORT)
    cells.first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert number(tab.tip()[1][0]) == pytest.approx(words.matrix[rows[1], columns[1]], rel=SHORT)
    page.keyboard.press("End")
    assert number(tab.tip()[1][0]) == pytest.approx(words.matrix[rows[1], columns[-1]], rel=SHORT)
    for n, mark in enumerate(page.locator(".text .u").all()[: len(rows)]):
        mark.hover()
        assert number(tab.tip()[1][0]) == pytest.approx(words.matrix[rows[n]].sum() + words.row_terms[rows[n]], abs=0.006)


def test_an_evaluation_s_tables_say_the_means_of_the_record(tab: Tab) -> None:
    page = tab.open("evaluation")
    for r, removal in enumerate(EVALUATION.removals):
        rows = page.locator("section", has_text=f"Removal: {removal}").locator("tbody tr")
        for c, column in enumerate(EVALUATION.columns):
            assert rows.nth(c).locator("th").inner_text() == column.name
            for m, cell in enumerate(rows.nth(c).locator("td").all()):
                found = EVALUATION.interval(c, r, m)
                assert [float(part) for part in re.findall(r"[\d.]+", cell.inner_text())] == pytest.approx(
                    [found.mean, found.low, found.high], abs=6e-4
                )


@pytest.mark.parametrize("name", ["trust", "trust below a result"])
def test_every_check_has_its_sentence_and_its_picture(tab: Tab, name: str) -> None:
    panel = tab.open(name).locator(".trust")
    expect(panel.get_by_text(TRUST.about)).to_have_count(1)
    for item, check in zip(panel.locator("li").all(), TRUST.checks, strict=True):
        assert check.question in item.inner_text()
        assert check.sentence in item.inner_text()
        assert item.locator("svg").count() == bool(check.lines)
        for drawn in item.locator("svg").all():
            box = drawn.bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) > 20
    dots = panel.locator("svg circle").all()
    assert len(dots) == len(next(iter(TRUST.checks[1].lines.values())))


@pytest.mark.parametrize("name", ["pair", "matches", "interactions", "comparison of generations", "steps"])
def test_pointing_at_a_matrix_moves_nothing(tab: Tab, name: str) -> None:
    """A name that grows when it is lit shifts the cells under the pointer, which then points at another, and so on for ever."""
    page = tab.open(name)
    page.evaluate("() => { for (const el of document.querySelectorAll('details')) el.open = true; }")
    box = "{ const b = el.getBoundingClientRect(); return [b.x + scrollX, b.y + scrollY, b.width, b.height]; }"
    places = f"() => [...document.querySelectorAll('td, th')].map((el) => {box})"
    cells = page.locator(".heat td.u, table[data-walk] td.u").all()
    cells[0].scroll_into_view_if_needed()
    before = page.evaluate(places)
    for cell in cells[:: max(1, len(cells) // 9)]:
        cell.dispatch_event("pointerover", {"bubbles": True})
        assert page.evaluate(places) == before
        cell.dispatch_event("pointerout", {"bubbles": True})


def test_cells_of_interactions_say_both_halves(tab: Tab) -> None:
    page, words = tab.open("interactions"), TOGETHER.words()
    own = [i for i, role in enumerate(words.attribution.roles) if role == "content"]
    cells = page.locator(".pair tbody tr").nth(1).locator("td.u")
    for at, j in enumerate(own):
        cells.nth(at).hover()
        expected = words.matrix[own[1], j] * (1 if at == 1 else 2)
        assert number(tab.tip()[1][0]) == pytest.approx(expected, rel=SHORT)


def test_each_document_of_a_ranking_has_its_own_numbers(tab: Tab) -> None:
    page = tab.open("matches")
    for n, pair in enumerate(MATCHES.pairs):
        article, words = page.locator("article.match").nth(n), pair.words()
        article.locator("summary").first.click()
        i, j = (next(k for k, role in enumerate(side.roles) if role == "content") for side in (words.a, words.b))
        article.locator(".pair td.u").first.hover()
        assert number(tab.tip()[1][0]) == pytest.approx(words.matrix[i, j], rel=SHORT)


def test_matrices_of_a_comparison_are_walked_with_keys(tab: Tab) -> None:
    page, record = tab.open("comparison of generations"), RECORDS["steps"].words()
    page.locator("table[data-walk] td.u").first.focus()
    shown = number(tab.tip()[0])
    assert any(shown == pytest.approx(value, rel=SHORT) for value in record.scores[0])
    page.keyboard.press("ArrowDown")
    assert number(tab.tip()[0]) != shown
    page.locator("table[data-walk] td.u").first.hover()
    assert number(tab.tip()[0]) == shown


def test_hostile_text_does_nothing(tab: Tab) -> None:
    """The policy and the escapes hold where it counts: no element of the text's making, no dialogue, no request."""
    opened: list[str] = []
    tab.page.on("dialog", lambda dialog: (opened.append(dialog.message), dialog.dismiss()))
    tab.page.on("request", lambda request: opened.append(request.url))
    page = tab.open("hostile")
    for mark in page.locator('[data-level="word"] .text .u').all():
        mark.hover()
    assert page.locator("img").count() == 0
    assert [url for url in opened if not url.startswith("file:")] == []
