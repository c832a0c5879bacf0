"""`rtnl.monitor` on the real kernel: what somebody does with `ip` is told, in order, by name."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
import pytest

from linx_async import rtnl
from linx_async.rtnl import Announcement, Lost, ObservedLink
from linx_async.rtnl.codec import address as address_codec
from linx_async.rtnl.codec.wire import Type
from tests.kernel.netbox import MAC, Net, net
from tests.kernel.sysctls import PATIENCE

__all__ = ["net"]

pytestmark = pytest.mark.anyio

Told = AsyncIterator[Announcement | Lost]
REPLACE, APPEND = 0x100, 0x800


async def lines(told: Told, last: str) -> list[str]:
    """What is told, up to a line that has these words."""
    found = []
    with anyio.fail_after(PATIENCE):
        async for announcement in told:
            found.append(str(announcement))
            if last in found[-1]:
                return found
    raise AssertionError("the announcements ended")


async def one(told: Told, words: str) -> Announcement:
    """The next one whose line has these words: the kernel has its own to tell in between."""
    with anyio.fail_after(PATIENCE):
        async for announcement in told:
            if isinstance(announcement, Announcement) and words in str(announcement):
                return announcement
    raise AssertionError("the announcements ended")


async def test_what_somebody_does_is_told_in_order(net: Net) -> None:
    async with rtnl.monitor(
        "address", "route", "rule", "nexthop", "neighbour", scope=net.scope
    ) as told:
        await net.ip(
            "address add 10.0.0.2/24 dev one",
            "route add 10.1.0.0/16 via 10.0.0.9 proto 99",
            "route replace 10.1.0.0/16 via 10.0.0.8 proto 99",
            "-6 route add fd01::/64 via fd00::9 proto 99",
            "-6 route append fd01::/64 via fd00::8 proto 99",
            "route del 10.1.0.0/16",
            "rule add priority 7 from 10.9.0.0/16 table 100 protocol 99",
            "nexthop add id 7 via 10.0.0.9 dev one proto 99",
            f"neighbour add 10.0.0.5 lladdr {MAC} dev one nud permanent protocol 99",
        )
        found = await lines(told, "[neighbour] 10.0.0.5")
    of_the_kernel = ("proto 2", "ff02", "fd00::1/64")
    assert [line for line in found if not any(word in line for word in of_the_kernel)] == [
        "[address] 10.0.0.2/24 on one",
        "[route] 10.1.0.0/16 via 10.0.0.9 dev one proto 99",
        "[route] 10.1.0.0/16 via 10.0.0.8 dev one proto 99 (replaced)",
        "[route] fd01::/64 via fd00::9 dev one proto 99",
        found[found.index("[route] fd01::/64 via fd00::9 dev one proto 99") + 1],
        "[route] Deleted 10.1.0.0/16 via 10.0.0.8 dev one proto 99",
        "[rule] 7: from 10.9.0.0/16 lookup 100 proto 99",
        "[nexthop] 7 via 10.0.0.9 dev one proto 99",
        f"[neighbour] 10.0.0.5 lladdr {MAC} on one permanent proto 99",
    ]


async def test_a_way_that_is_appended_is_told_with_all_ways(net: Net) -> None:
    async with rtnl.monitor("route", scope=net.scope) as told:
        await net.ip(
            "-6 route add fd01::/64 via fd00::9 proto 76",
            "-6 route append fd01::/64 via fd00::8 proto 99",
        )
        await lines(told, "[route] fd01::/64 via fd00::9 dev one proto 76")
        appended = await one(told, "[route] fd01::/64")
    assert appended.flags & APPEND
    assert isinstance(appended.value, rtnl.Route)
    assert appended.value.protocol == 99
    assert {str(hop.gateway) for hop in appended.value.forwarding.nexthops} == {
        "fd00::8",
        "fd00::9",
    }


async def test_a_link_from_its_making_to_its_end(net: Net) -> None:
    async with rtnl.monitor("link", scope=net.scope) as told:
        await net.ip("link add br0 type bridge")
        made = (await one(told, ": br0: ")).value
        assert isinstance(made, ObservedLink)
        assert (made.name, made.kind, made.up) == ("br0", "bridge", False)
        await net.ip("link set br0 mtu 1400")
        await one(told, ": br0: down bridge mtu 1400")
        await net.ip("link del br0")
        found = await lines(told, "[link] Deleted")
        assert found[-1].startswith(f"[link] Deleted {made.index}: br0: down bridge mtu 1400")


async def test_a_rename_is_followed_and_an_index_that_is_used_again(net: Net) -> None:
    async with rtnl.monitor("address", scope=net.scope) as told:
        await net.ip("address add 10.0.0.2/24 dev one")
        assert str(await one(told, "[address] 10.0.0.2")) == "[address] 10.0.0.2/24 on one"
        await net.ip(
            "link set one down", "link set one name wan", "address add 10.0.0.3/24 dev wan"
        )
        assert (await lines(told, "[address] 10.0.0.3/24"))[-1] == "[address] 10.0.0.3/24 on wan"
        (wan,) = await net.shown("link show wan")
        await net.ip(
            "link del wan",
            f"link add again index {wan['ifindex']} type bridge",
            "address add 10.0.0.4/24 dev again",
        )
        assert (await lines(told, "[address] 10.0.0.4/24"))[-1] == "[address] 10.0.0.4/24 on again"


async def test_it_is_told_who_asked_where_the_kernel_says(net: Net) -> None:
    desired = rtnl.Desired(addresses=[("one", "10.0.0.2", 24)])
    async with rtnl.monitor("address", scope=net.scope) as told, net.socket() as ours:
        (shown,) = await net.shown("link show one")
        payload = address_codec.encode(desired.addresses[0], {"one": shown["ifindex"]}, 76)
        await ours.request(Type.NEWADDR, 0x600, payload)
        announcement = await one(told, "[address] 10.0.0.2")
        assert announcement.port == ours.port
        assert str(announcement) == "[address] 10.0.0.2/24 on one proto 76"


async def test_a_bridges_word_of_its_ports_and_stations_is_passed_over(net: Net) -> None:
    async with rtnl.monitor("link", "neighbour", scope=net.scope) as told:
        await net.ip("link add br0 type bridge", "link set one master br0")
        await net.run("bridge", "fdb", "add", MAC, "dev", "one", "master", "static")
        await net.ip("link set one nomaster", "link set two mtu 1300")
        found = await lines(told, ": two: up veth mtu 1300")
    assert not [line for line in found if "Deleted" in line and "ff02" not in line]
    assert not [line for line in found if line.startswith(("[lost]", f"[neighbour] {MAC}"))]


async def test_a_reader_that_lags_behind_loses_some_and_is_told(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[rtnl.monitor.__module__], "RECEIVE_BUFFER", 65536)
    async with rtnl.monitor("route", "address", scope=net.scope) as told:
        many = [f"route add 10.1.{n}.0/24 via 10.0.0.9" for n in range(250)]
        many += [f"route add 10.2.{n}.0/24 via 10.0.0.9" for n in range(250)]
        await anyio.to_thread.run_sync(net.prepare, "\n".join(many))
        await net.ip("link set one down", "link set one name wan", "link set wan up")
        found = await lines(told, "[lost]")
        assert len(found) < 500
        assert "ENOBUFS" in found[-1]
        await net.ip("address add 10.0.0.3/24 dev wan")
        # The rename was among what was lost.
        assert (await lines(told, "[address] 10.0.0.3/24"))[-1] == "[address] 10.0.0.3/24 on wan"


async def test_a_wait_that_is_cut_short_loses_nothing(net: Net) -> None:
    async with rtnl.monitor("rule", scope=net.scope) as told:
        for turns in range(20):
            async with anyio.create_task_group() as tg:

                async def wait() -> None:
                    await anext(told)

                tg.start_soon(wait)
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                tg.cancel_scope.cancel()
        await net.ip("rule add priority 7 table 100 protocol 99")
        assert await lines(told, "[rule]") == ["[rule] 7: from all lookup 100 proto 99"]


async def test_another_namespace_is_not_heard(net: Net) -> None:
    async with rtnl.monitor("rule") as here, rtnl.monitor("rule", scope=net.scope) as there:
        await net.ip("rule add priority 7 table 100")
        await lines(there, "[rule] 7")
        with anyio.move_on_after(0) as waited:
            await anext(here)
        assert waited.cancelled_caught


async def test_what_is_told_is_what_an_observation_has(net: Net) -> None:
    async with rtnl.monitor(scope=net.scope) as told:
        await net.converges(
            {
                "addresses": [("one", "10.0.0.2", 24)],
                "rules": [(7, 100)],
                "neighbours": [("one", "10.0.0.5", MAC)],
                "nexthops": [(7, "10.0.0.9", "one")],
            }
        )
        await net.ip("rule add priority 8 table 100")
        values = []
        with anyio.fail_after(PATIENCE):
            async for announcement in told:
                if str(announcement).startswith("[rule] 8"):
                    break
                if isinstance(announcement, Announcement):
                    values.append(announcement.value)
        seen = await net.observed()
    things = (*seen.addresses, *seen.rules, *seen.neighbours, *seen.nexthops)
    ours = [each for each in things if getattr(each, "protocol", None) == rtnl.PROTOCOL]
    assert len(ours) == 4
    assert all(each in values for each in ours)


@pytest.mark.parametrize(
    ("before", "command", "told", "silent"),
    [
        (
            ["route add 10.1.0.0/16 via 10.0.0.9", "-6 route add fd01::/64 via fd00::9"],
            "link set one down",
            "[route] Deleted fd01::/64",
            "[route] Deleted 10.1.0.0/16",
        ),
        (
            ["nexthop add id 7 via 10.0.0.9 dev one"],
            "link set one down",
            ": one: down",
            "[nexthop]",
        ),
        (
            ["neighbour add proxy 10.0.0.6 dev one"],
            "link set one down",
            ": one: down",
            "[neighbour] Deleted proxy",
        ),
        (
            ["route add 10.1.0.0/16 via 10.0.0.9"],
            "address del 10.0.0.1/24 dev one",
            "[address] Deleted 10.0.0.1/24",
            "[route] Deleted 10.1.0.0/16",
        ),
        (
            ["nexthop add id 7 via 10.0.0.9 dev one", "route add 10.1.0.0/16 nhid 7"],
            "nexthop del id 7",
            "[nexthop] Deleted 7",
            "[route] Deleted 10.1.0.0/16",
        ),
        (
            ["nexthop add id 7 via fd00::9 dev one", "-6 route add fd01::/64 nhid 7"],
            "nexthop del id 7",
            "[route] Deleted fd01::/64",
            "[route] Deleted 10.",
        ),
        ([], "neighbour add proxy 10.0.0.6 dev one", "[rule] 7", "[neighbour] proxy"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_what_the_kernel_does_without_a_word(
    net: Net, before: list[str], command: str, told: str, silent: str
) -> None:
    await net.ip(*before)
    async with rtnl.monitor(scope=net.scope) as announcements:
        await net.ip(command, "rule add priority 7 table 100")
        found = await lines(announcements, "[rule] 7")
    assert [line for line in found if told in line]
    assert not [line for line in found if line.startswith(silent)]
    assert await net.shown("route show 10.1.0.0/16") == []
    assert await net.shown("neighbour show proxy dev one") == [] or not before
