"""Addresses as bytes: the payloads of RTM_NEWADDR, RTM_DELADDR and RTM_GETADDR."""

from __future__ import annotations

import struct
from typing import Final

from ..._kernel.netlink import (
    NetlinkDecodeError,
    attribute_map,
    attributes,
    pack_attribute,
    pack_text,
    pack_u32,
)
from ..desired.address import FOREVER, Address, AddressFlag
from ..desired.checks import IP, Unknown, unchecked
from .wire import FAMILIES, VERSIONS, Indices, Names, address_of, index_of, name_of, u8, u32

__all__ = ["DUMP", "decode", "encode", "encode_delete", "is_ours"]

# IFA_*, include/uapi/linux/if_addr.h
_ADDRESS: Final = 1
_LOCAL: Final = 2
_LABEL: Final = 3
_BROADCAST: Final = 4
_CACHEINFO: Final = 6
_FLAGS: Final = 8
_RT_PRIORITY: Final = 9
_TARGET_NETNSID: Final = 10
_PROTO: Final = 11

_KNOWN_6: Final = frozenset(
    {_ADDRESS, _LOCAL, _CACHEINFO, _FLAGS, _RT_PRIORITY, _TARGET_NETNSID, _PROTO}
)
_KNOWN_4: Final = _KNOWN_6 | {_LABEL, _BROADCAST}

_HEAD: Final = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, index
_CACHE: Final = struct.Struct("=IIII")  # ifa_cacheinfo: preferred, valid, two time stamps
_NODAD: Final = int(AddressFlag.NODAD)
_DEPRECATED: Final = int(AddressFlag.DEPRECATED)
_PERMANENT: Final = int(AddressFlag.PERMANENT)
_NOPREFIXROUTE: Final = int(AddressFlag.NOPREFIXROUTE)
_GIVEN: Final = int(AddressFlag.HOMEADDRESS | AddressFlag.MANAGETEMPADDR | AddressFlag.MCAUTOJOIN)

DUMP: Final = bytes(_HEAD.size)
"""The payload of RTM_GETADDR that asks for the addresses of all families; see `is_ours`."""


def is_ours(payload: bytes) -> bool:
    """Whether a message is about an IPv4 or IPv6 address."""
    return payload[:1] in {b"\x02", b"\x0a"}


def decode(payload: bytes, names: Names) -> Address:
    """The address of an RTM_NEWADDR or RTM_DELADDR message.

    As inet_fill_ifaddr() in net/ipv4/devinet.c and inet6_fill_ifaddr() in net/ipv6/addrconf.c
    tell it: IFA_ADDRESS is the peer where there is one, else the address itself; IPv4 leaves out
    what is 0.0.0.0.

    Raises:
        NetlinkDecodeError: It is malformed, or of another family.
    """
    if len(payload) < _HEAD.size:
        raise NetlinkDecodeError("the header of an address is cut short", len(payload))
    family, length, flags, scope, index = _HEAD.unpack_from(payload)
    version = VERSIONS.get(family)
    if version is None:
        raise NetlinkDecodeError(f"an address of family {family}", 0)
    is_4 = version == 4
    known = _KNOWN_4 if is_4 else _KNOWN_6
    found = attribute_map(payload, _HEAD.size)
    unknown: Unknown = ()
    if not found.keys() <= known:
        unknown = tuple(one for one in attributes(payload, _HEAD.size) if one[0] not in known)
    local, peer = _ends(found, version)
    if length > local.max_prefixlen:
        raise NetlinkDecodeError(f"a prefix length of {length} for {local}", 1)
    if _FLAGS in found:
        flags = u32(found[_FLAGS])
    valid, preferred = _lifetimes(found.get(_CACHEINFO), flags)
    broadcast = found.get(_BROADCAST) if is_4 else None
    label = found.get(_LABEL) if is_4 else None
    return unchecked(
        Address,
        name_of(names, index),
        local,
        length,
        peer,
        None if broadcast is None else _address(broadcast, version),
        None if label is None else label.split(b"\0", 1)[0].decode("utf-8", "surrogateescape"),
        scope if is_4 else None,
        valid,
        preferred,
        not is_4 and flags & _NODAD != 0,
        flags & _NOPREFIXROUTE != 0,
        (u32(found[_RT_PRIORITY]) or None) if _RT_PRIORITY in found else None,
        u8(found[_PROTO]) if _PROTO in found else 0,
        flags,
        unknown,
    )


def encode(x: Address, indices: Indices, protocol: int) -> bytes:
    """The payload of RTM_NEWADDR.

    Args:
        x: The address.
        indices: The indices of interfaces by name.
        protocol: Its tag, where it has none of its own; 0 is sent as no tag at all.

    Raises:
        NoInterface: Its interface is not there.
    """
    flags = x.flags & _GIVEN
    flags |= _NODAD * x.nodad | _NOPREFIXROUTE * x.noprefixroute
    parts = _identity(x, indices, flags)
    if x.broadcast is not None:
        parts.append(pack_attribute(_BROADCAST, x.broadcast.packed))
    if x.valid_lifetime != FOREVER or x.preferred_lifetime != FOREVER:
        cache = _CACHE.pack(x.preferred_lifetime, x.valid_lifetime, 0, 0)
        parts.append(pack_attribute(_CACHEINFO, cache))
    if flags:
        parts.append(pack_u32(_FLAGS, flags))
    if x.metric is not None:
        parts.append(pack_u32(_RT_PRIORITY, x.metric))
    tag = protocol if x.protocol is None else x.protocol
    if tag:
        parts.append(pack_attribute(_PROTO, bytes((tag,))))
    parts.extend(pack_attribute(kind, value) for kind, value in x.unknown)
    return b"".join(parts)


def encode_delete(x: Address, indices: Indices) -> bytes:
    """The payload of RTM_DELADDR.

    IPv4 compares address, prefix length, label, and of the peer its network; IPv6 address and
    prefix length. Neither compares the tag (inet_rtm_deladdr() in net/ipv4/devinet.c,
    inet6_addr_del() in net/ipv6/addrconf.c).

    Raises:
        NoInterface: Its interface is not there.
    """
    return b"".join(_identity(x, indices, 0))


def _identity(x: Address, indices: Indices, flags: int) -> list[bytes]:
    index = index_of(indices, x.interface)
    head = _HEAD.pack(FAMILIES[x.family], x.prefix_length, flags & 0xFF, x.scope or 0, index)
    parts = [
        head,
        pack_attribute(_LOCAL, x.address.packed),
        pack_attribute(_ADDRESS, (x.address if x.peer is None else x.peer).packed),
    ]
    if x.label is not None:
        parts.append(pack_text(_LABEL, x.label))
    return parts


def _ends(found: dict[int, bytes], version: int) -> tuple[IP, IP | None]:
    local, other = found.get(_LOCAL), found.get(_ADDRESS)
    if local is None:
        if other is None:
            raise NetlinkDecodeError("an address message without an address", _HEAD.size)
        return _address(other, version), None
    if other is None and version == 4:
        other = bytes(4)
    if other is None or other == local:
        return _address(local, version), None
    return _address(local, version), _address(other, version)


def _address(value: bytes, version: int) -> IP:
    address = address_of(value)
    if address.version != version:
        raise NetlinkDecodeError(f"{address} in a message of IPv{version}", 0)
    return address


def _lifetimes(cache: bytes | None, flags: int) -> tuple[int, int]:
    """The valid and the preferred one, in seconds."""
    preferred = valid = FOREVER
    if cache is not None:
        if len(cache) < _CACHE.size:
            raise NetlinkDecodeError(f"lifetimes of {len(cache)} bytes", 0)
        preferred, valid, _, _ = _CACHE.unpack_from(cache)
    if not flags & _PERMANENT:
        return valid, preferred
    # For a permanent one of IPv4 the kernel tells both as endless, even if it is deprecated.
    return FOREVER, 0 if flags & _DEPRECATED else preferred
