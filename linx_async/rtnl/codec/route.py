"""Route messages, as the kernel shows them, made into values."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from ..._kernel.netlink import NetlinkDecodeError, attribute_map
from ..desired.checks import IP, Network, Unknown, unchecked
from ..desired.forwarding import (
    METRICS,
    PREFERENCES,
    ROUTE_TYPES,
    WITHOUT_WAY,
    Encap,
    Forwarding,
    NextHop,
    in_order,
)
from ..desired.route import Prefix, Route
from . import route_abi as abi
from .route_encode import dump_request, encode, encode_delete, template
from .wire import VERSIONS, Names, address_of, name_of, u8, u16, u32

__all__ = [
    "decode",
    "dump_request",
    "encode",
    "encode_delete",
    "forwarding_of",
    "is_ours",
    "template",
]

_FAMILIES: Final = (b"\x02", b"\x0a")
_NAMES_OF_TYPES: Final = {number: name for name, number in ROUTE_TYPES.items()}
_NAMES_OF_METRICS: Final = {number: name for name, number in METRICS.items()}
_NAMES_OF_PREFERENCES: Final = {number: name for name, number in PREFERENCES.items()}
# Kernel state that nobody sets: ages, use counts, padding.
_NOT_KEPT: Final = (abi.RTA_CACHEINFO, abi.RTA_PAD)

# Many routes go by few gateways.
_address: Final = lru_cache(maxsize=4096)(address_of)


def is_ours(payload: bytes) -> bool:
    """Whether it is a route of IPv4 or IPv6, and not of MPLS, multicast forwarding or others."""
    return payload[:1] in _FAMILIES


def decode(payload: bytes, names: Names) -> Route:
    """A route of what follows the header of RTM_NEWROUTE or RTM_DELROUTE.

    Raises:
        NetlinkDecodeError: It is malformed, or neither of IPv4 nor of IPv6.
    """
    prefix, packed, forwarding = forwarding_of(payload, names)
    return Route.of(
        network(packed, prefix.length), prefix.table, prefix.metric, prefix.tos, forwarding
    )


def network(packed: bytes, length: int) -> Network:
    """The network of a packed destination, as `forwarding_of` tells it."""
    if len(packed) == 4:
        return IPv4Network((packed, length))
    return IPv6Network((packed, length))


def forwarding_of(payload: bytes, names: Names) -> tuple[Prefix, bytes, Forwarding]:
    """A route in parts: the prefix, the destination's 4 or 16 bytes, and what it does.

    A route by a nexthop object is shown with what that object says as well
    (net.ipv4.nexthop_compat_mode); that is not the route's and is left out. `unknown` holds
    RTA_METRICS or RTA_MULTIPATH too, ready to be sent again, where the fields do not tell all of
    it: an unreadable metric, an unknown attribute of a nexthop, or an order that is not
    `in_order`'s, which a deletion has to repeat (fib_nh_match() in net/ipv4/fib_semantics.c).

    Raises:
        NetlinkDecodeError: It is malformed, or neither of IPv4 nor of IPv6.
    """
    if len(payload) < abi.RTMSG.size:
        raise NetlinkDecodeError(f"a route of {len(payload)} bytes", 0)
    family, length, source_length, tos, table, protocol, scope, kind, flags = abi.RTMSG.unpack_from(
        payload
    )
    version = VERSIONS.get(family)
    if version is None:
        raise NetlinkDecodeError(f"a route of address family {family}", 0)
    found = attribute_map(payload, abi.RTMSG.size)
    take = found.pop
    for number in _NOT_KEPT:
        take(number, None)

    packed = _destination(take(abi.RTA_DST, None), abi.ADDRESS_SIZES[family], length)
    number_of_table = take(abi.RTA_TABLE, None)
    if number_of_table is not None:
        table = u32(number_of_table)
    metric = take(abi.RTA_PRIORITY, None)
    prefix = Prefix(version, length, table, 0 if metric is None else u32(metric), tos)

    name = _NAMES_OF_TYPES.get(kind) or f"type{kind}"
    nexthop_id = take(abi.RTA_NH_ID, None)
    number_of_nexthop = 0 if nexthop_id is None else u32(nexthop_id)
    if number_of_nexthop and name == "blackhole":
        # The nexthop's, not the route's: fib_dump_info(), rt6_fill_node().
        name = "unicast"
    multipath = take(abi.RTA_MULTIPATH, None)
    gateway, interface, encap = _way(found, family, names)
    hops: tuple[NextHop, ...] = ()
    onlink = bool(flags & abi.RTNH_F_ONLINK)
    if number_of_nexthop or name in WITHOUT_WAY:
        gateway = interface = encap = None
        onlink = False
    elif multipath is not None:
        hops, again = _multipath(multipath, family, names)
        if again is not None:
            found[abi.RTA_MULTIPATH] = again

    source = take(abi.RTA_PREFSRC, None)
    packed_metrics = take(abi.RTA_METRICS, None)
    metrics: tuple[tuple[str, int | str], ...] = ()
    if packed_metrics is not None:
        readable = _metrics(packed_metrics)
        if readable is None:
            found[abi.RTA_METRICS] = packed_metrics
        else:
            metrics = readable
    preference = take(abi.RTA_PREF, None)
    unknown: Unknown = tuple(found.items()) if found else ()
    if source_length:
        unknown += ((abi.SOURCE_LENGTH, bytes((source_length,))),)

    return (
        prefix,
        packed,
        Forwarding(
            name,
            gateway,
            interface,
            None if source is None else _address_in(source, family),
            scope if version == 4 else 0,
            onlink,
            hops,
            number_of_nexthop,
            metrics,
            # ICMPV6_ROUTER_PREF_INVALID counts as medium (RFC 4191, 2.2).
            "medium" if preference is None else _NAMES_OF_PREFERENCES.get(u8(preference), "medium"),
            encap,
            protocol,
            flags,
            unknown,
        ),
    )


def _destination(value: bytes | None, size: int, length: int) -> bytes:
    bits = size * 8
    if length > bits:
        raise NetlinkDecodeError(f"a destination of {length} bits", 1)
    if value is None:
        return bytes(size)
    if len(value) != size:
        raise NetlinkDecodeError(f"a destination of {len(value)} bytes", 0)
    if length != bits and int.from_bytes(value, "big") & ((1 << (bits - length)) - 1):
        raise NetlinkDecodeError(f"a destination with host bits set beyond {length}", 0)
    return value


def _address_in(value: bytes, family: int) -> IP:
    if len(value) != abi.ADDRESS_SIZES[family]:
        raise NetlinkDecodeError(f"an address of {len(value)} bytes in family {family}", 0)
    return _address(value)


def _way(
    found: dict[int, bytes], family: int, names: Names
) -> tuple[IP | None, str | None, Encap | None]:
    """Gateway, interface and encapsulation; takes away the attributes that say them."""
    gateway: IP | None = None
    value = found.pop(abi.RTA_GATEWAY, None)
    if value is not None:
        gateway = _address_in(value, family)
    value = found.get(abi.RTA_VIA)
    if value is not None:
        other = u16(value[:2])
        if other in VERSIONS:
            gateway = _address_in(value[2:], other)
            del found[abi.RTA_VIA]
    value = found.pop(abi.RTA_OIF, None)
    index = 0 if value is None else u32(value)
    encap: Encap | None = None
    if abi.RTA_ENCAP in found and abi.RTA_ENCAP_TYPE in found:
        encap = Encap(u16(found.pop(abi.RTA_ENCAP_TYPE)), found.pop(abi.RTA_ENCAP))
    return gateway, name_of(names, index) if index else None, encap


def _multipath(value: bytes, family: int, names: Names) -> tuple[tuple[NextHop, ...], bytes | None]:
    """The ways of a multipath route, and RTA_MULTIPATH where they do not tell all of it."""
    hops: list[NextHop] = []
    again: list[bytes] = []
    is_told = True
    offset, end = 0, len(value)
    while offset < end:
        if end - offset < abi.RTNEXTHOP.size:
            raise NetlinkDecodeError("a nexthop is cut short", offset)
        length, flags, weight, index = abi.RTNEXTHOP.unpack_from(value, offset)
        if not abi.RTNEXTHOP.size <= length <= end - offset:
            raise NetlinkDecodeError(
                f"a nexthop of {length} bytes does not fit the {end - offset} there are", offset
            )
        packed = value[offset + abi.RTNEXTHOP.size : offset + length]
        found = attribute_map(packed)
        gateway, _, encap = _way(found, family, names)
        is_told = is_told and not found
        onlink = flags & abi.RTNH_F_ONLINK
        hops.append(
            unchecked(
                NextHop,
                gateway,
                name_of(names, index) if index else None,
                weight + 1,
                bool(onlink),
                encap,
                flags,
            )
        )
        # The kernel refuses the flags of a link that is down, and others (fib_get_nhs()).
        again += [abi.RTNEXTHOP.pack(length, onlink, weight, index), packed, bytes(-length & 3)]
        offset += (length + 3) & ~3
    ordered = in_order(hops)
    is_told = is_told and ordered == tuple(hops)
    return ordered, None if is_told else b"".join(again)


def _metrics(value: bytes) -> tuple[tuple[str, int | str], ...] | None:
    """Metrics by name, sorted; None where one of them is not what its kind should be."""
    found: list[tuple[str, int | str]] = []
    for kind, packed in attribute_map(value).items():
        name = _NAMES_OF_METRICS.get(kind) or f"metric{kind}"
        if kind == abi.RTAX_CC_ALGO:
            text = packed.rstrip(b"\0")
            if not text.isascii() or b"\0" in text:
                return None
            found.append((name, text.decode("ascii")))
        elif len(packed) == 4:
            found.append((name, u32(packed)))
        else:
            return None
    return tuple(sorted(found))
