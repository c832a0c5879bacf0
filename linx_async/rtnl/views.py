"""What a namespace has, dumped; what is the same bytes as before is not read again."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, Generic, TypeVar

from attrs import frozen

from .._core.bulk import run_in_bulk
from .._core.errors import DumpInterrupted, OpError, SourceError
from .._kernel.netlink import MESSAGE, Flag, NetlinkDecodeError
from .._kernel.socket import NetlinkSocket
from .codec import address, link, neighbour, nexthop, rule
from .codec.route_encode import dump_request
from .codec.wire import Names, Type
from .desired import Address, Neighbour, Nexthop, Rule
from .desired.forwarding import Forwarding
from .desired.protocols import KERNEL_TAGS, shown_protocol
from .desired.routes import RouteTable, route_of
from .observed_link import ObservedLink
from .reading import RouteKey, RouteReader, Wanted
from .seen import SeenRoutes
from .streams import Stream

__all__ = ["Views"]

T = TypeVar("T")

_TRIES: Final = 5
_INTERRUPTED: Final = int(Flag.DUMP_INTR)
_NO_NAMES: Final[Names] = {}
_AT_ONCE: Final = 65536
"""Bytes of routes that are read on the event loop; more goes to a thread."""


@frozen(eq=False)
class _Kind(Generic[T]):
    """What can be dumped.

    Attributes:
        name: What it is called.
        type: The request's type.
        answer: The type of what comes back.
        payload: The request's payload.
        is_ours: Whether a payload is of a family that we know.
        decode: What makes a value of one.
    """

    name: str
    type: int
    answer: int
    payload: bytes
    is_ours: Callable[[bytes], bool]
    decode: Callable[[bytes, Names], T]


@frozen(eq=False)
class _Read:
    """What was read of a dump, and what it was read from."""

    data: bytes
    names: Names
    by_message: Mapping[bytes, Any]
    values: tuple[Any, ...]


_LINKS: Final = _Kind[ObservedLink](
    "links",
    Type.GETLINK,
    Type.NEWLINK,
    link.DUMP,
    link.is_ours,
    lambda payload, _: link.decode(payload),
)
_ADDRESSES: Final = _Kind[Address](
    "addresses", Type.GETADDR, Type.NEWADDR, address.DUMP, address.is_ours, address.decode
)
_NEXTHOPS: Final = _Kind[Nexthop](
    "nexthops", Type.GETNEXTHOP, Type.NEWNEXTHOP, nexthop.DUMP, nexthop.is_ours, nexthop.decode
)
_NEIGHBOURS: Final = _Kind[Neighbour](
    "neighbours",
    Type.GETNEIGH,
    Type.NEWNEIGH,
    neighbour.DUMP,
    neighbour.is_ours,
    neighbour.decode,
)
_PROXIES: Final = _Kind[Neighbour](
    "proxy neighbours",
    Type.GETNEIGH,
    Type.NEWNEIGH,
    neighbour.DUMP_PROXIES,
    neighbour.is_ours,
    neighbour.decode,
)
_RULES: Final = _Kind[Rule](
    "rules", Type.GETRULE, Type.NEWRULE, rule.DUMP, rule.is_ours, rule.decode
)


class Views:
    """What a namespace has, dump after dump.

    Args:
        socket: A socket in the namespace, for us alone.
        protocol: Our tag.
    """

    def __init__(self, socket: NetlinkSocket, protocol: int) -> None:
        self._socket = socket
        self._protocol = protocol
        self._read: dict[str, _Read] = {}
        self._routes: SeenRoutes | None = None
        self.names: Names = {}
        self.indices: Mapping[str, int] = {}

    async def links(self) -> Mapping[str, ObservedLink]:
        """The links by name; their names are known to all that is read after."""
        found = await self._list(_LINKS, _NO_NAMES)
        names = {each.index: each.name for each in found}
        if names != self.names:
            self.names = names
            self.indices = {name: index for index, name in names.items()}
        return {each.name: each for each in found}

    async def addresses(self) -> tuple[Address, ...]:
        """All addresses."""
        return await self._list(_ADDRESSES, self.names)

    async def nexthops(self) -> tuple[Nexthop, ...]:
        """All nexthops; none where the kernel has no such thing (before Linux 5.3)."""
        try:
            return await self._list(_NEXTHOPS, self.names)
        except OpError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            return ()

    async def neighbours(self) -> tuple[Neighbour, ...]:
        """All neighbours and proxies."""
        return (
            *await self._list(_NEIGHBOURS, self.names),
            *await self._list(_PROXIES, self.names),
        )

    async def rules(self) -> tuple[Rule, ...]:
        """All rules."""
        return await self._list(_RULES, self.names)

    async def routes(self, desired: RouteTable) -> SeenRoutes:
        """Our routes, compared with the desired ones."""
        dumps = {
            family: await self._dump(dump_request(family, protocol=self._protocol), family)
            for family in (4, 6)
        }
        before, names, protocol = self._routes, self.names, self._protocol

        def work() -> SeenRoutes:
            streams = {family: Stream.of(datagrams) for family, datagrams in dumps.items()}
            seen = SeenRoutes.after(before, streams, names, protocol)
            seen.deviations(desired)
            return seen

        small = sum(map(_size, dumps.values())) < _AT_ONCE
        self._routes = await _understood("routes", work, small=small and len(desired) < 1000)
        return self._routes

    async def foreign_routes(
        self, wanted: Wanted, tables: Collection[tuple[int, int]] | None = None
    ) -> dict[RouteKey, Forwarding]:
        """What others have at some keys.

        Args:
            wanted: The keys.
            tables: The tables to look in, each with its family; None is all that the keys are of.
        """
        found: dict[RouteKey, Forwarding] = {}
        if tables is None:
            tables = {(prefix.family, prefix.table) for prefix in wanted}
        for family, table in sorted(tables):
            for key, way in await self._foreign(dump_request(family, table=table), family, wanted):
                found.setdefault(key, way)
        return found

    async def nexthop_users(self, numbers: Collection[int]) -> dict[int, str]:
        """Foreign routes that go by some nexthops, one for each number."""
        found: dict[int, str] = {}
        for family in (4, 6):
            for key, way in await self._foreign(dump_request(family), family):
                if way.nexthop_id in numbers:
                    whose = shown_protocol(way.protocol)
                    found[way.nexthop_id] = f"{whose} has {route_of(*key, way)} by it"
        return found

    async def carried(self, interfaces: Collection[str], taken: Wanted) -> dict[str, str]:
        """Foreign IPv4 routes that go with the last address of some interfaces, one for each.

        Not those of the kernel's own, nor what goes by a nexthop's number: that stays.

        Args:
            interfaces: Their names.
            taken: Keys of routes to leave out.
        """
        found: dict[str, str] = {}
        for (prefix, packed), way in await self._foreign(dump_request(4), 4):
            if way.protocol in KERNEL_TAGS or way.nexthop_id or packed in taken.get(prefix, ()):
                continue
            for name in {way.interface, *(hop.interface for hop in way.nexthops)}:
                if name is not None and name in interfaces:
                    route = route_of(prefix, packed, way)
                    found[name] = f"{route} of {shown_protocol(way.protocol)}"
        return found

    async def _foreign(
        self, payload: bytes, family: int, wanted: Wanted | None = None
    ) -> Iterator[tuple[RouteKey, Forwarding]]:
        """The routes of a dump that are not ours, several of one key too."""
        datagrams = await self._dump(payload, family)
        reader = RouteReader(self.names, None)
        found = await _understood(
            "routes",
            lambda: reader.all(Stream.of(datagrams), family, wanted),
            small=_size(datagrams) < _AT_ONCE,
        )
        return ((key, way) for key, way in found if way.protocol != self._protocol)

    async def _dump(self, payload: bytes, family: int) -> list[bytes]:
        what = f"IPv{family} routes"
        return (await self._socket.dump(Type.GETROUTE, payload, key=what)).datagrams

    async def _list(self, kind: _Kind[T], names: Names) -> tuple[T, ...]:
        for _ in range(_TRIES):
            dump = await self._socket.dump(kind.type, kind.payload, key=kind.name)
            if dump.interrupted:
                continue
            stream = Stream.of(dump.datagrams)
            before = self._read.get(kind.name)
            if before is not None and before.data == stream.data and before.names is names:
                return before.values
            read = await _understood(
                kind.name,
                partial(_decoded, kind, stream, names, before),
                small=len(stream.data) < _AT_ONCE,
            )
            if read is not None:
                self._read[kind.name] = read
                return read.values
        raise DumpInterrupted(f"{kind.name}: the kernel's tables changed while they were dumped")


def _decoded(kind: _Kind[T], stream: Stream, names: Names, before: _Read | None) -> _Read | None:
    """The values of a dump; None where it was interrupted."""
    known: Mapping[bytes, Any] = {}
    if before is not None and before.names is names:
        known = before.by_message
    by_message: dict[bytes, Any] = {}
    values: list[Any] = []
    for message in stream.messages():
        _, type, flags, _, _ = MESSAGE.unpack_from(message)
        if flags & _INTERRUPTED:
            return None
        payload = message[MESSAGE.size :]
        if type != kind.answer or not kind.is_ours(payload):
            continue
        value = known.get(payload)
        value = by_message[payload] = kind.decode(payload, names) if value is None else value
        values.append(value)
    return _Read(stream.data, names, by_message, tuple(values))


def _size(datagrams: Iterable[bytes]) -> int:
    return sum(map(len, datagrams))


async def _understood(what: str, work: Callable[[], T], *, small: bool) -> T:
    """Read a dump, in a thread unless it is small.

    Raises:
        SourceError: It is malformed.
    """
    try:
        return work() if small else await run_in_bulk(work)
    except NetlinkDecodeError as error:
        raise SourceError(f"{what}: the kernel's answer is malformed: {error}") from error
