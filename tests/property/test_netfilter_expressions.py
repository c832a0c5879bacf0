"""Whatever the bytes: expressions have one canonical form, or are told to be malformed."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linx_async._kernel.netlink import NetlinkDecodeError, pack_attribute, pack_nested
from linx_async.netfilter.codec.describing import described
from linx_async.netfilter.codec.expressions import (
    Canonical,
    canonical,
    canonical_data,
    canonical_object,
    encoded,
    expressions,
    joined,
)
from linx_async.netfilter.codec.forms import expression_data
from linx_async.netfilter.codec.parts import KNOWN
from linx_async.netfilter.codec.schema import SCHEMAS, SIZES, Kind
from linx_async.netfilter.codec.state import states, with_state

Pack = Callable[..., bytes]

names = st.sampled_from(["s", "a set", "__set3", "__map7", "__set%d", "\u00fc"]).map(
    lambda name: name.encode() + b"\0"
)
anonymous = frozenset({"__set3", "__map7"})
bound = frozenset({"__chain5", "__chain6"})


def be32(value: int) -> bytes:
    return struct.pack(">i" if value < 0 else ">I", value)


@st.composite
def verdicts(draw: st.DrawFn) -> bytes:
    code = draw(st.sampled_from([0, 1, -1, -3, -4, -5]))
    chain = draw(st.sampled_from([b"", b"c\0", b"__chain5\0", b"__chain6\0", b"c"]))
    parts = [pack_attribute(1, be32(code))]
    if chain:
        parts.append(pack_attribute(2, chain))
    elif draw(st.booleans()):
        parts.append(pack_attribute(3, be32(draw(st.integers(0, 3)))))
    return pack_nested(2, *parts)


data = st.one_of(st.binary(max_size=20).map(lambda value: pack_attribute(1, value)), verdicts())


def values(kind: Kind, depth: int) -> st.SearchStrategy[bytes]:
    """What an attribute may be."""
    if kind in SIZES or kind is Kind.REGISTER:
        size = SIZES.get(kind, 4)
        small = st.integers(0, 20).map(lambda value: value.to_bytes(size, "big"))
        return st.one_of(small, st.binary(min_size=size, max_size=size))
    if kind is Kind.STATE:
        return st.binary(min_size=8, max_size=8)
    if kind is Kind.DATA:
        return data
    if kind is Kind.EXPRESSION:
        return st.just(pack_attribute(1, b"counter\0")) if depth else expression(depth + 1)
    if kind is Kind.LIST and not depth:
        return st.lists(expression(depth + 1), max_size=3).map(listed)
    if kind in {Kind.TEXT, Kind.SET, Kind.OBJECT, Kind.FLOWTABLE}:
        return names
    return st.binary(max_size=12) if kind is Kind.BYTES else st.just(b"")


@st.composite
def expression(draw: st.DrawFn, depth: int = 0) -> bytes:
    """An expression with attributes of its own, in any order, flagged or not; or an unknown one."""
    name = draw(st.sampled_from([*SCHEMAS, "unheard-of"]))
    parts: list[bytes] = []
    if name in SCHEMAS:
        for number, field in SCHEMAS[name].fields.items():
            if draw(st.booleans()):
                flag = draw(st.sampled_from([0, 0x8000]))
                parts.append(pack_attribute(number | flag, draw(values(field.kind, depth))))
    parts = list(draw(st.permutations(parts)))
    if draw(st.booleans()):
        parts.append(pack_attribute(200, b"new"))
    return pack_attribute(1, name.encode() + b"\0") + pack_nested(2, *parts)


def listed(members: Iterable[bytes]) -> bytes:
    return b"".join([pack_nested(1, each) for each in members])


lists = st.lists(expression(), max_size=5).map(listed)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    raw = bytearray(draw(lists))
    for _ in range(draw(st.integers(0, 4))):
        if raw:
            place = draw(st.integers(0, len(raw) - 1))
            raw[place] = draw(st.integers(0, 255))
    return bytes(raw[: draw(st.integers(0, len(raw)))] if draw(st.booleans()) else raw)


def resent(found: Canonical) -> bytes:
    """What is sent of it, with ids of ours."""
    sets = [("__set%d", 10 + number) for number in range(len(found.sets))]
    return encoded(found.body, sets, [20 + number for number in range(len(found.chains))])


@given(lists)
def test_the_canonical_form_of_what_is_sent_is_the_same(raw: bytes) -> None:
    found = canonical(raw, anonymous, bound)
    again = canonical(resent(found), anonymous, bound)
    assert again.body == found.body
    assert (len(again.sets), len(again.chains)) == (len(found.sets), len(found.chains))
    assert again.references == found.references


@given(lists)
def test_what_was_learnt_before_makes_no_difference(raw: bytes) -> None:
    first = canonical(raw, anonymous, bound)
    canonical(raw)
    learnt = canonical(raw, anonymous, bound)
    KNOWN.clear()
    assert first == learnt == canonical(raw, anonymous, bound)


@given(lists)
def test_nothing_is_lost_in_taking_a_list_apart(raw: bytes) -> None:
    body = canonical(raw).body
    assert joined(expressions(body)) == body


@given(lists, lists)
def test_state_changes_nothing_in_the_canonical_form(body: bytes, raw: bytes) -> None:
    found = canonical(body)
    counting = with_state(found.body, raw)
    assert canonical(counting).body == found.body
    assert with_state(found.body, counting) == counting


@pytest.mark.parametrize(
    "read",
    [
        lambda raw: canonical(raw, anonymous, bound),
        lambda raw: encoded(raw, [("__set%d", 1)] * 9, [1] * 9),
        lambda raw: with_state(raw, raw),
        states,
        described,
        expressions,
        canonical_data,
        lambda raw: canonical_object(1, raw),
        lambda raw: canonical_object(3, raw),
    ],
)
@given(raw=st.one_of(st.binary(max_size=200), mutated()))
def test_malformed_bytes_are_told_to_be(read: Callable[[bytes], Any], raw: bytes) -> None:
    try:
        read(raw)
    except NetlinkDecodeError:
        pass
    except ValueError as error:
        # There may be a number in a name that is ours alone to give.
        if "ids:" not in str(error):
            raise


@given(st.sampled_from(sorted(SCHEMAS)), st.binary(max_size=60))
def test_data_of_an_expression_is_canonical_or_malformed(name: str, raw: bytes) -> None:
    try:
        found = expression_data(name.encode(), raw)
    except NetlinkDecodeError:
        return
    assert expression_data(name.encode(), found) == found


@pytest.mark.parametrize("depth", [6, 3000])
def test_expressions_deep_within_others_are_refused(depth: int) -> None:
    inner = pack_attribute(1, b"counter\0")
    for _ in range(depth):
        if len(inner) > 60_000:
            break
        inner = pack_attribute(1, b"inner\0") + pack_attribute(2, pack_attribute(5, inner))
    with pytest.raises(NetlinkDecodeError, match="deep"):
        canonical(pack_attribute(1, inner))
    with pytest.raises(NetlinkDecodeError, match="deep"):
        described(pack_attribute(1, inner))


def test_more_bytes_than_an_attribute_has_are_refused() -> None:
    one = pack_attribute(1, pack_attribute(1, b"counter\0"))
    with pytest.raises(NetlinkDecodeError, match="more than an attribute"):
        canonical(one * 5000)
