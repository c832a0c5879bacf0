"""What a route does with packets: all of a route but what tells it from other routes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import field, frozen

from ..._core.errors import DesiredStateError
from .checks import (
    IP,
    U16,
    U32,
    Checked,
    IPLike,
    Unknown,
    between,
    check_flag,
    check_interface,
    check_text,
    one_of,
    or_none,
    specified_address,
    wrong,
)
from .entries import made_of

__all__ = ["METRICS", "ROUTE_TYPES", "Encap", "Forwarding", "NextHop"]

ROUTE_TYPES: Final = {
    "unicast": 1,
    "local": 2,
    "broadcast": 3,
    "anycast": 4,
    "multicast": 5,
    "blackhole": 6,
    "unreachable": 7,
    "prohibit": 8,
    "throw": 9,
}
"""Route types by name (RTN_*, include/uapi/linux/rtnetlink.h)."""

WITHOUT_WAY: Final = frozenset({"blackhole", "unreachable", "prohibit", "throw"})
"""The types that lead nowhere: they have no gateway and no interface."""

METRICS: Final = {
    "lock": 1,
    "mtu": 2,
    "window": 3,
    "rtt": 4,
    "rttvar": 5,
    "ssthresh": 6,
    "cwnd": 7,
    "advmss": 8,
    "reordering": 9,
    "hoplimit": 10,
    "initcwnd": 11,
    "features": 12,
    "rto_min": 13,
    "initrwnd": 14,
    "quickack": 15,
    "congctl": 16,
    "fastopen_no_cookie": 17,
}
"""Route metrics by name (RTAX_*, include/uapi/linux/rtnetlink.h); `congctl` is text."""

PREFERENCES: Final = {"low": 3, "medium": 0, "high": 1}
"""Router preferences by name (RFC 4191, ICMPV6_ROUTER_PREF_*)."""

# ip_metrics_convert() in net/ipv4/metrics.c lowers what is above, and shows the lowered.
_HIGHEST_METRICS: Final = {"mtu": 65535 - 15, "advmss": 65535 - 40, "hoplimit": 255}

_HEAVIEST: Final = 256


@frozen
class Encap:
    """An encapsulation, opaque: as the kernel packs it.

    Attributes:
        type: Its number (LWTUNNEL_ENCAP_*, include/uapi/linux/lwtunnel.h).
        data: The attributes of RTA_ENCAP, packed.
    """

    type: int
    data: bytes


@frozen(init=False)
class NextHop(Checked):
    """One of the ways of a multipath route.

    Args:
        gateway: The gateway's address; None where the interface alone tells.
        interface: The interface's name; None where the gateway tells.
        weight: Its share, 1 to 256.
        onlink: Whether the gateway is to be taken as reachable on the link.
        encap: An encapsulation, opaque.
        flags: The kernel's flags (RTNH_F_*); in an observed one.

    Raises:
        DesiredStateError: A field is wrong.
    """

    gateway: IP | None
    interface: str | None
    weight: int
    onlink: bool
    encap: Encap | None
    flags: int = field(eq=False)

    def __init__(
        self,
        gateway: IPLike | None = None,
        interface: str | None = None,
        weight: int = 1,
        *,
        onlink: bool = False,
        encap: Encap | None = None,
        flags: int = 0,
    ) -> None:
        if gateway is None and interface is None:
            raise wrong("gateway", "expected one, an interface, or both")
        self.__attrs_init__(
            or_none(gateway, "gateway", specified_address),
            or_none(interface, "interface", check_interface),
            between(weight, "weight", 1, _HEAVIEST),
            check_flag(onlink, "onlink"),
            or_none(encap, "encap", to_encap),
            flags,
        )

    def __str__(self) -> str:
        return _way(self.gateway, self.interface, self.onlink) + (
            f" weight {self.weight}" if self.weight != 1 else ""
        )


@frozen
class Forwarding:
    """What a route does with packets. Many routes share one; `Route` checks what it is made of.

    Attributes:
        type: One of `ROUTE_TYPES`.
        gateway: The gateway's address; of IPv6 for an IPv4 route too (RTA_VIA).
        interface: The interface's name; None in a desired one: whatever the kernel takes.
        source: The preferred source address (RTA_PREFSRC).
        scope: A number (RT_SCOPE_*); 0 for IPv6, which has none.
        onlink: Whether the gateway is to be taken as reachable on the link.
        nexthops: The ways of a multipath route.
        nexthop_id: The nexthop object it goes by; 0 is none.
        metrics: Metrics (`METRICS`), sorted by name.
        preference: The router preference, IPv6 alone: `low`, `medium` or `high`.
        encap: An encapsulation, opaque.
        protocol: Who put it there (RTPROT_*); None in a desired one: the source.
        flags: The kernel's flags (RTNH_F_*, RTM_F_*); in an observed one.
        unknown: Attributes that are not known here, as they came; in an observed one.
    """

    type: str = "unicast"
    gateway: IP | None = None
    interface: str | None = None
    source: IP | None = None
    scope: int = 0
    onlink: bool = False
    nexthops: tuple[NextHop, ...] = ()
    nexthop_id: int = 0
    metrics: tuple[tuple[str, int | str], ...] = ()
    preference: str = "medium"
    encap: Encap | None = None
    protocol: int | None = None
    flags: int = field(default=0, eq=False)
    unknown: Unknown = field(default=(), eq=False)

    def __str__(self) -> str:
        words = [_way(self.gateway, self.interface, self.onlink)]
        words += [f"nexthop {hop}" for hop in self.nexthops]
        if self.nexthop_id:
            words.append(f"nhid {self.nexthop_id}")
        if self.source is not None:
            words.append(f"src {self.source}")
        words += [f"{name} {value}" for name, value in self.metrics]
        if self.preference != "medium":
            words.append(f"pref {self.preference}")
        if self.encap is not None:
            words.append(f"encap type {self.encap.type}")
        return " ".join(filter(None, words))


def _way(gateway: IP | None, interface: str | None, onlink: bool) -> str:
    words = []
    if gateway is not None:
        words.append(f"via {gateway}")
    if interface is not None:
        words.append(f"dev {interface}")
    if onlink:
        words.append("onlink")
    return " ".join(words)


def to_encap(value: Any, what: str) -> Encap:
    """An encapsulation.

    Raises:
        DesiredStateError: It is none.
    """
    if not isinstance(value, Encap) or not isinstance(value.data, bytes):
        raise wrong(what, f"expected an Encap with bytes, got {value!r}")
    between(value.type, f"{what}: type", 1, U16)
    return value


def to_metrics(metrics: Any) -> tuple[tuple[str, int | str], ...]:
    """Metrics by name, sorted.

    Raises:
        DesiredStateError: There is no such metric, or a value does not fit.
    """
    if not isinstance(metrics, Mapping):
        raise wrong("metrics", f"expected a mapping from name to value, got {metrics!r}")
    found: list[tuple[str, int | str]] = []
    for name, value in metrics.items():
        one_of(name, "metrics", METRICS)
        if name == "congctl":
            found.append((name, check_text(value, "metrics: congctl", 15)))
        else:
            highest = _HIGHEST_METRICS.get(name, U32)
            # Zero is what the kernel has where nothing was said: it shows none.
            found.append((name, between(value, f"metrics: {name}", 1, highest)))
    return tuple(sorted(found))


def to_nexthops(nexthops: Any) -> tuple[NextHop, ...]:
    """The ways of a multipath route, in an order of their own: they are a set.

    Raises:
        DesiredStateError: One is wrong.
    """
    if isinstance(nexthops, str | Mapping) or not isinstance(nexthops, Iterable):
        raise wrong("nexthops", f"expected NextHop values, got {nexthops!r}")
    return in_order([_to_nexthop(place, hop) for place, hop in enumerate(nexthops)])


def _to_nexthop(place: int, hop: Any) -> NextHop:
    try:
        return made_of(NextHop, hop)
    except DesiredStateError as error:
        raise wrong(f"nexthops[{place}]", str(error)) from None


def in_order(hops: Iterable[NextHop]) -> tuple[NextHop, ...]:
    """Ways in one order, whichever the kernel has them in."""
    return tuple(sorted(hops, key=_place))


def _place(hop: NextHop) -> tuple[str, int, bytes]:
    encap = hop.encap
    return (str(hop), 0, b"") if encap is None else (str(hop), encap.type, encap.data)
