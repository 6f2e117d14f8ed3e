"""Text that somebody else wrote, made harmless where it is shown: no escape sequence, no turned reading order, nothing unencodable."""

from __future__ import annotations

import codecs
import io
import json
import re
from typing import TextIO

_PICTURES: dict[int, int] = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"}
_PICTURES |= {0x7F: 0x2421, 0x2028: 0x2424, 0x2029: 0x2424}
_PICTURES |= dict.fromkeys((*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xD800, 0xE000)), 0xFFFD)
"""Control characters and their pictures; the C1 controls, those that turn the reading order, and halves of characters have none."""
_IN_JSON = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """Return `text` with control characters as their pictures, one for one; tabs and line ends stay."""
    return text.translate(_PICTURES)


def one_line(text: str) -> str:
    """Return `text` as `visible` does, and on one line."""
    return visible(text).replace("\n", "␊").replace("\t", "␉")


def escaped(document: str) -> str:
    """Return a JSON document with the same meaning and no such characters: they can only stand inside its strings."""
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


_NEAREST = {
    "-": "−–─",
    "|": "│▏▕",
    "+": "├└┌┐┘┤┬┴┼",
    '"': "“”„",
    "'": "‘’′",
    ".": "…·",
    "x": "×✗",
    "/": "÷",
    "~": "±",
    "<": "≤←",
    ">": "≥→",
}
_NEAREST |= {"!": "≠⚠", "^": "↑", "v": "↓✓", "\\": "∖", "#": "█▉▊▋▌▍▎▐", "a": "α", "0": "₀", "1": "₁¹", "2": "₂²", "3": "³"}
_PLAIN = {ord(character): nearest for nearest, characters in _NEAREST.items() for character in characters}
"""Characters of the views, and the one that stands for each where a terminal has no better."""
PLAIN = "lineal.plain"
"""The name under which `codecs` knows this way to write what an encoding does not have: the nearest ASCII character, else ?."""


def _nearest(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    nearest = error.object[error.start : error.end].translate(_PLAIN)
    return "".join(character if character.isascii() else "?" for character in nearest), error.end


codecs.register_error(PLAIN, _nearest)


def writes_anything(stream: TextIO) -> None:
    """Let a stream write characters that its encoding does not have as their nearest ones, where it would have raised."""
    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors=PLAIN)


def encodable(document: str, encoding: str | None) -> str:
    """Return a JSON document with the same meaning, as ASCII where the encoding lacks one of its characters."""
    try:
        document.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return re.sub(r"[^\x00-\x7f]", lambda found: json.dumps(found[0])[1:-1], document)
    return document
