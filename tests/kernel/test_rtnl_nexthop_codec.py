from __future__ import annotations

import errno
import struct
from collections.abc import AsyncIterator
from ipaddress import ip_interface

import anyio.to_thread
import pytest
from attrs import evolve, frozen

from linx_async._core.errors import OpError
from linx_async._kernel.netlink import Flag, pack_attribute, pack_nested, pack_u32
from linx_async._kernel.netns import NetworkNamespace
from linx_async._kernel.socket import NetlinkSocket
from linx_async.rtnl.codec.nexthop import DUMP, decode, encode, encode_delete, is_ours
from linx_async.rtnl.codec.wire import FAMILIES, Type
from linx_async.rtnl.desired import Nexthop
from linx_async.testing.links import add_veth, set_up
from linx_async.testing.namespaces import Namespaces
from tests.pyroute2_nexthops import nexthop_fields

pytestmark = pytest.mark.anyio

CREATE = Flag.CREATE | Flag.EXCL
TAG = 76
ID, GROUP, GROUP_TYPE, BLACKHOLE, OIF, GATEWAY = 1, 2, 3, 4, 5, 6
ENCAP_TYPE, ENCAP, FDB, RES_GROUP = 7, 8, 11, 12
NODAD = 0x02
UP = 0x1

NEXTHOPS = [
    Nexthop(1, "10.0.0.2", "one"),
    Nexthop(1, "fd00::2", "one"),
    Nexthop(1, "fe80::1", "one"),
    Nexthop(1, interface="one"),
    Nexthop(1, interface="one", family=6),
    Nexthop(1, "192.0.2.1", "one", onlink=True),
    Nexthop(1, "2001:db8::1", "one", onlink=True),
    Nexthop(1, blackhole=True),
    Nexthop(1, blackhole=True, family=6),
    Nexthop(2**32 - 1, interface="lo"),
]


@frozen
class Place:
    """A namespace with a veth pair that is up and has addresses, and a socket in it."""

    sock: NetlinkSocket
    names: dict[int, str]
    indices: dict[str, int]

    async def payloads(self) -> list[bytes]:
        messages = await self.sock.request(Type.GETNEXTHOP, Flag.DUMP, DUMP, key="nexthops")
        assert all(is_ours(message.payload) for message in messages)
        return [message.payload for message in messages]

    async def present(self) -> list[Nexthop]:
        return [decode(payload, self.names) for payload in await self.payloads()]

    async def add(self, *nexthops: Nexthop) -> None:
        for nexthop in nexthops:
            payload = encode(nexthop, self.indices, TAG)
            await self.sock.request(Type.NEWNEXTHOP, CREATE, payload, key=nexthop.key)

    async def add_raw(self, family: int, *attributes: bytes) -> Nexthop:
        """Add what our values do not say, and tell how it reads."""
        head = struct.pack("=BxBxI", family, TAG, 0)
        await self.sock.request(Type.NEWNEXTHOP, CREATE, head + b"".join(attributes))
        return (await self.present())[-1]

    async def delete(self, nexthop: Nexthop) -> None:
        payload = encode_delete(nexthop, self.indices)
        await self.sock.request(Type.DELNEXTHOP, 0, payload, key=nexthop.key)


def make_links() -> None:
    add_veth("one", "two")
    set_up("one")
    set_up("two")


@pytest.fixture
async def place(box: Namespaces) -> AsyncIterator[Place]:
    target = await anyio.to_thread.run_sync(NetworkNamespace.of_pid(box.pid).open)
    try:
        await anyio.to_thread.run_sync(target.call, make_links)
        async with await NetlinkSocket.open(opener=target.call) as sock:
            names = await link_names(sock)
            indices = {name: index for index, name in names.items()}
            for text in ("10.0.0.1/24", "fd00::1/64"):
                await add_address(sock, indices["one"], text)
            yield Place(sock, names, indices)
    finally:
        target.close()


async def link_names(sock: NetlinkSocket) -> dict[int, str]:
    names = {}
    for name in ("lo", "one", "two"):
        text = pack_attribute(3, name.encode() + b"\0")
        (answer,) = await sock.request(Type.GETLINK, 0, bytes(16) + text)
        names[struct.unpack_from("=i", answer.payload, 4)[0]] = name
    return names


async def add_address(sock: NetlinkSocket, index: int, text: str) -> None:
    address = ip_interface(text)
    bits, packed = address.network.prefixlen, address.ip.packed
    head = struct.pack("=BBBBI", FAMILIES[address.version], bits, NODAD, 0, index)
    local = pack_attribute(1, packed) + pack_attribute(2, packed)
    await sock.request(Type.NEWADDR, CREATE, head + local)


@pytest.mark.parametrize("nexthop", NEXTHOPS, ids=str)
async def test_a_nexthop_is_taken_read_back_equal_and_deleted(
    place: Place, nexthop: Nexthop
) -> None:
    await place.add(nexthop)
    (payload,) = await place.payloads()
    back, fields = decode(payload, place.names), nexthop_fields(payload, place.names)
    assert back == evolve(nexthop, protocol=TAG)
    assert back.unknown == ()
    assert {name: getattr(back, name) for name in fields} == fields
    await place.delete(back)
    assert await place.payloads() == []


async def test_a_weight_beyond_one_byte_is_taken_and_read_back_equal(place: Place) -> None:
    group = Nexthop(11, group=[(1, 256)])
    await place.add(Nexthop(1, "10.0.0.2", "one"))
    try:
        await place.add(group)
    except OpError as error:
        if error.message != "Invalid value for weight":
            raise
        pytest.skip("this kernel has no weights beyond one byte")
    back = [decode(payload, place.names) for payload in await place.payloads()]
    assert evolve(group, protocol=TAG) in back


async def test_groups_with_weights_are_taken_and_read_back_equal(place: Place) -> None:
    ways = [
        Nexthop(1, "10.0.0.2", "one"),
        Nexthop(2, "10.0.0.3", "one"),
        Nexthop(3, "fd00::2", "one"),
        Nexthop(4, blackhole=True),
    ]
    groups = [
        Nexthop(10, group=[1, 2]),
        Nexthop(11, group=[(1, 200), (2, 3)]),
        Nexthop(12, group=[3]),
        Nexthop(13, group=[4]),
    ]
    await place.add(*ways, *groups)
    payloads = await place.payloads()
    back = [decode(payload, place.names) for payload in payloads]
    assert back == [evolve(nexthop, protocol=TAG) for nexthop in [*ways, *groups]]
    for nexthop, payload in zip(back, payloads, strict=True):
        fields = nexthop_fields(payload, place.names)
        assert {name: getattr(nexthop, name) for name in fields} == fields
        assert nexthop.unknown == ()


@pytest.mark.parametrize("family", [4, 6])
async def test_a_blackhole_has_the_family_it_was_made_with(place: Place, family: int) -> None:
    await place.add(Nexthop(1, blackhole=True, family=family))
    assert [nexthop.family for nexthop in await place.present()] == [family]


async def test_a_blackhole_needs_a_family_and_a_group_must_not_have_one(place: Place) -> None:
    with pytest.raises(OpError, match=r"EINVAL.*address family"):
        await place.add_raw(0, pack_u32(ID, 1), pack_attribute(BLACKHOLE))
    await place.add(Nexthop(1, blackhole=True))
    member = pack_attribute(GROUP, struct.pack("=II", 1, 0))
    with pytest.raises(OpError, match="EINVAL"):
        await place.add_raw(2, pack_u32(ID, 2), member)


@pytest.mark.parametrize("tag", [0, 4, TAG, 255])
async def test_the_tag_comes_back(place: Place, tag: int) -> None:
    nexthop = Nexthop(1, blackhole=True, protocol=tag)
    await place.add(nexthop)
    assert await place.present() == [nexthop]


async def test_an_id_is_taken_once_whatever_the_tag(place: Place) -> None:
    await place.add(Nexthop(1, blackhole=True, protocol=77))
    with pytest.raises(OpError) as taken:
        await place.add(Nexthop(1, interface="one", protocol=TAG))
    assert taken.value.errno == errno.EEXIST


async def test_a_delete_looks_at_the_id_alone_and_refuses_a_tag(place: Place) -> None:
    await place.add(Nexthop(1, blackhole=True, family=6, protocol=77))
    tagged = struct.pack("=BxBxI", 10, 77, 0) + pack_u32(ID, 1)
    with pytest.raises(OpError, match=r"EINVAL.*header"):
        await place.sock.request(Type.DELNEXTHOP, 0, tagged)
    await place.delete(Nexthop(1, interface="two", protocol=TAG))
    assert await place.present() == []
    with pytest.raises(OpError) as missing:
        await place.delete(Nexthop(1, blackhole=True))
    assert missing.value.errno == errno.ENOENT


async def test_a_gateway_needs_its_interface(place: Place) -> None:
    with pytest.raises(OpError) as refused:
        await place.add_raw(2, pack_u32(ID, 1), pack_attribute(GATEWAY, bytes([10, 0, 0, 2])))
    assert refused.value.errno == errno.EINVAL


async def test_a_link_that_goes_down_takes_its_nexthops_along(place: Place) -> None:
    await place.add(
        Nexthop(1, interface="one"),
        Nexthop(2, interface="lo"),
        Nexthop(3, group=[1]),
        Nexthop(4, group=[1, 2]),
    )
    down = struct.pack("=BxHiII", 0, 0, place.indices["one"], 0, UP)
    await place.sock.request(Type.SETLINK, 0, down)
    left = await place.present()
    assert [(nexthop.id, nexthop.group) for nexthop in left] == [(2, ()), (4, ((2, 1),))]


async def again(place: Place, nexthop: Nexthop) -> Nexthop:
    """A nexthop as it reads after it was deleted and sent back."""
    await place.delete(nexthop)
    await place.add(nexthop)
    return next(found for found in await place.present() if found.id == nexthop.id)


async def test_a_tunnel_is_kept_and_can_be_sent_back(place: Place) -> None:
    tunnel = pack_nested(ENCAP, pack_attribute(2, bytes([192, 0, 2, 9])))
    way = pack_attribute(GATEWAY, bytes([10, 0, 0, 2])) + pack_u32(OIF, place.indices["one"])
    kind = pack_attribute(ENCAP_TYPE, struct.pack("=H", 2))
    try:
        found = await place.add_raw(2, pack_u32(ID, 1), way, kind, tunnel)
    except OpError as error:
        pytest.skip(f"this kernel has no light-weight tunnels: {error.message or error.errno}")
    assert {kind for kind, _ in found.unknown} == {ENCAP_TYPE, ENCAP}
    back = await again(place, found)
    assert (back, back.unknown) == (found, found.unknown)


async def test_a_nexthop_of_a_bridge_is_kept_and_can_be_sent_back(place: Place) -> None:
    gateway = pack_attribute(GATEWAY, bytes([10, 0, 0, 2]))
    found = await place.add_raw(2, pack_u32(ID, 1), gateway, pack_attribute(FDB))
    assert found.unknown == ((FDB, b""),)
    back = await again(place, found)
    assert (back, back.unknown) == (found, found.unknown)


async def test_a_resilient_group_is_kept_and_can_be_sent_back(place: Place) -> None:
    await place.add(Nexthop(1, interface="one"))
    found = await place.add_raw(
        0,
        pack_u32(ID, 2),
        pack_attribute(GROUP, struct.pack("=II", 1, 0)),
        pack_attribute(GROUP_TYPE, struct.pack("=H", 1)),
        pack_nested(RES_GROUP, pack_attribute(1, struct.pack("=H", 8)), pack_u32(2, 3000)),
    )
    assert {kind for kind, _ in found.unknown} == {GROUP_TYPE, RES_GROUP}
    back = await again(place, found)
    assert (back, back.unknown) == (found, found.unknown)


async def test_a_dump_of_a_family_leaves_out_groups_and_a_tag_is_no_filter(place: Place) -> None:
    await place.add(Nexthop(1, blackhole=True), Nexthop(2, group=[1]))
    only_4 = await place.sock.request(Type.GETNEXTHOP, Flag.DUMP, bytes([2]) + DUMP[1:])
    assert [decode(message.payload, {}).id for message in only_4] == [1]
    for wrong in (struct.pack("=BxBxI", 0, TAG, 0), DUMP + pack_u32(ID, 1)):
        with pytest.raises(OpError) as refused:
            await place.sock.request(Type.GETNEXTHOP, Flag.DUMP, wrong)
        assert refused.value.errno == errno.EINVAL
