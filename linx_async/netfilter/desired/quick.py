"""Values of the common datatypes, many of them quickly: what is not plain is left to `values`."""

from __future__ import annotations

import string
import sys
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final, Literal, TypeAlias

from .datatypes import DataType
from .elements import PLAIN
from .ranges import Placed

__all__ = ["quick_keys", "quick_ranges"]

_HEX: Final = frozenset(string.hexdigits)
_MOST_GROUPS: Final = 1 << 16
_OCTETS: Final[Mapping[str, bytes]] = {str(octet): bytes((octet,)) for octet in range(256)}
_FIRST: Final[Mapping[str, bytes]] = {text: PLAIN + octet for text, octet in _OCTETS.items()}
_A: Final[Mapping[str, int]] = {str(octet): octet << 24 for octet in range(256)}
_B: Final[Mapping[str, int]] = {str(octet): octet << 16 for octet in range(256)}
_C: Final[Mapping[str, int]] = {str(octet): octet << 8 for octet in range(256)}
_D: Final[Mapping[str, int]] = {str(octet): octet for octet in range(256)}
_HOSTS: Final[Mapping[str, int]] = {str(bits): (1 << (32 - bits)) - 1 for bits in range(33)}
_HOSTS6: Final[Mapping[str, int]] = {str(bits): (1 << (128 - bits)) - 1 for bits in range(129)}

_ODD: Final = (KeyError, ValueError, AttributeError, OverflowError, TypeError)
"""What a value that is not plain comes to."""

SlowKey: TypeAlias = Callable[[int], bytes]
SlowRange: TypeAlias = Callable[[int], "Placed | None"]


class _Groups(dict[str, bytes]):
    """The four hexadecimal digits of an IPv6 address, as they come."""

    def __missing__(self, text: str) -> bytes:
        if not 1 <= len(text) <= 4 or not _HEX.issuperset(text):
            raise ValueError
        found = int(text, 16).to_bytes(2, "big")
        if len(self) < _MOST_GROUPS:
            self[text] = found
        return found


def _ipv6(text: str, groups: _Groups) -> bytes:
    head, gap, tail = text.partition("::")
    front = b"".join([groups[part] for part in head.split(":")]) if head else b""
    if not gap:
        if len(front) != 16:
            raise ValueError
        return front
    back = b"".join([groups[part] for part in tail.split(":")]) if tail else b""
    missing = 16 - len(front) - len(back)
    if missing < 2:
        raise ValueError
    return front + bytes(missing) + back


def quick_keys(values: Sequence[Any], kind: DataType, slow: SlowKey) -> list[bytes] | None:
    """The keys of elements that are single values; None where there is no quick way to them.

    Args:
        values: The values.
        kind: Their datatype.
        slow: What makes a key of the value at a place that is not plain.
    """
    of = _type_of(values)
    if of is int and kind.bits % 8 == 0 and kind.name not in _NO_NUMBERS:
        return _numbers(values, kind.length, "little" if _is_little(kind) else "big", slow)
    if of is str and kind.name == "ipv4_addr":
        return _ipv4_keys(values, slow)
    if of is str and kind.name == "ipv6_addr":
        return _ipv6_keys(values, slow)
    address = _ADDRESSES.get(kind.name)
    if address is not None and of is address:
        return [
            PLAIN + value.packed if type(value) is address else slow(place)
            for place, value in enumerate(values)
        ]
    return None


def _type_of(values: Sequence[Any]) -> type | None:
    """What the first values are all; that the others are is checked one by one."""
    types = {type(value) for value in values[:16]}
    return types.pop() if len(types) == 1 else None


def _numbers(
    values: Sequence[Any], length: int, order: Literal["little", "big"], slow: SlowKey
) -> list[bytes]:
    found = list[bytes]()
    add = found.append
    for place, value in enumerate(values):
        try:
            # A bool is no number.
            add(PLAIN + value.to_bytes(length, order) if type(value) is int else slow(place))
        except OverflowError:
            add(slow(place))
    return found


def _ipv4_keys(values: Sequence[Any], slow: SlowKey) -> list[bytes]:
    found = list[bytes]()
    add, first, octets = found.append, _FIRST, _OCTETS
    for place, value in enumerate(values):
        try:
            a, b, c, d = value.split(".")
            add(first[a] + octets[b] + octets[c] + octets[d])
        except _ODD:
            add(slow(place))
    return found


def _ipv6_keys(values: Sequence[Any], slow: SlowKey) -> list[bytes]:
    found, groups = list[bytes](), _Groups()
    for place, value in enumerate(values):
        try:
            found.append(PLAIN + _ipv6(value, groups))
        except _ODD:
            found.append(slow(place))
    return found


def quick_ranges(values: Sequence[Any], kind: DataType, slow: SlowRange) -> list[Placed] | None:
    """The ranges of elements; None where there is no quick way to them.

    Args:
        values: The values.
        kind: Their datatype.
        slow: What makes a range of the value at a place that is not plain; None is for all else.
    """
    of = _type_of(values)
    if of is str and kind.name == "ipv4_addr":
        return _ipv4_ranges(values, slow)
    if of is str and kind.name == "ipv6_addr":
        return _ipv6_ranges(values, slow)
    if of is int and kind.name not in _NO_NUMBERS:
        found, most = list[Placed](), kind.most
        for place, value in enumerate(values):
            if type(value) is int and 0 <= value <= most:
                found.append((value, -place, value))
            elif (odd := slow(place)) is not None:
                found.append(odd)
        return found
    return None


def _ipv4_ranges(values: Sequence[Any], slow: SlowRange) -> list[Placed]:
    found = list[Placed]()
    for place, value in enumerate(values):
        try:
            address, hosts = value, 0
            if "/" in value:
                address, _, bits = value.partition("/")
                hosts = _HOSTS[bits]
            a, b, c, d = address.split(".")
            number = _A[a] | _B[b] | _C[c] | _D[d]
            if number & hosts:
                raise ValueError
            found.append((number, -place, number | hosts))
        except _ODD:
            if (odd := slow(place)) is not None:
                found.append(odd)
    return found


def _ipv6_ranges(values: Sequence[Any], slow: SlowRange) -> list[Placed]:
    found, groups = list[Placed](), _Groups()
    for place, value in enumerate(values):
        try:
            address, hosts = value, 0
            if "/" in value:
                address, _, bits = value.partition("/")
                hosts = _HOSTS6[bits]
            number = int.from_bytes(_ipv6(address, groups), "big")
            if number & hosts:
                raise ValueError
            found.append((number, -place, number | hosts))
        except _ODD:
            if (odd := slow(place)) is not None:
                found.append(odd)
    return found


def _is_little(kind: DataType) -> bool:
    return kind.swapped and sys.byteorder == "little"


_NO_NUMBERS: Final = frozenset({"ipv4_addr", "ipv6_addr", "ether_addr", "ifname", "time"})
_ADDRESSES: Final[Mapping[str, type[IPv4Address | IPv6Address]]] = {
    "ipv4_addr": IPv4Address,
    "ipv6_addr": IPv6Address,
}
