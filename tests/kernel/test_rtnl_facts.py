"""What the kernel does with rtnetlink that nobody would think, and that we are safe from it."""

from __future__ import annotations

import errno
import socket
import struct
import sys
from contextlib import closing
from ipaddress import ip_address
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from linx_async import Loop, OpError, Ownership, ScopeGone, rtnl
from linx_async._kernel.exchange import acknowledgement
from linx_async._kernel.netlink import Control, Flag, Message, attribute_map, pack_message, split
from linx_async._kernel.netlink_open import open_socket
from linx_async.rtnl import (
    Address,
    Desired,
    DesiredLike,
    Link,
    Neighbour,
    Nexthop,
    Observed,
    Route,
    RtnlOp,
    Rule,
    listening,
)
from linx_async.rtnl.codec import address as address_codec
from linx_async.rtnl.codec.route_encode import dump_request, encode
from linx_async.rtnl.codec.wire import Type
from linx_async.testing.namespaces import Namespaces, throwaway
from tests.kernel.netbox import MAC, Net, has_pyroute2, net, other, settles
from tests.kernel.sysctls import PATIENCE, running, until

__all__ = ["net", "other"]

pytestmark = pytest.mark.anyio

LINKS, NEIGHBOURS, IPV4_ADDRESSES, IPV4_ROUTES = 1, 3, 5, 7  # RTNLGRP_*
IFNAME = 3  # IFLA_IFNAME
EXCLUSIVE = int(Flag.CREATE | Flag.EXCL)
ROUTE = ("192.0.2.0/24", "10.0.0.2", "one")
SHOWN = "route show 192.0.2.0/24"


def many_routes(number: int) -> str:
    """Lines for `ip -batch`."""
    return "\n".join(
        f"route add 198.18.{n // 256}.{n % 256} via 10.0.0.2 dev one proto static"
        for n in range(number)
    )


async def indices(net: Net) -> dict[str, int]:
    found = await net.inside(socket.if_nameindex)
    return {name: index for index, name in found}


# Link down


async def test_a_link_that_goes_down_takes_its_ipv4_routes_and_announces_none(net: Net) -> None:
    await net.ip("route add 192.0.2.0/24 via 10.0.0.2 dev one")
    async with net.socket(IPV4_ROUTES) as routes, net.socket(LINKS) as links:
        await net.ip("link set one down", "route add 203.0.113.0/24 dev lo")
        assert not await net.has(SHOWN)
        heard = await routes.receive()
        assert [message.type for message in heard] == [Type.NEWROUTE]
        assert socket.inet_aton("203.0.113.0") in heard[0].payload
        assert Type.NEWLINK in {message.type for message in await links.receive()}


async def test_a_loop_puts_them_back_once_the_link_is_up_again(net: Net) -> None:
    loop = net.loop({"routes": [ROUTE]})
    async with running(loop) as reports:
        await net.ip("link set one down", "link set one up")
        await settles(reports, lambda: net.has(SHOWN))


async def test_and_where_the_link_is_declared_to_be_up_at_once(net: Net) -> None:
    loop = net.loop({"links": [{"name": "one", "up": True}], "routes": [ROUTE]})
    async with running(loop) as reports:
        await net.ip("link set one down")
        await settles(reports, lambda: net.has(SHOWN))


# What changes on a link that is down


async def test_most_of_what_is_set_on_a_link_that_is_down_is_not_announced(net: Net) -> None:
    """netdev_state_change() in net/core/dev.c tells of links that are up alone."""
    await net.ip("link add br0 type bridge")
    async with net.socket(LINKS) as told:
        await net.ip("link set br0 group 7", "link set br0 type bridge forward_delay 900")
        await net.ip("link set lo mtu 1400")
        assert {attribute_map(m.payload, 16)[IFNAME] for m in await told.receive()} == {b"lo\0"}


async def test_the_resync_finds_it(net: Net) -> None:
    desired = Desired(links=[Link("br0", "bridge", group=3)])
    async with running(eager(net, desired)) as reports:
        await net.ip("link set br0 group 7")

        async def is_back() -> bool:
            (found,) = await net.shown("link show br0")
            return bool(found["group"] == "3")

        await settles(reports, is_back)


# Proxies


PROXY = "neighbour add proxy fd00::9 dev one"


async def test_a_proxy_is_not_announced(net: Net) -> None:
    async with net.socket(NEIGHBOURS) as told:
        await net.ip(PROXY, PROXY.replace("add", "del"))
        await net.ip(f"neighbour add fd00::8 lladdr {MAC} dev one nud permanent")
        (message,) = await told.receive()
        assert ip_address("fd00::8").packed in message.payload


async def test_but_the_resync_puts_it_back(net: Net) -> None:
    desired = Desired(neighbours=[Neighbour("one", "fd00::9", proxy=True)])
    async with running(eager(net, desired)) as reports:
        await net.ip(PROXY.replace("add", "del"))
        await settles(reports, lambda: net.has("-6 neighbour show proxy"))


def eager(net: Net, desired: Desired) -> Loop[DesiredLike, Observed, RtnlOp]:
    """A loop that looks without having been told."""
    return Loop(rtnl.Source(net.scope), desired, interval=0.05, debounce=0)


# Replace


async def test_a_replace_takes_over_what_another_had(net: Net) -> None:
    await net.ip("route add 192.0.2.0/24 via 10.0.0.3 dev one proto static")
    await net.ip("route replace 192.0.2.0/24 via 10.0.0.2 dev one proto 76")
    (found,) = await net.shown(SHOWN)
    assert (found["protocol"], found["gateway"]) == ("76", "10.0.0.2")


async def test_we_never_do_so_even_where_it_comes_after_we_looked(net: Net) -> None:
    desired = Desired(routes=[ROUTE])
    async with rtnl.Source(net.scope) as source:
        observed = await source.observe(desired, Ownership())
        plan = source.diff(desired, observed, Ownership())
        await net.ip("route add 192.0.2.0/24 via 10.0.0.3 dev one proto static")
        (outcome,) = await source.apply(plan.ops)
    assert "protocol 4 (static) has 192.0.2.0/24" in outcome.conflict
    (found,) = await net.shown(SHOWN)
    assert (found["protocol"], found["gateway"]) == ("static", "10.0.0.3")


# The metric of IPv6 routes


async def test_an_ipv6_route_without_a_metric_has_1024(net: Net) -> None:
    await net.ip("route add 2001:db8::/64 via fd00::2 dev one")
    (found,) = await net.shown("-6 route show 2001:db8::/64")
    assert found["metric"] == 1024


async def test_a_second_pass_leaves_an_ipv6_route_without_a_metric_alone(net: Net) -> None:
    desired = {"routes": [("2001:db8::/64", "fd00::2", "one")]}
    assert len((await net.converges(desired)).applied) == 1
    assert (await net.observed()).routes.table()
    (found,) = await net.shown("-6 route show 2001:db8::/64")
    assert found["metric"] == 1024


# Primary addresses


async def test_the_primary_address_takes_its_secondaries_along_and_it_seems_ours(
    net: Net,
) -> None:
    await net.ip("address add 10.1.0.1/24 dev one", "address add 10.1.0.2/24 dev one")
    async with net.socket(IPV4_ADDRESSES) as told, net.socket() as sock:
        payload = address_codec.encode_delete(Address("one", "10.1.0.1/24"), await indices(net))
        await sock.request(Type.DELADDR, 0, payload)
        assert not await net.has("address show one to 10.1.0.0/24")
        messages: list[Message] = []
        while len(messages) < 2:
            messages += await told.receive()
        assert [message.type for message in messages] == [Type.DELADDR] * 2
        assert {message.pid for message in messages} == {sock.port}


async def test_we_leave_a_primary_address_to_the_foreign_secondaries_it_has(net: Net) -> None:
    await net.converges({"addresses": [("one", "10.1.0.1", 24)]})
    await net.ip("address add 10.1.0.2/24 dev one")
    report = await net.reconcile({})
    assert [each.key for each in report.conflicts] == ["address 10.1.0.1/24 on one"]
    assert await net.has("address show one to 10.1.0.2")


# Indices


async def test_another_link_can_have_the_index_of_one_that_went(net: Net) -> None:
    before = (await indices(net))["one"]
    await net.ip("link del one", f"link add new index {before} type bridge")
    assert (await indices(net))["new"] == before


async def test_a_link_with_the_index_of_one_of_ours_is_not_taken_for_it(net: Net) -> None:
    made = await net.converges({"links": [("ours", "bridge")]})
    index = made.last_applied["link ours"].settled
    await net.ip("link del ours", f"link add foreign index {index} type bridge")
    await net.converges({}, last_applied=made.last_applied)
    assert await net.has("link show foreign")


# Tags

TAGGED = Desired(
    addresses=[Address("one", "10.1.0.1/24"), Address("one", "fd01::1/64", nodad=True)],
    routes=[ROUTE],
    rules=[Rule(1000, 100)],
    neighbours=[Neighbour("one", "10.0.0.9", MAC), Neighbour("one", "fd00::9", proxy=True)],
    nexthops=[Nexthop(5, "10.0.0.2", "one")],
)


async def test_all_but_links_keep_the_tag_that_they_were_given(net: Net) -> None:
    await net.converges(TAGGED)
    found = await net.observed()
    tagged: list[Any] = [*found.addresses, *found.rules, *found.neighbours, *found.nexthops]
    ours = {each.key for each in tagged if each.protocol == rtnl.PROTOCOL}
    wanted: list[Any] = [*TAGGED.addresses, *TAGGED.rules, *TAGGED.neighbours, *TAGGED.nexthops]
    assert ours == {each.key for each in wanted}
    assert len(found.routes.table()) == 1


async def test_so_ownership_needs_no_record_but_for_links(net: Net) -> None:
    report = await net.converges(TAGGED)
    assert dict(report.last_applied) == {}
    gone = await net.converges({})
    assert len(gone.applied) == len(report.applied) == 7


# Tentative addresses


async def test_a_route_with_a_tentative_source_is_refused(net: Net) -> None:
    new = await net.without_carrier()
    await net.ip(f"address add fd02::1/64 dev {new}")
    (found,) = await net.shown(f"-6 address show {new} tentative")
    assert found
    with pytest.raises(OpError) as refused:
        await add_route(net, Route("2001:db8::/64", "fd02::2", new, source="fd02::1"))
    assert refused.value.errno == errno.EINVAL


async def test_we_wait_for_it(net: Net) -> None:
    new = await net.without_carrier()
    await net.ip(f"address add fd02::1/64 dev {new}")
    route = Route("2001:db8::/64", "fd02::2", new, source="fd02::1")
    report = await net.reconcile({"routes": [route]})
    assert report.failed == ()
    assert [each.key for each in report.waiting] == [route.key]


async def test_a_failed_duplicate_detection_is_final_and_told(net: Net) -> None:
    loop = net.loop({"addresses": [("two", "fd00::1", 64)]})
    async with running(loop) as reports:
        await until(reports, lambda report: bool(report.failed))
        (found,) = await net.shown("-6 address show two dadfailed")
        assert found["addr_info"][0]["local"] == "fd00::1"
        (failure,) = (await loop.reconcile()).failed
        assert "another host has it" in str(failure)


async def add_route(net: Net, route: Route) -> None:
    async with net.socket() as sock:
        payload = encode(route, await indices(net), 4)
        await sock.request(Type.NEWROUTE, EXCLUSIVE, payload, key=route.key)


# pyroute2's sockets


@pytest.fixture
def alone() -> Any:
    """A process with a /run of its own."""
    with throwaway("net", "mount") as box:
        yield box


IN_A_LOOP = """
import asyncio, pyroute2
async def main():
    with pyroute2.IPRoute() as ip:
        list(ip.get_links())
asyncio.run(main())
"""
TYPO = "import pyroute2; pyroute2.IPRoute(netns='typo').close()"


@has_pyroute2
def test_a_sync_call_of_pyroute2_raises_in_a_running_loop(alone: Namespaces) -> None:
    done = alone.run([sys.executable, "-c", IN_A_LOOP], check=False)
    assert done.returncode
    assert "RuntimeError" in done.stderr


async def test_our_sockets_work_in_any_loop(net: Net) -> None:
    assert {"lo", "one", "two"} <= (await net.observed()).links.keys()


@has_pyroute2
def test_pyroute2_makes_the_namespace_of_a_name_with_a_typo(alone: Namespaces) -> None:
    alone.run([sys.executable, "-c", TYPO], check=False)
    assert "typo" in alone.run(["ls", "/run/netns"]).stdout


async def test_we_say_that_it_is_not_there() -> None:
    with pytest.raises(ScopeGone, match="typo"):
        await rtnl.reconcile({}, scope="typo")
    assert not await anyio.Path("/run/netns/typo").exists()


# Dumps


async def test_a_dump_of_a_table_that_is_not_there_ends_in_enoent(net: Net) -> None:
    def ask() -> tuple[int, int]:
        with closing(bare()) as sock:
            dump = pack_message(Type.GETROUTE, DUMP, 1, dump_request(4, table=12345))
            sock.send(dump)
            (end,) = split(sock.recv(65536))
            return end.type, struct.unpack_from("=i", end.payload)[0]

    assert await net.inside(ask) == (Control.DONE, -errno.ENOENT)


async def test_and_is_an_empty_one_to_us(net: Net) -> None:
    await net.converges({"routes": [{"destination": "192.0.2.0/24", "interface": "one"}]})
    await net.converges(
        {"routes": [{"destination": "192.0.2.0/24", "interface": "one", "table": 12345}]}
    )


DUMP = int(Flag.REQUEST | Flag.DUMP)


def bare() -> socket.socket:
    sock = open_socket()
    sock.settimeout(PATIENCE)
    return sock


async def test_a_second_dump_while_one_is_not_read_is_refused_with_ebusy(net: Net) -> None:
    await anyio.to_thread.run_sync(net.prepare, many_routes(2000))

    def ask() -> list[tuple[int, int]]:
        refused = []
        with closing(bare()) as sock:
            for seq in (1, 2):
                sock.send(pack_message(Type.GETROUTE, DUMP, seq, dump_request(4, table=254)))
            while True:
                for message in split(sock.recv(65536)):
                    if message.type == Control.ERROR and (why := acknowledgement(message)):
                        refused.append((message.seq, why.errno))
                    if message.type == Control.DONE:
                        return refused

    assert await net.inside(ask) == [(2, errno.EBUSY)]


@pytest.mark.parametrize("turns", range(0, 12, 2))
async def test_a_look_that_was_cut_short_does_not_spoil_the_next(net: Net, turns: int) -> None:
    await anyio.to_thread.run_sync(net.prepare, many_routes(2000).replace("static", "76"))
    async with rtnl.Source(net.scope) as source:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tg:
                tg.start_soon(source.observe, {}, Ownership())
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                scope.cancel()
        observed = await source.observe({}, Ownership())
        assert len(observed.routes.table()) == 2000


async def test_a_dump_of_an_unchanged_table_with_one_number_is_the_same_bytes(net: Net) -> None:
    await anyio.to_thread.run_sync(net.prepare, many_routes(2000))

    def ask() -> set[bytes]:
        with closing(bare()) as sock:
            return {whole(sock, 7) for _ in range(3)}

    def whole(sock: socket.socket, seq: int) -> bytes:
        sock.send(pack_message(Type.GETROUTE, DUMP, seq, dump_request(4, table=254)))
        data = b""
        while True:
            part = sock.recv(65536)
            data += part
            if any(message.type == Control.DONE for message in split(part)):
                return data

    (data,) = await net.inside(ask)
    assert len(list(split(data))) > 2000


# Changes


async def test_refusals_come_unasked_with_their_number_and_stop_nothing_after_them(
    net: Net,
) -> None:
    there = await indices(net)
    routes = [
        Route("192.0.2.0/28", "10.0.0.2", "one"),
        Route("192.0.2.16/28", "203.0.113.9", "one"),
        Route("192.0.2.0/28", "10.0.0.2", "one"),
        Route("192.0.2.32/28", "10.0.0.2", "one"),
    ]

    def send() -> list[tuple[int, int]]:
        with closing(bare()) as sock:
            sock.send(
                b"".join(
                    pack_message(
                        Type.NEWROUTE,
                        EXCLUSIVE | Flag.REQUEST | (Flag.ACK if seq == 13 else 0),
                        seq,
                        encode(route, there, 4),
                    )
                    for seq, route in enumerate(routes, 10)
                )
            )
            told: list[tuple[int, int]] = []
            while not told or told[-1][0] != 13:
                for message in split(sock.recv(65536)):
                    why = acknowledgement(message)
                    told.append((message.seq, why.errno if why else 0))
            return told

    assert await net.inside(send) == [(11, errno.ENETUNREACH), (12, errno.EEXIST), (13, 0)]
    assert len(await net.shown("route show root 192.0.2.0/24")) == 2


async def test_250_refusals_in_one_send_do_not_overflow_the_default_buffer(net: Net) -> None:
    there = await indices(net)
    lost = [Route(f"198.18.0.{n}", "203.0.113.9", "one") for n in range(250)]

    def send() -> int:
        with closing(bare()) as sock:
            sock.send(
                b"".join(
                    pack_message(
                        Type.NEWROUTE,
                        EXCLUSIVE | Flag.REQUEST | Flag.ACK,
                        seq,
                        encode(route, there, 4),
                    )
                    for seq, route in enumerate(lost, 1)
                )
            )
            refused = 0
            while refused < len(lost):
                refused += len([m for m in split(sock.recv(65536)) if acknowledgement(m)])
            return refused

    assert await net.inside(send) == 250


async def test_each_of_a_thousand_refusals_is_told(net: Net) -> None:
    bad = [Route(f"198.18.{n // 250}.{n % 250}", "203.0.113.9", "one") for n in range(1000)]
    report = await net.reconcile({"routes": [*bad, ROUTE]})
    assert {failure.key for failure in report.failed} == {route.key for route in bad}
    assert {failure.error.errno for failure in report.failed} == {errno.ENETUNREACH}
    assert len(report.applied) == 1


# Lost notifications


@pytest.fixture
def small_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    """As little room for notifications as the kernel gives."""
    monkeypatch.setattr(listening, "RECEIVE_BUFFER", 1)


SECONDARIES = "\n".join(f"address add 10.9.{n // 250}.{n % 250 + 1}/16 dev two" for n in range(500))
PRIMARY = "address del 10.9.0.1/16 dev two"
"""One system call, hundreds of notifications."""


@pytest.mark.unguarded("nothing may be read while the buffer overflows")
async def test_notifications_that_were_lost_are_told(small_buffer: None, net: Net) -> None:
    await anyio.to_thread.run_sync(net.prepare, SECONDARIES)
    with anyio.fail_after(PATIENCE):
        async with rtnl.subscribe(scope=net.scope) as hints:
            net.prepare(PRIMARY)
            async for hint in hints:
                if hint.lost:
                    assert hint.keys is None
                    assert "ENOBUFS" in hint.reason
                    break


async def test_what_a_loop_was_not_told_of_is_healed_all_the_same(
    small_buffer: None, net: Net
) -> None:
    await anyio.to_thread.run_sync(net.prepare, SECONDARIES)
    loop = net.loop({"addresses": [("two", "10.9.200.1", 16)]})
    async with running(loop) as reports:
        await net.ip(PRIMARY)
        await settles(reports, lambda: net.has("address show two to 10.9.200.1"))
