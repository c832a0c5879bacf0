"""Reads the routes of a whole dump: each distinct message once, but for its destination."""

from __future__ import annotations

import struct
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from attrs import define, field

from .._kernel.netlink import MESSAGE, U32, Flag, NetlinkDecodeError
from .codec.route import forwarding_of
from .codec.wire import Names, Type
from .desired.forwarding import Forwarding
from .desired.route import Prefix
from .streams import Stream

__all__ = ["Found", "RouteKey", "RouteReader", "Wanted", "check_destinations"]

RouteKey: TypeAlias = tuple[Prefix, bytes]
"""What tells a route from others: its prefix, and its packed destination."""
Wanted: TypeAlias = Mapping[Prefix, Container[bytes]]
"""Keys of routes: packed destinations by prefix."""

_HEADER: Final = MESSAGE.size
_INTERRUPTED: Final = int(Flag.DUMP_INTR)

# Where the kernel has the destination: after RTA_TABLE (fib_dump_info() in net/ipv4, and
# rt6_fill_node() in net/ipv6/route.c). A message that has it elsewhere is read by itself.
_CUTS: Final = {4: (40, 44), 6: (40, 56)}
_DESTINATION: Final = {4: struct.pack("=HH", 8, 1), 6: struct.pack("=HH", 20, 1)}
_CLONED: Final = 0x200
_STREAK: Final = 8
"""Messages of one length, after which more of it are likely."""


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
    size = 4 if prefix.family == 4 else 16
    host = (1 << (8 * size - prefix.length)) - 1
    destinations = list(packed)
    # All as one number: with a hundred thousand of them, one look at each takes 20 times as long.
    mask = int.from_bytes(host.to_bytes(size) * len(destinations))
    if not int.from_bytes(b"".join(destinations)) & mask:
        return
    for destination in destinations:
        if int.from_bytes(destination) & host:
            raise NetlinkDecodeError(f"a destination with host bits, {destination.hex()}", 0)


class RouteReader:
    """Reads routes.

    Args:
        names: The interfaces' names by index.
        protocol: The tag that they are to have; None takes all.
    """

    def __init__(self, names: Names, protocol: int | None) -> None:
        self.names = names
        self._protocol = protocol

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

    def all(self, stream: Stream, family: int, wanted: Wanted | None = None) -> Found:
        """The routes of a dump.

        Args:
            stream: The dump.
            family: 4 or 6.
            wanted: The keys to take; None takes all.

        Raises:
            NetlinkDecodeError: It is malformed.
        """
        return _Whole(self, stream.data, family, wanted).read()


_Spot: TypeAlias = tuple[dict[bytes, Forwarding], Prefix, Forwarding, Container[bytes] | None]
"""Where routes go: those of their prefix, it, what they do, and the destinations to take."""


class _Whole:
    """A whole dump while it is read.

    Its messages have few shapes, which is all of them but the destination: each shape is decoded
    once. Where many have one length, they are cut up together.

    Args:
        reader: What reads one message.
        data: The dump.
        family: 4 or 6.
        wanted: The keys to take; None takes all.
    """

    def __init__(self, reader: RouteReader, data: bytes, family: int, wanted: Wanted | None):
        self._reader = reader
        self._data = data
        self._family = family
        self._wanted = wanted
        self._found = Found()
        self._spots: dict[bytes, _Spot | None] = {}
        self._cutters: dict[int, struct.Struct] = {}

    def read(self) -> Found:
        """Its routes."""
        data, offset, end = self._data, 0, len(self._data)
        length_at = U32.unpack_from
        spots, cutters = self._spots, self._cutters
        put = self._found.put
        last = streak = 0
        while offset < end:
            try:
                (length,) = length_at(data, offset)
                # A length that is wrong makes a shape that is not known.
                head, packed, tail = cutters[length].unpack_from(data, offset)
                spot = spots[head + tail]
            except (KeyError, struct.error):
                offset = self._unknown(offset)
                continue
            offset += (length + 3) & ~3
            if spot is not None:
                group, prefix, forwarding, wanted = spot
                if wanted is None or packed in wanted:
                    if packed in group:
                        put(prefix, packed, forwarding)
                    else:
                        group[packed] = forwarding
            streak = streak + 1 if length == last else 0
            last = length
            if streak == _STREAK:
                offset = self._alike(offset, length)
                streak = 0
        return self._found

    def _alike(self, start: int, length: int) -> int:
        """Read messages of one length and known shapes; gives where the first other one is."""
        cutter = self._cutters[length]
        size = cutter.size
        spots = self._spots
        put = self._found.put
        many = (len(self._data) - start) // size
        view = memoryview(self._data)[start : start + many * size]
        at = start
        for head, packed, tail in cutter.iter_unpack(view):
            try:
                spot = spots[head + tail]
            except KeyError:
                break
            at += size
            if spot is None:
                continue
            group, prefix, forwarding, wanted = spot
            if wanted is not None and packed not in wanted:
                continue
            if packed in group:
                put(prefix, packed, forwarding)
            else:
                group[packed] = forwarding
        return at

    def _unknown(self, offset: int) -> int:
        """Read a message by itself, and learn its shape; gives where the next one is."""
        data = self._data
        left = len(data) - offset
        length = U32.unpack_from(data, offset)[0] if left >= _HEADER else 0
        if not _HEADER <= length <= left:
            raise NetlinkDecodeError(f"a message of {length} bytes does not fit {left}", offset)
        route = self._reader.message(data[offset : offset + length])
        spot: _Spot | None = None
        packed = b""
        if route is not None:
            prefix, packed, forwarding = route
            wanted = None if self._wanted is None else self._wanted.get(prefix, ())
            if wanted is None or packed in wanted:
                self._found.put(prefix, packed, forwarding)
            group = self._found.groups.setdefault(prefix, {})
            spot = (group, prefix, forwarding, wanted)
        cut, on = _CUTS[self._family]
        header = data[offset + cut - 4 : offset + cut]
        in_place = data[offset + cut : offset + on]
        whole = length >= on and header == _DESTINATION[self._family]
        if whole and (route is None or in_place == packed):
            self._spots[data[offset : offset + cut] + data[offset + on : offset + length]] = spot
            self._cutters[length] = struct.Struct(f"={cut}s{on - cut}s{length - on}s{-length % 4}x")
        return offset + ((length + 3) & ~3)
