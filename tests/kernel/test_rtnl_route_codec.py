from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any

import anyio.to_thread
import pytest
from attrs import evolve, frozen

from linx_async._core.errors import OpError
from linx_async._kernel.netlink import Flag, Message, attribute_map
from linx_async._kernel.netns import NetworkNamespace
from linx_async._kernel.socket import NetlinkSocket
from linx_async.rtnl.codec import route as codec
from linx_async.rtnl.codec.wire import Type
from linx_async.rtnl.desired import Forwarding, Route
from linx_async.testing.namespaces import Namespaces, can_make_links
from tests.pyroute2_version import needs_newer_pyroute2
from tests.routes import by_pyroute2, in_words

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not can_make_links(), reason="iproute2 is not here, or makes no links"),
]

OURS, FOREIGN = 76, 4
EXCLUSIVE = Flag.CREATE | Flag.EXCL
APPENDED = Flag.CREATE | Flag.APPEND
IFNAME, IFINFOMSG = 3, 16

LINKS = """
link add name v0 type veth peer name v1
link set v0 up
link set v1 up
address add 10.0.0.1/24 dev v0
address add 10.1.0.1/24 dev v1
address add fd00::1/64 dev v0 nodad
address add fd01::1/64 dev v1 nodad
nexthop add id 5 via 10.0.0.2 dev v0
nexthop add id 6 blackhole
nexthop add id 7 via fd00::2 dev v0
nexthop add id 10 group 5
nexthop add id 11 group 7
"""

KNOWN: dict[str, int | str] = {
    "mtu": 1400,
    "advmss": 1300,
    "hoplimit": 60,
    "initcwnd": 20,
    "initrwnd": 30,
    "window": 9000,
    "congctl": "reno",
    "quickack": 1,
    "lock": 4,
}

SHAPES: Mapping[str, Route] = {
    "gateway": Route("192.0.2.0/24", "10.0.0.2", "v0"),
    "interface": Route("192.0.2.0/24", interface="v0"),
    "host": Route("192.0.2.1", "10.0.0.2", "v0"),
    "default": Route("default", "10.0.0.2", "v0"),
    "metric": Route("192.0.2.0/24", "10.0.0.2", "v0", metric=500),
    "tos": Route("192.0.2.0/24", "10.0.0.2", "v0", tos=0x10),
    "table": Route("192.0.2.0/24", "10.0.0.2", "v0", table=200),
    "high table": Route("192.0.2.0/24", "10.0.0.2", "v0", table=4_000_000_000),
    "highest metric": Route("192.0.2.0/24", "10.0.0.2", "v0", metric=2**32 - 1),
    "source": Route("192.0.2.0/24", "10.0.0.2", "v0", source="10.1.0.1"),
    "scope": Route("192.0.2.0/24", interface="v0", scope="global"),
    "via IPv6": Route("192.0.2.0/24", "fd00::2", "v0"),
    "on-link": Route("192.0.2.0/24", "203.0.113.1", "v0", onlink=True),
    "metrics": Route("192.0.2.0/24", "10.0.0.2", "v0", metrics=KNOWN),
    "blackhole": Route("192.0.2.0/24", type="blackhole"),
    "unreachable": Route("192.0.2.0/24", type="unreachable", metric=7),
    "prohibit": Route("192.0.2.0/24", type="prohibit", table=300),
    "throw": Route("192.0.2.0/24", type="throw"),
    "local": Route("192.0.2.1", interface="v0", type="local", table="local"),
    "broadcast": Route("192.0.2.255", interface="v0", type="broadcast", table="local"),
    "anycast": Route("192.0.2.5", interface="v0", type="anycast"),
    "multicast": Route("232.0.0.0/8", interface="v0", type="multicast"),
    "multipath": Route(
        "192.0.2.0/24", nexthops=[("10.1.0.2", "v1", 256), ("10.0.0.2", "v0", 3), (None, "v0")]
    ),
    "multipath of both": Route("192.0.2.0/24", nexthops=[("fd00::2", "v0"), ("10.1.0.2", "v1")]),
    "multipath on-link": Route(
        "192.0.2.0/24",
        nexthops=[
            {"gateway": "203.0.113.1", "interface": "v0", "onlink": True},
            {"gateway": "10.1.0.2", "interface": "v1"},
        ],
        metrics={"mtu": 1300},
        source="10.0.0.1",
    ),
    "nexthop": Route("192.0.2.0/24", nexthop_id=5),
    "nexthop blackhole": Route("192.0.2.0/24", nexthop_id=6),
    "nexthop group": Route("192.0.2.0/24", nexthop_id=10),
    "6 gateway": Route("2001:db8::/32", "fd00::2", "v0"),
    "6 interface": Route("2001:db8::/32", interface="v0"),
    "6 host": Route("2001:db8::1", "fd00::2", "v0"),
    "6 default": Route("default", "fd00::2", "v0"),
    "6 link-local": Route("2001:db8::/32", "fe80::2", "v0"),
    "6 metric": Route("2001:db8::/32", "fd00::2", "v0", metric=5),
    "6 table": Route("2001:db8::/32", "fd00::2", "v0", table=200),
    "6 high table": Route("2001:db8::/32", "fd00::2", "v0", table=4_000_000_000),
    "6 source": Route("2001:db8::/32", "fd00::2", "v0", source="fd01::1"),
    "6 on-link": Route("2001:db8::/32", "2001:db8:1::1", "v0", onlink=True),
    "6 low": Route("2001:db8::/32", "fd00::2", "v0", preference="low"),
    "6 high": Route("2001:db8::/32", "fd00::2", "v0", preference="high"),
    "6 metrics": Route("2001:db8::/32", "fd00::2", "v0", metrics=KNOWN),
    "6 blackhole": Route("2001:db8::/32", type="blackhole"),
    "6 unreachable": Route("2001:db8::/32", type="unreachable", metric=7),
    "6 prohibit": Route("2001:db8::/32", type="prohibit", table=300),
    "6 throw": Route("2001:db8::/32", type="throw"),
    "6 local": Route("2001:db8::1", interface="v0", type="local", table="local"),
    "6 anycast": Route("2001:db8::5", interface="v0", type="anycast"),
    "6 multicast": Route("ff15::/16", interface="v0", type="multicast"),
    "6 multipath": Route(
        "2001:db8::/32", nexthops=[("fd01::2", "v1", 256), ("fd00::2", "v0", 3), ("fd00::3", "v0")]
    ),
    "6 multipath on-link": Route(
        "2001:db8::/32",
        nexthops=[
            {"gateway": "2001:db8:1::1", "interface": "v0", "onlink": True},
            {"gateway": "fd01::2", "interface": "v1"},
        ],
        metrics={"mtu": 1300},
    ),
    "6 nexthop": Route("2001:db8::/32", nexthop_id=7),
    "6 nexthop blackhole": Route("2001:db8::/32", nexthop_id=9),
    "6 nexthop group": Route("2001:db8::/32", nexthop_id=11),
}

FROM_IP = """
route add 192.0.2.0/24 via 10.0.0.2 table 1000 metric 5 proto 76 mtu 1400 advmss 1300
route add 192.0.3.0/24 proto 76 nexthop via 10.1.0.2 weight 5 nexthop via 10.0.0.2 weight 256
route add 192.0.4.0/24 via inet6 fd00::2 dev v0 src 10.1.0.1
route add 192.0.5.0/24 nhid 5
route add 192.0.6.0/24 nhid 6
route add 192.0.7.0/24 nexthop via inet6 fd00::2 dev v0 nexthop via 203.0.113.9 dev v1 onlink
route add 192.0.8.0/24 dev v0 tos 0x10 congctl reno initcwnd 10 quickack 1 rto_min 20ms
route add throw 192.0.9.0/24
route add prohibit 192.0.10.0/24 metric 3
route add multicast 232.0.0.0/8 dev v0
route add default via 10.0.0.2
-6 route add 2001:db8::/32 via fd00::2 proto 76 hoplimit 255
-6 route append 2001:db8::/32 via fd00::3 proto 4
-6 route add blackhole 2001:db9::/32 metric 4
-6 route add 2001:dba::/32 nhid 7 pref high
-6 route add 2001:dbb::/32 nhid 11
-6 route add 2001:dbc::/32 nexthop via fd00::2 weight 7 nexthop via fe80::9 dev v1
-6 route add default via fe80::2 dev v0 src fd00::1
-6 route add anycast 2001:dbd::1 dev v0
"""

ENCAPS = {
    "ip": "192.0.2.0/24 encap ip id 5 dst 10.0.0.9 dev v0",
    "ip6": "192.0.2.0/24 encap ip6 dst fd00::9 dev v0",
    "mpls": "192.0.2.0/24 encap mpls 20 via 10.0.0.2",
    "seg6": "192.0.2.0/24 encap seg6 mode encap segs fd00::9 dev v0",
    "seg6 of IPv6": "2001:db8::/32 encap seg6 mode encap segs fd00::9 dev v0",
    "seg6local": "2001:db8::/32 encap seg6local action End dev v0",
    "rpl": "2001:db8::/32 encap rpl segs fd00::9 dev v0",
    "in a multipath route": "192.0.2.0/24 nexthop encap ip6 dst fd00::8 dev v0"
    " nexthop encap ip6 dst fd00::9 dev v0",
}


@frozen
class Tables:
    """The routing tables of a namespace of its own."""

    box: Namespaces
    sock: NetlinkSocket
    names: Mapping[int, str]

    @property
    def indices(self) -> dict[str, int]:
        return {name: index for index, name in self.names.items()}

    async def ip(self, line: str) -> None:
        await anyio.to_thread.run_sync(partial(self.box.run, ["ip", *line.split()]))

    async def add(self, route: Route, flags: int = EXCLUSIVE) -> None:
        payload = codec.encode(route, self.indices, OURS)
        await self.sock.request(Type.NEWROUTE, flags, payload, key=route.key)

    async def delete(self, route: Route) -> None:
        payload = codec.encode_delete(route, self.indices)
        await self.sock.request(Type.DELROUTE, 0, payload, key=route.key)

    async def dumped(self, **filters: int) -> list[bytes]:
        return [
            message.payload
            for family in (4, 6)
            for message in await self.sock.request(
                Type.GETROUTE, Flag.DUMP, codec.dump_request(family, **filters), key="routes"
            )
        ]

    async def shown(self, **filters: int) -> list[Route]:
        return [codec.decode(payload, self.names) for payload in await self.dumped(**filters)]

    async def refused(self, route: Route) -> int | None:
        """The errno that a deletion gives; 0 if the kernel did it."""
        try:
            await self.delete(route)
        except OpError as error:
            return error.errno
        return 0


def owned(route: Route, protocol: int, **changed: Any) -> Route:
    """The same route with a tag, and perhaps another prefix."""
    does = evolve(route.forwarding, protocol=protocol)
    prefix = route.prefix._replace(**changed)
    return Route.of(route.destination, prefix.table, prefix.metric, prefix.tos, does)


def name_of(link: Message) -> tuple[int, str]:
    name = attribute_map(link.payload, IFINFOMSG)[IFNAME].rstrip(b"\0").decode()
    return int.from_bytes(link.payload[4:8], sys.byteorder), name


@pytest.fixture
async def tables(box: Namespaces) -> AsyncIterator[Tables]:
    def prepare() -> None:
        box.run(["ip", "-batch", "-"], input=LINKS)
        box.run(["ip", "-6", "nexthop", "add", "id", "9", "blackhole"])

    await anyio.to_thread.run_sync(prepare)
    target = await anyio.to_thread.run_sync(NetworkNamespace.of_pid(box.pid).open)
    try:
        async with await NetlinkSocket.open(opener=target.call) as sock:
            links = await sock.request(Type.GETLINK, Flag.DUMP, bytes(IFINFOMSG), key="links")
            names = dict(map(name_of, links))
            yield Tables(box, sock, names)
    finally:
        target.close()


@needs_newer_pyroute2
async def test_what_is_shown_is_what_pyroute2_reads(tables: Tables) -> None:
    for line in FROM_IP.strip().splitlines():
        await tables.ip(line)
    payloads = await tables.dumped()
    assert len(payloads) > len(FROM_IP.strip().splitlines())
    for payload in payloads:
        assert codec.is_ours(payload)
        assert in_words(codec.decode(payload, tables.names)) == by_pyroute2(payload, tables.names)


async def test_every_shape_is_taken_shown_alike_and_deleted(tables: Tables) -> None:
    before = await tables.shown()
    for shape, route in SHAPES.items():
        await tables.add(route)
        assert (shape, await tables.shown(protocol=OURS)) == (shape, [owned(route, OURS)])
        (seen,) = await tables.shown(protocol=OURS, table=route.table)
        assert (shape, seen.unknown) == (shape, ())
        await tables.delete(seen)
        assert (shape, await tables.shown()) == (shape, before)


async def test_what_was_shown_is_taken_again(tables: Tables) -> None:
    for shape, route in SHAPES.items():
        await tables.add(route)
        (seen,) = await tables.shown(protocol=OURS)
        await tables.delete(seen)
        await tables.add(seen)
        assert (shape, await tables.shown(protocol=OURS)) == (shape, [seen])
        await tables.delete(seen)


async def test_a_delete_with_another_tag_finds_nothing(tables: Tables) -> None:
    for shape, route in SHAPES.items():
        await tables.add(route)
        assert (shape, await tables.refused(owned(route, FOREIGN))) == (shape, errno.ESRCH)
        await tables.delete(owned(route, OURS))
        assert (shape, await tables.refused(owned(route, OURS))) == (shape, errno.ESRCH)


async def test_a_foreign_twin_stays_when_ours_is_deleted(tables: Tables) -> None:
    for shape, route in SHAPES.items():
        # To IPv6 one way is one route, whosever it is, until the metric differs.
        other = {} if route.family == 4 else {"metric": route.metric - 1}
        twin = owned(route, FOREIGN, **other)
        await tables.add(twin)
        await tables.add(owned(route, OURS), APPENDED)
        await tables.delete(owned(route, OURS))
        assert (shape, await tables.shown(protocol=OURS)) == (shape, [])
        assert (shape, twin in await tables.shown(protocol=FOREIGN)) == (shape, True)
        await tables.delete(twin)


CHANGES: Mapping[str, tuple[Route, Route]] = {
    "type": (SHAPES["blackhole"], SHAPES["throw"]),
    "gateway": (SHAPES["gateway"], Route("192.0.2.0/24", "10.0.0.3", "v0")),
    "interface": (SHAPES["interface"], Route("192.0.2.0/24", interface="v1")),
    "source": (SHAPES["source"], Route("192.0.2.0/24", "10.0.0.2", "v0", source="10.0.0.1")),
    "scope": (SHAPES["scope"], SHAPES["interface"]),
    "metrics": (SHAPES["metrics"], SHAPES["gateway"]),
    "multipath": (
        SHAPES["multipath"],
        Route("192.0.2.0/24", nexthops=[("10.1.0.2", "v1"), ("10.0.0.3", "v0")]),
    ),
    "nexthop": (SHAPES["nexthop"], SHAPES["nexthop blackhole"]),
    "no nexthop": (SHAPES["nexthop"], SHAPES["gateway"]),
    "6 type": (SHAPES["6 blackhole"], SHAPES["6 interface"]),
    "6 gateway": (SHAPES["6 gateway"], Route("2001:db8::/32", "fd00::3", "v0")),
    "6 interface": (SHAPES["6 interface"], Route("2001:db8::/32", interface="v1")),
    "6 multipath": (
        SHAPES["6 multipath"],
        Route("2001:db8::/32", nexthops=[("fd01::3", "v1"), ("fd00::4", "v0")]),
    ),
    "6 nexthop": (SHAPES["6 nexthop"], SHAPES["6 gateway"]),
}


async def test_what_became_another_route_is_not_deleted(tables: Tables) -> None:
    for change, (was, is_now) in CHANGES.items():
        await tables.add(is_now)
        assert (change, await tables.refused(owned(was, OURS))) == (change, errno.ESRCH)
        assert (change, await tables.shown(protocol=OURS)) == (change, [owned(is_now, OURS)])
        await tables.delete(owned(is_now, OURS))


async def test_a_foreign_way_that_joined_an_ipv6_route_stays(tables: Tables) -> None:
    ours = Route("2001:db8::/32", "fd00::2", "v0", protocol=OURS)
    foreign = Route("2001:db8::/32", "fd00::3", "v0", protocol=FOREIGN)
    await tables.add(ours)
    await tables.add(foreign, APPENDED)
    await tables.delete(ours)
    assert await tables.shown(protocol=OURS) == []
    assert foreign in await tables.shown(protocol=FOREIGN)


async def test_a_taken_key_is_refused(tables: Tables) -> None:
    for route in (SHAPES["gateway"], SHAPES["6 gateway"]):
        await tables.add(owned(route, FOREIGN))
        with pytest.raises(OpError) as taken:
            await tables.add(route)
        assert taken.value.errno == errno.EEXIST


async def test_an_ipv6_route_without_a_metric_reads_back_1024(tables: Tables) -> None:
    route = SHAPES["6 gateway"]
    head, tail = codec.template(
        route.prefix._replace(metric=0), route.forwarding, tables.indices, OURS
    )
    payload = head + route.destination.network_address.packed + tail
    await tables.sock.request(Type.NEWROUTE, EXCLUSIVE, payload)
    assert await tables.shown(protocol=OURS) == [owned(route, OURS)]
    assert (await tables.shown(protocol=OURS))[0].metric == 1024


async def test_ways_are_deleted_in_the_order_they_were_given(tables: Tables) -> None:
    await tables.ip("route add 192.0.2.0/24 proto 76 nexthop via 10.1.0.2 nexthop via 10.0.0.2")
    (seen,) = await tables.shown(protocol=OURS)
    declared = Route(
        "192.0.2.0/24", nexthops=[("10.1.0.2", "v1"), ("10.0.0.2", "v0")], protocol=OURS
    )
    assert seen == declared
    assert await tables.refused(declared) == errno.ESRCH
    await tables.delete(seen)
    assert await tables.shown(protocol=OURS) == []


@pytest.mark.parametrize(
    "line",
    [
        "route add 192.0.2.0/24 dev v0 realm 5 proto 76",
        "route add 192.0.2.0/24 proto 76 nexthop via 10.0.0.2 realm 4 nexthop via 10.1.0.2",
        "-6 route add 2001:db8::/32 from fd20::/64 dev v0 proto 76",
    ],
    ids=["realm", "realm of a way", "source-specific"],
)
async def test_what_is_not_known_is_put_back(tables: Tables, line: str) -> None:
    await tables.ip(line)
    (before,) = await tables.dumped(protocol=OURS)
    seen = codec.decode(before, tables.names)
    assert seen.unknown
    await tables.delete(seen)
    assert await tables.dumped(protocol=OURS) == []
    await tables.add(seen)
    assert await tables.dumped(protocol=OURS) == [before]


async def test_a_source_specific_route_goes_without_its_wider_twin(tables: Tables) -> None:
    await tables.add(SHAPES["6 interface"])
    await tables.ip("-6 route add 2001:db8::/32 from fd20::/64 dev v0 proto 76")
    narrow = [route for route in await tables.shown(protocol=OURS) if route.unknown]
    assert len(narrow) == 1
    await tables.delete(narrow[0])
    assert await tables.shown(protocol=OURS) == [owned(SHAPES["6 interface"], OURS)]


@pytest.mark.parametrize("kind", ENCAPS)
async def test_an_encapsulation_is_kept_as_it_is(tables: Tables, kind: str) -> None:
    try:
        await tables.ip(f"route add proto 76 {ENCAPS[kind]}")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"encapsulation {kind}: {error.stderr.strip()}")
    (before,) = await tables.dumped(protocol=OURS)
    seen = codec.decode(before, tables.names)
    assert any(way.encap for way in ways_of(seen.forwarding))
    assert seen.unknown == ()
    await tables.delete(seen)
    await tables.add(seen)
    assert await tables.dumped(protocol=OURS) == [before]


def ways_of(does: Forwarding) -> list[Any]:
    return [does, *does.nexthops]


@pytest.mark.parametrize("name", ["mtu", "advmss", "hoplimit"])
@pytest.mark.parametrize("make", [partial(Route, "192.0.2.0/24"), partial(Route, "2001:db8::/32")])
async def test_the_highest_metric_is_shown_as_it_was_said(
    tables: Tables, make: Callable[..., Route], name: str
) -> None:
    highest = {"mtu": 65520, "advmss": 65495, "hoplimit": 255}[name]
    route = make(interface="v0", metrics={name: highest})
    await tables.add(route)
    assert await tables.shown(protocol=OURS) == [owned(route, OURS)]
