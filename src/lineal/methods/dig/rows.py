"""Rows of numbers in a file that several processes share. A row that is not whole is not there: each carries its checksum."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
CHECK = 4
"""Bytes of a row's checksum, which follows its numbers."""


class Rows:
    """Rows of k numbers by their place, unknown until they are put there; on a disk where that is possible, else in memory.

    Only rows that were put take space. Whatever becomes of the file (damaged bytes, a cut end, a row half written by a killed process, a
    full disk), a row comes back as it was put or not at all. Nothing is mapped into memory, so a disk that runs full is an error here and
    no signal; two processes that put the same rows need no lock. `key` is part of every checksum: rows of another table do not pass.
    """

    def __init__(self, path: Path, key: str, k: int) -> None:
        """Name the file; it is made with the first row."""
        self.path, self.key, self.k = path, key, k
        self._held: dict[int, NDArray[np.int32]] = {}

    def get(self, wanted: Ids) -> tuple[Ids, NDArray[np.bool_]]:
        """Return the (n, k) rows at places (n,), and which of them are known; the others are 0."""
        rows, known = np.zeros((len(wanted), self.k), dtype=np.int64), np.zeros(len(wanted), dtype=bool)
        stored = self._read(wanted)
        for i, place in enumerate(wanted.tolist()):
            row = self._held.get(place, stored.get(place))
            if row is not None:
                rows[i], known[i] = row, True
        return rows, known

    def put(self, places: Ids, rows: Ids) -> None:
        """Keep rows (n, k) at their places (n,)."""
        given = dict(zip(places.tolist(), rows.astype(np.int32), strict=True))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+b", buffering=0) as file:
                for place, row in given.items():
                    packed = row.tobytes() + self._sum(place, row.tobytes())
                    file.seek(place * len(packed))
                    if file.write(packed) != len(packed):
                        raise OSError("the disk is full")
        except OSError:
            self._held |= given

    def _read(self, wanted: Ids) -> dict[int, NDArray[np.int32]]:
        found, size = dict[int, NDArray[np.int32]](), 4 * self.k
        try:
            with self.path.open("rb", buffering=0) as file:
                for place in wanted.tolist():
                    file.seek(place * (size + CHECK))
                    packed = file.read(size + CHECK)
                    if packed[size:] == self._sum(place, packed[:size]):
                        found[place] = np.frombuffer(packed[:size], dtype=np.int32)
        except OSError:
            return found
        return found

    def _sum(self, place: int, packed: bytes) -> bytes:
        return (zlib.crc32(packed, zlib.crc32(f"{self.key} {place}".encode())) or 1).to_bytes(CHECK, "little")
