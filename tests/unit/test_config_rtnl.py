"""What the file may say of a network namespace, and how it is told what is wrong with that."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from linx_async import rtnl
from linx_async.config import ConfigError, Part, parse
from linx_async.rtnl import Address, Link, Neighbour, NextHop, Nexthop, Route, Rule
from tests.config_problems import lines_of_problems, told_of


def part_of(text: str) -> Part:
    (part,) = parse(text).parts
    return part


def desired_of(text: str) -> dict[str, Any]:
    return {name: tuple(entries) for name, entries in part_of(text).desired.items()}


def test_a_table_of_a_network_becomes_values_by_resource() -> None:
    text = """\
[rtnl]
neighbours = [["eth0", "10.0.0.9", "02:00:00:00:00:09"]]

[rtnl.links.br0]
kind = "bridge"
up = true

[rtnl.links."eth0.100"]
kind = "vlan"
parent = "eth0"
master = "br0"
altnames = ["uplink"]

[[rtnl.addresses]]
interface = "br0"
address = "10.0.0.2/24"

[[rtnl.routes]]
destination = "default"
gateway = "10.0.0.1"

[[rtnl.routes]]
destination = "10.2.0.0/16"
nexthops = ["10.0.0.3", ["10.0.0.4", "br0", 3], {gateway = "10.0.0.5", weight = 2}]
[rtnl.routes.metrics]
mtu = 1400

[[rtnl.rules]]
priority = 100
table = 100
fwmark = 1

[[rtnl.nexthops]]
id = 3
group = [1, [2, 5]]
"""
    hops = [
        NextHop("10.0.0.3"),
        NextHop("10.0.0.4", "br0", 3),
        NextHop("10.0.0.5", weight=2),
    ]
    assert desired_of(text) == {
        "links": (
            Link("br0", "bridge", up=True),
            Link("eth0.100", "vlan", parent="eth0", master="br0", altnames=["uplink"]),
        ),
        "addresses": (Address("br0", "10.0.0.2/24"),),
        "routes": (
            Route("default", "10.0.0.1"),
            Route("10.2.0.0/16", nexthops=hops, metrics={"mtu": 1400}),
        ),
        "rules": (Rule(100, 100, fwmark=1),),
        "neighbours": (Neighbour("eth0", "10.0.0.9", "02:00:00:00:00:09"),),
        "nexthops": (Nexthop(3, group=[1, (2, 5)]),),
    }


@pytest.mark.parametrize(
    "text",
    [
        '[[rtnl.addresses]]\ninterface = "eth0"\naddress = "10.0.0.2"\nprefix_length = 24',
        '[[rtnl.addresses]]\ninterface = "eth0"\naddress = "10.0.0.2/24"',
        '[rtnl]\naddresses = [["eth0", "10.0.0.2", 24]]',
        '[rtnl]\naddresses = [["eth0", "10.0.0.2/24"]]',
        '[rtnl]\naddresses = [{interface = "eth0", address = "10.0.0.2/24"}]',
        '[rtnl.links.eth0]\naddresses = ["10.0.0.2/24"]',
        '[rtnl.links.eth0]\naddresses = [["10.0.0.2", 24]]',
        '[[rtnl.links.eth0.addresses]]\naddress = "10.0.0.2/24"',
        'rtnl = {addresses = [["eth0", "10.0.0.2/24"]]}',
    ],
)
def test_an_address_is_the_same_however_it_is_spelt(text: str) -> None:
    assert desired_of(text) == {"addresses": (Address("eth0", "10.0.0.2", 24),)}


def test_a_link_of_which_nothing_is_said_is_waited_for() -> None:
    assert desired_of("[rtnl.links.eth0]") == {"links": (Link("eth0"),)}


def test_an_empty_table_desires_nothing_and_is_a_part_nevertheless() -> None:
    assert parse("[rtnl]").parts == (Part("rtnl"),)


def test_the_tag_and_the_policy_go_to_the_source() -> None:
    part = part_of('[rtnl]\nprotocol = 80\non_conflict = "replace"\n')
    source: Any = part.source(revert_on_release=True)
    assert (source.protocol, source.on_conflict) == (80, "replace")
    assert (part.name, part.section) == ("rtnl protocol 80", ("rtnl",))


def test_the_usual_tag_may_be_said_and_changes_nothing() -> None:
    assert part_of(f"[rtnl]\nprotocol = {rtnl.PROTOCOL}") == Part("rtnl")


def test_what_is_declared_is_taken_by_the_source() -> None:
    part = part_of('[rtnl]\nroutes = [["default", "10.0.0.1"]]')
    assert part.source().check(part.desired) == rtnl.Desired(routes=[("default", "10.0.0.1")])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[[rtnl.routes]]\ndestination = "default"\ngatway = "10.0.0.1"',
            "3: [rtnl] routes[0].gatway: unknown field; did you mean gateway?",
        ),
        (
            "[rtnl]\nneighbors = []",
            "2: [rtnl] neighbors: unknown key; did you mean neighbours?",
        ),
        (
            "[rtnl]\nzzz = 1",
            (
                "2: [rtnl] zzz: unknown key; known are protocol, on_conflict, interval, debounce, "
                "monitor, links, addresses, routes, rules, neighbours, nexthops"
            ),
        ),
        (
            "[rtnl.links.eth0]\nup = true\nmut = 1400",
            "3: [rtnl.links.eth0] mut: unknown field; did you mean mtu?",
        ),
        (
            "[rtnl.links.eth0]\nadresses = []",
            "2: [rtnl.links.eth0] adresses: unknown field; did you mean addresses?",
        ),
        (
            "[rtnl.links.eth0.100]\nup = true",
            (
                "1: [rtnl.links.eth0] 100: unknown field; a name with a dot in it is quoted: "
                '[rtnl.links."eth0.100"]'
            ),
        ),
        (
            '[[rtnl.links]]\nname = "eth0"',
            "1: [rtnl] links: expected a table for each link, [rtnl.links.NAME]",
        ),
        (
            "[rtnl]\nlinks.eth0 = 1",
            "2: [rtnl] links.eth0: expected a table for each link, [rtnl.links.NAME], got 1",
        ),
        (
            '[rtnl.routes]\ndestination = "default"',
            "1: [rtnl] routes: expected a list: [[rtnl.routes]] for each, or routes = [...]",
        ),
        (
            '[rtnl.links.eth0]\naddresses = "10.0.0.1"',
            "2: [rtnl.links.eth0] addresses: expected a list",
        ),
        (
            '[rtnl]\naddresses = [["eth0"]]',
            "2: [rtnl] addresses[0]: lacks address",
        ),
        (
            '[rtnl]\naddresses = [["eth0", "10.0.0.1", 24, 1]]',
            (
                "2: [rtnl] addresses[0]: expected at most 3: [interface, address, prefix_length]; "
                "or a table"
            ),
        ),
        (
            "[rtnl]\nrules = [7]",
            "2: [rtnl] rules[0]: expected a table, or an array [priority, table], got 7",
        ),
        (
            '[rtnl]\nroutes = [["10.0.0.1/24", "10.0.0.9"]]',
            (
                "2: [rtnl] routes[0].destination: '10.0.0.1/24' has host bits set; the network is "
                "10.0.0.0/24"
            ),
        ),
        (
            '[[rtnl.routes]]\ndestination = "::/0"\ngateway = "10.0.0.1"',
            "3: [rtnl] routes[0].gateway: 10.0.0.1 is of IPv4, and route ::/0 of IPv6",
        ),
        (
            '[[rtnl.routes]]\ndestination = "default"\ngateway = "10.0.0.1"\nprotocol = 9',
            "4: [rtnl] routes[0].protocol: one tag goes for all: [rtnl] protocol",
        ),
        (
            '[[rtnl.routes]]\ndestination = "default"\nnexthops = [{gateway = "x"}]',
            "3: [rtnl] routes[0].nexthops[0].gateway: 'x' is no IP address",
        ),
        (
            '[[rtnl.routes]]\ndestination = "default"\nnexthops = "10.0.0.1"',
            "3: [rtnl] routes[0].nexthops: expected a list, got '10.0.0.1'",
        ),
        (
            "[rtnl]\nprotocol = 4",
            "2: [rtnl] protocol: expected an integer from 5 to 255, got 4",
        ),
        (
            "[rtnl]\non_conflict = 1",
            "2: [rtnl] on_conflict: expected 'report' or 'replace', got 1",
        ),
        (
            "[rtnl]\non_conflict = []",
            "2: [rtnl] on_conflict: expected 'report' or 'replace', got []",
        ),
        (
            '[[rtnl.routes]]\ndestination = "default"\ngateway = 10.0.0.1',
            (
                "3:15: [rtnl] routes[0].gateway: not TOML: expected newline or end of document "
                "after a statement; text is written in quotes"
            ),
        ),
        ("[rtln]", "1: [rtln]: unknown section; did you mean [rtnl]?"),
    ],
)
def test_a_mistake_is_told_so_that_it_can_be_mended(text: str, message: str) -> None:
    assert told_of(text) == [f"host.toml:{message}"]


def test_all_that_is_wrong_is_told_at_once_each_in_its_place() -> None:
    text = """\
[rtnl]
on_conflict = "fight"
neighbours = [
  # [a comment
  ["eth0", "10.0.0.1", "02:00:00:00:00:01"],
  ["eth0", "10.0.0.x", "02:00:00:00:00:01"], ["eth0", "10.0.0.2"],
  {interface = "eth0", adress = "10.0.0.1"},
]
[rtnl.links.br0]
up = 1
mtu = -1
alias = ["a"]
master = "br0"
[rtnl.links.eth0]
addresses = [
  "10.0.0.2/24",
  "10.0.0.300/24"]
[[rtnl.routes]]
destination = "default"
gateway = "10.0.0.1"
[[rtnl.routes]]
destination = "10.0.0.0/24"
interface = "eth0"
scope = "x"
[rtnl.routes.metrics]
mtu = "x"
"""
    assert [line.split(": ")[:2] for line in told_of(text)] == [
        ["host.toml:2", "[rtnl] on_conflict"],
        ["host.toml:6", "[rtnl] neighbours[1].address"],
        ["host.toml:6", "[rtnl] neighbours[2].lladdr"],
        ["host.toml:7", "[rtnl] neighbours[3].adress"],
        ["host.toml:10", "[rtnl.links.br0] up"],
        ["host.toml:11", "[rtnl.links.br0] mtu"],
        ["host.toml:12", "[rtnl.links.br0] alias"],
        ["host.toml:13", "[rtnl.links.br0] master"],
        ["host.toml:17", "[rtnl.links.eth0] addresses[1].address"],
        ["host.toml:24", "[rtnl] routes[1].scope"],
        ["host.toml:25", "[rtnl] routes[1].metrics"],
    ]


def test_the_line_and_the_column_are_those_of_the_element() -> None:
    text = '[rtnl]\nroutes = [["default", "10.0.0.1"],\n  ["10.1.0.0/16", "x"]]\n'
    with pytest.raises(ConfigError) as caught:
        parse(text)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.key) == (3, 3, "routes[1].gateway")


def test_what_is_declared_twice_is_told_with_both_places() -> None:
    text = """\
[[rtnl.addresses]]
interface = "eth0"
address = "10.0.0.1/24"
[rtnl.links.eth0]
addresses = ["10.0.0.2", "10.0.0.1/24"]
[[rtnl.rules]]
priority = 1
table = 1
[[rtnl.rules]]
priority = 1
table = 2
[[rtnl.rules]]
priority = 1
table = 1
"""
    assert told_of(text) == [
        (
            "host.toml:5: [rtnl.links.eth0] addresses[1]: address 10.0.0.1/24 on eth0 is declared "
            "already, first on line 1"
        ),
        (
            "host.toml:12: [rtnl] rules[2]: IPv4 rule 1: from all lookup 1 is declared already, "
            "first on line 6"
        ),
    ]


def test_a_field_that_is_wrong_makes_no_other_seem_so() -> None:
    assert told_of('[rtnl.links.a]\nkind = "?"\npeer = "b"') == [
        "host.toml:2: [rtnl.links.a] kind: '?' is no kind of link"
    ]
    assert told_of("[[rtnl.rules]]\npriority = 1\ntable = 1\nfwmark = -1\nfwmask = 1") == [
        "host.toml:4: [rtnl] rules[0].fwmark: expected an integer from 0 to 4294967295, got -1"
    ]


def test_an_entry_that_lost_a_statement_to_a_mistake_is_not_told_to_lack_it() -> None:
    assert len(told_of("[[rtnl.rules]]\npriority = !\ntable = 1")) == 1


SOUND: dict[str, tuple[Callable[..., Any], str]] = {
    "addresses": (Address, 'interface = "a", address = "10.0.0.1"'),
    "routes": (Route, 'destination = "10.0.0.0/8", interface = "a"'),
    "rules": (Rule, "priority = 1, table = 1"),
    "neighbours": (
        Neighbour,
        'interface = "a", address = "10.0.0.1", lladdr = "02:00:00:00:00:01"',
    ),
    "nexthops": (Nexthop, 'id = 1, interface = "a"'),
}
ODD = ["1.5", "-1", "[]", "[[1]]", "[1, 2, 3]", "{a = 1}", "{}", "1979-05-27", '""', '"\\u0000"']


@pytest.mark.parametrize("value", [*ODD, '"/"', "true", "nan"])
@pytest.mark.parametrize("resource", [*SOUND, "links"])
def test_no_value_of_any_field_is_more_than_a_mistake(resource: str, value: str) -> None:
    kind, sound = SOUND.get(resource, (Link, ""))
    said = {each.partition(" =")[0] for each in sound.split(", ")}
    for field in inspect.signature(kind).parameters.keys() - {*said, "name"}:
        fields = ", ".join(filter(None, [sound, f"{field} = {value}"]))
        text = f"links.a = {{{fields}}}" if resource == "links" else f"{resource} = [{{{fields}}}]"
        assert lines_of_problems(f"[rtnl]\n{text}") <= {2}
