"""Nexthop objects as rtnetlink messages (include/uapi/linux/nexthop.h)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from ..._kernel.netlink import (
    NetlinkDecodeError,
    attribute_map,
    attributes,
    pack_attribute,
    pack_nested,
    pack_u32,
)
from ..desired.checks import Unknown, unchecked
from ..desired.nexthop import Nexthop
from .wire import FAMILIES, VERSIONS, Indices, Names, address_of, index_of, name_of, u16, u32

__all__ = ["DUMP", "decode", "encode", "encode_delete", "is_ours"]

DUMP: Final = bytes(8)
"""The payload of RTM_GETNEXTHOP for all nexthops; strict checks take a family, which leaves out
groups, and NHA_OIF, NHA_MASTER, NHA_GROUPS or NHA_FDB. There is no filter by protocol."""

_HEADER: Final = struct.Struct("=BxBxI")
"""nhmsg: family, scope (of answers alone), protocol, flags."""
_MEMBER: Final = struct.Struct("=IBBxx")
"""nexthop_grp: id, weight less one, and its high byte (Linux 6.12)."""

_ID: Final = 1
_GROUP: Final = 2
_GROUP_TYPE: Final = 3
_BLACKHOLE: Final = 4
_OIF: Final = 5
_GATEWAY: Final = 6
_ENCAP: Final = 8
_RES_GROUP: Final = 12
_OP_FLAGS: Final = 14
_GROUP_STATS: Final = 15
_HW_STATS_USED: Final = 17

_OURS: Final = frozenset({_ID, _GROUP, _BLACKHOLE, _OIF, _GATEWAY})
_INTERNAL: Final = frozenset({_OP_FLAGS, _GROUP_STATS, _HW_STATS_USED})
_NESTED: Final = frozenset({_ENCAP, _RES_GROUP})
_RES_GROUP_SETTINGS: Final = frozenset({1, 2, 3})
"""Buckets and the two timers; the time a group has been out of balance is no setting."""
_HASH_THRESHOLD: Final = 0
_ONLINK: Final = 0x4


def is_ours(payload: bytes) -> bool:
    """Whether it is a nexthop of IPv4 or IPv6, or a group of nexthops, which has no family."""
    return bool(payload) and (payload[0] in VERSIONS or payload[0] == 0)


def decode(payload: bytes, names: Names) -> Nexthop:
    """The nexthop that a message tells (RTM_NEWNEXTHOP, RTM_DELNEXTHOP).

    Args:
        payload: What follows nlmsghdr.
        names: The names of interfaces by index.

    Raises:
        NetlinkDecodeError: It is malformed, or of another family.
    """
    if len(payload) < _HEADER.size:
        raise NetlinkDecodeError(f"a nexthop of {len(payload)} bytes has no header", 0)
    family, protocol, flags = _HEADER.unpack_from(payload)
    if family and family not in VERSIONS:
        raise NetlinkDecodeError(f"a nexthop of address family {family}", 0)
    found = attribute_map(payload, _HEADER.size)
    number = found.get(_ID)
    if number is None:
        raise NetlinkDecodeError("a nexthop without an id", 0)
    gateway, index, group = found.get(_GATEWAY), found.get(_OIF), found.get(_GROUP)
    return unchecked(
        Nexthop,
        u32(number),
        None if gateway is None else address_of(gateway),
        None if index is None else name_of(names, u32(index)),
        flags & _ONLINK != 0,
        _BLACKHOLE in found,
        VERSIONS.get(family),
        () if group is None else _members(group),
        protocol,
        flags,
        () if found.keys() <= _OURS else _unknown(found),
    )


def encode(nexthop: Nexthop, indices: Indices, protocol: int) -> bytes:
    """The payload of RTM_NEWNEXTHOP for a nexthop.

    Args:
        nexthop: The nexthop.
        indices: The indices of interfaces by name.
        protocol: The tag (nh_protocol) where the nexthop has none.

    Raises:
        NoInterface: Its interface is not there.
    """
    header = _HEADER.pack(
        0 if nexthop.family is None else FAMILIES[nexthop.family],
        protocol if nexthop.protocol is None else nexthop.protocol,
        _ONLINK if nexthop.onlink else 0,
    )
    parts = [header, pack_u32(_ID, nexthop.id)]
    if nexthop.group:
        parts.append(pack_attribute(_GROUP, b"".join(map(_pack_member, nexthop.group))))
    if nexthop.blackhole:
        parts.append(pack_attribute(_BLACKHOLE))
    if nexthop.interface is not None:
        parts.append(pack_u32(_OIF, index_of(indices, nexthop.interface)))
    if nexthop.gateway is not None:
        parts.append(pack_attribute(_GATEWAY, nexthop.gateway.packed))
    for kind, value in nexthop.unknown:
        # Their flag is lost in reading, and strict checks ask for it.
        pack = pack_nested if kind in _NESTED else pack_attribute
        parts.append(pack(kind, value))
    return b"".join(parts)


def encode_delete(nexthop: Nexthop, indices: Indices) -> bytes:
    """The payload of RTM_DELNEXTHOP for a nexthop.

    The kernel goes by the id alone: it refuses a protocol here (nh_valid_get_del_req() in
    net/ipv4/nexthop.c), so it is for the caller to know whose it is.

    Args:
        nexthop: The nexthop.
        indices: Not needed.
    """
    return DUMP + pack_u32(_ID, nexthop.id)


def _unknown(found: Mapping[int, bytes]) -> Unknown:
    return tuple(
        (kind, _settings(value) if kind == _RES_GROUP else value)
        for kind, value in found.items()
        if kind not in _OURS and not _is_internal(kind, value)
    )


def _is_internal(kind: int, value: bytes) -> bool:
    """Whether it tells a counter, or the type that a group has unless told otherwise."""
    return kind in _INTERNAL or (kind == _GROUP_TYPE and u16(value) == _HASH_THRESHOLD)


def _settings(group: bytes) -> bytes:
    """What can be set of a resilient group."""
    return b"".join(
        pack_attribute(kind, value)
        for kind, value in attributes(group)
        if kind in _RES_GROUP_SETTINGS
    )


def _members(group: bytes) -> tuple[tuple[int, int], ...]:
    if len(group) % _MEMBER.size:
        raise NetlinkDecodeError(f"a group of {len(group)} bytes is no list of members", 0)
    return tuple(
        (number, (high << 8) + low + 1) for number, low, high in _MEMBER.iter_unpack(group)
    )


def _pack_member(member: tuple[int, int]) -> bytes:
    number, weight = member[0], member[1] - 1
    return _MEMBER.pack(number, weight & 0xFF, weight >> 8)
