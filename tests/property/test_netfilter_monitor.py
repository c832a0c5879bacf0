"""Announcements of nf_tables that are malformed, cut short or in any order break nothing."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from linx_async._kernel.netlink import (
    Message,
    NetlinkDecodeError,
    pack_attribute,
    pack_nested,
    pack_text,
)
from linx_async._kernel.nfnetlink_messages import NFGENMSG
from linx_async.netfilter import Announcement, Elements, Lost, Transaction
from linx_async.netfilter.announcements import Reader
from linx_async.netfilter.codec.abi import Message as Number
from linx_async.netfilter.transactions import Transactions

INET = 1
TYPES = [int(number) for number in Number]


def be32(kind: int, value: int) -> bytes:
    return pack_attribute(kind, struct.pack(">I", value))


def generation(number: int, name: str = "nft") -> Message:
    said = be32(1, number) + be32(2, 7) + pack_text(3, name)
    return Message(int(Number.NEWGEN), 0, 0, 0, NFGENMSG.pack(0, 0, number & 0xFFFF) + said)


def message(kind: int, number: int, said: bytes) -> Message:
    return Message(kind, 0, 0, 0, NFGENMSG.pack(INET, 0, number & 0xFFFF) + said)


def table(name: str, number: int) -> Message:
    return message(int(Number.NEWTABLE), number, pack_text(1, name))


def element(number: int, key: int) -> Message:
    value = pack_nested(1, be32(1, key))
    said = pack_text(1, "fw") + pack_text(2, "all") + pack_nested(3, pack_nested(1, value))
    return message(int(Number.NEWSETELEM), number, said)


attributes = st.recursive(
    st.binary(max_size=24),
    lambda inner: st.lists(st.builds(pack_attribute, st.integers(0, 40), inner), max_size=6).map(
        b"".join
    ),
    max_leaves=20,
)
payloads = st.binary(max_size=64) | st.builds(
    lambda family, said: NFGENMSG.pack(family, 0, 0) + said,
    st.sampled_from([0, 1, 2, 3, 5, 7, 10, 99]),
    attributes,
)
messages = st.builds(
    lambda kind, payload: Message(kind, 0, 0, 0, payload), st.sampled_from(TYPES), payloads
)


@given(st.lists(messages, max_size=12))
def test_whatever_comes_is_read_or_found_to_be_malformed(given: Sequence[Message]) -> None:
    reader = Reader()
    for each in given:
        try:
            found = reader.read(each)
        except NetlinkDecodeError:
            continue
        assert found is None or str(found).startswith(f"[{found.kind}] ")


@given(st.lists(messages, max_size=12), st.integers(1, 0xFFFFFFFF))
def test_what_is_malformed_is_told_as_lost_at_the_end_of_its_transaction(
    given: Sequence[Message], past: int
) -> None:
    transactions = Transactions()
    transactions.begin(past)
    for each in given:
        found = transactions.feed(each)
        assert found is None or isinstance(found, Transaction | Lost)


@given(st.integers(1, 0xFFFFFFFF), st.integers(0, 5))
def test_what_is_of_the_past_is_not_told(past: int, back: int) -> None:
    older = (past - back - 1) % 0xFFFFFFFF + 1
    transactions = Transactions()
    transactions.begin(past)
    assert transactions.feed(table("old", older)) is None
    assert transactions.feed(generation(older)) is None
    after = past % 0xFFFFFFFF + 1
    assert transactions.feed(table("new", after)) is None
    found = transactions.feed(generation(after))
    assert isinstance(found, Transaction)
    assert [each.table for each in found.changes] == ["new"]
    assert (found.generation, found.pid, found.program) == (after, 7, "nft")


@given(st.integers(1, 0xFFFFFFF0), st.integers(2, 9))
def test_a_generation_that_is_left_out_is_told(past: int, further: int) -> None:
    transactions = Transactions()
    transactions.begin(past)
    found = transactions.feed(generation(past + further))
    assert isinstance(found, Lost)
    assert found.generation == past + further


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=40, unique=True))
def test_elements_of_one_set_are_told_as_one(keys: Sequence[int]) -> None:
    transactions = Transactions()
    transactions.begin(4)
    for key in keys:
        assert transactions.feed(element(5, key)) is None
    transactions.feed(table("other", 5))
    transactions.feed(element(5, 2000))
    found = transactions.feed(generation(5))
    assert isinstance(found, Transaction)
    first, other, last = found.changes
    assert [len(each) for each in (values(first), values(last))] == [len(keys), 1]
    assert other.kind == "table"


def values(change: Announcement) -> Elements:
    assert isinstance(change.value, Elements)
    return change.value
