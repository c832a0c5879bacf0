"""What happens to the rule set of a namespace, transaction by transaction: `nft monitor`."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

from attrs import frozen

from .._core.bulk import run_in_bulk
from .._core.errors import DumpInterrupted
from .._kernel.netlink import Message, attributes, split
from .._kernel.netlink_open import NETLINK_NETFILTER
from .._kernel.nfnetlink import NFNLGRP_NFTABLES, NfnetlinkSocket, undated
from .._kernel.nfnetlink_messages import NFGENMSG
from .._kernel.pinning import pinned
from .._kernel.scopes import namespace_of
from .._kernel.socket import EventsLost, NetlinkSocket
from .aftermath import certain_sets, torn_set
from .codec.abi import Message as Number
from .codec.words import text_of
from .desired.families import FAMILY_NAMES
from .dumps import Dumper
from .observed import ObservedTable
from .reading import Known, table_of
from .source import Scope
from .transactions import Lost, Transaction, Transactions

__all__ = ["Snapshot", "Told", "monitor"]

_RECEIVE_BUFFER: Final = 4 << 20
_GETTABLE: Final = Number.GETTABLE.number
_TRIES: Final = 20


@frozen
class Snapshot:
    """What there is, at one generation of the rule set.

    Attributes:
        generation: Its number; the next transaction that is told is the one after it.
        tables: All tables.
    """

    generation: int
    tables: tuple[ObservedTable, ...]

    def __str__(self) -> str:
        names = ", ".join(table.key for table in self.tables) or "no tables"
        return f"[generation {self.generation}] {names}"


Told: TypeAlias = Transaction | Snapshot | Lost
"""What a monitor tells."""


class _Stream:
    """What happens in one namespace, as it does; nothing waits but in the kernel's queue.

    Args:
        socket: One that listens.
        requests: One in the same namespace for requests.
        snapshot: Whether to tell what there is first.
    """

    def __init__(self, socket: NetlinkSocket, requests: NfnetlinkSocket, *, snapshot: bool) -> None:
        self._socket = socket
        self._requests = requests
        self._snapshot = snapshot
        self._transactions = Transactions()
        self._messages: deque[Message] = deque()
        self._ready: deque[Told] = deque()
        self._lost = ""

    def __aiter__(self) -> AsyncIterator[Told]:
        return self

    async def __anext__(self) -> Told:
        while True:
            if self._lost:
                await self._begin_again()
            if self._ready:
                return self._ready.popleft()
            while self._messages:
                found = self._transactions.feed(self._messages.popleft())
                if isinstance(found, Lost):
                    self._lost = found.reason
                    break
                if found is not None:
                    return found
            else:
                try:
                    self._messages.extend(await self._socket.receive())
                except EventsLost as error:
                    self._messages.clear()
                    self._lost = str(error)

    async def begin(self) -> int:
        """Tell from now on; gives the generation that it begins after."""
        self._transactions.forget()
        if not self._snapshot:
            generation = (await self._requests.generation()).id
        else:
            snapshot = await self._look()
            generation = snapshot.generation
            self._ready.append(snapshot)
        self._transactions.begin(generation)
        return generation

    async def _begin_again(self) -> None:
        told = len(self._ready)
        generation = await self.begin()
        self._ready.insert(told, Lost(self._lost, generation))
        self._lost = ""

    async def _look(self) -> Snapshot:
        """All there is, at one generation. What comes meanwhile waits in the kernel's queue."""
        for _ in range(_TRIES):
            generation = (await self._requests.generation()).id
            try:
                found = [await self._table(*each) for each in await self._names()]
            except DumpInterrupted:
                continue
            if (await self._requests.generation()).id == generation:
                tables = tuple(table for table, _ in found)
                for table, known in found:
                    self._transactions.reader.learn(table.family, table.head.name, known)
                return Snapshot(generation, tables)
        raise DumpInterrupted("tables: others change the rule set all the time")

    async def _names(self) -> list[tuple[str, str]]:
        """The families and names of all tables."""
        dump = await self._requests.dump(_GETTABLE, 0, key="tables")
        found = []
        for message in split(undated(dump)):
            family = FAMILY_NAMES.get(message.payload[0])
            for kind, value in attributes(message.payload, NFGENMSG.size):
                if kind == 1 and family is not None:  # NFTA_TABLE_NAME
                    found.append((family, text_of(value)))
                    break
        return found

    async def _table(self, family: str, name: str) -> tuple[ObservedTable, Known]:
        dumps = await Dumper(self._requests, family, name).all(None, {})
        if dumps is None:
            raise DumpInterrupted(f"table {family} {name}: it was deleted meanwhile")
        table, known = await run_in_bulk(table_of, dumps.raw(family, name))
        if torn := torn_set(table, certain_sets(table)):
            raise DumpInterrupted(f"{table.key}: the dump of set {torn} lacks elements")
        return table, known


@asynccontextmanager
async def monitor(
    *, scope: Scope = None, snapshot: bool = False
) -> AsyncGenerator[AsyncIterator[Told], None]:
    """What happens to the rule set of a namespace, as values; enter it with `async with`.

    Live once the context is entered: each later transaction is told, whole and once. With
    `snapshot` first comes what there is, and then all that happens to it. Whoever reads slowly
    holds no more than the kernel's queue does: once that is full (ENOBUFS, netlink(7)), there is a
    `Lost`, and with `snapshot` another snapshot behind it. What the kernel does not announce
    is not here either.

    ```python
    async with netfilter.monitor() as told:
        async for each in told:
            match each:
                case netfilter.Transaction(program=program, changes=changes):
                    print(program, *changes)
    ```

    Args:
        scope: Where; None is here.
        snapshot: Whether to tell what there is first.

    Raises:
        DesiredStateError: No such form of a scope.
        ScopeGone: The namespace is not there.
        SourceError: It cannot be reached, or what there is not be read.
    """
    async with pinned(namespace_of(scope)) as target:
        listening = NetlinkSocket.open(
            NETLINK_NETFILTER,
            [NFNLGRP_NFTABLES],
            opener=target.call,
            receive_buffer=_RECEIVE_BUFFER,
        )
        async with (
            await listening as socket,
            await NfnetlinkSocket.open(opener=target.call) as requests,
        ):
            stream = _Stream(socket, requests, snapshot=snapshot)
            await stream.begin()
            yield stream
