from __future__ import annotations

import sys
from ipaddress import IPv4Address
from typing import Any

import pytest
from attrs import asdict, evolve
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg

from linx_async._kernel.netlink import NetlinkDecodeError, attribute_map, pack_attribute
from linx_async.rtnl.codec.address import (
    DUMP,
    decode,
    encode,
    encode_delete,
    is_ours,
)
from linx_async.rtnl.codec.wire import NoInterface
from linx_async.rtnl.desired.address import FOREVER, Address, AddressFlag
from tests import pyroute2_messages
from tests.pyroute2_version import needs_newer_pyroute2

NAMES = {1: "lo", 2: "eth0", 2**32 - 1: "fifteen-letters"}
INDICES = {name: index for index, name in NAMES.items()}

u8 = st.integers(0, 2**8 - 1)
u32 = st.integers(0, 2**32 - 1)
unknowns = st.lists(
    st.tuples(st.sampled_from([5, 7]) | st.integers(12, 0x3FFF), st.binary(max_size=20)), max_size=3
).map(tuple)


@st.composite
def addresses(draw: st.DrawFn) -> Address:
    """Any that can be declared, with the attributes we do not know of an observed one."""
    version = draw(st.sampled_from([4, 6]))
    is_4 = version == 4
    ips = st.ip_addresses(v=version)  # type: ignore[arg-type]
    interface = draw(st.sampled_from(list(INDICES)))
    valid = draw(st.integers(1, 2**32 - 2) | st.just(FOREVER))
    preferred = draw(
        st.sampled_from([0, FOREVER]) if is_4 and valid == FOREVER else st.integers(0, valid)
    )
    fields: dict[str, Any] = {"nodad": draw(st.booleans())}
    if is_4:
        fields = {
            "broadcast": draw(st.none() | ips.filter(int)),
            "label": f"{interface}:{draw(st.text('ab1'))}"[:15],
            "scope": draw(u8),
        }
    return Address(
        interface,
        draw(ips.filter(int)),
        draw(st.integers(0, 32 if is_4 else 128)),
        peer=draw(st.none() | ips),
        valid_lifetime=valid,
        preferred_lifetime=preferred,
        noprefixroute=draw(st.booleans()),
        metric=draw(st.none() | st.integers(1, 2**32 - 1)),
        protocol=draw(st.none() | u8),
        unknown=draw(unknowns),
        **fields,
    )


@st.composite
def foreign_payloads(draw: st.DrawFn) -> bytes:
    """What pyroute2 packs: any that the kernel might send."""
    version = draw(st.sampled_from([4, 6]))
    ips = st.ip_addresses(v=version).map(str)  # type: ignore[arg-type]
    attrs: list[tuple[str, Any]] = draw(
        st.sampled_from([["IFA_LOCAL"], ["IFA_ADDRESS"], ["IFA_ADDRESS", "IFA_LOCAL"]]).flatmap(
            lambda kinds: st.tuples(*(st.tuples(st.just(kind), ips) for kind in kinds)).map(list)
        )
    )
    choices: list[tuple[str, st.SearchStrategy[Any]]] = [
        ("IFA_FLAGS", u32),
        ("IFA_RT_PRIORITY", u32),
        ("IFA_PROTO", u8),
        (
            "IFA_CACHEINFO",
            st.fixed_dictionaries(
                dict.fromkeys(("ifa_preferred", "ifa_valid", "cstamp", "tstamp"), u32)
            ),
        ),
    ]
    if version == 4:
        choices += [("IFA_BROADCAST", ips), ("IFA_LABEL", st.text("eth0:1", min_size=1))]
    for name, values in choices:
        if draw(st.booleans()):
            attrs.append((name, draw(values)))
    fields = {
        "family": 2 if version == 4 else 10,
        "prefixlen": draw(st.integers(0, 32 if version == 4 else 128)),
        "flags": draw(u8),
        "scope": draw(u8),
        "index": draw(st.sampled_from(list(NAMES))),
    }
    return pyroute2_messages.packed(ifaddrmsg, fields, draw(st.permutations(attrs)))


@st.composite
def damaged_payloads(draw: st.DrawFn) -> bytes:
    """A message with some bytes changed, cut off, or put in."""
    payload = bytearray(draw(foreign_payloads()))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(payload)))
        length = draw(st.integers(0, 4))
        payload[place : place + length] = draw(st.binary(max_size=4))
    return bytes(payload[: draw(st.integers(0, len(payload)) | st.just(len(payload)))])


@given(addresses(), u8)
def test_an_address_comes_back_as_it_was_encoded(address: Address, protocol: int) -> None:
    tag = protocol if address.protocol is None else address.protocol
    payload = encode(address, INDICES, protocol)
    found = decode(payload, NAMES)
    assert is_ours(payload)
    assert found == evolve(address, protocol=tag)
    assert found.unknown == address.unknown


@needs_newer_pyroute2
@given(addresses(), u8)
def test_pyroute2_reads_what_we_encode(address: Address, protocol: int) -> None:
    payload = encode(address, INDICES, protocol)
    read = pyroute2_messages.address(payload, NAMES)
    assert read == asdict(decode(payload, NAMES), recurse=False)
    bare = encode(evolve(address, unknown=()), INDICES, protocol)
    assert pyroute2_messages.repacked(ifaddrmsg, bare) == bare


@given(foreign_payloads())
def test_we_read_what_pyroute2_encodes(payload: bytes) -> None:
    assert asdict(decode(payload, NAMES), recurse=False) == pyroute2_messages.address(
        payload, NAMES
    )


@given(st.binary(max_size=80) | damaged_payloads())
def test_damaged_messages_are_refused_or_have_a_value_that_can_be_encoded(payload: bytes) -> None:
    try:
        found = decode(payload, {})
    except NetlinkDecodeError:
        return
    index = int(found.interface.removeprefix("ifindex/"))
    again = decode(encode(found, {found.interface: index}, 0), {})
    assert (again, again.unknown) == (found, found.unknown)


@given(addresses())
def test_a_deletion_names_what_the_kernel_compares_and_nothing_else(address: Address) -> None:
    payload = encode_delete(address, INDICES)
    found = decode(payload, NAMES)
    assert found.key == address.key
    assert (found.peer, found.label) == (address.peer, address.label)
    assert set(attribute_map(payload, 8)) <= {1, 2, 3}


@given(addresses())
def test_an_interface_that_is_not_there_is_named(address: Address) -> None:
    with pytest.raises(NoInterface, match=address.interface):
        encode(address, {}, 0)
    with pytest.raises(NoInterface, match=address.interface):
        encode_delete(address, {})


def test_an_interface_without_a_name_is_told_by_its_index() -> None:
    payload = encode(Address("eth0", "10.0.0.1"), {"eth0": 9}, 0)
    assert decode(payload, {}).interface == "ifindex/9"


def test_a_permanent_address_is_valid_for_ever_whatever_its_times_say() -> None:
    payload = encode(Address("eth0", "fd00::1", valid_lifetime=9), INDICES, 0)
    found = decode(payload + flags(AddressFlag.PERMANENT), NAMES)
    assert (found.valid_lifetime, found.preferred_lifetime) == (FOREVER, 9)


def test_a_permanent_address_that_is_deprecated_is_preferred_no_more() -> None:
    payload = encode(Address("eth0", "10.0.0.1"), INDICES, 0)
    found = decode(payload + flags(AddressFlag.PERMANENT | AddressFlag.DEPRECATED), NAMES)
    assert (found.valid_lifetime, found.preferred_lifetime) == (FOREVER, 0)


def test_the_long_flags_outrule_the_short_ones() -> None:
    payload = bytearray(encode(Address("eth0", "fd00::1"), INDICES, 0))
    payload[2] = 0xFF
    assert decode(bytes(payload), NAMES).flags == 0xFF
    assert decode(bytes(payload) + flags(AddressFlag.TENTATIVE), NAMES).flags == 0x40


def test_only_flags_that_may_be_set_are_put_back() -> None:
    address = Address("eth0", "fd00::1", 64, flags=0xFFF)
    kept = AddressFlag.HOMEADDRESS | AddressFlag.MANAGETEMPADDR | AddressFlag.MCAUTOJOIN
    assert decode(encode(address, INDICES, 0), NAMES).flags == kept


def test_what_goes_with_ipv4_alone_is_unknown_on_ipv6() -> None:
    label = pack_attribute(3, b"eth0\0")
    found = decode(encode(Address("eth0", "fd00::1"), INDICES, 0) + label, NAMES)
    assert (found.label, found.unknown) == (None, ((3, b"eth0\0"),))


def test_a_message_of_another_family_is_not_ours() -> None:
    payload = b"\x07" + encode(Address("eth0", "10.0.0.1"), INDICES, 0)[1:]
    assert not is_ours(payload)
    assert not is_ours(DUMP)
    assert not is_ours(b"")
    with pytest.raises(NetlinkDecodeError, match="family 7"):
        decode(payload, NAMES)


@pytest.mark.parametrize(
    ("attribute", "why"),
    [
        (b"", "without an address"),
        (pack_attribute(1, bytes(16)), "in a message of IPv4"),
        (pack_attribute(2, bytes(5)), "an address of 5 bytes"),
        (pack_attribute(1, bytes(4)) + pack_attribute(6, bytes(15)), "lifetimes of 15 bytes"),
        (pack_attribute(1, bytes(4)) + pack_attribute(11, bytes(2)), "expected 1 byte"),
    ],
)
def test_a_malformed_message_is_refused_with_the_reason(attribute: bytes, why: str) -> None:
    with pytest.raises(NetlinkDecodeError, match=why):
        decode(bytes((2, 24, 0, 0, 2, 0, 0, 0)) + attribute, NAMES)


def test_a_prefix_that_is_too_long_is_refused() -> None:
    with pytest.raises(NetlinkDecodeError, match=r"prefix length of 33 for 10\.0\.0\.1"):
        decode(bytes((2, 33, 0, 0, 2, 0, 0, 0)) + pack_attribute(1, b"\n\0\0\1"), NAMES)


def test_peers_of_one_network_share_a_key() -> None:
    def key(peer: str | None, length: int = 24) -> str:
        return Address("eth0", IPv4Address("10.0.0.1"), length, peer=peer).key

    assert key("10.9.0.2") == key("10.9.0.3") == "address 10.0.0.1 peer 10.9.0.0/24 on eth0"
    assert key("10.0.0.9") == key(None) == "address 10.0.0.1/24 on eth0"
    assert len({key("10.9.0.2"), key("10.8.0.2"), key(None), key("10.9.0.2", 25)}) == 4


def flags(value: int) -> bytes:
    return pack_attribute(8, int(value).to_bytes(4, sys.byteorder))
