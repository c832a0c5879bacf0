from __future__ import annotations

import errno
import struct

import pytest

from linx_async._kernel.exchange import Exchange, RawDump, Refusal, Transaction
from linx_async._kernel.netlink import (
    Control,
    Flag,
    Message,
    NetlinkDecodeError,
    attribute_map,
    attributes,
    next_sequence,
    pack_attribute,
    pack_message,
    pack_nested,
    pack_text,
    pack_u32,
    split,
)

NEWLINK = 16
SEQ = 7
PORT = 4711


def reply(
    kind: int, payload: bytes = b"", *, flags: int = 0, seq: int = SEQ, pid: int = PORT
) -> bytes:
    return pack_message(kind, flags, seq, payload, pid)


def error(number: int, *, flags: int = Flag.CAPPED, echo: bytes = b"", tail: bytes = b"") -> bytes:
    echoed = struct.pack("=IHHII", 16 + len(echo), NEWLINK, 0, SEQ, 0) + echo
    return reply(Control.ERROR, struct.pack("=i", -number) + echoed + tail, flags=flags)


def done(status: int = 0, *, flags: int = Flag.MULTI, tail: bytes = b"") -> bytes:
    return reply(Control.DONE, struct.pack("=i", status) + tail, flags=flags)


def exchange(*datagrams: bytes) -> Exchange:
    exchange = Exchange(SEQ, PORT)
    for datagram in datagrams:
        exchange.feed(datagram)
    return exchange


def payloads(exchange: Exchange) -> list[bytes]:
    return [message.payload for message in exchange.messages]


def test_a_message_is_the_kernels_sixteen_byte_header_and_a_padded_payload() -> None:
    packed = pack_message(0x12, 0x301, 5, b"abcde", pid=9)
    assert packed.hex() == "150000001200010305000000090000006162636465000000"
    assert list(split(packed)) == [Message(0x12, 0x301, 5, 9, b"abcde")]


def test_the_last_message_may_lack_its_padding() -> None:
    packed = pack_message(0x12, 0, 5, b"abcd") + pack_message(0x13, 0, 5, b"e").removesuffix(
        bytes(3)
    )
    assert [message.payload for message in split(packed)] == [b"abcd", b"e"]


def test_an_attribute_is_padded_but_its_length_is_not() -> None:
    packed = pack_text(3, "lo")
    assert packed.hex() == "070003006c6f0000"
    assert list(attributes(packed)) == [(3, b"lo\0")]


def test_a_nested_attribute_is_flagged_and_read_without_its_flag() -> None:
    packed = pack_nested(18, pack_text(1, "veth"), pack_u32(2, 5))
    assert packed[2:4].hex() == "1280"
    ((kind, value),) = attributes(packed)
    assert kind == 18
    assert attribute_map(value) == {1: b"veth\0", 2: struct.pack("=I", 5)}


def test_an_attribute_nobody_knows_is_kept() -> None:
    assert attribute_map(pack_attribute(0x3FFF, b"new")) == {0x3FFF: b"new"}


def test_of_an_attribute_that_comes_twice_the_last_counts() -> None:
    packed = pack_u32(1, 1) + pack_u32(1, 2)
    assert [kind for kind, _ in attributes(packed)] == [1, 1]
    assert attribute_map(packed) == {1: struct.pack("=I", 2)}


def test_attributes_begin_behind_the_family_header() -> None:
    assert attribute_map(b"familyhd" + pack_attribute(4, b"x"), 8) == {4: b"x"}


@pytest.mark.parametrize(
    ("payload", "offset", "at"),
    [
        (b"\x04\x00", 0, 0),
        (b"\x00\x00\x01\x00", 0, 0),
        (b"\x03\x00\x01\x00", 0, 0),
        (b"\x09\x00\x01\x00abcd", 0, 0),
        (pack_u32(1, 1) + b"\xff\xff\x02\x00", 0, 8),
        (b"head", 8, 8),
    ],
)
def test_an_attribute_that_lies_is_an_error_that_says_where(
    payload: bytes, offset: int, at: int
) -> None:
    with pytest.raises(NetlinkDecodeError) as caught:
        list(attributes(payload, offset))
    assert caught.value.offset == at
    assert f"at byte {at}" in str(caught.value)


@pytest.mark.parametrize("length", [0, 15, 21, 0xFFFFFFFF])
def test_a_message_that_lies_about_its_length_is_an_error_that_says_where(length: int) -> None:
    first = pack_message(1, 0, 0, b"")
    with pytest.raises(NetlinkDecodeError, match="at byte 16") as caught:
        list(split(first + struct.pack("=IHHII", length, 1, 0, 0, 0) + b"1234"))
    assert caught.value.offset == 16


def test_what_cannot_be_packed_is_refused_by_name_and_value() -> None:
    with pytest.raises(ValueError, match="attribute type: 16384"):
        pack_attribute(0x4000)
    with pytest.raises(ValueError, match="attribute 4: 65532 bytes"):
        pack_attribute(4, bytes(65532))
    with pytest.raises(ValueError, match="attribute 4: -1"):
        pack_u32(4, -1)
    with pytest.raises(ValueError, match=r"attribute 3: .*NUL"):
        pack_text(3, "a\0b")
    with pytest.raises(ValueError, match="type 65536"):
        pack_message(0x10000, 0, 1, b"")


def test_sequence_numbers_never_become_zero() -> None:
    assert next_sequence(0) == 1
    assert next_sequence(0xFFFFFFFF) == 1


def test_a_dump_is_put_together_until_done() -> None:
    parts = [reply(NEWLINK, part, flags=Flag.MULTI) for part in (b"a", b"b", b"c")]
    unfinished = exchange(parts[0] + parts[1], parts[2])
    assert (unfinished.done, len(unfinished.messages)) == (False, 3)
    unfinished.feed(done())
    assert (unfinished.done, len(unfinished.messages)) == (True, 3)
    assert payloads(unfinished) == [b"a", b"b", b"c"]
    assert unfinished.refusal is None


def test_an_ack_ends_a_request_that_is_no_dump() -> None:
    answered = exchange(reply(NEWLINK, b"a"), error(0))
    assert answered.done
    assert answered.refusal is None
    assert payloads(answered) == [b"a"]


def test_a_dump_of_a_table_that_does_not_exist_is_empty() -> None:
    answered = exchange(done(-errno.ENOENT))
    assert answered.done
    assert answered.refusal is None


def test_a_dump_that_fails_halfway_is_refused_with_the_kernels_words() -> None:
    answered = exchange(
        reply(NEWLINK, b"a", flags=Flag.MULTI),
        done(-errno.EINVAL, flags=Flag.MULTI | Flag.ACK_TLVS, tail=pack_text(1, "bad filter")),
    )
    assert answered.refusal == Refusal(errno.EINVAL, "bad filter")


def test_an_error_carries_the_kernels_words_and_the_place() -> None:
    tail = pack_text(1, "Invalid MTU") + pack_u32(2, 36)
    answered = exchange(error(errno.EINVAL, flags=Flag.CAPPED | Flag.ACK_TLVS, tail=tail))
    assert answered.done
    assert answered.refusal == Refusal(errno.EINVAL, "Invalid MTU", 36)


def test_the_words_are_found_behind_an_echoed_request() -> None:
    answered = exchange(
        error(errno.EPERM, flags=Flag.ACK_TLVS, echo=b"12345678", tail=pack_text(1, "no"))
    )
    assert answered.refusal == Refusal(errno.EPERM, "no")


@pytest.mark.parametrize("tail", [b"\xff\xff\x01\x00", b"\x01", pack_attribute(2, b"xx")])
def test_words_that_cannot_be_read_do_not_hide_the_error(tail: bytes) -> None:
    answered = exchange(error(errno.EPERM, flags=Flag.CAPPED | Flag.ACK_TLVS, tail=tail))
    assert answered.refusal == Refusal(errno.EPERM)


def test_an_error_without_a_number_is_malformed() -> None:
    with pytest.raises(NetlinkDecodeError, match="number"):
        exchange(reply(Control.ERROR, b"\xff"))


def test_tables_that_changed_under_a_dump_are_noticed_on_any_message_of_it() -> None:
    for datagrams in (
        [reply(NEWLINK, b"a", flags=Flag.MULTI | Flag.DUMP_INTR), done()],
        [reply(NEWLINK, b"a", flags=Flag.MULTI), done(flags=Flag.MULTI | Flag.DUMP_INTR)],
        [reply(Control.OVERRUN), done()],
    ):
        assert exchange(*datagrams).interrupted


def test_a_late_answer_to_another_request_is_never_taken_for_this_ones() -> None:
    answered = exchange(
        reply(NEWLINK, b"late", seq=SEQ - 1),
        reply(Control.ERROR, struct.pack("=i", -errno.EPERM) + bytes(16), seq=SEQ - 1),
        reply(NEWLINK, b"another port's", pid=PORT + 1),
        reply(NEWLINK, b"notification", seq=0, pid=0),
        reply(Control.NOOP),
    )
    assert not answered.done
    assert answered.messages == []


def test_what_comes_behind_the_end_is_not_part_of_the_answer() -> None:
    answered = exchange(done() + reply(NEWLINK, b"x"), reply(NEWLINK, b"y"))
    assert answered.messages == []


# A dump that is not looked at


def raw_dump(*datagrams: bytes) -> RawDump:
    dump = RawDump(SEQ, PORT)
    for datagram in datagrams:
        dump.feed(datagram)
    return dump


def part(payload: bytes, *, seq: int = SEQ, pid: int = PORT) -> bytes:
    return reply(NEWLINK, payload, flags=Flag.MULTI, seq=seq, pid=pid)


@pytest.mark.parametrize("end", [part(b"bb"), b""])
def test_the_end_of_a_raw_dump_may_say_that_it_was_interrupted(end: bytes) -> None:
    """Where nothing is left to tell, the end alone says so (netlink_dump_done())."""
    for flags, interrupted in ((Flag.MULTI, False), (Flag.MULTI | Flag.DUMP_INTR, True)):
        dump = raw_dump(part(b"a"), end + done(flags=flags))
        dump.pause()
        assert (dump.done, dump.interrupted) == (True, interrupted)


def test_a_raw_dump_is_its_datagrams_as_they_came_without_its_end() -> None:
    first, second = part(b"a") + part(b"bb"), part(b"ccc")
    dump = raw_dump(first, second, done())
    assert (dump.done, len(dump.datagrams)) == (False, 3)
    dump.pause()
    assert (dump.done, dump.datagrams) == (True, [first, second])
    assert dump.refusal is None


def test_the_end_of_a_raw_dump_may_come_behind_its_last_messages() -> None:
    dump = raw_dump(part(b"a"), part(b"bbbbb") + done())
    dump.pause()
    assert dump.done
    assert dump.datagrams == [part(b"a"), part(b"bbbbb")]


def test_a_raw_dump_is_not_at_its_end_as_long_as_more_can_come() -> None:
    dump = raw_dump()
    dump.pause()
    assert not dump.done
    dump.feed(part(b"a"))
    dump.pause()
    assert not dump.done
    dump.feed(done())
    dump.pause()
    assert (dump.done, dump.datagrams) == (True, [part(b"a")])


def test_a_raw_dump_of_a_table_that_does_not_exist_is_empty() -> None:
    dump = raw_dump(done(-errno.ENOENT))
    dump.pause()
    assert (dump.done, dump.datagrams, dump.refusal) == (True, [], None)


def test_a_raw_dump_that_is_refused_says_so_in_the_kernels_words() -> None:
    flags = Flag.CAPPED | Flag.ACK_TLVS
    at_once = raw_dump(error(errno.EINVAL, flags=flags, tail=pack_text(1, "bad filter")))
    at_once.pause()
    assert (at_once.done, at_once.datagrams) == (True, [])
    assert at_once.refusal == Refusal(errno.EINVAL, "bad filter")
    halfway = raw_dump(part(b"a"), done(-errno.EMSGSIZE))
    halfway.pause()
    assert halfway.refusal == Refusal(errno.EMSGSIZE)


@pytest.mark.parametrize(
    "foreign",
    [
        part(b"late", seq=SEQ - 1),
        part(b"another's", pid=PORT + 1),
        part(b"told", seq=0, pid=0),
        b"",
    ],
)
def test_answers_of_others_are_no_part_of_a_raw_dump(foreign: bytes) -> None:
    dump = raw_dump(foreign, part(b"a"), foreign, done(), foreign)
    dump.pause()
    assert (dump.done, dump.datagrams) == (True, [part(b"a")])


def test_the_end_of_anothers_dump_is_not_the_end_of_a_raw_dump() -> None:
    other = reply(Control.DONE, bytes(4), flags=Flag.MULTI, seq=SEQ - 1)
    dump = raw_dump(part(b"a"), other)
    dump.pause()
    assert not dump.done


@pytest.mark.parametrize("datagram", [b"\x10", part(b"a")[:15]])
def test_a_datagram_too_short_for_a_header_is_malformed(datagram: bytes) -> None:
    with pytest.raises(NetlinkDecodeError, match="cut short"):
        raw_dump(datagram)


@pytest.mark.parametrize("length", [0, 15, 0xFFFFFFFF])
def test_a_raw_dump_whose_end_lies_about_its_length_is_malformed(length: int) -> None:
    lie = struct.pack("=I", length) + done()[4:]
    dump = raw_dump(part(b"a"), part(b"b") + lie)
    with pytest.raises(NetlinkDecodeError, match="does not fit"):
        dump.pause()


# Many changes at once


LAST = 9
SEQS = range(SEQ, LAST + 1)


def refusal_of(seq: int, number: int, *words: str) -> bytes:
    echoed = struct.pack("=IHHII", 16, NEWLINK, 0, seq, 0)
    flags = Flag.CAPPED | (Flag.ACK_TLVS if words else 0)
    said = b"".join(pack_text(1, text) for text in words)
    return reply(Control.ERROR, struct.pack("=i", -number) + echoed + said, flags=flags, seq=seq)


def transaction(*datagrams: bytes) -> Transaction:
    answer = Transaction(SEQS, PORT)
    for datagram in datagrams:
        answer.feed(datagram)
        answer.pause()
    return answer


def test_the_ack_of_the_last_change_ends_the_answer_and_silence_is_consent() -> None:
    answer = transaction(refusal_of(LAST, 0))
    assert answer.done
    assert answer.refusals == [None, None, None]


def test_each_refusal_goes_to_the_change_whose_sequence_number_it_has() -> None:
    answer = transaction(refusal_of(8, errno.EEXIST, "it is there"))
    found = [None, Refusal(errno.EEXIST, "it is there"), None]
    assert (answer.done, answer.refusals) == (False, found)
    answer.feed(refusal_of(LAST, 0))
    assert (answer.done, answer.refusals) == (True, found)


def test_several_refusals_may_come_in_one_datagram_the_last_ones_among_them() -> None:
    answer = transaction(
        refusal_of(7, errno.EPERM) + refusal_of(8, errno.EINVAL) + refusal_of(LAST, errno.ESRCH)
    )
    assert answer.done
    assert answer.refusals == [Refusal(errno.EPERM), Refusal(errno.EINVAL), Refusal(errno.ESRCH)]


def test_answers_of_others_are_not_taken_for_refusals_of_changes() -> None:
    answer = transaction(
        refusal_of(SEQ - 1, errno.EPERM),
        refusal_of(LAST + 1, errno.EPERM),
        reply(Control.ERROR, struct.pack("=i", -1) + bytes(16), seq=LAST, pid=PORT + 1),
        reply(NEWLINK, b"a notification", seq=LAST),
        reply(NEWLINK, b"told", seq=0, pid=0),
        b"",
    )
    assert not answer.done
    assert answer.refusals == [None, None, None]


@pytest.mark.parametrize("datagram", [refusal_of(8, 1)[:-1], refusal_of(8, 1) + b"\x10"])
def test_an_answer_that_is_malformed_is_no_answer(datagram: bytes) -> None:
    with pytest.raises(NetlinkDecodeError):
        transaction(datagram)


def test_a_refusal_of_a_change_without_a_number_is_malformed() -> None:
    with pytest.raises(NetlinkDecodeError, match="number"):
        transaction(reply(Control.ERROR, b"\xff", seq=8))
