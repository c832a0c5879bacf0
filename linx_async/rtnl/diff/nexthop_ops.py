"""The diff of nexthops: pure, two-way by protocol tag."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from collections.abc import Set as AbstractSet

from attrs import evolve

from ..._core.model import Plan
from ..desired import Nexthop
from ..desired.protocols import shown_protocol
from ..ops import AddNexthop, DeleteNexthop, ReplaceNexthop, RtnlOp
from .draft import Draft, Ground
from .retreating import Retreat

__all__ = ["draft_nexthops", "nexthops", "turns"]

_IN_USE = "deleting it would change what is not ours"
_NONE = Retreat()
_TURNS = "the kernel makes no group of a way, nor a way of a group: it has to be deleted first"


def nexthops(
    desired: Iterable[Nexthop],
    observed: Iterable[Nexthop],
    *,
    protocol: int = 76,
    replace: bool = False,
    users: Mapping[int, str] | None = None,
) -> Plan[RtnlOp]:
    """The ops that lead from the nexthops that are there to those that should be.

    Two-way, by tag. The key is the number (nexthop_find_by_id() in net/ipv4/nexthop.c).

    Args:
        desired: The nexthops that should be.
        observed: Those that are there.
        protocol: Our tag.
        replace: Whether a foreign nexthop under a desired number is taken over.
        users: Foreign routes by the nexthop that they go by: deleting it would delete them. A
            nexthop that becomes a group, or one no more, is deleted first.
    """
    return draft_nexthops(
        desired, tuple(observed), Ground(), protocol=protocol, replace=replace, users=users or {}
    ).plan()


def draft_nexthops(
    desired: Iterable[Nexthop],
    observed: Collection[Nexthop],
    ground: Ground,
    *,
    protocol: int,
    replace: bool,
    users: Mapping[int, str],
    used: Callable[[], AbstractSet[int]] = frozenset,
    retreat: Retreat = _NONE,
) -> Draft:
    """The ops on nexthops; groups come after what they are made of.

    Args:
        desired: As for `nexthops`.
        observed: As for `nexthops`.
        ground: The interfaces.
        protocol: As for `nexthops`.
        replace: As for `nexthops`.
        users: As for `nexthops`.
        used: Tells the nexthops that desired routes go by; asked where one is to be deleted.
        retreat: What is to be done before the links are changed.
    """
    draft = Draft()
    there = {nexthop.id: nexthop for nexthop in observed}
    wanted = {nexthop.id: nexthop for nexthop in desired}
    will_be = {
        n
        for n, each in there.items()
        if (n in wanted or each.protocol != protocol) and not _goes(each.interface, ground)
    }
    several: set[int] = set()
    if retreat.shaken:  # a quiet pass asks for none of it
        several = {member for each in observed if len(each.group) > 1 for member, _ in each.group}
    taken: set[int] = set()
    for number, nexthop in _in_order(wanted, there):
        found = there.get(number)
        lacking = _lacking(nexthop, will_be)
        if found is not None and _same_nexthop(nexthop, found) and not lacking:
            if found.interface in retreat.passing and (found.protocol == protocol or replace):
                op = ReplaceNexthop(nexthop, found, ground.requires(found.interface))
                if first := retreat.ahead(op, several):
                    _replace(draft, op, first, 0)
                    will_be.add(number)
            continue
        blocked = (
            ground.down(nexthop.interface) or _without_carrier(nexthop.interface, ground) or lacking
        )
        requires = ground.requires(nexthop.interface) | {
            f"nexthop {member}" for member, _ in nexthop.group
        }
        level = 1 if nexthop.group else 0
        if blocked:
            draft.wait(nexthop.key, blocked)
        elif found is None:
            draft.steps.build(AddNexthop(nexthop, requires), level)
            will_be.add(number)
        elif found.protocol != protocol and not replace:
            draft.conflict(
                nexthop.key, f"{shown_protocol(found.protocol)} has nexthop {found} there"
            )
        elif not turns(nexthop, found):
            op = ReplaceNexthop(nexthop, found, requires)
            _replace(draft, op, retreat.ahead(op, several), level)
            taken.add(number)
            will_be.add(number)
        elif user := users.get(number) or _groups_of_others(there, protocol, taken).get(number):
            draft.conflict(nexthop.key, f"{_TURNS}, and {_IN_USE}: {user}")
        else:
            # A group comes after those that it was in: they would go with their last member.
            new = ReplaceNexthop(nexthop, found, requires, in_place=False)
            draft.steps.build(new, 2 * level)
            taken.add(number)
            will_be.add(number)
    left = {n: each for n, each in there.items() if n not in wanted and each.protocol == protocol}
    if left:
        theirs = {**_groups_of_others(there, protocol, taken), **users}
        _remove(draft, left, theirs, used())
    return draft


def _remove(
    draft: Draft, left: Mapping[int, Nexthop], users: Mapping[int, str], used: AbstractSet[int]
) -> None:
    """Delete nexthops that are not desired any more, unless something goes by them."""
    gone = []
    needed = left.keys() & used
    needed |= {member for number in needed for member, _ in left[number].group}
    for number, nexthop in left.items():
        if number in users:
            draft.conflict(nexthop.key, f"{_IN_USE}: {users[number]}")
        elif number in needed:
            draft.wait(nexthop.key, "it is not desired, but a desired route goes by it")
        else:
            gone.append(nexthop)
    # A group that loses its last member goes with it: groups go first.
    gone.sort(key=lambda nexthop: not nexthop.group)
    draft.steps.last.extend(DeleteNexthop(nexthop) for nexthop in gone)


def _replace(draft: Draft, op: ReplaceNexthop, first: ReplaceNexthop | None, level: int) -> None:
    """Add an op, and what of it has to come before all else."""
    if first is not None:
        draft.steps.ahead.append(first)
        if first is op:
            return
        op = evolve(op, observed=first.nexthop)
    draft.steps.build(op, level)


def _in_order(
    wanted: Mapping[int, Nexthop], there: Mapping[int, Nexthop]
) -> Iterable[tuple[int, Nexthop]]:
    """The desired nexthops: ways, then groups, then ways that become groups."""

    def place(item: tuple[int, Nexthop]) -> tuple[bool, bool]:
        number, nexthop = item
        found = there.get(number)
        return bool(nexthop.group), found is not None and turns(nexthop, found)

    return sorted(wanted.items(), key=place)


def turns(desired: Nexthop, observed: Nexthop) -> bool:
    """Whether one is a group and the other none: replace_nexthop() in net/ipv4/nexthop.c refuses.

    It has to be deleted first, then.
    """
    return bool(desired.group) != bool(observed.group)


def _groups_of_others(
    there: Mapping[int, Nexthop], protocol: int, taken: Container[int]
) -> Mapping[int, str]:
    """The foreign group that each nexthop is in, but for those that are taken over."""
    return {
        member: f"nexthop {other.id} of {shown_protocol(other.protocol)}"
        for other in there.values()
        if other.protocol != protocol and other.id not in taken
        for member, _ in other.group
    }


def _without_carrier(name: str | None, ground: Ground) -> str:
    """Why an interface that is up takes no nexthop: rtm_to_nh_config() in net/ipv4/nexthop.c."""
    link = None if name is None or ground.links is None else ground.links.get(name)
    if link is None or not link.up or link.has_carrier:
        return ""
    # A link that this plan makes, or sets up, may bring it the carrier.
    if ground.coming or any(ground.up.values()):
        return ""
    return f"the interface {name} has no carrier"


def _goes(name: str | None, ground: Ground) -> bool:
    """Whether an interface takes its nexthops along: it is deleted, made anew or set down."""
    return f"link {name}" in ground.anew or bool(ground.down(name))


def _lacking(nexthop: Nexthop, will_be: Container[int]) -> str:
    for member, _ in nexthop.group:
        if member not in will_be:
            return f"the nexthop {member} is not there"
    return ""


def _same_nexthop(desired: Nexthop, observed: Nexthop) -> bool:
    return (
        desired.gateway == observed.gateway
        and desired.interface in {None, observed.interface}
        and desired.onlink == observed.onlink
        and desired.blackhole == observed.blackhole
        and desired.family == observed.family
        and desired.unknown == observed.unknown
        and sorted(desired.group) == sorted(observed.group)
    )
