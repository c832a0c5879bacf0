"""What could be lost, left behind or held up: each story as small as it got."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from linx_async import Ownership, rtnl
from linx_async._kernel.netlink import Flag
from linx_async.rtnl import Address, Desired, Link, Nexthop, Rule
from linx_async.rtnl.codec import rule as rule_codec
from linx_async.rtnl.codec.wire import Type
from linx_async.rtnl.elsewhere import look_elsewhere
from tests.kernel.netbox import MAC, Net, net, other

__all__ = ["net", "other"]

pytestmark = pytest.mark.anyio

BY_NUMBER = {"destination": "192.0.2.0/24", "nexthop_id": 5}
WAY = Nexthop(5, "10.0.0.9", "one")
GROUP = Nexthop(6, group=[5])


async def test_a_nexthop_stays_as_long_as_a_desired_route_goes_by_it(net: Net) -> None:
    await net.converges(Desired(nexthops=[WAY], routes=[BY_NUMBER]))
    for _ in range(2):
        report = await net.reconcile(Desired(routes=[BY_NUMBER]))
        assert report.applied == ()
        (waiting,) = report.waiting
        assert waiting.key == "nexthop 5"
        assert "a desired route goes by it" in waiting.reason
    assert await net.has("route show 192.0.2.0/24")
    await net.converges({})
    assert not await net.has("nexthop")


async def test_and_so_do_the_members_of_a_group(net: Net) -> None:
    by_group = {**BY_NUMBER, "nexthop_id": 6}
    await net.converges(Desired(nexthops=[WAY, GROUP], routes=[by_group]))
    report = await net.reconcile(Desired(routes=[by_group]))
    assert report.applied == ()
    assert {each.key for each in report.waiting} == {"nexthop 5", "nexthop 6"}
    assert await net.has("route show 192.0.2.0/24")


async def test_a_link_of_ours_stays_as_long_as_a_foreign_one_sits_on_it(net: Net) -> None:
    made = await net.reconcile(Desired(links=[Link("low", "veth", peer="lower")]))
    await net.ip("link add link low name high type macvlan")
    report = await net.reconcile({}, last_applied=made.last_applied)
    (conflict,) = report.conflicts
    assert conflict.reason == "deleting it would delete high too, which is not ours"
    anew = Desired(links=[Link("low", "ifb")])
    report = await net.reconcile(anew, last_applied=report.last_applied)
    (conflict,) = report.conflicts
    assert conflict.reason.startswith("low is veth, not ifb, and deleting it would delete high too")
    assert await net.has("link show high")
    await net.ip("link del high")
    await net.converges({}, last_applied=report.last_applied)
    assert not await net.has("link show low")


async def test_a_link_of_ours_goes_with_those_of_ours_that_sit_on_it(net: Net) -> None:
    desired = Desired(
        links=[Link("low", "veth", peer="lower"), Link("high", "macvlan", parent="low")]
    )
    made = await net.reconcile(desired)
    await net.converges({}, last_applied=made.last_applied)
    assert not await net.has("link show low")


async def test_the_other_end_of_a_veth_that_goes_is_made_anew(net: Net) -> None:
    made = await net.reconcile(Desired(links=[Link("left", "veth", peer="right")]))
    desired = Desired(links=[Link("right", "veth", peer="left")])
    report = await net.converges(desired, last_applied=made.last_applied)
    assert [str(op) for op in report.applied][:2] == [
        "delete link left (veth)",
        "add link right (veth)",
    ]
    assert await net.has("link show right")


async def test_another_name_of_the_other_end_is_a_conflict(net: Net) -> None:
    made = await net.reconcile(Desired(links=[Link("left", "veth", peer="right")]))
    await net.ip("link set right name wrong")
    desired = Desired(links=[Link("left", "veth", peer="right")])
    report = await net.reconcile(desired, last_applied=made.last_applied)
    (conflict,) = report.conflicts
    assert conflict.reason == "its other end is wrong, not right: rename or delete it"
    assert report.applied == ()
    await net.ip("link set wrong name right")
    await net.converges(desired, last_applied=report.last_applied)


async def test_another_link_of_the_name_is_not_taken_for_the_one_that_was_moved(
    net: Net, other: Net
) -> None:
    await other.ip("link add new type bridge")
    desired = Desired(links=[Link("new", "veth", netns=other.path)])
    made = await net.reconcile(desired)
    report = await net.reconcile(desired, last_applied=made.last_applied)
    assert [each.key for each in report.failed] == [f"link new to {other.path}"]
    assert (await other.observed()).links["new"].kind == "bridge"
    await other.ip("link del new")
    report = await net.reconcile(desired, last_applied=report.last_applied)
    assert report.converged
    assert (await other.observed()).links["new"].kind == "veth"


async def test_a_route_with_more_ways_than_a_message_has_room_for_fails_alone(net: Net) -> None:
    ways = [{"interface": "one", "weight": weight} for weight in range(1, 257)] * 33
    many = {"destination": "192.0.2.0/24", "nexthops": ways}
    report = await net.reconcile({"routes": [many, ("198.51.100.0/24", "10.0.0.2")]})
    (failure,) = report.failed
    assert failure.key == "route 192.0.2.0/24"
    assert "more than its length can say" in failure.error.message
    assert await net.has("route show 198.51.100.0/24")


async def look(other: Net) -> None:
    await look_elsewhere([Link("new", "bridge", netns=other.path)], {}, Ownership())


async def listen(other: Net) -> None:
    async with rtnl.monitor(scope=other.scope):
        await anyio.sleep_forever()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("work", [look, listen])
async def test_cancelling_a_task_leaves_no_namespace_open(
    other: Net, work: Callable[[Net], Awaitable[None]]
) -> None:
    """asyncio's own cancellation reaches into shields, and a thread goes on without its task."""
    await look(other)
    before = descriptors()
    for turns in range(12):
        task = asyncio.ensure_future(work(other))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    # The threads that were left behind are done once as many others are.
    await look(other)
    assert descriptors() == before


def descriptors() -> list[str]:
    """What this process holds open of network namespaces."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:  # the one of the listing itself
            continue
    return sorted(each for each in found if each.startswith("net:"))


def by_ways(*ways: tuple[str, int], **fields: object) -> Desired:
    hops = [{"gateway": gateway, "weight": weight} for gateway, weight in ways]
    return Desired(routes=[{"destination": "2001:db8::/48", "nexthops": hops, **fields}])


async def test_a_route_of_several_ipv6_ways_changes_way_by_way(net: Net) -> None:
    await net.converges(by_ways(("fd00::2", 1), ("fd00::3", 1)))
    await net.converges(by_ways(("fd00::2", 1), ("fd00::4", 1)))
    await net.converges(by_ways(("fd00::2", 1), ("fd00::4", 5)))
    await net.converges(by_ways(("fd00::4", 1), ("fd00::5", 1), metrics={"mtu": 1400}))
    await net.converges(Desired(routes=[("2001:db8::/48", "fd00::6")]))
    (shown,) = await net.shown("-6 route show 2001:db8::/48")
    assert shown["gateway"] == "fd00::6"


async def test_an_ipv6_way_that_somebody_else_appended_to_ours_stays(net: Net) -> None:
    desired = by_ways(("fd00::2", 1), ("fd00::3", 1))
    await net.converges(desired)
    await net.ip("-6 route append 2001:db8::/48 via fd00::9 proto 4")
    for _ in range(2):
        report = await net.reconcile(desired)
        assert report.applied == ()
        (conflict,) = report.conflicts
        assert "one of its ways is somebody else's" in conflict.reason
    assert "fd00::9" in await net.run("ip", "-6", "route", "show", "2001:db8::/48")


async def test_a_namespace_out_of_reach_holds_up_nothing_but_the_link_that_goes_there(
    net: Net,
) -> None:
    desired = Desired(
        links=[Link("far", "ifb", netns="/proc/self/status")], addresses=[("one", "10.5.0.1/24")]
    )
    report = await net.reconcile(desired)
    assert [op.key for op in report.applied] == ["address 10.5.0.1/24 on one"]
    (failure,) = report.failed
    assert failure.key == "link far"
    assert "/proc/self/status is not a network namespace" in str(failure)


async def test_what_is_declared_on_a_link_waits_while_another_has_its_name(net: Net) -> None:
    await net.ip("link add name br7 type ifb")
    desired = Desired(links=[Link("br7", "bridge", up=True)], addresses=[("br7", "10.5.0.1/24")])
    report = await net.reconcile(desired)
    assert report.applied == ()
    assert [each.key for each in report.conflicts] == ["link br7"]
    (waiting,) = report.waiting
    assert waiting.reason == "the interface br7 is another than the declared one"


async def test_a_neighbour_that_the_kernel_would_make_something_else_of_is_a_failure(
    net: Net,
) -> None:
    desired = Desired(
        links=[Link("lo", up=True)],
        neighbours=[
            ("lo", "127.0.0.9", "02:00:00:00:00:01"),
            ("one", "10.0.0.9", "02:00:00:00:00:01:02"),
        ],
    )
    report = await net.reconcile(desired)
    told = {failure.key: failure.error.message for failure in report.failed}
    assert told == {
        "neighbour 127.0.0.9 on lo": "lo is loopback or point-to-point, and has no IPv4 neighbours",
        "neighbour 10.0.0.9 on one": (
            "lladdr: 02:00:00:00:00:01:02 has 7 bytes, and those of one 6"
        ),
    }


async def test_an_address_is_converged_once_detection_is_over(net: Net) -> None:
    new = await net.without_carrier()
    desired = Desired(addresses=[(new, "fd05::1/64")])
    report = await net.reconcile(desired)
    assert [op.key for op in report.applied] == [f"address fd05::1 on {new}"]
    (waiting,) = report.waiting
    assert waiting.reason == "duplicate address detection is not over yet"
    assert not report.converged


async def test_what_a_deleted_address_takes_along_comes_back_in_the_same_pass(net: Net) -> None:
    """The kernel deletes all IPv4 routes of an interface with its last address."""
    await net.ip("address del 10.0.0.1/24 dev one")
    route = ("192.0.2.0/24", None, "one")
    await net.converges(Desired(addresses=[("one", "10.5.0.1/24")], routes=[route]))
    report = await net.converges(Desired(addresses=[("one", "10.5.0.2/24")], routes=[route]))
    assert [str(op) for op in report.applied] == [
        "delete address 10.5.0.1/24 on one",
        "add address 10.5.0.2/24 on one",
        "add route 192.0.2.0/24 dev one",
    ]


async def test_so_does_what_a_link_loses_that_gets_another_address(net: Net) -> None:
    neighbour = ("one", "10.0.0.9", "02:00:00:00:00:09")
    await net.converges(Desired(neighbours=[neighbour]))
    desired = Desired(links=[Link("one", address="02:00:00:00:00:77")], neighbours=[neighbour])
    report = await net.converges(desired)
    assert [op.key for op in report.applied] == ["link one", "neighbour 10.0.0.9 on one"]


async def test_the_last_address_of_an_interface_stays_as_long_as_it_bears_a_foreign_route(
    net: Net,
) -> None:
    await net.ip("address del 10.0.0.1/24 dev one")
    await net.converges(Desired(addresses=[("one", "10.5.0.1/24")]))
    await net.ip("route add 192.0.2.0/24 dev one proto 4")
    report = await net.reconcile({})
    (conflict,) = report.conflicts
    assert conflict.reason.startswith(
        "deleting the last IPv4 address of one would delete 192.0.2.0/24 dev one of protocol 4"
    )
    assert report.applied == ()
    # Another one comes first, and bears it.
    await net.converges(Desired(addresses=[("one", "10.6.0.1/24")]))
    assert await net.has("route show 192.0.2.0/24")
    await net.ip("route del 192.0.2.0/24")
    await net.converges({})


@pytest.mark.parametrize(
    ("add", "said"),
    [
        (
            f"10.0.0.9 lladdr {MAC} dev one nud permanent",
            f"neighbour 10.0.0.9 lladdr {MAC} on one permanent of protocol 0",
        ),
        (
            f"10.0.0.9 lladdr {MAC} dev one nud noarp proto 4",
            f"neighbour 10.0.0.9 lladdr {MAC} on one noarp of protocol 4 (static)",
        ),
        (
            f"10.0.0.9 lladdr {MAC} dev one nud stale extern_learn proto 186",
            f"neighbour 10.0.0.9 lladdr {MAC} on one stale of protocol 186 (bgp)",
        ),
        ("proxy 10.0.0.9 dev one", "proxy 10.0.0.9 on one of protocol 0"),
    ],
)
async def test_so_it_does_as_long_as_it_bears_a_foreign_neighbour(
    net: Net, add: str, said: str
) -> None:
    await net.ip("address del 10.0.0.1/24 dev one")
    await net.converges(Desired(addresses=[("one", "10.5.0.1/24")]))
    await net.ip(f"neigh add {add}")
    (conflict,) = (await net.reconcile({})).conflicts
    assert f"would delete {said}, which is not ours" in conflict.reason
    await net.ip("route add 192.0.2.0/24 dev one proto 4")
    (conflict,) = (await net.reconcile({})).conflicts
    route = "192.0.2.0/24 dev one of protocol 4 (static)"
    assert f"would delete {route} and {said}, which is not ours" in conflict.reason
    # Another one comes first, and bears both.
    await net.converges(Desired(addresses=[("one", "10.6.0.1/24")]))
    shown = "neigh show proxy" if add.startswith("proxy") else "neigh show nud all 10.0.0.9"
    assert await net.has(f"{shown} dev one")
    await net.ip(f"neigh del {add}", "route del 192.0.2.0/24")
    await net.converges({})


async def test_what_outlasts_it_holds_nothing_back(net: Net) -> None:
    """What was learned, what others have for IPv6, and routes by a nexthop's number."""
    await net.ip("address del 10.0.0.1/24 dev one")
    await net.converges(Desired(addresses=[("one", "10.5.0.1/24")]))
    await net.ip(
        f"neigh add 10.5.0.9 lladdr {MAC} dev one nud stale",
        f"neigh add fd00::9 lladdr {MAC} dev one nud permanent",
        "nexthop add id 5 via 10.5.0.2 dev one",
        "route add 192.0.2.0/24 nhid 5 proto 4",
    )
    await net.converges({})
    assert not await net.has("-4 address show dev one")
    assert await net.has("route show 192.0.2.0/24")
    assert await net.has("neigh show fd00::9")


async def test_the_last_ipv6_address_takes_nothing_along(net: Net) -> None:
    await net.converges(Desired(addresses=[Address("two", "fd07::1/64", nodad=True)]))
    await net.ip(
        f"neigh add fd07::9 lladdr {MAC} dev two nud permanent",
        "neigh add proxy fd07::10 dev two",
        "route add 2001:db8::/64 dev two",
    )
    await net.converges({})
    assert not await net.has("-6 address show dev two")
    for what in ("neigh show fd07::9", "neigh show proxy fd07::10", "-6 route show 2001:db8::/64"):
        assert await net.has(what)


async def test_a_plan_is_made_for_the_desired_state_that_it_is_asked_for(net: Net) -> None:
    async with rtnl.Source(net.scope) as source:
        none, one = Desired(), Desired(rules=[(100, 200)])
        observed = await source.observe(none, Ownership())
        owned = Ownership()
        assert source.diff(none, observed, owned).ops == ()
        assert len(source.diff(one, observed, owned).ops) == 1
        assert source.diff(none, observed, owned).ops == ()


TWIN = Rule(100, 200, source="10.7.0.0/16", protocol=76)


async def add_twin(net: Net) -> None:
    """As a program does that forgets NLM_F_EXCL."""
    async with net.socket() as socket:
        request = Type.NEWRULE, int(Flag.CREATE), rule_codec.encode(TWIN, {}, 76)
        assert await socket.change([request]) == [None]


async def test_twins_of_a_rule_go_in_one_pass(net: Net) -> None:
    await add_twin(net)
    await add_twin(net)
    report = await net.converges({})
    assert [op.key for op in report.applied] == [TWIN.key, TWIN.key]
    assert not await net.has("rule show priority 100")


async def test_of_desired_twins_one_is_left(net: Net) -> None:
    await add_twin(net)
    await add_twin(net)
    await net.converges(Desired(rules=[Rule(100, 200, source="10.7.0.0/16")]))
    assert len(await net.shown("rule show priority 100")) == 1


async def rules_at(net: Net, priority: int) -> list[Rule]:
    return [each for each in (await net.observed()).rules if each.priority == priority]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param({"source": "10.7.0.0/16"}, {}, id="more general"),
        pytest.param({}, {"source": "10.7.0.0/16"}, id="more special"),
        pytest.param({"tos": 0x10}, {}, id="without a tos"),
        pytest.param({"fwmark": 1}, {}, id="without a mark"),
        pytest.param({"fwmark": 1, "source": "10.7.0.0/16"}, {"fwmark": 1}, id="of one mark"),
        pytest.param(
            {"source": "10.7.0.0/16"}, {"source": "10.7.0.0/16", "invert": True}, id="turned round"
        ),
        pytest.param(
            {"table": None, "action": "goto", "goto": 300},
            {"table": None, "action": "goto", "goto": 400},
            id="to go elsewhere",
        ),
        pytest.param({"suppress_prefix_length": 0}, {}, id="without a limit"),
    ],
)
async def test_a_rule_becomes_another_of_its_priority_in_one_pass_and_back(
    net: Net, before: dict[str, Any], after: dict[str, Any]
) -> None:
    first, second = (Rule(**{"priority": 100, "table": 200, **each}) for each in (before, after))
    await net.converges(Desired(rules=[first]))
    await net.converges(Desired(rules=[second]))
    assert [each.key for each in await rules_at(net, 100)] == [second.key]
    await net.converges(Desired(rules=[first]))
    assert [each.key for each in await rules_at(net, 100)] == [first.key]
    await net.converges(Desired(rules=[first, second]))
    assert {each.key for each in await rules_at(net, 100)} == {first.key, second.key}
    await net.converges(Desired(rules=[first]))
    assert [each.key for each in await rules_at(net, 100)] == [first.key]
    await net.converges(Desired(rules=[first, second]))
    await net.converges(Desired(rules=[second]))
    assert [each.key for each in await rules_at(net, 100)] == [second.key]
    await net.converges({})
    assert await rules_at(net, 100) == []


async def test_a_general_rule_that_goes_missing_is_put_back_beside_a_special_one(net: Net) -> None:
    general, special = Rule(100, 200), Rule(100, 200, source="10.7.0.0/16")
    desired = Desired(rules=[general, special])
    await net.converges(desired)
    await net.ip("rule del priority 100 from 0/0")
    (left,) = await rules_at(net, 100)
    assert left.key == special.key
    await net.converges(desired)


async def test_a_nexthop_becomes_a_group_and_one_no_more_in_one_pass(net: Net) -> None:
    routes = [BY_NUMBER, {"destination": "198.51.100.0/24", "nexthop_id": 5}]
    members = [Nexthop(7, "10.0.0.7", "one"), Nexthop(8, "10.0.0.8", "one")]
    way = Desired(nexthops=[WAY, *members], routes=routes)
    group = Desired(nexthops=[Nexthop(5, group=[7, 8]), *members], routes=routes)
    for desired in (way, group, way):
        await net.converges(desired)
        assert len(await net.shown("route show proto 76")) == 2
    await net.converges({})


async def test_and_so_does_an_ipv6_one(net: Net) -> None:
    member = Nexthop(7, "fd00::7", "one")
    route = {"destination": "2001:db8::/48", "nexthop_id": 5}
    way = Desired(nexthops=[Nexthop(5, "fd00::9", "one"), member], routes=[route])
    group = Desired(nexthops=[Nexthop(5, group=[7]), member], routes=[route])
    for desired in (way, group, way):
        await net.converges(desired)
        assert len(await net.shown("-6 route show 2001:db8::/48")) == 1


async def test_and_so_does_one_that_was_all_there_was_in_a_group(net: Net) -> None:
    last = Nexthop(7, "10.0.0.7", "one")
    by_group = {**BY_NUMBER, "nexthop_id": 6}
    await net.converges(Desired(nexthops=[WAY, last, GROUP], routes=[by_group]))
    turned = Desired(
        nexthops=[Nexthop(5, group=[7]), last, Nexthop(6, group=[7])], routes=[by_group]
    )
    await net.converges(turned)
    assert await net.has("route show 192.0.2.0/24")


async def test_a_foreign_route_keeps_a_nexthop_of_ours_from_becoming_a_group(net: Net) -> None:
    await net.converges(Desired(nexthops=[WAY]))
    await net.ip("route add 203.0.113.0/24 nhid 5 proto static")
    turned = Desired(nexthops=[Nexthop(5, group=[7]), Nexthop(7, "10.0.0.7", "one")])
    report = await net.reconcile(turned)
    (conflict,) = report.conflicts
    assert conflict.key == "nexthop 5"
    assert "protocol 4 (static) has 203.0.113.0/24" in conflict.reason
    assert await net.has("route show 203.0.113.0/24")
    await net.ip("route del 203.0.113.0/24")
    await net.converges(turned)


async def test_nor_is_a_foreign_nexthop_taken_over_from_under_foreign_routes(net: Net) -> None:
    await net.ip("nexthop add id 5 via 10.0.0.9 dev one")
    await net.ip("route add 203.0.113.0/24 nhid 5 proto static")
    turned = Desired(nexthops=[Nexthop(5, group=[7]), Nexthop(7, "10.0.0.7", "one")])
    report = await net.reconcile(turned, on_conflict="replace")
    (conflict,) = report.conflicts
    assert "protocol 4 (static) has 203.0.113.0/24" in conflict.reason
    await net.ip("route del 203.0.113.0/24")
    await net.converges(turned, on_conflict="replace")
