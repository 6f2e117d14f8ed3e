"""What was found out about an object, remembered as long as the object lives. Knows nothing of what it keeps."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Kept(Generic[Key, Value]):
    """Values by owner and key: at most `most` per owner, the longest unused one goes first; all go with their owner. Safe for threads.

    Owners are told apart by identity, so that they may be anything a weak reference can point at; nothing is written to them.
    """

    def __init__(self, most: int) -> None:
        """Start with nothing."""
        self.most = most
        self._lock = threading.Lock()
        self._of: dict[int, OrderedDict[Key, Value]] = {}

    def get(self, owner: object, key: Key, make: Callable[[], Value]) -> Value:
        """Return a value, made first where it is unknown. Where two threads make it at once, both get the one that was ready first."""
        found = self.known(owner, [key])
        return found[key] if key in found else self.add(owner, {key: make()})[key]

    def known(self, owner: object, keys: Iterable[Key]) -> dict[Key, Value]:
        """Return the values of the keys that have one."""
        with self._lock:
            return self._used(self._row(owner), keys)

    def add(self, owner: object, made: Mapping[Key, Value]) -> dict[Key, Value]:
        """Keep values, and return what is kept under their keys: a value that is there already stays."""
        with self._lock:
            row = self._row(owner)
            for key, value in made.items():
                row.setdefault(key, value)
            found = self._used(row, made)
            while len(row) > self.most:
                row.popitem(last=False)
            return found

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            for row in self._of.values():
                row.clear()

    def __len__(self) -> int:
        """Return the number of owners that are alive."""
        return len(self._of)

    def _row(self, owner: object) -> OrderedDict[Key, Value]:
        if id(owner) not in self._of:
            self._of[id(owner)] = OrderedDict()
            weakref.finalize(owner, self._of.pop, id(owner), None).atexit = False  # takes no lock: it may run at any moment, in any thread
        return self._of[id(owner)]

    @staticmethod
    def _used(row: OrderedDict[Key, Value], keys: Iterable[Key]) -> dict[Key, Value]:
        found = {key: row[key] for key in keys if key in row}
        for key in found:
            row.move_to_end(key)
        return found
