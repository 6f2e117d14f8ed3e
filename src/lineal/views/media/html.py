"""How a page is made: its templates, its style and script, the JSON it carries. No network, no framework.

Everything that comes from a text passes through Jinja's autoescape or `safe_json`, and the page's own policy lets no other script run.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lineal.views.parts import answer, choices, flow, guide, numbers, palette, words
from lineal.views.parts.cells import short, visible
from lineal.views.parts.document import Document

CARRIED = 200_000
"""Characters of JSON that a page of matrices carries for its copy button; a longer record is only drawn, so that pages stay small."""

_REMARK = re.compile(r"^\s*//.*\n|^[ ]+", flags=re.MULTILINE)
"""What of a script only says something to whoever works on it: lines of remarks, and how far others are indented."""
_UNSAFE = re.compile("[<>&\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def drawn(template: str, **values: Any) -> str:
    """Return a template with these values in it."""
    return _environment().get_template(template).render(**values)


def dress(script: str | None, *styles: str) -> dict[str, str]:
    """Return what a page wears: its style, the frame's script and its own if it has one, the hash by which the page's policy knows them."""
    source = _REMARK.sub("", asset("frame.js") + (asset(script) if script else ""))
    return {
        "style": Markup("".join(asset(name) for name in ("marks.css", *styles))),
        "script": Markup(source),
        "script_hash": base64.b64encode(hashlib.sha256(source.encode()).digest()).decode(),
    }


def safe_json(value: Any) -> Markup:
    """Return JSON that is safe inside a script element: nothing in it can end the element or open another."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(_UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def carried(record: dict[str, Any], grids: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the script of a page of matrices reads: the grids, and the record where it is small enough; and whether it is."""
    fits = len(safe_json(record)) <= CARRIED
    return {"carried": fits, "data": safe_json({"record": record if fits else None, "grids": grids})}


def document_page(said: Document, *, title: str | None = None, panels: Sequence[Markup] = ()) -> str:
    """Return a whole HTML page of a document. panels: further HTML below the tables."""
    what = {
        "title": visible(title or said.what),
        "d": said,
        "panels": panels,
        "data": "{}",
        "guide": guide.guide(guide.RECORD),
        "made": guide.made(),
    }
    return drawn("record.html", **what, **dress("record.js", "page.css", "record.css"))


def document_fragment(said: Document, extra: str = "") -> str:
    """Return a document for a notebook cell: no script, no ids, styles that touch nothing outside of it. extra: further HTML below it."""
    return drawn("record_fragment.html", d=said, extra=extra, style=Markup(asset("marks.css") + asset("record.css")))


def upright(text: str) -> bool:
    """Return whether the letters of a text stand upright when it runs from top to bottom, as Chinese, Japanese and Korean ones do."""
    return any(unicodedata.east_asian_width(char) in "WF" for char in text)


@cache
def asset(name: str) -> str:
    """Return a file of the folder `assets`."""
    return resources.files("lineal.views").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    loader = PackageLoader("lineal.views", "assets")
    found = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.loopcontrols"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for filter_ in (
        visible,
        short,
        numbers.number,
        numbers.signed,
        numbers.fixed,
        numbers.percent,
        numbers.share,
        numbers.count,
        numbers.unbroken,
    ):
        found.filters[filter_.__name__] = filter_
    found.filters |= {"method_name": words.method_name, "by_words": words.by_words, "upright": upright}
    found.globals |= {"strength": palette.strength, "passage_sum": flow.passage_sum, "about": words.about, "unit_name": words.unit_name}
    found.globals |= {
        "doubts": words.doubts,
        "way": words.way,
        "said": flow.said,
        "without": answer.without,
        "GROUPS": choices.GROUPS,
        "menu_caption": choices.caption,
    }
    return found
