"""The sentences that train the demo's sentiment probe: well formed, balanced, each one once."""

from __future__ import annotations

import unicodedata
from collections import Counter
from importlib import resources

LINES = (resources.files("lineal") / "data/sentiment/sentences.tsv").read_text(encoding="utf-8").split("\n")
ROWS = [line.split("\t") for line in LINES[1:-1]]


def test_every_line_is_a_label_and_a_text() -> None:
    assert LINES[0] == "label\ttext"
    assert LINES[-1] == ""
    assert all(len(row) == 2 and row[0] in ("NEGATIVE", "POSITIVE") for row in ROWS)


def test_labels_are_balanced() -> None:
    counts = Counter(label for label, _ in ROWS)
    assert counts["NEGATIVE"] == counts["POSITIVE"] >= 75


def test_no_text_occurs_twice() -> None:
    plain = Counter("".join(c for c in text.casefold() if c.isalnum()) for _, text in ROWS)
    assert [text for text, count in plain.items() if count > 1] == []


def test_texts_are_clean_sentences_of_varied_length() -> None:
    lengths = [len(text.split()) for _, text in ROWS]
    assert min(lengths) >= 4
    assert max(lengths) <= 30
    assert max(lengths) >= 4 * min(lengths)
    for _, text in ROWS:
        assert text == unicodedata.normalize("NFC", text.strip())
        assert text[0].isupper()
        assert text[-1] in ".!?"
        assert text.isprintable()
