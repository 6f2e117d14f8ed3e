"""One set of options for all commands: which group each has, and that what a group holds reaches what it is for."""

from __future__ import annotations

import shlex
from dataclasses import fields
from typing import Any

import pytest
import typer

import lineal
from lineal.cli import options
from lineal.cli.main import EXAMPLES, app, main
from lineal.errors import ModelError, OptionError
from lineal.jobs.job import Job
from lineal.targets import spelling as specs
from lineal.verbs.options import Options

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]

GROUPS: dict[str, tuple[Any, ...]] = {
    "explain": (options.Precision, options.Reading, options.Delivery, options.Loading),
    "generate": (options.Precision, options.Holding, options.Delivery, options.Loading),
    "pair": (options.Precision, options.Reading, options.Delivery, options.Loading),
    "match": (options.Precision, options.Framing, options.Delivery, options.Loading),
    "interactions": (options.Precision, options.Reading, options.Delivery, options.Loading),
    "compare": (options.Precision, options.Reading, options.Delivery, options.Loading),
    "evaluate": (options.Precision, options.Reading, options.Loading),
    "liar": (options.Precision, options.Holding, options.Loading),
    "probe": (options.Loading,),
    "run": (options.Columns, options.Running, options.Precision, options.Reading, options.Loading),
    "show": (options.Delivery,),
    "serve": (),
    "summary": (),
    "models": (),
    "demo": (),
}
"""What every command takes as a group; a new command says here which it has."""
SINGLE = {
    "trust": {"explain", "generate", "pair", "match", "interactions", "compare"},
    "out": {
        "explain",
        "generate",
        "pair",
        "match",
        "interactions",
        "compare",
        "evaluate",
        "liar",
        "probe",
        "show",
        "summary",
        "demo",
        "run",
    },
    "as_json": {"explain", "generate", "pair", "match", "interactions", "compare", "evaluate", "show", "summary"},
    "strict": {"explain", "generate", "pair", "match", "interactions", "compare", "evaluate", "liar", "show"},
    "baseline": {"explain", "generate", "pair", "match", "interactions", "compare", "liar", "run"},
    "method": {"explain", "generate", "liar", "run"},
    "target": {"explain", "pair", "interactions", "compare", "evaluate", "summary", "run"},
    "unit": {"explain", "generate", "pair", "interactions", "compare", "evaluate", "liar", "run"},
}
"""Options that are no part of a group everywhere, and who has them."""


def test_every_command_is_in_the_table() -> None:
    assert set(GROUPS) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_the_options_of_its_groups_with_their_defaults(command: str) -> None:
    has = {parameter.name: parameter for parameter in COMMANDS[command].params}
    for group in GROUPS[command]:
        for field in fields(group):
            assert field.name in has, f"{command} takes {group.__name__}, but has no --{field.name}"
            assert has[field.name].default == field.default
    kinds = (options.Precision, options.Reading, options.Delivery, options.Loading)
    for kind in kinds:
        mine = [group for group in GROUPS[command] if issubclass(kind, group)]
        if not mine and kind is not options.Reading:
            shared = {field.name for field in fields(kind)} - {"out", "as_json", "strict"}
            assert not shared & set(has), f"{command} has some options of {kind.__name__}, but does not take the group"


@pytest.mark.parametrize("name", SINGLE)
def test_what_makes_sense_in_many_commands_is_there(name: str) -> None:
    assert {command for command in COMMANDS if any(p.name == name for p in COMMANDS[command].params)} == SINGLE[name]


def test_defaults_are_those_of_python() -> None:
    own = {field.name: field.default for field in fields(Options)}
    for group in (options.Precision, options.Reading):
        for field in fields(group):
            assert field.default == own[field.name], field.name


def test_one_option_is_spelled_one_way() -> None:
    spelled: dict[str, set[tuple[str, ...]]] = {}
    for command in COMMANDS.values():
        for parameter in command.params:
            if parameter.param_type_name == "option":
                spelled.setdefault(parameter.name, set()).add(tuple(parameter.opts))
    assert {name: ways for name, ways in spelled.items() if len(ways) > 1} == {}


def test_a_layer_is_a_number_where_it_is_one() -> None:
    for given, found in (("2", 2), ("-1", -1), ("embeddings", "embeddings"), (None, None), ("9" * 12, "9" * 12)):
        assert options.settings(options.Holding(layer=given))["layer"] == found


def help_of(command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit):
        main([command, "--help"])
    return capsys.readouterr().out


@pytest.mark.parametrize("command", [name for name, groups in GROUPS.items() if groups])
def test_options_stand_in_panels(command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every option of a group stands in the panel of the group, and no option but --help stands in none."""
    said = help_of(command, capsys, monkeypatch)
    places = {panel: said.index(f"─ {panel} ─") for panel in {options.PANELS[group] for group in GROUPS[command]}}
    order = sorted(places, key=places.__getitem__)
    for group in GROUPS[command]:
        panel = options.PANELS[group]
        after = order[order.index(panel) + 1 :]
        part = said[places[panel] : places[after[0]] if after else len(said)]
        for field in fields(group):
            name = {"as_json": "json", "allow_missing": "allow-missing-weights"}.get(field.name, field.name.replace("_", "-"))
            assert f"--{name}" in part, (panel, name)


@pytest.mark.parametrize("command", EXAMPLES)
def test_examples_of_the_help_are_command_lines_that_fit(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = " ".join(help_of(command, capsys, monkeypatch).split())
    for line in EXAMPLES[command]:
        assert " ".join(line.split()) in said
        first, name, *arguments = shlex.split(line)
        assert (first, name) == ("lineal", command)
        COMMANDS[name].make_context(name, arguments, resilient_parsing=False)


def test_what_is_misspelt_is_answered_with_what_was_meant() -> None:
    with pytest.raises(OptionError, match="a label is spelled label:POSITIVE"):
        specs.target("POSITIVE")
    with pytest.raises(OptionError, match="did you mean 'next'"):
        specs.target("nxt")
    with pytest.raises(ModelError, match="did you mean 'sentiment'"):
        lineal.load("sentimnt")


def test_every_field_of_a_job_is_an_option_with_its_default() -> None:
    has = {parameter.name: parameter for parameter in COMMANDS["run"].params}
    for field in fields(Job):
        assert field.name in has, f"a job has {field.name}, and lineal run has no option for it"
        if field.name not in ("model", "input", "out"):
            assert has[field.name].default == field.default, field.name
    assert set(has) - {field.name for field in fields(Job)} <= {"write_job", "verify", "redo", "help"}
