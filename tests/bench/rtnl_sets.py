"""Sets of routes to measure with: all of one shape, or mixed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from linx_async.rtnl import Encap, Forwarding, Route, RouteTable
from linx_async.rtnl.codec.route_encode import delete_template, template
from linx_async.rtnl.codec.wire import Indices
from linx_async.rtnl.desired.route import Prefix

__all__ = [
    "OTHER_WAYS",
    "deletions",
    "each",
    "mixed",
    "packed_of",
    "payloads",
    "plain",
    "table_of",
    "words",
]

_V4 = Prefix(4, 32, 254, 0, 0)
_V4_METRIC = Prefix(4, 32, 254, 500, 0)
_V6 = Prefix(6, 64, 254, 1024, 0)
_WAYS = 200


_GOALS = {4: "192.0.2.1/32", 6: "2001:db8::/64"}


def _way(version: int, **arguments: Any) -> Forwarding:
    return Route(_GOALS[version], **arguments).forwarding


def _ways_4(**more: Any) -> list[Forwarding]:
    return [_way(4, gateway=f"192.168.1.{n}", interface="b0", **more) for n in range(1, _WAYS + 1)]


def _ways_6(**more: Any) -> list[Forwarding]:
    return [_way(6, gateway=f"fd00::1:{n:x}", interface="b0", **more) for n in range(1, _WAYS + 1)]


def _multipath(version: int) -> list[Forwarding]:
    start = "192.168.2." if version == 4 else "fd00::2:"
    return [
        _way(version, nexthops=[(f"{start}{n}", "b0", 3), (f"{start}{n + 1}", "b0", 1)])
        for n in range(1, 100)
    ]


OTHER_WAYS = {
    4: _way(4, gateway="192.168.9.9", interface="b0"),
    6: _way(6, gateway="fd00::9:9", interface="b0"),
}
"""What no route of a set does."""


def packed_of(prefix: Prefix, number: int) -> bytes:
    """The destination of a number."""
    if prefix.family == 4:
        return (0x0A000000 + number).to_bytes(4, "big")
    return b"\x20\x01\x0d\xb8" + number.to_bytes(4, "big") + bytes(8)


def plain(count: int, *, first: int = 0, step: int = 2, ways: int = 16) -> RouteTable:
    """IPv4 host routes by a few gateways."""
    does = _ways_4()[:ways]
    return RouteTable.of(
        {_V4: {packed_of(_V4, first + i * step): does[i % ways] for i in range(count)}}
    )


def mixed(count: int, encap: Encap | None = None, *, first: int = 0, step: int = 2) -> RouteTable:
    """IPv4 and IPv6, one way and several, with metrics, and with an encapsulation if given."""
    four, six = _ways_4(), _ways_6()
    limited = {"mtu": 1400, "advmss": 1300}
    kinds: list[tuple[Prefix, list[Forwarding]]] = [
        *[(_V4, four)] * 9,
        *[(_V6, six)] * 4,
        *[(_V4, _multipath(4))] * 2,
        (_V6, _multipath(6)),
        *[(_V4_METRIC, _ways_4(metrics=limited))] * 2,
        (_V6, _ways_6(metrics=limited)),
        (_V4, [_way(4, interface="b0", encap=encap)] if encap else four),
    ]
    groups: dict[Prefix, dict[bytes, Forwarding]] = {}
    for i in range(count):
        prefix, ways = kinds[i % len(kinds)]
        group = groups.setdefault(prefix, {})
        group[packed_of(prefix, first + i * step)] = ways[(i // len(kinds)) % len(ways)]
    return RouteTable.of(groups)


def table_of(routes: Iterable[tuple[Prefix, bytes, Forwarding]]) -> RouteTable:
    groups: dict[Prefix, dict[bytes, Forwarding]] = {}
    for prefix, packed, forwarding in routes:
        groups.setdefault(prefix, {})[packed] = forwarding
    return RouteTable.of(groups)


def each(table: RouteTable) -> Iterator[tuple[Prefix, bytes, Forwarding]]:
    for prefix, group in table.groups.items():
        for packed, forwarding in group.items():
            yield prefix, packed, forwarding


def payloads(table: RouteTable, indices: Indices, protocol: int) -> list[bytes]:
    """What adds them."""
    shapes: dict[tuple[Prefix, int], tuple[bytes, bytes]] = {}
    found = []
    for prefix, packed, forwarding in each(table):
        key = prefix, id(forwarding)
        if key not in shapes:
            shapes[key] = template(prefix, forwarding, indices, protocol)
        head, tail = shapes[key]
        found.append(head + packed + tail)
    return found


def deletions(table: RouteTable, indices: Indices, protocol: int) -> list[bytes]:
    """What deletes them."""
    bare: dict[Prefix, tuple[bytes, bytes]] = {}
    found = []
    for prefix, packed, _ in each(table):
        if prefix not in bare:
            nowhere = Forwarding(scope=255 if prefix.family == 4 else 0, protocol=protocol)
            bare[prefix] = delete_template(prefix, nowhere, indices)
        head, tail = bare[prefix]
        found.append(head + packed + tail)
    return found


def words(table: RouteTable, verb: str, protocol: int) -> Iterator[str]:
    """Lines for `ip -batch`."""
    for route in table:
        does = route.forwarding
        # The words of ip-route(8) and our own are the same.
        way = f" {does}" if verb == "add" else ""
        metric = f" metric {route.metric}" if route.prefix == _V4_METRIC else ""
        yield f"route {verb} {route.destination}{metric} proto {protocol}{way}\n"
