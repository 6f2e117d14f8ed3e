"""Imports point one way, and heavy libraries stay where they belong. Read from the source with `ast`; a new module adds its row here."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter

import pytest

from tests.house import SOURCE, House, circles, computed, constants, floors, imported, room

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
    "baselines": {"errors", "typed", "spellings", "kept", "models", "prompts"},
    "targets": {"errors", "typed", "spellings", "objectives", "models"},
    "engine": LOW - {"metrics", "records"} | {"models"},
    "methods": LOW - {"metrics", "records"} | {"models", "engine"},
    "verbs": LOW - {"metrics"} | {"models", "prompts", "baselines", "targets", "engine", "methods"},
    "evaluation": LOW | {"models", "prompts", "baselines", "targets", "engine", "methods", "verbs"},
    "tasks": LOW | {"models", "prompts", "targets", "verbs"},
    "tables": {"errors", "records", "metrics"},
    "jobs": {"errors", "typed", "files", "records", "models", "prompts", "targets", "verbs", "tables"},
    "views.parts": DRAWN,
    "views.media": DRAWN | {"views.parts"},
    "views.attribution": DRAWN | {"views.parts", "views.media"},
    "views.sides": DRAWN | {"views.parts", "views.media", "views.attribution"},
    "views.pair": DRAWN | {"views.parts", "views.media"},
    "views.interactions": DRAWN | {"views.parts", "views.media"},
    "views.comparison": DRAWN | {"views.parts", "views.media", "metrics"},
    "views.evaluation": DRAWN | {"views.parts", "views.media", "metrics"},
    "views.failure": DRAWN | {"views.parts", "views.media"},
    "views.summary": DRAWN | {"views.parts", "views.media"},
    "views.trust": DRAWN | {"views.parts", "views.media"},
    "views.verdicts": DRAWN | {"views.parts", "views.media"},
    "views": DRAWN,
    "lineal": {"errors", "records", "quadrature.contract", "models", "prompts", "baselines", "targets", "methods", "metrics", "verbs"}
    | {"evaluation", "tables", "views"},
    "web": {"lineal", "errors", "visible", "records", "models", "prompts", "baselines", "targets", "methods", "engine", "verbs"}
    | {"evaluation", "views"},
    "cli": {"lineal", "web"}
    | TOOLS
    | {"quadrature.contract", "records", "metrics.catalogue", "models", "prompts", "baselines", "targets", "engine", "verbs"}
    | {"evaluation", "tasks", "tables", "jobs", "views"},
    "__main__": {"cli"},
}

# Libraries that only these rows may import.
OWNERS: dict[str, set[str]] = {
    "torch": {"paths", "objectives", "models", "prompts", "baselines", "targets", "engine", "methods", "verbs", "evaluation", "jobs"},
    "transformers": {"models"},
    "sentence_transformers": {"models"},
    "typer": {"cli"},
    "starlette": {"web"},
    "uvicorn": {"web"},
    "pyarrow": {"tables", "jobs"},
    "duckdb": {"tables"},
    "ray": {"jobs"},
}


HOUSE = House(SOURCE)
MODULES = HOUSE.modules


def row(module: str) -> str | None:
    """Name the row that speaks for a module: its own, or that of the nearest package around it."""
    while module not in MAY_IMPORT and "." in module:
        module = module.rpartition(".")[0]
    return module if module in MAY_IMPORT else None


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
    own, libraries = HOUSE.imports[module]
    wrong = {name for name in own if not any(covers(allowed, name) for allowed in MAY_IMPORT[own_row] | {own_row})}
    assert not wrong, f"lineal.{module} imports {', '.join(sorted(wrong))}; row '{own_row}' of MAY_IMPORT does not allow that"
    strangers = {library for library in libraries if own_row not in OWNERS.get(library, {own_row})}
    assert not strangers, f"lineal.{module} imports {', '.join(sorted(strangers))}, which OWNERS keeps to other modules"


def test_rooms_and_files_know_no_circle() -> None:
    for graph in (HOUSE.rooms(), HOUSE.files()):
        assert circles(graph) == [], "these import one another; move what they share below them"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_what_is_imported_by_name_can_be_read_from_the_source(module: str) -> None:
    assert computed(MODULES[module].read_text(encoding="utf-8")) == [], "give the names as constants, in a table"


def test_circles_and_floors() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"d"}}
    assert circles(graph) == [["b", "c"]]
    assert floors(graph) == {"d": 1, "b": 2, "c": 2, "e": 2, "a": 3}


def test_the_architecture_tells_what_every_room_may_import() -> None:
    text = (SOURCE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text[text.index("| room | answers | may import |") : text.index("`tests/test_imports.py`")]
    told: dict[str, set[str]] = {}
    for line in table.strip().splitlines()[2:]:
        name, _, may = (cell.strip() for cell in line.strip("|").split("|"))
        names = set(re.findall(r"`(\w+)`", may))
        told[re.findall(r"`(\w+)", name)[0]] = set(told) - names if may.startswith("all above") else names
    rooms = {room(module) for module in MODULES} - {"__main__"}
    allowed = {name: {room(other) for row, others in MAY_IMPORT.items() if room(row) == name for other in others} for name in rooms}
    assert told == {name: others - {name} for name, others in allowed.items()}


def test_the_architecture_names_every_folder_of_views_and_every_file_of_cli() -> None:
    text = (SOURCE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    told = {
        package: set(re.findall(rf"`{package}/(\w+)`", "\n".join(line for line in text.splitlines() if line.startswith("|"))))
        for package in ("views", "cli")
    }
    assert told["views"] == {path.name for path in (SOURCE / "views").iterdir() if path.is_dir() and path.name != "__pycache__"}
    main = (SOURCE / "cli" / "main.py").read_text(encoding="utf-8")
    commands = re.findall(r"from lineal\.cli\.(\w+) import \1\n", main)
    assert told["cli"] | set(commands) == {path.stem for path in (SOURCE / "cli").glob("[!_]*.py")}


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
        ("import_module('lineal.views').save()", {"lineal.views"}),
        ("importlib.import_module('torch.nn')", {"torch.nn"}),
        ("import_module(name)", set()),
    ],
)
def test_imports_are_read_from_the_source(source: str, names: set[str]) -> None:
    assert imported(source, "lineal.models") == names


def test_names_in_tables_count_as_imports() -> None:
    table = '_LAZY = {"load": "lineal.models", "x": "no module", "y": "one"}'
    assert constants(table) == {"lineal.models"}
    assert computed('import_module(f"lineal.{name}")') == ["import_module(f'lineal.{name}')"]


def test_results_and_views_load_without_torch() -> None:
    light = ["lineal", *(f"lineal.{module}" for module in MODULES if room(module) in ("records", "views"))]
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
    optional = {"pandas", "polars", "IPython", "setfit"}  # taken when the caller has them, which a clear error says
    used = {library for module in MODULES for library in HOUSE.imports[module][1]} - set(sys.stdlib_module_names)
    assert used - named - optional == set()
