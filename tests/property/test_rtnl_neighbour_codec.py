from __future__ import annotations

import struct
import sys
from typing import Any

import pytest
from attrs import asdict, evolve
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ndmsg import ndmsg

from linx_async._core.errors import DesiredStateError
from linx_async._kernel.netlink import NetlinkDecodeError, attribute_map, pack_attribute
from linx_async.rtnl.codec.neighbour import (
    DUMP,
    DUMP_PROXIES,
    NeighbourFlag,
    decode,
    encode,
    encode_delete,
    is_ours,
)
from linx_async.rtnl.codec.wire import NoInterface
from linx_async.rtnl.desired import Neighbour
from tests import pyroute2_messages
from tests.pyroute2_version import needs_newer_pyroute2

NAMES = {1: "lo", 2: "eth0", 2**31 - 1: "fifteen-letters"}
INDICES = {name: index for index, name in NAMES.items()}

u8 = st.integers(0, 2**8 - 1)
u16 = st.integers(0, 2**16 - 1)
u32 = st.integers(0, 2**32 - 1)
ips = st.ip_addresses()
macs = st.binary(min_size=6, max_size=6).map(lambda value: value.hex(":"))
unknowns = st.lists(
    st.tuples(
        st.integers(5, 0x3FFF).filter(lambda kind: kind not in {12, 15}), st.binary(max_size=20)
    ),
    max_size=3,
).map(tuple)


@st.composite
def neighbours(draw: st.DrawFn, lladdrs: st.SearchStrategy[str] = macs) -> Neighbour:
    """Any that can be declared, with the attributes we do not know of an observed one."""
    address = draw(ips)
    proxy = draw(st.booleans())
    return Neighbour(
        draw(st.sampled_from(list(INDICES))),
        address,
        None if proxy else draw(lladdrs),
        proxy=proxy,
        router=address.version == 6 and draw(st.booleans()),
        state="none" if proxy else draw(st.sampled_from(["permanent", "noarp"])),
        protocol=draw(st.none() | u8),
        unknown=draw(unknowns),
    )


@st.composite
def foreign_payloads(draw: st.DrawFn) -> bytes:
    """What pyroute2 packs: any that the kernel might send."""
    address = draw(ips)
    attrs: list[tuple[str, Any]] = [("NDA_DST", str(address))]
    times = ("ndm_confirmed", "ndm_used", "ndm_updated", "ndm_refcnt")
    for name, values in (
        ("NDA_LLADDR", macs | ips.map(str)),
        ("NDA_CACHEINFO", st.fixed_dictionaries(dict.fromkeys(times, u32))),
        ("NDA_PROBES", u32),
        ("NDA_VLAN", u16),
        ("NDA_PROTOCOL", u8),
        ("NDA_FLAGS_EXT", u32),
    ):
        if draw(st.booleans()):
            attrs.append((name, draw(values)))
    fields = {
        "family": 2 if address.version == 4 else 10,
        "ifindex": draw(st.sampled_from(list(NAMES))),
        "state": draw(st.sampled_from(list(pyroute2_messages.STATES)) | u16),
        "flags": draw(u8),
        "ndm_type": draw(u8),
    }
    return pyroute2_messages.packed(ndmsg, fields, draw(st.permutations(attrs)))


@st.composite
def damaged_payloads(draw: st.DrawFn) -> bytes:
    """A message with some bytes changed, cut off, or put in."""
    payload = bytearray(draw(foreign_payloads()))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(payload)))
        length = draw(st.integers(0, 4))
        payload[place : place + length] = draw(st.binary(max_size=4))
    return bytes(payload[: draw(st.integers(0, len(payload)) | st.just(len(payload)))])


any_lladdr = st.binary(min_size=1, max_size=32).map(lambda value: value.hex(":"))


@given(neighbours(any_lladdr), u8)
def test_a_neighbour_comes_back_as_it_was_encoded(neighbour: Neighbour, protocol: int) -> None:
    tag = protocol if neighbour.protocol is None else neighbour.protocol
    payload = encode(neighbour, INDICES, protocol)
    found = decode(payload, NAMES)
    assert is_ours(payload)
    assert found == evolve(neighbour, protocol=tag)
    assert found.unknown == neighbour.unknown


@needs_newer_pyroute2
@given(neighbours(), u8)
def test_pyroute2_reads_what_we_encode(neighbour: Neighbour, protocol: int) -> None:
    payload = encode(evolve(neighbour, unknown=()), INDICES, protocol)
    read = pyroute2_messages.neighbour(payload, NAMES)
    assert read == asdict(decode(payload, NAMES), recurse=False)
    assert pyroute2_messages.repacked(ndmsg, payload) == payload


@given(foreign_payloads())
def test_we_read_what_pyroute2_encodes(payload: bytes) -> None:
    assert asdict(decode(payload, NAMES), recurse=False) == pyroute2_messages.neighbour(
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


@given(neighbours())
def test_a_deletion_names_what_the_kernel_compares_and_nothing_else(neighbour: Neighbour) -> None:
    payload = encode_delete(neighbour, INDICES)
    assert decode(payload, NAMES).key == neighbour.key
    assert set(attribute_map(payload, 12)) == {1}


@given(neighbours())
def test_an_interface_that_is_not_there_is_named(neighbour: Neighbour) -> None:
    with pytest.raises(NoInterface, match=neighbour.interface):
        encode(neighbour, {}, 0)
    with pytest.raises(NoInterface, match=neighbour.interface):
        encode_delete(neighbour, {})


def test_states_at_once_are_told_as_a_number() -> None:
    payload = message(4, state=0x82)
    assert decode(payload, NAMES).state == "0x82"
    assert encode(decode(payload, NAMES), INDICES, 0) == payload


def test_both_kinds_of_flags_are_told_together_and_those_that_may_be_set_put_back() -> None:
    payload = message(4, flags=0xB1, attribute=pack_attribute(15, (1).to_bytes(4, sys.byteorder)))
    found = decode(payload, NAMES)
    learned = NeighbourFlag.MANAGED | NeighbourFlag.EXT_LEARNED | NeighbourFlag.ROUTER
    assert found.flags == learned | NeighbourFlag.USE | NeighbourFlag.OFFLOADED
    assert decode(encode(found, INDICES, 0), NAMES).flags == learned


def test_an_empty_link_layer_address_is_none() -> None:
    assert decode(message(4, attribute=pack_attribute(2)), NAMES).lladdr is None


def test_a_proxy_has_no_state_as_the_kernel_has_it() -> None:
    proxy = Neighbour("eth0", "10.0.0.1", proxy=True)
    assert proxy.state == "none"
    assert evolve(proxy, router=False) == proxy
    with pytest.raises(DesiredStateError, match="state: 'noarp' does not go with a proxy"):
        Neighbour("eth0", "10.0.0.1", proxy=True, state="noarp")


def test_a_message_of_another_family_is_not_ours() -> None:
    payload = message(7)
    assert not is_ours(payload)
    assert not is_ours(DUMP)
    assert not is_ours(DUMP_PROXIES)
    assert not is_ours(b"")
    with pytest.raises(NetlinkDecodeError, match="family 7"):
        decode(payload, NAMES)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"\x02", "cut short at byte 1"),
        (bytes((2,)) + bytes(11), "without an address"),
        (bytes((10,)) + bytes(11) + pack_attribute(1, bytes(4)), "in a message of IPv6"),
        (bytes((2,)) + bytes(11) + pack_attribute(1, bytes(5)), "an address of 5 bytes"),
    ],
)
def test_a_malformed_message_is_refused_with_the_reason(payload: bytes, why: str) -> None:
    with pytest.raises(NetlinkDecodeError, match=why):
        decode(payload, NAMES)


@pytest.mark.parametrize(
    ("attribute", "why"),
    [
        (pack_attribute(2, bytes(33)), "a link-layer address of 33 bytes"),
        (pack_attribute(12, bytes(2)), "expected 1 byte"),
        (pack_attribute(15, bytes(2)), "expected 4 bytes"),
        (b"\x03\x00\x01\x00", "does not fit"),
    ],
)
def test_a_malformed_attribute_is_refused_with_the_reason(attribute: bytes, why: str) -> None:
    with pytest.raises(NetlinkDecodeError, match=why):
        decode(message(4, attribute=attribute), NAMES)


def message(family: int, state: int = 0, flags: int = 0, attribute: bytes = b"") -> bytes:
    """An IPv4 neighbour on eth0, or one of another family."""
    head = struct.pack("=BxxxIHBB", 2 if family == 4 else family, 2, state, flags, 0)
    return head + pack_attribute(1, bytes((10, 0, 0, 1))) + attribute
