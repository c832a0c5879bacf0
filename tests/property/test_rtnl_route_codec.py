from __future__ import annotations

import struct
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Literal, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linx_async._kernel.netlink import NetlinkDecodeError, pack_attribute, pack_nested, pack_u32
from linx_async.rtnl.codec import route as codec
from linx_async.rtnl.codec.wire import NoInterface
from linx_async.rtnl.desired import Encap, NextHop, Route
from linx_async.rtnl.desired.forwarding import METRICS, ROUTE_TYPES, WITHOUT_WAY
from tests.pyroute2_version import needs_newer_pyroute2
from tests.routes import by_pyroute2, in_words, packed_by_pyroute2

INDICES = {"lo": 1, "eth0": 2, "eth1": 3, "eth2": 70_000}
NAMES = {index: name for name, index in INDICES.items()}
TAG = 76
HOPS_AT_MOST = 5
DST, OIF, GATEWAY, METRICS_NUMBER, MULTIPATH, FLOW, TABLE = 1, 4, 5, 8, 9, 11, 15

Version: TypeAlias = Literal[4, 6]

interfaces = st.sampled_from(sorted(INDICES))
tables = st.integers(1, 2**32 - 1) | st.integers(250, 260)
tags = st.none() | st.integers(0, 255)
types_with_way = st.sampled_from(sorted(set(ROUTE_TYPES) - WITHOUT_WAY))
types_without = st.sampled_from(sorted(WITHOUT_WAY))
# pyroute2 decodes neither of these (LWTUNNEL_ENCAP_IP, _IP6), and takes them as they are.
encaps = st.builds(
    lambda kind, value: Encap(kind, pack_u32(1, value)),
    st.sampled_from([2, 4]),
    st.integers(0, 2**32 - 1),
)


@st.composite
def destinations(draw: st.DrawFn, version: Version) -> IPv4Network | IPv6Network:
    bits = 32 if version == 4 else 128
    length = draw(st.integers(0, bits))
    address = draw(st.integers(0, 2**bits - 1)) >> (bits - length) << (bits - length)
    return IPv4Network((address, length)) if version == 4 else IPv6Network((address, length))


def specified(version: Version | None) -> st.SearchStrategy[Any]:
    return st.ip_addresses(v=version).filter(lambda address: not address.is_unspecified)


def gateways(version: Version) -> st.SearchStrategy[Any]:
    return specified(6 if version == 6 else None)


@st.composite
def metrics(draw: st.DrawFn) -> dict[str, int | str]:
    names = draw(st.sets(st.sampled_from(sorted(METRICS)), max_size=4))
    return {
        name: draw(st.sampled_from(["reno", "cubic", "bbr"]))
        if name == "congctl"
        else draw(st.integers(1, 255))
        for name in sorted(names)
    }


def hops_of(version: Version) -> st.SearchStrategy[list[NextHop]]:
    way = st.tuples(gateways(version), st.none() | interfaces) | st.tuples(st.none(), interfaces)
    hop = st.builds(
        lambda way, weight, onlink, encap: NextHop(
            way[0], way[1], weight, onlink=onlink, encap=encap
        ),
        way,
        st.integers(1, 256),
        st.booleans(),
        st.none() | encaps,
    )
    return st.lists(hop, min_size=1, max_size=HOPS_AT_MOST)


@st.composite
def routes(draw: st.DrawFn, *, told_by_all: bool = False) -> Route:
    """Every shape that can be authored; `told_by_all`: what pyroute2 can pack, too."""
    version: Version = draw(st.sampled_from((4, 6)))
    known = draw(metrics())
    if told_by_all:
        known.pop("fastopen_no_cookie", None)
    said: dict[str, Any] = {
        "table": draw(tables),
        "metric": draw(st.none() | st.integers(0, 2**32 - 1)),
        "source": draw(st.none() | specified(version)),
        "metrics": known,
        "protocol": draw(tags),
    }
    if version == 4:
        said["tos"] = draw(st.integers(0, 255))
        said["scope"] = draw(st.none() | st.integers(0, 255))
    else:
        said["preference"] = draw(st.sampled_from(["low", "medium", "high"]))
    shapes = ["none", "hop", "interface", "multipath", *([] if told_by_all else ["object"])]
    shape = draw(st.sampled_from(shapes))
    said["type"] = draw(types_without if shape == "none" else types_with_way)
    if shape == "hop":
        said["gateway"] = draw(gateways(version))
        said["interface"] = draw(st.none() | interfaces)
        said["onlink"] = draw(st.booleans())
    elif shape == "interface":
        said["interface"] = draw(interfaces)
    elif shape == "multipath":
        said["nexthops"] = draw(hops_of(version))
    elif shape == "object":
        said["nexthop_id"] = draw(st.integers(1, 2**32 - 1))
    if shape in {"hop", "interface"} and not told_by_all:
        said["encap"] = draw(st.none() | encaps)
    if told_by_all:
        said["nexthops"] = [
            NextHop(hop.gateway, hop.interface, hop.weight, onlink=hop.onlink)
            for hop in said.get("nexthops", ())
        ]
    return Route(draw(destinations(version)), **said)


def with_tag(route: Route) -> Route:
    """The same as its source would have it in the kernel."""
    if route.protocol is not None:
        return route
    return codec.decode(codec.encode(route, INDICES, TAG), NAMES)


def from_route(route: Route, *more: bytes) -> bytes:
    return codec.encode(route, INDICES, TAG) + b"".join(more)


@given(routes())
def test_a_route_comes_back_as_it_was_said(route: Route) -> None:
    payload = codec.encode(route, INDICES, TAG)
    seen = codec.decode(payload, NAMES)
    assert seen.protocol == (TAG if route.protocol is None else route.protocol)
    if route.protocol is not None:
        assert seen == route
    assert (seen.prefix, seen.destination) == (route.prefix, route.destination)
    assert seen.unknown == ()
    assert codec.encode(seen, INDICES, 0) == payload
    assert codec.is_ours(payload)


@given(routes())
def test_only_the_destination_differs_between_the_routes_of_one_prefix(route: Route) -> None:
    payload = codec.encode(route, INDICES, TAG)
    prefix, packed, forwarding = codec.forwarding_of(payload, NAMES)
    assert (prefix, packed) == (route.prefix, route.destination.network_address.packed)
    head, tail = codec.template(prefix, forwarding, INDICES, 0)
    assert payload == head + (packed if prefix.length else b"") + tail
    assert codec.network(packed, prefix.length) == route.destination


@needs_newer_pyroute2
@given(routes())
def test_pyroute2_reads_the_same_in_what_we_pack(route: Route) -> None:
    payload = codec.encode(route, INDICES, TAG)
    assert in_words(codec.decode(payload, NAMES)) == by_pyroute2(payload, NAMES)


@needs_newer_pyroute2
@given(routes(told_by_all=True))
def test_we_read_what_pyroute2_packs(route: Route) -> None:
    payload = packed_by_pyroute2(route, INDICES, TAG if route.protocol is None else route.protocol)
    seen = codec.decode(payload, NAMES)
    assert seen == codec.decode(codec.encode(route, INDICES, TAG), NAMES)
    assert seen.unknown == ()


@given(routes(), st.lists(st.tuples(st.integers(32, 0x3FFF), st.binary(max_size=12)), max_size=4))
def test_unknown_attributes_are_kept_and_put_back(
    route: Route, unknown: list[tuple[int, bytes]]
) -> None:
    sent = dict(unknown)
    payload = from_route(route, *(pack_attribute(*each) for each in sent.items()))
    seen = codec.decode(payload, NAMES)
    assert dict(seen.unknown) == sent
    assert codec.encode(seen, INDICES, 0) == payload
    assert seen == with_tag(route)


@given(routes())
def test_a_delete_says_all_that_the_kernel_compares(route: Route) -> None:
    seen = with_tag(route)
    asked = codec.decode(codec.encode_delete(seen, INDICES), NAMES)
    assert asked == seen
    assert asked.protocol == seen.protocol


def test_a_delete_without_a_tag_is_refused() -> None:
    with pytest.raises(ValueError, match=r"protocol: a route of Prefix.* has none"):
        codec.encode_delete(Route("10.0.0.0/8", interface="eth0"), INDICES)


@pytest.mark.parametrize(
    "route",
    [
        Route("10.0.0.0/8", interface="late0"),
        Route("10.0.0.0/8", nexthops=[("10.0.0.1", "eth0"), ("10.0.0.2", "late0")]),
    ],
    ids=["one way", "many ways"],
)
def test_an_interface_that_is_not_there_is_named(route: Route) -> None:
    with pytest.raises(NoInterface, match="late0"):
        codec.encode(route, INDICES, TAG)


def test_an_interface_without_a_name_is_told_by_its_index() -> None:
    payload = codec.encode(Route("10.0.0.0/8", interface="eth0"), INDICES, TAG)
    assert codec.decode(payload, {}).interface == "ifindex/2"


def test_ways_in_another_order_are_the_same_route_and_deleted_in_that_order() -> None:
    ways = [("10.0.0.9", "eth0"), ("10.0.0.1", "eth1")]
    hops = [struct.pack("=HBBI", 16, 16, 0, INDICES[name]) for _, name in ways]
    addresses = [pack_attribute(GATEWAY, bytes(map(int, way.split(".")))) for way, _ in ways]
    multipath = b"".join(map(bytes.__add__, hops, addresses))
    payload = from_route(Route("10.0.0.0/8", type="throw"))
    payload = payload[:7] + b"\1" + payload[8:] + pack_attribute(MULTIPATH, multipath)
    seen = codec.decode(payload, NAMES)
    assert seen.forwarding.nexthops == Route("10.0.0.0/8", nexthops=ways).forwarding.nexthops

    # The kernel takes no flag of a link that is down back.
    alive = multipath.replace(b"\x10\0\x10\0", b"\x10\0\0\0")
    assert pack_attribute(MULTIPATH, alive) in codec.encode_delete(seen, INDICES)
    assert [hop.flags for hop in seen.forwarding.nexthops] == [16, 16]


def test_an_unknown_attribute_of_a_way_is_kept_and_put_back() -> None:
    realm = pack_u32(FLOW, 5)
    gateway = pack_attribute(GATEWAY, bytes([10, 0, 0, 1]))
    hop = struct.pack("=HBBI", 24, 0, 0, 2) + gateway + realm
    bare = from_route(Route("10.0.0.0/8", interface="eth0"))
    seen = codec.decode(bare + pack_attribute(MULTIPATH, hop), NAMES)
    assert seen.forwarding.nexthops == (NextHop("10.0.0.1", "eth0"),)
    assert pack_attribute(MULTIPATH, hop) in codec.encode(seen, INDICES, 0)


def test_a_metric_that_no_name_is_known_of_goes_by_its_number() -> None:
    metrics = pack_nested(METRICS_NUMBER, pack_u32(2, 1400), pack_u32(40, 7))
    payload = from_route(Route("10.0.0.0/8", type="blackhole")) + metrics
    seen = codec.decode(payload, NAMES)
    assert seen.forwarding.metrics == (("metric40", 7), ("mtu", 1400))
    assert codec.decode(codec.encode(seen, INDICES, 0), NAMES) == seen


def test_metrics_that_cannot_be_read_are_kept_whole() -> None:
    metrics = pack_nested(METRICS_NUMBER, pack_attribute(2, b"\1\2"))
    payload = from_route(Route("10.0.0.0/8", type="blackhole")) + metrics
    seen = codec.decode(payload, NAMES)
    assert seen.forwarding.metrics == ()
    assert seen.unknown == ((METRICS_NUMBER, metrics[4:]),)
    assert codec.decode(codec.encode(seen, INDICES, 0), NAMES).unknown == seen.unknown


@given(st.integers(10, 255))
def test_a_type_nobody_knows_goes_by_its_number(number: int) -> None:
    payload = from_route(Route("10.0.0.0/8", interface="eth0"))
    payload = payload[:7] + bytes([number]) + payload[8:]
    seen = codec.decode(payload, NAMES)
    assert seen.type == f"type{number}"
    assert codec.encode(seen, INDICES, 0) == payload


def test_what_a_nexthop_object_says_is_not_the_routes() -> None:
    route = Route("10.0.0.0/8", nexthop_id=7, protocol=TAG)
    shown = from_route(route, pack_attribute(GATEWAY, bytes([10, 0, 0, 1])), pack_u32(OIF, 2))
    assert codec.decode(shown, NAMES) == route
    blackhole = shown[:7] + bytes([ROUTE_TYPES["blackhole"]]) + shown[8:]
    assert codec.decode(blackhole, NAMES) == route


def test_an_ipv6_route_that_leads_nowhere_has_no_interface() -> None:
    route = Route("fd00::/8", type="unreachable", protocol=TAG)
    assert codec.decode(from_route(route, pack_u32(OIF, 1)), NAMES) == route


def test_the_source_of_a_source_specific_route_is_kept_with_its_length() -> None:
    source = pack_attribute(2, bytes([0xFD]) + bytes(15))
    payload = from_route(Route("fd00::/8", interface="eth0"), source)
    payload = payload[:2] + b"\x08" + payload[3:]
    seen = codec.decode(payload, NAMES)
    assert codec.encode(seen, INDICES, 0) == payload
    assert codec.encode_delete(seen, INDICES) == payload


def test_the_table_of_the_attribute_counts() -> None:
    assert codec.decode(from_route(Route("::/0", type="throw", table=1000)), NAMES).table == 1000
    bare = struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 99, TAG, 0, 6, 0)
    assert codec.decode(bare, NAMES).table == 99


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"\2\0\0", "a route of 3 bytes"),
        (struct.pack("=BBBBBBBBI", 28, 0, 0, 0, 0, 0, 0, 1, 0), "address family 28"),
        (struct.pack("=BBBBBBBBI", 2, 33, 0, 0, 0, 0, 0, 1, 0), "destination of 33 bits"),
        (
            struct.pack("=BBBBBBBBI", 2, 8, 0, 0, 0, 0, 0, 1, 0)
            + pack_attribute(DST, bytes([10, 0, 0, 1])),
            "host bits",
        ),
        (
            struct.pack("=BBBBBBBBI", 10, 8, 0, 0, 0, 0, 0, 1, 0)
            + pack_attribute(GATEWAY, bytes(4)),
            "an address of 4 bytes",
        ),
        (
            struct.pack("=BBBBBBBBI", 2, 0, 0, 0, 0, 0, 0, 1, 0)
            + pack_attribute(MULTIPATH, struct.pack("=HBBI", 7, 0, 0, 2)),
            "a nexthop of 7 bytes",
        ),
    ],
)
def test_what_is_malformed_says_why(payload: bytes, why: str) -> None:
    with pytest.raises(NetlinkDecodeError, match=why):
        codec.decode(payload, NAMES)


def test_other_families_are_not_ours() -> None:
    assert not codec.is_ours(bytes([28]) + bytes(11))
    assert not codec.is_ours(b"")


def survives(payload: bytes) -> None:
    """It is refused, or read into no more than it holds, which can be packed and read again."""
    with suppress(NetlinkDecodeError):
        seen = codec.decode(payload, NAMES)
        held = sum(len(value) for _, value in seen.unknown)
        assert held <= len(payload) + 1
        assert len(seen.forwarding.nexthops) <= len(payload) // 8
        indices = INDICES | {f"ifindex/{index}": index for index in indices_in(seen)}
        again = codec.decode(codec.encode(seen, indices, 0), {v: k for k, v in indices.items()})
        assert again == seen
        assert str(seen)


def indices_in(route: Route) -> list[int]:
    ways = [route.forwarding.interface, *(hop.interface for hop in route.forwarding.nexthops)]
    return [int(name[8:]) for name in ways if name is not None and name.startswith("ifindex/")]


@given(st.sampled_from([2, 10]), st.binary(max_size=120))
def test_no_bytes_crash_the_decoder(family: int, rest: bytes) -> None:
    survives(bytes([family]) + rest)


headers = st.tuples(st.sampled_from([2, 10]), *[st.integers(0, 255)] * 7, st.integers(0, 2**32 - 1))


@given(
    headers,
    st.lists(
        st.tuples(st.integers(0, 33), st.sampled_from([0, 1, 2, 4, 6, 8, 16, 18, 20])),
        max_size=8,
    ),
    st.randoms(use_true_random=False),
)
def test_no_attributes_crash_the_decoder(
    header: tuple[int, ...], shapes: list[tuple[int, int]], random: Any
) -> None:
    head = struct.pack("=BBBBBBBBI", *header)
    survives(head + b"".join(pack_attribute(kind, random.randbytes(n)) for kind, n in shapes))


@given(routes(), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4))
def test_no_mutation_crashes_the_decoder(route: Route, changes: list[tuple[int, int]]) -> None:
    payload = bytearray(from_route(route))
    for place, value in changes:
        payload[place % len(payload)] = value
    survives(bytes(payload))


@given(routes(), st.integers(0, 400))
def test_no_cut_crashes_the_decoder(route: Route, length: int) -> None:
    survives(from_route(route)[:length])


@pytest.mark.parametrize("family", [4, 6])
def test_a_dump_is_asked_for_with_its_filters(family: int) -> None:
    asked = codec.dump_request(family, table=1000, protocol=TAG)
    number = 2 if family == 4 else 10
    assert asked[:12] == struct.pack("=BBBBBBBBI", number, 0, 0, 0, 0, TAG, 0, 0, 0)
    assert asked[12:] == pack_u32(TABLE, 1000)
    assert codec.dump_request(family) == bytes([number]) + bytes(11)
