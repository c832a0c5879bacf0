"""A route, as it is declared and as the kernel shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final, NamedTuple

from attrs import frozen

from .checks import (
    IP,
    SCOPES,
    U8,
    U32,
    Checked,
    IPLike,
    Network,
    NetworkLike,
    Unknown,
    between,
    check_flag,
    check_interface,
    either_address,
    one_of,
    or_none,
    specified_address,
    to_network,
    to_protocol,
    to_scope,
    to_table,
    wrong,
)
from .forwarding import (
    PREFERENCES,
    ROUTE_TYPES,
    WITHOUT_WAY,
    Encap,
    Forwarding,
    NextHop,
    to_encap,
    to_metrics,
    to_nexthops,
)

__all__ = ["IP6_METRIC", "MAIN", "Prefix", "Route"]

MAIN: Final = 254
IP6_METRIC: Final = 1024
"""The metric of an IPv6 route that was given none (IP6_RT_PRIO_USER, net/ip6_route.h)."""

DEFAULT_4: Final = IPv4Network("0.0.0.0/0")
DEFAULT_6: Final = IPv6Network("::/0")


class Prefix(NamedTuple):
    """What tells a route from others, but for the bytes of its destination."""

    family: int
    length: int
    table: int
    metric: int
    tos: int


@frozen(init=False)
class Route(Checked):
    """A route (RTM_NEWROUTE: rtnetlink(7), ip-route(8)).

    Args:
        destination: A network, or `default`: of IPv4, unless the gateway or `family` says IPv6.
        gateway: The gateway's address; an IPv4 route takes one of IPv6 too (RTA_VIA).
        interface: The interface's name; default: whichever the kernel finds the gateway by.
        table: The routing table, by number or by name; default: main.
        metric: The lowest is preferred; default: 0 for IPv4, 1024 for IPv6, as the kernel's.
        tos: The type-of-service byte it is for, IPv4 alone.
        type: One of unicast, local, broadcast, anycast, multicast, blackhole, unreachable,
            prohibit and throw.
        source: The preferred source address.
        scope: `global`, `site`, `link`, `host` or a number, IPv4 alone. Default: `host` for a
            local route, `link` for one without a gateway, else `global`, as ip-route(8) has it.
        onlink: Whether the gateway is to be taken as reachable on the link.
        nexthops: The ways of a multipath route: `NextHop` values, or their arguments.
        nexthop_id: The nexthop object to go by; 0 is none.
        metrics: Metrics by name: `mtu`, `advmss`, `window`, `hoplimit`, `initcwnd` and so on.
        preference: The router preference, IPv6 alone: `low`, `medium` or `high` (RFC 4191).
        encap: An encapsulation, opaque.
        family: 4 or 6, for `default` without a gateway.
        protocol: Who put it there (RTPROT_*); None in a desired one: the source.

    Attributes:
        forwarding: What it does with packets, which many routes share.

    Raises:
        DesiredStateError: A field is wrong, or does not go with the others.
    """

    destination: Network
    table: int
    metric: int
    tos: int
    forwarding: Forwarding

    def __init__(
        self,
        destination: NetworkLike,
        gateway: IPLike | None = None,
        interface: str | None = None,
        *,
        table: int | str = MAIN,
        metric: int | None = None,
        tos: int = 0,
        type: str = "unicast",
        source: IPLike | None = None,
        scope: int | str | None = None,
        onlink: bool = False,
        nexthops: Iterable[NextHop | Mapping[str, Any] | tuple[Any, ...] | str] = (),
        nexthop_id: int = 0,
        metrics: Mapping[str, int | str] | None = None,
        preference: str = "medium",
        encap: Encap | None = None,
        family: int | None = None,
        protocol: int | None = None,
    ) -> None:
        via = or_none(gateway, "gateway", specified_address)
        goal = _destination(destination, via, family)
        what = f"route {goal}"
        version = goal.version
        kind = one_of(type, "type", ROUTE_TYPES)
        hops = to_nexthops(nexthops)
        nhid = between(nexthop_id, "nexthop_id", 0, U32)
        for hop in hops:
            _check_gateway(what, version, hop.gateway)
        _check_gateway(what, version, via)
        _check_way(what, kind, via, or_none(interface, "interface", check_interface), hops, nhid)
        if check_flag(onlink, "onlink") and via is None:
            raise wrong("onlink", f"{what} has no gateway")
        if version == 6 and (tos or scope is not None):
            raise wrong("tos" if tos else "scope", f"does not go with {what}: IPv6")
        if preference != one_of(preference, "preference", PREFERENCES) or (
            version == 4 and preference != "medium"
        ):
            raise wrong("preference", f"does not go with {what}: IPv4")
        self.__attrs_init__(
            goal,
            to_table(table, "table"),
            _metric(metric, version),
            between(tos, "tos", 0, U8),
            Forwarding(
                kind,
                via,
                interface,
                or_none(source, "source", lambda v, name: _source(v, name, version)),
                _scope(version, kind, bool(via or hops or nhid))
                if scope is None
                else to_scope(scope, "scope"),
                onlink,
                hops,
                nhid,
                () if metrics is None else to_metrics(metrics),
                preference,
                or_none(encap, "encap", to_encap),
                or_none(protocol, "protocol", to_protocol),
            ),
        )

    @classmethod
    def of(
        cls, destination: Network, table: int, metric: int, tos: int, forwarding: Forwarding
    ) -> Route:
        """A route of parts that were checked, or that the kernel gave."""
        route = cls.__new__(cls)
        route.__attrs_init__(destination, table, metric, tos, forwarding)
        return route

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.destination.version

    @property
    def prefix(self) -> Prefix:
        """What tells it from others, but for the bytes of its destination."""
        goal = self.destination
        return Prefix(goal.version, goal.prefixlen, self.table, self.metric, self.tos)

    @property
    def key(self) -> str:
        """What tells it from others: table, destination, metric and, for IPv4, tos.

        As fib_find_alias() in net/ipv4/fib_trie.c and fib6_add_rt2node() in net/ipv6/ip6_fib.c
        have it, where one route goes by one key.
        """
        return key_of(self.destination, self.table, self.metric, self.tos)

    @property
    def gateway(self) -> IP | None:
        """The gateway's address."""
        return self.forwarding.gateway

    @property
    def interface(self) -> str | None:
        """The interface's name."""
        return self.forwarding.interface

    @property
    def type(self) -> str:
        """The route's type, by name."""
        return self.forwarding.type

    @property
    def protocol(self) -> int | None:
        """Who put it there; None in a desired one: the source."""
        return self.forwarding.protocol

    @property
    def unknown(self) -> Unknown:
        """Attributes that are not known here, as they came."""
        return self.forwarding.unknown

    def __str__(self) -> str:
        kind = "" if self.type == "unicast" else f"{self.type} "
        how = str(self.forwarding)
        return f"{kind}{_suffixed(self.destination, self.table, self.metric, self.tos)}" + (
            f" {how}" if how else ""
        )


def key_of(destination: Network, table: int, metric: int, tos: int) -> str:
    """The key of a route."""
    return f"route {_suffixed(destination, table, metric, tos)}"


def _suffixed(destination: Network, table: int, metric: int, tos: int) -> str:
    words = [str(destination)]
    if table != MAIN:
        words.append(f"table {table}")
    if metric != (0 if destination.version == 4 else IP6_METRIC):
        words.append(f"metric {metric}")
    if tos:
        words.append(f"tos {tos:#x}")
    return " ".join(words)


def _destination(value: NetworkLike, via: IP | None, family: int | None) -> Network:
    if family is not None and (isinstance(family, bool) or family not in (4, 6)):
        raise wrong("family", f"expected 4 or 6, got {family!r}")
    if isinstance(value, str) and value == "default":
        version = family or (4 if via is None else via.version)
        return DEFAULT_4 if version == 4 else DEFAULT_6
    goal = to_network(value, "destination")
    if family is not None and goal.version != family:
        raise wrong("family", f"{family} is not that of {goal}")
    return goal


def _source(value: IPLike, what: str, version: int) -> IP:
    return either_address(specified_address(value, what), what, version)


def _check_gateway(what: str, version: int, via: IP | None) -> None:
    if version == 6 and via is not None and via.version == 4:
        raise wrong("gateway", f"{via} is of IPv4, and {what} of IPv6")


def _check_way(
    what: str,
    kind: str,
    via: IP | None,
    interface: str | None,
    hops: tuple[NextHop, ...],
    nhid: int,
) -> None:
    single = via is not None or interface is not None
    ways = single + bool(hops) + bool(nhid)
    if kind in WITHOUT_WAY:
        if ways:
            raise wrong("type", f"{what} is {kind}, and leads nowhere")
    elif ways != 1:
        which = "a gateway or an interface, nexthops, and nexthop_id"
        got = "only one" if ways else "one"
        raise wrong("gateway", f"{what} needs {got} of {which}")


def _metric(metric: int | None, version: int) -> int:
    unsaid = IP6_METRIC if version == 6 else 0
    number = unsaid if metric is None else between(metric, "metric", 0, U32)
    # ip6_route_info_create() in net/ipv6/route.c takes 0 for none said.
    return number or unsaid


def _scope(version: int, kind: str, has_gateway: bool) -> int:
    if version == 6:
        return SCOPES["global"]
    if kind == "local":
        return SCOPES["host"]
    if kind in {"broadcast", "multicast", "anycast"}:
        return SCOPES["link"]
    return SCOPES["link" if kind == "unicast" and not has_gateway else "global"]
