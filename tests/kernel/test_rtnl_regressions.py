"""What random stories over a network namespace once brought to light, each as small as it got."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from linx_async import rtnl
from linx_async.rtnl import Address, Desired, Link, Neighbour, Nexthop, Route, Rule
from linx_async.testing.namespaces import Namespaces
from tests.kernel.rtnl_place import Place, Thing, World, place_in

pytestmark = pytest.mark.anyio

LOWER_UP = 0x10000


@pytest.fixture
async def place(box: Namespaces) -> AsyncIterator[Place]:
    """A namespace with two ends of a veth that are up."""
    async with place_in(box.pid) as found:
        await found.add_link(Link("va", "veth", peer="vb"))
        await found.set_link("va", up=True)
        await found.set_link("vb", up=True)
        yield found


async def test_a_rule_goes_although_another_has_the_same(box: Namespaces, place: Place) -> None:
    rule = Rule(100, 100, source="10.0.0.0/8")
    made = await rtnl.reconcile(Desired(rules=[rule]), scope=box.pid)
    assert await place.put(rule, 4)
    assert [each.protocol for each in await rules(place)] == [76, 4]
    await rtnl.reconcile({}, scope=box.pid, last_applied=made.last_applied)
    assert [each.protocol for each in await rules(place)] == [4]


async def rules(place: Place) -> list[Rule]:
    return [each for each in (await place.world()).rules if each.priority == 100]


async def test_a_proxy_outlasts_the_loss_of_the_carrier(box: Namespaces, place: Place) -> None:
    proxies = [Neighbour("va", address, proxy=True) for address in ("10.0.0.9", "fd00::9")]
    desired = Desired(neighbours=proxies)
    await rtnl.reconcile(desired, scope=box.pid)
    await place.set_link("vb", up=False)
    assert not await has_carrier(place)
    report = await rtnl.reconcile(desired, scope=box.pid)
    assert report.converged
    assert report.applied == ()


async def has_carrier(place: Place) -> bool:
    """Whether va has one, once the kernel has told all of its loss (linkwatch)."""
    while (await place.links())["va"].operstate == "up":
        pass
    return bool((await place.links())["va"].flags & LOWER_UP)


async def test_a_proxy_with_the_state_that_iproute2_gives_it_is_one(place: Place) -> None:
    proxy = Neighbour("va", "10.0.0.9", proxy=True)
    await place.put(proxy, 4)
    world: World = await place.world()
    assert [each for each in world.neighbours if each.proxy] == [
        Neighbour("va", "10.0.0.9", proxy=True, protocol=4)
    ]


async def test_a_link_that_shall_belong_to_nothing_waits_for_nothing(box: Namespaces) -> None:
    desired = Desired(links=[Link("new", "ifb", master="")])
    assert (await rtnl.reconcile(desired, scope=box.pid)).converged


async def test_a_foreign_link_stays_until_what_replaces_it_can_be_made(
    box: Namespaces, place: Place
) -> None:
    await place.add_link(Link("new", "ifb"))
    desired = Desired(links=[Link("new", "macvlan", parent="absent")])
    report = await rtnl.reconcile(desired, scope=box.pid, on_conflict="replace")
    assert [each.reason for each in report.waiting] == ["the interface absent is not there"]
    assert (await place.links())["new"].kind == "ifb"


async def test_a_group_waits_for_a_member_that_is_not_declared_any_more(
    box: Namespaces, place: Place
) -> None:
    member, group = Nexthop(1, interface="va"), Nexthop(11, group=[1])
    made = await rtnl.reconcile(Desired(nexthops=[member, group]), scope=box.pid)
    desired = Desired(nexthops=[group])
    report = await rtnl.reconcile(desired, scope=box.pid, last_applied=made.last_applied)
    assert [each.key for each in report.waiting] == [group.key]
    assert (await place.world()).nexthops == ()


@pytest.mark.parametrize("change", [Link("va", up=False), Link("va", "ifb", up=True)], ids=str)
async def test_a_foreign_nexthop_stays_where_the_member_of_what_replaces_it_goes(
    box: Namespaces, place: Place, change: Link
) -> None:
    assert await place.put(Nexthop(3, interface="va"), 4)
    assert await place.put(Nexthop(12, blackhole=True), 4)
    desired = Desired(links=[change], nexthops=[Nexthop(12, group=[3])])
    report = await rtnl.reconcile(desired, scope=box.pid, on_conflict="replace")
    assert [each.reason for each in report.waiting] == ["the nexthop 3 is not there"]
    assert [(each.id, each.protocol) for each in (await place.world()).nexthops] == [(12, 4)]


@pytest.mark.parametrize(
    ("theirs", "desired"),
    [
        (
            Neighbour("va", "10.0.0.50", "02:00:00:00:00:0a"),
            Desired(neighbours=[Neighbour("va", "10.0.0.50", "02:00:00:00:00:0b")]),
        ),
        (
            Route("192.0.2.0/24", interface="va"),
            Desired(routes=[Route("192.0.2.0/24", interface="va", metrics={"mtu": 1300})]),
        ),
    ],
    ids=["neighbour", "route"],
)
async def test_the_last_address_goes_where_all_that_goes_with_it_is_taken_over(
    box: Namespaces, place: Place, theirs: Thing, desired: Desired
) -> None:
    assert await place.put(Address("va", "10.0.0.1/24"), 76)
    assert await place.put(theirs, 4)
    assert (await rtnl.reconcile(desired, scope=box.pid, on_conflict="replace")).converged
