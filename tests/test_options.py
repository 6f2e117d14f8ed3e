"""Options have one name, one kind, one default and one sentence, wherever they are taken."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest

import lineal
from lineal.cli.main import app
from lineal.quadrature.contract import MAX_EVALUATIONS, TOLERANCE
from lineal.verbs.options import Options
from lineal.verbs.pair import PairOptions

SOURCE = Path(lineal.__file__).parent


def defaults(kind: type) -> dict[str, Any]:
    return {name: parameter.default for name, parameter in inspect.signature(kind).parameters.items()}


@pytest.mark.parametrize("command", [entry.callback for entry in app.registered_commands], ids=lambda command: command.__name__)
def test_commands_have_the_defaults_of_the_verbs(command: Any) -> None:
    said = defaults(Options) | defaults(PairOptions)
    own = {name: parameter.default for name, parameter in inspect.signature(command).parameters.items() if name in said}
    assert own == {name: said[name] for name in own}


def test_the_tolerance_and_the_budget_are_written_down_once() -> None:
    assert (Options.tol, PairOptions.tol, Options.max_evaluations) == (TOLERANCE, TOLERANCE, MAX_EVALUATIONS)
    written = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                pairs = [(node.target.id, node.value)]
            elif isinstance(node, ast.arguments):
                named = [*node.posonlyargs, *node.args]
                pairs = [(arg.arg, value) for arg, value in zip(named[len(named) - len(node.defaults) :], node.defaults, strict=True)]
                pairs += [(arg.arg, value) for arg, value in zip(node.kwonlyargs, node.kw_defaults, strict=True)]
            else:
                continue
            written += [
                f"{path.name}: {name}" for name, value in pairs if name in ("tol", "max_evaluations") and isinstance(value, ast.Constant)
            ]
    assert written == []
