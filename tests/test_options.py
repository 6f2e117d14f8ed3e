"""Options have one name, one kind, one default and one sentence, wherever they are taken."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import lineal
from lineal.cli.main import app
from lineal.evaluation.run import evaluate
from lineal.evaluation.trust import examine
from lineal.evaluation.trust_pair import examine_pair
from lineal.models.generative import generate_options
from lineal.quadrature.contract import MAX_EVALUATIONS, TOLERANCE
from lineal.tasks import liar
from lineal.verbs.options import (
    CommonKeywords,
    CommonOptions,
    GenerateKeywords,
    GenerationKeywords,
    Keywords,
    Options,
    PairKeywords,
    PairOptions,
    QuestionKeywords,
)

mypy_api = pytest.importorskip("mypy.api")  # not in the environment of the lowest versions
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


@pytest.mark.parametrize(("kind", "keywords"), [(CommonOptions, CommonKeywords), (Options, Keywords), (PairOptions, PairKeywords)])
def test_keywords_are_the_fields_of_the_options(kind: type, keywords: type) -> None:
    assert get_type_hints(keywords) == {field.name: get_type_hints(kind)[field.name] for field in fields(kind)}


@pytest.mark.parametrize("kind", [CommonOptions, Options, PairOptions])
def test_every_option_is_documented_once(kind: type) -> None:
    docs = "\n".join(inspect.getdoc(part) or "" for part in (kind, *(part for part in kind.__bases__ if part is not object)))
    said = [name.strip() for names in re.findall(r"(?:^|\. |\n)((?:[a-z_]+, )*[a-z_]+): ", docs) for name in names.split(",")]
    assert sorted(said) == sorted(field.name for field in fields(kind))


def test_keywords_of_generate_are_those_of_transformers() -> None:
    assert set(get_type_hints(GenerateKeywords)) <= generate_options()


VERBS = {
    lineal.explain: Keywords,
    lineal.explain_many: Keywords,
    lineal.explain_generation: GenerationKeywords,
    lineal.explain_interactions: QuestionKeywords,
    lineal.explain_similarity: Keywords,
    lineal.compare: QuestionKeywords,
    lineal.explain_pair: PairKeywords,
    lineal.explain_matches: PairKeywords,
    evaluate: QuestionKeywords,
    examine: Keywords,
    examine_pair: PairKeywords,
    liar.explain: Keywords,
}


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: f"{verb.__module__}.{verb.__name__}")
def test_verbs_show_every_keyword_with_its_default(verb: Any) -> None:
    shown = inspect.signature(verb).parameters
    said = defaults(PairOptions if VERBS[verb] is PairKeywords else Options)
    names = [name for name in get_type_hints(VERBS[verb]) if name in said]
    assert {name: shown[name].default for name in names} == {name: said[name] for name in names}
    assert set(get_type_hints(VERBS[verb])) <= set(shown)
    assert all(parameter.kind is not parameter.VAR_KEYWORD for parameter in shown.values())


def test_no_verb_takes_options_that_nobody_knows() -> None:
    untyped = []
    for path in (path for room in ("verbs", "evaluation", "tasks") for path in (SOURCE / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.FunctionDef)
                and node.args.kwarg is not None
                and "Unpack" not in ast.unparse(node.args.kwarg.annotation or node.args.kwarg)
            ):
                untyped.append(f"{path.name}: {node.name}")
    assert untyped == []


CALLS = """
import lineal
from lineal.evaluation.trust import examine
from lineal.evaluation.trust_pair import examine_pair
from lineal.tasks import liar

lineal.explain("m", "t", tol=0.1, hold="x", method="ig", layer=3)
lineal.explain_many("m", ["t"], tol=0.1, on_error="return")
lineal.explain_generation("m", "t", 3, tol=0.1, do_sample=True, num_beams=2)
lineal.explain_interactions("m", "t", tol=0.1)
lineal.explain_similarity("m", "a", "b", tol=0.1)
lineal.compare("m", "t", methods=["ig"], tol=0.1, max_new_tokens=3, unit="logit")
lineal.explain_pair("m", "a", "b", tol=0.1, mode="forward")
lineal.explain_matches("m", "a", ["b"], tol=0.1)
lineal.evaluate("m", ["t"], tol=0.1, hold="x")
examine("m", "t", tol=0.1)
examine_pair("m", "a", "b", tol=0.1)
liar.explain("m", [], tol=0.1, baseline="pad")
"""


@pytest.mark.slow
def test_mypy_knows_every_keyword_of_every_verb(tmp_path: Path) -> None:
    """The same calls are accepted as they are, and each is refused with one name misspelled and with one value of another kind."""
    (tmp_path / "right.py").write_text(CALLS, encoding="utf-8")
    (tmp_path / "misspelled.py").write_text(CALLS.replace("tol=", "tolerance="), encoding="utf-8")
    (tmp_path / "mistyped.py").write_text(CALLS.replace("tol=0.1", "tol='small'"), encoding="utf-8")
    libraries = ("torch", "transformers", "sentence_transformers", "numpy", "scipy", "sklearn", "pydantic", "jinja2", "rich", "typer")
    skipped = ", ".join(f"{name}.*" for name in libraries)
    settings = f"[mypy]\nmypy_path = {SOURCE.parent}\nignore_missing_imports = true\n[mypy-{skipped}]\nfollow_imports = skip\n"
    (tmp_path / "mypy.ini").write_text(settings + "[mypy-lineal.*]\nfollow_imports = silent\n", encoding="utf-8")
    paths = [str(tmp_path / f"{name}.py") for name in ("right", "misspelled", "mistyped")]
    printed = mypy_api.run([*paths, "--config-file", str(tmp_path / "mypy.ini"), "--cache-dir", str(tmp_path / "cache")])[0]
    blamed = [(Path(line.split(":")[0]).stem, int(line.split(":")[1])) for line in printed.splitlines() if ": error:" in line]
    calls = [number for number, line in enumerate(CALLS.splitlines(), start=1) if "tol=" in line]
    assert sorted(set(blamed)) == [("misspelled", number) for number in calls] + [("mistyped", number) for number in calls], printed
