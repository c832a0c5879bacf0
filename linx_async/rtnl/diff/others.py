"""The diffs of rules, neighbours and nexthops: pure, two-way by protocol tag."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from ..._core.model import Plan
from ..desired import Neighbour, Nexthop, Rule
from ..desired.checks import Unknown
from ..ops import (
    AddNeighbour,
    AddNexthop,
    AddRule,
    DeleteNeighbour,
    DeleteNexthop,
    DeleteRule,
    ReplaceNeighbour,
    ReplaceNexthop,
    RtnlOp,
)
from .draft import Draft, Ground

__all__ = [
    "draft_neighbours",
    "draft_nexthops",
    "draft_rules",
    "neighbours",
    "nexthops",
    "rules",
]

_LASTING = frozenset({"permanent", "noarp"})
_EXTERNALLY_LEARNED = 0x10  # NTF_EXT_LEARNED: a daemon's, whatever its state


def rules(desired: Iterable[Rule], observed: Iterable[Rule], *, protocol: int = 76) -> Plan[RtnlOp]:
    """The ops that lead from the rules that are there to those that should be.

    Two-way, by tag. All that a rule says is its key (rule_exists() in net/core/fib_rules.c), so a
    foreign rule under the same key is the same rule, and there can be no conflict.

    Args:
        desired: The rules that should be.
        observed: Those that are there.
        protocol: Our tag.
    """
    return draft_rules(desired, observed, protocol=protocol).plan()


def draft_rules(desired: Iterable[Rule], observed: Iterable[Rule], *, protocol: int) -> Draft:
    """The ops on rules."""
    draft = Draft()
    there = {_untagged(rule): rule for rule in observed}
    wanted = {_untagged(rule): rule for rule in desired}
    for what, rule in wanted.items():
        if what not in there:
            draft.steps.build(AddRule(rule))
    for what, rule in there.items():
        if what not in wanted and rule.protocol == protocol:
            draft.steps.last.append(DeleteRule(rule))
    return draft


def _untagged(rule: Rule) -> tuple[Rule, Unknown]:
    # What is not known here is a condition too: such a rule is never a desired one.
    return evolve(rule, protocol=None), rule.unknown


def neighbours(
    desired: Iterable[Neighbour],
    observed: Iterable[Neighbour],
    *,
    protocol: int = 76,
    replace: bool = False,
) -> Plan[RtnlOp]:
    """The ops that lead from the neighbours that are there to those that should be.

    Two-way, by tag. The key is the interface, the address, and whether it is a proxy
    (neigh_lookup(), pneigh_lookup() in net/core/neighbour.c). What the kernel itself has learned is
    nobody's, and gives way.

    Args:
        desired: The neighbours that should be.
        observed: Those that are there.
        protocol: Our tag.
        replace: Whether a foreign entry under a desired key is taken over.
    """
    return draft_neighbours(desired, observed, Ground(), protocol=protocol, replace=replace).plan()


def draft_neighbours(
    desired: Iterable[Neighbour],
    observed: Iterable[Neighbour],
    ground: Ground,
    *,
    protocol: int,
    replace: bool,
) -> Draft:
    """The ops on neighbours."""
    draft = Draft()
    there = {entry.key: entry for entry in observed}
    wanted = {entry.key: entry for entry in desired}
    for key, entry in wanted.items():
        found = there.get(key)
        if found is not None and _same_neighbour(entry, found):
            continue
        requires = ground.requires(entry.interface)
        # A link that is down keeps no neighbours (neigh_ifdown()), a proxy stays.
        blocked = (ground.missing if entry.proxy else ground.down)(entry.interface)
        if blocked:
            draft.wait(key, blocked)
        elif found is None:
            draft.steps.build(AddNeighbour(entry, requires))
        elif found.protocol == protocol or _is_learned(found) or replace:
            draft.steps.build(ReplaceNeighbour(entry, found, requires))
        else:
            draft.conflict(key, f"protocol {found.protocol} has {found} there")
    for key, entry in there.items():
        if key not in wanted and entry.protocol == protocol:
            draft.steps.last.append(DeleteNeighbour(entry))
    return draft


def _same_neighbour(desired: Neighbour, observed: Neighbour) -> bool:
    if desired.proxy:
        return True
    return (
        desired.lladdr == observed.lladdr
        and desired.state == observed.state
        and desired.router == observed.router
    )


def _is_learned(entry: Neighbour) -> bool:
    return not (entry.protocol or entry.state in _LASTING or entry.flags & _EXTERNALLY_LEARNED)


def nexthops(
    desired: Iterable[Nexthop],
    observed: Iterable[Nexthop],
    *,
    protocol: int = 76,
    replace: bool = False,
) -> Plan[RtnlOp]:
    """The ops that lead from the nexthops that are there to those that should be.

    Two-way, by tag. The key is the number (nexthop_find_by_id() in net/ipv4/nexthop.c).

    Args:
        desired: The nexthops that should be.
        observed: Those that are there.
        protocol: Our tag.
        replace: Whether a foreign nexthop under a desired number is taken over.
    """
    return draft_nexthops(desired, observed, Ground(), protocol=protocol, replace=replace).plan()


def draft_nexthops(
    desired: Iterable[Nexthop],
    observed: Iterable[Nexthop],
    ground: Ground,
    *,
    protocol: int,
    replace: bool,
) -> Draft:
    """The ops on nexthops; groups come after what they are made of."""
    draft = Draft()
    there = {nexthop.id: nexthop for nexthop in observed}
    wanted = {nexthop.id: nexthop for nexthop in desired}
    for number, nexthop in wanted.items():
        found = there.get(number)
        if found is not None and _same_nexthop(nexthop, found):
            continue
        blocked = ground.down(nexthop.interface) or _lacking(nexthop, wanted, there)
        requires = ground.requires(nexthop.interface) | {
            f"nexthop {member}" for member, _ in nexthop.group
        }
        level = 1 if nexthop.group else 0
        if blocked:
            draft.wait(nexthop.key, blocked)
        elif found is None:
            draft.steps.build(AddNexthop(nexthop, requires), level)
        elif found.protocol == protocol or replace:
            draft.steps.build(ReplaceNexthop(nexthop, found, requires), level)
        else:
            draft.conflict(nexthop.key, f"protocol {found.protocol} has nexthop {found} there")
    gone = [
        nexthop
        for number, nexthop in there.items()
        if number not in wanted and nexthop.protocol == protocol
    ]
    # A group that loses its last member goes with it: groups go first.
    gone.sort(key=lambda nexthop: not nexthop.group)
    draft.steps.last.extend(DeleteNexthop(nexthop) for nexthop in gone)
    return draft


def _lacking(nexthop: Nexthop, wanted: dict[int, Nexthop], there: dict[int, Nexthop]) -> str:
    for member, _ in nexthop.group:
        if member not in wanted and member not in there:
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
