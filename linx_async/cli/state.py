"""The records of what the command owns, and the parts that have a record but no table any more."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from attrs import frozen

from .._core.errors import LinxError, ScopeGone, StoreError
from .._core.memory import Record
from .._core.ownership import Claim, Ownership
from .._core.reconcile import identity_of
from .._core.store import FileStore, runtime_directory
from ..config import ConfigError, HostConfig, Part, Problem
from ..config.host import in_order, part_named
from ..config.problems import dotted

__all__ = ["HostStore", "Keeping", "what_to_keep"]

_OURS = "linx/"
"""Before each name, so that programs which embed the library keep records of their own."""


_MARK = Claim("what has our tag")
"""In a record, that a part which is known by tags was kept, though no claim may say so."""


class HostStore:
    """The records of the command, one a part.

    Args:
        directory: Where they are; default: that of `FileStore`.

    Attributes:
        directory: Where they are.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        self.directory: Path = Path(directory or runtime_directory()).absolute()
        self._files = FileStore(self.directory)

    @asynccontextmanager
    async def open(self, name: str, identity: str) -> AsyncIterator[Record]:
        """The record of a part, held for us alone.

        Raises:
            StoreError: It cannot be used, or somebody else holds it.
        """
        part = part_named(name)
        async with self._files.open(f"{_OURS}{name}", identity) as record:
            if part is not None and part.claim is not None:
                # It may be ours by its own mark, though this record has never had it.
                await record.save((await record.load()).with_claims([part.claim]))
            if part is None or not part.is_tagged:
                yield record
            else:
                marked = _MarkedRecord(record)
                await marked.save(await marked.load())
                yield marked

    def unused(self, name: str, identity: str) -> AbstractAsyncContextManager[object]:
        """Keep everybody else from the record of a part for a while, and leave it as it is.

        Raises:
            StoreError: It cannot be used, or somebody else holds it.
        """
        return self._files.open(f"{_OURS}{name}", identity)

    async def prepare(self) -> None:
        """Look whether records can be kept at all.

        Raises:
            StoreError: They cannot.
        """
        try:
            await self._files.prepare()
        except StoreError as error:
            raise StoreError(f"the state directory {error}") from error

    async def peek(self, name: str, identity: str) -> Ownership:
        """What the record of a part says, whoever holds it.

        Raises:
            StoreError: It cannot be read.
        """
        return (await self._peek(name, identity)).without([_MARK.key])

    async def is_kept(self, name: str, identity: str) -> bool:
        """Whether a part has a record that says anything, if only that it was kept.

        Raises:
            StoreError: It cannot be read.
        """
        return bool(await self._peek(name, identity))

    async def forget(self, part: Part) -> None:
        """Take the mark from the record of a part that desires nothing, and has nothing any more.

        Raises:
            StoreError: The record cannot be used, or somebody else holds it.
        """
        identity = await _identity(part) if part.is_tagged else None
        if identity is None or await self.peek(part.name, identity):
            return
        async with self._files.open(f"{_OURS}{part.name}", identity) as record:
            await record.save(Ownership())

    async def _peek(self, name: str, identity: str) -> Ownership:
        return await self._files.peek(f"{_OURS}{name}", identity)

    async def owned(self) -> list[tuple[Part, str]]:
        """The parts of which something is owned, desiring nothing, each with its identity.

        Raises:
            StoreError: The records cannot be read.
        """
        found = []
        for name, identity in await self._files.names():
            part = part_named(name.removeprefix(_OURS)) if name.startswith(_OURS) else None
            if part is not None and await self._peek(part.name, identity):
                found.append((part, identity))
        return found


@frozen
class _MarkedRecord:
    """A record that is not empty even where nothing is owned by it, but by tags in the kernel."""

    record: Record

    async def load(self) -> Ownership:
        return (await self.record.load()).without([_MARK.key])

    async def save(self, ownership: Ownership) -> None:
        await self.record.save(ownership.with_claims([_MARK]))


@frozen
class Keeping:
    """What is to be kept.

    Attributes:
        parts: The parts of the file, and those that have left it and of which something is, or
            may be, owned still; in the order in which they are applied.
        trouble: Why those are not known; empty where they are.
        left: The names of those that have left it.
    """

    parts: tuple[Part, ...]
    trouble: str = ""
    left: frozenset[str] = frozenset()


async def what_to_keep(config: HostConfig, store: HostStore) -> Keeping:
    """The parts of a file, and what it has left behind.

    Raises:
        ConfigError: Two tables are one and the same scope.
    """
    await _refuse_twins(config)
    try:
        owned = await store.owned()
    except StoreError as error:
        return Keeping(in_order(config.parts), str(error))
    names = {part.name for part in config.parts}
    left = [
        config.left(part)
        for part, identity in owned
        if part.name not in names and await _identity(part) in {identity, None}
    ]
    return Keeping(in_order((*left, *config.parts)), left=frozenset(part.name for part in left))


async def _refuse_twins(config: HostConfig) -> None:
    """Two loops on one scope would fight."""
    seen: dict[tuple[str, str], Part] = {}
    problems = []
    for part in config.parts:
        identity = await _identity(part)
        first = seen.setdefault((_place(part, identity), part.share), part) if identity else part
        if first is not part:
            file = part.file or config.file
            where = f" in {first.file}" if first.file != part.file else ""
            message = f"the same as [{dotted(first.section)}]{where}; say it once"
            problems.append(Problem(file, message, section=dotted(part.section)))
    if problems:
        raise ConfigError(problems)


def _place(part: Part, identity: str) -> str:
    """What two parts must not share: of a network, it is the network namespace alone."""
    if part.kind in {"sysctl", "cgroup"}:
        return identity
    words = identity.split(" ")
    return " ".join(word for word in words if not word.startswith(("uts:", "ipc:")))


async def _identity(part: Part) -> str | None:
    """What the part's scope is at this moment; None where it cannot be had, as its pass will tell.

    Another scope of the same name (a network namespace, say) has other records; one that is not
    there is empty, and has none.
    """
    try:
        async with part.source() as source:
            return identity_of(source)
    except ScopeGone:
        return None if part.netns is None else ""
    except (LinxError, OSError):
        return None
