"""Which metrics there are: what each says, which way is better, what it needs of the explained output. Computes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lineal.errors import OptionError, listing

Need = Literal["", "probability", "distribution", "prediction"]
"""What the explained output must have: nothing, a probability of its own, a softmax it is one entry of; or be what a model can say."""


@dataclass(frozen=True)
class Metric:
    """what: one sentence for readers. higher: whether higher is better. removes: measured once per removal; else once per text."""

    what: str
    higher: bool
    removes: bool = True
    needs: Need = ""


CATALOGUE: dict[str, Metric] = {
    "comprehensiveness": Metric(
        "mean fall of p as the strongest 0, 1, 5, 10, 20 and 50 % of the tokens go (for a similarity: its drop)", True
    ),
    "sufficiency": Metric("mean fall of p when only the strongest 0, 1, 5, 10, 20 and 50 % stay", False),
    "log_odds": Metric("log p without the strongest 20 % − log p", False, needs="probability"),
    "log_prob_drop_1": Metric("log p − log p without the strongest token", True, needs="probability"),
    "log_prob_drop_3": Metric("log p − log p without the 3 strongest tokens", True, needs="probability"),
    "log_prob_drop_5": Metric("log p − log p without the 5 strongest tokens", True, needs="probability"),
    "deletion": Metric("normalised area under p as tokens go, strongest first", False),
    "insertion": Metric("normalised area under p as tokens come back, strongest first", True),
    "srg": Metric("insertion − deletion", True),
    "monotonicity": Metric("share of steps that do not lower p as tokens are added, weakest first", True),
    "loo_spearman": Metric("rank correlation of scores with leave-one-out by the same removal", True),
    "sensitivity_n": Metric("correlation of sums of scores with what removing groups of one size does", True),
    "infidelity": Metric("squared error of sums of scores as a forecast of removing groups, best factor, 1 is no forecast", False),
    "lds": Metric("rank correlation of summed scores with F when each token stays with probability ½", True),
    "causal_pearson": Metric("correlation of scores with what happens to F when one word at a time is replaced", True),
    "causal_spearman": Metric("rank correlation of scores with what happens to F when one word at a time is replaced", True),
    "causal_top1": Metric("whether the word with the highest score is the one whose replacement takes most off F", True),
    "causal_top3": Metric("share of the 3 words with the highest scores among the 3 whose replacement takes most off F", True),
    "causal_flips": Metric(
        "share of the words, strongest first, that are replaced until the model says something else; 1 where it never does",
        False,
        needs="prediction",
    ),
    "soft_comprehensiveness": Metric(
        "normalised fall of p when half of all embedding entries go, those of strong tokens first", True, False
    ),
    "soft_sufficiency": Metric(
        "normalised p that is left when half of all embedding entries stay, those of strong tokens first", True, False
    ),
    "soft_comprehensiveness_hellinger": Metric(
        "normalised Hellinger distance of the distribution when half of all embedding entries go, those of strong tokens first",
        True,
        False,
        "distribution",
    ),
    "soft_sufficiency_hellinger": Metric(
        "1 − normalised Hellinger distance of the distribution when half of all embedding entries stay, those of strong tokens first",
        True,
        False,
        "distribution",
    ),
    "completeness_error": Metric("|Σ scores − (F(text) − F(baseline))|, in units of F; also for methods that promise no sum", False, False),
    "max_sensitivity": Metric("largest relative change of the scores when embeddings change by at most 0.02; 6 explanations", False, False),
    "randomisation": Metric(
        "rank correlation of scores with those of a model with random weights; 0 is ideal, a negative one no better", False, False
    ),
    "randomisation_abs": Metric("rank correlation of |scores| with those of a model with random weights; 0 is ideal", False, False),
}

GROUP = "causal"
CAUSAL = tuple(name for name in CATALOGUE if name.startswith("causal"))
"""What the one name `GROUP` asks for."""

HIGHER_IS_BETTER = {name: metric.higher for name, metric in CATALOGUE.items()}

PROBABILITIES = ("comprehensiveness", "sufficiency", "log_odds", "deletion", "insertion", "srg", "loo_spearman")
LANGUAGE = (
    *("comprehensiveness", "sufficiency", "log_prob_drop_1", "log_prob_drop_5", "lds", "loo_spearman"),
    *("soft_comprehensiveness_hellinger", "soft_sufficiency_hellinger"),
)
VALUES = ("comprehensiveness", "sufficiency", "deletion", "insertion", "srg", "lds", "loo_spearman", "completeness_error")


def defaults(language: bool, has: Sequence[Need]) -> tuple[str, ...]:
    """Return the metrics measured when none is named: for language models, for other probabilities, for similarities and plain values.

    has: what the explained output has, of "probability" and "distribution".
    """
    names = LANGUAGE if language else PROBABILITIES if "probability" in has else VALUES
    return tuple(name for name in names if CATALOGUE[name].needs in ("", *has))


def named(names: Sequence[str], has: Sequence[Need] | None = None) -> tuple[str, ...]:
    """Return the metrics behind names, "causal" being those of `CAUSAL` that fit; see `check` for the errors and `has`."""
    check([name for name in names if name != GROUP], has)
    fitting = tuple(name for name in CAUSAL if has is None or CATALOGUE[name].needs in ("", *has))
    parts = [fitting if name == GROUP else (name,) for name in names]
    return tuple(dict.fromkeys(one for part in parts for one in part))


def check(names: Sequence[str], has: Sequence[Need] | None = None) -> None:
    """Raise OptionError for a name that is unknown or, where `has` is given, needs what the explained output does not have."""
    for name in names:
        if name not in CATALOGUE:
            raise OptionError(f"unknown metric {name!r}; choose among {listing([GROUP, *CATALOGUE], 40)}")
        if has is not None and CATALOGUE[name].needs not in ("", *has):
            fitting = [other for other, metric in CATALOGUE.items() if metric.needs in ("", *has)]
            raise OptionError(
                f"the metric {name} needs a {CATALOGUE[name].needs}, which the explained output does not have; choose among "
                f"{listing(fitting, 40)}, or another target"
            )
