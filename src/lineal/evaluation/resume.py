"""Keeps the finished texts of a long run in a file, one JSON line each, so that an interrupted run goes on where it stopped.

The first line holds the settings. A file begun with other settings is refused, never mixed with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lineal.errors import OptionError
from lineal.files import write_whole


class Unfinished:
    """Finished entries by key. Every `add` is on disk before the next one begins; a line cut short by a crash is left out when read."""

    def __init__(self, path: str | Path, settings: Mapping[str, str]) -> None:
        """Read what is there, or begin the file and the folder it lies in.

        Raises OptionError when the file belongs to other settings, naming the first difference, or is no such file.
        """
        self.path, self.done = Path(path), dict[str, Any]()
        if self.path.exists():
            self._read(dict(settings))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = [settings, *({"key": key, "value": value} for key, value in self.done.items())]
        write_whole(self.path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))

    def add(self, key: str, value: Any) -> None:
        """Append one finished entry: plain lists, strings and numbers (NaN is kept)."""
        self.done[key] = value
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, "value": value}, ensure_ascii=False) + "\n")

    def _read(self, settings: dict[str, str]) -> None:
        try:
            first, *lines = self.path.read_text(encoding="utf-8", errors="replace").split("\n")
            begun = json.loads(first)
        except (OSError, ValueError, RecursionError) as error:
            raise OptionError(f"{self.path} is not readable as an interrupted run: {error}; remove it to start anew") from None
        if not isinstance(begun, dict):
            raise OptionError(f"{self.path} does not begin as an interrupted run; remove it to start anew")
        for name in settings:
            if begun.get(name) != settings[name]:
                raise OptionError(
                    f"{self.path} holds an interrupted run with {name} {begun.get(name)!r}, this one has {settings[name]!r}; "
                    "ask for the same, choose another folder, or remove the file to start anew"
                )
        for line in lines:
            try:
                entry = json.loads(line)
                self.done[entry["key"]] = entry["value"]
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # cut short when the run was interrupted; the text is computed again
