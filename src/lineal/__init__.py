"""Lineal: line-integral attributions for text models, with the error bar.

    import lineal

    result = lineal.explain("sentiment", "A tepid, glorious mess.")
    print(result.words().scores, result.error, result.stop.value)

Names that need torch are imported on first use, so that reading and drawing stored results stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lineal.errors import LinealError
from lineal.quadrature.contract import Stop
from lineal.records.attribution import Attribution
from lineal.records.base import drawn_by
from lineal.records.comparison import Comparison
from lineal.records.evaluation import Evaluation
from lineal.records.failure import Failure
from lineal.records.interactions import Interactions
from lineal.records.load import load_result, load_results
from lineal.records.pair import Matches, PairAttribution
from lineal.records.summary import Summary
from lineal.records.trust import Trust

if TYPE_CHECKING:
    from lineal import baselines, methods, metrics, prompts, targets
    from lineal.evaluation.run import evaluate
    from lineal.models import LinearProbe, load
    from lineal.tables.results import read_results
    from lineal.tables.summary import summary
    from lineal.verbs.comparison import compare
    from lineal.verbs.generation import explain_generation
    from lineal.verbs.interactions import explain_interactions
    from lineal.verbs.pair import explain_matches, explain_pair, explain_similarity
    from lineal.verbs.text import explain, explain_many

__version__ = "0.1.0"
drawn_by(lambda: import_module("lineal.views"))

__all__ = [
    "Attribution",
    "Comparison",
    "Evaluation",
    "Failure",
    "Interactions",
    "LinealError",
    "LinearProbe",
    "Matches",
    "PairAttribution",
    "Stop",
    "Summary",
    "Trust",
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
    "read_results",
    "summary",
    "targets",
]

_LAZY = {
    "LinearProbe": "lineal.models",
    "baselines": "lineal.baselines",
    "compare": "lineal.verbs.comparison",
    "evaluate": "lineal.evaluation.run",
    "explain": "lineal.verbs.text",
    "explain_generation": "lineal.verbs.generation",
    "explain_interactions": "lineal.verbs.interactions",
    "explain_many": "lineal.verbs.text",
    "explain_matches": "lineal.verbs.pair",
    "explain_pair": "lineal.verbs.pair",
    "explain_similarity": "lineal.verbs.pair",
    "load": "lineal.models",
    "methods": "lineal.methods",
    "metrics": "lineal.metrics",
    "prompts": "lineal.prompts",
    "read_results": "lineal.tables.results",
    "summary": "lineal.tables.summary",
    "targets": "lineal.targets",
}
"""Where each name is found on first use: a module of that name, or something in it."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'lineal' has no attribute {name!r}")
    module = import_module(_LAZY[name])
    return module if _LAZY[name] == f"lineal.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
