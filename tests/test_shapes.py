"""Shapes beside a type, `Annotated[Floats, "k t"]`, are those that arrays have: one letter, one length, in every value that is made."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

import lineal
from lineal.engine import field
from lineal.engine.field import Answer, inner
from lineal.methods.contract import Outcome
from lineal.quadrature.contract import Integral, Stop
from lineal.records.attribution import Answers, Attribution, Choices
from tests import tiny, tiny_lm

VALUES = (Answer, Integral, Outcome, Attribution, Choices, Answers)


def shapes(of: Any) -> dict[str, str]:
    """Return the shapes written beside the types of the fields of a class, or of the parameters of a function."""

    def written(hint: Any) -> str | None:
        beside = [one for one in getattr(hint, "__metadata__", ()) if isinstance(one, str)]
        return beside[0] if beside else next((shape for part in get_args(hint) if (shape := written(part)) is not None), None)

    found = {name: written(hint) for name, hint in get_type_hints(of, include_extras=True).items()}
    return {name: shape for name, shape in found.items() if shape is not None}


def check(of: Any, arrays: dict[str, Any]) -> None:
    sizes: dict[str, int] = {}
    for name, shape in shapes(of).items():
        if (array := arrays.get(name)) is None:
            continue
        letters = shape.split()
        assert len(letters) == array.ndim, f"{of.__name__}.{name} is said to be ({shape}), it is {tuple(array.shape)}"
        for letter, size in zip(letters, array.shape, strict=True):
            assert sizes.setdefault(letter, size) == size, f"{of.__name__}.{name}: {letter} is {size}, elsewhere {sizes[letter]}"


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
    lineal.explain_interactions(classifier, "a good film", "label:L1", tol=0.5)
    lineal.explain_generation(writer, "The man works as a", 2, rule="gauss:4")
    lineal.explain(writer, "The man works as a", lineal.targets.Choice((" doctor", " nurse")), rule="gauss:4")
    assert seen == {kind.__name__ for kind in VALUES}


def test_every_array_of_these_has_its_shape_written() -> None:
    for kind in VALUES:
        hints = get_type_hints(kind)
        arrays = {name for name, hint in hints.items() if "ndarray" in str(hint)}
        assert arrays == set(shapes(kind)), kind.__name__
    assert shapes(inner) == {"grad": "m t d", "velocity": "n t d", "return": "m t"}


def test_an_array_of_another_shape_is_noticed(seen: set[str]) -> None:
    with pytest.raises(AssertionError, match=r"Integral.error: k is 3, elsewhere 2"):
        Integral(np.zeros((2, 5)), np.zeros(3), np.zeros(2), np.zeros(2), 4, (Stop.CONVERGED,) * 2)
    with pytest.raises(AssertionError, match=r"Answer.values is said to be \(m k\), it is \(4,\)"):
        Answer(np.zeros(4), np.zeros((4, 1, 5)))
