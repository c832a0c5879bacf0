"""Sections of other network namespaces, and the options of the loops, in the file."""

from __future__ import annotations

import os
from typing import Any

import pytest

from linx_async._kernel.netns import NetworkNamespace
from linx_async.config import Part, parse
from linx_async.config.host import part_named
from linx_async.config.options import OPTIONS
from tests.config_problems import told_of

BLUE = NetworkNamespace.named("blue")


def parts_of(text: str) -> tuple[Part, ...]:
    return parse(text).parts


def test_a_namespace_has_sections_of_its_own() -> None:
    text = """\
[sysctl]
net.ipv4.ip_forward = 0

[netns.blue.sysctl]
net.ipv4.ip_forward = 1

[netns.blue.rtnl]
protocol = 80
routes = [{destination = "10.0.0.0/8", type = "blackhole"}]

[netns.blue.netfilter.inet.fw]
"""
    parts = parts_of(text)
    assert [part.name for part in parts] == [
        *("sysctl", "netns blue: sysctl", "netns blue: rtnl protocol 80"),
        "netns blue: netfilter inet fw",
    ]
    assert [part.section for part in parts] == [
        *(("sysctl",), ("netns", "blue", "sysctl"), ("netns", "blue", "rtnl")),
        ("netns", "blue", "netfilter"),
    ]
    assert [part.netns for part in parts] == [None, BLUE, BLUE, BLUE]
    for part in parts[1:]:
        source: Any = part.source()
        assert source.scope == BLUE


def test_a_namespace_is_called_as_its_table_or_has_a_path_or_a_process() -> None:
    text = f"""\
[netns.blue.sysctl]
[netns.red]
path = "/proc/1/ns/net"
[netns.red.sysctl]
[netns.green]
pid = {os.getpid()}
[netns.green.sysctl]
kernel.hostname = "green"
"""
    parts = parts_of(text)
    assert [part.name for part in parts] == [
        "netns blue: sysctl",
        "/proc/1/ns/net: sysctl",
        f"pid {os.getpid()}: sysctl",
    ]
    assert [part_named(part.name) for part in parts[:2]] == list(parts[:2])
    assert part_named(parts[2].name) == Part("sysctl", netns=parts[2].netns)


@pytest.mark.parametrize(
    "name",
    [
        *("netns a: netfilter inet x: sysctl", "netns a b: rtnl protocol 80", "/a b/c: sysctl"),
        *("cgroup netns a: sysctl", "netns a:: sysctl"),
    ],
)
def test_a_part_is_found_again_by_its_name_wherever_it_is(name: str) -> None:
    part = part_named(name)
    assert part is not None
    assert part.name == name


@pytest.mark.parametrize(
    "name",
    ["netns a: cgroup b", "netns : sysctl", "pid 0: sysctl", "pid 4194305: sysctl", ": rtnl"],
)
def test_what_no_part_of_a_namespace_is_called_finds_none(name: str) -> None:
    assert part_named(name) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "netns = 1",
            "1: [netns]: expected a table for each namespace, [netns.NAME], got 1",
        ),
        (
            "[netns]\nblue = 1",
            "2: [netns] blue: expected a table for each namespace, [netns.NAME], got 1",
        ),
        (
            "[netns.blue]\npaht = '/a'",
            "2: [netns.blue] paht: unknown; did you mean path?",
        ),
        (
            "[netns.blue.rtln]",
            "1: [netns.blue] rtln: unknown; did you mean rtnl?",
        ),
        (
            "[netns.blue]\nzzz = 1",
            "2: [netns.blue] zzz: unknown; known are path, pid, options, sysctl, rtnl, netfilter",
        ),
        (
            "[netns.blue.cgroup.a]",
            '1: [netns.blue] cgroup: cgroups are of no network namespace: write [cgroup."path"]',
        ),
        (
            "[netns.blue]\nsysctl = 1",
            "2: [netns.blue] sysctl: expected a table, [netns.blue.sysctl], got 1",
        ),
        (
            "[netns.blue]\npath = '/a'\npid = 1",
            "3: [netns.blue] pid: give either path or pid",
        ),
        (
            "[netns.blue]\npath = 'a'",
            "2: [netns.blue] path: expected an absolute path, got 'a'",
        ),
        (
            "[netns.blue]\npath = '/a: b'",
            "2: [netns.blue] path: a colon with a blank after it is no part of it",
        ),
        (
            "[netns.blue]\npid = 4194305",
            (
                "2: [netns.blue] pid: there is no process 4194305: start it first, or name its "
                "namespace"
            ),
        ),
        (
            "[netns.blue]\npid = true",
            "2: [netns.blue] pid: expected 1 to 2147483647, got True",
        ),
        (
            "[netns.'a/b']",
            (
                "1: [netns.\"a/b\"]: expected one path component, got 'a/b'; or say in it where it "
                'is: path = "/proc/1234/ns/net", or pid'
            ),
        ),
        (
            "[netns.a]\npath = '/a'\n[netns.b]\npath = '/a'",
            "3: [netns.b]: the same namespace has a table already, first on line 1",
        ),
        (
            "[netns.blue.sysctl]\nkernel.hostname = 'a'",
            (
                "2: [netns.blue.sysctl] kernel.hostname: belongs to the uts namespace, and the "
                "scope is netns blue: declare it where it belongs"
            ),
        ),
        (
            "[netns.blue.rtnl]\nlinks.eth0 = 1",
            (
                "2: [netns.blue.rtnl] links.eth0: expected a table for each link, "
                "[netns.blue.rtnl.links.NAME], got 1"
            ),
        ),
        (
            "[[netns.blue.rtnl.routes]]\ndestination = 'default'\nprotocol = 9",
            (
                "3: [netns.blue.rtnl] routes[0].protocol: one tag goes for all: [netns.blue.rtnl] "
                "protocol"
            ),
        ),
        (
            "[netns.blue.netfilter.fw.chains.input]",
            (
                "1: [netns.blue.netfilter] fw: unknown key; the family comes first: "
                "[netns.blue.netfilter.inet.fw]"
            ),
        ),
        (
            "[netns.blue.netfilter.inet.fw.chains.a]\nrules = [{tcp.dprt = 1}]",
            (
                "2: [netns.blue.netfilter.inet.fw.chains.a] rules[0].tcp.dprt: unknown; did "
                "you mean dport?"
            ),
        ),
        ("options = 1", "1: options: expected a table, [options], got 1"),
        (
            "[options]\nintervall = 1",
            "2: [options] intervall: unknown option; did you mean interval?",
        ),
        ("[options]\ninterval = 0", "2: [options] interval: expected more than zero, got 0"),
        (
            "[netns.blue.options]\ndebounce = -1",
            "2: [netns.blue.options] debounce: expected zero or more, got -1",
        ),
        ("[options]\nmonitor = 1", "2: [options] monitor: expected true or false, got 1"),
        (
            "[options]\non_conflict = []",
            "2: [options] on_conflict: expected 'report' or 'replace', got []",
        ),
        (
            "[sysctl]\non_conflict = 'replace'",
            (
                "2: [sysctl] on_conflict: is an option of [rtnl] and [netfilter], and has no "
                "meaning here"
            ),
        ),
        (
            "[sysctl]\nintervall = 1",
            "2: [sysctl] intervall: unknown option; did you mean interval?",
        ),
        ("[cgroup]\nmonitr = 1", "2: [cgroup] monitr: unknown option; did you mean monitor?"),
        ("[cgroup.a]\nmonitr = 1", "2: [cgroup.a] monitr: unknown option; did you mean monitor?"),
        (
            "[netfilter.inet.fw]\nprotocol = 1",
            "2: [netfilter.inet.fw] protocol: is an option of [rtnl], and has no meaning here",
        ),
    ],
)
def test_a_mistake_is_told_so_that_it_can_be_mended(text: str, message: str) -> None:
    assert told_of(text) == [f"host.toml:{message}"]


def test_options_are_said_of_all_of_a_namespace_of_a_section_or_of_a_table() -> None:
    text = """\
[options]
interval = 30
revert_on_release = true
on_conflict = "replace"

[sysctl]
debounce = 0
revert_on_release = false

[cgroup]
monitor = false
[cgroup.a]
interval = inf
[cgroup.b]

[rtnl]
on_conflict = "report"

[netfilter]
lifetime = "shared"
[netfilter.inet.fw]
interval = 60
recreate = true

[netns.blue.options]
interval = 7
protocol = 80
[netns.blue.sysctl]
[netns.blue.rtnl]
"""
    found = {part.name: (dict(part.options), dict(part.pacing)) for part in parts_of(text)}
    assert found == {
        "sysctl": ({"revert_on_release": False}, {"interval": 30, "debounce": 0}),
        "cgroup a": ({"revert_on_release": True}, {"interval": float("inf"), "monitor": False}),
        "cgroup b": ({"revert_on_release": True}, {"interval": 30, "monitor": False}),
        "rtnl": ({"on_conflict": "report"}, {"interval": 30}),
        "netfilter inet fw": (
            {"lifetime": "shared", "on_conflict": "replace", "recreate": True},
            {"interval": 60},
        ),
        "netns blue: sysctl": ({"revert_on_release": True}, {"interval": 7}),
        "netns blue: rtnl protocol 80": ({"on_conflict": "replace"}, {"interval": 7}),
    }


def test_what_the_command_says_goes_before_the_file() -> None:
    (part,) = parts_of("[sysctl]\nrevert_on_release = true\n")
    for said, expected in ((None, True), (False, False), (True, True)):
        source: Any = part.source(revert_on_release=said)
        assert source.revert_on_release is expected


def test_what_has_left_the_file_has_the_options_for_all() -> None:
    config = parse(
        "[options]\nrevert_on_release = true\nprotocol = 80\n[netns.blue.options]\ninterval = 9\n"
    )
    for name, pacing in (("sysctl", {}), ("netns blue: sysctl", {"interval": 9}), ("cgroup a", {})):
        part = part_named(name)
        assert part is not None
        left = config.left(part)
        assert (dict(left.options), dict(left.pacing)) == ({"revert_on_release": True}, pacing)
    tagged = part_named("rtnl protocol 81")
    assert tagged is not None
    assert config.left(tagged) == tagged


def test_no_option_is_forgotten() -> None:
    assert set(OPTIONS) == {
        *("interval", "debounce", "monitor", "revert_on_release", "protocol", "lifetime"),
        *("on_conflict", "recreate"),
    }
