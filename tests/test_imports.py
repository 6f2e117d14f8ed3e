"""Imports point one way, and heavy libraries stay where they belong. Read from the source with `ast`; a new module adds its row here."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "lineal"

# Who may import whom, from low to high. A row speaks for its module, or for all modules of its package (which may import one another)
# unless one has a row of its own. What only a type checker sees (`if TYPE_CHECKING:`) is free.
TOOLS = {"errors", "typed", "spellings", "files", "visible", "kept"}
LOW = TOOLS | {"paths", "quadrature", "objectives", "metrics", "records"}
DRAWN = TOOLS | {"records", "quadrature.contract"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "visible": set(),
    "kept": set(),
    "typed": {"errors"},
    "spellings": {"errors", "typed"},
    "files": {"errors"},
    "paths": {"errors"},
    "quadrature.contract": {"errors"},
    "quadrature": {"errors", "typed", "spellings"},
    "objectives": {"errors"},
    "metrics": {"errors"},
    "records": {"errors", "visible", "quadrature.contract", "metrics"},
    "models": LOW - {"metrics", "quadrature", "paths"},
    "prompts": {"errors", "typed", "records", "models"},
    "regions": {"errors", "records", "models", "prompts"},
    "baselines": {"errors", "typed", "spellings", "kept", "models", "prompts"},
    "targets": {"errors", "typed", "spellings", "objectives", "models"},
    "engine": LOW - {"metrics", "records"} | {"models"},
    "methods": LOW - {"metrics", "records"} | {"models", "engine"},
    "verbs": LOW - {"metrics"} | {"models", "prompts", "regions", "baselines", "targets", "engine", "methods"},
    "evaluation": LOW | {"models", "prompts", "baselines", "targets", "engine", "methods", "verbs"},
    "tasks": LOW | {"models", "prompts", "targets", "verbs"},
    "views.parts": DRAWN,
    "views.media": DRAWN | {"views.parts"},
    "views.attribution": DRAWN | {"views.parts", "views.media"},
    "views.sides": DRAWN | {"views.parts", "views.media", "views.attribution"},
    "views.pair": DRAWN | {"views.parts", "views.media"},
    "views.interactions": DRAWN | {"views.parts", "views.media"},
    "views.comparison": DRAWN | {"views.parts", "views.media", "metrics"},
    "views.evaluation": DRAWN | {"views.parts", "views.media", "metrics"},
    "views.trust": DRAWN | {"views.parts", "views.media"},
    "views.verdicts": DRAWN | {"views.parts", "views.media"},
    "views": DRAWN,
    "lineal": {"errors", "records", "quadrature.contract", "models", "prompts", "baselines", "targets", "methods", "metrics", "verbs"}
    | {"evaluation"},
    "cli": {"lineal"}
    | TOOLS
    | {"quadrature.contract", "records", "metrics.catalogue", "models", "prompts", "baselines", "targets", "engine", "verbs"}
    | {"evaluation", "tasks", "views"},
    "__main__": {"cli"},
}

# Libraries that only these rows may import.
OWNERS: dict[str, set[str]] = {
    "torch": {"paths", "objectives", "models", "prompts", "baselines", "targets", "engine", "methods", "verbs", "evaluation"},
    "transformers": {"models"},
    "sentence_transformers": {"models"},
    "typer": {"cli"},
}


def modules() -> dict[str, Path]:
    """Map each module's name, less the leading `lineal.`, to its file."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__") or "lineal"] = path
    return found


MODULES = modules()


def row(module: str) -> str | None:
    """Name the row that speaks for a module: its own, or that of the nearest package around it."""
    while module not in MAY_IMPORT and "." in module:
        module = module.rpartition(".")[0]
    return module if module in MAY_IMPORT else None


def imported(source: str, package: str) -> set[str]:
    """Return the full names that a module imports, at any depth; `package` is where its relative imports start."""
    names = set()
    for node in statements(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            names |= {".".join([*parents, *filter(None, [node.module]), alias.name]) for alias in node.names}
    return names


def statements(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        for statement in node.orelse:
            yield from statements(statement)
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from statements(child)


def imports_of(module: str) -> tuple[set[str], set[str]]:
    """Return (own modules, top names of libraries) that a module imports."""
    path = MODULES[module]
    folder = path.parent.relative_to(SOURCE.parent)
    names = imported(path.read_text(encoding="utf-8"), ".".join(folder.parts))
    own = {name for name in names if name.split(".")[0] == "lineal"}
    return {nearest_module(name) for name in own}, {name.split(".")[0] for name in names - own}


def nearest_module(name: str) -> str:
    """Turn `lineal.errors.InputError` into `errors`: the module that the name comes from."""
    name = name.removeprefix("lineal.")
    while name not in MODULES and "." in name:
        name = name.rpartition(".")[0]
    return name if name in MODULES else "lineal"


def covers(allowed: str, module: str) -> bool:
    return module == allowed or module.startswith(allowed + ".")


def test_every_module_has_a_row() -> None:
    missing = [module for module in MODULES if row(module) is None]
    assert not missing, f"no row in MAY_IMPORT (tests/test_imports.py) for: {', '.join(missing)}; add what each may import"


def test_the_table_has_no_circle() -> None:
    TopologicalSorter(MAY_IMPORT).prepare()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_one_way(module: str) -> None:
    own_row = row(module)
    if own_row is None:
        pytest.skip("reported by test_every_module_has_a_row")
    own, libraries = imports_of(module)
    wrong = {name for name in own if not any(covers(allowed, name) for allowed in MAY_IMPORT[own_row] | {own_row})}
    assert not wrong, f"lineal.{module} imports {', '.join(sorted(wrong))}; row '{own_row}' of MAY_IMPORT does not allow that"
    strangers = {library for library in libraries if own_row not in OWNERS.get(library, {own_row})}
    assert not strangers, f"lineal.{module} imports {', '.join(sorted(strangers))}, which OWNERS keeps to other modules"


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import a.b, c", {"a.b", "c"}),
        ("from a.b import c as d", {"a.b.c"}),
        ("from . import c", {"lineal.models.c"}),
        ("from .base import c", {"lineal.models.base.c"}),
        ("from ..errors import c", {"lineal.errors.c"}),
        ("def f():\n    import torch", {"torch"}),
        ("if TYPE_CHECKING:\n    import torch\nelse:\n    import numpy", {"numpy"}),
    ],
)
def test_imports_are_read_from_the_source(source: str, names: set[str]) -> None:
    assert imported(source, "lineal.models") == names


def test_results_and_views_load_without_torch() -> None:
    rows = ("record", "attribution", "pair_attribution", "interaction_matrix", "stored", "views")
    light = ["lineal", *(f"lineal.{module}" for module in MODULES if row(module) in rows)]
    code = (
        f"import importlib, sys\nfor name in {light}:\n    importlib.import_module(name)\nprint(*sorted({set(OWNERS)} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [], f"importing {', '.join(light)} also loads {done.stdout.strip()}"


def test_every_library_that_is_imported_is_declared() -> None:
    project = tomllib.loads((SOURCE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(one for name, more in project["optional-dependencies"].items() if name != "dev" for one in more)]
    named = {re.split(r"[<>=\[]", one)[0].replace("scikit-learn", "sklearn").replace("-", "_") for one in wanted}
    optional = {"pandas", "IPython", "setfit"}  # taken when the caller has them, which a clear error says
    used = {library for module in MODULES for library in imports_of(module)[1]} - set(sys.stdlib_module_names)
    assert used - named - optional == set()
