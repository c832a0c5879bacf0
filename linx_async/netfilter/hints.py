"""Hints on tables: the kernel's notifications of changes to the rule set (nfnetlink multicast)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from anyio import create_task_group
from attrs import frozen

from .._core.groups import ungrouped
from .._core.hints import HintQueue
from .._core.model import Hint
from .._kernel.netlink import Message, NetlinkDecodeError, attributes
from .._kernel.netlink_open import NETLINK_NETFILTER, NETLINK_ROUTE
from .._kernel.netns import Target
from .._kernel.nfnetlink import NFNLGRP_NFTABLES, Generation
from .._kernel.nfnetlink_messages import NFGENMSG
from .._kernel.socket import EventsLost, NetlinkSocket
from .codec.abi import Message as Kind
from .codec.words import text_of
from .desired.families import FAMILY_NAMES

__all__ = ["Changes", "Wanted", "subscription"]

_GENMSG: Final = NFGENMSG.size
_TABLE: Final = 1  # NFTA_TABLE_NAME, and NFTA_*_TABLE of all that is in one
_NEWGEN: Final = int(Kind.NEWGEN)
_RTNLGRP_LINK: Final = 1
_IFINFOMSG: Final = 16
_IFNAME: Final = 3  # IFLA_IFNAME


class Changes:
    """Gathers what notifications tell, transaction by transaction.

    The kernel tells the objects of a transaction one by one, and then its generation
    (nf_tables_gen_notify() in net/netfilter/nf_tables_api.c).
    """

    def __init__(self) -> None:
        self._tables: dict[str, None] = {}

    def feed(self, message: Message) -> tuple[Generation, Collection[str]] | None:
        """Take in a notification; gives who changed which tables at the end of a transaction.

        Raises:
            NetlinkDecodeError: It is malformed.
        """
        if message.type == _NEWGEN:
            tables, self._tables = self._tables, {}
            return Generation.decode(message.payload), tables.keys()
        if len(message.payload) < _GENMSG:
            raise NetlinkDecodeError("a message without nfgenmsg", 0)
        family = FAMILY_NAMES.get(message.payload[0])
        for kind, value in attributes(message.payload, _GENMSG):
            if kind == _TABLE and family is not None:
                self._tables[f"table {family} {text_of(value)}"] = None
                break
        return None

    def forget(self) -> None:
        """Some were lost."""
        self._tables = {}


@frozen
class Wanted:
    """What hints shall be about.

    Attributes:
        tables: Keys of tables; None for all.
        interfaces: Names of interfaces whose coming and going matters.
    """

    tables: frozenset[str] | None = None
    interfaces: frozenset[str] = frozenset()


class _Listener:
    """Hears of tables and interfaces, and hints at what is wanted.

    Args:
        wanted: Gives what hints shall be about now.
    """

    def __init__(self, wanted: Callable[[], Wanted]) -> None:
        self.hints = HintQueue()
        self._wanted = wanted

    async def hear_tables(self, socket: NetlinkSocket) -> None:
        """Hint at changes to tables, for ever."""
        changes = Changes()
        while True:
            try:
                for message in await socket.receive():
                    if (found := changes.feed(message)) is not None:
                        self._changed(*found)
            except (EventsLost, NetlinkDecodeError) as error:
                changes.forget()
                self.hints.put(Hint(f"notifications of nf_tables were lost: {error}", lost=True))

    async def hear_links(self, socket: NetlinkSocket) -> None:
        """Hint at interfaces that come and go, for ever."""
        while True:
            try:
                for message in await socket.receive():
                    self._moved(message)
            except (EventsLost, NetlinkDecodeError) as error:
                self.hints.put(Hint(f"notifications of links were lost: {error}", lost=True))

    def _changed(self, generation: Generation, tables: Collection[str]) -> None:
        wanted = self._wanted().tables
        keys = [key for key in tables if wanted is None or key in wanted]
        if keys:
            who = f"{generation.name} (pid {generation.pid})"
            changed = f"{who} changed {', '.join(keys)}, generation {generation.id}"
            self.hints.put(Hint(changed, frozenset(keys)))

    def _moved(self, message: Message) -> None:
        wanted = self._wanted().interfaces
        if not wanted or len(message.payload) < _IFINFOMSG:
            return
        for kind, value in attributes(message.payload, _IFINFOMSG):
            if kind == _IFNAME and (name := text_of(value)) in wanted:
                self.hints.put(Hint(f"the interface {name} came, went or changed"))


@asynccontextmanager
async def subscription(
    target: Target, wanted: Callable[[], Wanted]
) -> AsyncGenerator[AsyncIterator[Hint], None]:
    """Hints on tables of a namespace; live once the context is entered.

    Args:
        target: The namespace.
        wanted: Gives what they shall be about now.

    Raises:
        SourceError: A group cannot be joined.
    """
    listener = _Listener(wanted)
    async with AsyncExitStack() as stack:
        tables, links = [
            await stack.enter_async_context(
                await NetlinkSocket.open(protocol, [group], opener=target.call)
            )
            for protocol, group in (
                (NETLINK_NETFILTER, NFNLGRP_NFTABLES),
                (NETLINK_ROUTE, _RTNLGRP_LINK),
            )
        ]
        stack.enter_context(ungrouped())
        tasks = await stack.enter_async_context(create_task_group())
        tasks.start_soon(listener.hear_tables, tables)
        tasks.start_soon(listener.hear_links, links)
        yield listener.hints
        tasks.cancel_scope.cancel()
