"""What has to be heard of so that the end of a conflict is noticed: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from attrs import astuple, frozen

from .._core.model import Conflict
from .foreign import is_put_there
from .observed import Observed
from .observed_link import ObservedLink

__all__ = ["UNCONCERNED", "Concerns", "concerns_in"]


@frozen
class Concerns:
    """What others have for whose sake something of ours that is to go was left.

    Attributes:
        links: Names of interfaces whose links matter.
        carriers: Names of interfaces whose addresses matter.
        bearing: Those of them whose foreign IPv4 routes matter.
        neighbours: Keys of foreign neighbours.
        nexthops: Numbers of nexthops.
        used: Those of them whose foreign routes matter.
    """

    links: frozenset[str] = frozenset()
    carriers: frozenset[str] = frozenset()
    bearing: frozenset[str] = frozenset()
    neighbours: frozenset[str] = frozenset()
    nexthops: frozenset[int] = frozenset()
    used: frozenset[int] = frozenset()

    def __or__(self, other: Concerns) -> Concerns:
        """All that matters to either."""
        mine, theirs = (astuple(each, recurse=False) for each in (self, other))
        return Concerns(*(one | another for one, another in zip(mine, theirs, strict=True)))


UNCONCERNED: Final = Concerns()


def concerns_in(conflicts: Iterable[Conflict], observed: Observed) -> Concerns:
    """What conflicts are about, beyond what is desired.

    Args:
        conflicts: The conflicts of a plan.
        observed: What it was planned by.
    """
    keys = {conflict.key for conflict in conflicts}
    if not keys:
        return UNCONCERNED
    carriers = frozenset(each.interface for each in observed.addresses if each.key in keys)
    bearing = carriers & observed.carried.keys()
    stuck = {each.id for each in observed.nexthops if each.key in keys}
    groups = {
        each.id for each in observed.nexthops if any(member in stuck for member, _ in each.group)
    }
    return Concerns(
        carriers | _upper({key.removeprefix("link ") for key in keys}, observed.links),
        carriers,
        bearing,
        frozenset(
            each.key
            for each in observed.neighbours
            if each.interface in bearing and is_put_there(each)
        ),
        frozenset(stuck | groups),
        frozenset(stuck & observed.nexthop_users.keys()),
    )


def _upper(names: set[str], links: Mapping[str, ObservedLink]) -> frozenset[str]:
    """Links, and what sits on them, or on what does."""
    found = names & links.keys()
    lower = {links[name].index for name in found}
    while lower:
        upper = {
            name
            for name, each in links.items()
            if name not in found and each.parent in lower and each.link_netnsid is None
        }
        lower = {links[name].index for name in upper}
        found |= upper
    return frozenset(found)
