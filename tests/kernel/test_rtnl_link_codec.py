from __future__ import annotations

import errno
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
import pytest

from linx_async._core.errors import OpError
from linx_async._kernel.netlink import Flag
from linx_async._kernel.netns import NetworkNamespace, Target
from linx_async._kernel.socket import NetlinkSocket
from linx_async._kernel.tun import make_tun
from linx_async.rtnl.codec import link as codec
from linx_async.rtnl.codec.kinds import (
    FIXED,
    check_parameters,
    decode_parameters,
    encode_change,
    encode_parameters,
)
from linx_async.rtnl.codec.wire import Type
from linx_async.rtnl.desired import Link
from linx_async.rtnl.observed_link import ObservedLink
from linx_async.testing.namespaces import Namespaces, throwaway
from tests.pyroute2_links import differing_parameters, ours, theirs

pytestmark = pytest.mark.anyio

CREATE = Flag.CREATE | Flag.EXCL


class Wire:
    """A namespace's links, through the codec alone."""

    def __init__(self, sock: NetlinkSocket, target: Target) -> None:
        self.sock = sock
        self.target = target

    async def payloads(self) -> list[bytes]:
        answer = await self.sock.request(Type.GETLINK, Flag.DUMP, codec.DUMP, key="links")
        return [message.payload for message in answer]

    async def links(self) -> dict[str, ObservedLink]:
        return {link.name: link for link in map(codec.decode, await self.payloads())}

    async def make(self, link: Link, **netns: int) -> ObservedLink | None:
        """Make a link; None where it is in another namespace."""
        indices = {name: found.index for name, found in (await self.links()).items()}
        data = encode_parameters(link.kind or "", link.parameters)
        payload = codec.encode_create(link, indices, data, **netns)
        try:
            await self.sock.request(Type.NEWLINK, CREATE, payload, key=link.key)
        except OpError as error:
            if error.errno == errno.EOPNOTSUPP and "Unknown device type" in error.message:
                pytest.skip(f"this kernel has no links of kind {link.kind}")
            raise
        return (await self.links()).get(link.name)

    async def change(self, name: str, **changes: Any) -> ObservedLink:
        index = (await self.links())[name].index
        await self.sock.request(Type.NEWLINK, 0, codec.encode_set(index, **changes), key=name)
        return (await self.links())[name]

    async def parameters(self, name: str) -> dict[str, Any]:
        link = (await self.links())[name]
        return decode_parameters(link.kind or "", link.data)


@asynccontextmanager
async def wire_in(pid: int) -> AsyncIterator[Wire]:
    target = await anyio.to_thread.run_sync(NetworkNamespace.of_pid(pid).open)
    try:
        async with await NetlinkSocket.open(opener=target.call) as sock:
            yield Wire(sock, target)
    finally:
        target.close()


@pytest.fixture
def elsewhere() -> Iterator[Namespaces]:
    """Another namespace."""
    with throwaway("net") as other:
        yield other


@pytest.fixture
def way_there(elsewhere: Namespaces) -> Iterator[int]:
    """A descriptor of the other namespace."""
    fd = os.open(elsewhere.path("net"), os.O_RDONLY | os.O_CLOEXEC)
    yield fd
    os.close(fd)


@pytest.fixture(scope="module", autouse=True)
def pyroute2_is_loaded() -> None:
    """Not on the event loop's thread: it takes a while."""
    check_parameters("vlan", {"id": 1})


PARAMETERS: dict[str, dict[str, Any]] = {
    "vlan": {"id": 42, "protocol": "802.1ad", "flags": "reorder_hdr,gvrp"},
    "vxlan": {"id": 77, "local": "10.9.8.7", "port": 4789, "learning": 0, "ttl": 9},
    "macvlan": {"mode": "bridge", "flags": "nopromisc"},
    "macvtap": {"mode": "private"},
    "ipvlan": {"mode": "l3", "flags": "vepa"},
    "bridge": {"ageing_time": 20000, "mcast_snooping": 0, "group_fwd_mask": 16},
    "bond": {"mode": "802.3ad", "miimon": 100, "xmit_hash_policy": "layer3+4"},
    "vrf": {"table": 100},
    "geneve": {"id": 5, "remote": "10.0.0.9", "ttl": 4},
    "gre": {"local": "10.0.0.1", "remote": "10.0.0.2", "ttl": 4},
    "dummy": {},
    "ifb": {},
    "veth": {},
}
SIX_BYTES = len("00:00:00:00:00:00")
ON_A_PARENT = {"vlan", "vxlan", "macvlan", "macvtap", "ipvlan"}


@pytest.mark.parametrize("kind", sorted(PARAMETERS))
async def test_a_link_is_made_as_declared(box: Namespaces, kind: str) -> None:
    async with wire_in(box.pid) as wire:
        lower = await wire.make(Link("lower", "veth", peer="other", up=True))
        assert lower is not None
        link = Link(
            "new",
            kind,
            parameters=PARAMETERS[kind],
            parent="lower" if kind in ON_A_PARENT else None,
            address="02:00:00:00:00:07" if kind not in {"ipvlan", "gre"} else None,
            mtu=1400,
            up=True,
            group=5,
        )
        made = await wire.make(link)
        assert made is not None
        assert (made.name, made.kind, made.mtu) == ("new", kind, 1400)
        assert (made.up, made.group, made.unknown) == (True, 5, ())
        assert link.address in {None, made.address}
        if kind in ON_A_PARENT:
            assert (made.parent, made.link_netnsid) == (lower.index, None)
        assert (await wire.parameters("new")).items() >= dict(link.parameters).items()
        for payload in await wire.payloads():
            read = codec.decode(payload)
            if len(read.address) == SIX_BYTES:  # pyroute2 takes no others
                assert ours(read) == theirs(payload)
                assert differing_parameters(read, payload) == {}


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("bridge", {"ageing_time": 10000, "mcast_snooping": 1, "group_fwd_mask": 8}),
        ("vxlan", {"learning": 1, "ageing": 100}),
        ("macvlan", {"flags": "", "bc_queue_len": 2000}),
        ("ipvlan", {"mode": "l2"}),
        ("bond", {"miimon": 50, "xmit_hash_policy": "layer2"}),
        ("vlan", {"flags": "loose_binding"}),
        ("gre", {"ttl": 5}),
        ("geneve", {"ttl": 5}),
    ],
)
async def test_parameters_change_in_place(
    box: Namespaces, kind: str, changed: dict[str, Any]
) -> None:
    async with wire_in(box.pid) as wire:
        await wire.make(Link("lower", "veth"))
        parent = "lower" if kind in ON_A_PARENT else None
        await wire.make(Link("new", kind, parameters=PARAMETERS[kind], parent=parent))
        before = await wire.parameters("new")
        checked = check_parameters(kind, changed)
        assert before.items() & checked.items() == set()
        observed = (await wire.links())["new"].data
        await wire.change("new", kind=kind, data=encode_change(kind, checked, observed))
        assert await wire.parameters("new") == before | checked


async def test_a_vlan_keeps_its_id_and_the_kernel_says_nothing(box: Namespaces) -> None:
    async with wire_in(box.pid) as wire:
        await wire.make(Link("lower", "veth"))
        await wire.make(Link("new", "vlan", parameters=PARAMETERS["vlan"], parent="lower"))
        before = await wire.parameters("new")
        changed = check_parameters("vlan", {"id": 43, "protocol": "802.1q"})
        assert changed.keys() == FIXED["vlan"]
        await wire.change("new", kind="vlan", data=encode_parameters("vlan", changed))
        assert await wire.parameters("new") == before


async def test_a_bridge_rounds_times_to_the_kernels_ticks(box: Namespaces) -> None:
    async with wire_in(box.pid) as wire:
        await wire.make(Link("new", "bridge"))
        data = encode_parameters("bridge", {"ageing_time": 19_999})
        await wire.change("new", kind="bridge", data=data)
        assert 19_990 < (await wire.parameters("new"))["ageing_time"] <= 19_999


@pytest.mark.parametrize("kind", ["bridge", "vxlan", "macvlan", "vlan", "ipvlan", "bond", "vrf"])
async def test_what_the_kernel_tells_may_be_declared(box: Namespaces, kind: str) -> None:
    async with wire_in(box.pid) as wire:
        await wire.make(Link("lower", "veth"))
        parent = "lower" if kind in ON_A_PARENT else None
        await wire.make(Link("first", kind, parameters=PARAMETERS[kind], parent=parent))
        told = await wire.parameters("first")
        assert check_parameters(kind, told) == told


async def test_a_dump_leaves_out_the_counters_of_ipv6(box: Namespaces) -> None:
    async with wire_in(box.pid) as wire:
        payload = (await wire.payloads())[0]
        everything = (await wire.sock.request(Type.GETLINK, Flag.DUMP, bytes(16)))[0].payload
        assert len(payload) < len(everything) - 36 * 8
        lo = codec.decode(payload)
        assert (lo.index, lo.name, lo.kind, lo.up) == (1, "lo", None, True)
        assert codec.index_and_name(payload) == (1, "lo")


async def test_a_dump_tells_counters_whatever_is_asked(box: Namespaces) -> None:
    async with wire_in(box.pid) as wire:
        before = (await wire.payloads())[0]
        await anyio.to_thread.run_sync(wire.target.call, send_to_ourselves)
        after = (await wire.payloads())[0]
        assert before != after
        assert codec.decode(before) == codec.decode(after)


def send_to_ourselves() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"hello", ("127.0.0.1", 9))


async def test_both_ends_of_a_veth_are_named(box: Namespaces) -> None:
    async with wire_in(box.pid) as wire:
        one = await wire.make(Link("one", "veth", peer="two"))
        two = (await wire.links())["two"]
        assert one is not None
        assert (one.parent, two.parent) == (two.index, one.index)


async def test_the_other_end_of_a_veth_is_made_elsewhere(
    box: Namespaces, elsewhere: Namespaces, way_there: int
) -> None:
    async with wire_in(box.pid) as wire, wire_in(elsewhere.pid) as there:
        one = await wire.make(Link("one", "veth", peer="two"), peer_netns=way_there)
        two = (await there.links())["two"]
        assert one is not None
        assert "two" not in await wire.links()
        assert (one.parent, two.parent) == (0, 0)
        assert one.link_netnsid is not None
        assert two.link_netnsid is not None


async def test_a_link_is_made_elsewhere_upon_a_parent_here(
    box: Namespaces, elsewhere: Namespaces, way_there: int
) -> None:
    async with wire_in(box.pid) as wire, wire_in(elsewhere.pid) as there:
        await wire.make(Link("lower", "veth"))
        link = Link("upper", "macvlan", parent="lower", parameters={"mode": "bridge"})
        assert await wire.make(link, netns=way_there) is None
        upper = (await there.links())["upper"]
        assert (upper.kind, upper.parent) == ("macvlan", 0)
        assert upper.link_netnsid is not None


async def test_creating_never_takes_over(box: Namespaces) -> None:
    async with wire_in(box.pid) as wire:
        first = await wire.make(Link("one", "bridge"))
        with pytest.raises(OpError) as taken:
            await wire.make(Link("one", "bridge", mtu=1400))
        assert taken.value.errno == errno.EEXIST
        assert (await wire.links())["one"] == first


async def test_a_link_is_changed(box: Namespaces) -> None:
    async with wire_in(box.pid) as wire:
        await wire.make(Link("one", "ifb"))
        bridge = await wire.make(Link("both", "bridge"))
        await wire.make(Link("two", "veth"))
        assert bridge is not None
        changed = await wire.change(
            "two",
            up=True,
            mtu=1300,
            address="02:00:00:00:00:09",
            master=bridge.index,
            alias="the second é",
            group=9,
        )
        assert (changed.up, changed.mtu, changed.address) == (True, 1300, "02:00:00:00:00:09")
        assert (changed.master, changed.alias, changed.group) == (bridge.index, "the second é", 9)
        back = await wire.change("two", up=False, master=0, alias="", group=0)
        assert (back.up, back.master, back.alias, back.group) == (False, 0, "", 0)
        assert back.mtu == 1300


async def test_nothing_to_change_changes_nothing(box: Namespaces) -> None:
    async with wire_in(box.pid) as wire:
        before = (await wire.links())["lo"]
        assert await wire.change("lo") == before


async def test_a_link_is_made_with_its_master_and_set_up_afterwards(box: Namespaces) -> None:
    async with wire_in(box.pid) as wire:
        bridge = await wire.make(Link("both", "bridge"))
        made = await wire.make(Link("one", "veth", master="both", up=True))
        assert bridge is not None
        assert made is not None
        assert (made.master, made.up) == (bridge.index, False)
        assert (await wire.change("one", up=True)).up


async def test_a_bond_takes_a_link_as_it_is_made(box: Namespaces) -> None:
    async with wire_in(box.pid) as wire:
        bond = await wire.make(Link("both", "bond", parameters={"mode": "active-backup"}))
        made = await wire.make(Link("one", "veth", master="both", up=True))
        assert bond is not None
        assert made is not None
        assert made.master == bond.index


async def test_the_alias_is_not_taken_at_creation(box: Namespaces) -> None:
    async with wire_in(box.pid) as wire:
        made = await wire.make(Link("one", "veth", alias="first", altnames={"uno"}))
        assert made is not None
        assert (made.alias, made.altnames) == ("", frozenset())


async def test_alternative_names_come_and_go(box: Namespaces) -> None:
    async with wire_in(box.pid) as wire:
        made = await wire.make(Link("one", "veth"))
        assert made is not None
        names = {"the-first-of-all-the-links", "uno"}
        add = codec.encode_altnames(made.index, names)
        await wire.sock.request(Type.NEWLINKPROP, CREATE | Flag.APPEND, add, key="one")
        assert (await wire.links())["one"].altnames == names
        remove = codec.encode_altnames(made.index, {"uno"})
        await wire.sock.request(Type.DELLINKPROP, 0, remove, key="one")
        assert (await wire.links())["one"].altnames == {"the-first-of-all-the-links"}


async def test_a_link_moves(box: Namespaces, elsewhere: Namespaces, way_there: int) -> None:
    async with wire_in(box.pid) as wire, wire_in(elsewhere.pid) as there:
        made = await wire.make(Link("one", "veth", address="02:00:00:00:00:01", up=True))
        assert made is not None
        moving = codec.encode_move(made.index, way_there)
        await wire.sock.request(Type.NEWLINK, 0, moving, key="one")
        assert "one" not in await wire.links()
        moved = (await there.links())["one"]
        assert (moved.address, moved.up) == ("02:00:00:00:00:01", False)


async def test_a_link_is_deleted(box: Namespaces) -> None:
    async with wire_in(box.pid) as wire:
        made = await wire.make(Link("one", "veth", peer="two"))
        assert made is not None
        await wire.sock.request(Type.DELLINK, 0, codec.encode_delete(made.index), key="one")
        assert {"one", "two"}.isdisjoint(await wire.links())
        with pytest.raises(OpError) as gone:
            await wire.sock.request(Type.DELLINK, 0, codec.encode_delete(made.index), key="one")
        assert gone.value.errno == errno.ENODEV


async def test_a_bridges_notice_about_a_port_is_not_about_the_link(box: Namespaces) -> None:
    async with (
        wire_in(box.pid) as wire,
        await NetlinkSocket.open(groups=[1], opener=wire.target.call) as events,
    ):
        bridge = await wire.make(Link("both", "bridge"))
        assert bridge is not None
        await wire.make(Link("one", "veth", peer="two", master="both"))
        await wire.change("one", master=0)
        await wire.sock.request(Type.DELLINK, 0, codec.encode_delete(bridge.index), key="both")
        told: list[tuple[int, bool, str]] = []
        while not told or told[-1] != (Type.DELLINK, True, "both"):
            told += [
                (m.type, codec.is_ours(m.payload), codec.decode(m.payload).name)
                for m in await events.receive()
            ]
        assert (Type.DELLINK, False, "one") in told
        assert (Type.DELLINK, True, "one") not in told


async def test_the_kernel_makes_no_tun_by_netlink(box: Namespaces) -> None:
    async with wire_in(box.pid) as wire:
        with pytest.raises(OpError, match="tun/tap creation via rtnetlink is not supported"):
            await wire.make(Link("tun0", "tun", parameters={"type": "tap"}))


@pytest.mark.skipif(
    not os.access("/dev/net/tun", os.R_OK | os.W_OK), reason="/dev/net/tun cannot be opened"
)
@pytest.mark.parametrize("mode", ["tun", "tap"])
async def test_a_tun_is_made_and_stays(box: Namespaces, mode: Any) -> None:
    async with wire_in(box.pid) as wire:

        def make() -> None:
            make_tun("tun0", mode, index=1048577, owner=0, vnet_header=True)

        await anyio.to_thread.run_sync(wire.target.call, make)
        told = await wire.parameters("tun0")
        assert (await wire.links())["tun0"].kind == "tun"
        assert told.items() >= {"type": mode, "owner": 0, "pi": 0, "vnet_hdr": 1}.items()
        with pytest.raises(OSError, match="busy"):
            await anyio.to_thread.run_sync(wire.target.call, make)
        index = (await wire.links())["tun0"].index
        assert index == 1048577
        await wire.sock.request(Type.DELLINK, 0, codec.encode_delete(index), key="tun0")
        assert "tun0" not in await wire.links()


@pytest.mark.parametrize("name", ["", "a" * 16, "tun%d", "a\0b"])
def test_a_tun_needs_a_name_of_its_own(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        make_tun(name)


async def test_a_vxlan_over_ipv6(box: Namespaces) -> None:
    async with wire_in(box.pid) as wire:
        lower = await wire.make(Link("lower", "veth"))
        parameters: dict[str, Any] = {"id": 7, "group": "ff02::5", "label": 3, "gbp": True}
        made = await wire.make(Link("new", "vxlan", parameters=parameters, parent="lower"))
        told = await wire.parameters("new")
        assert lower is not None
        assert made is not None
        assert made.parent == lower.index
        assert told.items() >= {"id": 7, "group6": "ff02::5", "label": 3, "gbp": True}.items()


async def test_a_bridge_that_knows_vlans(box: Namespaces) -> None:
    async with wire_in(box.pid) as wire:
        parameters: dict[str, Any] = {"vlan_filtering": 1, "vlan_protocol": "802.1ad"}
        try:
            await wire.make(Link("new", "bridge", parameters=parameters))
        except OpError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            pytest.skip("this kernel's bridges know no vlans")
        assert (await wire.parameters("new")).items() >= parameters.items()
