from __future__ import annotations

import sys
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from linx_async._kernel.netlink import (
    NetlinkDecodeError,
    attribute_map,
    pack_attribute,
    pack_nested,
    pack_text,
)
from linx_async.rtnl.codec import link as codec
from linx_async.rtnl.codec.kinds import (
    _schema,
    check_parameters,
    decode_parameters,
    encode_parameters,
)
from linx_async.rtnl.codec.wire import NoInterface
from linx_async.rtnl.desired import Link
from tests.pyroute2_links import ours, packed, their_parameters, theirs, unpacked

U32 = st.integers(0, 2**32 - 1)
INDEX = st.integers(1, 2**31 - 1)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-._é", min_size=1, max_size=7)
MAC = st.binary(min_size=6, max_size=6).map(lambda value: value.hex(":"))
KINDS = sorted(
    kind for kind in ifinfmsg.ifinfo.data_map if kind not in {"bridge_slave", "tuntap", "veth"}
)
STATES = ("UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP")

FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "IFLA_MTU": U32,
    "IFLA_LINK": U32,
    "IFLA_MASTER": U32,
    "IFLA_GROUP": U32,
    "IFLA_TXQLEN": U32,
    "IFLA_NUM_TX_QUEUES": U32,
    "IFLA_CARRIER": st.integers(0, 1),
    "IFLA_QDISC": NAMES,
    "IFLA_ADDRESS": MAC,
    "IFLA_BROADCAST": MAC,
    "IFLA_IFALIAS": NAMES,
    "IFLA_OPERSTATE": st.sampled_from(STATES),
    "IFLA_LINK_NETNSID": st.integers(0, 2**31 - 1),
    "IFLA_PROP_LIST": st.lists(NAMES, min_size=1, max_size=3, unique=True).map(
        lambda names: {"attrs": [("IFLA_ALT_IFNAME", name) for name in names]}
    ),
    "IFLA_LINKINFO": st.sampled_from(["dummy", "veth", "bridge", "ifb"]).map(
        lambda kind: {"attrs": [("IFLA_INFO_KIND", kind)]}
    ),
}


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Payloads of links, as pyroute2 packs them."""
    header = {
        "family": 0,
        "ifi_type": draw(st.integers(0, 2**16 - 1)),
        "index": draw(INDEX),
        "flags": draw(U32),
        "change": draw(U32),
    }
    chosen = draw(st.permutations(sorted(FIELDS)))[: draw(st.integers(0, len(FIELDS)))]
    attributes = [(name, draw(FIELDS[name])) for name in chosen]
    return packed(header, [("IFLA_IFNAME", draw(NAMES)), *attributes])


@given(messages())
def test_we_read_what_pyroute2_reads(payload: bytes) -> None:
    link = codec.decode(payload)
    assert ours(link) == theirs(payload)
    assert codec.index_and_name(payload) == (link.index, link.name)
    assert codec.is_ours(payload)
    assert link.unknown == ()


@given(
    messages(),
    st.lists(st.tuples(st.integers(70, 0x3FFF), st.binary(max_size=9)), max_size=4),
)
def test_attributes_nobody_knows_are_kept(payload: bytes, unknown: list[tuple[int, bytes]]) -> None:
    longer = payload + b"".join(pack_attribute(kind, value) for kind, value in unknown)
    assert codec.decode(longer).unknown == tuple(unknown)
    assert ours(codec.decode(longer)) == ours(codec.decode(payload))


@st.composite
def declared(draw: st.DrawFn) -> Link:
    """Links of any kind, with fields of any value."""
    kind = draw(st.sampled_from(["veth", "bridge", "macvlan", "vxlan", "dummy"]))
    optional: dict[str, st.SearchStrategy[Any]] = {
        "up": st.booleans(),
        "mtu": st.integers(0, 2**31 - 1),
        "address": MAC,
        "group": U32,
        "master": st.sampled_from(["", "upper"]),
        "parent": st.just("lower"),
    }
    fields: dict[str, Any] = {name: draw(st.none() | values) for name, values in optional.items()}
    peer = draw(st.none() | st.just("other")) if kind == "veth" else None
    return Link(draw(NAMES.filter(lambda n: n not in {".", ".."})), kind, peer=peer, **fields)


INDICES = {"lower": 7, "upper": 8}


@given(declared(), st.none() | st.integers(0, 1000), st.none() | st.integers(0, 1000))
def test_pyroute2_reads_what_we_ask_to_create(
    link: Link, netns: int | None, peer_netns: int | None
) -> None:
    fd = peer_netns if link.kind == "veth" else None
    message = unpacked(codec.encode_create(link, INDICES, netns=netns, peer_netns=fd))
    info = message.get_attr("IFLA_LINKINFO")
    in_data = link.kind == "vxlan"
    peer = info.get_nested("IFLA_INFO_DATA", "VETH_INFO_PEER")
    parent = (
        info.get_nested("IFLA_INFO_DATA", "IFLA_VXLAN_LINK")
        if in_data
        else message.get_attr("IFLA_LINK")
    )
    assert message["index"] == 0
    assert message["flags"] == message["change"] == int(bool(link.up and not link.master))
    assert message.get_attr("IFLA_IFNAME") == link.name
    assert message.get_attr("IFLA_MTU") == link.mtu
    assert message.get_attr("IFLA_ADDRESS") == link.address
    assert message.get_attr("IFLA_GROUP") == link.group
    assert message.get_attr("IFLA_NET_NS_FD") == netns
    assert message.get_attr("IFLA_MASTER") == (8 if link.master else None)
    assert parent == (7 if link.parent else None)
    assert info.get_attr("IFLA_INFO_KIND") == link.kind
    assert (peer and peer.get_attr("IFLA_IFNAME")) == link.peer
    assert (peer and peer.get_attr("IFLA_NET_NS_FD")) == fd


def test_a_parent_or_a_master_that_is_not_there_is_named() -> None:
    for link in (Link("a", "macvlan", parent="gone"), Link("a", "dummy", master="gone")):
        with pytest.raises(NoInterface) as missing:
            codec.encode_create(link, {})
        assert missing.value.name == "gone"


def test_a_link_of_somebody_else_is_not_made() -> None:
    with pytest.raises(ValueError, match="eth0: without a kind"):
        codec.encode_create(Link("eth0"), {})


@given(
    index=INDEX,
    up=st.none() | st.booleans(),
    mtu=st.none() | U32,
    address=st.none() | MAC,
    master=st.none() | INDEX | st.just(0),
    alias=st.none() | NAMES,
    group=st.none() | U32,
)
def test_pyroute2_reads_what_we_ask_to_change(
    index: int,
    up: bool | None,
    mtu: int | None,
    address: str | None,
    master: int | None,
    alias: str | None,
    group: int | None,
) -> None:
    payload = codec.encode_set(
        index, up=up, mtu=mtu, address=address, master=master, alias=alias, group=group
    )
    message = unpacked(payload)
    assert message["index"] == index
    assert (message["flags"], message["change"]) == (int(up is True), int(up is not None))
    assert message.get_attr("IFLA_MTU") == mtu
    assert message.get_attr("IFLA_ADDRESS") == address
    assert message.get_attr("IFLA_MASTER") == master
    assert attribute_map(payload, 16).get(20) == (None if alias is None else alias.encode())
    assert message.get_attr("IFLA_GROUP") == group
    assert message.get_attr("IFLA_LINKINFO") is None


@given(INDEX, st.sets(NAMES, min_size=1, max_size=4), st.integers(0, 1000))
def test_pyroute2_reads_the_other_requests(index: int, names: set[str], fd: int) -> None:
    altnames = unpacked(codec.encode_altnames(index, names))
    assert sorted(altnames.get_attr("IFLA_PROP_LIST").altnames()) == sorted(names)
    moved = unpacked(codec.encode_move(index, fd))
    assert moved.get_attr("IFLA_NET_NS_FD") == fd
    assert altnames["index"] == moved["index"] == index
    assert unpacked(codec.encode_delete(index))["index"] == index


CANDIDATES = st.one_of(
    st.integers(-(2**63), 2**64 - 1),
    st.integers(0, 255),
    st.booleans(),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    MAC,
    st.lists(st.ip_addresses(v=4).map(str), max_size=3).map(", ".join),
    st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(lambda pair: "{}-{}".format(*pair)),
    st.text(max_size=8),
    st.sampled_from(["802.3ad", "bridge", "l2", "802.1q", "reorder_hdr,gvrp", "tap", "slow", ""]),
)


@given(st.data(), st.sampled_from(KINDS))
def test_parameters_survive_the_way_there_and_back(data: st.DataObject, kind: str) -> None:
    schema = _schema(kind)
    assert schema
    checked = {}
    for name in data.draw(st.sets(st.sampled_from(sorted(schema)), max_size=5)):
        try:
            checked.update(check_parameters(kind, {name: data.draw(CANDIDATES)}))
        except ValueError:
            continue
    assert check_parameters(kind, checked) == checked
    encoded = encode_parameters(kind, checked)
    assert decode_parameters(kind, encoded).items() >= checked.items()

    info = pack_nested(18, pack_text(1, kind), pack_nested(2, encoded))
    payload = codec.DUMP[:4] + (1).to_bytes(4, sys.byteorder) + bytes(8) + pack_text(3, "a") + info
    assert codec.decode(payload).data == encoded


@given(st.data())
def test_pyroute2_reads_the_parameters_we_pack(data: st.DataObject) -> None:
    kind, name, value = data.draw(
        st.sampled_from(
            [
                ("vlan", "id", 42),
                ("bridge", "ageing_time", 30000),
                ("bridge", "vlan_default_pvid", 3),
                ("bridge", "mcast_query_intvl", 12500),
                ("vxlan", "id", 77),
                ("vxlan", "port", 4789),
                ("vxlan", "local", str(IPv4Address("10.1.2.3"))),
                ("vxlan", "group6", "ff02::1"),
                ("vrf", "table", 100),
                ("bond", "miimon", 100),
                ("macvlan", "mode", "bridge"),
                ("geneve", "remote", "10.0.0.9"),
                ("gre", "ikey", 5),
            ]
        )
    )
    encoded = encode_parameters(kind, check_parameters(kind, {name: value}))
    link = Link("a", kind)
    assert their_parameters(codec.encode_create(link, {}, encoded)) == {name: value}


def read_all(payload: bytes) -> None:
    for read in (codec.decode, codec.index_and_name):
        try:
            read(payload)
        except NetlinkDecodeError:
            continue


@given(st.binary(max_size=200))
def test_random_bytes_are_read_or_refused(payload: bytes) -> None:
    read_all(payload)
    read_all(bytes(4) + b"\1\0\0\0" + bytes(8) + payload)


@given(messages(), st.data())
def test_damaged_messages_are_read_or_refused(payload: bytes, data: st.DataObject) -> None:
    damaged = bytearray(payload)
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    read_all(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
    read_all(bytes(damaged))


@given(
    st.sampled_from(KINDS),
    st.one_of(
        st.binary(max_size=100),
        st.lists(
            st.builds(pack_attribute, st.integers(0, 50), st.binary(max_size=20)), max_size=8
        ).map(b"".join),
    ),
)
def test_random_parameters_are_read_or_refused(kind: str, payload: bytes) -> None:
    try:
        decode_parameters(kind, payload)
    except NetlinkDecodeError:
        return
