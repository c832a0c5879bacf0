"""Routes as they were seen: a pass by what changed finds what a look at everything would."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Network
from itertools import permutations
from typing import Any, Final

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from linx_async._kernel.netlink import Flag, NetlinkDecodeError, pack_message, split
from linx_async.rtnl.codec import route as codec
from linx_async.rtnl.desired import NextHop, Route
from linx_async.rtnl.desired.forwarding import Forwarding
from linx_async.rtnl.desired.route import Prefix
from linx_async.rtnl.desired.routes import RouteTable
from linx_async.rtnl.deviations import Deviations
from linx_async.rtnl.reading import RouteKey, RouteReader
from linx_async.rtnl.seen import SeenRoutes
from linx_async.rtnl.streams import Stream

TAG, OTHER_TAG = 76, 4
CLONED, OFFLOAD = 0x200, 0x4000
SEQ, PORT = 2**31, 4711
NEWROUTE, NEWADDR = 24, 20
FLAGS_AT: Final = 8

INDICES = {"lo": 1, "eth0": 2, "eth1": 3}
NAMES = {index: name for name, index in INDICES.items()}
RENAMED = {**NAMES, 2: "eth9"}
SWAPPED = {1: "lo", 2: "eth1", 3: "eth0"}

GOALS: Final[Mapping[int, Sequence[tuple[str, Mapping[str, Any]]]]] = {
    4: (
        ("0.0.0.0/0", {}),
        ("0.0.0.0/0", {"metric": 50}),
        ("10.0.0.0/8", {}),
        ("10.0.0.0/8", {"table": 1000}),
        ("10.1.0.0/16", {}),
        ("10.1.0.0/16", {"tos": 8}),
        ("10.2.0.0/16", {"metric": 50}),
        ("192.0.2.1/32", {}),
    ),
    6: (
        ("::/0", {}),
        ("2001:db8::/32", {}),
        ("2001:db8::/32", {"metric": 50}),
        ("2001:db8:1::/48", {}),
        ("2001:db8:1::/48", {"table": 1000}),
        ("2001:db8::1/128", {}),
    ),
}
WAYS: Final[Mapping[int, Sequence[Mapping[str, Any]]]] = {
    4: (
        {"gateway": "10.0.0.1", "interface": "eth0"},
        {"gateway": "10.0.0.1", "interface": "eth1"},
        {"gateway": "10.0.0.2", "interface": "eth0", "metrics": {"mtu": 1400, "advmss": 1300}},
        {"gateway": "fe80::1", "interface": "eth0", "source": "10.0.0.9"},
        {"interface": "eth1"},
        {"type": "blackhole"},
        {"nexthop_id": 5},
        {"nexthops": [("10.0.0.1", "eth0", 2), ("10.0.0.2", "eth1", 1)]},
        {"nexthops": [("10.0.0.1", "eth1", 1), ("10.0.0.1", "eth0", 1)]},
    ),
    6: (
        {"gateway": "fe80::1", "interface": "eth0"},
        {"gateway": "fe80::1", "interface": "eth1", "preference": "high"},
        {"interface": "eth0", "metrics": {"mtu": 1400}},
        {"type": "unreachable"},
        {"nexthop_id": 5},
        {"nexthops": [("fe80::1", "eth0", 1), ("fe80::2", "eth0", 1)]},
    ),
}
VAGUE: Final[Mapping[int, Sequence[Mapping[str, Any]]]] = {
    4: (
        {"gateway": "10.0.0.1"},
        {"nexthops": [("10.0.0.1", None, 2), ("10.0.0.2", None, 1)]},
        {"nexthops": [("10.0.0.1", None, 1), ("10.0.0.1", "eth0", 1)]},
    ),
    6: ({"gateway": "fe80::1"}, {"nexthops": [("fe80::1", None, 1), ("fe80::2", "eth0", 1)]}),
}
"""What can be desired, and leaves it to the kernel by which interface."""


@frozen
class Entry:
    """A route in a dump.

    Attributes:
        way: Which of the ways.
        tag: Whose it is.
        flags: The kernel's flags (rtm_flags).
    """

    way: int
    tag: int = TAG
    flags: int = 0


Dump = Mapping[tuple[int, int], Sequence[Entry]]
"""What there is, by family and by which of the goals: most have one, twins are side by side."""


def message(route: Route, flags: int = 0) -> bytes:
    """As the kernel dumps it."""
    payload = bytearray(codec.encode(route, INDICES, TAG))
    (said,) = struct.unpack_from("=I", payload, FLAGS_AT)
    struct.pack_into("=I", payload, FLAGS_AT, said | flags)
    return pack_message(NEWROUTE, Flag.MULTI, SEQ, bytes(payload), PORT)


def route(family: int, goal: int, way: Mapping[str, Any], tag: int | None = None) -> Route:
    where, said = GOALS[family][goal]
    return Route(where, **said, **way, protocol=tag)


def filler(family: int, count: int) -> list[bytes]:
    """Routes that nobody touches."""
    way = WAYS[family][0]
    goals = (
        f"172.16.{at}.0/24" if family == 4 else f"2001:db8:f:{at:x}::/64" for at in range(count)
    )
    return [message(Route(goal, **way, protocol=TAG)) for goal in goals]


def messages_of(dump: Dump, family: int) -> list[bytes]:
    found = [
        message(route(family, goal, WAYS[family][entry.way], entry.tag), entry.flags)
        for (version, goal), entries in sorted(dump.items())
        for entry in entries
        if version == family
    ]
    return list(dict.fromkeys(found))


def streams_of(dump: Dump, fill: int = 0, cut: int = 3) -> dict[int, Stream]:
    streams = {}
    for family in (4, 6):
        untouched = filler(family, fill)
        half = len(untouched) // 2
        every = [*untouched[:half], *messages_of(dump, family), *untouched[half:]]
        datagrams = (b"".join(every[at : at + cut]) for at in range(0, len(every), cut))
        streams[family] = Stream.of(datagrams)
    return streams


# What a look at everything finds, by plain words


def same_hop(wanted: NextHop, there: NextHop) -> bool:
    return (wanted.gateway, wanted.weight, wanted.onlink) == (
        there.gateway,
        there.weight,
        there.onlink,
    ) and (wanted.interface is None or wanted.interface == there.interface)


def same(wanted: Forwarding, there: Forwarding) -> bool:
    for field in ("type", "gateway", "nexthop_id", "source", "scope", "metrics", "preference"):
        if getattr(wanted, field) != getattr(there, field):
            return False
    if wanted.interface is not None and wanted.interface != there.interface:
        return False
    return len(wanted.nexthops) == len(there.nexthops) and any(
        all(map(same_hop, wanted.nexthops, order)) for order in permutations(there.nexthops)
    )


def key_of(route: Route) -> RouteKey:
    return route.prefix, route.destination.network_address.packed


def naive(desired: Iterable[Route], streams: Mapping[int, Stream], names: Mapping[int, str]) -> Any:
    wanted = {key_of(each): each.forwarding for each in desired}
    there: dict[RouteKey, list[Forwarding]] = {}
    for stream in streams.values():
        for one in split(stream.data):
            found = codec.decode(one.payload, names)
            if found.protocol == TAG and not found.forwarding.flags & CLONED:
                there.setdefault(key_of(found), []).append(found.forwarding)
    missing: dict[Prefix, dict[bytes, Forwarding]] = {}
    different = {}
    extra: dict[Prefix, dict[bytes, tuple[Forwarding, ...]]] = {}
    for key, want in wanted.items():
        if key not in there:
            missing.setdefault(key[0], {})[key[1]] = want
        elif not any(same(want, each) for each in there[key]):
            different[key] = want, there[key][0]
    for key, several in there.items():
        left = list(several)
        if key in wanted:
            left.pop(next((at for at, each in enumerate(several) if same(wanted[key], each)), 0))
        if left:
            extra.setdefault(key[0], {})[key[1]] = tuple(left)
    twins = frozenset(key for key, several in there.items() if len(several) > 1)
    return Deviations(missing, different, extra, twins)


# What there can be


families = st.sampled_from((4, 6))
tags = st.sampled_from((TAG, TAG, TAG, OTHER_TAG))
flags = st.sampled_from((0, 0, 0, OFFLOAD, CLONED))


def entries(family: int) -> st.SearchStrategy[list[Entry]]:
    """The routes of one key: one, as a rule."""
    one = st.builds(Entry, st.integers(0, len(WAYS[family]) - 1), tags, flags)
    own = st.builds(Entry, st.integers(0, len(WAYS[family]) - 1))
    # Several of ours are side by side: the kernel tells those of one tag alone.
    twins = st.lists(own, min_size=2, max_size=3, unique=True)
    return st.lists(one, max_size=1) | st.lists(one, max_size=1) | twins


places = [(family, goal) for family in (4, 6) for goal in range(len(GOALS[family]))]


@st.composite
def dumps(draw: st.DrawFn) -> Dump:
    there = draw(st.sets(st.sampled_from(places)))
    return {place: draw(entries(place[0])) for place in sorted(there)}


@st.composite
def edited(draw: st.DrawFn, dump: Dump) -> Dump:
    """A dump a moment later."""
    again = dict(dump)
    for place in draw(st.lists(st.sampled_from(places), max_size=4, unique=True)):
        again[place] = draw(entries(place[0]))
    return again


@st.composite
def tables(draw: st.DrawFn) -> RouteTable:
    found = []
    for family, goal in sorted(draw(st.sets(st.sampled_from(places)))):
        way = draw(st.sampled_from((*WAYS[family], *VAGUE[family])))
        found.append(route(family, goal, way))
    return RouteTable(found)


@frozen
class Look:
    """One look at the kernel: what is there, what things are called, and what is desired."""

    dump: Dump
    names: Mapping[int, str]
    desired: RouteTable
    cut: int


@st.composite
def looks(draw: st.DrawFn) -> list[Look]:
    """One look after the other; from one to the next little changes, as a rule."""
    dump, names, desired = draw(dumps()), NAMES, draw(tables())
    found = []
    for _ in range(draw(st.integers(2, 6))):
        found.append(Look(dump, names, desired, draw(st.integers(1, 5))))
        what = draw(st.sampled_from(("edit",) * 6 + ("anew", "names", "desired", "nothing")))
        if what == "edit":
            dump = draw(edited(dump))
        elif what == "anew":
            dump = draw(dumps())
        elif what == "names":
            names = draw(st.sampled_from((NAMES, RENAMED, SWAPPED)))
        elif what == "desired":
            desired = draw(tables())
    return found


@given(looks(), st.sampled_from((0, 60)))
def test_what_changed_is_found_as_a_look_at_everything_finds_it(
    steps: list[Look], fill: int
) -> None:
    seen: SeenRoutes | None = None
    for step in steps:
        streams = streams_of(step.dump, fill, step.cut)
        seen = SeenRoutes.after(seen, streams, step.names, TAG)
        found = seen.deviations(step.desired)
        assert found == naive(step.desired, streams, step.names)
        anew = SeenRoutes(streams, step.names, TAG)
        assert found == anew.deviations(step.desired)


@given(dumps(), tables(), st.data())
def test_little_that_changed_in_much_that_did_not_is_judged_alone(
    dump: Dump, desired: RouteTable, data: st.DataObject
) -> None:
    """None of the routes that stayed is read again, unless it is beside one that changed."""
    before = SeenRoutes(streams_of(dump, 200), NAMES, TAG)
    before.deviations(desired)
    family, goal = data.draw(st.sampled_from(places))
    again = {**dump, (family, goal): [Entry(data.draw(st.integers(0, 4)))]}
    streams = streams_of(again, 200)
    reads = []

    def read(reader: RouteReader, one: bytes) -> Any:
        reads.append(one)
        return original(reader, one)

    original = RouteReader.message
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RouteReader, "message", read)
        after = SeenRoutes.after(before, streams, NAMES, TAG)
        found = after.deviations(desired)
    assert found == naive(desired, streams, NAMES)
    if not any(len(several) > 1 for several in dump.values()):
        assert len(reads) <= 4


@given(dumps(), tables(), st.integers(1, 5))
def test_a_dump_that_did_not_change_is_the_one_there_was(
    dump: Dump, desired: RouteTable, cut: int
) -> None:
    seen = SeenRoutes(streams_of(dump), NAMES, TAG)
    verdict = seen.deviations(desired)
    again = SeenRoutes.after(seen, streams_of(dump, cut=cut), dict(NAMES), TAG)
    assert again is seen
    assert again.deviations(desired) is verdict


@given(dumps())
def test_under_another_name_or_tag_all_is_read_again(dump: Dump) -> None:
    streams = streams_of(dump)
    seen = SeenRoutes(streams, NAMES, TAG)
    assert SeenRoutes.after(seen, streams, RENAMED, TAG) is not seen
    assert SeenRoutes.after(seen, streams, NAMES, OTHER_TAG) is not seen
    assert SeenRoutes.after(None, streams, NAMES, TAG).streams == seen.streams


@given(dumps(), tables(), tables())
def test_each_desired_table_is_judged_by_itself(
    dump: Dump, desired: RouteTable, other: RouteTable
) -> None:
    streams = streams_of(dump)
    seen = SeenRoutes(streams, NAMES, TAG)
    for table in (desired, other, desired):
        assert seen.deviations(table) == naive(table, streams, NAMES)


@given(dumps(), st.data())
def test_where_each_is_as_desired_nothing_deviates(dump: Dump, data: st.DataObject) -> None:
    single = {
        place: entries[:1]
        for place, entries in dump.items()
        if entries and entries[0].tag == TAG and not entries[0].flags & CLONED
    }
    desired = RouteTable(
        route(family, goal, WAYS[family][entry.way]) for (family, goal), (entry,) in single.items()
    )
    seen = SeenRoutes(streams_of(single), NAMES, TAG)
    assert seen.deviations(desired) == Deviations()
    extra = seen.deviations(RouteTable()).extra
    keys = {(prefix, packed) for prefix, group in extra.items() for packed in group}
    assert keys == {key_of(each) for each in desired}


@given(dumps())
def test_the_table_has_the_first_of_each_key(dump: Dump) -> None:
    streams = streams_of(dump)
    first: dict[RouteKey, Route] = {}
    for stream in streams.values():
        for one in split(stream.data):
            found = codec.decode(one.payload, NAMES)
            if found.protocol == TAG and not found.forwarding.flags & CLONED:
                first.setdefault(key_of(found), found)
    table = SeenRoutes(streams, NAMES, TAG).table()
    assert {key_of(each): each for each in table} == first


@given(dumps(), st.sets(st.sampled_from(places)), families)
def test_of_some_keys_alone_are_read_those_keys_alone(
    dump: Dump, places: set[tuple[int, int]], family: int
) -> None:
    stream = streams_of(dump)[family]
    wanted = {key_of(route(*place, WAYS[place[0]][0])) for place in places}
    grouped: dict[Prefix, set[bytes]] = {}
    for prefix, packed in wanted:
        grouped.setdefault(prefix, set()).add(packed)
    every = RouteReader(NAMES, None).all(stream, family)
    some = RouteReader(NAMES, None).all(stream, family, grouped)
    assert {
        (prefix, packed): way
        for prefix, group in every.groups.items()
        for packed, way in group.items()
        if (prefix, packed) in wanted
    } == {
        (prefix, packed): way
        for prefix, group in some.groups.items()
        for packed, way in group.items()
    }
    assert some.twins == {key: ways for key, ways in every.twins.items() if key in wanted}


# What is malformed


Spoil = Callable[[bytearray], None]


@st.composite
def spoilt(draw: st.DrawFn, stream: Stream) -> Stream:
    """Some bytes are others, most of them lengths, types and flags; or the end is missing."""
    data = bytearray(stream.data)
    boundaries, at = [], 0
    while at < len(data):
        boundaries.append(at)
        at += (int.from_bytes(data[at : at + 4], "little") + 3) & ~3
    for _ in range(draw(st.integers(1, 3)) if data else 0):
        start = draw(st.sampled_from(boundaries))
        where = start + draw(
            st.sampled_from((0, 1, 4, 6, 16, 17, 28, 30, 36, 38)) | st.integers(0, 60)
        )
        if where < len(data):
            data[where] = draw(
                st.sampled_from((0, 1, 8, 15, 16, 17, 64, 255)) | st.integers(0, 255)
            )
    cut = draw(st.integers(0, len(data) // 4)) * 4 if draw(st.booleans()) else 0
    kept = bytes(data[: len(data) - cut])
    return Stream(kept, (0,) if kept else ())


@given(dumps(), tables(), st.data())
def test_malformed_dumps_raise_a_decode_error_or_nothing(
    dump: Dump, desired: RouteTable, data: st.DataObject
) -> None:
    sound = streams_of(dump)
    broken = {family: data.draw(spoilt(stream)) for family, stream in sound.items()}
    other = {family: data.draw(spoilt(stream)) for family, stream in sound.items()}
    for old, new in ((sound, broken), (broken, other), (broken, sound)):
        seen: SeenRoutes | None = None
        for streams in (old, new):
            with suppress(NetlinkDecodeError):
                seen = SeenRoutes.after(seen, streams, NAMES, TAG)
                seen.deviations(desired)
                seen.table()


@given(families, st.binary(max_size=400))
def test_bytes_that_are_no_routes_raise_a_decode_error_or_nothing(family: int, data: bytes) -> None:
    padded = data + bytes(-len(data) & 3)
    stream = Stream(padded, (0,) if padded else ())
    with suppress(NetlinkDecodeError):
        RouteReader(NAMES, None).all(stream, family)


def one_stream(*messages: bytes) -> dict[int, Stream]:
    return {4: Stream.of(messages), 6: Stream.of(())}


ONE = Route("10.1.0.0/16", "10.0.0.1", "eth0", protocol=TAG)
TWO = Route("10.2.0.0/16", "10.0.0.1", "eth0", protocol=TAG)


def test_a_message_of_another_type_among_routes_is_refused() -> None:
    strange = pack_message(NEWADDR, 0, SEQ, codec.encode(ONE, INDICES, TAG), PORT)
    with pytest.raises(NetlinkDecodeError, match="a message of type 20 among routes"):
        SeenRoutes(one_stream(strange), NAMES, TAG).table()


def test_routes_that_changed_while_they_were_dumped_are_refused() -> None:
    payload = codec.encode(ONE, INDICES, TAG)
    torn = pack_message(NEWROUTE, Flag.MULTI | Flag.DUMP_INTR, SEQ, payload, PORT)
    with pytest.raises(NetlinkDecodeError, match="changed while they were dumped"):
        SeenRoutes(one_stream(torn), NAMES, TAG).table()


@pytest.mark.parametrize("length", [0, 15, 27, 61, 0xFFFFFFFF])
@pytest.mark.parametrize("before", [0, 1, 3])
def test_a_length_that_does_not_fit_is_refused_wherever_it_is(length: int, before: int) -> None:
    messages = [message(ONE), message(TWO), message(ONE)]
    wrong = struct.pack("=I", length) + message(TWO)[4:]
    with pytest.raises(NetlinkDecodeError):
        SeenRoutes(one_stream(*messages[:before], wrong), NAMES, TAG).table()


def test_a_message_that_is_cut_short_is_refused_though_its_like_was_read() -> None:
    with pytest.raises(NetlinkDecodeError, match="does not fit"):
        SeenRoutes(one_stream(message(ONE), message(TWO)[:-8]), NAMES, TAG).table()


def test_host_bits_are_refused_though_a_message_like_it_was_read() -> None:
    wrong = bytearray(message(TWO))
    assert wrong[40:44] == b"\x0a\x02\x00\x00"
    wrong[43] = 1
    with pytest.raises(NetlinkDecodeError, match="host bits"):
        SeenRoutes(one_stream(message(ONE), bytes(wrong)), NAMES, TAG).table()


# What is held


MANY = 20_000


def many() -> Iterable[Route]:
    return (
        Route(IPv4Network((0x0A000000 + (at << 8), 24)), "10.0.0.1", "eth0") for at in range(MANY)
    )


def held_by(make: Callable[[], Any]) -> tuple[Any, int]:
    """What a function gives, and how many bytes more there are for it."""
    tracemalloc.start()
    try:
        made = make()
        return made, tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_a_route_that_is_as_desired_is_held_as_its_bytes_alone() -> None:
    desired = RouteTable(many())
    assert desired.groups

    def look() -> SeenRoutes:
        messages = [message(each) for each in desired]
        datagrams = (b"".join(messages[at : at + 500]) for at in range(0, MANY, 500))
        streams = {4: Stream.of(datagrams), 6: Stream.of(())}
        del messages
        seen = SeenRoutes.after(None, streams, NAMES, TAG)
        assert seen.deviations(desired) == Deviations()
        return seen

    seen, held = held_by(look)
    size = len(seen.streams[4].data)
    assert size <= held <= size + 64 * 1024
    assert held <= 150 * MANY


def test_a_desired_route_is_held_in_a_few_hundred_bytes() -> None:
    table, held = held_by(lambda: RouteTable(many()))
    assert len(table) == MANY
    assert held <= 400 * MANY


def test_routes_that_share_a_way_share_the_value_of_it() -> None:
    table = RouteTable(many())
    ways = {id(way) for group in table.groups.values() for way in group.values()}
    assert len(ways) == 1


def test_a_message_too_short_for_a_destination_is_not_cut_up_by_the_next_ones_bytes() -> None:
    bare = struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 254, TAG, 0, 1, 0)  # a default route, no more
    # Where the first would have its destination, the next one has these as its sequence number.
    seq = struct.unpack("=I", struct.pack("=HH", 8, 1))[0]
    stream = Stream.of([pack_message(NEWROUTE, 0, seq, bare, 0)] * 20)
    found = RouteReader(NAMES, TAG).all(stream, 4)
    assert [len(group) for group in found.groups.values()] == [1]
    assert sum(map(len, found.twins.values())) == 19
