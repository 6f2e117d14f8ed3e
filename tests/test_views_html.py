"""The page: the text comes back unharmed, nothing in it can act, bars add up, what did not converge cannot be missed."""

from __future__ import annotations

import json
import re
from functools import partial
from html.parser import HTMLParser

import numpy as np
import pytest

from lineal.records.attribution import Attribution
from lineal.views import page, repr_html
from lineal.views.parts.cells import cells, visible
from lineal.views.parts.flow import flow
from tests.records import HOSTILE, Later, make_record, pieces_record, sample_records

RECORDS = sample_records()
VOID = {"meta", "input", "br", "col"}
OWN = set(
    re.findall(
        r"\w+",
        "html head meta title style body header h1 h2 h3 button article p div fieldset legend label input span section details main footer",
    )
)
OWN |= set(re.findall(r"\w+", "summary table colgroup col thead tbody tfoot tr th td bdi b i s small u strong dl dt dd script"))


class Node(HTMLParser):
    """A page taken apart: every element's attributes and text, and the path of classes it lies in."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.all: list[tuple[str, dict[str, str | None], list[str], tuple[str, ...]]] = []
        self.feed(source)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        text: list[str] = []
        around = tuple(str(each[1].get("class") or "") for each in self.open)
        self.all.append((tag, dict(attrs), text, around))
        if tag not in VOID:
            self.open.append((tag, dict(attrs), text))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        for _, _, text in self.open:
            text.append(data)

    def texts(self, tag: str, name: str = "") -> list[str]:
        """Return the text of each element with this tag and class."""
        return ["".join(text) for found, attrs, text, _ in self.all if found == tag and name in (*str(attrs.get("class")).split(), "")]

    def marks(self) -> list[tuple[str, dict[str, str | None]]]:
        """Return the marked words of the text: their text and attributes, of the first level that is drawn."""
        found: dict[str | None, tuple[str, dict[str, str | None]]] = {}
        for _, attrs, text, around in self.all:
            if "text" in around and "u" in str(attrs.get("class")).split():
                found.setdefault(attrs["data-t"], ("".join(text), attrs))
        return list(found.values())


PAGES = Later({name: partial(page, record) for name, record in RECORDS.items()})
NODES = Later({name: partial(lambda name: Node(PAGES[name]), name) for name in PAGES})


@pytest.mark.parametrize("name", RECORDS)
def test_the_text_stands_in_its_own_spelling_and_spacing(name: str) -> None:
    record, node = RECORDS[name], NODES[name]
    drawn = re.sub(r"<div class=\"text\".*?</div>", lambda m: m[0], PAGES[name], flags=re.DOTALL)
    blocks = re.findall(r"<div class=\"text\"[^>]*>(.*?)</div>", drawn, flags=re.DOTALL)
    n_levels = len(blocks) // len(record.texts)
    assert n_levels == len(
        {attrs["data-level"] for _, attrs, _, around in node.all if "data-level" in attrs and "reading" in " ".join(around)}
    )
    for i, block in enumerate(blocks):
        bare = re.sub(r"<summary>.*?</summary>|<span class=\"note\">.*?</span>|<span class=\"u [pn] chip[^>]*>[^<]*</span>", "", block)
        whole = visible(record.texts[i % len(record.texts)])
        read = record.read[0] if record.read else len(whole)
        expected = whole if len(whole) - read <= 400 else whole[: read + 400] + "…"
        assert "".join(Node(f"<div>{bare}</div>").all[0][2]) == expected


@pytest.mark.parametrize("name", RECORDS)
def test_only_own_elements_and_no_foreign_attribute(name: str) -> None:
    for tag, attrs, _, _ in NODES[name].all:
        assert tag in OWN, tag
        assert not [key for key in attrs if key.startswith("on") or key in ("src", "href", "action", "srcset")], attrs
    assert [attrs.get("type") for tag, attrs, _, _ in NODES[name].all if tag == "script"] == ["application/json", None]


@pytest.mark.parametrize("name", RECORDS)
def test_no_network(name: str) -> None:
    assert not re.search(r"https?:|url\(|@import|//[a-z]+\.", re.sub(r"<script.*?</script>", "", PAGES[name], flags=re.DOTALL))
    policy = next(attrs["content"] for tag, attrs, _, _ in NODES[name].all if tag == "meta" and "http-equiv" in attrs)
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_hostile_text_is_only_text() -> None:
    source = PAGES["hostile"]
    assert "<img" not in source.lower()
    assert source.count("</script>") == 2
    assert "<!--" not in source
    assert "\x1b" not in source
    assert "\u2028" not in re.sub(r"<div class=\"text\".*?</div>", "", source, flags=re.DOTALL)
    assert any("</script><img src=x onerror=alert(1)>" in text for text in NODES["hostile"].texts("h1"))
    assert "49" not in "".join(NODES["hostile"].texts("div", "text"))


def test_everything_foreign_is_escaped() -> None:
    bad = "\"'><img src=x onerror=alert(1)>"
    record = pieces_record(f"one {bad} two", k=2, targets=(bad, "</title>" + bad), units=(bad, "</style>"), method=bad, path=bad, rule=bad)
    record = record.model_copy(update={"baseline": bad, "notes": (bad,), "versions": {bad: bad}, "tokens": (bad, *record.tokens[1:])})
    record = record.model_copy(update={"model": record.model.model_copy(update={"name": bad, "fingerprint": bad})})
    for source in (page([record, record], title=bad, headings=(bad, bad)), repr_html(record)):
        assert "<img" not in source
        assert {tag for tag, _, _, _ in Node(source).all} <= OWN


def test_the_stored_data_is_the_record() -> None:
    for name, node in NODES.items():
        data = json.loads(next("".join(text) for tag, attrs, text, _ in node.all if attrs.get("type") == "application/json"))
        assert Attribution.from_dict(data["records"][0]).to_dict() == RECORDS[name].to_dict()


@pytest.mark.parametrize("name", [name for name in RECORDS if name != "not_finite"])
def test_drawn_bars_add_up_to_the_difference(name: str) -> None:
    record = RECORDS[name]
    tables = re.findall(r"<table class=\"bars.*?</table>", PAGES[name], flags=re.DOTALL)
    assert len(tables) >= len(record.targets)
    per_target = len(tables) // len(record.targets)
    for i, table in enumerate(tables):
        values = [float(v.replace("−", "-")) for v in re.findall(r"<td>([+−]?[\d.]+(?:e[−+]?\d+)?)</td><td>[^<]*%</td>", table)]
        total = float(re.findall(r"<td>([+−]?[\d.]+)</td><td></td>", table)[0].replace("−", "-"))
        places = len(re.findall(r"<td>[+−]?\d+\.(\d+)</td><td></td>", table)[0])
        assert sum(values) == pytest.approx(total, abs=(len(values) + 1) * 0.5 * 10.0**-places)
        assert total == pytest.approx(record.delta[i // per_target], abs=0.5001 * 10.0**-places)


@pytest.mark.parametrize("name", RECORDS)
def test_what_did_not_converge_cannot_be_missed(name: str) -> None:
    alarms = NODES[name].texts("div", "alarm")
    assert bool(alarms) == (not RECORDS[name].converged)
    if alarms:
        assert alarms[0].startswith("Not converged")
        assert PAGES[name].index('class="alarm"') < PAGES[name].index('class="sentence"') < PAGES[name].index('class="text"')
        assert 'class="alarm"' in repr_html(RECORDS[name])
        assert "✓ accurate to" not in PAGES[name]


def test_strongest_word_has_full_strength_and_its_sign() -> None:
    marks = dict(reversed(NODES["converged"].marks()))
    assert marks["tepid"]["style"] == "--m:1.0"
    assert "n" in str(marks["tepid"]["class"]).split()
    assert marks["glorious"]["style"] == "--m:0.667"
    assert "p" in str(marks["glorious"]["class"]).split()
    assert marks["tepid"]["data-t"] == "10 12"
    assert "chip special" in str(marks["[CLS]"]["class"])


def test_bytes_of_one_character_are_one_mark() -> None:
    text = "".join(NODES["emoji"].texts("div", "text"))
    assert text.count("🎉") == 2 * 2  # twice in the text, drawn for words and for tokens
    values = [float(cell.values[0]) for cell in cells(RECORDS["emoji"], "token") if "🎉" in cell.label]
    assert values == pytest.approx([0.7, 0.4])


def test_texts_with_one_unit_share_one_scale() -> None:
    strong, weak = RECORDS["converged"], RECORDS["three"]
    both = page([strong, weak])
    assert "one scale for all texts with this unit" in both
    assert both.count("−2.1</span>") == page(strong).count("−2.1</span>") + len(re.findall('class="key"', page(weak)))
    assert "one scale for all" not in page([strong, RECORDS["cancelling"]])
    assert "one scale for all" not in page(strong)
    three = page([strong, weak, RECORDS["cancelling"]])
    assert three.count("one scale for all") == both.count("one scale for all")


def test_roles_truncation_and_notes_are_named() -> None:
    assert "The model read only the first" in PAGES["truncated"]
    assert "The end of the text was cut off, as asked." in PAGES["truncated"]
    assert 'class="unread"' in PAGES["truncated"]
    assert "kept fixed: Question" in PAGES["held"]
    assert 'class="u p held"' in PAGES["held"]
    assert "A note with &lt;i&gt;tags&lt;/i&gt;." in PAGES["hostile"]


def test_every_target_has_a_panel_and_a_row_in_the_heat_map() -> None:
    node = NODES["labels"]
    assert sum(tag == "div" and attrs.get("class") == "say" for tag, attrs, _, _ in node.all) == 3
    assert [attrs.get("data-c") for tag, attrs, _, _ in node.all if tag == "tr" and "data-c" in attrs] == ["0", "1", "2"]
    hidden = [attrs["data-c"] for tag, attrs, _, _ in node.all if tag == "div" and attrs.get("class") == "say" and "hidden" in attrs]
    assert hidden == ["1", "2"]


def test_long_texts_fold_their_quiet_passages() -> None:
    assert PAGES["very_long"].count('<details class="quiet">') > 5
    assert '<details class="quiet">' not in PAGES["long"]
    assert 'class="long"' in PAGES["very_long"]


def test_sizes() -> None:
    limits = {"three": 40, "converged": 50, "labels": 60, "long": 130, "very_long": 1500}
    sizes = {name: len(PAGES[name].encode()) / 1000 for name in limits}
    assert all(sizes[name] < limit for name, limit in limits.items()), sizes


def test_pages_are_deterministic() -> None:
    assert page(RECORDS["labels"]) == PAGES["labels"]
    assert page(RECORDS["labels"].model_copy()) == PAGES["labels"]


def test_fragment_touches_nothing_outside_of_itself() -> None:
    source = repr_html(RECORDS["hostile"])
    style = re.findall(r"<style>(.*?)</style>", source, flags=re.DOTALL)[0]
    selectors = [one.strip() for rule in re.findall(r"([^{}]+)\{[^{}]*\}", style) for one in rule.split(",")]
    assert len(selectors) > 40
    assert all(re.match(r"(\[data-(jp|vscode)-theme-\S+=\S+\] )?\.lineal\b", one) for one in selectors), selectors
    assert "<script" not in source
    assert " id=" not in source
    assert HOSTILE[:9] not in source


def test_a_notebook_finds_the_fragment_by_itself() -> None:
    assert RECORDS["converged"]._repr_html_() == repr_html(RECORDS["converged"])


def test_fragment_shows_every_target_and_exact_values() -> None:
    source = repr_html(RECORDS["labels"])
    assert source.count("<table class=") == 3
    assert source.count("<details>") == 2
    assert repr_html(RECORDS["labels"], target=1).count("<table class=") == 1
    assert 'title="−2.1"' in repr_html(RECORDS["converged"])


def test_spread_and_broken_promises_are_shown() -> None:
    assert PAGES["spread"].count("<u style") > 10
    assert "over the baselines or noisy inputs" in PAGES["spread"]
    assert "<u style" not in PAGES["converged"]
    assert "This method does not promise that scores add up" in PAGES["no_promise"]
    assert "not explained by this method" in PAGES["no_promise"]


def test_lone_surrogates_and_nul_do_not_break_the_page() -> None:
    record = pieces_record("a \ud800 b \x00 c", framed=False)
    source = page(record)
    source.encode("utf-8")
    assert "\x00" not in source
    assert "␀" in source


def test_tints_are_monotone_in_the_score() -> None:
    items = [cell for cell in cells(RECORDS["long"], "word") if cell.role == "content"]
    strengths = {attrs["data-t"]: float(str(attrs.get("style", "--m:0")).split(":")[1]) for _, attrs in NODES["long"].marks()}
    ordered = sorted(items, key=lambda cell: abs(float(cell.values[0])))
    assert np.all(np.diff([strengths[f"{cell.tokens.start} {cell.tokens.stop}"] for cell in ordered]) >= 0)
    assert strengths[f"{ordered[-1].tokens.start} {ordered[-1].tokens.stop}"] == 1.0


def test_a_template_s_own_words_fold_as_one_passage() -> None:
    text = "You are a helper.\nIs water wet?"
    words = re.findall(r"\w+|[.?]|\n", text)
    places, at = [], 0
    for word in words:
        at = text.index(word, at)
        places.append((at, at := at + len(word)))
    first = words.index("\n") + 1
    regions = tuple("template" if i < first else "question" for i in range(len(words)))
    roles = ["held" if name == "template" else "content" for name in regions]
    scores = [[0.0 if role == "held" else 1.0 for role in roles]]
    record = make_record([text], words, places, scores, roles=roles, region_of=regions)
    passages = flow(record)[0].passages
    assert [(passage.what, passage.quiet) for passage in passages] == [("template", first), ("quiet", 0)]
    assert "".join(part.text for passage in passages for part in passage.parts) == text
