"""A network namespace to look at whole, and somebody else who changes it by raw rtnetlink."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any, TypeAlias

from anyio import to_thread
from attrs import define, frozen

from linx_async._core.errors import OpError
from linx_async._kernel.netlink import Flag, pack_text
from linx_async._kernel.netns import NetworkNamespace
from linx_async._kernel.socket import NetlinkSocket
from linx_async.rtnl import Address, Link, Neighbour, Nexthop, ObservedLink, Route, Rule
from linx_async.rtnl.codec import address, link, neighbour, nexthop, route, route_encode, rule
from linx_async.rtnl.codec.wire import NoInterface, Type

__all__ = ["ADD", "APPEND", "CHANGE", "PREPEND", "PUT", "Place", "Thing", "World", "place_in"]

Thing: TypeAlias = Address | Route | Rule | Neighbour | Nexthop

ADD = int(Flag.CREATE | Flag.EXCL)
PUT = int(Flag.CREATE | Flag.REPLACE)
CHANGE = int(Flag.REPLACE)
APPEND = int(Flag.CREATE | Flag.APPEND)
PREPEND = int(Flag.CREATE)

_IFNAME = 3
_CLONED = 0x200


@frozen
class World:
    """All that a namespace has."""

    links: Mapping[str, ObservedLink]
    addresses: tuple[Address, ...]
    routes: tuple[Route, ...]
    rules: tuple[Rule, ...]
    neighbours: tuple[Neighbour, ...]
    nexthops: tuple[Nexthop, ...]

    @property
    def names(self) -> dict[int, str]:
        return {each.index: name for name, each in self.links.items()}

    @property
    def indices(self) -> dict[str, int]:
        return {name: each.index for name, each in self.links.items()}

    @property
    def things(self) -> tuple[Thing, ...]:
        return (*self.addresses, *self.routes, *self.rules, *self.neighbours, *self.nexthops)

    def tagged(self, protocol: int) -> list[Thing]:
        return [each for each in self.things if each.protocol == protocol]


@define
class Place:
    """A socket in the namespace, which nobody else uses."""

    socket: NetlinkSocket

    async def ask(self, type: Type, flags: int, payload: bytes) -> bool:
        """Have something done; False where the kernel refuses."""
        try:
            await self.socket.request(type, flags, payload)
        except OpError:
            return False
        return True

    async def links(self) -> dict[str, ObservedLink]:
        found = map(link.decode, await self._dump(Type.GETLINK, link.DUMP))
        return {each.name: each for each in found}

    async def world(self) -> World:
        """All that is there, routes of all tables and tags among it."""
        links = await self.links()
        names = {each.index: name for name, each in links.items()}
        routes = [
            each
            for family in (4, 6)
            for each in await self._read(
                Type.GETROUTE, route_encode.dump_request(family), route, names
            )
        ]
        neighbours = [
            each
            for request in (neighbour.DUMP, neighbour.DUMP_PROXIES)
            for each in await self._read(Type.GETNEIGH, request, neighbour, names)
        ]
        return World(
            links,
            tuple(await self._read(Type.GETADDR, address.DUMP, address, names)),
            tuple(each for each in routes if not each.forwarding.flags & _CLONED),
            tuple(await self._read(Type.GETRULE, rule.DUMP, rule, names)),
            tuple(neighbours),
            tuple(await self._read(Type.GETNEXTHOP, nexthop.DUMP, nexthop, names)),
        )

    async def _read(
        self, type: Type, request: bytes, codec: ModuleType, names: Mapping[int, str]
    ) -> list[Any]:
        payloads = await self._dump(type, request)
        return [codec.decode(each, names) for each in payloads if codec.is_ours(each)]

    async def put(self, thing: Thing, protocol: int, flags: int = ADD) -> bool:
        """Put something there under a tag; 0 is without one. False where it cannot be."""
        indices = {name: each.index for name, each in (await self.links()).items()}
        try:
            return await self.ask(*_new(thing, indices, protocol, flags))
        except NoInterface:
            return False

    async def delete(self, *things: Thing) -> bool:
        """Delete what is there; False where something was not."""
        indices = {name: each.index for name, each in (await self.links()).items()}
        return all([await self.ask(*_gone(thing, indices)) for thing in things])

    async def add_link(self, new: Link) -> bool:
        indices = {name: each.index for name, each in (await self.links()).items()}
        try:
            payload = link.encode_create(new, indices)
        except NoInterface:
            return False
        return await self.ask(Type.NEWLINK, ADD, payload)

    async def delete_link(self, name: str) -> bool:
        index = await self._index(name)
        return bool(index) and await self.ask(Type.DELLINK, 0, link.encode_delete(index))

    async def rename_link(self, name: str, new: str) -> bool:
        index = await self._index(name)
        payload = link.encode_set(index) + pack_text(_IFNAME, new)
        return bool(index) and await self.ask(Type.NEWLINK, 0, payload)

    async def set_link(
        self,
        name: str,
        *,
        up: bool | None = None,
        mtu: int | None = None,
        address: str | None = None,
        master: str | None = None,
        alias: str | None = None,
    ) -> bool:
        index = await self._index(name)
        lord = (await self._index(master) if master else 0) if master is not None else None
        payload = link.encode_set(index, up=up, mtu=mtu, address=address, master=lord, alias=alias)
        return bool(index) and await self.ask(Type.NEWLINK, 0, payload)

    async def _index(self, name: str) -> int:
        found = (await self.links()).get(name)
        return 0 if found is None else found.index

    async def _dump(self, type: Type, payload: bytes) -> Iterable[bytes]:
        messages = await self.socket.request(type, Flag.DUMP, payload)
        return [message.payload for message in messages]


def _new(
    thing: Thing, indices: Mapping[str, int], protocol: int, flags: int
) -> tuple[Type, int, bytes]:
    match thing:
        case Address():
            return Type.NEWADDR, flags, address.encode(thing, indices, protocol)
        case Route():
            return Type.NEWROUTE, flags, route_encode.encode(thing, indices, protocol)
        case Rule():
            return Type.NEWRULE, flags, rule.encode(thing, indices, protocol)
        case Neighbour():
            return Type.NEWNEIGH, flags, neighbour.encode(thing, indices, protocol)
        case Nexthop():
            return Type.NEWNEXTHOP, flags, nexthop.encode(thing, indices, protocol)


def _gone(thing: Thing, indices: Mapping[str, int]) -> tuple[Type, int, bytes]:
    match thing:
        case Address():
            return Type.DELADDR, 0, address.encode_delete(thing, indices)
        case Route():
            return Type.DELROUTE, 0, route_encode.encode_delete(thing, indices)
        case Rule():
            return Type.DELRULE, 0, rule.encode_delete(thing, indices)
        case Neighbour():
            return Type.DELNEIGH, 0, neighbour.encode_delete(thing, indices)
        case Nexthop():
            return Type.DELNEXTHOP, 0, nexthop.encode_delete(thing, indices)


@asynccontextmanager
async def place_in(pid: int) -> AsyncGenerator[Place, None]:
    """A place in the namespace of a process."""
    target = await to_thread.run_sync(NetworkNamespace.of_pid(pid).open)
    try:
        async with await NetlinkSocket.open(opener=target.call) as socket:
            yield Place(socket)
    finally:
        target.close()
