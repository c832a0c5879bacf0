"""Others' routes by a nexthop of ours, which leaves an interface that goes down or away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from linx_async import Report, rtnl
from linx_async.rtnl import (
    Address,
    Desired,
    DesiredLike,
    Link,
    Nexthop,
    ReplaceNexthop,
    Route,
    RtnlOp,
)
from linx_async.testing.namespaces import Namespaces
from tests.kernel.rtnl_place import PUT, Place, Thing, place_in

pytestmark = pytest.mark.anyio

OURS, THEIRS = 76, 4


@pytest.fixture
async def place(box: Namespaces) -> AsyncIterator[Place]:
    """A namespace with two veths and a bridge that are up; the bridge has no port."""
    async with place_in(box.pid) as found:
        for link in (
            Link("va", "veth", peer="vb"),
            Link("vc", "veth", peer="vd"),
            Link("br", "bridge"),
        ):
            assert await found.add_link(link)
        for name in ("va", "vb", "vc", "vd", "br"):
            assert await found.set_link(name, up=True)
        yield found


def way(interface: str, number: int = 2, *, version: int = 4) -> Nexthop:
    gateway = "10.0.0.254" if version == 4 else "fe80::1"
    return Nexthop(number, gateway, interface, onlink=True)


def route_by(number: int, *, version: int = 4) -> Route:
    text = f"192.0.2.{number}" if version == 4 else f"2001:db8::{number}"
    return Route(text, nexthop_id=number)


async def puts(place: Place, protocol: int, *things: Thing) -> None:
    for thing in things:
        assert await place.put(thing, protocol), thing


async def theirs(place: Place) -> set[str]:
    """The keys of what somebody else has of nexthops and routes by them."""
    world = await place.world()
    routes = [each for each in world.routes if each.forwarding.nexthop_id]
    things: list[Thing] = [*world.nexthops, *routes]
    return {each.key for each in things if each.protocol == THEIRS}


async def way_of(place: Place, number: int) -> str:
    return next(str(each) for each in (await place.world()).nexthops if each.id == number)


# What the kernel does


@pytest.mark.parametrize("version", [4, 6])
async def test_the_kernel_keeps_routes_by_a_nexthop_that_is_replaced(
    place: Place, version: int
) -> None:
    await puts(place, OURS, way("va", version=version))
    await puts(place, THEIRS, route_by(2, version=version))
    before = await theirs(place)
    for new in (Nexthop(2, blackhole=True, family=version), way("vc", version=version)):
        assert await place.put(new, OURS, PUT)
        assert await way_of(place, 2) == str(new)
        assert await theirs(place) == before


async def test_the_kernel_takes_routes_by_a_nexthop_with_its_interface_and_it_comes_back_bare(
    place: Place,
) -> None:
    await puts(place, OURS, way("va"))
    await puts(place, THEIRS, route_by(2))
    await place.set_link("va", up=False)
    assert not (await place.world()).nexthops
    # What would only change it makes it anew.
    assert await place.put(way("vc"), OURS, PUT)
    assert await theirs(place) == set()


async def test_the_kernel_takes_routes_by_a_nexthop_with_the_carrier_once_it_notices(
    place: Place,
) -> None:
    await puts(place, OURS, way("va"))
    await puts(place, THEIRS, route_by(2))
    await place.set_link("vb", up=False)
    while (await place.world()).nexthops:
        pass
    assert await theirs(place) == set()


async def test_the_kernel_keeps_routes_by_a_nexthop_when_its_last_address_goes(
    place: Place,
) -> None:
    address = Address("va", "10.0.0.1/24")
    await puts(place, OURS, address, Nexthop(2, "10.0.0.254", "va"))
    await puts(place, THEIRS, route_by(2))
    before = await theirs(place)
    assert await place.delete(address)
    assert await theirs(place) == before


async def test_the_kernel_keeps_routes_by_a_nexthop_when_its_interface_joins_a_bridge(
    place: Place,
) -> None:
    await puts(place, OURS, way("va"))
    await puts(place, THEIRS, route_by(2))
    before = await theirs(place)
    assert await place.set_link("va", master="br")
    assert await theirs(place) == before


async def test_the_kernel_has_no_blackhole_among_several_ways(place: Place) -> None:
    await puts(place, OURS, way("va"), way("va", 3), Nexthop(11, group=[2, 3]))
    assert not await place.put(Nexthop(2, blackhole=True), OURS, PUT)


# What we do

WHERE_IT_WAS: dict[str, Link] = {
    "down": Link("va", up=False),
    "without a carrier": Link("vb", up=False),
    "the port of a bridge": Link("va", master="br"),
    "down in a bridge": Link("va", up=False, master="br"),
    "of another kind": Link("va", "ifb", up=True),
}
WHERE_IT_GOES: dict[str, tuple[Nexthop, tuple[Any, ...], tuple[Any, ...]]] = {
    "there": (way("vc"), (), ()),
    "made with it": (way("new"), (Link("new", "ifb", up=True),), ()),
    "without its address yet": (
        Nexthop(2, "10.0.0.254", "vc"),
        (),
        (Address("vc", "10.0.0.1/24"),),
    ),
}


@pytest.mark.parametrize("was", WHERE_IT_WAS.values(), ids=WHERE_IT_WAS)
@pytest.mark.parametrize("goes", WHERE_IT_GOES.values(), ids=WHERE_IT_GOES)
async def test_a_foreign_route_stays_where_its_nexthop_leaves_an_interface_that_changes(
    box: Namespaces,
    place: Place,
    was: Link,
    goes: tuple[Nexthop, tuple[Any, ...], tuple[Any, ...]],
) -> None:
    nexthop, links, addresses = goes
    await puts(place, OURS, way("va"))
    await puts(place, THEIRS, Nexthop(11, group=[2]), route_by(2), route_by(11))
    before = await theirs(place)
    desired = Desired(links=[was, *links], addresses=addresses, nexthops=[nexthop])
    await reconciled(box, desired, on_conflict="replace")
    assert await theirs(place) == before
    assert await way_of(place, 2) == str(nexthop)


async def reconciled(box: Namespaces, desired: DesiredLike, **options: Any) -> Report[RtnlOp]:
    """A pass after which nothing is left to do, but for what it waits for."""
    report = await rtnl.reconcile(desired, scope=box.pid, **options)
    assert not report.failed, report
    assert not report.conflicts, report
    options["last_applied"] = report.last_applied
    again = await rtnl.reconcile(desired, scope=box.pid, **options)
    assert again.applied == ()
    return report


async def test_one_that_can_be_there_at_once_is_moved_without_a_gap(
    box: Namespaces, place: Place
) -> None:
    await puts(place, OURS, way("va"))
    await puts(place, THEIRS, route_by(2))
    desired = Desired(links=[Link("va", up=False)], nexthops=[way("vc")])
    report = await reconciled(box, desired)
    assert [str(op) for op in report.applied] == [
        f"replace nexthop {way('vc')} (is {way('va')})",
        "set link va: up no",
    ]


async def test_one_that_cannot_is_a_blackhole_in_between(box: Namespaces, place: Place) -> None:
    await puts(place, OURS, way("va", version=6))
    await puts(place, THEIRS, route_by(2, version=6))
    links = [Link("va", up=False), Link("new", "ifb", up=True)]
    report = await reconciled(box, Desired(links=links, nexthops=[way("new", version=6)]))
    moves = [str(op) for op in report.applied if isinstance(op, ReplaceNexthop)]
    assert moves == [
        f"replace nexthop 2 blackhole (is {way('va', version=6)})",
        f"replace nexthop {way('new', version=6)} (is 2 blackhole)",
    ]


async def test_a_foreign_route_stays_where_what_its_nexthop_was_on_sits_on_a_link_that_goes_down(
    box: Namespaces, place: Place
) -> None:
    await place.add_link(Link("upper", "macvlan", parent="va"))
    await place.set_link("upper", up=True)
    await puts(place, OURS, way("upper"))
    await puts(place, THEIRS, route_by(2))
    before = await theirs(place)
    await reconciled(box, Desired(links=[Link("va", up=False)], nexthops=[way("vc")]))
    assert await theirs(place) == before


async def test_a_foreign_route_stays_where_its_nexthop_leaves_a_bridge_that_loses_its_port(
    box: Namespaces, place: Place
) -> None:
    assert await place.set_link("va", master="br")
    while not (await place.links())["br"].has_carrier:
        pass
    await puts(place, OURS, way("br"))
    await puts(place, THEIRS, route_by(2))
    before = await theirs(place)
    report = await reconciled(box, Desired(links=[Link("va", master="")], nexthops=[way("vc")]))
    assert isinstance(report.applied[0], ReplaceNexthop)
    assert await theirs(place) == before


async def test_a_foreign_route_stays_where_the_link_that_its_nexthop_is_on_is_made_anew(
    box: Namespaces, place: Place
) -> None:
    links = [Link("new", "ifb", up=True)]
    made = await reconciled(box, Desired(links=links, nexthops=[way("new")]))
    await puts(place, THEIRS, route_by(2))
    before = await theirs(place)
    links = [Link("new", "macvlan", parent="va", up=True)]
    desired = Desired(links=links, nexthops=[way("new")])
    await reconciled(box, desired, last_applied=made.last_applied)
    assert await theirs(place) == before
    assert await way_of(place, 2) == str(way("new"))


async def test_a_foreign_group_of_several_ways_of_ours_stays_as_it_was(
    box: Namespaces, place: Place
) -> None:
    await puts(place, OURS, way("va"), way("va", 3))
    await puts(place, THEIRS, Nexthop(11, group=[2, 3]), route_by(11))
    before = await theirs(place)
    nexthops = [way("vc"), way("vc", 3)]
    await reconciled(box, Desired(links=[Link("va", up=False)], nexthops=nexthops))
    assert await theirs(place) == before
    assert await way_of(place, 11) == "11 group 2/3"
