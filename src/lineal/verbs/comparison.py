"""One text, several methods: the same question asked in several ways, ready to be looked at side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from lineal.errors import OptionError
from lineal.models import load
from lineal.prompts import Generation
from lineal.records.comparison import Comparison
from lineal.targets import steps
from lineal.typed import listed
from lineal.verbs.generation import generation_from
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
) -> Comparison:
    """Return one record of several methods, asked the same: text, target, baseline and options.

        found = lineal.compare("sentiment", "A tepid, glorious mess.", methods=["ig", "dig-greedy", "random"])
        found.save("compare.html")
        [record.scores for record in found]        # one (k, t) per method

    methods: names or values of `lineal.methods`. continuation, max_new_tokens: for language models, one row of scores per generated token
    as in `lineal.explain_generation`; the text is then the prompt and `target` stays None. The model generates once, for all methods. The
    rest is as in `lineal.explain`.
    Cost: that of each method. Raises OptionError for no methods or for a target together with a generation, and as `lineal.explain`.
    """
    if not listed("methods", methods, "methods, as ['ig', 'dig-greedy']", kinds=(object,)):
        raise OptionError("methods is empty; give at least one, as ['ig', 'dig-greedy']")
    asked: dict[str, Any] = {**options}
    if "method" in asked:
        raise OptionError(f"compare takes several methods; give methods=[{asked['method']!r}, …]")
    loaded = load(model)
    if continuation is not None or max_new_tokens is not None:
        if target is not None:
            raise OptionError("a generation explains the generated tokens; leave out target, or continuation and max_new_tokens")
        target, hold = steps(asked.pop("unit", "log_prob")), asked.pop("hold_generated", False)
        length = Generation.max_new_tokens if max_new_tokens is None else max_new_tokens
        generation, asked = generation_from(text, length, continuation, hold, asked)
        text = generation.said_by(loaded, bool(asked.get("truncate")))
    return Comparison(records=tuple(explain(loaded, text, target, baseline=baseline, method=method, **asked) for method in methods))
