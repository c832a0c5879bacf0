"""What a desired state wants to hear of from rtnetlink: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Self

from attrs import evolve, field, frozen

from .codec.wire import FAMILIES
from .concerns import UNCONCERNED, Concerns
from .desired.checks import IP
from .desired.desired import Desired
from .desired.forwarding import Forwarding
from .desired.routes import RouteTable

__all__ = ["ALL_GROUPS", "GROUPS", "Interest"]

# RTNLGRP_*, include/uapi/linux/rtnetlink.h
GROUPS: Final[Mapping[str, frozenset[int]]] = {
    "link": frozenset({1}),
    "address": frozenset({5, 9}),
    "route": frozenset({7, 11}),
    "rule": frozenset({8, 19}),
    "nexthop": frozenset({32}),
    "neighbour": frozenset({3}),
}
"""The multicast groups that announce each kind of object."""

ALL_GROUPS: Final = frozenset[int]().union(*GROUPS.values())


@frozen
class Interest:
    """What a desired state wants to hear of.

    Attributes:
        links: Names of interfaces whose links matter; None is any.
        peers: Those of them that come and go with another: the other ends of veths.
        carriers: Names of interfaces whose addresses matter; None is any. A route vanishes
            unannounced with the last IPv4 address of its interface (fib_disable_ip() in
            net/ipv4/fib_frontend.c), and its gateway may be reachable once there is one.
        sources: Addresses that routes start from, on whichever interface.
        routes: The desired routes.
        shapes: Address family and prefix length of each of them.
        rules: Keys of the desired rules.
        neighbours: Keys of the desired neighbours.
        nexthops: Numbers of nexthops that are desired, or that something desired goes by.
        bearing: Names of interfaces whose foreign routes hold up the end of an address of ours.
        used: Numbers of nexthops of ours whose end foreign routes hold up.
        groups: The multicast groups that tell of all this; links always.
    """

    links: frozenset[str] | None = frozenset()
    peers: frozenset[str] = frozenset()
    carriers: frozenset[str] | None = frozenset()
    sources: frozenset[IP] = frozenset()
    routes: RouteTable = field(factory=RouteTable)
    shapes: frozenset[tuple[int, int]] = frozenset()
    rules: frozenset[str] = frozenset()
    neighbours: frozenset[str] = frozenset()
    nexthops: frozenset[int] = frozenset()
    bearing: frozenset[str] = frozenset()
    used: frozenset[int] = frozenset()
    groups: frozenset[int] = GROUPS["link"]

    @classmethod
    def of(cls, desired: Desired) -> Self:
        """What a desired state wants to hear of."""
        ways = desired.routes.ways
        numbers = {each.id for each in desired.nexthops}
        used = {way.nexthop_id for way in ways if way.nexthop_id}
        used |= {member for each in desired.nexthops for member, _ in each.group}

        names: set[str | None] = {each.interface for each in desired.addresses}
        names.update(each.interface for each in desired.nexthops if each.gateway or each.interface)
        for way in ways:
            names |= _interfaces(way)
        carriers = _named(names)
        if used - numbers:
            names.add(None)  # somebody else's nexthop may be on any link, and goes with it
        names.update(each.interface for each in desired.neighbours)
        for link in desired.links:
            names |= {link.name, link.parent or link.name}
            names |= {link.master or link.name, link.peer or link.name}
        return cls(
            _named(names),
            frozenset(link.peer for link in desired.links if link.peer),
            carriers,
            frozenset(way.source for way in ways if way.source is not None),
            desired.routes,
            frozenset((FAMILIES[p.family], p.length) for p in desired.routes.groups),
            frozenset(rule.key for rule in desired.rules),
            frozenset(each.key for each in desired.neighbours),
            frozenset(numbers | used),
            groups=_groups(desired, by_number=bool(numbers or used)),
        )

    def with_concerns(self, concerns: Concerns) -> Interest:
        """The same, and what may end conflicts."""
        if concerns == UNCONCERNED:
            return self
        groups = set(self.groups)
        for kind, matters in (
            ("address", concerns.carriers),
            ("route", concerns.bearing or concerns.used),
            ("neighbour", concerns.neighbours),
            ("nexthop", concerns.nexthops),
        ):
            groups |= GROUPS[kind] if matters else set()
        return evolve(
            self,
            links=None if self.links is None else self.links | concerns.links,
            carriers=None if self.carriers is None else self.carriers | concerns.carriers,
            neighbours=self.neighbours | concerns.neighbours,
            nexthops=self.nexthops | concerns.nexthops,
            bearing=concerns.bearing,
            used=concerns.used,
            groups=frozenset(groups),
        )


def _interfaces(way: Forwarding) -> set[str | None]:
    """The interfaces of a route; None among them where the kernel chooses one."""
    if way.nexthops:
        return {hop.interface for hop in way.nexthops}
    if way.gateway is None and way.interface is None:
        return set()
    return {way.interface}


def _named(names: set[str | None]) -> frozenset[str] | None:
    known = frozenset(name for name in names if name is not None)
    return None if None in names else known


def _groups(desired: Desired, *, by_number: bool) -> frozenset[int]:
    routed = bool(desired.routes)
    wanted = {
        "link": True,
        "address": bool(desired.addresses) or routed or by_number,
        "route": routed,
        "rule": bool(desired.rules),
        "nexthop": by_number,
        "neighbour": bool(desired.neighbours),
    }
    return frozenset[int]().union(
        *(GROUPS[kind] for kind, is_wanted in wanted.items() if is_wanted)
    )
