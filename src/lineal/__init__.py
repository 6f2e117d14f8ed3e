"""Lineal: line-integral attributions for text models, with the error bar.

    import lineal

    result = lineal.explain("sentiment", "A tepid, glorious mess.")
    print(result.words().scores, result.error, result.stop.value)

Names that need torch are imported on first use, so that reading and drawing stored results stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lineal.attribution import Attribution
from lineal.errors import LinealError
from lineal.failure import Failure
from lineal.interaction_matrix import Interactions
from lineal.pair_attribution import Matches, PairAttribution
from lineal.quadrature.contract import Stop
from lineal.stored import load_result, load_results

if TYPE_CHECKING:
    from lineal import baselines, methods, metrics, prompts, targets
    from lineal.comparison import compare
    from lineal.evaluation import evaluate
    from lineal.generation import explain_generation
    from lineal.interactions import explain_interactions
    from lineal.models import LinearProbe, load
    from lineal.pairs import explain_matches, explain_pair, explain_similarity
    from lineal.session import explain, explain_many

__version__ = "0.1.0"

__all__ = [
    "Attribution",
    "Failure",
    "Interactions",
    "LinealError",
    "LinearProbe",
    "Matches",
    "PairAttribution",
    "Stop",
    "baselines",
    "compare",
    "evaluate",
    "explain",
    "explain_generation",
    "explain_interactions",
    "explain_many",
    "explain_matches",
    "explain_pair",
    "explain_similarity",
    "load",
    "load_result",
    "load_results",
    "methods",
    "metrics",
    "prompts",
    "targets",
]

_LAZY = {
    "LinearProbe": "lineal.models",
    "compare": "lineal.comparison",
    "evaluate": "lineal.evaluation",
    "explain": "lineal.session",
    "explain_generation": "lineal.generation",
    "explain_interactions": "lineal.interactions",
    "explain_many": "lineal.session",
    "explain_matches": "lineal.pairs",
    "explain_pair": "lineal.pairs",
    "explain_similarity": "lineal.pairs",
    "load": "lineal.models",
}


def __getattr__(name: str) -> Any:
    if name in ("baselines", "methods", "metrics", "prompts", "targets"):
        return import_module(f"lineal.{name}")
    if name not in _LAZY:
        raise AttributeError(f"module 'lineal' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
