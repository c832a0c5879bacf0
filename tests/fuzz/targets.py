"""Each decoder, as something that takes any bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import Any, Final

from linx_async import DesiredStateError
from linx_async._kernel.announcements import announced
from linx_async._kernel.exchange import Exchange, RawDump, Transaction
from linx_async._kernel.netlink import (
    MESSAGE,
    NetlinkDecodeError,
    attribute_map,
    attributes,
    pack_message,
    split,
)
from linx_async.rtnl.codec import address, link, neighbour, nexthop, route, route_encode, rule
from linx_async.rtnl.codec.kinds import check_parameters, decode_parameters
from linx_async.rtnl.codec.wire import Names, Type
from linx_async.rtnl.desired.routes import RouteTable
from linx_async.rtnl.hints import Listener
from linx_async.rtnl.interest import GROUPS
from linx_async.rtnl.monitor import Reader
from linx_async.rtnl.seen import SeenRoutes
from linx_async.rtnl.streams import Stream, changes
from tests.fuzz.nft import NFT_TARGETS
from tests.fuzz.seeds import Seeds

__all__ = ["TARGETS", "Target", "seeds_of"]

Target = Callable[[bytes], None]

_NAMES: Final[Names] = {1: "lo", 2: "one", 3: "two"}
_INDICES: Final = {name: index for index, name in _NAMES.items()}
_PORT: Final = 4711
_TAG: Final = 76
_KINDS: Final = (
    *("vlan", "vxlan", "bridge", "bond", "macvlan", "macvtap", "ipvlan", "vrf", "tun", "geneve"),
    *("gre", "ip6gre", "ipip", "sit", "ip6tnl", "vti", "veth", "dummy", "ifb", "team", "wormhole"),
)


class _Indices(dict[str, int]):
    """Interfaces that are not known go by `ifindex/N`, as they are told."""

    def __missing__(self, name: str) -> int:
        return int(name.removeprefix("ifindex/"))


def _codec(module: Any, encode: Any = None) -> Target:
    """A codec: what it reads can be shown, compared, and written again."""
    writes = encode or module

    def run(payload: bytes) -> None:
        if not module.is_ours(payload):
            return
        value = module.decode(payload, _NAMES)
        assert value == module.decode(payload, _NAMES)
        assert isinstance(str(value), str)
        assert isinstance(value.key, str)
        hash(value)
        indices = _Indices(_INDICES)
        # What others have may be nothing that can be declared; it is refused in words.
        with suppress(DesiredStateError):
            writes.encode(value, indices, _TAG)
            writes.encode_delete(value, indices)

    return run


def _links(payload: bytes) -> None:
    if not link.is_ours(payload):
        return
    link.index_and_name(payload)
    found = link.decode(payload)
    assert isinstance(str(found), str)
    if found.kind is not None:
        told = decode_parameters(found.kind, found.data)
        with suppress(DesiredStateError):
            check_parameters(found.kind, told)


def _parameters(data: bytes) -> None:
    for kind in _KINDS:
        with suppress(NetlinkDecodeError):
            decode_parameters(kind, data)


def _messages(datagram: bytes) -> None:
    for message in split(datagram):
        assert len(message.payload) <= len(datagram)
        with suppress(NetlinkDecodeError):
            for _, value in attributes(message.payload):
                attribute_map(value)


def _answers(datagram: bytes) -> None:
    seq, port = 1, 0
    if len(datagram) >= MESSAGE.size:
        _, _, _, seq, port = MESSAGE.unpack_from(datagram)
    number = max(1, seq)
    for answer in (
        Exchange(seq, port),
        RawDump(seq, port),
        Transaction(range(number, number + 9), port),
    ):
        with suppress(NetlinkDecodeError):
            answer.feed(datagram)
            answer.pause()
            answer.feed(datagram)
            answer.pause()


def _announcements(datagram: bytes) -> None:
    reader, listener = Reader(frozenset(GROUPS)), Listener(_TAG, _PORT)
    reader.learn([datagram])
    for message in split(datagram):
        told = reader.read(message)
        assert isinstance(str(told), str)
        listener.hint(message)
        announced(message)


def _sound(datagram: bytes) -> bytes:
    """The messages as far as they are whole."""
    end = 0
    with suppress(NetlinkDecodeError):
        for message in split(datagram):
            end += MESSAGE.size + len(message.payload) + 3 & ~3
    return datagram[:end] + bytes(-end & 3)


def _streams(data: bytes) -> None:
    """Two dumps: the first half, and the whole of it."""
    middle = len(data) // 2 & ~3
    whole = Stream.of([data[:middle], data[middle : len(data) & ~3]])
    for old in (Stream.of([data[:middle]]), Stream.of([_sound(data)])):
        with suppress(NetlinkDecodeError):
            found = changes(old, whole)
            if found is not None:
                assert sum(map(len, found.added)) <= len(data)
    assert sum(map(len, whole.messages())) <= len(data)


def _seen(data: bytes) -> None:
    """A quiet dump of routes, then this one."""
    desired = RouteTable.of({})
    family = 6 if data[MESSAGE.size : MESSAGE.size + 1] == b"\x0a" else 4
    empty = {4: Stream.of([]), 6: Stream.of([])}
    before = SeenRoutes(empty, _NAMES, None)
    before.deviations(desired)
    there = {**empty, family: Stream.of([data[: len(data) & ~3]])}
    now = SeenRoutes.after(before, there, _NAMES, _TAG)
    now.deviations(desired)
    now.table()


TARGETS: Final[Mapping[str, Target]] = {
    "route": _codec(route, route_encode),
    "address": _codec(address),
    "rule": _codec(rule),
    "neighbour": _codec(neighbour),
    "nexthop": _codec(nexthop),
    "link": _links,
    "parameters": _parameters,
    "messages": _messages,
    "answers": _answers,
    "announcements": _announcements,
    "streams": _streams,
    "seen": _seen,
    **NFT_TARGETS,
}
"""Each raises nothing but NetlinkDecodeError, whatever it is given."""


def seeds_of(name: str, seeds: Seeds, random: Random) -> Sequence[bytes]:
    """What to start from for a target."""
    if name in seeds.payloads:
        return seeds.payloads[name]
    if name == "parameters":
        return [link.decode(payload).data for payload in seeds.payloads["link"]]
    if name in {"streams", "seen"}:
        routes = [pack_message(Type.NEWROUTE, 2, 1, each) for each in seeds.payloads["route"]]
        shuffled = [b"".join(random.sample(routes, len(routes))) for _ in range(20)]
        return [*routes, *shuffled]
    return seeds.datagrams
