"""What holds for every sysctl key, value and message, well-formed or not."""

from __future__ import annotations

import posixpath
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from linx_async import DesiredStateError
from linx_async._kernel.announcements import LinkChange, NetconfChange, announced
from linx_async._kernel.netlink import Message, pack_attribute
from linx_async.sysctl import Desired
from linx_async.sysctl.codec import decoded, same, text_of
from linx_async.sysctl.keys import joined, key_at, location, normalized, parts_of
from linx_async.sysctl.knobs import effects, influences, rank, same_knob

names = st.text("abc_.-0", min_size=1, max_size=5).filter(lambda name: name not in {".", ".."})
first_names = st.text("abc_-0", min_size=1, max_size=5).filter(lambda name: name != "proc")
paths = st.tuples(first_names, names, names) | st.tuples(first_names, names)
anything = st.text(st.characters(), max_size=12) | st.text("./ab\0\n*", max_size=12)

INTERFACES = ("all", "default", "eth0", "eth0.1")
LEAVES = {
    "conf": (
        *("forwarding", "accept_redirects", "rp_filter", "promote_secondaries", "disable_ipv6"),
        *(
            "ignore_routes_with_linkdown",
            "addr_gen_mode",
            "stable_secret",
            "force_forwarding",
            "mtu",
        ),
    ),
    "neigh": (
        *("base_reachable_time", "base_reachable_time_ms", "retrans_time", "retrans_time_ms"),
        *("unres_qlen", "unres_qlen_bytes", "locktime"),
    ),
}
KEYS = (
    *("net.ipv4.ip_forward", "net.nf_conntrack_max", "net.netfilter.nf_conntrack_max"),
    *("net.ipv6.route.gc_min_interval", "net.ipv6.route.gc_min_interval_ms", "kernel.hostname"),
    *("vm.dirty_bytes", "vm.dirty_ratio", "vm.overcommit_kbytes", "vm.overcommit_ratio"),
    *(
        joined("net", family, group, interface, leaf)
        for family in ("ipv4", "ipv6")
        for group, leaves in LEAVES.items()
        for interface in INTERFACES
        for leaf in leaves
    ),
)
keys = st.sampled_from(KEYS)
integers = st.integers(-(2**64) + 1, 2**64 - 1)


def dots(path: tuple[str, ...]) -> str:
    return "/".join(path).translate({ord("."): "/", ord("/"): "."})


@given(paths)
def test_both_forms_of_a_key_mean_the_same_path(path: tuple[str, ...]) -> None:
    assert parts_of(dots(path)) == parts_of("/".join(path)) == path


@given(paths)
def test_the_spelling_of_a_key_is_the_spelling_of_its_spelling(path: tuple[str, ...]) -> None:
    once = normalized("/".join(path))
    assert normalized(once) == once
    assert parts_of(once) == path
    assert key_at(location(once)) == once


@given(anything)
@example("net.ipv4.conf./../..passwd")
def test_any_text_is_a_key_below_proc_sys_or_is_refused(text: str) -> None:
    try:
        directory, name = location(text)
    except DesiredStateError:
        return
    path = posixpath.join("/proc/sys", directory, name)
    assert posixpath.normpath(path) == path
    assert path.encode("utf-8", "surrogateescape").find(b"\0") == -1


values = st.recursive(
    st.none() | st.booleans() | integers | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner),
    max_leaves=4,
) | st.binary(max_size=4)


@given(values)
def test_any_value_is_one_line_of_text_or_is_refused(value: Any) -> None:
    try:
        text = text_of("kernel.domainname", value)
    except DesiredStateError:
        return
    assert text.encode("utf-8", "surrogateescape").find(b"\n") == -1
    assert "\0" not in text


@given(st.dictionaries(st.sampled_from(KEYS) | anything, values, max_size=5))
def test_any_mapping_is_a_desired_state_or_is_refused(mapping: dict[str, Any]) -> None:
    try:
        desired = Desired(mapping)
    except DesiredStateError:
        return
    assert len(desired.settings) == len(mapping)
    assert Desired(desired.settings) == desired


@given(st.lists(integers, min_size=1, max_size=4), st.lists(st.sampled_from(" \t"), min_size=4))
def test_integers_are_the_same_whatever_is_between_them(
    numbers: list[int], between: list[str]
) -> None:
    text = text_of("net.ipv4.tcp_rmem", numbers)
    value = "".join(str(n) + gap for n, gap in zip(numbers, between, strict=False)).strip()
    assert same("net.ipv4.tcp_rmem", text, value)
    assert decoded("net.ipv4.tcp_rmem", value) == (
        numbers[0] if len(numbers) == 1 else tuple(numbers)
    )


@given(st.integers(0, 2**64))
def test_an_integer_is_the_same_in_every_base(number: int) -> None:
    for text in (hex(number), f"0{number:o}", f"+{number}", f" {number} "):
        assert same("net.ipv4.tcp_sack", text, str(number))
        assert not same("net.ipv4.tcp_sack", text, str(number + 1))


@given(anything, anything)
def test_of_text_equality_is_all(one: str, other: str) -> None:
    assert same("kernel.hostname", one, other) == (one == other)
    assert same("net.ipv4.tcp_sack", one, one)


@given(st.text(st.characters(), max_size=12) | st.text("0123456789-+ \t\n", max_size=12))
def test_whatever_is_read_is_told(value: str) -> None:
    told = decoded("net.ipv4.tcp_sack", value)
    if isinstance(told, str):
        assert told == value
    else:
        assert text_of("net.ipv4.tcp_sack", told).split() == [
            str(int(token)) for token in value.split()
        ]


@given(keys, st.sampled_from(["0", "1", "5000", "::1"]))
def test_a_key_hears_of_exactly_those_that_may_change_it(key: str, text: str) -> None:
    changed = effects(key, text, KEYS).keys() | effects(key, "0", KEYS).keys()
    assert key not in changed
    heard = {other for other in KEYS if key in influences(other)} - {key}
    assert changed == heard


@given(keys)
def test_all_that_a_key_hears_of_is_a_key(key: str) -> None:
    assert {normalized(cause) for cause in influences(key)} == influences(key)


@given(keys)
def test_what_overwrites_comes_before_what_it_overwrites(key: str) -> None:
    for other in effects(key, "1", KEYS):
        assert rank(key)[0] <= rank(other)[0]
        if key not in influences(other) or other not in influences(key):
            assert rank(key) < rank(other)


@given(keys, keys)
def test_names_of_one_knob_change_each_other(one: str, other: str) -> None:
    if one != other and same_knob(one)[0] == same_knob(other)[0]:
        assert other in effects(one, "5000", KEYS)
        assert one in effects(other, "5000", KEYS)


attributes = st.lists(
    st.builds(pack_attribute, st.integers(0, 12), st.binary(max_size=8)), max_size=4
).map(b"".join)
payloads = st.binary(max_size=40) | st.builds(
    lambda head, rest: head + rest, st.binary(min_size=4, max_size=16), attributes
)


@given(st.sampled_from([16, 17, 80, 81, 24]), payloads)
@example(80, b"")
@example(80, b"\2\0\0\0")
def test_any_message_is_told_or_passed_over(kind: int, payload: bytes) -> None:
    change = announced(Message(kind, 0, 0, 0, payload))
    match change:
        case LinkChange(gone=gone):
            assert kind in {16, 17}
            assert gone == (kind == 17)
        case NetconfChange(family=family):
            assert kind in {80, 81}
            assert family in {"ipv4", "ipv6"}
