"""How what is explained is named and spoken of: units, targets, models, and what is wrong with them. Views of every kind say it so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lineal.errors import listing
from lineal.quadrature.contract import Stop
from lineal.records.attribution import Attribution, ModelCard
from lineal.records.pair import PairAttribution
from lineal.views.parts.cells import short, visible
from lineal.views.parts.numbers import count, number, percent, signed
from lineal.visible import one_line

_UNITS = {"logit": "logit", "log_odds": "log-odds", "log_prob": "log-probability", "prob": "probability"}
_UNITS |= {"cosine": "cosine", "dot": "dot product"}
"""How units are printed; others are printed as they are spelled."""
WRITES = ("causal", "seq2seq", "masked")
"""Kinds of models whose answers are pieces of text."""


@dataclass(frozen=True)
class Piece:
    """A piece of a sentence. kind: plain, name (a piece of somebody's text, in quotation marks), answer (what the model said), up or down
    (a signed number), warning.
    """

    text: str
    kind: Literal["plain", "name", "answer", "up", "down", "warning"] = "plain"


def spoken(pieces: tuple[Piece, ...]) -> str:
    """Return a sentence as a plain string."""
    return "".join(piece.text for piece in pieces)


def quote(text: str, limit: int = 40) -> Piece:
    """Return a piece of somebody's text in quotation marks, so that a comma that is meant does not read as one of the sentence."""
    return Piece(f"“{short(text, limit)}”", "name")


def quoted(record: Attribution, name: str) -> str:
    """Return what is explained for print: in quotation marks where it is a piece of text, as a language model's tokens are."""
    plain = visible(name.strip()) or repr(name)
    if "“" in plain or (any(char.isalnum() for char in plain) and record.model.kind not in WRITES):
        return plain
    return " over ".join(f"“{part.strip()}”" for part in plain.split(" over "))


def quantity(record: Attribution, target: int = 0) -> str:
    """Return what is explained, named: `the logit of POSITIVE`, `the cosine with “How do I …”`, `length (words)`."""
    name, unit = quoted(record, record.targets[target]), unit_name(record.units[target])
    if unit in ("cosine", "dot product"):
        return f"the {unit} of the two texts" if record.model.kind == "pair encoder" else f"the {unit} with {name}"
    if unit in _UNITS.values():
        return f"the {unit} of {name}"
    return f"{name} ({unit})" if unit and unit.lower() not in name.lower() else name


def unit_name(unit: str) -> str:
    """Return a unit for print: `log-odds` for `log_odds`."""
    return visible(_UNITS.get(unit, unit))


def target_name(record: Attribution, target: int) -> str:
    """Return a target's name for print: no blanks around it, blank ones spelled."""
    name = record.targets[target]
    return visible(name.strip()) or repr(name)


def about(record: Attribution) -> str:
    """Return where the numbers come from, on one line: method, model, baseline."""
    return " · ".join(visible(part) for part in (record.method, model_name(record.model), f"baseline: {record.baseline}") if part)


def way(record: Attribution) -> str:
    """Return what F(text) − F(baseline) is, in words: from which text to which."""
    return f"from {'other words' if has_words(record) else 'neutral text'} to this text"


def has_words(record: Attribution) -> bool:
    """Return whether the path starts at words of some meaning, and not at what stands for none."""
    name = record.baseline
    return name.startswith(("text ", "counterfactual ", "word ")) or "× alternatives" in name or "× random words" in name


METHODS = {
    "ig": "Integrated Gradients",
    "dig-greedy": "Discretized IG (greedy)",
    "dig-maxcount": "Discretized IG (max count)",
    "dig-blog": "Discretized IG (as in the blog)",
    "expected-gradients": "Expected Gradients",
    "smoothgrad-ig": "SmoothGrad IG",
    "sequential-ig": "Sequential IG",
    "gradient-x-input": "Gradient × Input",
    "saliency": "Saliency",
    "occlusion": "Occlusion",
    "occlusion-delete": "Occlusion (deleting)",
    "occlusion-attention": "Occlusion (attention)",
    "random": "Random (control)",
}
"""What methods are called by people; others are called as they are spelled."""


def method_name(method: str) -> str:
    """Return a method's name for people, its settings behind it."""
    name, _, settings = method.partition(":")
    return visible(METHODS.get(name, name) + (f", {settings.replace(':', ', ')}" if settings else ""))


def model_name(model: ModelCard) -> str:
    """Return a model's name; of one that came from a path, what the path ends in."""
    parts = model.name.rstrip("/\\").replace("\\", "/").split("/")
    return visible(parts[-1] if len(parts) > 2 or parts[0] in ("", ".", "..", "~") else model.name)


def by_words(text: str, limit: int) -> str:
    """Return the beginning of a text on one line, cut between words where there are any."""
    line = one_line(visible(text))
    if len(line) <= limit:
        return line
    head = line[: limit - 1]
    return (head.rsplit(" ", 1)[0] if " " in head else head) + " …"


def opening(text: str, limit: int = 60) -> str:
    """Return the beginning of a text on one line, in quotation marks."""
    return f"“{short(one_line(text), limit)}”"


def said(stop: Stop, model: ModelCard) -> tuple[str, str]:
    """Return the headline of a verdict and its reason."""
    headline, _, reason = stop.said(model.dtype).partition(": ")
    return headline.capitalize(), reason


def doubts(record: Attribution | PairAttribution) -> tuple[str, ...]:
    """Return what is wrong with what was explained, a sentence each: weights that nobody trained, characters that the model cannot read."""
    missing = record.model.missing
    random = (
        f"{count(len(missing), 'tensor')} of the model's weights were drawn at random ({listing(missing, 4)}): another run, another answer."
    )
    return tuple(map(visible, (*([random] if missing else []), *record.warnings)))


def truncations(record: Attribution) -> tuple[str, ...]:
    """Return one sentence per text that was not read to its end, unless a note of the record says it with the number of tokens."""
    if any("was cut from" in note for note in record.notes):
        return ()
    whose = "the text" if len(record.texts) == 1 else "text {}"
    return tuple(
        f"The model read only the first {read:,} of the {len(text):,} characters of {whose.format(i + 1)}."
        for i, (text, read) in enumerate(zip(record.texts, record.read, strict=False))
        if read < len(text)
    )


def details(record: Attribution) -> dict[str, str]:
    """Return where the numbers come from, by name."""
    model = record.model
    said = {"content": "in play", "special": "special", "held": "kept fixed (held)"}
    roles = ", ".join(f"{record.roles.count(role):,} {what}" for role, what in said.items() if role in record.roles)
    rows = {
        "Method": f"{method_name(record.method)} ({record.method}); path: {record.path}; rule: {record.rule}",
        "Baseline": record.baseline,
        "Tolerance": f"{percent(record.tol)} of the total effect (the mass: the sum of all scores without their signs)",
        "Work": f"{count(record.evaluations, 'gradient')} in {number(record.seconds)} s",
        "Model": _dotted(model.name, model.architecture, model.kind, model.revision and f"revision {model.revision}"),
        "Weights": _dotted(model.fingerprint and f"fingerprint {model.fingerprint}", model.dtype, model.device),
        "Versions": ", ".join(f"{name} {version}" for name, version in sorted(record.versions.items())),
        "Tokens": f"{len(record.tokens):,}, of which {roles}",
    }
    return {name: visible(value) for name, value in rows.items() if value}


def _dotted(*parts: str | None) -> str:
    return " · ".join(part for part in parts if part)


def amount(value: float, sign: float, signed_too: bool = False) -> Piece:
    """Return a number in the colour of `sign`, with its own sign or without."""
    return Piece(signed(value, 2) if signed_too else number(value, 2), "down" if sign < 0 else "up")
