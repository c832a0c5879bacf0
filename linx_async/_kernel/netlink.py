"""Netlink as bytes: headers and attributes, without any I/O."""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import frozen

__all__ = [
    "MESSAGE",
    "U32",
    "Control",
    "Flag",
    "Message",
    "NetlinkDecodeError",
    "align",
    "attribute_map",
    "attributes",
    "next_sequence",
    "numbered",
    "pack_attribute",
    "pack_message",
    "pack_nested",
    "pack_text",
    "pack_u32",
    "split",
    "with_flags",
]


class Flag(enum.IntFlag):
    """nlmsg_flags, include/uapi/linux/netlink.h.

    Bits from 0x100 on differ between requests for data, requests to create, and errors.
    """

    REQUEST = 0x1
    MULTI = 0x2
    ACK = 0x4
    ECHO = 0x8
    DUMP_INTR = 0x10
    ROOT = 0x100
    MATCH = 0x200
    DUMP = 0x300
    REPLACE = 0x100
    EXCL = 0x200
    CREATE = 0x400
    APPEND = 0x800
    CAPPED = 0x100
    ACK_TLVS = 0x200


class Control(enum.IntEnum):
    """The message types below NLMSG_MIN_TYPE (16), which every family shares."""

    NOOP = 1
    ERROR = 2
    DONE = 3
    OVERRUN = 4


MESSAGE: Final = struct.Struct("=IHHII")
"""nlmsghdr: length, type, flags, sequence number, port id."""
U32: Final = struct.Struct("=I")
_SEQUENCE_AT: Final = 8
"""Where a message's sequence number is."""
_ATTRIBUTE: Final = struct.Struct("=HH")
_NESTED: Final = 0x8000
_TYPE_MASK: Final = 0x3FFF
_LARGEST_SEQUENCE: Final = 0xFFFFFFFF
_LARGEST_ATTRIBUTE: Final = 0xFFFF


class NetlinkDecodeError(ValueError):
    """Bytes that are not what they say they are.

    Attributes:
        offset: Bytes into what was decoded at which it went wrong.
    """

    def __init__(self, message: str, offset: int) -> None:
        self.offset = offset
        super().__init__(f"{message} at byte {offset}")


@frozen
class Message:
    """One netlink message, its payload still packed.

    Attributes:
        type: nlmsg_type: `Control`, or the family's own from 16 on.
        flags: nlmsg_flags, see `Flag`.
        seq: nlmsg_seq: the request's number in an answer, 0 in most notifications.
        pid: nlmsg_pid: the port id of the requester, 0 in most notifications.
        payload: What follows the header, without padding.
    """

    type: int
    flags: int
    seq: int
    pid: int
    payload: bytes


def align(length: int) -> int:
    """Round up to 4 bytes, as messages and attributes are (NLMSG_ALIGN, NLA_ALIGN)."""
    return (length + 3) & ~3


def split(datagram: bytes) -> Iterator[Message]:
    """Take a datagram apart into its messages.

    Raises:
        NetlinkDecodeError: A header is cut short, or a length does not fit the datagram.
    """
    offset, end = 0, len(datagram)
    while offset < end:
        start = offset + MESSAGE.size
        if start > end:
            raise NetlinkDecodeError("a message header is cut short", offset)
        length, kind, flags, seq, pid = MESSAGE.unpack_from(datagram, offset)
        if length < MESSAGE.size or length > end - offset:
            raise NetlinkDecodeError(
                f"a message of {length} bytes does not fit the {end - offset} there are", offset
            )
        yield Message(kind, flags, seq, pid, datagram[start : offset + length])
        offset += align(length)


def attributes(payload: bytes, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """The type, without its flag bits, and the value of each attribute from `offset` on.

    Types nobody knows are told like any other, and so is one that comes twice.

    Raises:
        NetlinkDecodeError: A header is cut short, or a length does not fit the payload.
    """
    end = len(payload)
    if offset > end:
        raise NetlinkDecodeError(f"{end} bytes end before the first attribute", offset)
    while offset < end:
        start = offset + _ATTRIBUTE.size
        if start > end:
            raise NetlinkDecodeError("an attribute header is cut short", offset)
        length, kind = _ATTRIBUTE.unpack_from(payload, offset)
        if length < _ATTRIBUTE.size or length > end - offset:
            raise NetlinkDecodeError(
                f"an attribute of {length} bytes does not fit the {end - offset} there are", offset
            )
        yield kind & _TYPE_MASK, payload[start : offset + length]
        offset += align(length)


def attribute_map(payload: bytes, offset: int = 0) -> dict[int, bytes]:
    """The attributes by type; of one that comes twice the last, as in the kernel's nla_parse().

    Raises:
        NetlinkDecodeError: As `attributes` does.
    """
    return dict(attributes(payload, offset))


def pack_attribute(kind: int, value: bytes = b"") -> bytes:
    """An attribute with its padding.

    Raises:
        ValueError: The type is not within 0 to 0x3fff, or the value is longer than 65531 bytes.
    """
    if not 0 <= kind & ~_NESTED <= _TYPE_MASK:
        raise ValueError(f"attribute type: {kind} is not within 0 to {_TYPE_MASK}")
    length = _ATTRIBUTE.size + len(value)
    if length > _LARGEST_ATTRIBUTE:
        raise ValueError(f"attribute {kind}: {len(value)} bytes are more than its length can say")
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length & 3)


def pack_nested(kind: int, *members: bytes) -> bytes:
    """An attribute of attributes, flagged as such (NLA_F_NESTED): strict checks ask for it."""
    return pack_attribute(kind | _NESTED, b"".join(members))


def pack_u32(kind: int, value: int) -> bytes:
    """An attribute of an unsigned 32-bit integer in host order.

    Raises:
        ValueError: The value is not within 0 to 2^32-1.
    """
    if not 0 <= value <= 0xFFFFFFFF:
        raise ValueError(f"attribute {kind}: {value} is not within 0 to 4294967295")
    return pack_attribute(kind, U32.pack(value))


def pack_text(kind: int, value: str) -> bytes:
    """An attribute of a string with the NUL that ends it.

    Raises:
        ValueError: There is a NUL inside.
    """
    if "\0" in value:
        raise ValueError(f"attribute {kind}: {value!r} has a NUL inside")
    return pack_attribute(kind, value.encode("utf-8", "surrogateescape") + b"\0")


def pack_message(kind: int, flags: int, seq: int, payload: bytes, pid: int = 0) -> bytes:
    """A message with its padding.

    Raises:
        ValueError: A number does not fit its field of the header.
    """
    length = MESSAGE.size + len(payload)
    try:
        header = MESSAGE.pack(length, kind, flags, seq, pid)
    except struct.error as error:
        raise ValueError(
            f"message: type {kind}, flags {flags}, sequence number {seq}, port id {pid} or"
            f" length {length} does not fit the header"
        ) from error
    return header + payload + bytes(-length & 3) if length & 3 else header + payload


def numbered(messages: Sequence[bytes], seqs: Sequence[int]) -> bytes:
    """Packed messages, one behind the other, each with its own sequence number in its header."""
    data = bytearray(b"".join(messages))
    numbers = struct.pack(f"={len(seqs)}I", *seqs)
    if len(set(map(len, messages))) == 1:
        # Of one length, as most are that are sent by the thousand: byte by byte, all at once.
        size = len(messages[0])
        for byte in range(U32.size):
            data[_SEQUENCE_AT + byte :: size] = numbers[byte :: U32.size]
        return bytes(data)
    offset = _SEQUENCE_AT
    for message, seq in zip(messages, seqs, strict=True):
        U32.pack_into(data, offset, seq)
        offset += len(message)
    return bytes(data)


def with_flags(message: bytes, more: int) -> bytes:
    """A packed message with more flags."""
    length, kind, flags, seq, pid = MESSAGE.unpack_from(message)
    return MESSAGE.pack(length, kind, flags | more, seq, pid) + message[MESSAGE.size :]


def next_sequence(seq: int) -> int:
    """The sequence number after `seq`, from 1 to 2^32-1: 0 is what notifications carry."""
    return seq % _LARGEST_SEQUENCE + 1
