"""What others have in a network namespace, as far as an apply may take it along."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from operator import attrgetter
from typing import Any, Final

from anyio import to_thread
from attrs import evolve, frozen

from ..._core.errors import SourceError
from ..._kernel.netlink import NetlinkDecodeError
from ..._kernel.socket import NetlinkSocket
from ...rtnl import Address, Neighbour, Nexthop, Rule
from ...rtnl.codec.route_encode import dump_request
from ...rtnl.codec.wire import Type
from ...rtnl.desired.forwarding import Forwarding
from ...rtnl.desired.protocols import KERNEL_TAGS
from ...rtnl.desired.routes import route_key, route_of
from ...rtnl.observed import Observed
from ...rtnl.ops import AddAddress, AddNeighbour, AddNexthop, AddRoute, AddRule, RtnlOp
from ...rtnl.reading import RouteKey, RouteReader
from ...rtnl.streams import Stream

__all__ = ["Others", "Touched", "foreign_routes"]

_MADE_BY_KERNEL: Final = frozenset({1, 2, 3})
"""Who put an address there: the loopback's, router advertisements, link-local ones (IFAPROT_*)."""
_ADVERTISED: Final = 9  # RTPROT_RA: the next router advertisement brings it again
_OF_ADDRESSES: Final = attrgetter(
    *("prefix_length", "peer", "broadcast", "label", "scope", "noprefixroute", "metric", "protocol")
)
_OF_NEIGHBOURS: Final = attrgetter("lladdr", "router", "state", "protocol")


@frozen
class Touched:
    """What an apply changes.

    Attributes:
        interfaces: Names of links, and of those whose addresses change.
        keys: The keys of its ops.
    """

    interfaces: frozenset[str]
    keys: frozenset[str]

    def __call__(self, key: str, *interfaces: str | None) -> bool:
        """Whether an object of that key, on those interfaces, may change along with it."""
        return key in self.keys or any(name in self.interfaces for name in interfaces)


@frozen
class Others:
    """What is not ours and may change, by key, each with the op that puts it back.

    Attributes:
        objects: Each object, in the order in which they come: what it is, for comparison.
        ops: What adds each.
    """

    objects: Mapping[str, object]
    ops: Mapping[str, RtnlOp]

    @classmethod
    def of(
        cls,
        observed: Observed,
        routes: Iterable[tuple[RouteKey, Forwarding]],
        ours: Callable[[Any], bool],
        touched: Touched,
    ) -> Others:
        """What others have.

        Args:
            observed: What the namespace has.
            routes: The routes in it that are not ours.
            ours: Whether another object is ours.
            touched: What may change.
        """
        found: dict[str, tuple[object, RtnlOp]] = {}
        # A primary address of a network before its secondary ones.
        for address in sorted(observed.addresses, key=lambda each: each.is_secondary):
            if not (ours(address) or _comes_by_itself(address)) and touched(
                address.key, address.interface
            ):
                found[address.key] = _OF_ADDRESSES(address), AddAddress(address)
        for nexthop in sorted(observed.nexthops, key=lambda each: bool(each.group)):
            if not ours(nexthop) and touched(nexthop.key, nexthop.interface):
                found[nexthop.key] = nexthop, AddNexthop(_tagged(nexthop))
        for neighbour in observed.neighbours:
            lasting = neighbour.proxy or neighbour.state == "permanent"
            if lasting and not ours(neighbour) and touched(neighbour.key, neighbour.interface):
                added = AddNeighbour(_tagged(neighbour))
                found[neighbour.key] = _OF_NEIGHBOURS(neighbour), added
        numbers = {op.nexthop.id for _, op in found.values() if isinstance(op, AddNexthop)}
        found |= _routes(routes, touched, numbers)
        for rule in observed.rules:
            if not ours(rule) and touched(rule.key):
                found[f"{rule.key} of protocol {rule.protocol}"] = rule, AddRule(_tagged(rule))
        return cls(
            {key: value for key, (value, _) in found.items()},
            {key: op for key, (_, op) in found.items()},
        )

    def lacking(self, now: Others) -> dict[str, RtnlOp]:
        """What is not there now, by key, and what adds it."""
        return {key: op for key, op in self.ops.items() if key not in now.objects}

    def differing(self, now: Others) -> list[str]:
        """The keys of what is there now and is another."""
        return [
            key
            for key, value in self.objects.items()
            if key in now.objects and now.objects[key] != value
        ]


def _routes(
    routes: Iterable[tuple[RouteKey, Forwarding]], touched: Touched, numbers: Collection[int]
) -> dict[str, tuple[object, RtnlOp]]:
    found: dict[str, tuple[object, RtnlOp]] = {}
    for (prefix, packed), way in routes:
        if way.protocol in KERNEL_TAGS or way.protocol == _ADVERTISED:
            continue
        interfaces = (way.interface, *(hop.interface for hop in way.nexthops))
        key = route_key(prefix, packed)
        if way.nexthop_id in numbers or touched(key, *interfaces):
            route = route_of(prefix, packed, way)
            name = f"{key} of protocol {way.protocol}"
            found[name] = str(route), AddRoute(prefix, packed, _tagged(way))
    return found


def _comes_by_itself(address: Address) -> bool:
    """Whether the kernel puts it there, as it does when the link is up."""
    link_local = address.family == 6 and address.address.is_link_local
    return address.protocol in _MADE_BY_KERNEL or (link_local and not address.protocol)


def _tagged(value: Any) -> Any:
    """The same, said to be of nobody where nobody has said so: else it would be ours."""
    either: Address | Rule | Neighbour | Nexthop | Forwarding = value
    return evolve(either, protocol=0) if either.protocol is None else either


async def foreign_routes(source: Any) -> list[tuple[RouteKey, Forwarding]]:
    """The routes of a source's namespace that have not its tag.

    Raises:
        SourceError: They cannot be read.
    """
    target = await to_thread.run_sync(source.scope.open)
    try:
        socket = await NetlinkSocket.open(opener=target.call)
        try:
            return await _dumped(socket, source)
        finally:
            await socket.aclose()
    finally:
        target.close()


async def _dumped(socket: NetlinkSocket, source: Any) -> list[tuple[RouteKey, Forwarding]]:
    from ...rtnl.views import Views

    views = Views(socket, source.protocol)
    await views.links()
    reader = RouteReader(views.names, None)
    found: list[tuple[RouteKey, Forwarding]] = []
    for family in (4, 6):
        dump = await socket.dump(Type.GETROUTE, dump_request(family), key=f"IPv{family} routes")
        stream = Stream.of(dump.datagrams)

        def read(stream: Stream = stream, family: int = family) -> None:
            for key, way in reader.all(stream, family):
                if way.protocol != source.protocol:
                    found.append((key, way))

        try:
            await to_thread.run_sync(read)
        except NetlinkDecodeError as error:
            raise SourceError(f"routes: the kernel's answer is malformed: {error}") from error
    return found
