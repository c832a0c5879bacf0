"""Links of each kind that can be declared: made, left alone, changed, made anew, deleted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import anyio.to_thread
import pytest
from attrs import evolve, field, frozen

from linx_async import Ownership, Report
from linx_async.rtnl import Address, DesiredLike, Link, RtnlOp
from linx_async.testing.namespaces import throwaway
from tests.kernel.netbox import MAC, Net, net

__all__ = ["net"]

pytestmark = pytest.mark.anyio

# What the kernel says of a kind that it does not have; iproute2 of a device that is not there.
LACKING = ("Unknown device type", "Operation not supported", "open: ", "ioctl(TUNSETIFF): ")


@frozen
class Kind:
    """How links of a kind are tried.

    Attributes:
        made: A link as it is made.
        probe: How `ip` makes one named probe; tells whether the kernel has the kind.
        shown: What `ip` shows of its parameters.
        changed: Parameters that can be changed.
        shown_then: What `ip` shows of them.
        anew: Parameters that can't.
        shown_anew: What `ip` shows of them.
        has_address: Whether its link-layer address can be set.
    """

    made: Link
    probe: str
    shown: Mapping[str, Any] = field(factory=dict)
    changed: Mapping[str, Any] = field(factory=dict)
    shown_then: Mapping[str, Any] = field(factory=dict)
    anew: Mapping[str, Any] = field(factory=dict)
    shown_anew: Mapping[str, Any] = field(factory=dict)
    has_address: bool = True

    def with_parameters(self, parameters: Mapping[str, Any]) -> Link:
        made = self.made
        return Link(
            made.name,
            made.kind,
            parent=made.parent,
            up=True,
            parameters={**made.parameters, **parameters},
        )


def link(kind: str, parameters: Mapping[str, Any] | None = None, **more: Any) -> Link:
    return Link("new", kind, parameters=parameters, up=True, **more)


KINDS = {
    "veth": Kind(link("veth", peer="other"), "type veth peer name probed"),
    "bridge": Kind(
        link("bridge", {"forward_delay": 500, "stp_state": 1}),
        "type bridge",
        shown={"forward_delay": 500, "stp_state": 1},
        changed={"forward_delay": 700, "stp_state": 0},
        shown_then={"forward_delay": 700, "stp_state": 0},
    ),
    "vlan": Kind(
        link("vlan", {"id": 42, "protocol": "802.1ad", "flags": "reorder_hdr"}, parent="one"),
        "link one type vlan id 2",
        shown={"id": 42, "protocol": "802.1ad", "flags": ["REORDER_HDR"]},
        changed={"flags": "reorder_hdr,loose_binding"},
        shown_then={"id": 42, "flags": ["REORDER_HDR", "LOOSE_BINDING"]},
        anew={"id": 43},
        shown_anew={"id": 43, "protocol": "802.1ad"},
    ),
    "vxlan": Kind(
        link("vxlan", {"id": 77, "local": "10.0.0.1", "port": 4789, "ageing": 200}, parent="one"),
        "type vxlan id 2 dstport 4789",
        shown={"id": 77, "local": "10.0.0.1", "port": 4789, "ageing": 200, "link": "one"},
        changed={"ageing": 100, "learning": 0},
        shown_then={"id": 77, "ageing": 100, "learning": False},
        anew={"id": 78, "port": 4790},
        shown_anew={"id": 78, "port": 4790},
    ),
    "dummy": Kind(link("dummy"), "type dummy"),
    "bond": Kind(
        link("bond", {"mode": "active-backup", "miimon": 100, "updelay": 200}),
        "type bond",
        shown={"mode": "active-backup", "miimon": 100, "updelay": 200},
        changed={"miimon": 50, "updelay": 0, "fail_over_mac": "active"},
        shown_then={"miimon": 50, "updelay": 0, "fail_over_mac": "active"},
    ),
    "macvlan": Kind(
        link("macvlan", {"mode": "bridge"}, parent="one"),
        "link one type macvlan",
        shown={"mode": "bridge"},
        changed={"mode": "private"},
        shown_then={"mode": "private"},
    ),
    "ipvlan": Kind(
        link("ipvlan", {"mode": "l3"}, parent="one"),
        "link one type ipvlan",
        shown={"mode": "l3"},
        changed={"mode": "l2"},
        shown_then={"mode": "l2"},
        has_address=False,
    ),
    "vrf": Kind(
        link("vrf", {"table": 100}),
        "type vrf table 2",
        shown={"table": 100},
        anew={"table": 101},
        shown_anew={"table": 101},
    ),
    "ifb": Kind(link("ifb"), "type ifb"),
    "tun": Kind(
        link("tun", {"type": "tun"}),
        "mode tun",
        shown={"type": "tun", "persist": True},
        anew={"type": "tap"},
        shown_anew={"type": "tap", "persist": True},
        has_address=False,
    ),
    "tap": Kind(
        link("tun", {"type": "tap", "vnet_hdr": 1, "owner": 0}),
        "mode tap",
        shown={"type": "tap", "vnet_hdr": True, "persist": True},
        anew={"vnet_hdr": 0},
        shown_anew={"type": "tap", "vnet_hdr": False},
    ),
}


@cache
def why_not(name: str) -> str:
    """Why the kernel makes no links of a kind, by what `ip` says; empty where it does."""
    probe = KINDS[name].probe
    verb = "tuntap add probe" if probe.startswith("mode") else "link add name probe"
    with throwaway("net") as box:
        box.run(["ip", "link", "add", "one", "type", "veth"])
        done = box.run(["ip", *verb.split(), *probe.split()], check=False)
    if done.returncode == 0:
        return ""
    said = " ".join(done.stderr.split())
    assert any(words in said for words in LACKING), said
    return said


@pytest.fixture(params=list(KINDS))
async def kind(request: pytest.FixtureRequest, net: Net) -> Kind:
    """A kind that this kernel has."""
    await needs(request.param)
    found: Kind = KINDS[request.param]
    return found


def of_each(has: Callable[[Kind], bool]) -> pytest.MarkDecorator:
    """Only the kinds of which that is true."""
    names = [name for name, kind in KINDS.items() if has(kind)]
    return pytest.mark.parametrize("kind", names, indirect=True)


async def needs(name: str) -> None:
    """Skip where this kernel does not have a kind."""
    reason = await anyio.to_thread.run_sync(why_not, name)
    if reason:
        pytest.skip(f"no {name} in this kernel, or for this user: {reason}")


async def shown(net: Net, name: str = "new") -> dict[str, Any]:
    """A link, as `ip` shows it."""
    (found,) = await net.shown(f"-d link show {name}")
    return found


async def parameters(net: Net, name: str = "new") -> dict[str, Any]:
    """Its parameters, as `ip` shows them."""
    found: dict[str, Any] = (await shown(net, name))["linkinfo"].get("info_data", {})
    return found


async def settled(net: Net, desired: DesiredLike, owned: Ownership) -> Report[RtnlOp]:
    """The pass that is converged, after as many as it takes: at most three; the next is empty."""
    for _ in range(2):
        report = await net.reconcile(desired, last_applied=owned)
        assert not report.failed, report
        assert not report.conflicts, report
        owned = report.last_applied
        if report.converged:
            break
    return await net.converges(desired, last_applied=owned)


async def test_a_link_is_made_as_declared_and_found_so_by_the_next_pass(
    net: Net, kind: Kind
) -> None:
    report = await net.converges({"links": [kind.made]})
    found = await shown(net)
    assert found["linkinfo"]["info_kind"] == kind.made.kind
    assert (await parameters(net)).items() >= kind.shown.items()
    assert "UP" in found["flags"]
    assert report.last_applied["link new"].value == kind.made.kind


async def test_what_any_link_has_is_set_and_changed_in_place(net: Net, kind: Kind) -> None:
    address = MAC if kind.has_address else None
    declared = evolve(kind.made, mtu=1400, alias="first", group=5, address=address)
    made = await net.converges({"links": [declared]})
    before = await shown(net)
    assert (before["mtu"], before["ifalias"], before["group"]) == (1400, "first", "5")
    assert address in {None, before.get("address")}
    changed = evolve(declared, mtu=1300, alias="", altnames=frozenset({"the-new-one"}), up=False)
    await net.converges({"links": [changed]}, last_applied=made.last_applied)
    after = await shown(net)
    assert (after["mtu"], after["altnames"], after["group"]) == (1300, ["the-new-one"], "5")
    assert after["ifindex"] == before["ifindex"]
    assert "ifalias" not in after
    assert "UP" not in after["flags"]


@of_each(lambda kind: bool(kind.changed))
async def test_a_parameter_that_can_be_changed_is_changed_in_place(net: Net, kind: Kind) -> None:
    made = await net.converges({"links": [kind.made]})
    before = await shown(net)
    changed = kind.with_parameters(kind.changed)
    await net.converges({"links": [changed]}, last_applied=made.last_applied)
    assert (await parameters(net)).items() >= kind.shown_then.items()
    assert (await shown(net))["ifindex"] == before["ifindex"]


@of_each(lambda kind: bool(kind.anew))
async def test_for_a_parameter_that_cannot_be_changed_our_link_is_made_anew(
    net: Net, kind: Kind
) -> None:
    made = await net.converges({"links": [kind.made]})
    before = await shown(net)
    anew = {"links": [kind.with_parameters(kind.anew)]}
    report = await settled(net, anew, made.last_applied)
    assert (await parameters(net)).items() >= kind.shown_anew.items()
    assert (await shown(net))["ifindex"] != before["ifindex"]
    assert report.last_applied.keys() == {"link new"}


@of_each(lambda kind: bool(kind.anew))
async def test_a_foreign_link_is_not_made_anew(net: Net, kind: Kind) -> None:
    await net.converges({"links": [kind.made]})
    before = await shown(net)
    report = await net.reconcile({"links": [kind.with_parameters(kind.anew)]})
    (conflict,) = report.conflicts
    assert conflict.key == "link new"
    assert (await shown(net))["ifindex"] == before["ifindex"]


async def test_a_link_that_is_no_longer_desired_is_deleted(net: Net, kind: Kind) -> None:
    before = await net.interfaces()
    made = await net.converges({"links": [kind.made]})
    gone = await net.converges({}, last_applied=made.last_applied)
    assert await net.interfaces() == before
    assert gone.last_applied == Ownership()


async def test_a_link_that_somebody_deletes_is_made_again(net: Net, kind: Kind) -> None:
    made = await net.converges({"links": [kind.made]})
    await net.ip("link del new")
    again = await net.converges({"links": [kind.made]}, last_applied=made.last_applied)
    assert (await parameters(net)).items() >= kind.shown.items()
    await net.converges({}, last_applied=again.last_applied)
    assert not await net.has("link show new")


@of_each(lambda kind: kind.made.kind != "vrf")
async def test_an_address_and_a_route_come_with_the_link_in_one_pass(net: Net, kind: Kind) -> None:
    report = await net.converges(
        {
            "links": [kind.made, Link("one", up=True), Link("two", up=True)],
            "addresses": [("new", "10.8.0.1", 24)],
            "routes": [("192.0.2.0/24", "10.8.0.2", "new")],
        }
    )
    assert await net.has("route show 192.0.2.0/24 dev new proto 76")
    await net.converges({}, last_applied=report.last_applied)
    assert not await net.has("route show 192.0.2.0/24")


# Bonds and their members


def bond(*members: Link, **parameters: Any) -> DesiredLike:
    made = Link("bond0", "bond", parameters={"mode": "active-backup", **parameters}, up=True)
    return {"links": [*members, made]}


async def test_a_bond_is_made_with_members_that_are_made_with_it(net: Net) -> None:
    await needs("bond")
    before = await net.interfaces()
    members = [Link(name, "veth", master="bond0", up=True) for name in ("m0", "m1")]
    made = await net.converges(bond(*members))
    for name in ("m0", "m1"):
        found = await shown(net, name)
        assert found["master"] == "bond0"
        assert "UP" in found["flags"]
    await net.converges({}, last_applied=made.last_applied)
    assert await net.interfaces() == before


async def test_a_member_that_was_taken_out_is_enslaved_again(net: Net) -> None:
    await needs("bond")
    desired = bond(Link("m0", "veth", master="bond0", up=True))
    made = await net.converges(desired)
    await net.ip("link set m0 nomaster")
    await net.converges(desired, last_applied=made.last_applied)
    assert (await shown(net, "m0"))["master"] == "bond0"


async def test_an_interface_that_is_up_becomes_a_member(net: Net) -> None:
    """The kernel refuses one that is up (bond_enslave() in drivers/net/bonding/bond_main.c)."""
    await needs("bond")
    await net.converges(bond(Link("one", master="bond0", up=True)))
    found = await shown(net, "one")
    assert found["master"] == "bond0"
    assert "UP" in found["flags"]


@pytest.mark.parametrize("before", ["up", "down"])
async def test_a_member_that_is_to_be_down_is_so_in_one_pass(net: Net, before: str) -> None:
    """A bond sets up what it takes (bond_enslave())."""
    await needs("bond")
    await net.ip(f"link set one {before}")
    report = await net.converges(
        bond(Link("one", master="bond0", up=False), Link("m0", "veth", master="bond0", up=False))
    )
    assert [op.key for op in report.applied].count("link one") == 1
    for name in ("one", "m0"):
        found = await shown(net, name)
        assert found["master"] == "bond0"
        assert "UP" not in found["flags"]


async def test_a_member_that_is_not_desired_so_any_more_is_let_go(net: Net) -> None:
    await needs("bond")
    made = await net.converges(bond(Link("m0", "veth", master="bond0", up=True)))
    await net.converges(
        bond(Link("m0", "veth", master="", up=True)), last_applied=made.last_applied
    )
    assert "master" not in await shown(net, "m0")


async def test_a_bond_with_members_changes_in_place(net: Net) -> None:
    await needs("bond")
    member = Link("m0", "veth", master="bond0", up=True)
    made = await net.converges(bond(member, miimon=100))
    index = (await shown(net, "bond0"))["ifindex"]
    await net.converges(bond(member, miimon=200), last_applied=made.last_applied)
    assert (await parameters(net, "bond0"))["miimon"] == 200
    assert (await shown(net, "bond0"))["ifindex"] == index


# Virtual routing and forwarding

VRF = Link("blue", "vrf", parameters={"table": 100}, up=True)
IN_BLUE: dict[str, Any] = {
    "links": [VRF, Link("m0", "veth", peer="m1", master="blue", up=True), Link("m1", up=True)],
    "addresses": [("m0", "10.8.0.1", 24), Address("m0", "fd00:8::1", 64, nodad=True)],
    "routes": [
        {"destination": "192.0.2.0/24", "gateway": "10.8.0.2", "interface": "m0", "table": 100},
        {"destination": "default", "type": "unreachable", "table": 100},
    ],
}


async def test_a_vrf_is_made_with_a_member_and_routes_in_its_table(net: Net) -> None:
    await needs("vrf")
    made = await net.converges(IN_BLUE)
    assert (await shown(net, "m0"))["master"] == "blue"
    assert await net.has("route show table 100 192.0.2.0/24 dev m0 proto 76")
    assert await net.has("route show table 100 type unreachable default")
    assert await net.has("route show vrf blue 10.8.0.0/24 dev m0")
    await net.converges({}, last_applied=made.last_applied)
    assert not await net.has("route show table 100 proto 76")
    assert not await net.has("link show blue")


async def test_what_a_member_of_a_vrf_loses_as_it_moves_there_is_put_back(net: Net) -> None:
    """It goes down and up again as it is enslaved (cycle_netdev() in drivers/net/vrf.c)."""
    await needs("vrf")
    addresses = [("one", "10.8.0.1", 24), Address("one", "fd00:8::1", 64, nodad=True)]
    first = await net.converges({"links": [VRF], "addresses": addresses})
    then = {
        "links": [VRF, Link("one", master="blue")],
        "addresses": addresses,
        "routes": [
            {"destination": "192.0.2.0/24", "gateway": "10.8.0.2", "interface": "one", "table": 100}
        ],
    }
    await settled(net, then, first.last_applied)
    assert (await shown(net, "one"))["master"] == "blue"
    assert await net.has("route show table 100 192.0.2.0/24 dev one")
    assert await net.has("address show one to fd00:8::1")


# A bridge and its ports


async def test_a_bridge_is_made_with_its_ports_of_other_kinds(net: Net) -> None:
    for name in ("dummy", "vlan", "vxlan"):
        await needs(name)
    ports = [
        Link("d0", "dummy", master="br0", up=True),
        Link("vlan7", "vlan", parent="one", parameters={"id": 7}, master="br0", up=True),
        Link("vx0", "vxlan", parameters={"id": 7, "port": 4789}, master="br0", up=True),
    ]
    desired = {"links": [*ports, Link("br0", "bridge", up=True)]}
    made = await net.converges(desired)
    for name in ("d0", "vlan7", "vx0"):
        assert (await shown(net, name))["master"] == "br0"
    await net.converges({}, last_applied=made.last_applied)


async def test_a_link_with_links_on_it_is_made_anew_and_so_are_they(net: Net) -> None:
    await needs("vlan")
    upper = Link("upper", "vlan", parent="lower", parameters={"id": 2}, up=True)
    upmost = Link("upmost", "macvlan", parent="upper", parameters={"mode": "bridge"}, up=True)
    lower = Link("lower", "vlan", parent="one", parameters={"id": 1}, up=True)
    made = await net.converges({"links": [upmost, upper, lower]})
    anew = Link("lower", "vlan", parent="one", parameters={"id": 3}, up=True)
    await settled(net, {"links": [upmost, upper, anew]}, made.last_applied)
    assert (await parameters(net, "lower"))["id"] == 3
    assert (await shown(net, "upmost"))["link"] == "upper"
