"""How to read a page, in everybody's words, and what made it: the fold and the footer of every page."""

from __future__ import annotations

from collections.abc import Iterable

from lineal.records.attribution import ModelCard
from lineal.views.parts.cells import visible
from lineal.views.parts.words import model_name, unit_name

UNITS = {
    "logit": "the model's raw score of an answer. By 0.7 more, with the other answers' scores as they are, the odds of this answer double.",
    "log_odds": "how much likelier one answer is than the others, on a scale where 0.7 more doubles the odds.",
    "log_prob": "how likely an answer is, on a scale where 0.7 more doubles the probability; 0 is certain.",
    "prob": "how likely an answer is, from 0 to 1.",
    "cosine": "how alike two texts are to the model: 1 the same, 0 unrelated.",
    "dot": "how alike two texts are to the model, without an upper end.",
}
ACCURATE = (
    "accurate to",
    "no number, and no sum, is estimated to be off by more than this share of the total effect (mass): of all numbers together, without "
    "their signs.",
)
LIMITS = (
    "what this does not say",
    "whether the answer is right. It says how this model's answer changes between a neutral text and this one; another neutral text is "
    "another question.",
)
ANSWER = ("the first line", "what the model answered, and in brackets what it says when the words that are explained are neutral.")
COLOURS = ("orange, blue", "words that push towards what is explained, or (dashed line) away; the deeper, the stronger.")
ATTRIBUTION = (
    ANSWER,
    COLOURS,
    ("the bars", "each word's share of the way from the neutral text to this one; with the rounding left over they add up."),
    ("kept fixed", "words that are the same at both ends (held), so that their share is 0."),
    ACCURATE,
    LIMITS,
)
PAIR = (
    ("similarity", "how alike the two texts are to the model. It is cut into what each word of one text and each word of the other share."),
    ("lines and cells", "orange: the two words make the texts more alike; blue, dashed: less. The thicker or deeper, the stronger."),
    ("shared with empty texts", "what both texts have in common with texts that say nothing; no word brings it."),
    ACCURATE,
    LIMITS,
)
MATCHES = (
    ("the number beside a document", "how alike it is to the query for the model; the best one stands first."),
    ("orange, blue", "words of the document that make it more alike to the query, and words (dashed line) that make it less."),
    ("below", "the pairs of words, one of the query and one of the document, that bring most."),
    ACCURATE,
    LIMITS,
)
INTERACTIONS = (
    ANSWER,
    ("together", "what two words add beyond what each of them adds alone: 0 when each does the same whatever the other is."),
    ("the diagonal", "what a word adds by itself."),
    ACCURATE,
    LIMITS,
)
COMPARISON = (
    ANSWER,
    COLOURS,
    ("methods", "ways to give each word its share. They ask different questions, so they need not agree; random is there as a control."),
    ("sum off by", "how far a method's numbers are from adding up to what the answer changes by. Some methods promise no sum."),
    LIMITS,
)
RECORD = (LIMITS,)


def guide(lines: Iterable[tuple[str, str]], units: Iterable[str] = ()) -> tuple[tuple[str, str], ...]:
    """Return what stands under "How to read this": terms with their meanings, those of the units last."""
    return (*lines, *((unit_name(unit), UNITS[unit]) for unit in sorted(set(units)) if unit in UNITS))


def made(model: ModelCard | str | None = None, version: str = "") -> str:
    """Return the footer: what made the page, from which model."""
    name = model_name(model) if isinstance(model, ModelCard) else model
    by = f"Lineal {version}".strip() + (f", from the model {name}" if name else "")
    return visible(f"Made by {by}. This page is one file: it loads nothing and sends nothing.")
