"""How an IPv6 route of several ways is changed way by way: some may be another's."""

from __future__ import annotations

from collections.abc import Collection

from attrs import evolve

from .desired.checks import IP
from .desired.forwarding import Forwarding, NextHop
from .deviations import agree, same_hop

__all__ = ["WaySteps", "changed_ways"]

WaySteps = list[tuple[bool, list[Forwarding]]]
"""Steps, in order: whether it adds, and the ways that it adds or deletes, a route each."""


def changed_ways(desired: Forwarding, observed: Forwarding) -> WaySteps:
    """What leads from the ways that are there to those that should be.

    The kernel shows IPv6 routes of one destination and metric as one route of several ways, by the
    tag of the first alone, and NLM_F_REPLACE takes all of them (fib6_add_rt2node() in
    net/ipv6/ip6_fib.c). A delete looks at the tag of each: so ways are added and deleted one by
    one, and another's stays.

    Args:
        desired: What the route should do.
        observed: What it does: several ways.
    """
    old = observed.nexthops
    new = desired.nexthops or _only(desired)
    alike = bool(new) and agree(_bare(desired), _bare(observed))
    if not alike:
        gone = [_one(observed, hop) for hop in old]
        return [(False, gone), (True, [desired])]
    added = [hop for hop in new if not any(same_hop(hop, other) for other in old)]
    gone = [_one(observed, other) for other in old if not any(same_hop(h, other) for h in new)]
    come = [_one(desired, hop) for hop in added]
    taken = {(hop.gateway, hop.interface) for way in gone for hop in way.nexthops}
    if any(_is_taken(hop, taken) for hop in added):
        # The kernel has one way by one gateway: of another weight, it takes the place of the old.
        return [(False, gone), (True, come)]
    return [(True, come), (False, gone)]


def _only(way: Forwarding) -> tuple[NextHop, ...]:
    if way.gateway is None and way.interface is None:
        return ()
    return (NextHop(way.gateway, way.interface, onlink=way.onlink, encap=way.encap),)


def _bare(way: Forwarding) -> Forwarding:
    return evolve(way, gateway=None, interface=None, onlink=False, encap=None, nexthops=())


def _one(way: Forwarding, hop: NextHop) -> Forwarding:
    return evolve(_bare(way), nexthops=(hop,))


def _is_taken(hop: NextHop, taken: Collection[tuple[IP | None, str | None]]) -> bool:
    if hop.interface is not None:
        return (hop.gateway, hop.interface) in taken
    return any(hop.gateway == gateway for gateway, _ in taken)
