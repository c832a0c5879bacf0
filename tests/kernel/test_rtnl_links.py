"""Links in real network namespaces: those that we make, and those that others do."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from linx_async import (
    Claim,
    FileStore,
    MemoryStore,
    Outcome,
    Ownership,
    Record,
    reconcile,
    rtnl,
)
from linx_async.rtnl import AddLink, Desired, Link, RtnlOp
from linx_async.testing.namespaces import throwaway
from tests.kernel.netbox import MAC, Net, has_pyroute2, live_rename, net, other, settles
from tests.kernel.sysctls import named_namespace, running, until

__all__ = ["live_rename", "net", "other"]

pytestmark = pytest.mark.anyio

BRIDGE = Desired(links=[Link("br0", "bridge", up=True)])
ON_LATE = {
    "addresses": [("late", "10.7.0.1", 24)],
    "routes": [("192.0.2.0/24", "10.7.0.2", "late")],
}
ROUTE = "route show 192.0.2.0/24"
LATE = ("link add late type veth peer name later", "link set late up")


async def link(net: Net, name: str) -> dict[str, Any]:
    """A link, as `ip` shows it."""
    (found,) = await net.shown(f"-d link show {name}")
    return found


# Interfaces that come and go


@pytest.mark.usefixtures("live_rename")
async def test_an_interface_that_gets_the_desired_name_is_used(net: Net) -> None:
    await net.ip("link add early type veth peer name later", "link set early up")
    loop = net.loop(ON_LATE)
    async with running(loop) as reports:
        assert not (await loop.reconcile()).converged
        await net.ip("link set early name late")
        await settles(reports, lambda: net.has(ROUTE))


@pytest.mark.usefixtures("live_rename")
async def test_an_interface_that_is_renamed_keeps_what_is_ours_until_another_has_its_name(
    net: Net,
) -> None:
    """The tag says what is ours, wherever it is."""
    await net.ip(*LATE)
    loop = net.loop(ON_LATE)
    async with running(loop) as reports:
        await net.ip("link set late name early")
        report = await until(reports, lambda report: bool(report.waiting))
        assert "late is not there" in report.waiting[0].reason
        await net.ip("link add late type veth peer name latest", "link set late up")
        await settles(reports, lambda: net.has(f"{ROUTE} dev late"))
        assert not await net.has("address show early to 10.7.0.1")


async def test_an_interface_that_is_deleted_and_made_again_is_provided_for_again(
    net: Net,
) -> None:
    await net.ip(*LATE)
    loop = net.loop(ON_LATE)
    async with running(loop) as reports:
        await net.ip("link del late", *LATE)
        await settles(reports, lambda: net.has(ROUTE))


async def test_another_link_with_the_old_index_is_not_taken_for_the_one_that_went(
    net: Net,
) -> None:
    await net.ip(*LATE)
    index = (await link(net, "late"))["ifindex"]
    loop = net.loop(ON_LATE)
    async with running(loop) as reports:
        await net.ip("link del late", f"link add stranger index {index} type bridge")
        await net.ip("link set stranger up", *LATE)
        await settles(reports, lambda: net.has(ROUTE))
        assert not await net.has("address show stranger to 10.7.0.1")


async def test_a_link_of_ours_whose_index_another_has_is_made_again(net: Net) -> None:
    made = await net.converges(BRIDGE)
    index = made.last_applied["link br0"].settled
    await net.ip("link del br0", f"link add stranger index {index} type bridge")
    again = await net.converges(BRIDGE, last_applied=made.last_applied)
    assert again.last_applied["link br0"].settled != index
    await net.converges({}, last_applied=again.last_applied)
    assert not await net.has("link show br0")
    assert await net.has("link show stranger")


async def test_an_interface_that_moved_away_and_came_back_is_provided_for_again(
    net: Net, other: Net
) -> None:
    await net.ip(*LATE)
    loop = net.loop(ON_LATE)
    async with running(loop) as reports:
        await net.ip(f"link set late netns {other.box.pid}")
        await until(reports, lambda report: bool(report.waiting))
        await other.ip(f"link set late netns {net.box.pid}")
        await net.ip("link set late up")
        await settles(reports, lambda: net.has(ROUTE))


async def test_a_link_of_ours_that_moved_away_is_made_again(net: Net, other: Net) -> None:
    loop = net.loop({"links": [Link("v0", "veth", peer="v1")]})
    async with running(loop) as reports:
        await net.ip(f"link set v0 netns {other.box.pid}", "link del v1")
        await settles(reports, lambda: net.has("link show v0"))


@pytest.mark.usefixtures("live_rename")
async def test_a_link_of_ours_that_was_renamed_is_made_again_and_is_somebody_elses_now(
    net: Net,
) -> None:
    loop = net.loop(BRIDGE)
    async with running(loop) as reports:
        await net.ip("link set br0 name taken")
        await settles(reports, lambda: net.has("link show br0"))
        assert loop.last_report
    await net.converges({}, last_applied=loop.last_report.last_applied)
    assert not await net.has("link show br0")
    assert await net.has("link show taken")


# Whose a link is


async def test_a_link_of_ours_that_is_no_longer_desired_is_deleted(net: Net) -> None:
    made = await net.converges(BRIDGE)
    assert made.last_applied.keys() == {"link br0"}
    gone = await net.converges({}, last_applied=made.last_applied)
    assert not await net.has("link show br0")
    assert gone.last_applied == Ownership()


async def test_also_when_the_record_went_through_json(net: Net) -> None:
    made = await net.converges(BRIDGE)
    text = json.dumps(made.last_applied.to_json())
    await net.converges({}, last_applied=Ownership.from_json(json.loads(text)))
    assert not await net.has("link show br0")


async def test_also_by_another_process_that_has_the_record_of_a_file(
    net: Net, tmp_path: Path
) -> None:
    for desired in (BRIDGE, Desired()):
        store = FileStore(tmp_path)
        assert (await net.reconcile(desired, store=store)).converged
    assert not await net.has("link show br0")


async def test_a_link_without_a_record_is_left_alone(net: Net) -> None:
    await net.converges(BRIDGE)
    await net.converges({})
    assert await net.has("link show br0")


async def test_a_link_that_somebody_else_made_gets_what_is_declared_and_is_never_deleted(
    net: Net,
) -> None:
    await net.ip("link add br0 type bridge")
    declared = Link("br0", "bridge", up=True, mtu=1400, alias="ours?", altnames=["bridge-zero"])
    report = await net.converges({"links": [declared]})
    found = await link(net, "br0")
    assert (found["mtu"], found["ifalias"], found["altnames"]) == (1400, "ours?", ["bridge-zero"])
    assert "UP" in found["flags"]
    assert report.last_applied == Ownership()
    await net.converges({}, last_applied=report.last_applied)
    assert await net.has("link show br0")


async def test_attributes_of_an_interface_are_declared_without_saying_what_it_is(
    net: Net,
) -> None:
    declared = Link("one", mtu=1300, address=MAC, group=7)
    report = await net.converges({"links": [declared]})
    found = await link(net, "one")
    assert (found["mtu"], found["address"], found["group"]) == (1300, MAC, "7")
    assert report.last_applied == Ownership()


async def test_a_foreign_link_of_another_kind_is_a_conflict_and_left_alone(net: Net) -> None:
    await net.ip("link add br0 type ifb")
    report = await net.reconcile({"links": [Link("br0", "bridge", mtu=1400)]})
    (conflict,) = report.conflicts
    assert conflict.key == "link br0"
    assert "br0 is ifb, not bridge" in conflict.reason
    assert (await link(net, "br0"))["mtu"] == 1500


@has_pyroute2
async def test_a_foreign_link_with_other_parameters_is_a_conflict_until_it_is_taken_over(
    net: Net,
) -> None:
    await net.ip("link add br0 type bridge")
    desired = {"links": [Link("br0", "bridge", parameters={"forward_delay": 500})]}
    (conflict,) = (await net.reconcile(desired)).conflicts
    assert "forward_delay is not 500" in conflict.reason
    taken = await net.converges(desired, on_conflict="replace")
    assert (await link(net, "br0"))["linkinfo"]["info_data"]["forward_delay"] == 500
    await net.converges({}, last_applied=taken.last_applied)
    assert not await net.has("link show br0")


async def test_a_foreign_link_of_another_kind_gives_way_when_it_is_taken_over(net: Net) -> None:
    await net.ip("link add br0 type ifb")
    await net.reconcile(BRIDGE)
    taken = await net.reconcile(BRIDGE, on_conflict="replace")
    assert (await link(net, "br0"))["linkinfo"]["info_kind"] == "bridge"
    again = await net.converges(BRIDGE, last_applied=taken.last_applied)
    assert again.applied == ()
    await net.converges({}, last_applied=again.last_applied)
    assert not await net.has("link show br0")


async def test_a_foreign_link_by_the_name_of_one_of_ours_that_went_is_not_deleted(
    net: Net,
) -> None:
    made = await net.converges(BRIDGE)
    await net.ip("link del br0", "link add br0 type bridge")
    report = await net.converges({}, last_applied=made.last_applied)
    assert report.stale == {"link br0"}
    assert await net.has("link show br0")


async def test_a_link_declared_as_somebody_elses_is_released_and_stays(net: Net) -> None:
    made = await net.converges(BRIDGE)
    released = await net.reconcile({"links": [Link("br0")]}, last_applied=made.last_applied)
    assert released.last_applied == Ownership()
    await net.converges({}, last_applied=released.last_applied)
    assert await net.has("link show br0")


# What links are made like


async def test_links_are_made_upon_each_other_whatever_their_order(net: Net) -> None:
    """A port before its bridge."""
    before = await net.interfaces()
    report = await net.converges(
        {
            "links": [
                Link("port", master="br0", up=True),
                Link("v0", "veth", peer="port", master="br1", mtu=1400),
                Link("br1", "bridge", up=True),
                Link("br0", "bridge", up=True, address=MAC),
            ]
        }
    )
    assert (await link(net, "port"))["master"] == "br0"
    assert (await link(net, "v0"))["master"] == "br1"
    assert (await link(net, "v0"))["mtu"] == 1400
    assert (await link(net, "br0"))["address"] == MAC
    assert report.last_applied.keys() == {"link v0", "link br1", "link br0"}
    await net.converges({}, last_applied=report.last_applied)
    assert await net.interfaces() == before


async def test_both_ends_of_a_veth_may_be_declared_as_such(net: Net) -> None:
    ends = [Link("v0", "veth", peer="v1", up=True), Link("v1", "veth", peer="v0", up=True)]
    made = await net.converges({"links": ends})
    await net.converges({}, last_applied=made.last_applied)
    assert not await net.has("link show v0")


async def test_a_bridge_of_ours_goes_and_its_foreign_ports_stay(net: Net) -> None:
    made = await net.converges(BRIDGE)
    await net.ip("link set one master br0")
    await net.converges({}, last_applied=made.last_applied)
    assert "master" not in await link(net, "one")


async def test_an_interface_is_set_down_and_what_needs_it_waits(net: Net) -> None:
    desired = {
        "links": [Link("one", up=False)],
        "routes": [("192.0.2.0/24", "10.0.0.2", "one")],
    }
    report = await net.reconcile(desired)
    assert [str(op) for op in report.applied] == ["set link one: up no"]
    assert "one is down" in report.waiting[0].reason
    assert report.failed == ()


async def test_a_master_that_cannot_have_ports_is_named_as_what_is_wrong(net: Net) -> None:
    report = await net.reconcile(
        {"links": [Link("new", "ifb", master="two"), Link("one", master="two")]}
    )
    told = {failure.key: failure.error for failure in report.failed}
    assert told.keys() == {"link new", "link one"}
    for error in told.values():
        assert error.errno == errno.EOPNOTSUPP
        assert "two cannot have ports" in error.message


async def test_a_kind_that_the_kernel_cannot_make_is_a_failed_op_that_says_so(net: Net) -> None:
    report = await net.reconcile(
        {"links": [Link("nix", "nosuchkind"), Link("br0", "bridge")]},
    )
    (failure,) = report.failed
    assert isinstance(failure.op, AddLink)
    assert "no links of the kind nosuchkind" in str(failure)
    assert failure.error.errno == errno.EOPNOTSUPP
    assert report.last_applied.keys() == {"link br0"}


@has_pyroute2
async def test_a_parameter_that_drifted_is_set_again(net: Net) -> None:
    declared = Link("br0", "bridge", up=True, parameters={"forward_delay": 500})
    loop = net.loop({"links": [declared]})
    async with running(loop) as reports:
        await net.ip("link set br0 type bridge forward_delay 900")

        async def is_back() -> bool:
            data = (await link(net, "br0"))["linkinfo"]["info_data"]
            return bool(data["forward_delay"] == 500)

        await settles(reports, is_back)


async def test_a_port_that_was_taken_out_of_its_bridge_is_put_back(net: Net) -> None:
    loop = net.loop({"links": [Link("br0", "bridge", up=True), Link("one", master="br0")]})
    async with running(loop) as reports:
        await net.ip("link set one nomaster")

        async def is_back() -> bool:
            return (await link(net, "one")).get("master") == "br0"

        await settles(reports, is_back)


# Other namespaces


async def test_a_veth_has_its_other_end_in_another_namespace(net: Net, other: Net) -> None:
    desired = {"links": [Link("v0", "veth", peer="v1", peer_netns=other.path, up=True)]}
    made = await net.converges(desired)
    assert await net.has("link show v0")
    assert not await net.has("link show v1")
    assert await other.has("link show v1")
    await net.converges({}, last_applied=made.last_applied)
    assert not await other.has("link show v1")


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("/proc/self/ns/uts", "/proc/self/ns/uts is not a network namespace"),
        ("/run/netns/no-such", "/run/netns/no-such is not there"),
    ],
)
async def test_a_namespace_that_an_end_cannot_be_made_in_says_why(
    net: Net, place: str, why: str
) -> None:
    report = await net.reconcile({"links": [Link("v0", "veth", peer="v1", peer_netns=place)]})
    (failure,) = report.failed
    assert why in str(failure)
    assert not report.last_applied
    assert not await net.has("link show v0")


async def test_each_end_is_looked_after_where_it_is(net: Net, other: Net) -> None:
    here = {
        "links": [Link("v0", "veth", peer="v1", peer_netns=other.path, up=True)],
        "addresses": [("v0", "10.8.0.1", 24)],
    }
    there = {
        "links": [Link("v1", up=True)],
        "addresses": [("v1", "10.8.0.2", 24)],
        "routes": [("default", "10.8.0.1")],
    }
    async with running(other.loop(there)) as reports:
        await net.converges(here)
        await settles(reports, lambda: other.has("route show default"))


async def test_a_link_is_moved_to_another_namespace_and_then_left_alone(
    net: Net, other: Net
) -> None:
    desired = {"links": [Link("one", netns=other.path)]}
    (op,) = (await net.converges(desired)).applied
    assert str(op) == f"move link one to {desired['links'][0].netns}"
    assert not await net.has("link show one")
    assert await other.has("link show one")


async def test_a_link_is_made_and_moved_in_one_pass(net: Net, other: Net) -> None:
    desired = {"links": [Link("v0", "veth", peer="v1", mtu=1400, netns=other.path)]}
    await net.converges(desired)
    assert (await link(other, "v0"))["mtu"] == 1400
    assert await net.has("link show v1")


def there(other: Net) -> Desired:
    """A link that is made here and moved there."""
    return Desired(links=[Link("v0", "veth", peer="v1", netns=other.path)])


async def test_a_link_of_ours_that_was_moved_stays_ours_and_is_deleted_there(
    net: Net, other: Net
) -> None:
    made = await net.converges(there(other))
    (claim,) = made.last_applied.values()
    assert claim.key == f"link v0 to {other.path}"
    assert claim.settled == str((await link(other, "v0"))["ifindex"])
    owned = Ownership.from_json(json.loads(json.dumps(made.last_applied.to_json())))
    gone = await net.converges({}, last_applied=owned)
    assert [str(op) for op in gone.applied] == [f"delete link v0 (veth) in {other.path}"]
    assert gone.last_applied == Ownership()
    assert not await other.has("link show v0")
    assert not await net.has("link show v1")


async def test_it_is_deleted_there_before_it_is_made_here_again(net: Net, other: Net) -> None:
    made = await net.converges(there(other))
    desired = {"links": [Link("v0", "veth", peer="v1")]}
    back = await net.converges(desired, last_applied=made.last_applied)
    assert back.last_applied.keys() == {"link v0"}
    assert not await other.has("link show v0")


async def test_a_foreign_link_that_was_moved_is_not_ours(net: Net, other: Net) -> None:
    made = await net.converges({"links": [Link("one", "veth", netns=other.path)]})
    assert made.last_applied == Ownership()
    await net.converges({}, last_applied=made.last_applied)
    assert await other.has("link show one")


async def test_one_that_is_taken_over_and_moved_is(net: Net, other: Net) -> None:
    desired = {"links": [Link("one", "veth", netns=other.path, alias="ours")]}
    made = await net.converges(desired, on_conflict="replace")
    await other.ip("link set one up")
    await net.converges({}, last_applied=made.last_applied)
    assert not await other.has("link show one")
    assert not await net.has("link show two")


@pytest.mark.parametrize(
    "meanwhile",
    [
        pytest.param(("link del v0", "link add v0 type veth peer name vx"), id="another link"),
        pytest.param(("link set v0 name vx",), id="renamed"),
    ],
)
async def test_what_is_not_surely_the_link_that_was_moved_is_left_and_let_go(
    net: Net, other: Net, meanwhile: tuple[str, ...]
) -> None:
    made = await net.converges(there(other))
    await other.ip(*meanwhile)
    gone = await net.converges({}, last_applied=made.last_applied)
    assert gone.applied == ()
    assert gone.stale == made.last_applied.keys()
    assert gone.last_applied == Ownership()
    assert await other.has("link show vx")


async def test_it_is_left_where_a_foreign_link_sits_on_it(net: Net, other: Net) -> None:
    made = await net.converges(there(other))
    await other.ip("link add link v0 name theirs type macvlan")
    held = await net.reconcile({}, last_applied=made.last_applied)
    (conflict,) = held.conflicts
    assert "deleting it would delete theirs too" in conflict.reason
    assert held.last_applied == made.last_applied
    await other.ip("link del theirs")
    await net.converges({}, last_applied=held.last_applied)
    assert not await other.has("link show v0")


async def test_it_is_let_go_once_it_is_declared_as_somebody_elses(net: Net, other: Net) -> None:
    made = await net.converges(there(other))
    desired = {"links": [Link("v0", netns=other.path)]}
    released = await net.converges(desired, last_applied=made.last_applied)
    assert released.last_applied == Ownership()
    await net.converges({}, last_applied=made.last_applied.without(made.last_applied))
    assert await other.has("link show v0")


async def test_another_namespace_by_the_name_has_nothing_of_ours(net: Net, other: Net) -> None:
    with throwaway("net") as third:
        with named_namespace("blue", other.box.path("net")):
            desired = {"links": [Link("v0", "veth", peer="v1", netns="blue")]}
            made = await net.converges(desired)
        index = (await link(other, "v0"))["ifindex"]
        twin = Net(third)
        await twin.ip(f"link add index {index} name v0 type veth peer name vx")
        with named_namespace("blue", third.path("net")):
            gone = await net.converges({}, last_applied=made.last_applied)
        assert gone.last_applied == Ownership()
        assert await twin.has("link show v0")
        assert await other.has("link show v0")


async def test_it_is_gone_with_its_namespace(net: Net) -> None:
    with throwaway("net") as box:
        made = await net.converges(there(Net(box)))
    gone = await net.converges({}, last_applied=made.last_applied)
    assert gone.stale == made.last_applied.keys()
    assert gone.last_applied == Ownership()


async def test_a_move_that_is_refused_leaves_the_link_ours_here(net: Net, other: Net) -> None:
    await other.ip("link add v0 type bridge")
    failed = await net.reconcile(there(other))
    assert failed.last_applied.keys() == {"link v0"}
    await net.converges({}, last_applied=failed.last_applied)
    assert not await net.has("link show v0")
    assert await other.has("link show v0")


async def test_a_namespace_by_its_name(net: Net, other: Net) -> None:
    with named_namespace("blue", other.box.path("net")):
        await net.converges({"links": [Link("one", netns="blue")]})
        assert await other.has("link show one")


async def test_a_link_for_a_namespace_that_is_not_there_is_not_converged_and_stays(
    net: Net,
) -> None:
    report = await net.reconcile({"links": [Link("one", netns="nowhere")]})
    assert not report.converged
    assert report.applied == ()
    (failure,) = report.failed
    assert "netns nowhere: /run/netns/nowhere is not there" in str(failure)
    assert await net.has("link show one")


# The claim


class Watched(MemoryStore):
    """A store that tells, at each save, which links there are."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net
        self.seen: list[tuple[set[str], bool]] = []

    @asynccontextmanager
    async def open(self, name: str, identity: str) -> AsyncIterator[Record]:
        async with super().open(name, identity) as record:
            yield WatchedRecord(record, self)


class WatchedRecord:
    def __init__(self, record: Record, store: Watched) -> None:
        self.record = record
        self.store = store

    async def load(self) -> Ownership:
        return await self.record.load()

    async def save(self, ownership: Ownership) -> None:
        there = await self.store.net.has("link show br0")
        self.store.seen.append((set(ownership), there))
        await self.record.save(ownership)


async def test_the_claim_is_saved_before_the_link_is_made_and_dropped_after_it_went(
    net: Net,
) -> None:
    store = Watched(net)
    await net.reconcile(BRIDGE, store=store)
    await net.reconcile({}, store=store)
    assert store.seen == [({"link br0"}, False), (set(), False)]


async def test_a_claim_on_a_link_that_could_not_be_made_is_given_back(net: Net) -> None:
    report = await net.reconcile({"links": [Link("nix", "nosuchkind")]})
    assert report.last_applied == Ownership()


class Speechless(rtnl.Source):
    """It does what it is told, and no answer comes."""

    async def apply(self, batch: Sequence[RtnlOp], /) -> Sequence[Outcome]:
        await super().apply(batch)
        return [Outcome(unknown=True)] * len(batch)


async def test_the_claim_is_kept_when_it_is_not_known_whether_the_link_was_made(
    net: Net,
) -> None:
    report = await reconcile(Speechless(net.scope), BRIDGE)
    index = (await link(net, "br0"))["ifindex"]
    assert report.last_applied["link br0"].settled == str(index)
    assert report.failed[0].unknown
    await net.converges({}, last_applied=report.last_applied)
    assert not await net.has("link show br0")


class Absent(rtnl.Source):
    """It ends between the claim and the create."""

    async def apply(self, batch: Sequence[RtnlOp], /) -> Sequence[Outcome]:
        return [Outcome(unknown=True)] * len(batch)


def needs_tun() -> None:
    """Skip where this user may not have tun devices: that is up to the node, not to namespaces."""
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        pytest.skip(f"no tun in this kernel, or for this user: {error}")


@pytest.mark.parametrize("made", [Link("br0", "bridge"), Link("br0", "tun")], ids=str)
async def test_a_foreign_link_of_that_name_and_kind_is_not_ours_by_a_claim_on_none(
    net: Net, made: Link
) -> None:
    if made.kind == "tun":
        needs_tun()
    report = await reconcile(Absent(net.scope), {"links": [made]})
    assert report.last_applied.keys() == {"link br0"}
    add = "tuntap add br0 mode tun" if made.kind == "tun" else "link add br0 type bridge"
    await net.ip(add)
    same = await net.converges({"links": [made]}, last_applied=report.last_applied)
    assert same.last_applied == Ownership()
    await net.converges({}, last_applied=report.last_applied)
    assert await net.has("link show br0")


async def test_a_claim_that_does_not_say_which_link_it_is_on_deletes_none(net: Net) -> None:
    await net.ip("link add br0 type bridge")
    unsure = Ownership().with_claims([Claim("link br0", "bridge")])
    await net.converges(BRIDGE, last_applied=unsure)
    report = await net.reconcile({}, last_applied=unsure)
    (conflict,) = report.conflicts
    assert "whether it is ours is not known" in conflict.reason
    assert report.last_applied == unsure
    assert await net.has("link show br0")
    await net.ip("link del br0")
    assert (await net.converges({}, last_applied=unsure)).last_applied == Ownership()


async def test_such_a_link_is_ours_again_once_it_is_taken_over(net: Net) -> None:
    await net.ip("link add br0 type bridge")
    unsure = Ownership().with_claims([Claim("link br0", "bridge")])
    taken = await net.converges(BRIDGE, last_applied=unsure, on_conflict="replace")
    await net.converges({}, last_applied=taken.last_applied)
    assert not await net.has("link show br0")


@pytest.mark.parametrize("more", [("i0", "ifb"), ("t0", "tun")], ids=["ifb", "tun"])
async def test_links_that_we_make_leave_the_kernel_to_count_as_before(
    net: Net, more: tuple[str, str]
) -> None:
    if more[1] == "tun":
        needs_tun()
    before = (await link(net, "one"))["ifindex"]
    ours = [("br0", "bridge"), Link("v0", "veth", peer="v1"), more]
    report = await net.converges({"links": ours})
    assert {int(str(claim.settled)) >> 20 for claim in report.last_applied.values()} <= {
        *range(1, 17)
    }
    await net.ip("link add br1 type bridge")
    assert (await link(net, "br1"))["ifindex"] < before + 10


async def test_an_index_that_is_taken_meanwhile_is_another_one_with_the_next_pass(
    net: Net,
) -> None:
    class Overtaken(rtnl.Source):
        """Somebody else takes the index that it was about to take."""

        async def observe_to_apply(
            self, desired: rtnl.DesiredLike, owned: Ownership, /
        ) -> rtnl.Observed:
            found = await super().observe_to_apply(desired, owned)
            await net.ip(f"link add index {found.first_index} name br1 type bridge")
            return found

    report = await reconcile(Overtaken(net.scope), BRIDGE)
    assert not report.converged
    assert report.last_applied == Ownership()
    await net.converges(BRIDGE)
    await net.converges({})
    assert await net.has("link show br1")
