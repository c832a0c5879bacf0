from __future__ import annotations

import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from functools import partial

import anyio.to_thread
import pytest
from attrs import asdict, evolve

from linx_async._core.errors import OpError
from linx_async._kernel.netlink import Flag
from linx_async._kernel.netns import NetworkNamespace, Target
from linx_async._kernel.socket import NetlinkSocket
from linx_async.rtnl.codec.neighbour import (
    DUMP,
    DUMP_PROXIES,
    NeighbourFlag,
    decode,
    encode,
    encode_delete,
    is_ours,
)
from linx_async.rtnl.codec.wire import Type
from linx_async.rtnl.desired import Neighbour
from linx_async.testing.links import add_veth, set_up
from linx_async.testing.namespaces import Namespaces, can_make_links
from tests import pyroute2_messages
from tests.pyroute2_version import needs_newer_pyroute2

pytestmark = pytest.mark.anyio

TAG = 76
MAC = "02:00:00:00:00:01"

FOREIGN = f"""
neighbour add 10.0.0.1 lladdr {MAC} dev one
neighbour add 10.0.0.2 lladdr {MAC} nud noarp dev one protocol static
neighbour add 10.0.0.3 lladdr {MAC} nud stale dev one extern_learn
neighbour add proxy 10.0.0.4 dev one protocol 76
neighbour add fd00::1 lladdr {MAC} router dev one
neighbour add fd00::2 lladdr {MAC} nud noarp dev two protocol static
neighbour add fd00::3 lladdr {MAC} nud stale router dev one
neighbour add proxy fd00::4 dev two router protocol 76
neighbour add proxy fd00::5 dev one
"""

DECLARED = [
    Neighbour("one", "10.0.0.1", MAC),
    Neighbour("one", "10.0.0.1", MAC, state="noarp"),
    Neighbour("one", "10.0.0.1", proxy=True),
    Neighbour("one", "10.0.0.1", proxy=True, protocol=3),
    Neighbour("one", "fd00::1", MAC),
    Neighbour("one", "fd00::1", MAC, state="noarp", protocol=255),
    Neighbour("one", "fd00::1", MAC, router=True),
    Neighbour("one", "fd00::1", proxy=True),
    Neighbour("one", "fd00::1", proxy=True, router=True),
]


class Neighbours:
    """The neighbours of a namespace, as the codec writes and reads them."""

    def __init__(self, sock: NetlinkSocket, indices: dict[str, int]) -> None:
        self.sock = sock
        self.indices = indices
        self.names = {index: name for name, index in indices.items()}

    async def payloads(self, dump: bytes) -> list[bytes]:
        found = await self.sock.request(Type.GETNEIGH, Flag.DUMP, dump)
        assert {message.type for message in found} <= {Type.NEWNEIGH}
        return [message.payload for message in found if is_ours(message.payload)]

    async def all(self) -> dict[str, Neighbour]:
        payloads = await self.payloads(DUMP) + await self.payloads(DUMP_PROXIES)
        found = [decode(payload, self.names) for payload in payloads]
        assert len({neighbour.key for neighbour in found}) == len(found)
        return {neighbour.key: neighbour for neighbour in found}

    async def add(self, neighbour: Neighbour, tag: int = TAG) -> Neighbour:
        await self.put(neighbour, Flag.CREATE | Flag.EXCL, tag)
        return (await self.all())[neighbour.key]

    async def replace(self, neighbour: Neighbour, tag: int = TAG) -> Neighbour:
        await self.put(neighbour, Flag.CREATE | Flag.REPLACE, tag)
        return (await self.all())[neighbour.key]

    async def put(self, neighbour: Neighbour, flags: int, tag: int) -> None:
        payload = encode(neighbour, self.indices, tag)
        await self.sock.request(Type.NEWNEIGH, flags, payload, key=str(neighbour))

    async def delete(self, neighbour: Neighbour) -> None:
        payload = encode_delete(neighbour, self.indices)
        await self.sock.request(Type.DELNEIGH, 0, payload, key=str(neighbour))


@pytest.fixture
def target(box: Namespaces) -> Iterator[Target]:
    """A namespace with a veth pair of its own, one and two."""
    with closing(NetworkNamespace.at_path(box.path("net")).open()) as target:
        target.call(partial(add_veth, "one", "two"))
        target.call(partial(set_up, "one"))
        target.call(partial(set_up, "two"))
        yield target


@pytest.fixture
async def neighbours(target: Target) -> AsyncIterator[Neighbours]:
    indices = {
        name: index
        for index, name in await anyio.to_thread.run_sync(target.call, socket.if_nameindex)
    }
    async with await NetlinkSocket.open(opener=target.call) as sock:
        yield Neighbours(sock, indices)


@pytest.fixture
def foreign(box: Namespaces, target: Target) -> None:
    """Neighbours that `ip` has put there."""
    if not can_make_links():
        pytest.skip("there is no `ip` (iproute2)")
    box.run(["ip", "-batch", "-"], input=FOREIGN)


@needs_newer_pyroute2
async def test_a_dump_is_read_as_pyroute2_reads_it(foreign: None, neighbours: Neighbours) -> None:
    payloads = await neighbours.payloads(DUMP) + await neighbours.payloads(DUMP_PROXIES)
    assert len(payloads) >= FOREIGN.count("neighbour add")
    for payload in payloads:
        read = asdict(decode(payload, neighbours.names), recurse=False)
        assert read == pyroute2_messages.neighbour(payload, neighbours.names)
        assert read["unknown"] == ()


async def test_neighbours_and_proxies_are_dumped_apart(
    foreign: None, neighbours: Neighbours
) -> None:
    def proxies(payloads: list[bytes]) -> set[bool]:
        return {decode(payload, neighbours.names).proxy for payload in payloads}

    assert proxies(await neighbours.payloads(DUMP)) == {False}
    assert proxies(await neighbours.payloads(DUMP_PROXIES)) == {True}


async def test_what_others_put_there_is_the_same_after_we_put_it_back(
    foreign: None, neighbours: Neighbours
) -> None:
    for found in (await neighbours.all()).values():
        if not found.address.is_multicast:
            await neighbours.delete(found)
            back = await neighbours.add(found)
            assert (back, back.flags) == (found, found.flags)


@pytest.mark.parametrize("declared", DECLARED, ids=str)
async def test_a_declared_neighbour_is_taken_and_read_back(
    neighbours: Neighbours, declared: Neighbour
) -> None:
    found = await neighbours.add(declared)
    assert found == evolve(
        declared, protocol=TAG if declared.protocol is None else declared.protocol
    )
    assert found.unknown == ()
    await neighbours.delete(found)
    assert declared.key not in await neighbours.all()


@pytest.mark.parametrize(
    "neighbour",
    [Neighbour("one", "10.0.0.1", MAC), Neighbour("one", "fd00::1", proxy=True)],
    ids=str,
)
async def test_the_tag_changes_hands_but_is_not_taken_off(
    neighbours: Neighbours, neighbour: Neighbour
) -> None:
    assert (await neighbours.add(neighbour, 0)).protocol == 0
    assert (await neighbours.replace(neighbour, TAG)).protocol == TAG
    assert (await neighbours.replace(neighbour, 99)).protocol == 99
    assert (await neighbours.replace(neighbour, 0)).protocol == 99


async def test_a_neighbour_that_is_there_takes_all_that_is_declared(
    neighbours: Neighbours,
) -> None:
    await neighbours.add(Neighbour("one", "fd00::1", MAC, router=True))
    wanted = Neighbour("one", "fd00::1", "02:00:00:00:00:02", state="noarp", protocol=TAG)
    assert await neighbours.replace(wanted) == wanted


async def test_a_proxy_is_no_longer_a_router_when_it_is_not_declared_so(
    neighbours: Neighbours,
) -> None:
    await neighbours.add(Neighbour("one", "fd00::1", proxy=True, router=True))
    wanted = Neighbour("one", "fd00::1", proxy=True, protocol=TAG)
    assert await neighbours.replace(wanted) == wanted


async def test_a_neighbour_that_is_there_is_not_created_twice(neighbours: Neighbours) -> None:
    neighbour = Neighbour("one", "10.0.0.1", MAC)
    await neighbours.add(neighbour)
    with pytest.raises(OpError) as refused:
        await neighbours.add(neighbour)
    assert refused.value.errno == errno.EEXIST


async def test_a_proxy_that_is_there_is_taken_over_all_the_same(neighbours: Neighbours) -> None:
    proxy = Neighbour("one", "10.0.0.1", proxy=True)
    await neighbours.add(proxy, 3)
    assert (await neighbours.add(proxy, TAG)).protocol == TAG


async def test_a_proxy_and_a_neighbour_of_one_address_are_deleted_apart(
    neighbours: Neighbours,
) -> None:
    neighbour = Neighbour("one", "10.0.0.1", MAC)
    proxy = Neighbour("one", "10.0.0.1", proxy=True)
    await neighbours.add(neighbour)
    await neighbours.add(proxy)
    await neighbours.delete(proxy)
    assert {neighbour.key, proxy.key} & set(await neighbours.all()) == {neighbour.key}


async def test_an_extended_flag_is_read_and_put_back(
    box: Namespaces, neighbours: Neighbours
) -> None:
    if not can_make_links():
        pytest.skip("there is no `ip` (iproute2)")
    argv = ["ip", "neighbour", "add", "10.0.0.1", "managed", "extern_learn", "dev", "one"]
    await anyio.to_thread.run_sync(box.run, argv)
    (found,) = [x for x in (await neighbours.all()).values() if str(x.address) == "10.0.0.1"]
    both = NeighbourFlag.MANAGED | NeighbourFlag.EXT_LEARNED
    assert found.flags == both
    await neighbours.delete(found)
    assert (await neighbours.add(found)).flags == both
