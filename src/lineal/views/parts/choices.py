"""The options of a choice as rows: how likely each is, at the text and at the baseline, and which one is explained or right."""

from __future__ import annotations

from dataclasses import dataclass

from lineal.records.attribution import Attribution
from lineal.views.parts.cells import visible
from lineal.views.parts.numbers import fixed, number, share

GROUPS = (
    ("over the options", "its probability when one of the options must follow"),
    ("over all texts", "its probability when anything may follow"),
    ("log-probability", "the logarithm of that"),
    ("log-odds", "log-odds against all other options together"),
)
"""What stands in a row, each at the text and at the baseline: the head of the column, and what it means."""
MEAN = "The texts' probabilities are means over their tokens: log-probabilities are averaged, not summed."


@dataclass(frozen=True)
class Row:
    """One option. share, low: (0 to 1) its probability among the options, at the text and at the baseline. target: the row of scores that
    explains it, or None. numbers: at the text and at the baseline, for each of GROUPS.
    """

    name: str
    share: float
    low: float
    is_picked: bool
    is_gold: bool
    target: int | None
    numbers: tuple[tuple[str, str], ...]

    @property
    def marks(self) -> str:
        """What the option is: explained, right, both or neither."""
        return ", ".join(what for what, holds in (("explained", self.is_picked), ("right", self.is_gold)) if holds)


def menu(record: Attribution) -> tuple[Row, ...]:
    """Return a row per option, in the order they were given; none for a record that explains no choice."""
    found = record.choices
    if found is None:
        return ()
    rows = len(record.targets) == 1 + len(found.names)
    columns = ((found.share, share), (found.prob, _probability), (found.log_prob, _log), (found.log_odds, _log))
    return tuple(
        Row(
            name=visible(name),
            share=float(found.share[0, i]),
            low=float(found.share[1, i]),
            is_picked=i == found.picked,
            is_gold=i == found.gold,
            target=1 + i if rows else 0 if i == found.picked else None,
            numbers=tuple((spell(float(values[0, i])), spell(float(values[1, i]))) for values, spell in columns),
        )
        for i, name in enumerate(found.names)
    )


def caption(record: Attribution) -> str:
    """Return what has to be known about the numbers of `menu`, or nothing."""
    return MEAN if record.choices is not None and record.choices.mean else ""


def _probability(value: float) -> str:
    """Return a probability that may be tiny: the answers of one word among all texts."""
    return share(value) if value >= 0.001 else number(value, 2)


def _log(value: float) -> str:
    return fixed(value, 2)
