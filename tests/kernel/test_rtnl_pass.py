"""Passes over a real network namespace: what is ours is made so, and nothing else is touched."""

from __future__ import annotations

import re
from typing import Any

import pytest
from attrs import frozen

from linx_async import DesiredStateError, rtnl
from linx_async.rtnl import Address, Desired, Neighbour, Nexthop, Route, Rule
from tests.kernel.netbox import MAC, Net, net, other, settles
from tests.kernel.sysctls import running, until

__all__ = ["net", "other"]

pytestmark = pytest.mark.anyio

OTHER_MAC = "02:00:00:00:00:99"
OTHER_TAG = 99
ROUTE_4 = Route("192.0.2.0/24", interface="one").key
ROUTE_6 = Route("2001:db8::/64", interface="one").key


@frozen
class Thing:
    """Something that can be desired, and what others may have in its place.

    Attributes:
        resource: The field of `Desired` that it goes to.
        entry: What is desired.
        shown: What `ip` shows it with.
        same: How `ip` makes the same.
        delete: How `ip` deletes it.
        other: How `ip` makes another under the same key; empty where there is no such thing.
        says: What a conflict with that says.
    """

    resource: str
    entry: Any
    shown: str
    same: str
    delete: str
    other: str = ""
    says: str = ""

    @property
    def desired(self) -> Desired:
        return Desired(**{self.resource: [self.entry]})


THINGS = {
    "IPv4 route": Thing(
        "routes",
        Route("192.0.2.0/24", "10.0.0.2", "one"),
        "route show 192.0.2.0/24",
        "route add 192.0.2.0/24 via 10.0.0.2 dev one proto static",
        "route del 192.0.2.0/24",
        "route add 192.0.2.0/24 via 10.0.0.3 dev one proto static",
        r"protocol 4 \(static\) has .*192\.0\.2\.0/24.*10\.0\.0\.3",
    ),
    "IPv6 route": Thing(
        "routes",
        Route("2001:db8::/64", "fd00::2", "one"),
        "-6 route show 2001:db8::/64",
        "route add 2001:db8::/64 via fd00::2 dev one proto static",
        "route del 2001:db8::/64",
        "route add 2001:db8::/64 via fd00::3 dev one proto static",
        r"protocol 4 \(static\) has .*2001:db8::/64.*fd00::3",
    ),
    "IPv4 address": Thing(
        "addresses",
        Address("one", "10.1.0.1/24"),
        "address show one to 10.1.0.1",
        "address add 10.1.0.1/24 dev one",
        "address del 10.1.0.1/24 dev one",
        "address add 10.1.0.1/24 dev one label one:other",
        r"protocol 0 has 10\.1\.0\.1/24 on one there, with another label",
    ),
    "IPv6 address": Thing(
        "addresses",
        Address("one", "fd01::1/64", nodad=True),
        "address show one to fd01::1",
        "address add fd01::1/64 dev one nodad",
        "address del fd01::1/64 dev one",
        "address add fd01::1/96 dev one nodad",
        r"protocol 0 has fd01::1/96 on one there, with another network",
    ),
    "neighbour": Thing(
        "neighbours",
        Neighbour("one", "10.0.0.9", MAC),
        "neighbour show 10.0.0.9",
        f"neighbour add 10.0.0.9 lladdr {MAC} dev one protocol static",
        "neighbour del 10.0.0.9 dev one",
        f"neighbour add 10.0.0.9 lladdr {OTHER_MAC} dev one protocol static",
        rf"protocol 4 \(static\) has 10.0.0.9 lladdr {OTHER_MAC} on one permanent there",
    ),
    "nexthop": Thing(
        "nexthops",
        Nexthop(5, "10.0.0.2", "one"),
        "nexthop show id 5",
        "nexthop add id 5 via 10.0.0.2 dev one proto static",
        "nexthop del id 5",
        "nexthop add id 5 via 10.0.0.3 dev one proto static",
        r"protocol 4 \(static\) has nexthop 5 via 10\.0\.0\.3 dev one there",
    ),
    "proxy": Thing(
        "neighbours",
        Neighbour("one", "fd00::9", proxy=True),
        "-6 neighbour show proxy",
        "neighbour add proxy fd00::9 dev one protocol static",
        "neighbour del proxy fd00::9 dev one",
        "neighbour add proxy fd00::9 dev one router protocol static",
        r"protocol 4 \(static\) has proxy fd00::9 on one there",
    ),
    "rule": Thing(
        "rules",
        Rule(1000, 100, source="10.9.0.0/24"),
        "rule show from 10.9.0.0/24",
        "rule add from 10.9.0.0/24 lookup 100 priority 1000 protocol static",
        "rule del from 10.9.0.0/24",
    ),
}

each_thing = pytest.mark.parametrize("thing", THINGS.values(), ids=THINGS)
# The kernel announces no proxies.
each_announced = pytest.mark.parametrize(
    "thing",
    [thing for name, thing in THINGS.items() if name != "proxy"],
    ids=[name for name in THINGS if name != "proxy"],
)
each_rival = pytest.mark.parametrize(
    "thing",
    [thing for thing in THINGS.values() if thing.other],
    ids=[name for name, thing in THINGS.items() if thing.other],
)


@each_thing
async def test_what_is_missing_is_made_and_what_is_no_longer_desired_is_deleted(
    net: Net, thing: Thing
) -> None:
    made = await net.converges(thing.desired)
    assert len(made.applied) == 1
    assert await net.has(thing.shown)
    deleted = await net.converges({}, last_applied=made.last_applied)
    assert len(deleted.applied) == 1
    assert not await net.has(thing.shown)


@each_rival
async def test_what_somebody_else_has_under_the_key_is_a_conflict_and_is_left_alone(
    net: Net, thing: Thing
) -> None:
    await net.ip(thing.other)
    before = await net.shown(thing.shown)
    report = await net.reconcile(thing.desired)
    (conflict,) = report.conflicts
    assert conflict.key == thing.entry.key
    assert_says(conflict.reason, thing.says)
    assert not report.converged
    assert report.applied == ()
    assert await net.shown(thing.shown) == before


@each_rival
async def test_replace_takes_it_over_and_then_owns_it(net: Net, thing: Thing) -> None:
    await net.ip(thing.other)
    report = await net.converges(thing.desired, on_conflict="replace")
    assert len(report.applied) == 1
    assert len(await net.shown(thing.shown)) == 1
    released = await net.converges({}, last_applied=report.last_applied)
    assert len(released.applied) == 1
    assert not await net.has(thing.shown)


@each_thing
async def test_what_is_equal_but_somebody_elses_is_converged_and_never_deleted(
    net: Net, thing: Thing
) -> None:
    await net.ip(thing.same)
    before = await net.shown(thing.shown)
    report = await net.converges(thing.desired)
    assert report.applied == ()
    report = await net.converges({}, last_applied=report.last_applied)
    assert report.applied == ()
    assert await net.shown(thing.shown) == before


@each_announced
async def test_a_loop_puts_back_what_somebody_deletes(net: Net, thing: Thing) -> None:
    async with running(net.loop(thing.desired)) as reports:
        await net.ip(thing.delete)
        await settles(reports, lambda: net.has(thing.shown))


@each_announced
async def test_a_loop_puts_back_what_a_link_that_goes_down_takes_along(
    net: Net, thing: Thing
) -> None:
    async with running(net.loop(thing.desired)) as reports:
        await net.ip("link set one down", "link set one up", "address replace fd00::1/64 dev one")
        await settles(reports, lambda: net.has(thing.shown))


@pytest.mark.parametrize(
    "name", [name for name, thing in THINGS.items() if thing.other and name != "proxy"]
)
async def test_a_loop_takes_the_place_that_somebody_else_leaves(net: Net, name: str) -> None:
    thing = THINGS[name]
    await net.ip(thing.other)
    async with running(net.loop(thing.desired)) as reports:
        await net.ip(thing.delete.replace("/64 dev", "/96 dev"))
        await settles(reports, lambda: net.has(thing.shown))


@pytest.mark.parametrize("name", ["IPv4 route", "IPv6 route", "neighbour", "nexthop"])
async def test_what_of_ours_somebody_else_takes_over_is_a_conflict(net: Net, name: str) -> None:
    thing = THINGS[name]
    async with running(net.loop(thing.desired)) as reports:
        await net.ip(thing.other.replace(" add ", " replace "))
        report = await until(reports, lambda report: bool(report.conflicts))
        (conflict,) = report.conflicts
        assert_says(conflict.reason, thing.says)


@each_thing
async def test_two_tags_share_a_namespace(net: Net, thing: Thing) -> None:
    """Each deletes its own alone, and takes the other's for a foreign one."""
    others = Desired(
        addresses=[Address("one", "10.3.0.1/24")],
        routes=[Route("198.51.100.0/24", "10.0.0.2", "one")],
        rules=[Rule(2000, 100, source="10.8.0.0/24")],
        neighbours=[Neighbour("one", "10.0.0.7", MAC), Neighbour("one", "10.0.0.8", proxy=True)],
        nexthops=[Nexthop(7, "10.0.0.2", "one")],
    )
    await net.converges(others, protocol=OTHER_TAG)
    await net.converges(thing.desired)
    assert (await net.converges(thing.desired, protocol=OTHER_TAG)).applied
    assert await net.has(thing.shown)
    await net.converges({}, protocol=OTHER_TAG)
    assert await net.has(thing.shown)
    await net.converges(others, protocol=OTHER_TAG)
    await net.converges({})
    assert not await net.has(thing.shown)
    assert (await net.reconcile(others, protocol=OTHER_TAG)).applied == ()


@pytest.mark.parametrize("family", ["-4", "-6"])
async def test_what_the_kernel_has_put_there_is_never_touched(net: Net, family: str) -> None:
    async def kernels() -> list[dict[str, Any]]:
        routes = await net.shown(f"{family} route show table all protocol kernel")
        # The flags tell of the carrier, which comes when it comes.
        return [{**each, "flags": None} for each in routes] + await net.shown(f"{family} rule")

    before = await kernels()
    destination = "192.0.2.0/24" if family == "-4" else "2001:db8::/64"
    desired = {
        "routes": [Route(destination, interface="one", table=table) for table in (100, "main")],
        "rules": [Rule(1000, 100, family=abs(int(family)))],
    }
    made = await net.converges(desired)
    assert len(made.applied) == 3
    gone = await net.converges({})
    assert {op.key for op in gone.applied} == {op.key for op in made.applied}
    after = await kernels()
    assert [each for each in before if each not in after] == []


async def test_a_route_of_the_kernels_is_a_conflict_that_names_it(net: Net) -> None:
    report = await net.reconcile({"routes": [("10.0.0.0/24", "10.0.0.2", "one")]})
    (conflict,) = report.conflicts
    assert "protocol 2 (kernel) has 10.0.0.0/24" in conflict.reason


async def test_a_default_rule_that_is_desired_is_there_and_stays(net: Net) -> None:
    before = await net.shown("rule show")
    await net.converges({"rules": [Rule(0, "local"), Rule(32766, "main")]})
    await net.converges({})
    assert await net.shown("rule show") == before


async def test_an_op_fails_alone_and_what_depends_on_it_is_pending(net: Net) -> None:
    report = await net.reconcile(
        {
            "links": [{"name": "nix", "kind": "nosuchkind"}],
            "addresses": [("nix", "10.5.0.1", 24), ("one", "10.6.0.1", 24)],
            "nexthops": [Nexthop(8, "203.0.113.1", "one"), Nexthop(9, "10.0.0.2", "one")],
            "routes": [
                ("192.0.2.0/28", "203.0.113.1"),
                ("192.0.2.16/28", "10.0.0.2"),
                {"destination": "192.0.2.32/28", "nexthop_id": 8},
                {"destination": "192.0.2.48/28", "nexthop_id": 9},
                {"destination": "192.0.2.64/28", "interface": "nix"},
            ],
        }
    )
    assert {failure.key for failure in report.failed} == {
        "link nix",
        "nexthop 8",
        Route("192.0.2.0/28", "203.0.113.1").key,
    }
    assert {op.key for op in report.pending} | {each.key for each in report.waiting} == {
        "address 10.5.0.1/24 on nix",
        Route("192.0.2.32/28", nexthop_id=8).key,
        Route("192.0.2.64/28", interface="nix").key,
    }
    assert {op.key for op in report.applied} == {
        "address 10.6.0.1/24 on one",
        "nexthop 9",
        Route("192.0.2.16/28", "10.0.0.2").key,
        Route("192.0.2.48/28", nexthop_id=9).key,
    }
    assert "ENETUNREACH" in str(next(f for f in report.failed if "route" in f.key))


async def test_what_needs_a_missing_interface_waits_and_converges_when_it_appears(
    net: Net,
) -> None:
    desired = {
        "addresses": [("late", "10.7.0.1", 24)],
        "routes": [("192.0.2.0/24", "10.7.0.2", "late")],
    }
    report = await net.reconcile(desired)
    assert {each.key for each in report.waiting} == {
        "address 10.7.0.1/24 on late",
        ROUTE_4,
    }
    assert "late is not there" in report.waiting[0].reason
    loop = net.loop(desired)
    async with running(loop) as reports:
        await net.ip("link add late type veth peer name later", "link set late up")
        await settles(reports, lambda: net.has("route show 192.0.2.0/24"))


async def test_a_route_waits_while_its_interface_is_down(net: Net) -> None:
    await net.ip("link set one down")
    loop = net.loop({"routes": [("192.0.2.0/24", "10.0.0.2", "one")]})
    async with running(loop) as reports:
        (waiting,) = (await loop.reconcile()).waiting
        assert "one is down" in waiting.reason
        await net.ip("link set one up")
        await settles(reports, lambda: net.has("route show 192.0.2.0/24"))


async def test_a_route_waits_for_a_source_that_is_tentative(net: Net) -> None:
    new = await net.without_carrier()
    desired = {
        "addresses": [(new, "fd02::1", 64)],
        "routes": [Route("2001:db8::/64", "fd02::2", new, source="fd02::1")],
    }
    loop = net.loop(desired)
    async with running(loop) as reports:
        report = await loop.reconcile()
        assert report.failed == ()
        assert {each.key for each in report.waiting} == {
            f"address fd02::1 on {new}",
            ROUTE_6,
        }
        assert "duplicate address detection" in report.waiting[-1].reason
        await net.ip("link set peer up")
        await settles(reports, lambda: net.has("-6 route show 2001:db8::/64"))


async def test_an_address_that_another_host_has_is_failed_and_says_so(net: Net) -> None:
    loop = net.loop({"addresses": [("two", "fd00::1", 64)]})
    async with running(loop) as reports:
        report = await until(reports, lambda report: bool(report.failed))
        (failure,) = report.failed
        assert failure.key == "address fd00::1 on two"
        assert "duplicate address detection failed" in str(failure)
        assert not report.converged


async def test_a_primary_address_with_foreign_secondaries_is_a_conflict(net: Net) -> None:
    await net.converges({"addresses": [("one", "10.1.0.1", 24)]})
    await net.ip("address add 10.1.0.2/24 dev one")
    report = await net.reconcile({})
    (conflict,) = report.conflicts
    assert conflict.key == "address 10.1.0.1/24 on one"
    assert "10.1.0.2/24 on one" in conflict.reason
    assert "promote_secondaries" in conflict.reason
    assert len(await net.shown("address show one to 10.1.0.0/24")) == 1
    assert await net.has("address show one to 10.1.0.1")
    assert await net.has("address show one to 10.1.0.2")


async def test_with_promote_secondaries_it_is_deleted_alone(net: Net) -> None:
    await net.converges({"addresses": [("one", "10.1.0.1", 24)]})
    await net.ip("address add 10.1.0.2/24 dev one")
    await net.write("net.ipv4.conf.one.promote_secondaries", "1")
    await net.converges({})
    assert not await net.has("address show one to 10.1.0.1")
    assert await net.has("address show one to 10.1.0.2")


async def test_our_own_secondaries_come_back(net: Net) -> None:
    await net.converges({"addresses": [("one", "10.1.0.1", 24), ("one", "10.1.0.2", 24)]})
    await net.converges({"addresses": [("one", "10.1.0.2", 24), ("one", "10.1.0.3", 24)]})
    assert not await net.has("address show one to 10.1.0.1")
    assert await net.has("address show one to 10.1.0.2")
    assert await net.has("address show one to 10.1.0.3")


@pytest.mark.parametrize("replace", ["report", "replace"])
async def test_an_address_is_not_made_anew_where_foreign_secondaries_would_go(
    net: Net, replace: str
) -> None:
    await net.ip("address add 10.1.0.1/24 label one:x dev one", "address add 10.1.0.2/24 dev one")
    report = await net.reconcile({"addresses": [("one", "10.1.0.1", 24)]}, on_conflict=replace)
    assert [each.key for each in report.conflicts] == ["address 10.1.0.1/24 on one"]
    assert await net.has("address show one to 10.1.0.2")


async def test_an_address_of_ours_is_not_made_anew_where_foreign_secondaries_would_go(
    net: Net,
) -> None:
    await net.converges({"addresses": [("one", "10.1.0.1", 24)]})
    await net.ip("address add 10.1.0.2/24 dev one")
    relabelled = {"addresses": [Address("one", "10.1.0.1/24", label="one:x")]}
    report = await net.reconcile(relabelled)
    (conflict,) = report.conflicts
    assert "10.1.0.2/24 on one" in conflict.reason
    assert await net.has("address show one to 10.1.0.2")


async def test_our_own_secondaries_survive_a_primary_that_is_made_anew(net: Net) -> None:
    second = Address("one", "10.1.0.2/24")
    await net.converges({"addresses": [Address("one", "10.1.0.1/24"), second]})
    await net.converges({"addresses": [Address("one", "10.1.0.1/24", label="one:x"), second]})
    assert await net.has("address show one to 10.1.0.2")


@pytest.mark.parametrize("how", ["append", "prepend"])
async def test_replacing_a_route_beside_a_foreign_one_of_the_same_key_leaves_that(
    net: Net, how: str
) -> None:
    await net.converges({"routes": [("192.0.2.0/24", "10.0.0.2", "one")]})
    await net.ip(f"route {how} 192.0.2.0/24 via 10.0.0.3 dev one proto static")
    await net.converges({"routes": [("192.0.2.0/24", "10.0.0.4", "one")]})
    found = {route["protocol"]: route for route in await net.shown("route show 192.0.2.0/24")}
    assert {name: route["gateway"] for name, route in found.items()} == {
        "static": "10.0.0.3",
        "76": "10.0.0.4",
    }
    await net.converges({})
    assert len(await net.shown("route show 192.0.2.0/24")) == 1


async def test_an_ipv6_route_is_not_replaced_beside_a_foreign_one_of_the_same_key(
    net: Net,
) -> None:
    await net.converges({"routes": [("2001:db8::/64", "fd00::2", "one")]})
    await net.ip("route append 2001:db8::/64 dev one proto static")
    before = await net.shown("-6 route show 2001:db8::/64")
    assert len(before) == 2
    report = await net.reconcile({"routes": [("2001:db8::/64", "fd00::4", "one")]})
    (conflict,) = report.conflicts
    assert conflict.key == ROUTE_6
    assert "protocol 4 (static) has 2001:db8::/64" in conflict.reason
    assert await net.shown("-6 route show 2001:db8::/64") == before


@pytest.mark.parametrize("text", ["10.1.0.1/24", "fd01::1/64"])
async def test_a_lifetime_is_renewed_when_half_of_it_is_over(net: Net, text: str) -> None:
    def lasting(seconds: int) -> dict[str, Any]:
        nodad = ":" in text
        return {"addresses": [Address("one", text, valid_lifetime=seconds, nodad=nodad)]}

    await net.converges(lasting(900))
    more_than_half = await net.reconcile(lasting(1000))
    assert more_than_half.converged == (more_than_half.applied == ())
    await net.converges(lasting(400))
    (op,) = (await net.converges(lasting(1000))).applied
    assert isinstance(op, rtnl.ReplaceAddress)
    (link,) = await net.shown(f"address show one to {text}")
    (address,) = filter(None, link["addr_info"])
    assert address["valid_life_time"] > 900


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a gateway of another family": (
        {"routes": [("192.0.2.0/24", "10.0.0.2"), ("2001:db8::/64", "10.0.0.2")]},
        r"routes\[1\].*10\.0\.0\.2",
    ),
    "a host bit": (
        {"routes": [("192.0.2.0/24", "10.0.0.2"), ("192.0.2.1/24", "10.0.0.2")]},
        r"routes\[1\].*192\.0\.2\.1/24",
    ),
    "a route twice": (
        {"routes": [("192.0.2.0/24", "10.0.0.2"), ("192.0.2.0/24", "10.0.0.3")]},
        r"routes\[1\].*192\.0\.2\.0/24",
    ),
    "an address twice": (
        {"addresses": [("one", "10.1.0.1", 24), ("one", "10.1.0.1/24")]},
        r"addresses\[1\].*10\.1\.0\.1/24 on one is declared already, by addresses\[0\]",
    ),
    "a table out of range": (
        {"routes": [{"destination": "192.0.2.0/24", "interface": "one", "table": 2**32}]},
        r"routes\[0\].*table.*4294967296",
    ),
    "a rule's table out of range": ({"rules": [(1000, -1)]}, r"rules\[0\].*table.*-1"),
    "a rule twice": ({"rules": [(1000, 100), (1000, 100)]}, r"rules\[1\].*1000"),
    "a neighbour without a link-layer address": (
        {"neighbours": [("one", "10.0.0.2")]},
        r"neighbours\[0\].*lladdr.*10\.0\.0\.2",
    ),
    "a nexthop of nothing": ({"nexthops": [(3,)]}, r"nexthops\[0\].*nexthop 3"),
    "a link without a name": ({"links": [("", "bridge")]}, r"links\[0\].*name"),
    "another's tag": (
        {"routes": [{"destination": "192.0.2.0/24", "interface": "one", "protocol": 4}]},
        r"protocol: 4",
    ),
    "no such resource": ({"adresses": []}, "'adresses' is not known"),
}


@pytest.mark.parametrize(("wrong", "says"), BAD.values(), ids=BAD)
async def test_bad_input_names_the_entry_and_nothing_is_applied(
    net: Net, wrong: dict[str, Any], says: str
) -> None:
    good = {"neighbours": [("one", "10.0.0.8", MAC)]} if "neighbours" not in wrong else {}
    with pytest.raises(DesiredStateError, match=says):
        await net.reconcile({**good, **wrong})
    ours = await net.observed()
    found: list[Any] = [*ours.addresses, *ours.neighbours, *ours.rules, *ours.nexthops]
    assert not [each for each in found if each.protocol == rtnl.PROTOCOL]
    assert len(ours.routes.table()) == 0


async def test_link_address_and_route_are_made_in_one_pass_each_upon_the_other(net: Net) -> None:
    await net.converges(
        {
            "links": [{"name": "new", "kind": "veth", "peer": "newer", "up": True}, ("newer",)],
            "addresses": [("new", "10.7.0.1", 24)],
            "routes": [
                Route("192.0.2.0/24", "10.7.0.2", "new", source="10.7.0.1"),
                Route("192.0.2.0/24", "10.7.0.2", metric=9),
            ],
        }
    )
    assert len(await net.shown("route show 192.0.2.0/24")) == 2


async def test_a_nexthop_waits_for_the_carrier_of_its_interface(net: Net) -> None:
    await net.ip("link set two down")
    desired = {
        "nexthops": [Nexthop(5, "10.0.0.2", "one")],
        "routes": [Route("192.0.2.0/24", nexthop_id=5)],
    }
    loop = net.loop(desired)
    async with running(loop) as reports:
        report = await loop.reconcile()
        assert report.failed == ()
        assert "nexthop 5" in {each.key for each in report.waiting}
        await net.ip("link set two up")
        await settles(reports, lambda: net.has("route show 192.0.2.0/24"))


async def test_no_route_goes_by_a_nexthop_of_somebody_elses(net: Net) -> None:
    await net.ip("nexthop add id 5 via 10.0.0.3 dev one proto static")
    report = await net.reconcile(
        {
            "nexthops": [Nexthop(5, "10.0.0.2", "one")],
            "routes": [Route("192.0.2.0/24", nexthop_id=5)],
        }
    )
    assert [each.key for each in report.conflicts] == ["nexthop 5"]
    assert [each.key for each in report.waiting] == [ROUTE_4]
    assert not await net.has("route show 192.0.2.0/24")


@pytest.mark.parametrize(
    "route",
    [
        Route("192.0.2.0/24", "10.7.0.2"),
        Route("192.0.2.0/24", "10.0.0.2", source="10.7.0.1"),
        Route("192.0.2.0/24", nexthops=[("10.0.0.2", "one"), ("10.7.0.2", "one")]),
    ],
    ids=["gateway", "source", "multipath"],
)
async def test_a_route_that_lacks_an_address_is_failed_until_that_appears(
    net: Net, route: Route
) -> None:
    loop = net.loop({"routes": [route]})
    async with running(loop) as reports:
        (failure,) = (await loop.reconcile()).failed
        assert failure.key == route.key
        await net.ip("address add 10.7.0.1/24 dev one")
        await settles(reports, lambda: net.has("route show 192.0.2.0/24"))


async def test_routes_that_a_deleted_nexthop_took_along_come_back_with_it(net: Net) -> None:
    routes = [Route(f"192.0.2.{n}", nexthop_id=5) for n in range(3)]
    loop = net.loop({"nexthops": [Nexthop(5, "10.0.0.2", "one")], "routes": routes})
    async with running(loop) as reports:
        await net.ip("nexthop del id 5")

        async def are_back() -> bool:
            return len(await net.shown("route show root 192.0.2.0/24")) == 3

        await settles(reports, are_back)


async def test_a_foreign_route_by_a_nexthop_of_ours_keeps_it(net: Net) -> None:
    await net.converges({"nexthops": [Nexthop(5, "10.0.0.2", "one")]})
    await net.ip("route add 192.0.2.0/24 nhid 5 proto static")
    report = await net.reconcile({})
    assert [each.key for each in report.conflicts] == ["nexthop 5"]
    assert await net.has("route show 192.0.2.0/24")


def assert_says(text: str, pattern: str) -> None:
    assert re.search(pattern, text), text
