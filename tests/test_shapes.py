"""Shapes beside a type, `Annotated[Floats, "k t"]`, are those that arrays have: one name, one length, in every value that is made.

The shapes are in the language of jaxtyping, which checks them here and is imported nowhere else.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from jaxtyping import Float, jaxtyped
from pydantic import BaseModel

import lineal
import lineal.records
from lineal import metrics
from lineal.engine import field
from lineal.engine.field import Answer, inner
from lineal.methods.contract import Outcome
from lineal.quadrature.contract import Integral, Stop
from tests import tiny, tiny_lm
from tests.test_pairs import encoder

STORED = {
    kind
    for module in iter_modules(lineal.records.__path__, "lineal.records.")
    for kind in vars(import_module(module.name)).values()
    if isinstance(kind, type) and issubclass(kind, BaseModel) and any("ndarray" in str(hint) for hint in get_type_hints(kind).values())
}
"""Every kind of record, or part of one, that holds arrays itself."""
VALUES = (Answer, Integral, Outcome, *sorted(STORED, key=lambda kind: kind.__name__))
SHAPE = re.compile(r"\([^()]*,[^()]*\)")
"""A shape in a docstring: (k, t), (n,)."""


def shapes(of: Any) -> dict[str, str]:
    """Return the shapes written beside the types of the fields of a class, or of the parameters of a function."""

    def written(hint: Any) -> str | None:
        beside = [one for one in getattr(hint, "__metadata__", ()) if isinstance(one, str)]
        return beside[0] if beside else next((shape for part in get_args(hint) if (shape := written(part)) is not None), None)

    found = {name: written(hint) for name, hint in get_type_hints(of, include_extras=True).items()}
    return {name: shape for name, shape in found.items() if shape is not None}


def check(of: Any, arrays: dict[str, Any]) -> None:
    with jaxtyped("context"):  # in which a name of a length is one length
        for name, shape in shapes(of).items():
            if (array := arrays.get(name)) is None:
                continue
            fits = isinstance(array, Float[type(array), shape])
            assert fits, f"{of.__name__}.{name} is said to be ({shape}), it is {tuple(array.shape)} of {array.dtype}"


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def run(*given: Any, **named: Any) -> Any:
        result = function(*given, **named)
        check(function, inspect.signature(function).bind(*given, **named).arguments | {"return": result})
        return result

    return run


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Check every value that is made from here on; return the names of their kinds."""
    kinds: set[str] = set()
    for kind in VALUES:

        def made(self: Any, *given: Any, _made: Any = kind.__init__, _kind: Any = kind, **named: Any) -> None:
            _made(self, *given, **named)
            kinds.add(_kind.__name__)
            check(_kind, {name: getattr(self, name) for name in shapes(_kind)})

        monkeypatch.setattr(kind, "__init__", made)
    monkeypatch.setattr(field.Problem, "__post_init__", lambda self: object.__setattr__(self, "measure", checked(self.measure)))
    return kinds


def test_arrays_have_the_shapes_that_are_written(seen: set[str]) -> None:
    classifier, writer = lineal.load(tiny.bert_classifier(), tiny.tokenizer()), tiny_lm.llama()
    for method in ("ig", "occlusion", "gradient-x-input", "random", "dig-greedy:steps=3:neighbours=5"):
        lineal.explain(classifier, "a very good film", "labels", method=method, baseline=["pad", "mask"], rule="gauss:4")
    lineal.explain_interactions(classifier, "a good film", "label:L1", tol=0.5).words()
    lineal.explain_generation(writer, "The man works as a", 2, rule="gauss:4")
    lineal.explain(writer, "The man works as a", lineal.targets.Choice((" doctor", " nurse")), rule="gauss:4")
    for decomposition in ("projected", "four"):
        lineal.explain_pair(lineal.load(encoder()), "a good film", "not a bad film", rule="gauss:4", decomposition=decomposition).words()
    lineal.evaluate(classifier, ["a very good film", "not a bad film"], "label:L1", methods=["random"], metrics=["log_odds"])
    assert seen == {kind.__name__ for kind in VALUES}


def test_every_array_of_these_has_its_shape_written() -> None:
    for kind in VALUES:
        hints = get_type_hints(kind)
        arrays = {name for name, hint in hints.items() if "ndarray" in str(hint)}
        assert arrays == set(shapes(kind)), kind.__name__
    assert shapes(inner) == {"grad": "m t d", "velocity": "n t d", "return": "m t"}


def test_an_array_of_another_shape_is_noticed(seen: set[str]) -> None:
    with pytest.raises(AssertionError, match=r"Integral.error is said to be \(k\), it is \(3,\)"):
        Integral(np.zeros((2, 5)), np.zeros(3), np.zeros(2), np.zeros(2), 4, (Stop.CONVERGED,) * 2)
    with pytest.raises(AssertionError, match=r"Answer.values is said to be \(m k\), it is \(4,\)"):
        Answer(np.zeros(4), np.zeros((4, 1, 5)))
    with pytest.raises(AssertionError, match=r"it is \(4, 1\) of int64"):
        Answer(np.zeros((4, 1), dtype=np.int64), np.zeros((4, 1, 5)))


def arrays(of: Any) -> list[str]:
    """Return the fields, or the parameters and the result, that are arrays without a shape beside their type."""
    written = shapes(of)
    return [name for name, hint in get_type_hints(of).items() if re.search(r"ndarray|Tensor", str(hint)) and name not in written]


def public() -> dict[str, Any]:
    """Return everything public that may take, hold or return an array, by name: functions, records and what is read off records."""
    named = {f"{module.__name__}.{name}": getattr(module, name) for module in (lineal, metrics) for name in module.__all__}
    named |= {kind.__name__: kind for kind in STORED}
    found = {name: one for name, one in named.items() if inspect.isfunction(one) or isinstance(one, type)}
    for name, one in list(found.items()):
        if isinstance(one, type):
            methods = {part: getattr(value, "fget", value) for part, value in vars(one).items() if not part.startswith("_")}
            found |= {f"{name}.{part}": value for part, value in methods.items() if inspect.isfunction(value)}
    return found


@pytest.mark.parametrize("name", sorted(public()))
def test_every_public_array_has_its_shape_beside_its_type_or_in_words(name: str) -> None:
    of = public()[name]
    if without := arrays(of):
        assert SHAPE.search(inspect.getdoc(of) or ""), f"{name}: {', '.join(without)}"
