"""What `linx monitor` is asked for, and the events it makes of what the kernel tells."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from linx_async import DesiredStateError, Hint, netfilter, rtnl
from linx_async._flat.observed import Observed
from linx_async.cli.events import Event
from linx_async.cli.monitor_cgroup import is_listened_to
from linx_async.cli.monitor_firewall import FirewallStory
from linx_async.cli.monitor_network import NetworkStory
from linx_async.cli.monitor_values import Values
from linx_async.cli.monitor_wanted import Wanted, sources_of
from linx_async.cli.telling import Telling, event_fields
from linx_async.config import parse
from linx_async.rtnl import Announcement, ObservedLink
from linx_async.rtnl.monitor import Kind

REPLACE, APPEND = 0x100, 0x800
ALL: tuple[Kind, ...] = ("link", "address", "route", "rule", "neighbour", "nexthop")
LINK: dict[str, Any] = {
    "index": 3, "name": "one", "kind": "veth", "up": False, "mtu": 1500, "address": "",
    "permanent_address": "", "master": 0, "parent": 0, "link_netnsid": None, "alias": "",
    "altnames": frozenset({"b", "a"}), "group": 0, "flags": 0x1002, "operstate": "down",
    "data": b"\1", "unknown": (),
}  # fmt: skip


def link(**fields: Any) -> ObservedLink:
    return ObservedLink(**{**LINK, **fields})


def new(kind: Any, value: Any, flags: int = 0, port: int = 0) -> Announcement:
    return Announcement("new", kind, value, flags, port)


def gone(kind: Any, value: Any) -> Announcement:
    return Announcement("del", kind, value, 0, 0)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ([], Wanted(ALL, None)),
        (["rtnl"], Wanted(ALL)),
        (["route", "link", "route"], Wanted(("link", "route"))),
        (["netfilter"], Wanted(firewall=True)),
        (["sysctl:net.ipv4", "cgroup:a/b"], Wanted(keys=("net.ipv4",), cgroups=("a/b",))),
        (["cgroup:a:b"], Wanted(cgroups=("a:b",))),
    ],
)
def test_words_say_what_is_listened_to(words: list[str], wanted: Wanted) -> None:
    assert Wanted.of(words, has_file=False) == wanted


def test_a_file_adds_its_sysctls_and_cgroups_where_nothing_or_they_are_named() -> None:
    both = frozenset({"sysctl", "cgroup"})
    assert Wanted.of([], has_file=True) == Wanted(ALL, None, of_file=both)
    assert Wanted.of(["cgroup"], has_file=True) == Wanted(of_file=frozenset({"cgroup"}))
    assert Wanted.of(["rule"], has_file=True) == Wanted(("rule",))


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("lnik", "did you mean link?"),
        ("sysctl", "sysctl: say which, as in sysctl:net.ipv4.ip_forward, or give --file"),
        ("cgroup", "cgroup: say which, as in cgroup:myorg/web-42, or give --file"),
        ("cgroup:", "'cgroup:' is nothing to listen to"),
        ("netfilter:inet", "'netfilter:inet' is nothing to listen to"),
    ],
)
def test_a_word_that_asks_for_nothing_is_refused(word: str, message: str) -> None:
    with pytest.raises(DesiredStateError) as refused:
        Wanted.of([word], has_file=False)
    assert message in str(refused.value)


def test_a_file_says_which_keys_and_which_cgroups() -> None:
    config = parse('[sysctl]\nnet.ipv4.ip_forward = 1\n[cgroup."a/b"]\npids.max = 5\n', file="x")
    found = sources_of(Wanted.of([], has_file=True), None, config)
    assert [(each.listener.about, each.optional) for each in found] == [
        ("rtnl", False),
        ("netfilter", True),
        ("sysctl (net.ipv4.ip_forward)", False),
        ("cgroup a/b", False),
    ]


def test_a_link_is_new_once_and_then_it_is_told_what_changed() -> None:
    story = NetworkStory("rtnl")
    assert story.of(new("link", link())).kind == "added"
    changed = story.of(new("link", link(up=True, mtu=1400, flags=0x1003, operstate="up")))
    assert changed.kind == "changed"
    assert changed.text.endswith("(was down, mtu was 1500, state was down)")
    assert dict(changed.fields)["was"] == {"up": False, "mtu": 1500, "operstate": "down"}
    same = link(up=True, mtu=1400, flags=0x1103, operstate="up")
    assert story.of(new("link", same)).text.endswith("(flags were 0x1003)")
    assert story.of(new("link", same)).text.endswith("state up")
    assert story.of(gone("link", same)).kind == "deleted"
    assert story.of(new("link", same)).kind == "added"


def test_what_there_was_before_changes() -> None:
    story = NetworkStory("rtnl")
    address = rtnl.Address("one", "10.0.0.1/24")
    neighbour = rtnl.Neighbour("one", "10.0.0.9", "02:00:00:00:00:01")
    story.learn(
        rtnl.Observed(
            links={"one": link()},
            addresses=(address,),
            neighbours=(neighbour,),
            nexthops=(rtnl.Nexthop(7, blackhole=True),),
        )
    )
    known = [
        ("address", address),
        ("neighbour", neighbour),
        ("nexthop", rtnl.Nexthop(7, gateway="10.0.0.9", interface="one")),
        ("link", link()),
    ]
    assert {story.of(new(kind, value)).kind for kind, value in known} == {"changed"}
    assert {story.of(gone(kind, value)).kind for kind, value in known} == {"deleted"}
    assert {story.of(new(kind, value)).kind for kind, value in known} == {"added"}


def test_what_is_on_a_link_stays_known_when_that_is_renamed() -> None:
    story = NetworkStory("rtnl")
    story.of(new("link", link()))
    story.of(new("address", rtnl.Address("one", "10.0.0.1/24")))
    assert story.of(new("link", link(name="uno"))).text.endswith("(name was one)")
    assert story.of(new("address", rtnl.Address("uno", "10.0.0.1/24"))).kind == "changed"
    story.of(gone("link", link(name="uno")))
    assert story.of(new("address", rtnl.Address("uno", "10.0.0.1/24"))).kind == "added"


def test_a_route_changes_where_it_took_a_place_or_has_one_more_way() -> None:
    story = NetworkStory("rtnl")
    route = rtnl.Route("10.1.0.0/16", "10.0.0.9")
    six = rtnl.Route("fd01::/64", nexthops=["fd00::8", "fd00::9"])
    assert story.of(new("route", route)).kind == "added"
    replaced = story.of(new("route", route, REPLACE, 4711))
    assert replaced.kind == "changed"
    assert replaced.text == "changed route 10.1.0.0/16 via 10.0.0.9 (port 4711)"
    assert story.of(new("route", route, APPEND)).kind == "added"
    assert story.of(new("route", six, APPEND)).kind == "changed"
    rule = rtnl.Rule(7, 100)
    assert [story.of(new("rule", rule)).kind for _ in range(2)] == ["added", "added"]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("link", link()),
        ("address", rtnl.Address("one", "10.0.0.1/24")),
        ("route", rtnl.Route("10.1.0.0/16", nexthops=["10.0.0.8", "10.0.0.9"])),
        ("rule", rtnl.Rule(7, 100, source="10.0.0.0/8")),
        ("neighbour", rtnl.Neighbour("one", "fd00::9", "02:00:00:00:00:01")),
        ("nexthop", rtnl.Nexthop(7, group=[(1, 1), (2, 3)])),
    ],
)
def test_every_kind_has_its_fields_in_json(kind: str, value: Any) -> None:
    event = NetworkStory("rtnl").of(new(kind, value))
    assert len(event.fields) == len(list(event.fields))
    fields = json.loads(json.dumps(dict(event.fields)))
    assert (fields["what"], fields["port"]) == (kind, None)
    shown = {"link": "name", "route": "destination", "rule": "priority", "nexthop": "id"}
    assert fields["value"][shown.get(kind, "interface")]


def test_what_is_lost_is_told_and_a_field_that_is_none_is_no_field() -> None:
    story = NetworkStory("netns blue: rtnl")
    lost = story.of(rtnl.Lost("the buffer was full"))
    assert (lost.kind, lost.text) == ("lost", "some were lost: the buffer was full")
    with pytest.raises(KeyError):
        story.of(new("rule", rtnl.Rule(7, 100))).fields["none"]


def change(verb: Any, kind: Any, name: str = "x", value: Any = None) -> netfilter.Announcement:
    return netfilter.Announcement(verb, kind, "inet", "fw", name, 4, value)


def test_a_transaction_is_an_event_for_each_change() -> None:
    story = FirewallStory("netfilter")
    elements = netfilter.Elements({b"\0\1\2\3\4": netfilter.Rest()})
    head = netfilter.SetHead(netfilter.Set("s", "ipv4_addr"), "s", 5, False)
    changes = (
        change("new", "object"),
        change("new", "object"),
        change("new", "elements", "s", elements),
        change("new", "set", "s", head),
        change("new", "elements", "s", elements),
        change("del", "object"),
        change("new", "object"),
    )
    told = story.of(netfilter.Transaction(12, 4711, "nft", changes))
    kinds = [event.kind for event in told]
    assert kinds == ["added", "changed", "added", "added", "added", "deleted", "added"]
    assert told[0].text == "added object inet fw x (handle 4) by nft (pid 4711), generation 12"
    # A set that was not announced has keys of an unknown type.
    assert "inet fw s: 1 of them" in told[2].text
    assert "inet fw s: 1.2.3.4 (handle 4) by nft" in told[4].text
    assert all(event.fields["program"] == "nft" for event in told)


def test_a_transaction_without_a_change_that_is_known_is_a_hint() -> None:
    story = FirewallStory("netfilter")
    (event,) = story.of(netfilter.Transaction(12, 4711, "", ()))
    assert event.kind == "hint"
    assert event.text.endswith("by somebody (pid 4711), generation 12")
    (lost,) = story.of(netfilter.Lost("the buffer was full", 14))
    assert lost.kind == "lost"


def test_values_tell_what_became_of_them() -> None:
    values = Values("sysctl")
    values.learn(Observed({"a": "0", "b": "x"}, absent={"c": "not there"}))
    (waiting,) = values.lacking(["a", "c"])
    assert waiting.text == "waiting: c: not there"
    written = Hint("a was written", frozenset({"a"}))
    told = values.changes(Observed({"a": "1", "c": "5"}, absent={"b": "it went"}), written)
    assert [event.text for event in told] == [
        "changed a = 1 (was 0)",
        "deleted b: it went",
        "added c = 5",
    ]
    (hint,) = values.changes(Observed({"a": "1", "c": "5"}, absent={"b": "it went"}), written)
    assert (hint.kind, hint.text) == ("hint", "a was written: still a = 1")
    lost, changed = values.changes(Observed({"a": "2", "c": "5"}), Hint("overflow", lost=True))
    assert (lost.kind, changed.kind) == ("lost", "changed")


def test_of_counters_those_are_told_that_changed() -> None:
    values = Values("cgroup a")
    values.learn(Observed({"memory.events": "low 0\noom 1", "io.max": ""}))
    told = values.changes(
        Observed({"memory.events": "low 0\noom 2", "io.max": "8:0 rbps=1\n8:16 rbps=2"}),
        Hint("x"),
    )
    assert [event.text for event in told] == [
        "changed memory.events: oom 2 (was 1)",
        'changed io.max = 8:0 rbps=1; 8:16 rbps=2 (was "")',
    ]


@pytest.mark.parametrize(
    ("name", "is_told"),
    [
        ("memory.max", True),
        ("memory.events", True),
        ("memory.events.local", True),
        ("cgroup.events", True),
        ("memory.current", False),
        ("memory.swap.peak", False),
        ("memory.numa_stat", False),
        ("cpu.stat.local", False),
        ("io.pressure", False),
        ("cgroup.pressure", True),
        ("cgroup.procs", False),
    ],
)
def test_files_that_change_all_the_time_are_not_listened_to(name: str, is_told: bool) -> None:
    assert is_listened_to(name) is is_told


@pytest.mark.anyio
async def test_what_cannot_be_written_in_time_is_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    telling = Telling(as_json=True, most=2)
    telling.put(*(Event("hint", "x", str(number)) for number in range(5)))
    telling.end()
    await telling.write()
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["text"] for each in told] == ["3 events could not be written in time", "0", "1"]
    assert (told[0]["event"], told[0]["count"]) == ("lost", 3)


def test_an_event_has_its_fields_beside_the_time() -> None:
    event = NetworkStory("rtnl").of(new("rule", rtnl.Rule(7, 100), port=9))
    found = event_fields(datetime(2026, 1, 2, tzinfo=UTC), event)
    assert list(found) == ["time", "event", "part", "what", "value", "was", "port", "text"]
    assert found["port"] == 9
