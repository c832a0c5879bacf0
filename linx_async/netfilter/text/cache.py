"""Compiled texts, the latest ones kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from .raw import RawTable

__all__ = ["Cache"]

_MOST: Final = 256
_MOST_BYTES: Final = 16 << 20


class Cache:
    """What was compiled, by what it was compiled from; the longest unused goes first.

    Any thread may use it.

    Args:
        most: How many texts are kept.
        most_bytes: How many bytes of dumps are kept.
    """

    def __init__(self, most: int = _MOST, most_bytes: int = _MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[RawTable, ...]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable) -> tuple[RawTable, ...] | None:
        """What is kept under a key."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: Hashable, tables: tuple[RawTable, ...]) -> None:
        """Keep it, unless it is too big by itself."""
        size = _size(tables)
        if size > self._most_bytes:
            return
        with self._lock:
            self._bytes -= _size(self._kept.pop(key, ()))
            self._kept[key] = tables
            self._bytes += size
            while len(self._kept) > self._most or self._bytes > self._most_bytes:
                self._bytes -= _size(self._kept.popitem(last=False)[1])


def _size(tables: tuple[RawTable, ...]) -> int:
    return sum(table.size for table in tables)
