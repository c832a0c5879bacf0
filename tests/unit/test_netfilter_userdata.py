"""What nft keeps beside things, and what others have there."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linx_async._kernel.netlink import NetlinkDecodeError
from linx_async.netfilter.codec.userdata import (
    Comment,
    SetUserdata,
    pack_records,
    records,
    split_comment,
    with_comment,
)

FLAGS = pack_records([(1, (1).to_bytes(4, sys.byteorder))])


@pytest.mark.parametrize("kind", Comment)
def test_a_comment_is_told_from_the_rest(kind: Comment) -> None:
    raw = with_comment("hello", FLAGS, kind)
    assert split_comment(raw, kind) == ("hello", FLAGS)


def test_the_comment_of_a_rule_comes_first_and_that_of_a_set_last() -> None:
    assert with_comment("a", FLAGS, Comment.RULE) == b"\0\2a\0" + FLAGS
    assert with_comment("a", FLAGS, Comment.SET) == FLAGS + b"\7\2a\0"


def test_without_a_comment_the_rest_is_all() -> None:
    assert with_comment(None, FLAGS, Comment.ELEMENT) == FLAGS
    assert split_comment(FLAGS, Comment.ELEMENT) == (None, FLAGS)


@pytest.mark.parametrize(
    "raw",
    [
        b"a rule of another program",
        b"\0\0",  # nothing, not even a NUL
        b"\0\2ab",  # no NUL
        b"\0\3a\0b",  # a NUL inside
        b"\0\2a\0\0\2b\0",  # two of them
        b"\0",
    ],
)
def test_what_is_not_of_nft_is_kept_whole(raw: bytes) -> None:
    assert split_comment(raw, Comment.RULE) == (None, raw)


@given(st.binary(max_size=64), st.sampled_from(Comment))
def test_no_bytes_are_lost(raw: bytes, kind: Comment) -> None:
    comment, rest = split_comment(raw, kind)
    again = with_comment(comment, rest, kind)
    assert split_comment(again, kind) == (comment, rest)
    assert sorted(again) == sorted(raw)


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=255)), max_size=5))
def test_records_are_told_as_they_were_packed(pairs: list[tuple[int, bytes]]) -> None:
    assert records(pack_records(pairs)) == tuple(pairs)


@pytest.mark.parametrize("raw", [b"\0", b"\0\1", b"\0\4abc"])
def test_a_record_that_is_cut_short_is_malformed(raw: bytes) -> None:
    with pytest.raises(NetlinkDecodeError, match="cut short"):
        records(raw)


def test_a_record_too_long_for_its_length_is_refused() -> None:
    with pytest.raises(ValueError, match="256 bytes"):
        pack_records([(0, bytes(256))])


def test_all_that_nft_keeps_of_a_set_comes_back() -> None:
    userdata = SetUserdata(
        key_byteorder=2,
        data_byteorder=1,
        merge_elements=True,
        key_typeof=b"key",
        data_typeof=b"data",
        expression=b"x",
        data_interval=True,
        comment="a comment",
        rest=((9, b"new"),),
    )
    assert SetUserdata.parse(userdata.packed()) == userdata


def test_a_set_without_userdata_has_none() -> None:
    assert SetUserdata.parse(b"") == SetUserdata()
    assert SetUserdata().packed() == b""


@given(st.binary(max_size=40))
def test_userdata_of_a_set_is_parsed_or_malformed(raw: bytes) -> None:
    try:
        found = SetUserdata.parse(raw)
    except NetlinkDecodeError:
        return
    assert SetUserdata.parse(found.packed()) == found
