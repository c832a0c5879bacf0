"""The shapes of values that parameters of links may have: what fits, packed and unpacked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final, Literal, TypeAlias

from attrs import frozen

from ..._kernel.netlink import NetlinkDecodeError, attributes, pack_attribute
from ..desired.checks import hardware_address
from .wire import address_of

__all__ = [
    "ADDRESSES",
    "HARDWARE",
    "PORTS",
    "PRESENCE",
    "TEXT",
    "Atom",
    "Value",
    "bits",
    "integer",
    "ip",
    "masked_bits",
]

Value: TypeAlias = int | str | bool
ByteOrder: TypeAlias = Literal["little", "big"]

_WIDTHS: Final = frozenset({1, 2, 4, 8})
_LONGEST_TEXT: Final = 4095
_LARGEST_PORT: Final = 0xFFFF


@frozen(eq=False)
class Atom:
    """A shape of values.

    Attributes:
        expected: What an author may write, for errors.
        check: Makes of what an author wrote what `decode` gives back, or raises ValueError.
        encode: The bytes of a checked value.
        decode: The value of bytes; raises NetlinkDecodeError where they are malformed.
    """

    expected: str
    check: Callable[[Any], Value]
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Value]


def integer(
    width: int,
    order: ByteOrder = sys.byteorder,
    *,
    signed: bool = False,
    names: Mapping[str, int] | None = None,
) -> Atom:
    """An integer of a width in bytes; those that have a name are told by it."""
    numbers = names or {}
    words = {number: word for word, number in numbers.items()}
    size = 1 << 8 * width
    low, high = (-size // 2, size // 2 - 1) if signed else (0, size - 1)

    def check(value: Any) -> Value:
        if isinstance(value, str) and value.lower() in numbers:
            return value.lower()
        if not isinstance(value, int) or not low <= value <= high:
            raise ValueError
        return words.get(value, int(value))

    def encode(value: Any) -> bytes:
        number = numbers[value] if isinstance(value, str) else int(value)
        return number.to_bytes(width, order, signed=signed)

    def decode(data: bytes) -> Value:
        # Of whatever width: kernels tell some numbers wider than they take them.
        number = _number(data, order, signed)
        return words.get(number, number)

    either = f"one of {', '.join(numbers)}, or " if numbers else ""
    return Atom(f"{either}an integer from {low} to {high}", check, encode, decode)


def _number(data: bytes, order: ByteOrder = sys.byteorder, signed: bool = False) -> int:
    if len(data) not in _WIDTHS:
        raise NetlinkDecodeError(f"a number of {len(data)} bytes", 0)
    return int.from_bytes(data, order, signed=signed)


def bits(width: int, names: Mapping[str, int]) -> Atom:
    """Flags by name with commas between them; a number where one of them has no name."""

    def check(value: Any) -> Value:
        return _told(_bits_of(value, names, width), names)

    def encode(value: Any) -> bytes:
        return _bits_of(value, names, width).to_bytes(width, sys.byteorder)

    def decode(data: bytes) -> Value:
        return _told(_number(data), names)

    return Atom(f"some of {', '.join(names)} with commas between them", check, encode, decode)


def masked_bits(names: Mapping[str, int]) -> Atom:
    """Flags with a mask of those that are meant: all that are known (struct ifla_vlan_flags)."""
    mask = sum(names.values())
    plain = bits(4, names)

    def check(value: Any) -> Value:
        told = plain.check(value)
        if isinstance(told, int):  # a mask of bits it does not know makes the kernel refuse
            raise ValueError
        return told

    def encode(value: Any) -> bytes:
        return plain.encode(value) + mask.to_bytes(4, sys.byteorder)

    def decode(data: bytes) -> Value:
        if len(data) != 8:
            raise NetlinkDecodeError(f"flags and a mask of {len(data)} bytes", 0)
        return plain.decode(data[:4])

    return Atom(plain.expected, check, encode, decode)


def _bits_of(value: Any, names: Mapping[str, int], width: int) -> int:
    if isinstance(value, str):
        words = _words(value.lower())
        if set(words) - set(names):
            raise ValueError
        return sum({names[word] for word in words})
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 8 * width:
        raise ValueError
    return value


def _told(number: int, names: Mapping[str, int]) -> Value:
    if number & ~sum(names.values()):
        return number
    return ",".join(name for name, bit in names.items() if number & bit)


def _words(value: str) -> list[str]:
    return [word.strip() for word in value.split(",")] if value.strip() else []


def ip(version: int) -> Atom:
    """An IP address of one version."""
    kind = IPv4Address if version == 4 else IPv6Address

    def check(value: Any) -> Value:
        if not isinstance(value, str | IPv4Address | IPv6Address) or "%" in str(value):
            raise ValueError
        return str(kind(str(value)))

    def encode(value: Any) -> bytes:
        return kind(value).packed

    return Atom(f"an IPv{version} address", check, encode, lambda data: str(address_of(data)))


def _addresses() -> Atom:
    def check(value: Any) -> Value:
        if not isinstance(value, str):
            raise ValueError
        return ",".join(str(IPv4Address(word)) for word in _words(value))

    def encode(value: Any) -> bytes:
        return b"".join(
            pack_attribute(number, IPv4Address(word).packed)
            for number, word in enumerate(_words(value))
        )

    def decode(data: bytes) -> Value:
        return ",".join(str(address_of(member)) for _, member in attributes(data))

    return Atom("IPv4 addresses with commas between them", check, encode, decode)


def _hardware() -> Atom:
    def check(value: Any) -> Value:
        text = hardware_address(value, "")
        if len(text) != len("00:00:00:00:00:00"):
            raise ValueError
        return text

    def encode(value: Any) -> bytes:
        return bytes.fromhex(value.replace(":", ""))

    expected = "a link-layer address, like '02:00:00:00:00:01'"
    return Atom(expected, check, encode, lambda data: data.hex(":"))


def _ports() -> Atom:
    def check(value: Any) -> Value:
        if not isinstance(value, str):
            raise ValueError
        low, high = map(int, value.split("-"))
        if not 0 <= low <= high <= _LARGEST_PORT:
            raise ValueError
        return f"{low}-{high}"

    def encode(value: Any) -> bytes:
        return b"".join(int(port).to_bytes(2, "big") for port in value.split("-"))

    def decode(data: bytes) -> Value:
        if len(data) != 4:
            raise NetlinkDecodeError(f"a range of ports of {len(data)} bytes", 0)
        return f"{int.from_bytes(data[:2], 'big')}-{int.from_bytes(data[2:], 'big')}"

    return Atom("a range of ports, like '32768-60999'", check, encode, decode)


def _text() -> Atom:
    def check(value: Any) -> Value:
        if not isinstance(value, str) or "\0" in value or len(value.encode()) > _LONGEST_TEXT:
            raise ValueError
        return value

    def encode(value: Any) -> bytes:
        text: str = value
        return text.encode("utf-8", "surrogateescape") + b"\0"

    def decode(data: bytes) -> Value:
        return data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")

    return Atom(f"text of up to {_LONGEST_TEXT} bytes", check, encode, decode)


def _presence() -> Atom:
    def check(value: Any) -> Value:
        if not isinstance(value, bool):
            raise ValueError
        return value

    return Atom("True or False", check, lambda _value: b"", lambda _data: True)


ADDRESSES: Final = _addresses()
"""IPv4 addresses with commas between them; in the message an attribute each."""
HARDWARE: Final = _hardware()
"""A link-layer address of six bytes."""
PORTS: Final = _ports()
"""A range of ports (struct ifla_vxlan_port_range)."""
TEXT: Final = _text()
"""Text."""
PRESENCE: Final = _presence()
"""True where the attribute is there (NLA_FLAG)."""
