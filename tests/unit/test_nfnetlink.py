"""A transaction of nf_tables as bytes, and what is made of the kernel's answer."""

from __future__ import annotations

import errno
import struct

import pytest

from linx_async._kernel.exchange import RawDump, Refusal
from linx_async._kernel.netlink import (
    Control,
    Flag,
    NetlinkDecodeError,
    attribute_map,
    pack_attribute,
    pack_message,
    pack_text,
    split,
)
from linx_async._kernel.nfnetlink_batch import Batch, Change, Commit, pack_batch
from linx_async._kernel.nfnetlink_messages import Generation, nfgenmsg, nft_type, undated

NEWTABLE, NEWRULE, NEWSETELEM, NEWGEN = 0xA00, 0xA06, 0xA0C, 0xA0F
BEGIN, ONE, TWO, END, BARRIER = SEQS = range(7, 12)
PORT = 4711
CHANGES = [Change(0, 0x400, 1, b"abcd"), Change(6, 0xC00, 2, b"12345")]
REQUEST, ECHO = int(Flag.REQUEST), int(Flag.ECHO)


def told(kind: int, seq: int, payload: bytes, *, port: int = PORT) -> bytes:
    return pack_message(kind, 0, seq, payload, port)


def echo(kind: int, seq: int, generation: int, *, port: int = PORT) -> bytes:
    return told(kind, seq, nfgenmsg(1, generation & 0xFFFF) + b"it", port=port)


def generation(number: int, seq: int = BARRIER, *, port: int = PORT) -> bytes:
    said = pack_attribute(1, struct.pack(">I", number)) + pack_attribute(2, bytes(4))
    return told(NEWGEN, seq, nfgenmsg(0, number & 0xFFFF) + said, port=port)


def refusal(number: int, seq: int, *, port: int = PORT) -> bytes:
    body = struct.pack("=i", -number) + bytes(16)
    return pack_message(Control.ERROR, Flag.CAPPED, seq, body, port)


def batch(*datagrams: bytes, echo: bool = False) -> Batch:
    answer = Batch(SEQS, PORT, echo=echo)
    for datagram in datagrams:
        answer.feed(datagram)
        answer.pause()
    return answer


# What is sent


def test_a_transaction_is_its_changes_between_a_beginning_and_an_end() -> None:
    begin, one, two, end = split(pack_batch(CHANGES, SEQS[:-1]))
    assert [message.seq for message in (begin, one, two, end)] == [BEGIN, ONE, TWO, END]
    assert (begin.type, begin.payload) == (16, b"\0\0\0\x0a")
    assert (end.type, end.payload) == (17, b"\0\0\0\x0a")
    assert (one.type, one.flags, one.payload) == (
        NEWTABLE,
        0x400 | REQUEST | ECHO,
        b"\x01\0\0\0abcd",
    )
    assert (two.type, two.flags, two.payload) == (NEWRULE, 0xC00 | REQUEST, b"\x02\0\0\x0012345")


def test_its_beginning_tells_the_generation_that_it_follows_on() -> None:
    begin, _ = split(pack_batch([], range(1, 3), generation=0x01020304))
    assert attribute_map(begin.payload, 4) == {1: b"\1\2\3\4"}


def test_all_of_its_changes_may_ask_for_an_echo() -> None:
    _, *changes, _ = split(pack_batch(CHANGES, SEQS[:-1], echo=True))
    assert all(message.flags & ECHO for message in changes)


@pytest.mark.parametrize("number", [-1, 256, 1 << 20])
def test_a_message_of_another_subsystem_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match=f"nf_tables message: {number} "):
        nft_type(number)
    with pytest.raises(ValueError, match=f"change 1: kind {number}"):
        pack_batch([CHANGES[0], CHANGES[1]._replace(kind=number)], SEQS[:-1])


@pytest.mark.parametrize(("family", "resource"), [(-1, 0), (256, 0), (0, 65536)])
def test_a_header_with_a_number_that_does_not_fit_is_refused(family: int, resource: int) -> None:
    with pytest.raises(ValueError, match=f"family {family} or resource {resource}"):
        nfgenmsg(family, resource)


# What comes back


def test_the_generation_that_is_told_last_ends_the_answer() -> None:
    answer = batch(echo(NEWTABLE, ONE, 5), generation(5, ONE))
    ends = [answer.done]
    answer.feed(generation(5))
    assert [*ends, answer.done] == [False, True]
    assert answer.commit() == Commit((None, None), False, 5)


def test_silence_is_a_transaction_that_changed_nothing() -> None:
    answer = batch(generation(5))
    assert (answer.done, answer.unknown) == (True, False)
    assert answer.commit() == Commit((None, None), False, None)


@pytest.mark.parametrize(
    ("made", "after"),
    [
        (5, 5),
        (5, 9),
        (65535, 65536),
        (65536, 65537),
        (65538, 131_000),
        (2**32 - 1, 2),
        (70_000, 70_001),
    ],
)
def test_the_generation_it_made_is_known_whatever_others_made_since(made: int, after: int) -> None:
    assert batch(echo(NEWTABLE, ONE, made), generation(after)).commit().generation == made


def test_each_refusal_goes_to_its_change_and_of_several_the_first_is_told() -> None:
    answer = batch(
        refusal(errno.ENOENT, TWO), refusal(errno.ENOMEM, TWO), refusal(0, ONE), generation(5)
    )
    assert answer.commit() == Commit((None, Refusal(errno.ENOENT)), False, None)
    assert answer.commit().refused
    assert answer.whole is None


@pytest.mark.parametrize("seq", [BEGIN, END, BARRIER])
def test_what_is_refused_as_such_is_told_apart(seq: int) -> None:
    answer = batch(refusal(errno.ERESTART, seq), generation(5))
    assert answer.whole == Refusal(errno.ERESTART)
    assert not any(answer.commit().refusals)


def test_an_ack_of_the_beginning_or_the_end_says_nothing_new() -> None:
    answer = batch(refusal(0, BEGIN), refusal(0, END))
    assert (answer.done, answer.whole) == (False, None)


def test_refusals_that_were_lost_leave_those_told_true() -> None:
    answer = Batch(SEQS, PORT)
    answer.feed(refusal(errno.ENOENT, ONE))
    answer.lose()
    answer.feed(generation(5))
    assert answer.commit() == Commit((Refusal(errno.ENOENT), None), True, None)
    assert not answer.unknown


def test_echoes_that_were_lost_leave_no_doubt_that_it_was_done() -> None:
    answer = Batch(SEQS, PORT)
    answer.feed(echo(NEWTABLE, ONE, 5))
    answer.lose()
    answer.feed(generation(6))
    assert answer.commit() == Commit((None, None), False, 5)


def test_where_all_was_lost_nothing_is_known() -> None:
    answer = Batch(SEQS, PORT)
    answer.lose()
    answer.feed(generation(6))
    assert (answer.done, answer.unknown) == (True, True)


def test_echoes_are_kept_where_they_are_wanted_with_the_index_of_their_change() -> None:
    said = (echo(NEWTABLE, ONE, 5) + echo(NEWRULE, TWO, 5), generation(5, ONE), generation(5))
    assert batch(*said).commit().echoes == ()
    kept = batch(*said, echo=True).commit().echoes
    assert [(at, message.type) for at, message in kept] == [(0, NEWTABLE), (1, NEWRULE)]


def test_elements_that_are_echoed_without_a_number_prove_that_it_was_done() -> None:
    answer = batch(echo(NEWSETELEM, 0, 5), generation(5), echo=True)
    assert answer.commit() == Commit((None, None), False, 5)


@pytest.mark.parametrize(
    "foreign",
    [
        echo(NEWTABLE, BEGIN - 1, 5),
        echo(NEWTABLE, BARRIER + 1, 5),
        echo(NEWTABLE, ONE, 5, port=PORT + 1),
        echo(NEWSETELEM, 0, 5, port=0),
        refusal(errno.EPERM, BEGIN - 1),
        refusal(errno.EPERM, ONE, port=PORT + 1),
        refusal(errno.EPERM, 0),
        generation(5, port=PORT + 1),
        generation(5, 0, port=0),
        b"",
    ],
)
def test_answers_of_others_are_passed_over(foreign: bytes) -> None:
    answer = batch(foreign)
    assert not answer.done
    answer.feed(generation(9))
    assert answer.whole is None
    assert answer.commit() == Commit((None, None), False, None)


@pytest.mark.parametrize(
    "datagram",
    [
        told(NEWTABLE, ONE, b"abc"),
        told(NEWGEN, BARRIER, nfgenmsg(0)),
        told(NEWGEN, BARRIER, nfgenmsg(0) + pack_attribute(1, b"abc")),
        told(Control.DONE, BARRIER, bytes(4)),
        refusal(1, ONE)[:-1],
        told(Control.ERROR, ONE, b"\xff"),
    ],
)
def test_an_answer_that_is_malformed_is_no_answer(datagram: bytes) -> None:
    with pytest.raises(NetlinkDecodeError):
        batch(datagram)


# The generation


def test_a_generation_is_told_with_who_made_it() -> None:
    said = pack_attribute(1, b"\0\1\0\2") + pack_attribute(2, b"\0\0\0\x09")
    assert Generation.decode(nfgenmsg(0) + said + pack_text(3, "nft")) == Generation(
        65538, 9, "nft"
    )
    assert Generation.decode(nfgenmsg(0) + said[:8]) == Generation(65538, 0, "")


def dump(*messages: tuple[int, bytes]) -> RawDump:
    """Messages of one family, each with its generation."""
    raw = RawDump(1, PORT)
    raw.datagrams = [told(NEWRULE, 1, nfgenmsg(1, at) + text) for at, text in messages]
    return raw


def test_dumps_are_compared_without_the_generations_they_tell() -> None:
    assert undated(dump()) == b""
    assert undated(dump((5, b"a"), (5, b"b"))) == undated(dump((9, b"a"), (9, b"b")))
    assert undated(dump((5, b"a"), (5, b"b"))) != undated(dump((5, b"a"), (5, b"c")))


def test_a_dump_across_generations_is_like_no_other() -> None:
    torn = undated(dump((5, b"a"), (6, b"b")))
    assert torn not in {undated(dump((at, b"a"), (at, b"b"))) for at in (5, 6)}
