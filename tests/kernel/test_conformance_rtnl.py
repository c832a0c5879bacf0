"""The rtnetlink source, put through the laws that every Source keeps, on the real kernel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from unittest.mock import ANY

import pytest
from attrs import evolve

from linx_async import rtnl
from linx_async.rtnl import Address, Desired, Link, Neighbour, Nexthop, Route, Rule
from linx_async.testing.conformance import Law, SourceCase
from tests.conformance import LONG, Case, keeps_short_laws
from tests.kernel.netbox import MAC, Net, net
from tests.kernel.rtnl_place import Place, Thing, World

__all__ = ["net"]

pytestmark = pytest.mark.anyio

TAG, KERNEL, STATIC = 76, 2, 4
FOREIGN = """
address add 10.0.9.1/24 dev one
route add 198.51.100.0/24 via 10.0.0.9 dev one proto static
rule add from 10.9.0.0/24 lookup 109 priority 1009 protocol static
neighbour add 10.0.0.99 lladdr 02:00:00:00:00:0f dev one protocol static
nexthop add id 9 via 10.0.0.9 dev one proto static
"""
TAGGED = (
    Desired(
        addresses=[Address("one", "10.7.0.1/24"), Address("one", "fd07::1/64", nodad=True)],
        nexthops=[Nexthop(7, "10.0.0.2", "one")],
        neighbours=[Neighbour("one", "10.0.0.77", MAC)],
        routes=[Route("192.0.2.0/24", "10.0.0.2", "one"), Route("192.0.3.0/24", nexthop_id=7)],
        rules=[Rule(1007, 107, source="10.7.0.0/24")],
    ),
    Desired(
        addresses=[Address("one", "10.7.0.1/24", label="one:7")],
        nexthops=[Nexthop(7, "10.0.0.3", "one")],
        routes=[Route("192.0.2.0/24", "10.0.0.3", "one")],
        rules=[Rule(1008, 108, source="10.7.0.0/24")],
    ),
)
"""What the kernel itself knows to be ours."""
RECORDED = (
    Desired(
        links=[Link("v7", "veth", peer="w7", up=True, mtu=1500)],
        addresses=[Address("one", "10.7.0.1/24")],
    ),
    Desired(
        links=[Link("v7", "veth", peer="w7", mtu=1400)],
        addresses=[Address("one", "10.7.0.1/24", label="one:7"), Address("one", "10.7.1.1/24")],
    ),
)
"""What our record alone knows to be ours, where addresses have no tag."""


def seen(world: World) -> Mapping[str, object]:
    """What is there, but for what the kernel makes by itself."""
    found: dict[str, object] = {}
    for name, link in world.links.items():
        found[f"link {name}"] = (link.kind, link.up, link.mtu, link.alias)
        found[f"link {name}, which"] = (link.index, link.address)
    things = defaultdict(list)
    for thing in world.things:
        if not is_the_kernels(thing):
            things[thing.key].append((str(thing), thing.protocol))
    return {**found, **{key: sorted(each, key=str) for key, each in things.items()}}


def is_the_kernels(thing: Thing) -> bool:
    if isinstance(thing, Neighbour):
        return thing.protocol == 0
    return isinstance(thing, Route) and thing.protocol == KERNEL


def shown(desired: Desired, tag: int) -> Mapping[str, object]:
    found: dict[str, object] = {}
    for link in desired.links:
        found |= {f"link {link.name}": (link.kind, link.up is not False, link.mtu, "")}
        found |= {f"link {link.name}, which": ANY}
        found |= {f"link {link.peer}": ANY, f"link {link.peer}, which": ANY}
    for kind in ("addresses", "nexthops", "neighbours", "routes", "rules"):
        found |= {thing.key: [(str(thing), tag)] for thing in getattr(desired, kind)}
    return found


@pytest.fixture
async def place(net: Net) -> AsyncIterator[Place]:
    net.prepare(FOREIGN)
    async with net.socket() as socket:
        yield Place(socket)


@pytest.fixture
def tagged(net: Net, place: Place) -> Case:
    async def look() -> Mapping[str, object]:
        return seen(await place.world())

    async def meddle() -> None:
        assert await place.delete(Route("192.0.2.0/24", "10.0.0.2", "one", protocol=TAG))

    @asynccontextmanager
    async def rival() -> AsyncIterator[None]:
        theirs = Route("192.0.2.0/24", "10.0.0.8", "one", protocol=STATIC)
        assert await place.put(theirs, STATIC)
        yield
        assert await place.delete(theirs)

    return SourceCase(
        make=lambda: rtnl.Source(net.scope, address_tags=True),
        states=TAGGED,
        empty=Desired(),
        look=look,
        shows=lambda desired: shown(desired, TAG),
        meddle=meddle,
        rival=rival,
        wrong=({"links": 1}, {"addresses": [("one", "10.0.0.300/24")]}, {"roads": []}),
    )


@pytest.fixture
def recorded(tagged: Case, net: Net, place: Place) -> Case:
    async def meddle() -> None:
        assert await place.delete(RECORDED[0].addresses[0])

    @asynccontextmanager
    async def rival() -> AsyncIterator[None]:
        assert await place.add_link(Link("v7", "bridge"))
        yield
        assert await place.delete_link("v7")

    return evolve(
        tagged,
        make=lambda: rtnl.Source(net.scope, address_tags=False),
        states=RECORDED,
        shows=lambda desired: shown(desired, 0),
        meddle=meddle,
        rival=rival,
    )


async def test_what_the_kernel_tags_keeps_the_laws(tagged: Case) -> None:
    assert await keeps_short_laws(tagged) == set()


@pytest.mark.parametrize("law", LONG, ids=str)
async def test_what_the_kernel_tags_keeps_the_law_wherever_it_is_cut_short(
    law: Law, tagged: Case
) -> None:
    await law.check(tagged)


async def test_what_the_record_names_keeps_the_laws(recorded: Case) -> None:
    assert await keeps_short_laws(recorded) == set()


@pytest.mark.parametrize("law", LONG, ids=str)
async def test_what_the_record_names_keeps_the_law_wherever_it_is_cut_short(
    law: Law, recorded: Case
) -> None:
    await law.check(recorded)
