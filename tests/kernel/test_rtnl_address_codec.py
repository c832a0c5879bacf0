from __future__ import annotations

import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from functools import partial

import anyio
import anyio.to_thread
import pytest
from attrs import asdict, evolve

from linx_async._core.errors import OpError
from linx_async._kernel.netlink import Flag
from linx_async._kernel.netns import NetworkNamespace, Target
from linx_async._kernel.socket import NetlinkSocket
from linx_async.rtnl.codec.address import (
    DUMP,
    decode,
    encode,
    encode_delete,
    is_ours,
)
from linx_async.rtnl.codec.wire import Type
from linx_async.rtnl.desired.address import FOREVER, Address, AddressFlag
from linx_async.testing.links import add_veth, set_up
from linx_async.testing.namespaces import Namespaces, can_make_links
from tests import pyroute2_messages
from tests.pyroute2_version import needs_newer_pyroute2

pytestmark = pytest.mark.anyio

TAG = 76
IPV6_ADDRESSES = 9  # RTNLGRP_IPV6_IFADDR

FOREIGN = """
address add 10.0.0.1/24 broadcast + dev one
address add 10.0.0.2/24 dev one label one:two
address add 10.1.0.1 peer 10.9.0.2/32 dev one
address add 10.1.0.2 peer 0.0.0.0 dev one
address add 10.2.0.1/24 scope link metric 7 noprefixroute dev one
address add 10.3.0.1/24 valid_lft 50000 preferred_lft 40000 dev one
address add 10.4.0.1/24 preferred_lft 0 dev one
address add 10.4.0.2/24 preferred_lft 1000 dev one
address add 224.0.0.9/32 autojoin dev one
address add fd00::1/64 dev one
address add fd00::2/64 nodad noprefixroute metric 9 dev one
address add fd00::3 peer fd01::3/128 dev one
address add fd00::4/64 home mngtmpaddr valid_lft 50000 preferred_lft 0 dev one
address add fd00::5/64 preferred_lft 1000 dev two
"""

DECLARED = [
    Address("one", "10.0.0.1/24"),
    Address("one", "10.0.0.1"),
    Address("one", "10.0.0.1/24", peer="10.9.0.2"),
    Address("one", "10.0.0.1", peer="0.0.0.0"),
    Address("one", "10.0.0.1/24", broadcast="10.0.0.255", label="one:web"),
    Address("one", "10.0.0.1/24", scope="link", metric=7, noprefixroute=True),
    Address("one", "10.0.0.1/24", scope=42, protocol=3),
    Address("one", "10.0.0.1/24", valid_lifetime=50_000, preferred_lifetime=40_000),
    Address("one", "10.0.0.1/24", valid_lifetime=50_000, preferred_lifetime=0),
    Address("one", "10.0.0.1/24", preferred_lifetime=0),
    Address("lo", "127.0.0.2/8"),
    Address("one", "fd00::1/64"),
    Address("one", "fd00::1"),
    Address("one", "fd00::1", peer="fd01::1"),
    Address("one", "fd00::1/64", nodad=True, noprefixroute=True, metric=2**32 - 1),
    Address("one", "fd00::1/64", protocol=255),
    Address("one", "fd00::1/64", valid_lifetime=50_000, preferred_lifetime=40_000),
    Address("one", "fd00::1/64", preferred_lifetime=40_000),
    Address("one", "fd00::1/64", preferred_lifetime=0),
    Address("two", "fe80::7/64", nodad=True),
]


class Addresses:
    """The addresses of a namespace, as the codec writes and reads them."""

    def __init__(self, sock: NetlinkSocket, indices: dict[str, int]) -> None:
        self.sock = sock
        self.indices = indices
        self.names = {index: name for name, index in indices.items()}

    async def payloads(self) -> list[bytes]:
        found = await self.sock.request(Type.GETADDR, Flag.DUMP, DUMP)
        assert {message.type for message in found} == {Type.NEWADDR}
        return [message.payload for message in found if is_ours(message.payload)]

    async def all(self) -> dict[str, Address]:
        found = [decode(payload, self.names) for payload in await self.payloads()]
        assert len({address.key for address in found}) == len(found)
        return {address.key: address for address in found}

    async def add(self, address: Address, tag: int = TAG) -> Address:
        await self.put(address, Flag.CREATE | Flag.EXCL, tag)
        return (await self.all())[address.key]

    async def replace(self, address: Address, tag: int = TAG) -> Address:
        await self.put(address, Flag.REPLACE, tag)
        return (await self.all())[address.key]

    async def put(self, address: Address, flags: int, tag: int) -> None:
        payload = encode(address, self.indices, tag)
        await self.sock.request(Type.NEWADDR, flags, payload, key=str(address))

    async def delete(self, address: Address) -> None:
        payload = encode_delete(address, self.indices)
        await self.sock.request(Type.DELADDR, 0, payload, key=str(address))


@pytest.fixture
def target(box: Namespaces) -> Iterator[Target]:
    """A namespace with a veth pair of its own: one, which is up, and two, which is not."""
    with closing(NetworkNamespace.at_path(box.path("net")).open()) as target:
        target.call(partial(add_veth, "one", "two"))
        target.call(partial(set_up, "one"))
        yield target


@pytest.fixture
async def addresses(target: Target) -> AsyncIterator[Addresses]:
    indices = {
        name: index
        for index, name in await anyio.to_thread.run_sync(target.call, socket.if_nameindex)
    }
    async with await NetlinkSocket.open(opener=target.call) as sock:
        yield Addresses(sock, indices)


@pytest.fixture
def foreign(box: Namespaces, target: Target) -> None:
    """Addresses that `ip` has put there."""
    if not can_make_links():
        pytest.skip("there is no `ip` (iproute2)")
    box.run(["ip", "-batch", "-"], input=FOREIGN)


def differing(one: Address, other: Address) -> set[str]:
    fields = asdict(other, recurse=False)
    return {name for name, value in asdict(one, recurse=False).items() if fields[name] != value}


@needs_newer_pyroute2
async def test_a_dump_is_read_as_pyroute2_reads_it(foreign: None, addresses: Addresses) -> None:
    payloads = await addresses.payloads()
    assert len(payloads) > FOREIGN.count("address add")
    for payload in payloads:
        read = asdict(decode(payload, addresses.names), recurse=False)
        assert read == pyroute2_messages.address(payload, addresses.names)
        assert read["unknown"] == ()


async def test_what_others_put_there_is_the_same_after_we_put_it_back(
    foreign: None, addresses: Addresses
) -> None:
    for key, found in (await addresses.all()).items():
        if found.interface == "one" and not found.flags & AddressFlag.SECONDARY:
            await addresses.delete(found)
            assert key not in await addresses.all()
            back = await addresses.add(found)
            assert differing(back, found) <= {"flags", "valid_lifetime", "preferred_lifetime"}


@pytest.mark.parametrize("declared", DECLARED, ids=str)
async def test_a_declared_address_is_taken_and_read_back(
    addresses: Addresses, declared: Address
) -> None:
    found = await addresses.add(declared)
    tag = TAG if declared.protocol is None else declared.protocol
    counting = {
        name
        for name in ("valid_lifetime", "preferred_lifetime")
        if 0 < getattr(found, name) <= getattr(declared, name) < FOREVER
    }
    assert differing(found, evolve(declared, protocol=tag)) <= counting | {"flags"}
    assert found.unknown == ()
    await addresses.delete(found)
    assert declared.key not in await addresses.all()


@pytest.mark.parametrize("text", ["10.0.0.1/24", "fd00::1/64"])
async def test_the_tag_changes_hands(addresses: Addresses, text: str) -> None:
    address = Address("one", text)
    assert (await addresses.add(address, TAG)).protocol == TAG
    replaced = await addresses.replace(address, 99)
    if address.address.version == 4 and replaced.protocol == TAG:
        pytest.skip("this kernel keeps the tag of an IPv4 address that is replaced")
    assert replaced.protocol == 99
    assert (await addresses.replace(address, 0)).protocol == 0


async def test_what_ipv4_takes_on_an_address_that_is_there(addresses: Addresses) -> None:
    before = await addresses.add(Address("one", "10.0.0.1/24", valid_lifetime=9_000), 3)
    wanted = Address(
        "one",
        "10.0.0.1/24",
        peer="10.0.0.9",
        label="one:new",
        broadcast="10.0.0.255",
        scope="link",
        noprefixroute=True,
        metric=7,
    )
    after = await addresses.replace(wanted)
    # The tag too on newer kernels; Linux 6.1 keeps it.
    assert differing(before, after) - {"flags", "protocol"} == {
        "valid_lifetime",
        "preferred_lifetime",
        "metric",
    }


async def test_what_ipv6_takes_on_an_address_that_is_there(addresses: Addresses) -> None:
    await addresses.add(Address("one", "fd00::1/64", valid_lifetime=9_000), 3)
    wanted = Address("one", "fd00::1/64", peer="fd01::1", nodad=True, noprefixroute=True, metric=7)
    after = await addresses.replace(wanted)
    assert differing(after, wanted) == {"flags", "protocol"}
    # The prefix length alone stays as it is.
    assert (await addresses.replace(evolve(wanted, prefix_length=96))).prefix_length == 64


async def test_peers_of_one_network_are_one_address_to_the_kernel(addresses: Addresses) -> None:
    first = Address("one", "10.0.0.1/24", peer="10.9.0.2")
    second = evolve(first, peer="10.9.0.3")
    assert first.key == second.key
    await addresses.add(first)
    with pytest.raises(OpError) as refused:
        await addresses.add(second)
    assert refused.value.errno == errno.EEXIST
    await addresses.add(evolve(first, peer="10.8.0.2"))


async def test_one_of_several_peers_is_deleted_and_no_other(addresses: Addresses) -> None:
    several = [Address("one", "10.0.0.1", peer=peer) for peer in ("10.9.0.1", "10.9.0.2", None)]
    for address in several:
        await addresses.add(address)
    await addresses.delete(several[1])
    assert {address.key for address in several} & set(await addresses.all()) == {
        several[0].key,
        several[2].key,
    }


async def test_an_address_that_got_another_label_meanwhile_is_not_deleted(
    addresses: Addresses,
) -> None:
    await addresses.add(Address("one", "10.0.0.1/24", label="one:new"))
    with pytest.raises(OpError) as refused:
        await addresses.delete(Address("one", "10.0.0.1/24"))
    assert refused.value.errno == errno.EADDRNOTAVAIL


async def test_a_second_address_of_a_subnet_is_secondary(addresses: Addresses) -> None:
    first = await addresses.add(Address("one", "10.0.0.1/24"))
    second = await addresses.add(Address("one", "10.0.0.2/24"))
    assert first.flags == AddressFlag.PERMANENT
    assert second.flags == AddressFlag.PERMANENT | AddressFlag.SECONDARY


async def test_a_new_ipv6_address_is_tentative(box: Namespaces, addresses: Addresses) -> None:
    # Detection takes a second else, which a slow machine may need for the next line.
    await anyio.to_thread.run_sync(box.write, "net.ipv6.neigh.two.retrans_time_ms", "600000")
    found = await addresses.add(Address("two", "fd00::1/64"))
    assert found.flags == AddressFlag.PERMANENT | AddressFlag.TENTATIVE


async def test_a_duplicate_is_told(target: Target, addresses: Addresses) -> None:
    await anyio.to_thread.run_sync(target.call, partial(set_up, "two"))
    twin = Address("two", "fd00::1/64")
    async with await NetlinkSocket.open(groups=[IPV6_ADDRESSES], opener=target.call) as sock:
        await addresses.add(Address("one", "fd00::1/64", nodad=True))
        await addresses.add(twin)
        told: list[Address] = []
        with anyio.fail_after(20):
            while not any(found.flags & AddressFlag.DADFAILED for found in told):
                messages = await sock.receive()
                told = [decode(message.payload, addresses.names) for message in messages]
    assert (await addresses.all())[twin.key].flags & AddressFlag.DADFAILED


async def test_of_a_permanent_ipv4_address_the_kernel_forgets_how_long_it_is_preferred(
    foreign: None, addresses: Addresses
) -> None:
    found = {str(a.address): a.preferred_lifetime for a in (await addresses.all()).values()}
    assert (found["10.4.0.1"], found["10.4.0.2"]) == (0, FOREVER)
