"""How values are spelled: name[settings]:argument, as in label[unit=prob]:POSITIVE. The grammar alone; names no value and computes nothing.

A table has one `Entry` per name. `read` turns a spelling into a value, `write` a value into its spelling, and each undoes the other.
Nothing is dropped: what is left over behind a spelling is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from lineal.errors import OptionError, listing, unknown
from lineal.typed import check_fields

NUMBER = re.compile("[0-9]{1,18}")
"""A whole number from 0 on, as users write one."""
_WHOLE = re.compile(r"(?P<name>[a-z0-9-]+)(?P<settings>\[.*)?", re.DOTALL)
_KEY = re.compile(r"(?P<key>[a-z_]+)=")
_BARE = re.compile(r"[^\],\[\"]*")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_CONSTANTS = {"yes": True, "no": False, "none": None}


@dataclass(frozen=True)
class Argument:
    """What stands behind the colon.

    fields: those of the value that it tells. read: from the text, never empty, to them (or others, by name); OptionError when it cannot.
    write: from the value to the text; "" when nothing stands there, None when this row cannot spell the value. optional: whether nothing
    may stand there.
    """

    fields: tuple[str, ...]
    read: Callable[[str], dict[str, Any]]
    write: Callable[[Any], str | None]
    optional: bool = False


@dataclass(frozen=True)
class Entry:
    """One name. make: the class of the value. shown, about: how it is written, and what it is, for lists. fixed: what the name says.

    units: the units it can have; unit: the field that holds it, None where there is no choice.
    """

    make: type
    shown: str
    about: str = ""
    argument: Argument | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    units: tuple[str, ...] = ()
    unit: str | None = "unit"

    @property
    def settings(self) -> dict[str, Any]:
        """What may stand in brackets, with its usual value."""
        told = {*self.fixed, *(self.argument.fields if self.argument else ())}
        return {f.name: f.default for f in fields(self.make) if f.name not in told}

    def spells(self, value: Any) -> bool:
        """Whether a value could be this row's."""
        return type(value) is self.make and all(getattr(value, name) == wanted for name, wanted in self.fixed.items())


def read(spec: str, table: Mapping[str, Entry], what: str, argument: str | None = None) -> Any:
    """Return the value of a spelling. what: what the table's values are. argument: stands for what is missing behind the name.

    Raises OptionError for an unknown name or setting, for a missing argument and for one that nothing reads.
    """
    name, settings, rest = parts(spec)
    shown = [row.shown for row in table.values()]
    if name not in table:
        raise OptionError(unknown(what, spec, table, shown))
    row, known = table[name], table[name].settings
    for key in settings:
        if key not in known:
            raise OptionError(f"in {spec!r}: {unknown('setting', key, known) if known else f'{name} has no settings'}")
    given = rest if rest is not None else argument
    if given is not None and row.argument is None:
        raise OptionError(f"{name} takes nothing behind its name, but {given!r} is there; write {row.shown}")
    if given == "" or (given is None and row.argument is not None and not row.argument.optional):
        raise OptionError(f"{spec!r} lacks what stands behind the colon; write {row.shown}, or another {what}: {listing(shown)}")
    told = row.argument.read(given) if row.argument is not None and given is not None else {}
    if twice := told.keys() & settings.keys():
        raise OptionError(f"{spec!r} says {listing(twice)} twice; say it once")
    value = row.make(**row.fixed, **told, **settings)
    check_fields(value)
    return value


def write(value: Any, table: Mapping[str, Entry], what: str) -> str:
    """Return the spelling of a value, settings included where they differ from the usual ones. OptionError when it has none."""
    for name, row in table.items():
        if not row.spells(value) or (argument := "" if row.argument is None else row.argument.write(value)) is None:
            continue
        changed = [f"{key}={written(v)}" for key, usual in row.settings.items() if (v := getattr(value, key)) != usual or usual is MISSING]
        return name + (f"[{','.join(changed)}]" if changed else "") + (f":{argument}" if argument else "")
    raise OptionError(f"this {what} has no spelling, only a value: {value!r:.200}")


def name_of(value: Any, table: Mapping[str, Entry]) -> str | None:
    """Return the first name in the table that a value could have."""
    return next((name for name, row in table.items() if row.spells(value)), None)


def parts(spec: str) -> tuple[str, dict[str, Any], str | None]:
    """Return the name, the settings and the argument of a spelling, None where no colon is. Raises OptionError for broken settings."""
    whole = _WHOLE.match(spec)
    if whole is None:
        return spec, {}, None
    name, rest = whole["name"], spec[whole.end("name") :]
    settings: dict[str, Any] = {}
    if rest.startswith("["):
        settings, rest = _settings(spec, rest[1:])
    if rest and not rest.startswith(":"):
        return spec, {}, None
    return name, settings, rest[1:] if rest else None


def _settings(spec: str, rest: str) -> tuple[dict[str, Any], str]:
    """Return what stands in brackets, and what stands behind them."""
    settings: dict[str, Any] = {}
    while key := _KEY.match(rest):
        if key["key"] in settings:
            raise OptionError(f"{spec!r} says {key['key']} twice; say it once")
        settings[key["key"]], rest = _setting(spec, rest[key.end() :])
        if rest.startswith("]"):
            return settings, rest[1:]
        if not rest.startswith(","):
            break
        rest = rest[1:]
    raise OptionError(f'the settings of {spec!r} are broken at {rest[:30]!r}; write them as [unit=prob] or [text="two words",longest=9]')


def _setting(spec: str, rest: str) -> tuple[Any, str]:
    if rest[:1] in ('"', "["):
        try:
            value, end = json.JSONDecoder(strict=False).raw_decode(rest)
        except (ValueError, RecursionError) as error:
            raise OptionError(f"the settings of {spec!r} are broken at {rest[:30]!r}: {error}") from None
        return tuple(value) if isinstance(value, list) else value, rest[end:]
    bare = _BARE.match(rest)
    assert bare is not None, "it may be empty"
    return plain(bare.group()), rest[bare.end() :]


def plain(text: str) -> Any:
    """Return a number, yes, no or none from its spelling, any other text as it is."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    for kind in (int, float):
        try:
            return kind(text) if len(text) < 40 and "_" not in text else text
        except ValueError:
            continue
    return text


def written(value: Any) -> str:
    """Return the spelling of a setting."""
    if value is None or isinstance(value, bool):
        return next(word for word, constant in _CONSTANTS.items() if constant is value)
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str) and _PLAIN.fullmatch(value) and isinstance(plain(value), str):
        return value
    return json.dumps(value, ensure_ascii=False)


def split(text: str, separator: str) -> list[tuple[str, bool]]:
    """Return the items of a list, each with whether it stood in quotes; within quotes a quote is doubled, as in CSV files."""
    item = re.compile(rf'"((?:[^"]|"")*)"(?={separator}|\Z)|([^{separator}]*)', re.DOTALL)
    items, at = [], 0
    while True:
        match = item.match(text, at)
        assert match is not None, "an item may be empty"
        quoted = match.group(1) is not None
        items.append((match.group(1).replace('""', '"') if quoted else match.group(2), quoted))
        at = match.end()
        if at == len(text):
            return items
        at += len(separator)


def in_quotes(text: str) -> str:
    """Return an item of a list in quotes."""
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def item(text: str, separators: str) -> str:
    """Return an item of a list, in quotes if it would be read otherwise without."""
    return in_quotes(text) if not text or text[0] == '"' or any(c in text for c in separators) else text


def unquoted(text: str) -> str | None:
    """Return what stands between quotes around the whole text, None when there are none."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else None


def text(name: str, optional: bool = False) -> Argument:
    """A text as it stands, in one field."""

    def told(value: Any) -> str | None:
        given = getattr(value, name)
        return "" if given is None and optional else given if isinstance(given, str) and given else None

    return Argument((name,), lambda given: {name: given}, told, optional)


def token(name: str, optional: bool = False, ids: bool = True) -> Argument:
    """A token, in one field: in quotes a text as it stands, else a number for an id (where there are ids), else a text."""

    def told(value: Any) -> str | None:
        given = getattr(value, name)
        if given is None and optional:
            return ""
        return written_token(given) if ids or isinstance(given, str) else None

    return Argument((name,), lambda given: {name: read_token(given, ids)}, told, optional)


def read_token(given: str, ids: bool = True) -> str | int:
    """Return a token from its spelling. OptionError for an empty one."""
    inner = unquoted(given)
    if not given or inner == "":
        raise OptionError('an empty token; write it with the space that belongs to it, as in token:" word"')
    return inner if inner is not None else int(given) if ids and NUMBER.fullmatch(given) else given


def written_token(given: Any) -> str | None:
    """Return the spelling of a token, None for what is none."""
    if isinstance(given, str) and given:
        return f'"{given}"'
    return str(given) if isinstance(given, int) and not isinstance(given, bool) and given >= 0 else None


def label(name: str) -> Argument:
    """A label, in one field: #2 for its number, in quotes or not its name."""

    def told(value: Any) -> str | None:
        given = getattr(value, name)
        return "" if given is None else written_label(given, "")

    return Argument((name,), lambda given: {name: read_label(given, unquoted(given))}, told, optional=True)


def read_label(given: str, inner: str | None) -> str | int:
    """Return a label from its spelling; inner: what stands in its quotes."""
    return inner if inner is not None else int(given[1:]) if given[:1] == "#" and NUMBER.fullmatch(given[1:]) else given


def written_label(given: Any, separators: str) -> str | None:
    """Return the spelling of a label in a list with these separators ("": alone), None for what is none."""
    if isinstance(given, int) and not isinstance(given, bool):
        return f"#{given}" if given >= 0 else None
    if not isinstance(given, str):
        return None
    if separators:
        return in_quotes(given) if given[:1] == "#" else item(given, separators)
    return f'"{given}"' if not given or given[:1] == "#" or unquoted(given) is not None else given
