"""The public names are these, sorted, and each of them can be had."""

from __future__ import annotations

import inspect

import lineal

PUBLIC = [
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


def test_public_names() -> None:
    assert lineal.__all__ == PUBLIC == sorted(PUBLIC)
    for name in PUBLIC:
        assert getattr(lineal, name) is not None
        assert name in dir(lineal)


def test_verbs_stay_functions_after_their_modules_are_imported() -> None:
    import lineal.verbs.text

    assert callable(lineal.explain)
    assert callable(lineal.load)
    assert lineal.explain is lineal.verbs.text.explain


def test_the_verbs_list_every_option() -> None:
    shown = inspect.signature(lineal.explain).parameters
    assert shown["tol"].default == 0.01
    assert shown["rule"].default == "adaptive"
    assert {"baseline", "method", "hold", "max_evaluations", "truncate"} <= set(shown)
    assert {"tol", "max_new_tokens"} <= set(inspect.signature(lineal.explain_generation).parameters)
    assert set(shown) - {"text", "messages"} <= set(inspect.signature(lineal.explain_many).parameters)
