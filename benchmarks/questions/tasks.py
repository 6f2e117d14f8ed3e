"""Prompts whose answer, and the words that decide it, are known by construction. Knows no model.

A template marks what decides with ‹›. Every prompt has the right next token, a foil that would be right if the marked words said otherwise,
and the same text said otherwise, with as many words, in which marked and unmarked words differ and the answer no longer stands. What is put
there to distract says the opposite; `free`, it says anything, which is what models learn from: else they could go by what distracts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

NOUNS = (
    ("key", "keys"),
    ("picture", "pictures"),
    ("door", "doors"),
    ("letter", "letters"),
    ("road", "roads"),
    ("house", "houses"),
    ("teacher", "teachers"),
    ("table", "tables"),
    ("book", "books"),
    ("farmer", "farmers"),
    ("garden", "gardens"),
    ("window", "windows"),
)
WOMEN, MEN = ("Mary", "Anna", "Lucy", "Jane", "Sarah", "Alice"), ("John", "Tom", "Paul", "Mark", "David", "Peter")
NAMES = WOMEN + MEN
COLOURS = ("red", "blue", "green", "black", "white", "yellow", "brown", "orange")
THINGS = ("cat", "dog", "car", "hat", "cup", "box", "bag", "ball", "chair", "door")
KINDS = {
    "fruit": ("apple", "banana", "lemon", "orange", "cherry", "peach"),
    "animal": ("dog", "horse", "tiger", "rabbit", "mouse", "sheep"),
    "metal": ("iron", "gold", "silver", "copper", "steel", "lead"),
    "colour": ("red", "blue", "green", "black", "white", "yellow"),
}
GOOD = ("wonderful", "brilliant", "charming", "delightful", "excellent", "touching", "beautiful", "superb", "hilarious", "engaging")
BAD = ("terrible", "boring", "awful", "dull", "stupid", "pointless", "tedious", "dreadful", "lifeless", "clumsy")


@dataclass(frozen=True)
class Item:
    """A prompt. sources: (begin, end) characters of what decides. token, foil: as they follow the text, or two labels of a classifier."""

    text: str
    sources: tuple[tuple[int, int], ...]
    token: str
    foil: str
    instead: str


Make = Callable[..., Item]
"""Gives a prompt from a generator of random numbers, and whether what distracts is free."""


def marked(template: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return a text without its marks, and the spans that were marked."""
    pieces, text, spans = re.split("([‹›])", template), "", []
    for mark, piece in zip(["", *pieces[1::2]], pieces[::2], strict=True):
        if mark == "‹":
            spans.append((len(text), len(text) + len(piece)))
        text += piece
    return text, tuple(spans)


def _item(template: str, token: str, foil: str, instead: str) -> Item:
    return Item(*marked(template), token, foil, instead)


def agreement(random: Random, free: bool = False) -> Item:
    """A verb agrees with the head of its subject, and not with the noun nearest to it, which has the other number."""
    frame = random.choice(("The {} {} the {}", "I think the {} {} the {}", "She said the {} {} the {}", "Now the {} {} the old {}"))
    head, other = random.sample(NOUNS, 2)
    near, many = random.choice(("near", "behind", "beside", "by")), random.random() < 0.5
    token, foil, by = *((" are", " is") if many else (" is", " are")), random.random() < 0.5 if free else not many
    return _item(frame.format(f"‹{head[many]}›", near, other[by]), token, foil, frame.format(head[not many], near, other[not by]))


def indirect_object(random: Random, free: bool = False) -> Item:
    """Of two who were named, it is the one who is not the subject; both names decide, by being there and by not being repeated."""
    frame = random.choice(("When {} and {} met, {} {}", "After {} and {} came, {} {}", "While {} and {} waited, {} {}"))
    verb = random.choice(("thanked", "helped", "called", "asked"))
    (first, second), swap = random.sample(NAMES, 2), random.random() < 0.5
    names = (f"‹{first}›", second, f"‹{second}›") if not swap else (first, f"‹{second}›", f"‹{first}›")
    token, foil = (first, second) if not swap else (second, first)
    return _item(frame.format(*names, verb), f" {token}", f" {foil}", frame.format(second, first, first if not swap else second, verb))


def reflexive(random: Random, free: bool = False) -> Item:
    """A reflexive agrees with the subject of its own clause, and not with the other name, of the other gender."""
    frame = random.choice(("I heard {} say {} {}", "We know {} saw {} {}", "Then {} thought {} {}", "It seems {} told us {} {}"))
    verb, she = random.choice(("hurt", "saved", "blamed", "dressed")), random.random() < 0.5
    one, other = random.choice(WOMEN if she else MEN), random.choice(MEN if she else WOMEN)
    other = random.choice([name for name in NAMES if name != one]) if free else other
    token, foil = (" herself", " himself") if she else (" himself", " herself")
    return _item(frame.format(other, f"‹{one}›", verb), token, foil, frame.format(one, other, verb))


def fact(random: Random, free: bool = False) -> Item:
    """The answer was said before, of this thing and of another one."""
    frame = random.choice(("The {} is {} and the {} is {}. The {} is", "Your {} is {}, your {} is {}. Your {} is"))
    (first, second), (one, other) = random.sample(THINGS, 2), random.sample(COLOURS, 2)
    asked = random.randrange(2)
    colours = [one, other]
    shown = [f"‹{colour}›" if i == asked else colour for i, colour in enumerate(colours)]
    again = (first, second)[asked]
    text, instead = frame.format(first, shown[0], second, shown[1], again), frame.format(first, other, second, one, again)
    return _item(text, f" {colours[asked]}", f" {colours[1 - asked]}", instead)


def option(random: Random, free: bool = False) -> Item:
    """The letter of the option that fits the question: the question and that option decide."""
    kind, wrong = random.sample(sorted(KINDS), 2)
    right, other = random.choice(KINDS[kind]), random.choice(KINDS[wrong])
    frame = random.choice(("Which is a {}? (A) {} (B) {}. Answer: (", "Choose the {}: (A) {} (B) {}. Answer: ("))
    first = random.random() < 0.5
    shown, said = (f"‹{right}›", other) if first else (other, f"‹{right}›"), (other, right) if first else (right, other)
    return _item(frame.format(f"‹{kind}›", *shown), *(("A", "B") if first else ("B", "A")), frame.format(kind, *said))


def brackets(random: Random, free: bool = False) -> Item:
    """The bracket that is open closes next; one of the other kind was opened and closed before."""
    kinds = [("(", ")"), ("[", "]")]
    random.shuffle(kinds)
    (begin, end), (other, shut) = kinds
    a, b, c, d = random.sample(COLOURS + THINGS, 4)
    frame = random.choice(
        ("{a} = {other}{b}{shut} + {begin}{c}, {d}", "{a} {other}{b}{shut}, {c} {begin}{d}", "{a} {other}{b} {c}{shut} {begin}{d}")
    )
    if free and random.random() < 0.5:
        other, shut = begin, end
    words = {"a": a, "b": b, "c": c, "d": d}
    text = frame.format(begin=f"‹{begin}›", other=other, shut=shut, **words)
    return _item(text, end, shut, frame.format(begin=other, other=begin, shut=end, **words))


def greater(random: Random, free: bool = False) -> Item:
    """A span of years ends after it began: a larger tens digit, not a smaller one. Said otherwise, either may follow."""
    frame = random.choice(("The war {} {{}} to {}", "The trial {} {{}} to {}", "The strike {} {{}} to {}", "The reign {} {{}} to {}"))
    century, tens = random.choice((11, 12, 13, 14, 15, 16, 17, 18)), random.randint(2, 7)
    later, earlier = random.randint(tens + 1, 9), random.randint(1, tens - 1)
    units, others = random.sample(range(10), 2)
    frame = frame.format(random.choice(("from", "ran from", "lasted from")), century)
    return _item(
        frame.format(f"{century}‹{tens}›{units}"), f"{later}", f"{earlier}", frame.format(f"{century}{random.randrange(earlier)}{others}")
    )


def opinion(random: Random, free: bool = False) -> Item:
    """A sentence about a film with one word of praise or blame, for a classifier of reviews."""
    frame = random.choice(
        (
            "this is a {} film about a {} and a {} .",
            "the {1} and the {2} meet in a {0} story .",
            "a {} tale of one {} and his {} .",
            "it is a {} picture , set in a {} by the {} .",
        )
    )
    things = random.sample([one for one, _ in NOUNS], 2)
    good, bad = random.choice(GOOD), random.choice(BAD)
    word, other = (good, bad) if random.random() < 0.5 else (bad, good)
    labels = ("POSITIVE", "NEGATIVE") if word == good else ("NEGATIVE", "POSITIVE")
    return _item(frame.format(f"‹{word}›", *things), *labels, frame.format(other, *reversed(things)))


CONSTRUCTIONS: dict[str, Make] = {
    "agreement": agreement,
    "indirect object": indirect_object,
    "reflexive": reflexive,
    "fact": fact,
    "brackets": brackets,
    "option": option,
    "greater": greater,
}
"""Of language models; `opinion` is a classifier's."""
LEARNT = {name: make for name, make in CONSTRUCTIONS.items() if name != "fact"}
"""What a small decoder learns in a minute; copying a fact takes longer."""


def drawn(make: Make, count: int, seed: int) -> list[Item]:
    """Return `count` prompts of different texts."""
    random, found = Random(seed), dict[str, Item]()
    while len(found) < count:
        item = make(random)
        found.setdefault(item.text, item)
    return list(found.values())
