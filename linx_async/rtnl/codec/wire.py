"""What the codecs of rtnetlink share: numbers, and how interfaces are named."""

from __future__ import annotations

import enum
import struct
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Final, TypeAlias

from ..._kernel.netlink import NetlinkDecodeError
from ..desired.checks import IP

__all__ = [
    "FAMILIES",
    "VERSIONS",
    "Indices",
    "Names",
    "NoInterface",
    "NoNamespace",
    "Type",
    "address_of",
    "index_of",
    "name_of",
    "u8",
    "u16",
    "u32",
]

Names: TypeAlias = Mapping[int, str]
"""The names of interfaces by index."""
Indices: TypeAlias = Mapping[str, int]
"""The indices of interfaces by name."""

FAMILIES: Final[Mapping[int, int]] = {4: 2, 6: 10}
"""Address families (AF_INET, AF_INET6) by the version of IP."""
VERSIONS: Final[Mapping[int, int]] = {2: 4, 10: 6}
"""Versions of IP by address family."""

_BY_INDEX: Final = "ifindex/"
_U16: Final = struct.Struct("=H")
_U32: Final = struct.Struct("=I")


class Type(enum.IntEnum):
    """Message types (RTM_*, include/uapi/linux/rtnetlink.h)."""

    NEWLINK = 16
    DELLINK = 17
    GETLINK = 18
    SETLINK = 19
    NEWADDR = 20
    DELADDR = 21
    GETADDR = 22
    NEWROUTE = 24
    DELROUTE = 25
    GETROUTE = 26
    NEWNEIGH = 28
    DELNEIGH = 29
    GETNEIGH = 30
    NEWRULE = 32
    DELRULE = 33
    GETRULE = 34
    NEWNEXTHOP = 104
    DELNEXTHOP = 105
    GETNEXTHOP = 106
    NEWLINKPROP = 108
    DELLINKPROP = 109


class NoInterface(LookupError):
    """An interface is not there.

    Attributes:
        name: Its name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


class NoNamespace(LookupError):
    """A network namespace is not there."""


def name_of(names: Names, index: int) -> str:
    """The name of an interface, or `ifindex/N` (no name has a slash) where it is not known."""
    return names.get(index) or f"{_BY_INDEX}{index}"


def index_of(indices: Indices, name: str) -> int:
    """The index of an interface, of one without a known name too.

    Raises:
        NoInterface: It is not there.
    """
    index = indices.get(name)
    if index is None and name.startswith(_BY_INDEX):
        index = int(name.removeprefix(_BY_INDEX))
    if index is None:
        raise NoInterface(name)
    return index


def address_of(value: bytes) -> IP:
    """An IP address of its bytes.

    Raises:
        NetlinkDecodeError: They are neither 4 nor 16.
    """
    if len(value) == 4:
        return IPv4Address(value)
    if len(value) == 16:
        return IPv6Address(value)
    raise NetlinkDecodeError(f"an address of {len(value)} bytes", 0)


def u8(value: bytes) -> int:
    """An unsigned 8-bit integer.

    Raises:
        NetlinkDecodeError: It is not one byte.
    """
    if len(value) != 1:
        raise NetlinkDecodeError(f"expected 1 byte, got {len(value)}", 0)
    return value[0]


def u16(value: bytes) -> int:
    """An unsigned 16-bit integer in host order.

    Raises:
        NetlinkDecodeError: It is not two bytes.
    """
    if len(value) != 2:
        raise NetlinkDecodeError(f"expected 2 bytes, got {len(value)}", 0)
    number: int = _U16.unpack(value)[0]
    return number


def u32(value: bytes) -> int:
    """An unsigned 32-bit integer in host order.

    Raises:
        NetlinkDecodeError: It is not four bytes.
    """
    if len(value) != 4:
        raise NetlinkDecodeError(f"expected 4 bytes, got {len(value)}", 0)
    number: int = _U32.unpack(value)[0]
    return number
