"""How the commands read texts: from an argument, standard input, the lines of a file, a column of it, or a chat."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lineal.errors import InputError, OptionError


def read_text(text: str) -> str:
    """Return the text itself, or standard input for `-`."""
    if text != "-":
        return text
    try:
        return sys.stdin.read().strip("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"standard input is not readable as text: {error}") from None


def read_texts(text: str | None, text2: str | None, file: Path | None) -> list[tuple[str, ...]]:
    """Return one tuple of texts, or one per line of a file that is not blank, where a tab parts the two texts of a pair."""
    if (text is None) == (file is None):
        raise OptionError("give a TEXT, or --file FILE with a text in every line; not both, and not neither")
    if file is None:
        return [tuple(read_text(one) for one in (text, text2) if one is not None)]
    found = [tuple(line.split("\t")) for line in _lines(file, "--file ") if line.strip()]
    if not found:
        raise InputError(f"--file {file} has no text in it")
    return found


def read_messages(path: Path) -> list[dict[str, str]]:
    """Return the messages of a chat from a JSON file; what is in them is checked by `lineal.prompts.Chat`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"--messages {path} is not readable as JSON: {error}") from None
    if not isinstance(found, list):
        raise InputError(f"--messages {path} holds a {type(found).__name__}; it must be a list of messages")
    return found


def read_documents(path: Path) -> list[str]:
    """Return the lines of a file that are not blank."""
    found = [line for line in _lines(path, "--documents ") if line.strip()]
    if not found:
        raise InputError(f"--documents {path} has no line with text")
    return found


def read_column(path: Path, column: int | None, skip: int) -> list[str]:
    """Return one tab-separated field of every line that is not blank: the last, or `column`, from 1. skip: lines at the top."""
    found = []
    for number, line in enumerate(_lines(path)[skip:], start=skip + 1):
        parts = line.split("\t")
        if column is not None and not 1 <= column <= len(parts):
            raise InputError(f"{path}, line {number}: there is no field {column}, the line has {len(parts)}")
        if line.strip():
            found.append((parts[-1] if column is None else parts[column - 1]).strip())
    return found


def _lines(path: Path, option: str = "") -> list[str]:
    """Return the lines of a file; InputError for one that is no text."""
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{option}{path} is not readable as text: {error}") from None
