from __future__ import annotations

from contextlib import suppress

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from linx_async._kernel.netlink import (
    NetlinkDecodeError,
    attribute_map,
    attributes,
    pack_attribute,
    pack_u32,
)
from linx_async.rtnl.codec.nexthop import DUMP, decode, encode, encode_delete, is_ours
from linx_async.rtnl.codec.wire import NoInterface
from linx_async.rtnl.desired import Nexthop
from tests.pyroute2_nexthops import nexthop_by_pyroute2, nexthop_fields

HEADER = 8
ID, GROUP, GROUP_TYPE, OIF, GATEWAY, ENCAP, FDB, RES_GROUP, OP_FLAGS = 1, 2, 3, 5, 6, 8, 11, 12, 14
NAMES = {1: "lo", 2: "eth0", 2**31 - 1: "far"}
INDICES = {name: index for index, name in NAMES.items()}
NUMBERED = DUMP + pack_u32(ID, 9)

u8 = st.integers(0, 0xFF)
ids = st.integers(1, 0xFFFFFFFF)
gateways = st.ip_addresses().filter(lambda address: not address.is_unspecified)
versions = st.sampled_from([4, 6])
interfaces = st.sampled_from(list(INDICES))
strangers = st.lists(
    st.tuples(st.integers(18, 0x3FFF), st.binary(max_size=20)),
    max_size=3,
    unique_by=lambda attribute: attribute[0],
).map(tuple)
groups = st.lists(
    st.tuples(ids, st.integers(1, 256)), min_size=1, max_size=5, unique_by=lambda member: member[0]
)
nexthops = st.one_of(
    st.builds(Nexthop, ids, gateways, interfaces, onlink=st.booleans()),
    st.builds(Nexthop, ids, interface=interfaces, family=versions),
    st.builds(Nexthop, ids, blackhole=st.just(True), family=versions),
    st.builds(
        lambda members: Nexthop(members[0][0] % 0xFFFFFFFF + 1, group=members[1:]),
        groups.filter(lambda members: len(members) > 1).filter(
            lambda members: members[0][0] % 0xFFFFFFFF + 1 not in dict(members[1:])
        ),
    ),
)
tagged = st.builds(
    lambda nexthop, tag, more: evolve(nexthop, protocol=tag, unknown=more),
    nexthops,
    st.none() | u8,
    strangers,
)


def read(payload: bytes) -> Nexthop:
    return decode(payload, NAMES)


@given(tagged, u8)
def test_a_nexthop_comes_back_as_it_was_sent(nexthop: Nexthop, tag: int) -> None:
    back = read(encode(nexthop, INDICES, tag))
    assert back == evolve(nexthop, protocol=tag if nexthop.protocol is None else nexthop.protocol)
    assert back.unknown == nexthop.unknown
    assert back.flags == (4 if nexthop.onlink else 0)


@given(nexthops, u8)
def test_pyroute2_reads_what_we_send(nexthop: Nexthop, tag: int) -> None:
    payload = encode(nexthop, INDICES, tag)
    fields = nexthop_fields(payload, NAMES)
    back = read(payload)
    assert {name: getattr(back, name) for name in fields} == fields


@given(nexthops, u8)
def test_we_send_and_read_what_pyroute2_sends(nexthop: Nexthop, tag: int) -> None:
    nexthop = evolve(nexthop, protocol=tag)
    theirs, ours = nexthop_by_pyroute2(nexthop, INDICES), encode(nexthop, INDICES, 0)
    assert ours[:HEADER] == theirs[:HEADER]
    assert attribute_map(ours, HEADER) == attribute_map(theirs, HEADER)
    assert read(theirs) == nexthop


@given(tagged)
def test_a_delete_names_the_id_alone(nexthop: Nexthop) -> None:
    payload = encode_delete(nexthop, {})
    assert payload[:HEADER] == bytes(HEADER)
    assert attribute_map(payload, HEADER) == {ID: nexthop.id.to_bytes(4, "little")}


@given(st.binary(max_size=200))
def test_random_bytes_are_read_or_refused(payload: bytes) -> None:
    for head in (b"", NUMBERED):
        with suppress(NetlinkDecodeError):
            read(head + payload)


@given(tagged, st.lists(st.tuples(st.integers(0, 200), u8), max_size=4), st.data())
def test_a_damaged_nexthop_is_refused_or_sent_back_as_it_was_read(
    nexthop: Nexthop, damage: list[tuple[int, int]], data: st.DataObject
) -> None:
    sent = bytearray(encode(nexthop, INDICES, 76))
    for position, value in damage:
        sent[position % len(sent)] = value
    try:
        back = decode(bytes(sent[: data.draw(st.integers(0, len(sent)))]), {})
    except NetlinkDecodeError:
        return
    name = back.interface
    indices = {name: int(name.removeprefix("ifindex/"))} if name else {}
    again = decode(encode(back, indices, 76), {})
    assert again == back
    assert again.unknown == back.unknown


def test_an_interface_that_is_not_there_is_named() -> None:
    with pytest.raises(NoInterface) as missing:
        encode(Nexthop(1, interface="eth9"), INDICES, 76)
    assert missing.value.name == "eth9"


def test_an_interface_without_a_name_is_told_by_its_index() -> None:
    assert read(NUMBERED + pack_u32(OIF, 77)).interface == "ifindex/77"


def test_a_weight_beyond_one_byte_has_a_high_byte() -> None:
    heavy = read(NUMBERED + pack_attribute(GROUP, bytes([5, 0, 0, 0, 0x2B, 1, 0, 0])))
    assert heavy.group == ((5, 300),)
    assert attribute_map(encode(heavy, {}, 0), HEADER)[GROUP][4:6] == b"\x2b\x01"


def test_counters_and_the_usual_type_of_a_group_are_no_part_of_it() -> None:
    told = pack_attribute(GROUP_TYPE, b"\0\0") + pack_u32(OP_FLAGS, 1 << 31)
    assert read(NUMBERED + told).unknown == ()


def test_a_resilient_group_keeps_its_settings_and_not_the_time_it_was_out_of_balance() -> None:
    settings = pack_attribute(1, b"\x08\0") + pack_u32(2, 3000) + pack_u32(3, 6000)
    told = pack_attribute(GROUP_TYPE, b"\1\0") + pack_attribute(
        RES_GROUP, settings + pack_attribute(4, bytes(8)) + pack_attribute(0)
    )
    group = read(NUMBERED + told)
    assert group.unknown == ((GROUP_TYPE, b"\1\0"), (RES_GROUP, settings))


def test_what_is_nested_is_flagged_as_such_when_sent_back() -> None:
    tunnel = read(NUMBERED + pack_attribute(ENCAP, pack_u32(1, 5)) + pack_attribute(FDB))
    assert pack_attribute(ENCAP | 0x8000, pack_u32(1, 5)) in encode(tunnel, {}, 0)
    assert (FDB, b"") in list(attributes(encode(tunnel, {}, 0), HEADER))


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (bytes(7), "no header"),
        (DUMP, "without an id"),
        (bytes([28, *bytes(7)]) + pack_u32(ID, 1), "address family 28"),
        (NUMBERED + pack_attribute(GROUP, bytes(12)), "no list of members"),
        (NUMBERED + pack_attribute(GATEWAY, bytes(5)), "an address of 5 bytes"),
        (NUMBERED + pack_attribute(OIF, bytes(2)), "expected 4 bytes, got 2"),
        (NUMBERED + pack_attribute(RES_GROUP, bytes(3)), "cut short"),
    ],
)
def test_what_is_malformed_is_refused_and_says_why(payload: bytes, told: str) -> None:
    with pytest.raises(NetlinkDecodeError, match=told):
        read(payload)


def test_groups_are_ours_though_they_have_no_family() -> None:
    assert all(is_ours(bytes([family, *bytes(7)])) for family in (0, 2, 10))
    assert not is_ours(bytes([28, *bytes(7)]))
    assert not is_ours(b"")
