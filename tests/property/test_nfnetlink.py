from __future__ import annotations

import struct
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from linx_async._kernel.exchange import RawDump
from linx_async._kernel.netlink import Flag, NetlinkDecodeError, pack_attribute, pack_message, split
from linx_async._kernel.nfnetlink_batch import Batch, Change, pack_batch
from linx_async._kernel.nfnetlink_messages import Generation, nfgenmsg, undated

PORT = 4711
REQUEST, ECHO = int(Flag.REQUEST), int(Flag.ECHO)
NEWRULE, NEWGEN = 0xA06, 0xA0F

u32 = st.integers(1, 0xFFFFFFFF)
changes = st.lists(
    st.builds(
        Change,
        st.integers(0, 0xFF),
        st.integers(0, 0xFFFF),
        st.integers(0, 0xFF),
        st.binary(max_size=40),
    ),
    max_size=6,
)


@given(changes, st.integers(1, 1 << 31), st.booleans())
def test_changes_come_back_as_they_were_packed(sent: list[Change], first: int, echo: bool) -> None:
    seqs = range(first, first + len(sent) + 2)
    batch = pack_batch(sent, seqs, echo=echo)
    assert len(batch) % 4 == 0
    messages = list(split(batch))
    assert [message.seq for message in messages] == list(seqs)
    for at, (message, change) in enumerate(zip(messages[1:-1], sent, strict=True)):
        asks = ECHO if echo or at == 0 else 0
        assert message.type == 0xA00 | change.kind
        assert message.flags == change.flags | REQUEST | asks
        assert message.payload == nfgenmsg(change.family) + change.attributes


@given(u32, st.integers(0, 0xFFFE))
def test_the_generation_that_was_made_is_told_by_its_lower_bits(made: int, since: int) -> None:
    """After 2^32-1 comes 1."""
    after = made + since if made + since <= 0xFFFFFFFF else (made + since) % 0xFFFFFFFF
    answer = Batch(range(1, 5), PORT)
    answer.feed(pack_message(NEWRULE, 0, 2, nfgenmsg(1, made & 0xFFFF), PORT))
    number = pack_attribute(1, struct.pack(">I", after))
    answer.feed(pack_message(NEWGEN, 0, 4, nfgenmsg(0) + number, PORT))
    assert answer.commit().generation == made


@given(st.binary(max_size=200), st.booleans())
def test_no_answer_crashes(datagram: bytes, echo: bool) -> None:
    answer = Batch(range(1, 9), PORT, echo=echo)
    with suppress(NetlinkDecodeError):
        answer.feed(datagram)
    with suppress(NetlinkDecodeError):
        Generation.decode(datagram)
    commit = answer.commit()
    assert len(commit.refusals) == 5


@given(
    st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=60), st.integers(0, 1)), max_size=9)
)
def test_messages_of_any_bytes_are_an_answer_or_malformed(
    said: list[tuple[int, bytes, int]],
) -> None:
    answer = Batch(range(1, 9), PORT, echo=True)
    kinds = (2, NEWRULE)
    datagrams = [pack_message(kinds[kind], 0, seq, payload, PORT) for seq, payload, kind in said]
    for datagram in datagrams:
        with suppress(NetlinkDecodeError):
            answer.feed(datagram)
    assert all(0 <= at < 5 for at, _ in answer.commit().echoes)


@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(0, 65535), st.integers(0, 65535))
def test_a_dump_is_the_same_in_every_generation(bodies: list[bytes], one: int, two: int) -> None:
    def dump(generation: int) -> RawDump:
        raw = RawDump(1, PORT)
        raw.datagrams = [
            pack_message(NEWRULE, 2, 1, nfgenmsg(1, generation) + body, PORT) for body in bodies
        ]
        return raw

    assert undated(dump(one)) == undated(dump(two))
