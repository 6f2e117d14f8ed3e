"""One set of options for all commands: which group each has, and that what a group holds reaches what it is for."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
import typer

from lineal.cli import options
from lineal.cli.main import app
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
    "show": (options.Delivery,),
    "models": (),
    "demo": (),
}
"""What every command takes as a group; a new command says here which it has."""
SINGLE = {
    "trust": {"explain", "generate", "pair", "match", "interactions", "compare"},
    "out": {"explain", "generate", "pair", "match", "interactions", "compare", "evaluate", "liar", "probe", "show", "demo"},
    "as_json": {"explain", "generate", "pair", "match", "interactions", "compare", "evaluate", "show"},
    "strict": {"explain", "generate", "pair", "match", "interactions", "compare", "evaluate", "liar", "show"},
    "baseline": {"explain", "generate", "pair", "match", "interactions", "compare", "liar"},
    "method": {"explain", "generate", "liar"},
    "target": {"explain", "pair", "interactions", "compare", "evaluate"},
    "unit": {"explain", "generate", "pair", "interactions", "compare", "evaluate", "liar"},
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
