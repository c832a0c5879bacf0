"""Neighbours as bytes: the payloads of RTM_NEWNEIGH, RTM_DELNEIGH and RTM_GETNEIGH."""

from __future__ import annotations

import enum
import struct
from typing import Final

from ..._kernel.netlink import (
    NetlinkDecodeError,
    attribute_map,
    attributes,
    pack_attribute,
    pack_u32,
)
from ..desired.checks import Unknown, unchecked
from ..desired.neighbour import STATES, Neighbour
from .wire import FAMILIES, VERSIONS, Indices, Names, address_of, index_of, name_of, u8, u32

__all__ = [
    "DUMP",
    "DUMP_PROXIES",
    "NeighbourFlag",
    "decode",
    "encode",
    "encode_delete",
    "is_ours",
]


class NeighbourFlag(enum.IntFlag):
    """The flags of a neighbour (NTF_*, include/uapi/linux/neighbour.h).

    From 0x100 on they are those of NDA_FLAGS_EXT (NTF_EXT_*), as the kernel joins both.
    """

    USE = 0x01
    SELF = 0x02
    MASTER = 0x04
    PROXY = 0x08
    EXT_LEARNED = 0x10
    OFFLOADED = 0x20
    STICKY = 0x40
    ROUTER = 0x80
    MANAGED = 0x100
    LOCKED = 0x200


# NDA_*, include/uapi/linux/neighbour.h
_DST: Final = 1
_LLADDR: Final = 2
_CACHEINFO: Final = 3
_PROBES: Final = 4
_PROTOCOL: Final = 12
_FLAGS_EXT: Final = 15
_KNOWN: Final = frozenset({_DST, _LLADDR, _CACHEINFO, _PROBES, _PROTOCOL, _FLAGS_EXT})

_HEAD: Final = struct.Struct("=B3xIHBB")  # ndmsg: family, index, state, flags, type
_EXTENDED: Final = 8  # NTF_EXT_SHIFT, net/core/neighbour.c
_LONGEST_LLADDR: Final = 32  # MAX_ADDR_LEN, include/linux/netdevice.h
_PROXY: Final = int(NeighbourFlag.PROXY)
_ROUTER: Final = int(NeighbourFlag.ROUTER)
_GIVEN: Final = int(NeighbourFlag.EXT_LEARNED) | -1 << _EXTENDED
_STATE_NAMES: Final = {number: name for name, number in STATES.items()}

DUMP: Final = bytes(_HEAD.size)
"""The payload of RTM_GETNEIGH that asks for the neighbours of all families, without proxies."""
DUMP_PROXIES: Final = _HEAD.pack(0, 0, 0, _PROXY, 0)
"""The payload of RTM_GETNEIGH that asks for the proxies alone."""


def is_ours(payload: bytes) -> bool:
    """Whether a message is about an IPv4 or IPv6 neighbour."""
    return payload[:1] in {b"\x02", b"\x0a"}


def decode(payload: bytes, names: Names) -> Neighbour:
    """The neighbour of an RTM_NEWNEIGH or RTM_DELNEIGH message.

    As neigh_fill_info() and pneigh_fill_info() in net/core/neighbour.c tell it. Its state is one
    of `STATES`, or a number (`0x41`) where it is several at once.

    Raises:
        NetlinkDecodeError: It is malformed, or of another family.
    """
    if len(payload) < _HEAD.size:
        raise NetlinkDecodeError("the header of a neighbour is cut short", len(payload))
    family, index, state, flags, _ = _HEAD.unpack_from(payload)
    version = VERSIONS.get(family)
    if version is None:
        raise NetlinkDecodeError(f"a neighbour of family {family}", 0)
    found = attribute_map(payload, _HEAD.size)
    unknown: Unknown = ()
    if not found.keys() <= _KNOWN:
        unknown = tuple(one for one in attributes(payload, _HEAD.size) if one[0] not in _KNOWN)
    if _DST not in found:
        raise NetlinkDecodeError("a neighbour without an address", _HEAD.size)
    address = address_of(found[_DST])
    if address.version != version:
        raise NetlinkDecodeError(f"{address} in a message of IPv{version}", _HEAD.size)
    if _FLAGS_EXT in found:
        flags |= u32(found[_FLAGS_EXT]) << _EXTENDED
    return unchecked(
        Neighbour,
        name_of(names, index),
        address,
        _lladdr(found.get(_LLADDR)),
        flags & _PROXY != 0,
        flags & _ROUTER != 0,
        "none" if flags & _PROXY else _STATE_NAMES.get(state) or f"{state:#x}",
        u8(found[_PROTOCOL]) if _PROTOCOL in found else 0,
        flags,
        unknown,
    )


def encode(x: Neighbour, indices: Indices, protocol: int) -> bytes:
    """The payload of RTM_NEWNEIGH.

    Args:
        x: The neighbour.
        indices: The indices of interfaces by name.
        protocol: Its tag, where it has none of its own; 0 is sent as no tag at all, and leaves
            that of an entry that is there as it is (neigh_add() in net/core/neighbour.c).

    Raises:
        NoInterface: Its interface is not there.
    """
    flags = x.flags & _GIVEN | _PROXY * x.proxy | _ROUTER * x.router
    # Only permanent proxies outlast the loss of the carrier, although none shows its state
    # (pneigh_ifdown() in net/core/neighbour.c).
    number = STATES.get("permanent" if x.proxy else x.state)
    parts = _identity(x, indices, int(x.state, 16) if number is None else number, flags & 0xFF)
    if x.lladdr is not None:
        parts.append(pack_attribute(_LLADDR, bytes.fromhex(x.lladdr.replace(":", ""))))
    tag = protocol if x.protocol is None else x.protocol
    if tag:
        parts.append(pack_attribute(_PROTOCOL, bytes((tag,))))
    if flags >> _EXTENDED:
        parts.append(pack_u32(_FLAGS_EXT, flags >> _EXTENDED))
    parts.extend(pack_attribute(kind, value) for kind, value in x.unknown)
    return b"".join(parts)


def encode_delete(x: Neighbour, indices: Indices) -> bytes:
    """The payload of RTM_DELNEIGH.

    The kernel compares the address, the interface, and whether it is a proxy; nothing else, and
    not the tag (neigh_delete() in net/core/neighbour.c).

    Raises:
        NoInterface: Its interface is not there.
    """
    return b"".join(_identity(x, indices, 0, _PROXY * x.proxy))


def _identity(x: Neighbour, indices: Indices, state: int, flags: int) -> list[bytes]:
    head = _HEAD.pack(FAMILIES[x.family], index_of(indices, x.interface), state, flags, 0)
    return [head, pack_attribute(_DST, x.address.packed)]


def _lladdr(value: bytes | None) -> str | None:
    if not value:
        return None
    if len(value) > _LONGEST_LLADDR:
        raise NetlinkDecodeError(f"a link-layer address of {len(value)} bytes", _HEAD.size)
    return value.hex(":")
