"""What a pass over rtnetlink must have left behind, and what it must not have touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from attrs import frozen

from linx_async import Ownership, Report
from linx_async.rtnl import (
    AddAddress,
    Address,
    DeleteAddress,
    DeleteLink,
    DeleteNexthop,
    Desired,
    Link,
    Neighbour,
    NextHop,
    Nexthop,
    ObservedLink,
    ReplaceAddress,
    ReplaceNexthop,
    Route,
    RtnlOp,
    Rule,
    SetLink,
)
from linx_async.rtnl.records import LinkRecord
from tests.kernel.rtnl_place import Thing, World

__all__ = ["Passed", "extra", "index_in", "lacking", "reported"]

KERNEL = 2
LOWER_UP = 0x10000

_ABSENT = ["the", "interface", "is", "not", "there"]


def reported(report: Report[RtnlOp]) -> set[str]:
    """The keys of which a report says that they are not as desired."""
    of_all = (report.failed, report.pending, report.waiting, report.conflicts)
    return {each.key for group in of_all for each in group}


def index_in(owned: Ownership, key: str) -> int | None:
    """The index that a link of ours has by our record."""
    record = LinkRecord.of(owned[key].settled) if key in owned else None
    return None if record is None else record.index


def lacking(desired: Desired, world: World) -> set[str]:
    """The keys of what is not as desired, found out without the diff.

    Nexthops on an interface without a carrier are left out, and what goes by such: the kernel takes
    them away when the carrier is lost, whenever it notices that.
    """
    return {
        *(each.key for each in desired.links if not _has_link(each, world)),
        *(each.key for each in desired.addresses if not _has_address(each, world)),
        *(each.key for each in desired.routes if not _has_route(each, world)),
        *(each.key for each in desired.rules if not _has_rule(each, world)),
        *(each.key for each in desired.neighbours if not _has_neighbour(each, world)),
        *(each.key for each in desired.nexthops if not _has_nexthop(each, world)),
    }


def extra(desired: Desired, world: World, tag: int) -> set[str]:
    """The keys of what has our tag and is not desired, or is there twice."""
    things = (desired.addresses, desired.routes, desired.rules)
    wanted = {each.key for group in things for each in group}
    wanted |= {each.key for group in (desired.neighbours, desired.nexthops) for each in group}
    tagged = Counter(each.key for each in world.tagged(tag))
    return {key for key, count in tagged.items() if key not in wanted or count > 1}


def _has_link(link: Link, world: World) -> bool:
    found = world.links.get(link.name)
    if found is None or link.kind not in {None, found.kind}:
        return False
    said = {name: getattr(link, name) for name in ("up", "mtu", "address", "alias", "group")}
    master = world.names.get(found.master, "")
    return (
        all(value in {None, getattr(found, name)} for name, value in said.items())
        and link.master in {None, master}
        and link.parent in {None, world.names.get(found.parent)}
        and link.altnames <= found.altnames
    )


def _has_address(address: Address, world: World) -> bool:
    fields = ("prefix_length", "peer", "label", "broadcast", "scope", "noprefixroute")
    return any(
        each.key == address.key
        and all(getattr(each, name) == getattr(address, name) for name in fields)
        and address.metric in {None, each.metric}
        for each in world.addresses
    )


def _has_route(route: Route, world: World) -> bool:
    goes = route.forwarding
    if goes.nexthop_id and _is_shaky(goes.nexthop_id, world):
        return True
    fields = ("type", "gateway", "source", "scope", "onlink", "nexthop_id", "metrics")
    hops = Counter(map(_hop, goes.nexthops))
    return any(
        each.key == route.key
        and all(getattr(each.forwarding, name) == getattr(goes, name) for name in fields)
        and goes.interface in {None, each.interface}
        and Counter(map(_hop, each.forwarding.nexthops)) == hops
        for each in world.routes
    )


def _hop(hop: NextHop) -> tuple[object, ...]:
    return hop.gateway, hop.interface, hop.weight, hop.onlink


def _has_rule(rule: Rule, world: World) -> bool:
    return any(each.key == rule.key for each in world.rules)


def _has_neighbour(entry: Neighbour, world: World) -> bool:
    return any(
        each.key == entry.key
        and each.lladdr == entry.lladdr
        and (entry.proxy or each.state == entry.state)
        for each in world.neighbours
    )


def _has_nexthop(nexthop: Nexthop, world: World) -> bool:
    fields = ("gateway", "interface", "onlink", "blackhole")
    return any(
        each.id == nexthop.id
        and all(getattr(each, name) == getattr(nexthop, name) for name in fields)
        and sorted(each.group) == sorted(nexthop.group)
        for each in world.nexthops
    ) or (
        _is_without_carrier(nexthop, world)
        or any(_is_shaky(member, world) for member, _ in nexthop.group)
    )


def _is_without_carrier(nexthop: Nexthop, world: World) -> bool:
    found = world.links.get(nexthop.interface or "")
    return found is not None and not found.flags & LOWER_UP


def _is_shaky(number: int, world: World) -> bool:
    return not any(each.id == number for each in world.nexthops)


@frozen
class Passed:
    """A pass, with what was there before it and after it.

    Attributes:
        tag: Our tag.
        replace: Whether it takes over what others have.
        desired: What should be.
        owned: Our record before it.
        before: What was there.
        after: What is.
        report: What it says.
    """

    tag: int
    replace: bool
    desired: Desired
    owned: Ownership
    before: World
    after: World
    report: Report[RtnlOp]

    def untrue(self) -> list[str]:
        """What was waited for and was there all the time."""
        words = [each.reason.split(" ") for each in self.report.waiting]
        absent = [each[2] for each in words if each[:2] + each[3:] == _ABSENT]
        return [name for name in absent if name in self.before.links and name in self.after.links]

    def harmed(self) -> list[object]:
        """What others had, and have no more, with no excuse."""
        return [*self._harmed_links(), *self._harmed_things()]

    @property
    def _tried(self) -> list[RtnlOp]:
        failed = (each.op for each in self.report.failed)
        return [*self.report.applied, *(op for op in failed if op is not None)]

    def _is_ours(self, link: ObservedLink) -> bool:
        return index_in(self.owned, f"link {link.name}") == link.index

    # Links

    def _gone(self) -> set[str]:
        """The links that we deleted, and those that the kernel deletes with them."""
        links = self.before.links
        gone = {op.observed.name for op in self._tried if isinstance(op, DeleteLink)}
        taken = {each.name for each in self.desired.links if each.kind and self.replace}
        for name in gone:
            assert self._is_ours(links[name]) or name in taken
        for _ in links:
            numbers = {links[name].index for name in gone}
            gone |= {name for name, each in links.items() if each.parent in numbers}
        return gone

    def _harmed_links(self) -> Iterator[object]:
        gone = self._gone()
        now = {each.index: each for each in self.after.links.values()}
        for name, old in self.before.links.items():
            new = now.get(old.index)
            if name in gone:
                continue
            if new is None or (new.name, new.kind) != (old.name, old.kind):
                yield old
            elif not self._is_ours(old):
                yield from self._changed(old, new, gone)

    def _changed(self, old: ObservedLink, new: ObservedLink, gone: set[str]) -> Iterator[object]:
        declared = next((each for each in self.desired.links if each.name == old.name), None)
        # The kernel gives a bridge the MTU and the address of its ports, and a macvlan an MTU.
        adapts = {"bridge": {"mtu", "address"}, "macvlan": {"mtu"}}.get(old.kind or "", set())
        lost_master = self.before.names.get(old.master) in gone
        for name in ("up", "mtu", "address", "alias", "group", "altnames", "master"):
            if getattr(old, name) == getattr(new, name) or name in adapts:
                continue
            if name == "master" and lost_master and not new.master:
                continue
            if declared is None or getattr(declared, name) is None:
                yield old.name, name, getattr(old, name), getattr(new, name)

    # All else

    def _harmed_things(self) -> list[Thing]:
        foreign = Counter(each for each in self.before.things if self._is_foreign(each))
        lost = foreign - Counter(self.after.things)
        excuses = _Excuses(self._tried, self._gone(), self.before, self.after, self.replace)
        return [each for each in lost if not excuses.excuse(each)]

    def _is_foreign(self, thing: Thing) -> bool:
        if isinstance(thing, Neighbour) and not (thing.proxy or thing.state == "permanent"):
            return False  # the kernel's own, that come and go
        return thing.protocol != self.tag


class _Excuses:
    """What the kernel itself does to others' things when ours are changed."""

    def __init__(
        self,
        tried: Collection[RtnlOp],
        gone: set[str],
        before: World,
        after: World,
        replace: bool,
    ) -> None:
        self._before, self._after = before, after
        sets = [op for op in tried if isinstance(op, SetLink)]
        self._down = gone | {op.key[5:] for op in sets if op.changes.get("up") is False}
        # One that failed may have done a part of it, which the next round does not try again.
        self._down |= {
            name
            for name, new in after.links.items()
            if name in before.links and before.links[name].up and not new.up
        }
        moved = {op.key[5:] for op in sets if "master" in op.changes or "address" in op.changes}
        self._readdressed = {op.key[5:] for op in sets if "address" in op.changes}
        # A bridge takes the lowest address of its ports; with another one neighbours are dropped.
        self._readdressed |= {
            name
            for name, new in after.links.items()
            if name in before.links and before.links[name].address != new.address
        }
        # Those whose carrier, or whose way to it, may have changed.
        self._shaken = self._down | moved
        for world in (before, after) * 2:
            self._shaken |= _beside(self._shaken, world)
        self._pale = _without_carrier(before)
        # One that is added again went with the primary one before it.
        over = (AddAddress, DeleteAddress, ReplaceAddress)
        keys = {op.key for op in tried if isinstance(op, over)}
        self._addresses = {each for each in before.addresses if each.key in keys}
        deletes = (DeleteAddress, DeleteNexthop, DeleteLink)
        done = {op.key for op in tried if not isinstance(op, deletes)}
        self._taken = done if replace else set[str]()
        self._numbers = {op.observed.id for op in tried if isinstance(op, DeleteNexthop)}
        self._numbers |= {
            op.observed.id for op in tried if replace and isinstance(op, ReplaceNexthop)
        }

    def excuse(self, thing: Thing) -> bool:
        """Whether the kernel itself did it, or it was taken over as was wanted."""
        if thing.key in self._taken:
            return True
        match thing:
            case Address():
                return thing.interface in self._down
            case Neighbour():
                return thing.interface in self._down | self._readdressed or (
                    thing.family == 4 and self._is_bared(thing.interface)
                )
            case Nexthop():
                return self._excuse_nexthop(thing)
            case Route():
                return self._excuse_route(thing)
        return False

    def _excuse_nexthop(self, thing: Nexthop) -> bool:
        if thing.group:
            there = {each.id for each in self._after.nexthops}
            members = [member for member, _ in thing.group]
            return any(each not in there or self._is_lost(each) for each in members)
        return thing.interface in self._shaken or _is_without_carrier(thing, self._after)

    def _excuse_route(self, route: Route) -> bool:
        goes = route.forwarding
        names = {goes.interface, *(hop.interface for hop in goes.nexthops)} - {None}
        if goes.nexthop_id:
            there = {each.id for each in self._after.nexthops}
            number = goes.nexthop_id
            return number not in there or number in self._numbers or self._is_lost(number)
        if names & self._down or goes.source in {each.address for each in self._addresses}:
            return True
        touched = {each.interface for each in self._addresses}
        if route.protocol == KERNEL and names & (self._shaken | touched):
            return True
        return route.family == 4 and any(self._is_bared(str(name)) for name in names)

    def _is_lost(self, number: int) -> bool:
        """Whether the kernel took a nexthop, though one by that number is there again.

        The carrier that it notices the loss of was lost before; or it is one of several ways of a
        group, of which none can be a blackhole while its interface is changed.
        """
        old = next((each for each in self._before.nexthops if each.id == number), None)
        if old is None:
            return False
        if old.group:
            return all(self._is_lost(member) for member, _ in old.group)
        groups = [[member for member, _ in each.group] for each in self._before.nexthops]
        several = any(number in members for members in groups if len(members) > 1)
        return old.interface in self._pale or (several and old.interface in self._shaken)

    def _is_bared(self, name: str) -> bool:
        """Whether its last IPv4 address went, if only for a moment.

        With it go all its IPv4 routes, neighbours and proxies (fib_disable_ip() in
        net/ipv4/fib_frontend.c).
        """
        there = [each for each in self._before.addresses if each.interface == name]
        had = [each for each in there if each.family == 4]
        return bool(had) and all(each in self._addresses for each in had)


def _without_carrier(world: World) -> set[str]:
    """The links that are up without a carrier, or will be once the kernel has noticed."""
    links = world.links
    found = {name for name, link in links.items() if link.up and not link.flags & LOWER_UP}
    for _ in range(2):
        found |= {world.names.get(links[name].master, "") for name in found} - {""}
        found |= {name for name, link in links.items() if world.names.get(link.parent) in found}
    return found


def _beside(names: set[str], world: World) -> set[str]:
    found: set[str] = set()
    for name, link in world.links.items():
        others = {world.names.get(link.parent), world.names.get(link.master)} - {None}
        if name in names:
            found |= {str(other) for other in others}
        elif others & names:
            found.add(name)
    return found
