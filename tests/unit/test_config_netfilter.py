"""What the file may say of firewall tables where nft is not asked, and what is wrong with that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from linx_async import SourceError
from linx_async.config import ConfigError, Part, parse
from linx_async.config.host import part_named
from linx_async.netfilter import Chain, Flowtable, Set, Table, Text
from linx_async.netfilter.build import counter_object, limit_object, quota_object
from linx_async.netfilter.desired.element import Element
from linx_async.netfilter.text import compiler
from tests.config_problems import lines_of_problems, told_of


def no_nft(*_: Any) -> Any:
    raise SourceError("there is no program nft: install nftables")


@pytest.fixture(autouse=True)
def without_nft(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here may depend on whether it is installed."""
    monkeypatch.setattr(compiler, "find", no_nft)


def table_of(text: str) -> Any:
    (part,) = parse(text).parts
    return part.desired


def test_a_table_is_written_chain_by_chain_and_set_by_set() -> None:
    text = """\
[netfilter.inet.fw]
comment = "ours"
dormant = true

[netfilter.inet.fw.chains.input]
hook = "input"
priority = "filter - 5"
policy = "drop"
comment = "the door"

[netfilter.inet.fw.chains.services]

[netfilter.inet.fw.sets.blocked]
type = "ipv4_addr"
interval = true
elements = ["10.0.0.0/8", ["192.0.2.1", "192.0.2.9"]]

[netfilter.inet.fw.counters.web]
[netfilter.inet.fw.quotas.month]
number = 10
unit = "mbytes"
over = true
[netfilter.inet.fw.limits.slowly]
rate = 10
per = "minute"

[netfilter.inet.fw.flowtables.fast]
devices = ["eth0", "eth1"]
flags = 2
"""
    assert table_of(text) == Table(
        "inet",
        "fw",
        [
            Chain("input", hook="input", priority=-5, policy="drop", comment="the door"),
            Chain("services"),
        ],
        [
            Set(
                "blocked",
                "ipv4_addr",
                ["10.0.0.0/8", ("192.0.2.1", "192.0.2.9")],
                interval=True,
            )
        ],
        [
            counter_object("web"),
            quota_object("month", 10, "mbytes", over=True),
            limit_object("slowly", 10, "minute"),
        ],
        [Flowtable("fast", ["eth0", "eth1"], flags=2)],
        comment="ours",
        dormant=True,
    )


def test_elements_may_have_more_than_their_value() -> None:
    text = """\
[netfilter.inet.fw.sets.seen]
type = "ipv4_addr . inet_service"
timeouts = true
elements = [["192.0.2.1", 80], {value = ["192.0.2.1", 81], timeout_ms = 1000, comment = "a"}]
[netfilter.inet.fw.sets.ports]
type = "inet_service"
data = "verdict"
elements = {80 = "accept", 22 = {data = "jump services", comment = "b"}}
[netfilter.inet.fw.sets.other]
type = "inet_service"
data = "verdict"
elements = [{value = 80, data = "drop"}]
[netfilter.inet.fw.chains.services]
"""
    seen, ports, other = table_of(text).sets
    kinds: Any = "ipv4_addr . inet_service"
    more = Element(("192.0.2.1", 81), timeout_ms=1000, comment="a")
    assert seen == Set("seen", kinds, [("192.0.2.1", 80), more], timeouts=True)
    mapped = {"80": "accept", "22": Element(data="jump services", comment="b")}
    assert ports == Set("ports", "inet_service", mapped, data="verdict")
    assert other == Set("other", "inet_service", {80: "drop"}, data="verdict")


def test_tables_are_parts_of_their_own_and_have_their_own_options() -> None:
    first, second = parse("""\
[netfilter]
on_conflict = "replace"
recreate = true
[netfilter.inet.fw]
lifetime = "shared"
[netfilter.ip."my nat"]
on_conflict = "report"
""").parts
    assert (first.name, second.name) == ("netfilter inet fw", "netfilter ip my nat")
    one: Any = first.source()
    assert (one.lifetime, one.on_conflict, one.recreate) == ("shared", "replace", True)
    other: Any = second.source(revert_on_release=True)
    assert (other.lifetime, other.on_conflict, other.recreate) == ("persist", "report", True)


def test_an_empty_section_has_no_parts() -> None:
    assert parse("[netfilter]").parts == ()


@pytest.mark.parametrize("name", ["netfilter inet fw", "netfilter ip my nat"])
def test_a_part_that_has_left_the_file_desires_no_table(name: str) -> None:
    part = part_named(name)
    assert part is not None
    assert part.name == name
    assert not part.desired
    assert part.source().check(part.desired) is None


@pytest.mark.parametrize("name", ["netfilter", "netfilter inet", "netfilter inet6 fw"])
def test_what_is_no_table_has_no_part(name: str) -> None:
    assert part_named(name) is None


def test_a_rule_is_text_that_nft_is_asked_about() -> None:
    text = '[netfilter.ip.a.chains.c]\nrules = ["accept"]'
    assert told_of(text) == [
        "host.toml:1: [netfilter.ip.a]: there is no program nft: install nftables"
    ]
    assert told_of("[netfilter]\ntext = 'table ip a {}'") == [
        "host.toml:2: [netfilter] text: there is no program nft: install nftables"
    ]


def test_only_a_table_that_is_right_is_shown_to_nft() -> None:
    text = '[netfilter.ip.a.chains.c]\nrules = ["accept"]\npolicy = "drop"'
    assert told_of(text) == [
        "host.toml:3: [netfilter.ip.a.chains.c] policy: chain 'c' has none without a hook"
    ]


def test_rules_stay_text_until_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("linx_async.config.nft_text.complaints_of", lambda *_: [])
    made = table_of('[netfilter.ip.a.chains.c]\nrules = [" accept "]')
    assert made.chains[0].rules == (Text("accept"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[netfilter]\nlifetime = 'for ever'",
            "2: [netfilter] lifetime: expected one of persist, socket, shared, got 'for ever'",
        ),
        (
            "[netfilter.ip.a]\nrecreate = 1",
            "2: [netfilter.ip.a] recreate: expected true or false, got 1",
        ),
        (
            "[netfilter]\nlifetim = 1",
            "2: [netfilter] lifetim: unknown key; did you mean lifetime?",
        ),
        (
            "[netfilter.fw]",
            "1: [netfilter] fw: unknown key; the family comes first: [netfilter.inet.fw]",
        ),
        (
            "[netfilter]\nzz = 1",
            (
                "2: [netfilter] zz: unknown key; known are lifetime, on_conflict, recreate, "
                "interval, debounce, monitor, text, file, inet, ip, arp, netdev, bridge, ip6"
            ),
        ),
        (
            "[netfilter]\ninet = 1",
            "2: [netfilter] inet: expected a table for each, [netfilter.inet.NAME], got 1",
        ),
        (
            "[netfilter.inet]\nfw = 1",
            "2: [netfilter] inet.fw: expected a table for each, [netfilter.inet.NAME], got 1",
        ),
        (
            "[[netfilter]]",
            "1: [netfilter]: expected a table, [netfilter], got an array",
        ),
        (
            "[netfilter]\ntext = 1",
            "2: [netfilter] text: expected text in nft's syntax, got 1",
        ),
        (
            "[netfilter]\nfile = ''",
            "2: [netfilter] file: expected the name of a file, got ''",
        ),
        (
            "[netfilter]\nfile = 'a'\ntext = 'b'",
            "2: [netfilter] file: give either text or file",
        ),
        (
            "[netfilter]\nfile = '/none.nft'",
            "2: [netfilter] file: /none.nft: cannot be read: No such file or directory",
        ),
        (
            "[netfilter.ip.a]\ncoment = 'x'",
            "2: [netfilter.ip.a] coment: unknown field; did you mean comment?",
        ),
        (
            "[netfilter.ip.a]\nchain = 1",
            "2: [netfilter.ip.a] chain: unknown field; did you mean chains?",
        ),
        (
            "[netfilter.ip.a]\nchains = 1",
            (
                "2: [netfilter.ip.a] chains: expected a table for each, "
                "[netfilter.ip.a.chains.NAME], got 1"
            ),
        ),
        (
            "[netfilter.ip.a.chains]\nc = 1",
            (
                "2: [netfilter.ip.a] chains.c: expected a table for each, "
                "[netfilter.ip.a.chains.NAME], got 1"
            ),
        ),
        (
            "[netfilter.ip.a.chains.c]\nrule = []",
            "2: [netfilter.ip.a.chains.c] rule: unknown field; did you mean rules?",
        ),
        (
            "[netfilter.ip.a.chains.c]\nrules = 'accept'",
            "2: [netfilter.ip.a.chains.c] rules: expected a list, got 'accept'",
        ),
        (
            "[netfilter.ip.a.chains.c]\nhook = 'ingress'",
            (
                "2: [netfilter.ip.a.chains.c] hook: a table of family ip has no hook 'ingress'; "
                "it has prerouting, input, forward, output, postrouting"
            ),
        ),
        (
            "[netfilter.arp.a.chains.c]\nhook = 'input'\npriority = 'mangle'",
            (
                "3: [netfilter.arp.a.chains.c] priority: 'mangle' is no priority of family arp: "
                "a number, or filter"
            ),
        ),
        (
            "[netfilter.ip.a.sets.s]",
            "1: [netfilter.ip.a.sets.s]: lacks type",
        ),
        (
            "[netfilter.ip.a.sets.s]\ntype = 'mark'\nelements = [1,\n 'x']",
            "4: [netfilter.ip.a.sets.s] elements[1]: ",
        ),
        (
            "[netfilter.ip.a.sets.s]\ntype = 'mark'\nelements = [{valu = 1}]",
            "3: [netfilter.ip.a.sets.s] elements[0].valu: unknown field; did you mean value?",
        ),
        (
            "[netfilter.ip.a.sets.s]\ntype = 'mark'\nuserdata = ''",
            "3: [netfilter.ip.a.sets.s] userdata: unknown field",
        ),
        (
            "[netfilter.ip.a.quotas.q]\nnumber = -1",
            "1: [netfilter.ip.a.quotas.q]: quota: expected an integer from 0 to ",
        ),
        (
            "[netfilter.bridge.a.flowtables.f]",
            "1: [netfilter.bridge.a.flowtables.f]: a table of family bridge has no flowtables",
        ),
        (
            "[netfilter.ip.a]\ntext = 'x'\nchains = {}",
            (
                "3: [netfilter.ip.a] chains: a table is either text or file, or chains, sets "
                "and so on"
            ),
        ),
        ("[netfitler]", "1: [netfitler]: unknown section; did you mean [netfilter]?"),
    ],
)
def test_a_mistake_is_told_so_that_it_can_be_mended(text: str, message: str) -> None:
    assert told_of(text)[-1].startswith(f"host.toml:{message}")


def test_all_that_is_wrong_is_told_at_once_each_in_its_place() -> None:
    text = """\
[netfilter]
lifetime = "x"
[netfilter.ip.a]
recreate = 1
comment = 2
[netfilter.ip.a.chains.c]
hook = "input"
policy = "maybe"
rules = ["accept", 1,
  ""]
[netfilter.ip.a.sets.s]
type = "x"
size = -1
[netfilter.ip6.a.chains.c]
hook = "ingress"
"""
    assert [line.split(": ")[:2] for line in told_of(text)] == [
        ["host.toml:2", "[netfilter] lifetime"],
        ["host.toml:4", "[netfilter.ip.a] recreate"],
        ["host.toml:5", "[netfilter.ip.a] comment"],
        ["host.toml:8", "[netfilter.ip.a.chains.c] policy"],
        ["host.toml:9", "[netfilter.ip.a.chains.c] rules[1]"],
        ["host.toml:10", "[netfilter.ip.a.chains.c] rules[2]"],
        ["host.toml:12", "[netfilter.ip.a.sets.s] type"],
        ["host.toml:15", "[netfilter.ip6.a.chains.c] hook"],
    ]


ODD = ["1.5", "-1", "[]", "[[1]]", "{a = 1}", "{}", "1979-05-27", '""', '"\\u0000"', "true", "nan"]
FIELDS = {
    "": ("comment", "dormant", "lifetime", "chains", "sets", "counters", "flowtables", "text"),
    ".chains.c": ("rules", "hook", "type", "priority", "policy", "devices", "offload", "comment"),
    ".sets.s": ("type", "elements", "data", "objects", "interval", "timeout_ms", "size"),
    ".quotas.q": ("number", "unit", "over", "comment"),
    ".limits.l": ("rate", "per", "unit", "burst", "burst_unit", "over"),
    ".flowtables.f": ("devices", "priority", "flags"),
}


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("place", FIELDS)
def test_no_value_of_any_field_is_more_than_a_mistake(place: str, value: str) -> None:
    for field in FIELDS[place]:
        for before in ("", 'hook = "input"\n') if place == ".chains.c" else ("",):
            if not before.startswith(field):
                text = f"[netfilter.inet.a{place}]\n{before}{field} = {value}\n"
                assert lines_of_problems(text) <= {1, 2, 3}


def test_files_are_named_from_the_directory_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        parse("[netfilter]\nfile = 'fw.nft'", file=str(tmp_path / "host.toml"))
    assert f"{tmp_path}/fw.nft: cannot be read" in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        parse("[netfilter]\nfile = 'fw.nft'", file="/dev/stdin")
    assert "[netfilter] file: fw.nft: cannot be read" in str(caught.value)


def test_the_namespace_is_shared_by_parts_that_differ_in_what_they_have_of_it() -> None:
    shares = [part.share for part in (Part("sysctl"), Part("netfilter", "inet fw"))]
    assert len(set(shares)) == 2
