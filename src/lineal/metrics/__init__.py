"""How good an explanation is: faithfulness and agreement here, stability in `lineal.evaluation.stability`, which needs torch.

What to be careful with: docs/faithfulness.md.
"""

from lineal.metrics.agreement import kendall, pearson, spearman, top_overlap
from lineal.metrics.bootstrap import Interval, difference, interval
from lineal.metrics.catalogue import CATALOGUE, HIGHER_IS_BETTER, Metric
from lineal.metrics.curves import Curve, monotonicity, ranking
from lineal.metrics.pairs import PairCurve
from lineal.metrics.soft import keep_probabilities, soft_comprehensiveness, soft_sufficiency
from lineal.metrics.subsets import infidelity, lds, sensitivity_n

__all__ = [
    "CATALOGUE",
    "HIGHER_IS_BETTER",
    "Curve",
    "Interval",
    "Metric",
    "PairCurve",
    "difference",
    "infidelity",
    "interval",
    "keep_probabilities",
    "kendall",
    "lds",
    "monotonicity",
    "pearson",
    "ranking",
    "sensitivity_n",
    "soft_comprehensiveness",
    "soft_sufficiency",
    "spearman",
    "top_overlap",
]
