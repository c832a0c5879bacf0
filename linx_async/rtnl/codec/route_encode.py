"""Route messages made of values, to add, to delete and to ask for routes."""

from __future__ import annotations

from typing import Final

from ..._kernel.netlink import (
    pack_attribute,
    pack_nested,
    pack_text,
    pack_u32,
)
from ..desired.checks import IP, Unknown
from ..desired.forwarding import (
    METRICS,
    PREFERENCES,
    ROUTE_TYPES,
    WITHOUT_WAY,
    Encap,
    Forwarding,
    NextHop,
)
from ..desired.route import Prefix, Route
from . import route_abi as abi
from .wire import FAMILIES, Indices, index_of

__all__ = ["delete_template", "dump_request", "encode", "encode_delete", "template"]

_LOOPBACK: Final = 1
_LARGEST_HEADER_TABLE: Final = 255


def dump_request(family: int, *, table: int = 0, protocol: int = 0) -> bytes:
    """The payload of RTM_GETROUTE for a dump that the kernel filters.

    The socket needs NETLINK_GET_STRICT_CHK, else the kernel ignores the filters
    (ip_valid_fib_dump_req() in net/ipv4/fib_frontend.c).

    Args:
        family: 4 or 6.
        table: Of this table alone; 0 is all.
        protocol: Of this protocol tag alone; 0 is all.
    """
    head = abi.RTMSG.pack(FAMILIES[family], 0, 0, 0, 0, protocol, 0, 0, 0)
    return head + pack_u32(abi.RTA_TABLE, table) if table else head


def encode(route: Route, indices: Indices, protocol: int) -> bytes:
    """The payload of RTM_NEWROUTE.

    Args:
        route: The route.
        indices: The indices of interfaces by name.
        protocol: Who puts it there, where the route does not say.

    Raises:
        NoInterface: An interface it names is not known.
    """
    head, tail = template(route.prefix, route.forwarding, indices, protocol)
    return _joined(head, route, tail)


def encode_delete(route: Route, indices: Indices) -> bytes:
    """The payload of RTM_DELROUTE for this route and no other.

    The kernel compares type, scope, source, protocol, nexthops and metrics for IPv4
    (fib_table_delete() in net/ipv4/fib_trie.c); protocol, metric and nexthops for IPv6
    (ip6_route_del() in net/ipv6/route.c), where a route that leads nowhere is on `lo`. What is
    not there is not compared: metric 0 is any, the lowest first, and so is no source for IPv4.

    Raises:
        NoInterface: An interface it names is not known.
        ValueError: It has no protocol tag: that would be any.
    """
    head, tail = delete_template(route.prefix, route.forwarding, indices)
    return _joined(head, route, tail)


def delete_template(
    prefix: Prefix, forwarding: Forwarding, indices: Indices
) -> tuple[bytes, bytes]:
    """What the payloads of RTM_DELROUTE begin and end with; see `template` and `encode_delete`.

    Raises:
        NoInterface: An interface it names is not known.
        ValueError: It has no protocol tag: that would be any.
    """
    if forwarding.protocol is None:
        raise ValueError(
            f"protocol: a route of {prefix} has none, and would be deleted whosever it is"
        )
    head, tail = template(prefix, forwarding, indices, forwarding.protocol)
    if prefix.family == 6 and forwarding.type in WITHOUT_WAY:
        tail += pack_u32(abi.RTA_OIF, _LOOPBACK)
    return head, tail


def _joined(head: bytes, route: Route, tail: bytes) -> bytes:
    goal = route.destination
    return b"".join((head, goal.network_address.packed if goal.prefixlen else b"", tail))


def template(
    prefix: Prefix, forwarding: Forwarding, indices: Indices, protocol: int
) -> tuple[bytes, bytes]:
    """What comes before and after the destination's packed bytes in a route's payload.

    It is the same for all destinations of the prefix; length 0 has none in between.

    Args:
        prefix: What tells the route from others, but for its destination.
        forwarding: What it does.
        indices: The indices of interfaces by name.
        protocol: Who puts it there, where the forwarding does not say.

    Raises:
        NoInterface: An interface it names is not known.
    """
    does = forwarding
    family = FAMILIES[prefix.family]
    head = abi.RTMSG.pack(
        family,
        prefix.length,
        _source_length(does.unknown),
        prefix.tos,
        prefix.table if prefix.table <= _LARGEST_HEADER_TABLE else abi.RT_TABLE_COMPAT,
        protocol if does.protocol is None else does.protocol,
        does.scope,
        _type_number(does.type),
        abi.RTNH_F_ONLINK if does.onlink else 0,
    ) + pack_u32(abi.RTA_TABLE, prefix.table)
    if prefix.length:
        head += abi.ATTRIBUTE.pack(abi.ATTRIBUTE.size + abi.ADDRESS_SIZES[family], abi.RTA_DST)
    tail = []
    if prefix.metric:
        tail.append(pack_u32(abi.RTA_PRIORITY, prefix.metric))
    if does.metrics:
        tail.append(_metrics(does.metrics))
    if does.source is not None:
        tail.append(pack_attribute(abi.RTA_PREFSRC, does.source.packed))
    if does.nexthop_id:
        tail.append(pack_u32(abi.RTA_NH_ID, does.nexthop_id))
    if does.gateway is not None:
        tail.append(_gateway(does.gateway, prefix.family))
    if does.interface is not None:
        tail.append(pack_u32(abi.RTA_OIF, index_of(indices, does.interface)))
    if does.encap is not None:
        tail.append(_encap(does.encap))
    kept = [(kind, value) for kind, value in does.unknown if kind != abi.SOURCE_LENGTH]
    if does.nexthops and all(kind != abi.RTA_MULTIPATH for kind, _ in kept):
        hops = b"".join(_hop(hop, prefix.family, indices) for hop in does.nexthops)
        tail.append(pack_attribute(abi.RTA_MULTIPATH, hops))
    if does.preference != "medium":
        tail.append(pack_attribute(abi.RTA_PREF, bytes((PREFERENCES[does.preference],))))
    tail += [pack_attribute(kind, value) for kind, value in kept]
    return head, b"".join(tail)


def _source_length(unknown: Unknown) -> int:
    return next((value[0] for kind, value in unknown if kind == abi.SOURCE_LENGTH), 0)


def _type_number(name: str) -> int:
    number = ROUTE_TYPES.get(name)
    return int(name.removeprefix("type")) if number is None else number


def _gateway(gateway: IP, version: int) -> bytes:
    if gateway.version == version:
        return pack_attribute(abi.RTA_GATEWAY, gateway.packed)
    family = FAMILIES[gateway.version]
    return pack_attribute(abi.RTA_VIA, abi.U16.pack(family) + gateway.packed)


def _encap(encap: Encap) -> bytes:
    kind = pack_attribute(abi.RTA_ENCAP_TYPE, abi.U16.pack(encap.type))
    return pack_nested(abi.RTA_ENCAP, encap.data) + kind


def _hop(hop: NextHop, version: int, indices: Indices) -> bytes:
    members = b"" if hop.gateway is None else _gateway(hop.gateway, version)
    if hop.encap is not None:
        members += _encap(hop.encap)
    return (
        abi.RTNEXTHOP.pack(
            abi.RTNEXTHOP.size + len(members),
            abi.RTNH_F_ONLINK if hop.onlink else 0,
            hop.weight - 1,
            0 if hop.interface is None else index_of(indices, hop.interface),
        )
        + members
    )


def _metrics(metrics: tuple[tuple[str, int | str], ...]) -> bytes:
    members = []
    for name, value in metrics:
        kind = METRICS.get(name)
        number = int(name.removeprefix("metric")) if kind is None else kind
        members.append(
            pack_text(number, value) if isinstance(value, str) else pack_u32(number, value)
        )
    return pack_nested(abi.RTA_METRICS, *members)
