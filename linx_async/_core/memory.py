"""What a store is, and the one that keeps ownership in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from .errors import StoreError
from .ownership import Ownership

__all__ = ["MemoryStore", "Record", "Store", "taken"]


class Record(Protocol):
    """One loop's ownership in a store."""

    async def load(self) -> Ownership:
        """What it says; empty where nothing was saved yet.

        Raises:
            StoreError: It is damaged, or cannot be read.
        """
        ...

    async def save(self, ownership: Ownership, /) -> None:
        """Replace what it says, as a whole or not at all.

        Raises:
            StoreError: It cannot be written.
        """
        ...


class Store(Protocol):
    """Keeps ownership between passes, and, if it can, between processes."""

    def open(self, name: str, identity: str) -> AbstractAsyncContextManager[Record]:
        """The record of a loop in one scope, held for one user at a time.

        Args:
            name: The loop's name.
            identity: The scope's, which differs for another namespace of the same name.

        Raises:
            StoreError: It cannot be used, or somebody else holds it.
        """
        ...


class _MemoryRecord:
    def __init__(self, records: dict[tuple[str, str], Ownership], key: tuple[str, str]) -> None:
        self._records = records
        self._key = key

    async def load(self) -> Ownership:
        return self._records.get(self._key, Ownership())

    async def save(self, ownership: Ownership) -> None:
        self._records[self._key] = ownership


class MemoryStore:
    """Keeps ownership as long as the object lives: over restarts of a loop, not of the process."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], Ownership] = {}
        self._held: set[tuple[str, str]] = set()

    @asynccontextmanager
    async def open(self, name: str, identity: str) -> AsyncIterator[Record]:
        """The record of that loop, empty the first time.

        Args:
            name: The loop's name.
            identity: The scope's, which differs for another namespace of the same name.

        Raises:
            StoreError: Another loop holds it.
        """
        key = (name, identity)
        if key in self._held:
            raise taken("this store", name)
        self._held.add(key)
        try:
            yield _MemoryRecord(self._records, key)
        finally:
            self._held.discard(key)


def taken(place: str, name: str) -> StoreError:
    """Why a record cannot be opened twice."""
    return StoreError(
        f"{place}: another loop named {name!r} holds this record; stop it, or give this one "
        "another name"
    )
