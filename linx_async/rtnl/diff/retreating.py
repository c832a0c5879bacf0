"""How nexthops leave interfaces that go down or away, with the routes by them: pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from attrs import field, frozen

from ..company import takes_along
from ..desired import Address, Nexthop
from ..desired.checks import Network
from ..observed_link import ObservedLink
from ..ops import DeleteLink, MoveLink, ReplaceNexthop, RtnlOp, SetLink
from .clearing import network

__all__ = ["Retreat", "retreat_from"]


@frozen
class Retreat:
    """What is to be done with nexthops before the links are changed.

    A nexthop goes with its interface when that goes down, away, or loses its carrier, and all
    routes by it go too, others' among them (nexthop_flush_dev() in net/ipv4/nexthop.c). Those by a
    nexthop that is replaced stay. So one that is to be elsewhere is moved first; where it cannot be
    there yet, it is a blackhole in between, which is on no interface.

    Attributes:
        links: The links that are there.
        shaken: Interfaces that may lose their nexthops.
        passing: Those among them that are made anew, or down for a moment, and what sits on them.
        reached: The networks that the addresses of interfaces lead to, by interface.
    """

    links: Mapping[str, ObservedLink] = field(factory=dict)
    shaken: frozenset[str] = frozenset()
    passing: frozenset[str] = frozenset()
    reached: Mapping[str, Collection[Network]] = field(factory=dict)

    def ahead(self, op: ReplaceNexthop, several: Collection[int]) -> ReplaceNexthop | None:
        """What has to come before the links: the op itself, another one, or nothing.

        Args:
            op: How a nexthop changes.
            several: Those that are in a group with others: none of them can be a blackhole
                (replace_nexthop() in net/ipv4/nexthop.c).
        """
        found = op.observed
        if found.interface not in self.shaken:
            return None
        if self._can_be(op.nexthop):
            return op
        if found.id in several:
            return None
        nothing = Nexthop(found.id, blackhole=True, family=found.family)
        return ReplaceNexthop(nothing, found)

    def _can_be(self, nexthop: Nexthop) -> bool:
        """Whether a nexthop can be there before the links and addresses are as desired."""
        if nexthop.blackhole:
            return True
        name, gateway = nexthop.interface or "", nexthop.gateway
        link = self.links.get(name)
        if link is None or name in self.shaken or not (link.up and link.has_carrier):
            return False
        if gateway is None or nexthop.onlink or (gateway.version == 6 and gateway.is_link_local):
            return True
        return any(gateway in each for each in self.reached.get(name, ()))


def retreat_from(
    ops: Iterable[RtnlOp], links: Mapping[str, ObservedLink], addresses: Iterable[Address]
) -> Retreat:
    """The retreat from what ops do to links before the nexthops have their turn.

    Args:
        ops: The ops.
        links: The links that are there.
        addresses: The addresses that are there.
    """
    shaken: set[str] = set()
    passing: set[str] = set()
    for op in filter(takes_along, ops):
        match op:
            case DeleteLink():
                # Deleted before others are made: it is made anew.
                passing.add(op.observed.name)
            case SetLink(lowered=True):
                passing.add(op.link.name)
            case SetLink() | MoveLink():
                shaken.add(op.link.name)
    shaken |= passing
    if not shaken:
        return Retreat(links)
    reached: dict[str, list[Network]] = {}
    for address in addresses:
        if not (address.noprefixroute or address.is_tentative):
            reached.setdefault(address.interface, []).append(network(address)[1])
    return Retreat(links, _upwards(shaken, links), _upwards(passing, links), reached)


def _upwards(names: Iterable[str], links: Mapping[str, ObservedLink]) -> frozenset[str]:
    """These links, what sits on them or has its carrier of them alone; of veths the other ends."""
    by_index = {each.index: each for each in links.values()}
    upper: dict[int, list[ObservedLink]] = {}
    members: dict[int, list[ObservedLink]] = {}
    for each in links.values():
        members.setdefault(each.master, []).append(each)
        if each.link_netnsid is None:
            upper.setdefault(each.parent, []).append(each)
    found: set[str] = set()
    left = [links[name] for name in names if name in links]
    while left:
        link = left.pop()
        if link.name in found:
            continue
        found.add(link.name)
        left += upper.get(link.index, [])
        lasting = (
            each for each in members[link.master] if each.has_carrier and each.name not in found
        )
        if link.master in by_index and not any(lasting):
            left.append(by_index[link.master])
    return frozenset(found)
