"""The rooms of a source tree, the arrows between them, and how long its functions are. Read with `ast`; nothing is imported.

    python tests/house.py                        # this tree
    python tests/house.py ../before/src/lineal   # another one

A room is a module or package directly below the tree's root, the root's own `__init__` among them; an arrow is a room that imports another,
however often. Imports by name count (`import_module("lineal.views")`, tables of names to modules); what only a type checker sees does not.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median, quantiles

SOURCE = Path(__file__).parent.parent / "src" / "lineal"
DOTTED = re.compile(r"[a-z_]\w*(\.\w+)+")

Graph = Mapping[str, set[str]]


@dataclass(frozen=True)
class House:
    """A package. modules: each one's name, less the leading package's, to its file; the package's own `__init__` is called as it."""

    source: Path

    @property
    def name(self) -> str:
        return self.source.name

    @cached_property
    def modules(self) -> dict[str, Path]:
        names = {}
        for path in sorted(self.source.rglob("*.py")):
            parts = path.relative_to(self.source).with_suffix("").parts
            names[".".join(part for part in parts if part != "__init__") or self.name] = path
        return names

    @cached_property
    def imports(self) -> dict[str, tuple[set[str], set[str]]]:
        """Return (modules of the house, top names of libraries) that each module imports."""
        return {module: self._imports(module) for module in self.modules}

    def _imports(self, module: str) -> tuple[set[str], set[str]]:
        path, modules = self.modules[module], self.modules
        package = ".".join(path.parent.relative_to(self.source.parent).parts)
        text = path.read_text(encoding="utf-8")
        names = imported(text, package)
        own = {name for name in names if name.split(".")[0] == self.name}
        named = {name.removeprefix(self.name + ".") for name in constants(text)} & modules.keys()
        return {nearest(name, self.name, modules) for name in own} | named, {name.split(".")[0] for name in names - own}

    def files(self) -> Graph:
        """Return which modules each module imports."""
        return {module: self.imports[module][0] - {module} for module in self.modules}

    def rooms(self) -> Graph:
        """Return which rooms each room imports."""
        files = self.files()
        rooms: dict[str, set[str]] = {room(module): set() for module in files}
        for module, others in files.items():
            rooms[room(module)] |= {room(other) for other in others} - {room(module)}
        return rooms

    def bodies(self) -> dict[str, int]:
        """Return the lines of every function below its docstring, by module and name."""
        lengths = {}
        for module, path in self.modules.items():
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    statements = node.body[1:] if ast.get_docstring(node) is not None else node.body
                    lengths[f"{module}.{node.name}:{node.lineno}"] = node.end_lineno - statements[0].lineno + 1 if statements else 0
        return lengths


def room(module: str) -> str:
    return module.split(".")[0]


def nearest(name: str, package: str, modules: Mapping[str, Path]) -> str:
    """Turn `lineal.errors.InputError` into `errors`: the module that the name comes from."""
    name = name.removeprefix(package + ".")
    while name not in modules and "." in name:
        name = name.rpartition(".")[0]
    return name if name in modules else package


def imported(text: str, package: str) -> set[str]:
    """Return the full names that a module imports, at any depth; `package` is where its relative imports start."""
    names = set()
    for node in seen(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            names |= {".".join([*parents, *filter(None, [node.module]), alias.name]) for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            names |= {argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant)}
    return names


def computed(text: str) -> list[str]:
    """Return the imports whose names are put together where they are used, so that nobody can read them from the source."""
    calls = [node for node in seen(ast.parse(text)) if isinstance(node, ast.Call)]
    by_name = [call for call in calls if ast.unparse(call.func).split(".")[-1] in ("import_module", "__import__")]
    return [ast.unparse(call) for call in by_name if call.args and isinstance(call.args[0], (ast.JoinedStr, ast.BinOp))]


def constants(text: str) -> set[str]:
    """Return what could be names of modules in a dictionary's values, as in a table of what is imported late."""
    values = (value for node in seen(ast.parse(text)) if isinstance(node, ast.Dict) for value in node.values)
    names = {value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str)}
    return {name for name in names if DOTTED.fullmatch(name)}


def seen(node: ast.AST) -> Iterator[ast.AST]:
    """Walk over what runs: all but what stands under `if TYPE_CHECKING:`."""
    if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        for statement in node.orelse:
            yield from seen(statement)
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from seen(child)


def reached(graph: Graph, start: str) -> set[str]:
    """Return the nodes that arrows lead to from a node."""
    reach: set[str] = set()
    ahead = list(graph[start])
    while ahead:
        node = ahead.pop()
        if node not in reach:
            reach.add(node)
            ahead += graph.get(node, ())
    return reach


def circles(graph: Graph) -> list[list[str]]:
    """Return the groups of nodes that reach one another, the largest first."""
    reach = {node: reached(graph, node) for node in graph}
    groups = {tuple(sorted(other for other in reach[node] if node in reach[other])) for node in graph if node in reach[node]}
    return sorted(map(list, groups), key=len, reverse=True)


def floors(graph: Graph) -> dict[str, int]:
    """Return the floor of every node, from 1: one above the highest it imports. The nodes of a circle share theirs."""
    reach = {node: reached(graph, node) for node in graph}
    levels: dict[str, int] = {}
    for node in sorted(graph, key=lambda name: len(reach[name] | {name})):
        group = {node} | {other for other in reach[node] if node in reach[other]}
        levels[node] = levels.get(node) or 1 + max((levels[other] for other in reach[node] - group), default=0)
        levels |= dict.fromkeys(group, levels[node])
    return levels


def told(house: House) -> Iterable[str]:
    rooms, files, bodies = house.rooms(), house.files(), house.bodies()
    levels, lengths = floors(rooms), list(bodies.values())
    arrows = sum(map(len, rooms.values()))
    yield f"{len(files)} files in {len(rooms)} rooms on {max(levels.values())} floors, {arrows} arrows"
    for kind, graph in (("rooms", rooms), ("files", files)):
        groups = circles(graph)
        yield f"circles of {kind}: {'; '.join(f'{len(group)} ({chr(44).join(group[:6])}…)' for group in groups) or 'none'}"
    yield f"{len(lengths)} function bodies: median {median(lengths):g} lines, p90 {quantiles(lengths, n=10)[8]:g}, max {max(lengths)}"
    yield "longest: " + ", ".join(f"{name} {bodies[name]}" for name in sorted(bodies, key=bodies.__getitem__, reverse=True)[:3])
    for floor in sorted(set(levels.values())):
        yield f"  {floor:2} {', '.join(sorted(name for name in rooms if levels[name] == floor))}"


if __name__ == "__main__":
    sys.stdout.write("\n".join(told(House(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else SOURCE))) + "\n")
