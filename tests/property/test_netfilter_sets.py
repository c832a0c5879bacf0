"""Elements of sets: whichever way they are written, grown, shrunk and shown, they are the same."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from linx_async import DesiredStateError
from linx_async.netfilter.desired import Elements, Rest, Set
from linx_async.netfilter.desired.datatypes import DATATYPES
from linx_async.netfilter.desired.element import Element
from linx_async.netfilter.desired.elements import CATCHALL, END, NOTHING, PLAIN
from linx_async.netfilter.desired.shown import elements_shown, shown
from linx_async.netfilter.desired.values import to_range

MOST = 63
SPANS = st.lists(st.tuples(st.integers(0, MOST), st.integers(0, MOST)).map(sorted).map(tuple))
EDITS = st.lists(
    st.tuples(st.booleans(), st.tuples(st.integers(0, MOST), st.integers(0, MOST))), max_size=30
)
SMALL = st.dictionaries(
    st.binary(min_size=1, max_size=1).map(lambda key: PLAIN + key),
    st.sampled_from([NOTHING, Rest(comment="x"), Rest(comment="y")]),
)


def lines(value: Set) -> list[str]:
    return list(elements_shown(value.elements, value.form))


def numbers(value: Set) -> set[int]:
    """The values that a set of `dscp` matches, read from its elements alone."""
    found: set[int] = set()
    begun: int | None = None
    for key in sorted(value.elements, key=lambda key: (key[1:], key[:1] != END)):
        if begun is not None:
            assert key[:1] == END
            found |= set(range(begun, key[1]))
        begun = key[1] if key[:1] == PLAIN else None
    return found if begun is None else found | set(range(begun, MOST + 1))


@given(SPANS)
def test_joined_ranges_match_what_was_declared_and_are_as_few_as_can_be(
    spans: list[tuple[int, int]],
) -> None:
    value = Set("s", "dscp", spans, interval=True, auto_merge=True)
    wanted = {number for low, high in spans for number in range(low, high + 1)}
    assert numbers(value) == wanted
    begins = sum(key[:1] == PLAIN for key in value.elements)
    assert begins == sum(number - 1 not in wanted for number in wanted)
    assert (END + b"\0" in value.elements) == bool(wanted and 0 not in wanted)


@given(SPANS)
def test_ranges_that_are_not_joined_overlap_nowhere_or_are_refused(
    spans: list[tuple[int, int]],
) -> None:
    listed = list(dict.fromkeys(spans))
    apart = all(
        one == other or one[1] < other[0] or other[1] < one[0] for one in listed for other in listed
    )
    try:
        value = Set("s", "dscp", spans, interval=True)
    except DesiredStateError:
        assert not apart
    else:
        assert apart
        assert sum(key[:1] == PLAIN for key in value.elements) == len(listed)


@given(SPANS, EDITS, st.booleans())
def test_ranges_that_come_and_go_leave_what_was_declared_so(
    spans: list[tuple[int, int]], edits: list[tuple[bool, tuple[int, int]]], at_once: bool
) -> None:
    value = first = Set("s", "dscp", spans, interval=True, auto_merge=True)
    there = numbers(value)
    for adds, (one, other) in edits:
        low, high = sorted((one, other))
        span = set(range(low, high + 1))
        before = value
        if adds:
            value, there = value.adding([(low, high)]), there | span
        elif span <= there:
            value, there = value.removing([(low, high)]), there - span
        check_changes(before, value)
        if at_once:
            assert dict(value.elements) == dict(value.elements.items_by_key)
    fresh = Set("s", "dscp", sorted(there), interval=True, auto_merge=True)
    assert numbers(value) == there
    assert value == fresh
    assert list(value.elements) == list(fresh.elements)
    check_changes(first, value)


def check_changes(before: Set, after: Set) -> None:
    """They lead from the one to the other, by whole ranges."""
    changes = after.changes_from(before)
    assert changes is not None
    added, removed = changes
    left = dict(before.elements)
    for key, rest in removed.items():
        assert left.pop(key) == rest
    assert not added.keys() & left.keys()
    assert {**left, **added} == dict(after.elements)
    for part in (added, removed):
        keys = [key for key in part if key not in (CATCHALL, END + b"\0")]
        kinds = [key[:1] for key in keys]
        opened = [key for key in keys if part[key].userdata]
        assert kinds.count(PLAIN) == kinds.count(END) + len(opened)


@given(SPANS, SPANS)
def test_many_ranges_at_once_are_added_as_one_by_one(
    spans: list[tuple[int, int]], more: list[tuple[int, int]]
) -> None:
    value = Set("s", "dscp", spans, interval=True, auto_merge=True)
    some = value
    for each in more:
        some = some.adding([each])
    assert value.adding(more * 30) == some == value.adding(more)


@given(SMALL, st.lists(st.tuples(SMALL, st.sets(st.binary(min_size=1, max_size=1)))))
def test_derived_elements_are_what_a_mapping_would_be(
    start: dict[bytes, Rest], changes: list[tuple[dict[bytes, Rest], set[bytes]]]
) -> None:
    elements = [Elements(start)]
    mappings = [start]
    for added, removed in changes:
        gone = {PLAIN + key: None for key in removed}
        kept = {key: rest for key, rest in mappings[-1].items() if key not in gone}
        mappings.append({**kept, **added})
        elements.append(Elements.derived(elements[-1], added, gone))
    for found, wanted in zip(elements, mappings, strict=True):
        assert len(found) == len(wanted)
        assert found == Elements(wanted)
        assert {key: found[key] for key in wanted} == wanted == dict(found)
        delta = found.delta_from(elements[0])
        if delta is not None:
            come, gone_ = delta
            assert come == {k: v for k, v in wanted.items() if mappings[0].get(k) != v}
            assert gone_ == {k: v for k, v in mappings[0].items() if k not in wanted}


@given(st.lists(st.ip_addresses()), st.booleans())
def test_addresses_are_the_same_as_text_and_as_objects(
    addresses: list[IPv4Address | IPv6Address], interval: bool
) -> None:
    for name, kind in (("ipv4_addr", IPv4Address), ("ipv6_addr", IPv6Address)):
        some = list({each for each in addresses if isinstance(each, kind)})
        as_text = Set("s", name, [str(each) for each in some], interval=interval)
        assert as_text == Set("s", name, some, interval=interval)
        assert as_text == Set("s", name, [Element(each) for each in some], interval=interval)
        if interval:
            assert sorted(lines(as_text)) == sorted(map(str, some))


@given(st.text(alphabet="0123456789.:abcdefABCDEF/-x %", max_size=20))
def test_text_is_an_address_for_a_set_where_it_is_one_for_ipaddress(text: str) -> None:
    for name, kind in (("ipv4_addr", IPv4Address), ("ipv6_addr", IPv6Address)):
        try:
            wanted: object = kind(text.strip()).packed
        except ValueError:
            wanted = None
        if "%" in text:
            wanted = None
        try:
            found: object = next(iter(Set("s", name, [text]).elements))[1:]
        except DesiredStateError:
            found = None
        assert found == wanted or is_whole(text)


def is_whole(text: str) -> bool:
    """A network or range of one address is one address."""
    return "/" in text or "-" in text


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32))))
def test_networks_are_joined_as_ipaddress_joins_them(pairs: list[tuple[int, int]]) -> None:
    networks = [IPv4Network((number >> (32 - bits) << (32 - bits), bits)) for number, bits in pairs]
    value = Set("s", "ipv4_addr", list(map(str, networks)), interval=True, auto_merge=True)
    shown_again = Set("s", "ipv4_addr", lines(value), interval=True)
    assert shown_again.elements == value.elements
    size = sum(each.num_addresses for each in collapse_addresses(networks))
    spans = [to_range(each, DATATYPES["ipv4_addr"], "", interval=True) for each in lines(value)]
    assert sum(last - first + 1 for first, last in spans) == size


@given(st.integers(0, 2**128 - 1), st.integers(0, 128))
def test_an_ipv6_network_is_the_same_as_text_and_as_an_object(number: int, bits: int) -> None:
    network = IPv6Network((number >> (128 - bits) << (128 - bits), bits))
    as_text = Set("s", "ipv6_addr", [str(network)], interval=True)
    assert as_text == Set("s", "ipv6_addr", [network], interval=True)
    assert lines(as_text) == [str(network).removesuffix("/128")]


@given(st.sampled_from(sorted(DATATYPES)), st.data(), st.booleans())
def test_what_is_shown_of_a_value_is_that_value(
    name: str, data: st.DataObject, interval: bool
) -> None:
    kind = DATATYPES[name]
    assume(name not in ("ifname", "ether_addr"))
    number: Any = data.draw(st.integers(0, kind.most))
    if name in ("ipv4_addr", "ipv6_addr"):
        number = (IPv4Address if name == "ipv4_addr" else IPv6Address)(number)
    if name == "time":
        number = f"{number}ms"
    value = Set("s", name, [number], interval=interval)
    (line,) = lines(value)
    assert Set("s", name, [line], interval=interval) == value


@given(st.binary(max_size=24), st.sampled_from(sorted(DATATYPES)), st.booleans())
def test_any_bytes_are_shown_somehow(raw: bytes, name: str, big_endian: bool) -> None:
    key = Set("s", name).type
    assert shown(raw, key, big_endian=big_endian)
