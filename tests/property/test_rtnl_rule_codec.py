from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_network
from typing import Any, Literal

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
from linx_async.rtnl.codec.rule import DUMP, decode, encode, encode_delete, is_ours
from linx_async.rtnl.desired import Rule
from linx_async.rtnl.desired.rule import ACTIONS
from tests.pyroute2_rules import rule_by_pyroute2, rule_fields

HEADER = 12
DST, SRC, IIFNAME, FWMARK, SUPPRESS_PREFIXLEN, TABLE, FWMASK = 1, 2, 3, 10, 14, 15, 16
PROTOCOL, SPORT_RANGE, SPORT_MASK = 21, 23, 28
IPV4 = bytes([2, *bytes(6), 1, *bytes(4)])

u8 = st.integers(0, 0xFF)
u32 = st.integers(0, 0xFFFFFFFF)
names = st.text("abcdefghijklmnopqrstuvwxyz0123456789.-_", min_size=1, max_size=15).filter(
    lambda name: name not in {".", ".."}
)
port = st.integers(1, 65534)
ports = st.builds(lambda one, other: (min(one, other), max(one, other)), port, port)
strangers = st.lists(st.tuples(st.integers(31, 0x3FFF), st.binary(max_size=20)), max_size=3).map(
    tuple
)


def networks(version: Literal[4, 6]) -> st.SearchStrategy[Any]:
    bits = st.integers(0, 32 if version == 4 else 128)
    return st.builds(
        lambda address, length: ip_network((address, length), strict=False),
        st.ip_addresses(v=version),
        bits,
    )


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    version: Literal[4, 6] = draw(st.sampled_from([4, 6]))
    action, l3mdev = draw(st.sampled_from(list(ACTIONS))), draw(st.booleans())
    priority = draw(st.integers(0, 2**32 - 2))
    fwmark = draw(st.none() | u32)
    looks_up = action == "lookup" and not l3mdev
    return Rule(
        priority,
        draw(st.integers(1, 2**32 - 1)) if looks_up else None,
        source=draw(st.none() | networks(version)),
        destination=draw(st.none() | networks(version)),
        family=version,
        fwmark=fwmark,
        fwmask=None if fwmark is None else draw(st.none() | u32),
        iif=draw(st.none() | names),
        oif=draw(st.none() | names),
        tos=draw(st.integers(0, 7)) * 4,
        uid_range=draw(st.none() | st.tuples(st.integers(0, 999), st.integers(999, 2**32 - 2))),
        ip_protocol=draw(st.none() | st.integers(1, 255)),
        source_ports=draw(st.none() | ports),
        destination_ports=draw(st.none() | ports),
        invert=draw(st.booleans()),
        action=action,
        goto=draw(st.integers(priority + 1, 2**32 - 1)) if action == "goto" else None,
        suppress_prefix_length=draw(st.none() | st.integers(0, 128)),
        suppress_group=draw(st.none() | st.integers(0, 2**31 - 1)),
        l3mdev=l3mdev,
        protocol=draw(st.none() | u8),
        unknown=draw(strangers),
    )


def read(payload: bytes) -> Rule:
    return decode(payload, {})


@given(rules(), u8)
def test_a_rule_comes_back_as_it_was_sent(rule: Rule, tag: int) -> None:
    back = read(encode(rule, {}, tag))
    assert back == evolve(rule, protocol=tag if rule.protocol is None else rule.protocol)
    assert back.unknown == rule.unknown
    assert back.flags == (2 if rule.invert else 0)


@given(rules())
def test_a_delete_says_all_that_the_rule_does(rule: Rule) -> None:
    back = read(encode_delete(rule, {}))
    assert back == rule
    assert back.unknown == rule.unknown


@given(rules(), u8)
def test_pyroute2_reads_what_we_send(rule: Rule, tag: int) -> None:
    payload = encode(evolve(rule, unknown=()), {}, tag)
    fields = rule_fields(payload)
    back = read(payload)
    assert {name: getattr(back, name) for name in fields} == fields


@given(rules())
def test_we_send_and_read_what_pyroute2_sends(rule: Rule) -> None:
    rule = evolve(rule, unknown=())
    theirs, ours = rule_by_pyroute2(rule), encode_delete(rule, {})
    assert ours[:HEADER] == theirs[:HEADER]
    assert attribute_map(ours, HEADER) == attribute_map(theirs, HEADER)
    assert read(theirs) == rule


@given(st.binary(max_size=200))
def test_random_bytes_are_read_or_refused(payload: bytes) -> None:
    for head in (b"", IPV4):
        with suppress(NetlinkDecodeError):
            read(head + payload)


@given(rules(), strangers, st.lists(st.tuples(st.integers(0, 400), u8), max_size=4), st.data())
def test_a_damaged_rule_is_refused_or_sent_back_as_it_was_read(
    rule: Rule,
    more: tuple[tuple[int, bytes], ...],
    damage: list[tuple[int, int]],
    data: st.DataObject,
) -> None:
    sent = bytearray(encode(evolve(rule, unknown=more), {}, 76))
    for position, value in damage:
        sent[position % len(sent)] = value
    try:
        back = read(bytes(sent[: data.draw(st.integers(0, len(sent)))]))
    except NetlinkDecodeError:
        return
    again = read(encode(back, {}, 76))
    assert again == (back if back.protocol is not None else evolve_tag(back, 76))
    assert again.unknown == back.unknown


def evolve_tag(rule: Rule, tag: int) -> Rule:
    """The rule with a tag, whatever else it is: the constructor would refuse what was damaged."""
    return read(encode_delete(rule, {}) + pack_attribute(PROTOCOL, bytes([tag])))


def rule_with(*parts: bytes) -> Rule:
    return read(IPV4 + b"".join(parts))


def test_the_table_of_the_attribute_goes_over_that_of_the_header() -> None:
    assert read(bytes([2, 0, 0, 0, 7, 0, 0, 1]) + bytes(4)).table == 7
    assert read(bytes([2, 0, 0, 0, 252, 0, 0, 1]) + bytes(4) + pack_u32(TABLE, 900)).table == 900


def test_no_limit_is_none() -> None:
    assert rule_with(pack_u32(SUPPRESS_PREFIXLEN, 0xFFFFFFFF)).suppress_prefix_length is None
    assert rule_with(pack_u32(SUPPRESS_PREFIXLEN, 0)).suppress_prefix_length == 0


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ((), (None, None)),
        (((FWMASK, 0xFF),), (0, 0xFF)),
        (((FWMARK, 5),), (5, 0xFFFFFFFF)),
        (((FWMARK, 5), (FWMASK, 0)), (5, 0)),
        (((FWMARK, 0), (FWMASK, 0)), (None, None)),
    ],
)
def test_a_mark_is_none_where_the_kernel_has_neither_mark_nor_mask(
    attributes: tuple[tuple[int, int], ...], expected: tuple[int | None, int | None]
) -> None:
    rule = rule_with(*(pack_u32(kind, value) for kind, value in attributes))
    assert (rule.fwmark, rule.fwmask) == expected


def test_host_bits_of_a_foreign_rule_are_kept_so_that_it_can_be_deleted() -> None:
    head = bytes([2, 0, 8, 0, 9, 0, 0, 1]) + bytes(4)
    rule = read(head + pack_attribute(SRC, bytes([10, 0, 0, 1])))
    assert str(rule.source) == "10.0.0.0/8"
    assert attribute_map(encode_delete(rule, {}), HEADER)[SRC] == bytes([10, 0, 0, 1])


def test_an_action_without_a_name_is_kept() -> None:
    rule = read(bytes([2, *bytes(6), 5, *bytes(4)]))
    assert rule.action == "action/5"
    assert encode_delete(rule, {})[7] == 5


def test_a_mask_of_a_whole_port_is_nothing_and_any_other_is_kept() -> None:
    single = pack_attribute(SPORT_RANGE, bytes([80, 0, 80, 0]))
    assert rule_with(single, pack_attribute(SPORT_MASK, b"\xff\xff")).unknown == ()
    odd = rule_with(single, pack_attribute(SPORT_MASK, b"\xf0\xff"))
    assert odd.unknown == ((SPORT_MASK, b"\xf0\xff"),)


def test_the_kernels_own_flags_are_kept_and_not_sent() -> None:
    sent = bytes([2, *bytes(6), 2, 0x1F, 0, 1, 0])
    rule = read(sent)
    assert rule.flags == 0x1001F
    assert rule.invert
    assert encode_delete(rule, {})[8:12] == bytes([2, 0, 1, 0])


def test_a_name_that_is_no_utf8_goes_back_as_it_came() -> None:
    rule = rule_with(pack_attribute(IIFNAME, b"eth\xff\0"))
    assert (IIFNAME, b"eth\xff\0") in list(attributes(encode_delete(rule, {}), HEADER))


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (b"", "no header"),
        (bytes(12), "address family 0"),
        (bytes([128, *bytes(11)]), "address family 128"),
        (bytes([2, 33, *bytes(10)]) + pack_attribute(DST, bytes(4)), "33 bits"),
        (bytes([2, 0, 8, *bytes(9)]), "8 bits of an IPv4 address of 0 bytes"),
        (bytes([2, 0, 8, *bytes(9)]) + pack_attribute(SRC, bytes(16)), "16 bytes"),
        (IPV4 + pack_attribute(SPORT_RANGE, bytes(3)), "expected 4 bytes, got 3"),
        (IPV4 + pack_attribute(TABLE, bytes(5)), "expected 4 bytes, got 5"),
    ],
)
def test_what_is_malformed_is_refused_and_says_why(payload: bytes, told: str) -> None:
    with pytest.raises(NetlinkDecodeError, match=told):
        read(payload)


def test_rules_of_multicast_routing_are_not_ours() -> None:
    assert is_ours(IPV4)
    assert is_ours(bytes([10, *bytes(11)]))
    assert not is_ours(bytes([128, *bytes(11)]))
    assert not is_ours(b"")
    assert not is_ours(DUMP)
