from __future__ import annotations

from contextlib import suppress
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from linx_async._kernel.exchange import Exchange
from linx_async._kernel.netlink import (
    Message,
    NetlinkDecodeError,
    align,
    attribute_map,
    attributes,
    pack_attribute,
    pack_message,
    pack_nested,
    split,
)

u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
kinds = st.integers(0, 0x3FFF)
messages = st.builds(Message, u16, u16, u32, u32, st.binary(max_size=60))
attribute_lists = st.lists(st.tuples(kinds, st.binary(max_size=60)), max_size=8)


def packed(message: Message) -> bytes:
    return pack_message(message.type, message.flags, message.seq, message.payload, pid=message.pid)


@given(st.lists(messages, max_size=6))
def test_messages_come_back_as_they_were_packed(sent: list[Message]) -> None:
    datagram = b"".join(map(packed, sent))
    assert len(datagram) % 4 == 0
    assert list(split(datagram)) == sent


@given(attribute_lists, st.binary(max_size=20))
def test_attributes_come_back_as_they_were_packed(
    sent: list[tuple[int, bytes]], head: bytes
) -> None:
    payload = head + b"".join(pack_attribute(kind, value) for kind, value in sent)
    assert list(attributes(payload, len(head))) == sent


@given(kinds, attribute_lists)
def test_nested_attributes_come_back_at_any_depth(
    kind: int, members: list[tuple[int, bytes]]
) -> None:
    inner = b"".join(pack_attribute(member, value) for member, value in members)
    outer = pack_nested(kind, pack_nested(kind, inner))
    assert list(attributes(attribute_map(attribute_map(outer)[kind])[kind])) == members


@given(st.binary(max_size=200))
def test_no_datagram_crashes_or_yields_more_than_it_holds(datagram: bytes) -> None:
    found: list[Message] = []
    with suppress(NetlinkDecodeError):
        found.extend(split(datagram))
    # What was found before the fault is what the datagram begins with.
    assert sum(align(16 + len(message.payload)) for message in found) <= align(len(datagram))
    position = 0
    for message in found:
        assert datagram[position + 16 :].startswith(message.payload)
        position += align(16 + len(message.payload))


@given(st.binary(max_size=200), st.integers(0, 40))
def test_no_payload_crashes_or_yields_more_than_it_holds(payload: bytes, offset: int) -> None:
    found: list[tuple[int, bytes]] = []
    with suppress(NetlinkDecodeError):
        found.extend(attributes(payload, offset))
    assert sum(4 + len(value) for _, value in found) <= len(payload)


@given(st.lists(messages, min_size=1, max_size=4), st.data())
def test_a_datagram_with_a_byte_changed_is_read_or_refused(
    sent: list[Message], data: st.DataObject
) -> None:
    datagram = bytearray(b"".join(map(packed, sent)))
    position = data.draw(st.integers(0, len(datagram) - 1))
    datagram[position] = data.draw(st.integers(0, 255))
    with suppress(NetlinkDecodeError):
        assert len(list(split(bytes(datagram)))) <= len(datagram) // 16


control = st.builds(
    Message,
    st.sampled_from([1, 2, 3, 4, 16, 24]),
    u16,
    st.sampled_from([0, 1, 2]),
    st.sampled_from([0, 9]),
    st.binary(max_size=60),
)


@given(st.lists(st.one_of(control.map(packed), st.binary(max_size=40)), max_size=8))
def test_an_exchange_takes_any_datagrams_and_keeps_only_its_own(datagrams: list[bytes]) -> None:
    exchange = Exchange(2, 9)
    for datagram in datagrams:
        try:
            exchange.feed(datagram)
        except NetlinkDecodeError:
            break
    assert all((message.seq, message.pid) == (2, 9) for message in exchange.messages)
    assert all(message.type >= 16 for message in exchange.messages)
    assert exchange.refusal is None or exchange.done


@given(
    st.lists(st.binary(max_size=20), max_size=12),
    st.lists(st.binary(max_size=20), max_size=12),
    st.randoms(use_true_random=False),
)
def test_a_dump_is_the_same_however_its_messages_are_spread_and_mixed(
    ours: list[bytes], theirs: list[bytes], random: Random
) -> None:
    stream = [packed(Message(16, 2, 2, 9, part)) for part in ours]
    for part in theirs:
        stream.insert(random.randint(0, len(stream)), packed(Message(16, 2, 1, 9, part)))
    stream.append(packed(Message(3, 2, 2, 9, bytes(4))))
    exchange = Exchange(2, 9)
    while stream:
        several = random.randint(1, len(stream))
        exchange.feed(b"".join(stream[:several]))
        del stream[:several]
    assert exchange.done
    # The order of our own parts is kept.
    assert [message.payload for message in exchange.messages] == ours
