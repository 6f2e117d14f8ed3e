"""Which tokens of a vocabulary could stand for one another: whole words of one shape, or of one class.

A shape is what a reader sees without reading: whether a space comes before, letters or digits or signs, capitals. A class is a shape, a
length and whether it is a function word of English; for other languages there is no list, and their function words fall in with the others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineal.kept import Kept
from lineal.models.base import TextModel
from lineal.models.lease import turn
from lineal.models.vocabulary import drawable

SPACED = ("Ġ", "▁")
"""How tokenizers spell the space before a word; those of BERT mark what continues a word instead, with CONTINUES."""
CONTINUES = "##"
LENGTHS = (2, 4, 7)
"""Words of up to so many letters are of one length; longer ones of another."""
FUNCTION = frozenset(
    re.findall(
        "[a-z]+",
        """a about above after again against all although am among an and any are as at be because been before being below
        between both but by can could did do does doing down during each either every few for from further had has have having
        he her here hers him his how i if in into is it its just may me might more most must my neither no nor not of off on
        once only or other our out over own same shall she should since so some such than that the their theirs them then
        there these they this those though through to too under until up upon us very was we were what when where whether
        which while who whom whose why will with within without would yet you your yours""",
    )
)
"""Function words of English: articles, pronouns, prepositions, conjunctions, auxiliaries and the commonest adverbs of degree."""


@dataclass(frozen=True, eq=False)
class Classes:
    """Codes of all V tokens, equal where one could stand for the other; −1 for what is no whole word and is never drawn.

    shape, kind: (V,) by shape and by class. ids: token names to ids.
    """

    shape: NDArray[np.int64]
    kind: NDArray[np.int64]
    ids: dict[str, int]


_classes: Kept[int, Classes] = Kept(most=1)


def classes(model: TextModel) -> Classes:
    """Return the classes of a model's vocabulary; computed once per tokenizer."""
    words = drawable(model)

    def made() -> Classes:
        tokenizer = model.tokenizer
        count = min(model.vocabulary, len(tokenizer))
        names = [str(name) for name in tokenizer.convert_ids_to_tokens(list(range(count)))]
        read = tokenizer.batch_decode([[i] for i in range(count)], clean_up_tokenization_spaces=False)
        spaced = any(name.startswith(SPACED) for name in names)
        codes: tuple[dict[tuple[object, ...], int], dict[tuple[object, ...], int]] = ({}, {})
        found = np.full((2, model.vocabulary), -1, dtype=np.int64)
        known = set(names)
        for i in words:
            name, text = names[i], read[i].strip()
            begins = name.startswith(SPACED)
            whole = begins or any(mark + name in known for mark in SPACED) if spaced else not name.startswith(CONTINUES)
            if not whole or not text or (text.isascii() and text.isalpha() and len(text) < 3 and text.casefold() not in FUNCTION):
                continue  # the middle or the end of words, or a letter or two that are none
            shape = (begins, *_shape(text))
            length = next((n for n in LENGTHS if len(text) <= n), 0)
            for row, (table, key) in enumerate(zip(codes, (shape, (*shape, length, text.casefold() in FUNCTION)), strict=True)):
                found[row, i] = table.setdefault(key, len(table))
        return Classes(found[0], found[1], {name: i for i, name in enumerate(names)})

    with turn(model.tokenizer):
        return _classes.get(model.tokenizer, model.vocabulary, made)


def _shape(text: str) -> tuple[str, str]:
    kind = "letters" if text.isalpha() else "digits" if text.isdigit() else "mixed" if any(c.isalnum() for c in text) else "signs"
    capitals = "lower" if text.islower() else "upper" if text.isupper() and len(text) > 1 else "first" if text[0].isupper() else "none"
    return kind, capitals
