"""One text, several methods: the same question asked in several ways, ready to be looked at side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from lineal.errors import OptionError
from lineal.models import load
from lineal.records.attribution import Attribution
from lineal.typed import listed
from lineal.verbs.generation import explain_generation
from lineal.verbs.options import ComparisonKeywords, Options, lists_options
from lineal.verbs.text import explain

DEFAULT_METHODS = ("ig", "dig-greedy", "dig-maxcount", "gradient-x-input", "occlusion", "random")


@lists_options(Options)
def compare(
    model: Any,
    text: Any,
    target: Any = None,
    *,
    methods: Sequence[Any] = DEFAULT_METHODS,
    baseline: Any = None,
    continuation: Any = None,
    max_new_tokens: int | None = None,
    **options: Unpack[ComparisonKeywords],
) -> tuple[Attribution, ...]:
    """Return one record per method, for the same text, target, baseline and options.

        records = lineal.compare("sentiment", "A tepid, glorious mess.", methods=["ig", "dig-greedy", "random"])
        open("compare.html", "w").write(lineal.views.comparison_page(records))

    methods: names or values of `lineal.methods`. continuation, max_new_tokens: for language models, one row of scores per generated token
    as in `lineal.explain_generation`; the text is then the prompt and `target` stays None. The rest is as in `lineal.explain`.
    Cost: that of each method. Raises OptionError for no methods or for a target together with a generation, and as `lineal.explain`.
    """
    if not listed("methods", methods, "methods, as ['ig', 'dig-greedy']", kinds=(object,)):
        raise OptionError("methods is empty; give at least one, as ['ig', 'dig-greedy']")
    asked: dict[str, Any] = {**options}
    if "method" in asked:
        raise OptionError(f"compare takes several methods; give methods=[{asked['method']!r}, …]")
    loaded = load(model)
    if continuation is None and max_new_tokens is None:
        return tuple(explain(loaded, text, target, baseline=baseline, method=method, **asked) for method in methods)
    if target is not None:
        raise OptionError("a generation explains the generated tokens; leave out target, or continuation and max_new_tokens")
    length = {} if max_new_tokens is None else {"max_new_tokens": max_new_tokens}
    how = {"continuation": continuation, "baseline": baseline, **length, **asked}
    return tuple(explain_generation(loaded, text, method=method, **how) for method in methods)
