"""Desired links, addresses, routes, rules, neighbours and nexthops: what is filled in, what not."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

import attrs
import pytest

from linx_async import DesiredStateError
from linx_async.rtnl import (
    FOREVER,
    Address,
    Desired,
    Encap,
    Link,
    Neighbour,
    NextHop,
    Nexthop,
    Route,
    RouteTable,
    Rule,
)

ALL_VALUES = [
    Address("eth0", "10.0.0.2/24"),
    Route("default", "10.0.0.1"),
    NextHop("10.0.0.1"),
    Rule(100, 42),
    Neighbour("eth0", "10.0.0.9", "02:00:00:00:00:01"),
    Nexthop(7, blackhole=True),
    Link("br0", "bridge"),
    Desired(),
]


def refusal(kind: Any, *args: Any, **more: Any) -> str:
    with pytest.raises(DesiredStateError) as refused:
        kind(*args, **more)
    return str(refused.value)


@pytest.mark.parametrize("value", ALL_VALUES, ids=lambda value: type(value).__name__)
def test_values_are_frozen_and_have_no_room_for_more(value: Any) -> None:
    first = attrs.fields(type(value))[0].name
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(value, first, None)
    assert not hasattr(value, "__dict__")


# Addresses


def test_the_short_form_of_an_address() -> None:
    address = Address("eth0", "10.0.0.2", 24)
    assert address == Address("eth0", "10.0.0.2/24")
    assert address == Address("eth0", IPv4Address("10.0.0.2"), 24)
    assert (address.address, address.prefix_length) == (IPv4Address("10.0.0.2"), 24)


def test_an_address_without_a_prefix_length_is_a_network_of_its_own() -> None:
    assert Address("eth0", "10.0.0.2").prefix_length == 32
    assert Address("eth0", "2001:db8::1").prefix_length == 128


def test_the_kernels_defaults_of_an_address_are_filled_in() -> None:
    address = Address("eth0", "10.0.0.2/24")
    assert (address.label, address.scope, address.broadcast, address.peer) == (
        "eth0",
        0,
        None,
        None,
    )
    assert (address.valid_lifetime, address.preferred_lifetime) == (FOREVER, FOREVER)
    assert Address("lo", "127.0.0.2/8").scope == 254
    six = Address("eth0", "2001:db8::1/64")
    assert (six.label, six.scope) == (None, None)
    assert Address("eth0", "2001:db8::1/64", valid_lifetime=60).preferred_lifetime == 60


def test_a_peer_that_is_none_is_none() -> None:
    assert Address("ppp0", "10.0.0.1/32", peer="10.0.0.1") == Address("ppp0", "10.0.0.1/32")
    assert Address("ppp0", "fd00::1", peer="::") == Address("ppp0", "fd00::1")
    assert Address("ppp0", "10.0.0.1/32", peer="10.9.0.1").peer == IPv4Address("10.9.0.1")


def test_the_key_of_an_address_is_what_the_kernel_tells_it_by() -> None:
    key = "address 10.0.0.2/24 on eth0"
    assert Address("eth0", "10.0.0.2/24").key == key
    assert Address("eth0", "10.0.0.2/24", label="eth0:1", scope="link", metric=7).key == key
    assert Address("eth0", "10.0.0.2/24", peer="10.0.0.9").key == key
    peer = Address("eth0", "10.0.0.2/24", peer="10.9.0.9")
    assert peer.key == "address 10.0.0.2 peer 10.9.0.0/24 on eth0"
    assert peer.key == Address("eth0", "10.0.0.2/24", peer="10.9.0.1").key
    six = "address fd00::1 on eth0"
    assert {Address("eth0", "fd00::1", length).key for length in (64, 128)} == {six}


def test_flags_and_unknown_attributes_do_not_make_an_address_another() -> None:
    observed = Address("eth0", "10.0.0.2/24", flags=0x80, unknown=((99, b"x"),))
    assert observed == Address("eth0", "10.0.0.2/24")


@pytest.mark.parametrize(
    ("args", "more", "message"),
    [
        (("", "10.0.0.2"), {}, "interface: '' is no name of an interface"),
        (("a/b", "10.0.0.2"), {}, "interface: 'a/b' is no name"),
        (("a" * 16, "10.0.0.2"), {}, "1 to 15 bytes"),
        (("äöüäöüäö", "10.0.0.2"), {}, "interface: 'äöüäöüäö' is no name"),
        (("\udcff", "10.0.0.2"), {}, "interface: '\\udcff' is no name"),
        ((7, "10.0.0.2"), {}, "interface: expected the name of an interface, got 7"),
        (("eth0", "10.0.0"), {}, "address: '10.0.0' is no IP address"),
        (("eth0", "fe80::1%eth0"), {}, "address: 'fe80::1%eth0' is no IP address"),
        (("eth0", IPv6Address("fe80::1%eth0")), {}, "address: IPv6Address('fe80::1%eth0') is no"),
        (("eth0", 7), {}, "address: 7 is no IP address"),
        (("eth0", "0.0.0.0", 0), {}, "address: 0.0.0.0 is no address that an interface can have"),
        (("eth0", "10.0.0.2", 33), {}, "prefix_length: expected an integer from 0 to 32, got 33"),
        (("eth0", "10.0.0.2", True), {}, "prefix_length: expected an integer from 0 to 32, got Tr"),
        (("eth0", "10.0.0.2/33"), {}, "address: '10.0.0.2/33': '33' is no prefix length"),
        (("eth0", "10.0.0.2/-1"), {}, "address: '10.0.0.2/-1': '-1' is no prefix length"),
        (("eth0", "10.0.0.2/"), {}, "address: '10.0.0.2/': '' is no prefix length"),
        (("eth0", "10.0.0.2/24", 24), {}, "prefix_length: '10.0.0.2/24' has one, and 24 was given"),
        (("eth0", "10.0.0.2"), {"peer": "fd00::1"}, "peer: fd00::1 is not of IPv4"),
        (("eth0", "10.0.0.2"), {"broadcast": "x"}, "broadcast: 'x' is no IP address"),
        (("eth0", "10.0.0.2"), {"broadcast": "fd00::1"}, "broadcast: fd00::1 is not of IPv4"),
        (("eth0", "10.0.0.2"), {"broadcast": "0.0.0.0"}, "broadcast: 0.0.0.0 is none; leave it"),
        (("eth0", "fd00::1"), {"broadcast": "10.0.0.1"}, "broadcast: '10.0.0.1' does not go with"),
        (
            ("eth0", "fd00::1"),
            {"label": "eth0:1"},
            "label: 'eth0:1' does not go with fd00::1: IPv6",
        ),
        (("eth0", "fd00::1"), {"scope": "link"}, "scope: 'link' does not go with fd00::1: IPv6"),
        (("eth0", "10.0.0.2"), {"nodad": True}, "nodad: True does not go with 10.0.0.2: IPv4"),
        (("eth0", "fd00::1"), {"nodad": "yes"}, "nodad: expected True or False, got 'yes'"),
        (("eth0", "fd00::1"), {"noprefixroute": 1}, "noprefixroute: expected True or False, got 1"),
        (("eth0", "10.0.0.2"), {"label": ""}, "label: is empty; leave it out"),
        (("eth0", "10.0.0.2"), {"label": "eth1:1"}, "label: 'eth1:1' does not begin with 'eth0'"),
        (("eth0", "10.0.0.2"), {"label": "eth0:" + "x" * 11}, "is longer than 15 bytes"),
        (
            ("eth0", "10.0.0.2"),
            {"scope": "wide"},
            "scope: expected one of global, site, link, host",
        ),
        (("eth0", "10.0.0.2"), {"scope": 256}, "scope: expected an integer from 0 to 255, got 256"),
        (("eth0", "10.0.0.2"), {"valid_lifetime": 0}, "valid_lifetime: expected an integer from 1"),
        (
            ("eth0", "fd00::1"),
            {"preferred_lifetime": -1},
            "preferred_lifetime: expected an integer",
        ),
        (
            ("eth0", "fd00::1"),
            {"valid_lifetime": 10, "preferred_lifetime": 11},
            "preferred_lifetime: 11 is more than the valid one, 10",
        ),
        (
            ("eth0", "10.0.0.2"),
            {"preferred_lifetime": 60},
            "preferred_lifetime: 60 does not go with 10.0.0.2 that is valid for ever",
        ),
        (("eth0", "10.0.0.2"), {"metric": 0}, "metric: expected an integer from 1 to 4294967295"),
        (("eth0", "10.0.0.2"), {"protocol": 256}, "protocol: expected an integer from 0 to 255"),
    ],
)
def test_a_wrong_address_is_refused_with_its_field_and_value(
    args: Any, more: Any, message: str
) -> None:
    assert message in refusal(Address, *args, **more)


# Routes


def test_the_short_form_of_a_route() -> None:
    assert Route("default", "10.0.0.1") == Route("0.0.0.0/0", IPv4Address("10.0.0.1"))
    assert Route("default", "fd00::1").destination == IPv6Network("::/0")
    assert Route("default", interface="wg0", family=6).destination == IPv6Network("::/0")
    assert Route("default", interface="wg0").destination == IPv4Network("0.0.0.0/0")
    assert Route(IPv4Address("10.0.0.7"), "10.0.0.1") == Route("10.0.0.7", "10.0.0.1")
    assert Route(IPv4Network("10.0.0.7"), "10.0.0.1") == Route("10.0.0.7/32", "10.0.0.1")
    assert Route("fd00::7", "fd00::1").destination == IPv6Network("fd00::7/128")
    assert Route(IPv6Address("fd00::7"), "fd00::1").destination == IPv6Network("fd00::7/128")


@pytest.mark.parametrize(
    ("route", "table", "metric", "scope"),
    [
        (Route("10.0.0.0/8", "10.0.0.1"), 254, 0, 0),
        (Route("10.0.0.0/8", interface="eth0"), 254, 0, 253),
        (Route("10.0.0.0/8", nexthops=["10.0.0.1", "10.0.0.2"]), 254, 0, 0),
        (Route("10.0.0.0/8", nexthop_id=7), 254, 0, 0),
        (Route("10.0.0.0/8", type="blackhole"), 254, 0, 0),
        (Route("10.0.0.1", interface="eth0", type="local", table="local"), 255, 0, 254),
        (Route("10.0.0.255", interface="eth0", type="broadcast"), 254, 0, 253),
        (Route("10.0.0.0/8", "10.0.0.1", scope="link", table="default"), 253, 0, 253),
        (Route("fd00::/8", "fd00::1"), 254, 1024, 0),
        (Route("fd00::/8", interface="eth0", metric=0), 254, 1024, 0),
        (Route("fd00::/8", interface="eth0", metric=7, table=42), 42, 7, 0),
    ],
)
def test_the_kernels_defaults_of_a_route_are_filled_in(
    route: Route, table: int, metric: int, scope: int
) -> None:
    assert (route.table, route.metric, route.forwarding.scope) == (table, metric, scope)


def test_the_key_of_a_route_says_no_more_than_it_must() -> None:
    assert Route("10.0.0.0/8", "10.0.0.1").key == "route 10.0.0.0/8"
    assert Route("fd00::/8", "fd00::1").key == "route fd00::/8"
    route = Route("10.0.0.0/8", "10.0.0.1", table=42, metric=7, tos=16)
    assert route.key == "route 10.0.0.0/8 table 42 metric 7 tos 0x10"
    assert str(Route("10.0.0.0/8", type="blackhole")) == "blackhole 10.0.0.0/8"


def test_ways_and_metrics_are_sets() -> None:
    ways: list[Any] = [
        ("10.0.0.1", "eth0"),
        {"gateway": "10.0.0.2", "weight": 3},
        NextHop("10.0.0.3"),
        "10.4",
    ]
    with pytest.raises(DesiredStateError, match=r"gateway: '10.4' is no IP address"):
        Route("10.0.0.0/8", nexthops=ways)
    there = Route("10.0.0.0/8", nexthops=ways[:3], metrics={"mtu": 1400, "advmss": 1300})
    back = Route("10.0.0.0/8", nexthops=ways[2::-1], metrics={"advmss": 1300, "mtu": 1400})
    assert there == back
    assert there.forwarding == back.forwarding
    assert there.forwarding.metrics == (("advmss", 1300), ("mtu", 1400))


def test_an_ipv4_route_may_have_a_gateway_of_ipv6() -> None:
    assert Route("10.0.0.0/8", "fe80::1", "eth0").gateway == IPv6Address("fe80::1")
    assert Route("10.0.0.0/8", nexthops=[("fe80::1", "eth0")]).family == 4


@pytest.mark.parametrize(
    ("args", "more", "message"),
    [
        (
            ("10.0.0.1/8", "10.0.0.1"),
            {},
            "destination: '10.0.0.1/8' has host bits set; the network",
        ),
        (("10.0.0.0/33", "10.0.0.1"), {}, "destination: '10.0.0.0/33' is no network"),
        (("fe80::%1/64", "fe80::1"), {}, "destination: 'fe80::%1/64' is no network"),
        ((7, "10.0.0.1"), {}, "destination: 7 is no network"),
        (("fd00::/8", "10.0.0.1"), {}, "gateway: 10.0.0.1 is of IPv4, and route fd00::/8 of IPv6"),
        (
            ("fd00::/8",),
            {"nexthops": [("10.0.0.1", "eth0")]},
            "gateway: 10.0.0.1 is of IPv4, and route fd00::/8 of IPv6",
        ),
        (("default", "10.0.0.1"), {"family": 6}, "gateway: 10.0.0.1 is of IPv4, and route ::/0"),
        (("10.0.0.0/8", "gw"), {}, "gateway: 'gw' is no IP address"),
        (("10.0.0.0/8", "0.0.0.0"), {}, "gateway: 0.0.0.0 is none; leave it out"),
        (("fd00::/8", "::", "eth0"), {}, "gateway: :: is none; leave it out"),
        (("10.0.0.0/8",), {"nexthops": ["0.0.0.0"]}, "gateway: 0.0.0.0 is none; leave it out"),
        (("10.0.0.0/8", None, "eth0 "), {}, "interface: 'eth0 ' is no name of an interface"),
        (
            ("10.0.0.0/8", "10.0.0.1"),
            {"table": 0},
            "table: expected an integer from 1 to 4294967295",
        ),
        (("10.0.0.0/8", "10.0.0.1"), {"table": 2**32}, "table: expected an integer from 1 to"),
        (("10.0.0.0/8", "10.0.0.1"), {"table": "blue"}, "table: 'blue' is no table"),
        (("10.0.0.0/8", "10.0.0.1"), {"metric": -1}, "metric: expected an integer from 0"),
        (
            ("10.0.0.0/8", "10.0.0.1"),
            {"tos": 256},
            "tos: expected an integer from 0 to 255, got 256",
        ),
        (("fd00::/8", "fd00::1"), {"tos": 4}, "tos: does not go with route fd00::/8: IPv6"),
        (("fd00::/8", "fd00::1"), {"scope": 0}, "scope: does not go with route fd00::/8: IPv6"),
        (("10.0.0.0/8", "10.0.0.1"), {"type": "black"}, "type: expected one of unicast, local"),
        (
            ("10.0.0.0/8", "10.0.0.1"),
            {"type": "throw"},
            "type: route 10.0.0.0/8 is throw, and leads",
        ),
        (("10.0.0.0/8",), {}, "gateway: route 10.0.0.0/8 needs one of a gateway or an interface"),
        (
            ("10.0.0.0/8", "10.0.0.1"),
            {"nexthop_id": 7},
            "gateway: route 10.0.0.0/8 needs only one of a gateway or an interface, nexthops, and",
        ),
        (("10.0.0.0/8", "10.0.0.1"), {"source": "fd00::1"}, "source: fd00::1 is not of IPv4"),
        (
            ("10.0.0.0/8", "10.0.0.1"),
            {"source": "0.0.0.0"},
            "source: 0.0.0.0 is none; leave it out",
        ),
        (("10.0.0.0/8", "10.0.0.1"), {"scope": "wide"}, "scope: expected one of global, site"),
        (("10.0.0.0/8", None, "eth0"), {"onlink": True}, "onlink: route 10.0.0.0/8 has no gateway"),
        (("10.0.0.0/8", "10.0.0.1"), {"onlink": 1}, "onlink: expected True or False, got 1"),
        (("10.0.0.0/8",), {"nexthop_id": 2**32}, "nexthop_id: expected an integer from 0"),
        (("10.0.0.0/8",), {"nexthops": "10.0.0.1"}, "nexthops: expected NextHop values, got '10"),
        (("10.0.0.0/8",), {"nexthops": [7]}, "nexthops[0]: expected a NextHop, a mapping or"),
        (("10.0.0.0/8",), {"nexthops": [()]}, "nexthops[0]: gateway: expected one, an"),
        (("10.0.0.0/8",), {"nexthops": [{}]}, "nexthops[0]: gateway: expected one, an"),
        (("10.0.0.0/8",), {"nexthops": [{"via": "10.0.0.1"}]}, "nexthops[0]: via: unknown field"),
        (("10.0.0.0/8",), {"nexthops": [("10.0.0.1", "eth0", 257)]}, "weight: expected an integer"),
        (("10.0.0.0/8", "10.0.0.1"), {"metrics": 7}, "metrics: expected a mapping from name to"),
        (("10.0.0.0/8", "10.0.0.1"), {"metrics": {"x": 7}}, "metrics: expected one of lock, mtu"),
        (("10.0.0.0/8", "10.0.0.1"), {"metrics": {"mtu": 0}}, "metrics: mtu: expected an integer"),
        (
            ("10.0.0.0/8", "10.0.0.1"),
            {"metrics": {"mtu": 65536}},
            "mtu: expected an integer from 1",
        ),
        (
            ("10.0.0.0/8", "10.0.0.1"),
            {"metrics": {"congctl": 7}},
            "metrics: congctl: expected text",
        ),
        (
            ("10.0.0.0/8", "10.0.0.1"),
            {"preference": "low"},
            "preference: does not go with route 10",
        ),
        (("fd00::/8", "fd00::1"), {"preference": "top"}, "preference: expected one of low, medium"),
        (
            ("10.0.0.0/8", "10.0.0.1"),
            {"encap": "mpls"},
            "encap: expected an Encap with bytes, got 'mpls'",
        ),
        (("10.0.0.0/8", "10.0.0.1"), {"encap": Encap(0, b"")}, "encap: type: expected an integer"),
        (("10.0.0.0/8",), {"nexthops": ["10.0.0.1", 7]}, "nexthops[1]: expected a NextHop"),
        (("default",), {"family": 5}, "family: expected 4 or 6, got 5"),
        (("default",), {"family": []}, "family: expected 4 or 6, got []"),
        (("10.0.0.0/8", "10.0.0.1"), {"family": 6}, "family: 6 is not that of 10.0.0.0/8"),
        (
            ("10.0.0.0/8", "10.0.0.1"),
            {"protocol": -1},
            "protocol: expected an integer from 0 to 255",
        ),
    ],
)
def test_a_wrong_route_is_refused_with_its_field_and_value(
    args: Any, more: Any, message: str
) -> None:
    assert message in refusal(Route, *args, **more)


# Rules


def test_a_rule_of_two_numbers_is_of_ipv4() -> None:
    rule = Rule(100, 42)
    assert (rule.family, rule.action, rule.table) == (4, "lookup", 42)
    assert Rule(100, "main", family=6).family == 6
    assert Rule(100, "main", source="fd00::/8").family == 6


def test_what_is_no_condition_is_none() -> None:
    plain = Rule(100, 42)
    assert Rule(100, 42, source="0.0.0.0/0", destination="0.0.0.0/0") == plain
    assert Rule(100, 42, fwmark=0, fwmask=0) == plain
    assert Rule(100, 42, fwmark=0).fwmask == 2**32 - 1
    assert Rule(100, 42, source="::/0") == Rule(100, 42, family=6)


def test_one_number_is_a_range() -> None:
    rule = Rule(100, 42, source_ports=80, uid_range=1000, destination_ports=(1, 65534))
    assert (rule.source_ports, rule.uid_range) == ((80, 80), (1000, 1000))


def test_the_key_of_a_rule_is_all_that_it_says() -> None:
    rule = Rule(
        *(100, 42),
        source="10.0.0.0/8",
        destination="10.9.0.0/16",
        fwmark=1,
        iif="eth0",
        source_ports=80,
        invert=True,
        suppress_prefix_length=0,
    )
    assert rule.key == (
        "IPv4 rule 100: not from 10.0.0.0/8 to 10.9.0.0/16 fwmark 0x1/0xffffffff iif eth0"
        " source_ports 80-80 lookup 42 suppress_prefix_length 0"
    )
    assert Rule(100, action="goto", goto=200).key == "IPv4 rule 100: from all goto 200"
    assert Rule(100, 42).key != Rule(100, 42, family=6).key
    assert Rule(100, 42).key == Rule(100, 42, protocol=3).key


@pytest.mark.parametrize(
    ("args", "more", "message"),
    [
        ((100,), {}, "table: rule 100 needs one"),
        ((100, 42), {"action": "blackhole"}, "table: rule 100 has no use for it"),
        ((100, 42), {"l3mdev": True}, "table: rule 100 has no use for it"),
        ((100, 0), {}, "table: expected an integer from 1 to 4294967295, got 0"),
        (
            (100, "blue"),
            {},
            "table: 'blue' is no table: expected a number, or default, local, main",
        ),
        ((-1, 42), {}, "priority: expected an integer from 0 to 4294967295, got -1"),
        ((100, 42), {"action": "jump"}, "action: expected one of lookup, goto"),
        ((100,), {"action": "goto"}, "goto: rule 100 needs the priority that it goes to"),
        ((100, 42), {"goto": 200}, "goto: rule 100 has no use for it: its action is lookup"),
        ((100,), {"action": "goto", "goto": 100}, "goto: expected an integer from 101 to"),
        ((100, 42), {"source": "10.0.0.1/8"}, "source: '10.0.0.1/8' has host bits set"),
        ((100, 42), {"destination": "x"}, "destination: 'x' is no network"),
        (
            (100, 42),
            {"source": "10.0.0.0/8", "destination": "fd00::/8"},
            "family: IPv4 and IPv6 in one rule: source 10.0.0.0/8, destination fd00::/8",
        ),
        ((100, 42), {"source": "10.0.0.0/8", "family": 6}, "one rule: family 6, source 10.0.0.0/8"),
        ((100, 42), {"family": 5}, "family: expected 4 or 6, got 5"),
        ((100, 42), {"family": []}, "family: expected 4 or 6, got []"),
        ((100, 42), {"fwmask": 1}, "fwmask: rule 100 has no fwmark"),
        ((100, 42), {"fwmark": 2**32}, "fwmark: expected an integer"),
        ((100, 42), {"fwmark": 1, "fwmask": -1}, "fwmask: expected an integer"),
        ((100, 42), {"iif": "a b"}, "iif: 'a b' is no name of an interface"),
        ((100, 42), {"oif": ""}, "oif: '' is no name of an interface"),
        ((100, 42), {"tos": 0x20}, "tos: 0x20 has bits outside of 0x1c, which an IPv4 rule has"),
        ((100, 42), {"tos": 1, "family": 6}, "tos: 0x1 has bits outside of 0xfc"),
        ((100, 42), {"uid_range": (2, 1)}, "uid_range: 2 is more than 1"),
        ((100, 42), {"uid_range": (1, 2, 3)}, "uid_range: expected the first and the last, got (1"),
        (
            (100, 42),
            {"uid_range": 2**32 - 1},
            "uid_range: expected an integer from 0 to 4294967294",
        ),
        ((100, 42), {"ip_protocol": 0}, "ip_protocol: expected an integer from 1 to 255, got 0"),
        (
            (100, 42),
            {"source_ports": 0},
            "source_ports: expected an integer from 1 to 65534, got 0",
        ),
        (
            (100, 42),
            {"destination_ports": (1, 65535)},
            "destination_ports: expected an integer from",
        ),
        ((100, 42), {"invert": 1}, "invert: expected True or False, got 1"),
        ((100, 42), {"l3mdev": 1}, "l3mdev: expected True or False, got 1"),
        ((100, 42), {"suppress_prefix_length": 129}, "suppress_prefix_length: expected an integer"),
        ((100, 42), {"suppress_group": 2**31}, "suppress_group: expected an integer from 0"),
        ((100, 42), {"protocol": 256}, "protocol: expected an integer from 0 to 255, got 256"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_field_and_value(
    args: Any, more: Any, message: str
) -> None:
    assert message in refusal(Rule, *args, **more)


# Neighbours


def test_link_layer_addresses_are_in_one_spelling() -> None:
    neighbour = Neighbour("eth0", "10.0.0.9", "02-00-00-00-00-AB")
    assert neighbour == Neighbour("eth0", "10.0.0.9", "02:00:00:00:00:ab")
    assert (neighbour.state, neighbour.family) == ("permanent", 4)


def test_a_proxy_has_a_key_of_its_own() -> None:
    proxy = Neighbour("eth0", "10.0.0.9", proxy=True)
    assert proxy.state == "none"
    assert proxy.key == "proxy neighbour 10.0.0.9 on eth0"
    assert Neighbour("eth0", "10.0.0.9", "02:00:00:00:00:01").key == "neighbour 10.0.0.9 on eth0"


@pytest.mark.parametrize(
    ("args", "more", "message"),
    [
        (("eth0", "x", "02:00:00:00:00:01"), {}, "address: 'x' is no IP address"),
        (("a b", "10.0.0.9", "02:00:00:00:00:01"), {}, "interface: 'a b' is no name"),
        (("eth0", "10.0.0.9"), {}, "lladdr: 10.0.0.9 needs one, unless it is a proxy"),
        (("eth0", "10.0.0.9", "02"), {"proxy": True}, "lladdr: a proxy for 10.0.0.9 has none"),
        (("eth0", "10.0.0.9", "zz"), {}, "lladdr: 'zz' is no link-layer address"),
        (("eth0", "10.0.0.9", 7), {}, "lladdr: 7 is no link-layer address"),
        (("eth0", "10.0.0.9"), {"proxy": 1}, "proxy: expected True or False, got 1"),
        (
            ("eth0", "10.0.0.9"),
            {"proxy": True, "state": "noarp"},
            "state: 'noarp' does not go with a proxy for 10.0.0.9",
        ),
        (("eth0", "10.0.0.9"), {"proxy": True, "state": []}, "state: [] does not go with a proxy"),
        (("eth0", "10.0.0.9", "02"), {"state": "stale"}, "state: expected one of permanent, noarp"),
        (("eth0", "10.0.0.9", "02"), {"router": True}, "router: does not go with 10.0.0.9: IPv4"),
        (("eth0", "fd00::9", "02"), {"router": 1}, "router: expected True or False, got 1"),
        (("eth0", "10.0.0.9", "02"), {"protocol": 999}, "protocol: expected an integer from 0"),
    ],
)
def test_a_wrong_neighbour_is_refused_with_its_field_and_value(
    args: Any, more: Any, message: str
) -> None:
    assert message in refusal(Neighbour, *args, **more)


# Nexthops


def test_a_nexthop_is_a_way_a_blackhole_or_a_group() -> None:
    way = Nexthop(1, "fe80::1", "eth0")
    assert (way.family, str(way)) == (6, "1 via fe80::1 dev eth0")
    assert Nexthop(2, interface="eth0").family == 4
    assert Nexthop(3, blackhole=True, family=6).family == 6
    group = Nexthop(4, group=[1, (2, 3)])
    assert (group.family, group.group, str(group)) == (None, ((1, 1), (2, 3)), "4 group 1/2,3")
    assert group.key == "nexthop 4"


@pytest.mark.parametrize(
    ("args", "more", "message"),
    [
        ((0,), {"blackhole": True}, "id: expected an integer from 1 to 4294967295, got 0"),
        ((7,), {}, "gateway: nexthop 7 needs one alone of a gateway or an interface, blackhole"),
        ((7, None, "eth0"), {"blackhole": True}, "gateway: nexthop 7 needs one alone of"),
        ((7, "10.0.0.1"), {}, "interface: nexthop 7 needs one beside its gateway 10.0.0.1"),
        ((7, "gw", "eth0"), {}, "gateway: 'gw' is no IP address"),
        ((7, "0.0.0.0", "eth0"), {}, "gateway: 0.0.0.0 is none; leave it out"),
        ((7, None, "a b"), {}, "interface: 'a b' is no name of an interface"),
        ((7, None, "eth0"), {"onlink": True}, "onlink: nexthop 7 has no gateway"),
        ((7,), {"blackhole": 1}, "blackhole: expected True or False, got 1"),
        ((7,), {"group": "12"}, "group: expected numbers, or pairs of number and weight, got '12'"),
        ((7,), {"group": 12}, "group: expected numbers, or pairs of number and weight, got 12"),
        ((7,), {"group": {8: 3}}, "group: expected numbers, or pairs of number and weight, got {8"),
        (
            (7,),
            {"group": [(1, 2, 3)]},
            "group: expected a number, or a number and a weight, got (1",
        ),
        ((7,), {"group": [(1, 257)]}, "group: expected an integer from 1 to 256, got 257"),
        ((7,), {"group": [0]}, "group: expected an integer from 1 to 4294967295, got 0"),
        ((7,), {"group": [7]}, "group: nexthop 7 cannot be in its own group"),
        ((7,), {"group": [1, (1, 2)]}, "group: names a nexthop twice: [1, (1, 2)]"),
        ((7,), {"group": [1], "family": 4}, "family: a group has none"),
        ((7,), {"blackhole": True, "family": 5}, "family: expected 4 or 6, got 5"),
        ((7,), {"blackhole": True, "family": []}, "family: expected 4 or 6, got []"),
        ((7, "10.0.0.1", "eth0"), {"family": 6}, "family: 6 is not that of the gateway 10.0.0.1"),
        ((7,), {"blackhole": True, "protocol": -1}, "protocol: expected an integer from 0 to 255"),
    ],
)
def test_a_wrong_nexthop_is_refused_with_its_field_and_value(
    args: Any, more: Any, message: str
) -> None:
    assert message in refusal(Nexthop, *args, **more)


# Links


def test_a_link_says_only_what_it_was_given() -> None:
    link = Link("eth0", up=True, address="02-00-00-00-00-AB", altnames=["wan", "uplink"])
    assert (link.kind, link.mtu, link.master, link.netns) == (None, None, None, None)
    assert (link.address, link.altnames) == ("02:00:00:00:00:ab", frozenset({"wan", "uplink"}))
    assert (link.key, str(link), str(Link("br0", "bridge"))) == (
        "link eth0",
        "eth0",
        "br0 (bridge)",
    )
    assert Link("eth0", master="").master == ""


def test_links_with_parameters_are_hashable() -> None:
    assert len({Link("v42", "vlan", parent="eth0", parameters={"id": 42}), Link("eth0")}) == 2


@pytest.mark.parametrize(
    ("args", "more", "message"),
    [
        (("a:b",), {}, "name: 'a:b' is no name of an interface"),
        (("eth0", "v lan"), {}, "kind: 'v lan' is no kind of link"),
        (("eth0", ""), {}, "kind: '' is no kind of link"),
        (("eth0", 7), {}, "kind: expected text, got 7"),
        (("eth0", "x" * 16), {}, "is longer than 15 bytes"),
        (("eth0", "bridge"), {"peer": "eth1"}, "peer: link eth0 is no veth"),
        (("eth0", "bridge"), {"peer_netns": "blue"}, "peer: link eth0 is no veth"),
        (("eth0",), {"netns": "../blue"}, "netns: namespace path: expected an absolute path"),
        (("eth0", "veth"), {"peer_netns": -1}, "peer_netns: pid: expected 1 to"),
        (("eth0",), {"parent": "eth1"}, "parent: link eth0 has no kind: say what it is"),
        (("eth0",), {"parameters": {"id": 7}}, "parameters: link eth0 has no kind: say what it is"),
        (("eth0", "vlan"), {"parent": "eth0"}, "parent: link eth0 cannot be its own"),
        (("eth0", "veth"), {"peer": "eth0"}, "peer: link eth0 cannot be its own"),
        (("eth0",), {"master": "eth0"}, "master: link eth0 cannot be its own"),
        (("eth0", "vlan"), {"parent": "a b"}, "parent: 'a b' is no name of an interface"),
        (("eth0", "veth"), {"peer": ""}, "peer: '' is no name of an interface"),
        (("eth0",), {"master": "a b"}, "master: 'a b' is no name of an interface"),
        (("eth0",), {"master": 0}, "master: expected the name of an interface, got 0"),
        (("eth0", "vlan"), {"parameters": 7}, "parameters: link eth0: expected a mapping, got 7"),
        (("eth0", "vlan"), {"parameters": {7: 7}}, "parameters: link eth0: 7 is no name"),
        (
            ("eth0", "vlan"),
            {"parameters": {"ids": 7}},
            "parameters: 'ids': links of kind vlan have",
        ),
        (("eth0", "vlan"), {"parameters": {"id": "x"}}, "parameters: id of a vlan: expected"),
        (("eth0",), {"up": 1}, "up: expected True or False, got 1"),
        (("eth0",), {"mtu": -1}, "mtu: expected an integer from 0 to 2147483647, got -1"),
        (("eth0",), {"address": "zz"}, "address: 'zz' is no link-layer address"),
        (("eth0",), {"alias": "x" * 256}, "is longer than 255 bytes"),
        (("eth0",), {"alias": "\0"}, "alias: expected text, got '\\x00'"),
        (("eth0",), {"alias": "\udcff"}, "alias: '\\udcff' cannot be encoded"),
        (("eth0",), {"altnames": "wan"}, "altnames: expected names, got 'wan'"),
        (("eth0",), {"altnames": ["a b"]}, "altnames: expected names without whitespace and '/'"),
        (("eth0",), {"altnames": [""]}, "altnames: expected names without whitespace and '/'"),
        (("eth0",), {"altnames": ["x" * 128]}, "is longer than 127 bytes"),
        (("eth0",), {"group": 2**32}, "group: expected an integer from 0 to 4294967295"),
        (("eth0",), {"netns": 1.5}, "1.5"),
    ],
)
def test_a_wrong_link_is_refused_with_its_field_and_value(
    args: Any, more: Any, message: str
) -> None:
    assert message in refusal(Link, *args, **more)


# All of them


def test_short_forms_mappings_and_values_are_taken_alike() -> None:
    desired = Desired(
        links=["br0", ("br1", "bridge"), {"name": "br2", "up": True}],
        addresses=[("eth0", "10.0.0.2", 24), ("eth0", "10.0.0.3/24")],
        routes=[("default", "10.0.0.1"), {"destination": "10.1.0.0/16", "nexthop_id": 7}],
        rules=[(100, 42), Rule(101, 43)],
        neighbours=[("eth0", "10.0.0.9", "02:00:00:00:00:01")],
        nexthops=[(7, "10.0.0.1", "eth0")],
    )
    assert desired.links == (Link("br0"), Link("br1", "bridge"), Link("br2", up=True))
    assert desired.addresses == (Address("eth0", "10.0.0.2/24"), Address("eth0", "10.0.0.3/24"))
    routes = [Route("default", "10.0.0.1"), Route("10.1.0.0/16", nexthop_id=7)]
    assert desired.routes == RouteTable(routes)
    assert desired.rules == (Rule(100, 42), Rule(101, 43))
    assert desired.neighbours == (Neighbour("eth0", "10.0.0.9", "02:00:00:00:00:01"),)
    assert desired.nexthops == (Nexthop(7, "10.0.0.1", "eth0"),)


def test_the_missions_table_is_taken_as_it_is_written() -> None:
    table = {"addresses": [("eth0", "10.0.0.2", 24)], "routes": [("default", "10.0.0.1")]}
    desired = Desired.of(table)
    assert Desired.of(desired) is desired
    assert desired.addresses == (Address("eth0", "10.0.0.2/24"),)
    assert list(desired.routes) == [Route("default", "10.0.0.1")]
    assert (desired.links, desired.rules, desired.neighbours, desired.nexthops) == ((), (), (), ())


@pytest.mark.parametrize(
    ("desired", "message"),
    [
        (7, "rtnl: expected a mapping, got 7"),
        (
            {"adresses": []},
            "rtnl: 'adresses' is not known; expected links, addresses, routes, rules",
        ),
        ({7: []}, "rtnl: 7 is not known"),
        ({"links": "br0"}, "links: expected a list, got 'br0'"),
        ({"routes": {"default": "10.0.0.1"}}, "routes: expected a list, got {'default'"),
        ({"rules": 7}, "rules: expected a list, got 7"),
        ({"links": ["br0", 7]}, "links[1]: expected a Link, a mapping or a tuple, got 7"),
        ({"addresses": ["eth0"]}, "addresses[0]: ('eth0',): lacks address"),
        ({"addresses": [("eth0",)]}, "addresses[0]: ('eth0',): lacks address"),
        ({"rules": [(1, 2, 3)]}, "rules[0]: (1, 2, 3): priority, table can be given so; name all"),
        ({"rules": [{"prio": 1}]}, "rules[0]: prio: unknown field; did you mean priority?"),
        ({"rules": [{7: 1}]}, "rules[0]: 7: unknown field; known are priority, table, source"),
        ({"routes": [{"gateway": "10.0.0.1"}]}, "routes[0]: {'gateway': '10.0.0.1'}: lacks dest"),
        ({"rules": [Link("br0")]}, "rules[0]: expected a Rule, a mapping or a tuple, got Link("),
        ({"routes": [("10.0.0.1/8", "10.0.0.1")]}, "routes[0]: destination: '10.0.0.1/8' has host"),
        ({"routes": [("fd00::/8", "10.0.0.1")]}, "routes[0]: gateway: 10.0.0.1 is of IPv4"),
        ({"rules": [(1, 2), (1, 0)]}, "rules[1]: table: expected an integer from 1 to 4294967295"),
        (
            {"routes": [{"destination": "10.0.0.0/8", "nexthops": [{"via": "10.0.0.1"}]}]},
            "routes[0]: nexthops[0]: via: unknown field; known are gateway, interface, weight",
        ),
    ],
)
def test_a_wrong_desired_state_is_refused_with_the_entry(desired: Any, message: str) -> None:
    assert message in refusal(Desired.of, desired)


@pytest.mark.parametrize(
    ("resource", "entries", "key"),
    [
        ("links", ["br0", ("br0", "bridge")], "link br0"),
        (
            "addresses",
            [
                ("eth0", "10.0.0.2", 24),
                {"interface": "eth0", "address": "10.0.0.2/24", "metric": 7},
            ],
            "address 10.0.0.2/24 on eth0",
        ),
        ("routes", [("10.0.0.0/8", "10.0.0.1"), ("10.0.0.0/8", "10.0.0.2")], "route 10.0.0.0/8"),
        (
            "routes",
            [("fd00::/8", "fd00::1"), {"destination": "fd00::/8", "nexthop_id": 7, "metric": 1024}],
            "route fd00::/8",
        ),
        ("rules", [(100, 42), {"priority": 100, "table": 42}], "IPv4 rule 100: from all lookup 42"),
        (
            "neighbours",
            [("eth0", "10.0.0.9", "02:00:00:00:00:01"), ("eth0", "10.0.0.9", "02:00:00:00:00:02")],
            "neighbour 10.0.0.9 on eth0",
        ),
        ("nexthops", [(7, "10.0.0.1", "eth0"), (7, "10.0.0.2", "eth0")], "nexthop 7"),
    ],
)
def test_two_entries_of_one_key_are_both_named(resource: str, entries: list[Any], key: str) -> None:
    message = refusal(Desired.of, {resource: entries})
    assert message == f"{resource}[1]: {key} is declared already, by {resource}[0]"


# Route tables


def routes_by_hand() -> list[Route]:
    return [
        Route("10.0.0.0/8", "10.0.0.1"),
        Route("10.0.0.0/8", "10.0.0.1", metric=7),
        Route("10.0.0.0/16", "10.0.0.1"),
        Route("fd00::/8", "fd00::1", table=42),
        Route("default", "10.0.0.1"),
    ]


def test_a_table_takes_routes_in_their_short_forms_too() -> None:
    short = RouteTable(
        [("default", "10.0.0.1"), {"destination": "192.0.2.0/24", "type": "blackhole"}]
    )
    assert short == RouteTable(
        [Route("default", "10.0.0.1"), Route("192.0.2.0/24", type="blackhole")]
    )


def test_and_names_what_is_no_route() -> None:
    routes: Any = [Route("10.0.0.0/8", "10.0.0.1"), 7]
    assert refusal(RouteTable, routes) == (
        "routes[1]: expected a Route, a mapping or a tuple, got 7"
    )


def test_a_table_takes_an_iterator_and_gives_its_routes_back() -> None:
    table = RouteTable(route for route in routes_by_hand())
    assert isinstance(table, Collection)
    assert len(table) == 5
    assert sorted(map(str, table)) == sorted(map(str, routes_by_hand()))
    assert set(table) == set(routes_by_hand())
    assert repr(table) == "<RouteTable of 5 routes>"
    assert len(RouteTable()) == 0


def test_a_table_has_its_routes_and_no_others() -> None:
    table = RouteTable(routes_by_hand())
    assert all(route in table for route in routes_by_hand())
    assert Route("10.0.0.0/8", "10.0.0.2") not in table
    assert Route("10.1.0.0/16", "10.0.0.1") not in table
    assert not table.__contains__("10.0.0.0/8")


def test_tables_are_equal_in_whichever_order() -> None:
    routes = routes_by_hand()
    assert RouteTable(routes) == RouteTable(reversed(routes))
    assert RouteTable(routes) != RouteTable(routes[1:])
    assert RouteTable(routes) != routes
    assert RouteTable.of({route.prefix: {} for route in routes}) == RouteTable()
    with pytest.raises(TypeError, match="unhashable"):
        hash(RouteTable(routes))


def test_routes_of_one_way_share_it() -> None:
    table = RouteTable(Route(f"10.0.{n}.0/24", "10.0.0.1") for n in range(9))
    assert len({id(way) for group in table.groups.values() for way in group.values()}) == 1


def test_a_table_refuses_a_key_twice() -> None:
    routes = [*routes_by_hand(), Route("10.0.0.0/16", "10.0.0.2")]
    message = "routes[5]: route 10.0.0.0/16 is declared already, by routes[2]"
    assert refusal(RouteTable, routes) == message


def test_a_table_is_taken_as_it_is() -> None:
    table = RouteTable(routes_by_hand())
    assert Desired(routes=table).routes is table


# Rings


def ring_told(*links: Link) -> str:
    with pytest.raises(DesiredStateError) as caught:
        Desired(links=links)
    return str(caught.value)


def test_two_links_cannot_be_each_others_master() -> None:
    assert ring_told(
        Link("eth0"), Link("br0", "bridge", master="br1"), Link("br1", "bridge", master="br0")
    ) == (
        "links[1]: br0 needs br1 (links[2]), which needs br0: by their masters and parents each"
        " would have to be there before the other"
    )


def test_a_ring_of_parents_and_masters_is_told_from_its_first_entry() -> None:
    assert ring_told(
        Link("on", "vlan", parent="c"),
        Link("b", "vlan", parent="a"),
        Link("c", "bridge", master="b"),
        Link("a", "macvlan", parent="c", master="br0"),
    ).startswith("links[1]: b needs a (links[3]), which needs c (links[2]), which needs b: ")


def test_what_others_share_is_no_ring() -> None:
    Desired(
        links=[
            Link("low", "vlan", parent="eth0", master="br0"),
            Link("high", "vlan", parent="low", master="br0"),
            Link("br0", "bridge", master="vrf0"),
            Link("vrf0", "vrf"),
            *(Link(f"v{n}", "macvlan", parent=f"v{n - 1}") for n in range(1, 3000)),
        ]
    )
