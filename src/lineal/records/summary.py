"""What many explanations say together: a frozen record of means over texts. Knows no torch, no table, no drawing."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lineal.records.base import Count, Number, Record

_STRICT = ConfigDict(extra="forbid")


def surely(low: float, high: float) -> float:
    """Return the end of an interval that lies nearer to 0, or 0 where it holds 0: what is there at least."""
    return low if low > 0 else high if high < 0 else 0.0


@dataclass(frozen=True, config=_STRICT)
class Mean:
    """A mean over texts. texts: how many different ones. low, high: its 95 % interval. sd: the standard deviation over texts."""

    texts: Count
    mean: Number
    low: Number
    high: Number
    sd: Number


@dataclass(frozen=True, config=_STRICT)
class WordEffect:
    """What a word adds where it stands. share: of the texts, in how many. mean, low, high: of its score per text, with a 95 % interval.

    p: the probability of such a mean where it is 0; q: the share of false findings among those that are at least as clear.
    """

    word: str
    texts: Count
    share: Number
    mean: Number
    low: Number
    high: Number
    p: Number
    q: Number

    @property
    def surely(self) -> float:
        """What the word adds at least."""
        return surely(self.low, self.high)


@dataclass(frozen=True, config=_STRICT)
class WordDifference:
    """How differently a word acts in two groups of texts. texts, shares, means: of one and of the other. The rest as of `WordEffect`."""

    word: str
    texts: tuple[Count, Count]
    shares: tuple[Number, Number]
    means: tuple[Number, Number]
    difference: Number
    low: Number
    high: Number
    p: Number
    q: Number

    @property
    def surely(self) -> float:
        """What the groups differ by at least."""
        return surely(self.low, self.high)


@dataclass(frozen=True, config=_STRICT)
class Group:
    """Texts with one value in the column that groups them; name: that value, None for all texts. f: F at the text."""

    name: str | None
    f: Mean
    words: tuple[WordEffect, ...]


@dataclass(frozen=True, config=_STRICT)
class Between:
    """One group against another: F and words, group a minus group b. p: of F's difference."""

    a: str
    b: str
    f: Mean
    p: Number
    words: tuple[WordDifference, ...]


@dataclass(frozen=True, config=_STRICT)
class Example:
    """One text. why: highest, lowest or typical F. effect: F(text) − F(baseline)."""

    why: Literal["highest", "lowest", "typical"]
    id: str
    file: str
    row: Count
    text: str
    f: Number
    effect: Number


@dataclass(frozen=True, config=_STRICT)
class TargetSummary:
    """One target over all texts that have it. groups: all texts first, then each group.

    places: (10,) mean share of the total effect in each tenth of the text. regions: the same in each named part, where there are any.
    unsettled: how many of its explanations did not converge.
    """

    target: str
    unit: str
    groups: tuple[Group, ...]
    between: Between | None
    examples: tuple[Example, ...]
    places: tuple[Number, ...]
    regions: tuple[tuple[str, Number], ...] = ()
    unsettled: Count = 0


class Summary(Record):
    """A folder of results in numbers, as `lineal.summary` returns it.

    path: the folder. rows: all; explained: those with scores; converged: of these; distinct: different texts among them, as equal ones
    count once in every mean. failures: how many by class of error. pairs: explanations of pairs, which have no place in the tables.
    unread: targets that were left out since others have more texts. error: median and 95th percentile of the stated error over the total
    effect (Σ|scores|). evaluations: mean gradients per text. by: the column that groups; min_texts: fewest texts of a word that is listed.
    """

    kind: Literal["summary"] = "summary"
    path: str
    rows: Count
    explained: Count
    converged_rows: Count
    distinct: Count
    failures: dict[str, Count]
    pairs: Count
    unread: Count
    error: tuple[Number, Number]
    evaluations: Number
    seconds: Number
    by: str | None
    min_texts: Count
    targets: tuple[TargetSummary, ...]

    def doubt(self) -> str | None:
        """Return what contradicts itself in the record, with the field's name, or None."""
        if self.explained + self.pairs + sum(self.failures.values()) != self.rows:
            return f"rows is {self.rows}, but {self.explained} explained, {self.pairs} pairs and {sum(self.failures.values())} failures"
        if self.converged_rows > self.explained:
            return f"converged_rows is {self.converged_rows}, more than the {self.explained} that were explained"
        for target in self.targets:
            if any(target.places) and not abs((total := sum(target.places)) - 1) < 1e-6:
                return f"places of {target.target!r} add up to {total:g}, not to 1"
        return None

    @property
    def converged(self) -> bool:
        """True when every explanation did."""
        return self.converged_rows == self.explained
