"""Loops over a real namespace that rely on hints alone: what somebody else does to it is undone."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import pytest

from linx_async import Hint, Loop, Ownership, Report, Trigger, rtnl
from linx_async.rtnl import DesiredLike, Route
from tests.kernel.netbox import MAC, Net, net
from tests.kernel.sysctls import PATIENCE, Reports, running, until

__all__ = ["net"]

pytestmark = pytest.mark.anyio

ADDRESS = ("one", "10.0.0.2", 24)
ADDRESS_6 = {"interface": "one", "address": "fd00::2/64", "nodad": True}
ROUTE = ("10.1.0.0/16", "10.0.0.9")
ROUTE_6 = ("fd01::/64", "fd00::9")
RULE = {"priority": 7, "table": 100, "source": "10.9.0.0/16"}
NEIGHBOUR = ("one", "10.0.0.5", MAC)
NEXTHOP = (7, "10.0.0.9", "one")
BY_NEXTHOP = {"destination": "10.1.0.0/16", "nexthop_id": 7}
UP = {"name": "one", "up": True}
ALL: dict[str, Any] = {
    "links": [UP],
    "addresses": [ADDRESS, ADDRESS_6],
    "nexthops": [NEXTHOP],
    "neighbours": [NEIGHBOUR],
    "routes": [ROUTE, ROUTE_6, {**BY_NEXTHOP, "destination": "10.2.0.0/16"}],
    "rules": [RULE],
}


async def is_as_desired(net: Net, desired: DesiredLike) -> bool:
    """Whether somebody without a record would find nothing to do."""
    async with rtnl.Source(net.scope) as source:
        wanted = source.check(desired)
        nobody = Ownership()
        plan = source.diff(wanted, await source.observe(wanted, nobody), nobody)
    return not (plan.batches or plan.waiting or plan.conflicts)


async def heals(net: Net, reports: Reports, desired: DesiredLike) -> None:
    """The loop finds out, and puts it right; not a pass is forced."""
    async for report in reports:
        assert isinstance(report, Report)
        assert report.trigger in {Trigger.HINT, Trigger.RETRY}
        if report.converged and await is_as_desired(net, desired):
            return
    raise AssertionError("the loop ended")


@pytest.mark.parametrize(
    ("desired", "commands"),
    [
        ({"addresses": [ADDRESS]}, ["address del 10.0.0.2/24 dev one"]),
        ({"addresses": [ADDRESS]}, ["address del 10.0.0.1/24 dev one"]),
        ({"addresses": [ADDRESS_6]}, ["-6 address del fd00::2/64 dev one"]),
        ({"addresses": [ADDRESS]}, ["address change 10.0.0.2/24 dev one metric 7"]),
        ({"routes": [ROUTE]}, ["route del 10.1.0.0/16"]),
        ({"routes": [ROUTE, ROUTE_6]}, ["route del 10.1.0.0/16", "-6 route del fd01::/64"]),
        ({"routes": [ROUTE]}, ["route change 10.1.0.0/16 via 10.0.0.8 proto 76"]),
        ({"routes": [ROUTE]}, ["route add 10.7.0.0/16 via 10.0.0.8 proto 76"]),
        ({"rules": [RULE]}, ["rule del priority 7"]),
        ({"rules": [RULE]}, ["rule add priority 8 table 100 protocol 76"]),
        ({"neighbours": [NEIGHBOUR]}, ["neighbour del 10.0.0.5 dev one"]),
        (
            {"neighbours": [NEIGHBOUR]},
            ["neighbour replace 10.0.0.5 lladdr 02:00:00:00:00:09 dev one protocol 76"],
        ),
        ({"nexthops": [NEXTHOP]}, ["nexthop del id 7"]),
        ({"nexthops": [NEXTHOP]}, ["nexthop replace id 7 via 10.0.0.8 dev one proto 76"]),
        # It takes IPv4 routes along without a word.
        ({"nexthops": [NEXTHOP], "routes": [BY_NEXTHOP]}, ["nexthop del id 7"]),
        # So does the last IPv4 address of an interface.
        ({"addresses": [ADDRESS], "routes": [ROUTE]}, ["address del 10.0.0.1/24 dev one"]),
        ({"links": [{"name": "one", "mtu": 1400}]}, ["link set one mtu 1300"]),
        ({"links": [{"name": "one", "alias": "uplink"}]}, ["link set one alias other"]),
        (
            {"links": [{"name": "one", "altnames": ["uplink"]}]},
            ["link property del dev one altname uplink"],
        ),
        ({"links": [{"name": "one", "group": 7}]}, ["link set one group 8"]),
        ({"links": [{"name": "one", "address": MAC}]}, ["link set one address 02:00:00:00:00:09"]),
        (
            {"neighbours": [{"interface": "one", "address": "10.0.0.6", "proxy": True}]},
            ["link set one down"],
        ),
        (ALL, ["link set one down"]),
        (ALL, ["link set one down", "link set one up"]),
        (ALL, ["nexthop del id 7", "address del 10.0.0.1/24 dev one"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
async def test_what_somebody_does_is_undone(
    net: Net, desired: DesiredLike, commands: list[str]
) -> None:
    async with running(net.loop(desired)) as reports:
        assert await is_as_desired(net, desired)
        await net.ip(*commands)
        await heals(net, reports, desired)


async def test_a_link_that_goes_down_is_noticed_every_time(net: Net) -> None:
    desired = {"routes": [(*ROUTE, "one")]}
    async with running(net.loop(desired)) as reports:
        for _ in range(10):
            await net.ip("link set one down")
            report = await until(reports, lambda report: bool(report.waiting))
            assert [waiting.key for waiting in report.waiting] == ["route 10.1.0.0/16"]
            await net.ip("link set one up")
            await heals(net, reports, desired)


async def test_a_link_of_ours_that_is_deleted_is_made_again_with_all_it_carries(net: Net) -> None:
    desired = {
        "links": [{"name": "br0", "kind": "bridge", "up": True}, {"name": "one", "master": "br0"}],
        "addresses": [("br0", "10.5.0.2", 24)],
        "routes": [("10.6.0.0/16", "10.5.0.9")],
    }
    async with running(net.loop(desired)) as reports:
        await net.ip("link del br0")
        await heals(net, reports, desired)


async def test_an_interface_that_is_deleted_and_made_again_is_provided_for(net: Net) -> None:
    desired = {
        "addresses": [ADDRESS],
        "routes": [{"destination": "10.1.0.0/16", "interface": "one"}],
    }
    async with running(net.loop(desired)) as reports:
        await net.ip("link del one")
        report = await until(reports, lambda report: bool(report.waiting))
        assert not report.applied
        await net.ip("link add one type veth peer name two", "link set one up", "link set two up")
        await heals(net, reports, desired)


async def test_a_late_interface_is_waited_for_and_then_provided_for(net: Net) -> None:
    desired = {"addresses": [("late", "10.0.5.2", 24)]}
    async with running(net.loop(desired)) as reports:
        await net.ip("link add late type bridge")
        await heals(net, reports, desired)


async def test_so_is_one_that_gets_the_awaited_name(net: Net) -> None:
    desired = {"addresses": [("late", "10.0.5.2", 24)]}
    async with running(net.loop(desired)) as reports:
        await net.ip("link set two down", "link set two name late")
        await heals(net, reports, desired)


async def test_an_interface_that_loses_its_name_is_waited_for(net: Net) -> None:
    async with running(net.loop({"addresses": [ADDRESS]})) as reports:
        await net.ip("link set one down", "link set one name wan")
        report = await until(reports, lambda report: bool(report.waiting))
        assert [waiting.key for waiting in report.waiting] == ["address 10.0.0.2/24 on one"]


async def test_the_end_of_duplicate_detection_is_a_hint(net: Net) -> None:
    await net.write("net.ipv6.neigh.one.retrans_time_ms", "200")
    desired = {
        "addresses": [("one", "fd00::2", 64)],
        "routes": [{"destination": "fd01::/64", "gateway": "fd00::9", "source": "fd00::2"}],
    }
    async with running(net.loop(desired)) as reports:
        await heals(net, reports, desired)


async def test_a_foreign_route_under_our_key_is_a_conflict_until_it_goes(net: Net) -> None:
    await net.ip("route add 10.1.0.0/16 via 10.0.0.8 proto 99")
    loop = net.loop({"routes": [ROUTE]})
    async with running(loop) as reports:
        assert loop.last_report is not None
        assert loop.last_report.conflicts
        await net.ip("route del 10.1.0.0/16")
        await heals(net, reports, {"routes": [ROUTE]})


async def test_or_until_it_leads_where_ours_would(net: Net) -> None:
    await net.ip("route add 10.1.0.0/16 via 10.0.0.8 proto 99")
    async with running(net.loop({"routes": [ROUTE]})) as reports:
        await net.ip("route replace 10.1.0.0/16 via 10.0.0.9 proto 99")
        report = await until(reports, lambda report: report.converged)
        assert report.applied == ()


async def test_a_foreign_route_that_takes_the_place_of_ours_is_noticed(net: Net) -> None:
    async with running(net.loop({"routes": [ROUTE]})) as reports:
        await net.ip("route replace 10.1.0.0/16 via 10.0.0.8 proto 99")
        await until(reports, lambda report: bool(report.conflicts))


async def test_a_way_that_another_appends_to_an_ipv6_route_of_ours_is_noticed(net: Net) -> None:
    async with running(net.loop({"routes": [ROUTE_6]})) as reports:
        await net.ip("-6 route append fd01::/64 via fd00::8 proto 99")
        await until(reports, lambda report: bool(report.conflicts) or report.changed)


async def test_what_is_refused_delays_nothing_else(net: Net) -> None:
    refused = ("10.3.0.0/16", "192.0.2.1")  # there is no way to that gateway
    loop = net.loop({"addresses": [ADDRESS], "routes": [refused]})
    async with running(loop) as reports:
        for _ in range(4):
            assert loop.last_report is not None
            assert [failure.key for failure in loop.last_report.failed] == ["route 10.3.0.0/16"]
            await until(reports, lambda report: report.trigger is Trigger.RETRY)
        await net.ip("address del 10.0.0.2/24 dev one")
        report = await until(
            reports,
            lambda report: "address 10.0.0.2/24 on one" in {op.key for op in report.applied},
        )
        assert report.trigger is Trigger.HINT


async def test_our_own_writes_cause_one_quiet_pass(net: Net) -> None:
    # Of what nobody else touches: the veth pair may still be coming up.
    desired = {
        "addresses": [("lo", "10.0.5.2", 32), ("lo", "10.0.5.3", 32)],
        "routes": [Route("10.1.0.0/16", interface="lo"), Route("fd01::/64", interface="lo")],
        "rules": [RULE],
    }
    source = rtnl.Source(net.scope)
    loop = Loop[DesiredLike, Any, Any](source, {}, interval=float("inf"), debounce=0.1)
    async with running(loop) as reports:
        loop.put_desired(desired)
        first = await until(reports, lambda report: report.changed)
        assert first.trigger is Trigger.DESIRED
        second = await until(reports, lambda report: True)
        assert (second.trigger, second.applied, second.converged) == (Trigger.HINT, (), True)
        # Had there been another pass, it would come before this one.
        await net.ip("rule del priority 7")
        third = await until(reports, lambda report: True)
        assert [op.key for op in third.applied] == ["IPv4 rule 7: from 10.9.0.0/16 lookup 100"]


async def batches(net: Net, lines: list[str]) -> None:
    """Few at a time, as a small receive buffer can take them."""
    for start in range(0, len(lines), 100):
        part = "\n".join(lines[start : start + 100])
        await anyio.to_thread.run_sync(partial(net.prepare, part))


async def first(hints: AsyncIterator[Hint]) -> Hint:
    with anyio.fail_after(PATIENCE):
        return await anext(hints)


async def test_what_cannot_matter_is_no_hint(net: Net) -> None:
    desired = {"routes": [Route("10.1.0.0/24", interface="lo")], "rules": [RULE]}
    async with rtnl.subscribe(desired, scope=net.scope) as hints:
        floods = [
            f"route add 10.{n // 250 + 2}.{n % 250}.0/24 via 10.0.0.9 proto 99"
            for n in range(10_000)
        ]
        await batches(net, floods)
        await net.ip(
            *(f"route del 10.2.{n}.0/24" for n in range(100)),
            "rule add priority 8 table 100 protocol 99",
            "nexthop add id 7 via 10.0.0.9 dev one",
            f"neighbour add 10.0.0.5 lladdr {MAC} dev one nud permanent",
            "rule add priority 7 from 10.9.0.0/16 table 100 protocol 99",
        )
        assert (await first(hints)).keys == frozenset({"IPv4 rule 7: from 10.9.0.0/16 lookup 100"})


async def test_links_that_cannot_matter_are_no_hint_renamed_or_not(net: Net) -> None:
    async with rtnl.subscribe({"addresses": [("lo", "10.0.5.2", 32)]}, scope=net.scope) as hints:
        await net.ip(
            "link add br0 type bridge",
            "link set br0 name br1",
            "address add 10.0.5.2/24 dev br1",
            "link del br1",
            "link set one mtu 1300",
            "link set lo alias inside",
        )
        assert (await first(hints)).keys == frozenset({"link lo"})


async def test_ten_thousand_opens_and_closes_leak_no_descriptor(net: Net) -> None:
    async def open_and_close() -> None:
        for _ in range(500):
            async with rtnl.Source(net.scope):
                pass

    async def ten_at_once() -> None:
        async with anyio.create_task_group() as tg:
            for _ in range(10):
                tg.start_soon(open_and_close)

    async with rtnl.Source(net.scope):
        pass
    before = sorted(os.listdir("/proc/self/fd"))
    await ten_at_once()  # five thousand on each backend
    assert sorted(os.listdir("/proc/self/fd")) == before


async def test_nor_do_subscriptions(net: Net) -> None:
    async def open_and_close() -> None:
        async with rtnl.subscribe(ALL, scope=net.scope), rtnl.monitor(scope=net.scope):
            pass

    await open_and_close()
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(200):
        await open_and_close()
    assert sorted(os.listdir("/proc/self/fd")) == before


ELSEWHERE = {"addresses": [("one", "10.6.0.1", 24)]}
OUR_NEXTHOP: dict[str, Any] = {"nexthops": [(5, "10.0.0.9", "one")]}
OUR_ADDRESS: dict[str, Any] = {"addresses": [("two", "10.5.0.1", 24)]}
OUR_LINK: dict[str, Any] = {"links": [{"name": "low", "kind": "ifb"}]}


@pytest.mark.parametrize(
    ("ours", "theirs", "end"),
    [
        pytest.param(
            OUR_ADDRESS,
            ["address add 10.5.0.2/24 dev two"],
            ["address del 10.5.0.2/24 dev two"],
            id="a secondary address",
        ),
        pytest.param(
            OUR_ADDRESS,
            ["route add 203.0.113.0/24 via 10.5.0.9 proto static"],
            ["route del 203.0.113.0/24"],
            id="a route by the last address",
        ),
        pytest.param(
            OUR_ADDRESS,
            [f"neighbour add 10.5.0.9 lladdr {MAC} dev two nud permanent"],
            ["neighbour del 10.5.0.9 dev two"],
            id="a neighbour by the last address",
        ),
        pytest.param(
            OUR_ADDRESS,
            ["route add 203.0.113.0/24 via 10.5.0.9 proto static"],
            ["link set two down"],
            id="a route that went without a word",
        ),
        pytest.param(
            OUR_NEXTHOP,
            ["route add 203.0.113.0/24 nhid 5 proto static"],
            ["route del 203.0.113.0/24"],
            id="a route by a nexthop",
        ),
        pytest.param(
            OUR_NEXTHOP,
            ["nexthop add id 6 group 5 proto static"],
            ["nexthop del id 6"],
            id="a group",
        ),
        pytest.param(
            OUR_LINK,
            ["link add link low name high type macvlan"],
            ["link del high"],
            id="a macvlan",
        ),
    ],
)
@pytest.mark.parametrize("desired", [{}, ELSEWHERE], ids=["nothing else", "something else"])
async def test_what_was_left_for_the_sake_of_others_goes_when_that_goes(
    net: Net,
    desired: dict[str, Any],
    ours: dict[str, Any],
    theirs: list[str],
    end: list[str],
) -> None:
    made = await net.reconcile(ours)
    await net.ip(*theirs)
    loop = net.loop(desired, last_applied=made.last_applied)
    async with running(loop) as reports:
        assert loop.last_report is not None
        assert len(loop.last_report.conflicts) == 1
        await net.ip(*end)
        await until(reports, lambda report: report.converged)
    shown = await net.observed()
    assert "10.5.0.1" not in {str(each.address) for each in shown.addresses}
    assert shown.nexthops == ()
    assert "low" not in shown.links
