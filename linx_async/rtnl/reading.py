"""Reads the routes of a whole dump: each distinct message once, but for its destination."""

from __future__ import annotations

import struct
from collections.abc import Container, Iterable, Iterator
from typing import Any, Final, TypeAlias

from attrs import define, field

from .._kernel.netlink import MESSAGE, U32, Flag, NetlinkDecodeError
from .codec.route import forwarding_of
from .codec.wire import Names, Type
from .desired.forwarding import Forwarding
from .desired.route import Prefix
from .streams import Stream

__all__ = ["Found", "RouteKey", "RouteReader", "check_destinations"]

RouteKey: TypeAlias = tuple[Prefix, bytes]
"""What tells a route from others: its prefix, and its packed destination."""

_HEADER: Final = MESSAGE.size
_INTERRUPTED: Final = int(Flag.DUMP_INTR)

# Where the kernel has the destination: after RTA_TABLE (fib_dump_info() in net/ipv4, and
# rt6_fill_node() in net/ipv6/route.c). A message that has it elsewhere is read by itself.
_CUTS: Final = {4: (40, 44), 6: (40, 56)}
_DESTINATION: Final = {4: struct.pack("=HH", 8, 1), 6: struct.pack("=HH", 20, 1)}
_CLONED: Final = 0x200
_MOST_SHAPES: Final = 4096


@define
class Found:
    """The routes of a dump.

    Attributes:
        groups: What they do, by all that tells them apart.
        twins: Those whose key another has already, after it.
    """

    groups: dict[Prefix, dict[bytes, Forwarding]] = field(factory=dict)
    twins: dict[RouteKey, list[Forwarding]] = field(factory=dict)

    def put(self, prefix: Prefix, packed: bytes, forwarding: Forwarding) -> None:
        """Add a route."""
        group = self.groups.setdefault(prefix, {})
        if packed in group:
            self.twins.setdefault((prefix, packed), []).append(forwarding)
        else:
            group[packed] = forwarding

    def __iter__(self) -> Iterator[tuple[RouteKey, Forwarding]]:
        for prefix, group in self.groups.items():
            for packed, forwarding in group.items():
                key = prefix, packed
                yield key, forwarding
                for twin in self.twins.get(key, ()):
                    yield key, twin

    def check(self) -> None:
        """Look at what a known shape leaves unread: the bits of destinations.

        Raises:
            NetlinkDecodeError: A bit is set that belongs to the host part.
        """
        for prefix, group in self.groups.items():
            check_destinations(prefix, group)


def check_destinations(prefix: Prefix, packed: Iterable[bytes]) -> None:
    """Refuse destinations with bits of the host part.

    Raises:
        NetlinkDecodeError: One has some.
    """
    host = (1 << ((32 if prefix.family == 4 else 128) - prefix.length)) - 1
    for destination in packed:
        if int.from_bytes(destination) & host:
            raise NetlinkDecodeError(f"a destination with host bits, {destination.hex()}", 0)


_Shape: TypeAlias = tuple[Prefix, Forwarding] | None
_UNKNOWN: Final[Any] = object()


class RouteReader:
    """Reads routes, and remembers the shapes of their messages.

    Args:
        names: The interfaces' names by index.
        protocol: The tag that they are to have; None takes all.
    """

    def __init__(self, names: Names, protocol: int | None) -> None:
        self.names = names
        self._protocol = protocol
        self._shapes: dict[bytes, _Shape] = {}

    def message(self, data: bytes) -> tuple[Prefix, bytes, Forwarding] | None:
        """One message's route; None where it is none of those.

        Raises:
            NetlinkDecodeError: It is malformed.
        """
        length, kind, flags, _, _ = MESSAGE.unpack_from(data)
        if kind != Type.NEWROUTE:
            raise NetlinkDecodeError(f"a message of type {kind} among routes", 0)
        if flags & _INTERRUPTED:
            raise NetlinkDecodeError("the routes changed while they were dumped", 0)
        prefix, packed, forwarding = forwarding_of(data[_HEADER:length], self.names)
        if forwarding.flags & _CLONED:
            return None
        if self._protocol is not None and forwarding.protocol != self._protocol:
            return None
        return prefix, packed, forwarding

    def all(self, stream: Stream, family: int, wanted: Container[RouteKey] | None = None) -> Found:
        """The routes of a dump.

        Args:
            stream: The dump.
            family: 4 or 6.
            wanted: The keys to take; None takes all.

        Raises:
            NetlinkDecodeError: It is malformed.
        """
        found = Found()
        groups = found.groups
        shapes = self._shapes
        unpack = U32.unpack_from
        cut, on = _CUTS[family]
        data, offset, end = stream.data, 0, len(stream.data)
        while offset < end:
            # A length that is wrong makes a shape that is not known.
            (length,) = unpack(data, offset) if end - offset >= _HEADER else (0,)
            shape_key = data[offset : offset + cut] + data[offset + on : offset + length]
            packed = data[offset + cut : offset + on]
            shape = shapes.get(shape_key, _UNKNOWN)
            if shape is _UNKNOWN:
                shape, packed = self._learn(data, offset, end, family, shape_key)
            offset += (length + 3) & ~3
            if shape is None:
                continue
            prefix, forwarding = shape
            if wanted is not None and (prefix, packed) not in wanted:
                continue
            group = groups.get(prefix)
            if group is None:
                group = groups[prefix] = {}
            if packed in group:
                found.put(prefix, packed, forwarding)
            else:
                group[packed] = forwarding
        if len(shapes) > _MOST_SHAPES:
            # Where every route has a way of its own, they would be as big as the routes.
            shapes.clear()
        return found

    def _learn(
        self, data: bytes, offset: int, end: int, family: int, shape_key: bytes
    ) -> tuple[_Shape, bytes]:
        left = end - offset
        length = U32.unpack_from(data, offset)[0] if left >= _HEADER else 0
        if not _HEADER <= length <= left:
            raise NetlinkDecodeError(f"a message of {length} bytes does not fit {left}", offset)
        route = self.message(data[offset : offset + length])
        cut, on = _CUTS[family]
        shape: _Shape = None
        packed = b""
        if route is not None:
            prefix, packed, forwarding = route
            shape = prefix, forwarding
        in_place = data[offset + cut : offset + on]
        header = data[offset + cut - 4 : offset + cut]
        if header == _DESTINATION[family] and (route is None or in_place == packed):
            self._shapes[shape_key] = shape
        return shape, packed
