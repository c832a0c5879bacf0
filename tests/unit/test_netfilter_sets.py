"""Sets and maps as an author writes them, and what is said of those that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from linx_async import DesiredStateError
from linx_async.netfilter import build as make
from linx_async.netfilter.desired import Elements, KeyType, Object, Rest, Set
from linx_async.netfilter.desired.element import Element
from linx_async.netfilter.desired.elements import END, NOTHING, PLAIN
from linx_async.netfilter.desired.shown import elements_shown, shown, shown_data

COUNTER = bytes.fromhex("100001000c000100636f756e74657200")


def lines(value: Set) -> list[str]:
    return list(elements_shown(value.elements, value.form))


def test_elements_are_written_as_text_numbers_or_addresses() -> None:
    as_text = Set("s", "ipv4_addr", ["10.0.0.1", "10.0.0.2"])
    as_objects = Set("s", "ipv4_addr", [IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")])
    mixed = Set("s", "ipv4_addr", ("10.0.0.1", IPv4Address("10.0.0.2")))
    assert as_text == as_objects == mixed
    assert Set("s", "inet_service", [22, 443]) == Set("s", "inet_service", {"ssh", "https"})
    assert Set("s", "mark", range(3)) == Set("s", "mark", [0, 1, "0x2"])
    six = ["::", "::1", "1::", "2001:DB8::1:2", "1:2:3:4:5:6:7:8", "::ffff:10.0.0.1"]
    assert Set("s", "ipv6_addr", six) == Set("s", "ipv6_addr", map(IPv6Address, six))
    assert Set("s", "time", [timedelta(seconds=5)]) == Set("s", "time", ["5s"])


def test_equal_elements_are_one() -> None:
    assert len(Set("s", "ipv4_addr", ["10.0.0.1", "10.0.0.1"]).elements) == 1
    assert lines(Set("s", "ipv4_addr", ["10.0.0.0/8"] * 2, interval=True)) == ["10.0.0.0/8"]


def test_plain_elements_share_what_they_are_besides() -> None:
    elements = Set("s", "ipv4_addr", ["10.0.0.1", "10.0.0.2"]).elements
    assert all(rest is NOTHING for rest in elements.values())


def test_a_range_is_where_it_begins_and_what_comes_after_it() -> None:
    elements = Set("s", "inet_service", [(10, 20)], interval=True).elements
    assert list(elements) == [END + b"\0\0", PLAIN + b"\0\x0a", END + b"\0\x15"]


def test_a_range_up_to_the_last_value_has_no_end() -> None:
    (key,) = Set("s", "inet_service", [(0, 65535)], interval=True).elements
    assert key == PLAIN + b"\0\0"


def test_ranges_that_touch_stay_apart_unless_they_may_be_joined() -> None:
    ports = [(10, 20), (21, 30)]
    assert lines(Set("s", "inet_service", ports, interval=True)) == ["10-20", "21-30"]
    joined = Set("s", "inet_service", ports, interval=True, auto_merge=True)
    assert lines(joined) == ["10-30"]


def test_ranges_whose_times_differ_are_not_joined() -> None:
    ports = [Element((10, 20), timeout_ms=1000), Element((21, 30), timeout_ms=2000)]
    options: dict[str, Any] = {"interval": True, "auto_merge": True, "timeouts": True}
    assert lines(Set("s", "inet_service", ports, **options)) == [
        "10-20 timeout 1s",
        "21-30 timeout 2s",
    ]
    with pytest.raises(DesiredStateError, match="overlaps"):
        Set("s", "inet_service", [*ports, Element((15, 25), timeout_ms=3000)], **options)


def test_elements_have_the_statements_of_their_set() -> None:
    value = Set("s", "ipv4_addr", ["10.0.0.1"], expressions=COUNTER)
    assert list(value.elements.values()) == [Rest(expressions=COUNTER)]


def test_a_set_notes_for_nft_what_it_is() -> None:
    assert Set("s", "ipv4_addr").userdata == b"\x00\x04\x02\x00\x00\x00"
    assert Set("s", "ipv4_addr", userdata=b"\x63\x00").userdata == b"\x63\x00"
    assert Set("s", KeyType(99, 4)).userdata == b""


def test_elements_of_a_datatype_that_is_not_known_are_bytes() -> None:
    value = Set("s", KeyType(99, 4), [b"\1\2\3\4"])
    assert lines(value) == ["0x01020304"]
    with pytest.raises(DesiredStateError, match="expected 4 bytes of datatype 99"):
        Set("s", KeyType(99, 4), [5])
    with pytest.raises(DesiredStateError, match="ranges of datatype 99"):
        Set("s", KeyType(99, 4), [b"\1\2\3\4"], interval=True)


WRONG: dict[str, tuple[str, Callable[[], object]]] = {
    "no list": ("elements: expected a list", lambda: Set("s", "mark", "5")),
    "no number": (r"elements\[1\]: 'x' is no mark", lambda: Set("s", "mark", [1, "x"])),
    "a bool": (r"elements\[1\]: True is no mark", lambda: Set("s", "mark", [1, True])),
    "no name": (
        r"elements\[0\]: 'sshd' is no inet_service; expected an integer from 0 to 65535, or ftp-d",
        lambda: Set("s", "inet_service", ["sshd"]),
    ),
    "too much": (
        r"elements\[1\]: 65536 is no inet_service: it is not within 0 to 65535",
        lambda: Set("s", "inet_service", [1, 65536]),
    ),
    "too little": ("not within 0 to 65535", lambda: Set("s", "inet_service", [-1])),
    "more bits than it has": ("not within 0 to 63", lambda: Set("s", "dscp", [64])),
    "no address": (
        r"elements\[2\]: '10.0.0.256' is no ipv4_addr: Octet",
        lambda: Set("s", "ipv4_addr", ["10.0.0.1", "10.0.0.2", "10.0.0.256"]),
    ),
    "an address of the other family": (
        "is no ipv4_addr",
        lambda: Set("s", "ipv4_addr", [IPv6Address("::1")]),
    ),
    "an address with a zone": ("no zone", lambda: Set("s", "ipv6_addr", ["fe80::1%eth0"])),
    "a half address": ("is no ipv6_addr", lambda: Set("s", "ipv6_addr", ["1::2::3"])),
    "a network without interval": (
        r"elements\[0\]: '10.0.0.0/8' is a range, which needs interval=True",
        lambda: Set("s", "ipv4_addr", ["10.0.0.0/8"]),
    ),
    "host bits": (
        "10.0.0.1/8 has host bits set",
        lambda: Set("s", "ipv4_addr", ["10.0.0.1/8"], interval=True),
    ),
    "a range backwards": (
        "whose last value comes before its first",
        lambda: Set("s", "inet_service", [(9, 5)], interval=True),
    ),
    "an overlap": (
        r"elements\[2\], '10.1.0.0/16': overlaps elements\[0\], '10.0.0.0/8'; auto_merge=True",
        lambda: Set("s", "ipv4_addr", ["10.0.0.0/8", "9.0.0.0/8", "10.1.0.0/16"], interval=True),
    ),
    "twice with something else": (
        r"elements\[1\], 5: is declared already, by elements\[0\], 5, with something else",
        lambda: Set("s", "mark", [5, Element(5, comment="x")]),
    ),
    "a range twice with something else": (
        r"elements\[1\], 5: is declared already",
        lambda: Set("s", "mark", [5, Element(5, comment="x")], interval=True),
    ),
    "too few parts": (
        r"elements\[0\]: expected 2 parts, ipv4_addr . inet_service, got '10.0.0.1'",
        lambda: Set("s", "ipv4_addr . inet_service", ["10.0.0.1"]),
    ),
    "a wrong part": (
        r"elements\[0\], part 2: 'x' is no inet_service",
        lambda: Set("s", "ipv4_addr . inet_service", [("10.0.0.1", "x")]),
    ),
    "a part that is a range": (
        "part 2: .* is a range, which needs interval=True",
        lambda: Set("s", "ipv4_addr . inet_service", [("10.0.0.1", (1, 2))]),
    ),
    "no interface": ("no name of an interface", lambda: Set("s", "ifname", ["a" * 16])),
    "all interfaces": (
        "no wildcard for all",
        lambda: Set("s", "ifname . mark", [("*", 1)], interval=True),
    ),
    "a range of interfaces": (
        "have no ranges",
        lambda: Set("s", "ifname", [("eth0", "eth5")], interval=True),
    ),
    "a wildcard without interval": ("interval=True", lambda: Set("s", "ifname", ["eth*"])),
    "data in a set": (
        r"elements\[1\]: a set has nothing for its elements, got 2",
        lambda: Set("s", "mark", {1: 2}),
    ),
    "data of an element in a set": (
        r"elements\[0\].data: a set has none",
        lambda: Set("s", "mark", [Element(1, data=2)]),
    ),
    "a value twice": (
        r"elements\[1\].value: is given already, as the key",
        lambda: Set("s", "mark", {1: Element(2)}),
    ),
    "no data in a map": (
        r"elements\[0\]: a map needs something for each key",
        lambda: Set("m", "mark", [1], data="mark"),
    ),
    "wrong data": (
        r"elements\['10.0.0.1'\]: 'x' is no mark",
        lambda: Set("m", "ipv4_addr", {"10.0.0.1": "x"}, data="mark"),
    ),
    "no verdict": (
        r"elements\[22\]: expected accept, drop, return, continue, jump CHAIN or goto CHAIN, got",
        lambda: Set("m", "inet_service", {22: "acept"}, data="verdict"),
    ),
    "no object": (
        r"elements\[22\]: expected text, got 5",
        lambda: Set("m", "inet_service", {22: 5}, objects="counter"),
    ),
    "a timeout without timeouts": (
        r"elements\[0\].timeout_ms: needs a set with timeouts=True",
        lambda: Set("s", "mark", [Element(5, timeout_ms=5)]),
    ),
    "no datatype": ("type: 'ipv4' is no datatype", lambda: Set("s", "ipv4")),
    "verdicts as keys": ("type: verdicts are no keys", lambda: Set("s", "verdict")),
    "too many parts": ("more than 5 parts", lambda: Set("s", " . ".join(["mark"] * 6))),
    "too many bytes": ("takes 80 bytes", lambda: Set("s", " . ".join(["ipv6_addr"] * 5))),
    "a wrong comment": ("comment: expected text", lambda: Element(5, comment="a\0")),
    "no time": ("timeout_ms: expected an integer", lambda: Element(5, timeout_ms=0)),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_with_its_place_and_value(what: str) -> None:
    message, build = WRONG[what]
    with pytest.raises(DesiredStateError, match=message):
        build()


def test_a_set_grows_and_shrinks_by_a_few_elements() -> None:
    value = Set("s", "ipv4_addr", ["10.0.0.1", "10.0.0.2"])
    more = value.adding(["10.0.0.3"])
    assert more == Set("s", "ipv4_addr", ["10.0.0.1", "10.0.0.2", "10.0.0.3"])
    assert more.elements.delta_from(value.elements) == ({PLAIN + b"\n\0\0\3": NOTHING}, {})
    assert more.removing(["10.0.0.3"]) == value
    assert more.removing(["10.0.0.3"]).elements.delta_from(value.elements) == ({}, {})


def test_an_element_that_becomes_something_else_is_removed_and_added() -> None:
    value = Set("s", "mark", [1, 2])
    other = value.removing([1]).adding([Element(1, comment="x")])
    assert other.changes_from(value) == (
        {PLAIN + b"\1\0\0\0": Rest(comment="x")},
        {PLAIN + b"\1\0\0\0": NOTHING},
    )


def test_a_range_that_grows_is_removed_and_added_whole() -> None:
    value = Set("s", "inet_service", [(10, 20), 50], interval=True, auto_merge=True)
    changes = value.adding([(21, 30)]).changes_from(value)
    assert changes == (
        {PLAIN + b"\0\x0a": NOTHING, END + b"\0\x1f": NOTHING},
        {PLAIN + b"\0\x0a": NOTHING, END + b"\0\x15": NOTHING},
    )


def test_sets_that_were_not_made_of_each_other_have_no_quick_way() -> None:
    one, other = Set("s", "mark", [1]), Set("s", "mark", [1])
    assert one.elements.delta_from(other.elements) is None
    assert one.changes_from(other) is None
    assert one == other


def test_the_way_back_is_known_for_many_steps_but_not_for_ever() -> None:
    first = Set("s", "mark", range(100))
    steps = [first]
    for number in range(200):
        steps.append(steps[-1].adding([1000 + number]))
    last = steps[-1]
    assert len(last.elements) == 300
    assert last.elements.delta_from(first.elements) is None
    delta = last.elements.delta_from(steps[-50].elements)
    assert delta is not None
    assert len(delta[0]) == 49
    assert last == Set("s", "mark", [*range(100), *range(1000, 1200)])


def test_elements_are_a_mapping_however_they_were_made() -> None:
    base = Elements({PLAIN + bytes((n,)): NOTHING for n in range(5)})
    other = Elements.derived(base, {b"\0x": Rest(comment="x")}, {b"\0\1": None, b"\0?": None})
    assert len(other) == len(list(other)) == 5
    assert b"\0\1" not in other
    assert b"\0\2" in other
    assert other[b"\0x"].comment == "x"
    with pytest.raises(KeyError):
        other[b"\0\1"]
    assert hash(other) == hash(Elements(dict(other)))
    assert b"\0\1" in base


WRONG_CHANGES: dict[str, tuple[str, Callable[[Set], object]]] = {
    "an overlap": (
        r"entries\[0\], \(15, 25\): overlaps 10-20, which is there already",
        lambda value: value.adding([(15, 25)]),
    ),
    "a part of a range": (
        r"entries\[0\], \(10, 12\): is not in the set; 10-20 is",
        lambda value: value.removing([(10, 12)]),
    ),
    "what is not there": (r"entries\[0\], 5: is not in the set", lambda value: value.removing([5])),
    "all else": ("'\\*' is not in the set", lambda value: value.removing(["*"])),
    "no value": (r"entries\[0\]: 'x' is no inet_service", lambda value: value.adding(["x"])),
}


@pytest.mark.parametrize("what", WRONG_CHANGES)
def test_changes_that_cannot_be_are_named(what: str) -> None:
    message, change = WRONG_CHANGES[what]
    with pytest.raises(DesiredStateError, match=message):
        change(Set("s", "inet_service", [(10, 20), 50], interval=True))


def test_keys_that_are_there_with_something_else_are_named() -> None:
    value = Set("m", "mark", {1: "accept"}, data="verdict")
    with pytest.raises(DesiredStateError, match=r"entries\[1\], 1: is there already"):
        value.adding({1: "drop"})
    with pytest.raises(DesiredStateError, match="2: is not in the set"):
        value.removing([2])
    assert value.adding({1: "accept"}) == value


def test_elements_are_shown_as_nft_writes_them() -> None:
    value = Set(
        "m",
        "ipv4_addr",
        {
            "10.0.0.0/8": Element(data="jump web", timeout_ms=90_000, comment="x"),
            "192.0.2.1-192.0.2.3": "accept",
            "255.0.0.0/8": "drop",
            "*": "return",
        },
        data="verdict",
        interval=True,
        timeouts=True,
    )
    assert lines(value) == [
        '10.0.0.0/8 timeout 1m30s comment "x" : jump web',
        "192.0.2.1-192.0.2.3 : accept",
        "255.0.0.0/8 : drop",
        "* : return",
    ]
    of_objects = Set("m", "mark", {1: "c"}, objects="counter")
    assert lines(of_objects) == ['0x00000001 : "c"']
    pairs = Set("s", "tcp_flag . ct_state", [("syn | ack", "new"), (0, 0x80)])
    assert lines(pairs) == ["syn | ack . new", "0 . 0x80"]


def test_keys_and_data_of_any_bytes_are_shown() -> None:
    assert shown(b"\1\2\3", KeyType(7, 4)) == "0x010203"
    assert shown(b"\0\x16", KeyType(13, 2)) == "22"
    assert shown(b"\1\2\3\4", KeyType(4, 4)) == "0x01020304"
    assert shown_data(b"junk", KeyType(7, 4)) == "0x6a756e6b"


def test_ranges_of_a_datatype_that_is_not_known_are_shown_as_numbers() -> None:
    form = Set("s", KeyType(4, 2), interval=True).form
    elements = {PLAIN + b"\0\x0a": NOTHING, END + b"\0\x0c": NOTHING}
    assert list(elements_shown(elements, form)) == ["10-11"]


def test_a_part_of_ranges_is_shown_for_what_it_is() -> None:
    form = Set("s", "inet_service", interval=True).form
    assert list(elements_shown({PLAIN + b"\0\x0a": NOTHING}, form)) == ["10"]
    assert list(elements_shown({END + b"\0\x0a": NOTHING}, form)) == ["the end of a range at 9"]


WRONG_OBJECTS: dict[str, tuple[str, Callable[[], Object]]] = {
    "fewer than no bytes": ("expected an integer from 0", lambda: make.quota_object("a", -1)),
    "no rate": ("rate: expected an integer from 1", lambda: make.limit_object("a", 0)),
    "no unit of time": ("per: expected one of second", lambda: make.limit_object("a", 1, "month")),
    "no unit": ("unit: expected one of packets", lambda: make.limit_object("a", 1, unit="bits")),
    "no helper": ("helper: is empty", lambda: make.ct_helper("a", "", "tcp")),
    "no protocol": ("protocol: expected one of tcp", lambda: make.ct_helper("a", "ftp", "icmp")),
    "no state": ("policy: expected one of", lambda: make.ct_timeout("a", "udp", {"close": 5})),
    "no seconds": ("policy\\['replied'\\]", lambda: make.ct_timeout("a", "udp", {"replied": 0})),
    "no mapping": (
        "policy: expected seconds by state",
        lambda: make.ct_timeout("a", "udp", [5]),  # type: ignore[arg-type]
    ),
    "no family": (
        "family: expected ip or ip6",
        lambda: make.ct_expectation("a", "tcp", 5, 5, 5, family="inet"),
    ),
    "no context": ("context: is empty", lambda: make.secmark("a", "")),
    "no scale": ("wscale: expected an integer from 0 to 14", lambda: make.synproxy("a", 1460, 15)),
}


@pytest.mark.parametrize("what", WRONG_OBJECTS)
def test_what_is_wrong_with_an_object_is_named(what: str) -> None:
    message, build = WRONG_OBJECTS[what]
    with pytest.raises(DesiredStateError, match=message):
        build()


def test_a_security_context_is_text() -> None:
    assert make.secmark("a", "system_u:object_r:x_t:s0").body[4:-1].rstrip(b"\0").endswith(b":s0")


# Sizes


def test_a_set_has_no_more_elements_than_it_has_room_for() -> None:
    with pytest.raises(DesiredStateError, match="size: 1 is less than the 2 elements"):
        Set("s", "ipv4_addr", ["10.0.0.1", "10.0.0.2"], size=1)
    assert Set("s", "ipv4_addr", ["10.0.0.1", "10.0.0.1", "*"], size=1).size == 1


def test_nor_does_it_get_more() -> None:
    full = Set("s", "ipv4_addr", ["10.0.0.1"], size=1)
    assert full.adding(["10.0.0.1"]) == full
    with pytest.raises(DesiredStateError, match="size: 1 is less than the 2 elements"):
        full.adding(["10.0.0.2"])
    assert full.removing(["10.0.0.1"]).adding(["10.0.0.2"]).size == 1


@pytest.mark.parametrize(
    "ranges", [[(10, 20), (21, 30)], [(0, 5), (10, 20)], [(10, 20), (30, 65535)], [(1, 2), (0, 0)]]
)
def test_a_range_takes_the_room_of_one_element(ranges: list[tuple[int, int]]) -> None:
    assert Set("s", "inet_service", ranges, interval=True, size=2).size == 2
    with pytest.raises(DesiredStateError, match="size: 1 is less than the 2 elements"):
        Set("s", "inet_service", ranges, interval=True, size=1)


def test_a_constant_set_that_has_just_room_for_its_own_gets_room_for_more() -> None:
    fixed = Set("s", "inet_service", [22], constant=True)
    assert (fixed.size, fixed.adding([80]).size) == (1, 2)
