"""How announcements are read: built messages, no sockets."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linx_async import DesiredStateError, rtnl
from linx_async._kernel.netlink import Flag, Message, pack_message, pack_text
from linx_async.rtnl import Address, Announcement, Lost, ObservedLink, Route
from linx_async.rtnl.codec import address, route
from linx_async.rtnl.codec.wire import Type
from linx_async.rtnl.interest import GROUPS
from linx_async.rtnl.monitor import Reader

pytestmark = pytest.mark.anyio

INDICES = {"eth0": 2, "eth1": 3}


def reader(*kinds: str) -> Reader:
    made = Reader(frozenset(kinds or GROUPS))
    made.names.update({index: name for name, index in INDICES.items()})
    return made


def message(kind: int, payload: bytes, flags: int = 0, port: int = 0) -> Message:
    return Message(kind, flags, 0, port, payload)


def link_payload(index: int, name: str, family: int = 0) -> bytes:
    return struct.pack("=BxHiII", family, 1, index, 1, 0) + pack_text(3, name)


def told(found: Announcement | Lost | None) -> Any:
    assert isinstance(found, Announcement)
    return found.value


ADDRESS = address.encode(Address("eth0", "10.0.0.2", 24), INDICES, 76)
ROUTE = route.encode(Route("10.1.0.0/16", "10.0.0.1", "eth0"), INDICES, 76)


def test_an_address_that_appeared() -> None:
    found = reader().read(message(Type.NEWADDR, ADDRESS, port=4321))
    assert isinstance(found, Announcement)
    assert (found.verb, found.kind, found.port) == ("new", "address", 4321)
    assert str(found) == "[address] 10.0.0.2/24 on eth0 proto 76"


def test_an_address_that_went() -> None:
    found = reader().read(message(Type.DELADDR, ADDRESS))
    assert str(found) == "[address] Deleted 10.0.0.2/24 on eth0 proto 76"


def test_a_route_that_took_anothers_place() -> None:
    found = reader().read(message(Type.NEWROUTE, ROUTE, flags=int(Flag.REPLACE)))
    assert str(found) == "[route] 10.1.0.0/16 via 10.0.0.1 dev eth0 proto 76 (replaced)"


def test_a_link() -> None:
    found = reader().read(message(Type.NEWLINK, link_payload(7, "va")))
    assert isinstance(told(found), ObservedLink)
    assert str(found) == "[link] 7: va: up mtu 0 state unknown"


def test_the_names_follow_the_links_also_where_those_are_not_told() -> None:
    ear = reader("address")
    assert ear.read(message(Type.NEWLINK, link_payload(2, "wan"))) is None
    assert told(ear.read(message(Type.NEWADDR, ADDRESS))).interface == "wan"
    assert ear.read(message(Type.DELLINK, link_payload(2, "wan"))) is None
    assert told(ear.read(message(Type.NEWADDR, ADDRESS))).interface == "ifindex/2"


def test_what_a_bridge_tells_of_its_port_is_passed_over() -> None:
    ear = reader()
    assert ear.read(message(Type.DELLINK, link_payload(2, "eth0", family=7))) is None
    assert told(ear.read(message(Type.NEWADDR, ADDRESS))).interface == "eth0"


@pytest.mark.parametrize("kind", [kind for kind in Type if "GET" not in kind.name])
def test_a_family_that_is_not_known_is_passed_over(kind: Type) -> None:
    assert reader().read(message(kind, bytes((200,)) + bytes(40))) is None


def test_a_type_that_is_not_known_is_passed_over() -> None:
    assert reader().read(message(88, bytes(40))) is None


def test_what_cannot_be_read_is_told_as_lost() -> None:
    found = reader().read(message(Type.NEWROUTE, b"\x02" + bytes(5)))
    assert isinstance(found, Lost)
    assert str(found).startswith("[lost] a notification of type 24 cannot be read: ")


def test_names_are_learnt_of_what_is_well_formed_in_a_dump() -> None:
    ear = reader()
    good = pack_message(Type.NEWLINK, 0, 1, link_payload(8, "va"))
    nameless = pack_message(Type.NEWLINK, 0, 1, bytes(16))
    ear.learn([good + nameless, b"\x01\x02\x03", good.replace(b"va", b"vb")])
    assert ear.names == {8: "vb"}


@given(
    kind=st.integers(0, 200),
    head=st.sampled_from([b"", b"\0", b"\x02", b"\x0a", b"\x02\x10\0\0", b"\x0a\x40\0\0"]),
    rest=st.binary(max_size=200),
)
def test_no_bytes_make_it_fail(kind: int, head: bytes, rest: bytes) -> None:
    found = reader().read(message(kind, head + rest))
    assert found is None or str(found)


@given(st.lists(st.binary(max_size=100)))
def test_no_dump_makes_it_fail(datagrams: list[bytes]) -> None:
    reader().learn(datagrams)


async def test_a_kind_that_there_is_not_is_refused_and_named() -> None:
    with pytest.raises(DesiredStateError, match="kinds: 'links' is none of link, address"):
        async with rtnl.monitor("links"):  # type: ignore[arg-type]
            pass
