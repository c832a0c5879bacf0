from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from linx_async import DesiredStateError, SourceError
from linx_async._kernel.netlink import NetlinkDecodeError, pack_attribute
from linx_async.rtnl.codec import kinds
from linx_async.rtnl.codec.kinds import check_parameters, decode_parameters, encode_parameters
from linx_async.rtnl.desired import Link

MODULE = "pyroute2.netlink.rtnl.ifinfmsg"


@pytest.fixture
def without_pyroute2(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    kinds._schema.cache_clear()
    monkeypatch.setitem(sys.modules, MODULE, None)
    yield
    kinds._schema.cache_clear()


@pytest.mark.parametrize(
    ("kind", "written", "meant"),
    [
        ("vlan", {"id": 42}, {"id": 42}),
        ("vlan", {"protocol": 0x8100}, {"protocol": "802.1q"}),
        ("vlan", {"protocol": "802.1AD"}, {"protocol": "802.1ad"}),
        ("vlan", {"protocol": 0x9100}, {"protocol": 0x9100}),
        ("vlan", {"flags": "gvrp, reorder_hdr"}, {"flags": "reorder_hdr,gvrp"}),
        ("vlan", {"flags": 3}, {"flags": "reorder_hdr,gvrp"}),
        ("vlan", {"flags": ""}, {"flags": ""}),
        ("bond", {"mode": 4}, {"mode": "802.3ad"}),
        ("bond", {"mode": "active-backup"}, {"mode": "active-backup"}),
        ("bond", {"xmit_hash_policy": "layer3+4"}, {"xmit_hash_policy": "layer3+4"}),
        ("bond", {"arp_ip_target": "10.0.0.1, 10.0.0.2"}, {"arp_ip_target": "10.0.0.1,10.0.0.2"}),
        (
            "bond",
            {"ad_actor_system": "02-00-00-00-00-AA"},
            {"ad_actor_system": "02:00:00:00:00:aa"},
        ),
        ("bridge", {"vlan_filtering": True}, {"vlan_filtering": 1}),
        ("bridge", {"group_addr": "01:80:C2:00:00:00"}, {"group_addr": "01:80:c2:00:00:00"}),
        ("macvlan", {"mode": 4}, {"mode": "bridge"}),
        ("macvtap", {"mode": "private"}, {"mode": "private"}),
        ("ipvlan", {"mode": 0, "flags": "vepa"}, {"mode": "l2", "flags": "vepa"}),
        ("vxlan", {"local": IPv4Address("10.0.0.1")}, {"local": "10.0.0.1"}),
        ("vxlan", {"group6": "FF02:0::1"}, {"group6": "ff02::1"}),
        ("vxlan", {"group": "ff02::1"}, {"group6": "ff02::1"}),
        ("vxlan", {"local": IPv6Address("fd00::1")}, {"local6": "fd00::1"}),
        ("vxlan", {"gbp": True}, {"gbp": True}),
        ("vxlan", {"port_range": "0100-200"}, {"port_range": "100-200"}),
        ("vrf", {"table": 100}, {"table": 100}),
        ("tun", {"type": 2, "owner": 1000}, {"type": "tap", "owner": 1000}),
        ("team", {"config": "{}"}, {"config": "{}"}),
    ],
)
def test_a_value_becomes_what_the_kernel_tells(
    kind: str, written: dict[str, Any], meant: dict[str, Any]
) -> None:
    checked = check_parameters(kind, written)
    assert checked == meant
    assert decode_parameters(kind, encode_parameters(kind, checked)).items() >= meant.items()


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("vlan", "id", "ten"),
        ("vlan", "id", -1),
        ("vlan", "id", 1 << 16),
        ("vlan", "flags", "fast"),
        ("vlan", "flags", 1 << 9),
        ("vlan", "protocol", "802.1x"),
        ("bond", "mode", "fastest"),
        ("bond", "arp_ip_target", "fd00::1"),
        ("bond", "arp_ip_target", 4),
        ("bridge", "group_addr", "01:80"),
        ("vxlan", "local", "nowhere"),
        ("vxlan", "local", "fe80::1%eth0"),
        ("vxlan", "local", 5),
        ("vxlan", "gbp", 1),
        ("vxlan", "port_range", "2-1"),
        ("vxlan", "port_range", "1-2-3"),
        ("vxlan", "port_range", 5),
        ("team", "config", "a\0b"),
        ("team", "config", "\ud800"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_what_would(
    kind: str, name: str, value: object
) -> None:
    with pytest.raises(DesiredStateError) as refused:
        check_parameters(kind, {name: value})
    assert f"parameters: {name} of a {kind}: expected " in str(refused.value)
    assert repr(value) in str(refused.value)


def test_a_parameter_nobody_knows_is_named_with_those_there_are() -> None:
    with pytest.raises(DesiredStateError, match=r"'idd'.*kind vlan.*flags, id, protocol"):
        check_parameters("vlan", {"idd": 1})


@pytest.mark.parametrize("kind", ["dummy", "veth", "wormhole"])
def test_parameters_of_a_kind_without_any_are_refused(kind: str) -> None:
    with pytest.raises(DesiredStateError, match=f"kind {kind} have none that are known.*speed"):
        check_parameters(kind, {"speed": 1})
    assert check_parameters(kind, {}) == {}
    assert decode_parameters(kind, pack_attribute(1, b"what")) == {}


@pytest.mark.parametrize("kind", ["vxlan", "gre"])
def test_the_parent_is_no_parameter(kind: str) -> None:
    with pytest.raises(DesiredStateError, match="a link's parent is a field of its own"):
        check_parameters(kind, {"link": 1})


@pytest.mark.parametrize(
    ("kind", "name"),
    [("bridge", "root_id"), ("bridge", "gc_timer"), ("bridge", "fdb_flush"), ("bond", "primary")],
)
def test_what_only_the_kernel_says_is_no_parameter(kind: str, name: str) -> None:
    with pytest.raises(DesiredStateError, match="no such parameter"):
        check_parameters(kind, {name: 1})


def test_a_link_checks_its_parameters() -> None:
    assert Link("v", "vlan", parameters={"id": 1, "protocol": 0x88A8}).parameters == {
        "id": 1,
        "protocol": "802.1ad",
    }
    assert Link("v", "vxlan", parameters={"local": IPv4Address("10.0.0.1")}).parameters == {
        "local": "10.0.0.1"
    }
    with pytest.raises(DesiredStateError, match="id of a vlan"):
        Link("v", "vlan", parameters={"id": "x"})


@pytest.mark.parametrize("parameters", ["id", 42, {1: 2}, {"id": [1]}, {"id": None}])
def test_what_are_no_parameters_is_refused(parameters: Any) -> None:
    with pytest.raises(DesiredStateError, match="parameters"):
        Link("v", "vlan", parameters=parameters)


def test_equal_parameters_make_equal_links() -> None:
    assert Link("b", "bond", parameters={"mode": 4}) == Link(
        "b", "bond", parameters={"mode": "802.3AD"}
    )


def test_what_is_false_is_not_sent_and_read_as_false() -> None:
    assert encode_parameters("vxlan", {"gbp": False}) == b""
    assert decode_parameters("vxlan", b"")["gbp"] is False


def test_numbers_may_be_wider_than_they_are_taken() -> None:
    assert decode_parameters("vrf", pack_attribute(1, (7).to_bytes(8, sys.byteorder))) == {
        "table": 7
    }


@pytest.mark.parametrize(
    ("kind", "attribute", "value"),
    [
        ("vlan", 1, b"abc"),
        ("vlan", 2, b"abcd"),
        ("vxlan", 4, b"abc"),
        ("vxlan", 10, b"abc"),
        ("bond", 8, b"abc"),
    ],
)
def test_malformed_parameters_are_named(kind: str, attribute: int, value: bytes) -> None:
    with pytest.raises(NetlinkDecodeError, match=f"of a {kind}"):
        decode_parameters(kind, pack_attribute(attribute, value))


def test_without_pyroute2_an_author_is_told_what_to_install(without_pyroute2: None) -> None:
    with pytest.raises(DesiredStateError, match=r"vlan.*pip install 'linx-async\[rtnl\]'"):
        Link("v", "vlan", parameters={"id": 1})


def test_without_pyroute2_a_pass_says_what_to_install(without_pyroute2: None) -> None:
    for call in (
        lambda: decode_parameters("vlan", b""),
        lambda: encode_parameters("vlan", {"id": 1}),
    ):
        with pytest.raises(SourceError, match=r"vlan.*pip install 'linx-async\[rtnl\]'"):
            call()


def test_without_parameters_pyroute2_is_not_needed(without_pyroute2: None) -> None:
    assert check_parameters("dummy", {}) == {}
    assert encode_parameters("dummy", {}) == b""
    assert Link("d", "dummy").parameters == {}


def test_pyroute2_is_loaded_for_parameters_alone() -> None:
    code = (
        "import sys\n"
        "from linx_async.rtnl.codec import kinds, link\n"
        "from linx_async.rtnl.desired import Link\n"
        "Link('d', 'dummy')\n"
        "assert 'pyroute2' not in sys.modules\n"
        "Link('v', 'vlan', parameters={'id': 1})\n"
        "assert 'pyroute2' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
