"""The diffs of rtnetlink against a model of the kernel: whatever is there, whatever is desired."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs
from hypothesis import assume, given
from hypothesis import strategies as st

from linx_async import Claim, Ownership, Plan
from linx_async.rtnl import (
    AddAddress,
    AddLink,
    AddNeighbour,
    AddNexthop,
    Address,
    AddRoute,
    AddRule,
    DeleteAddress,
    DeleteLink,
    DeleteNeighbour,
    DeleteNexthop,
    DeleteRoute,
    DeleteRule,
    Link,
    Neighbour,
    NextHop,
    Nexthop,
    ObservedLink,
    Release,
    ReplaceAddress,
    ReplaceNeighbour,
    ReplaceNexthop,
    ReplaceRoute,
    Route,
    RouteTable,
    RtnlOp,
    Rule,
    SetLink,
    diff,
)
from linx_async.rtnl.deviations import compared
from linx_async.rtnl.diff.draft import Ground
from linx_async.rtnl.diff.route_ops import draft_routes
from linx_async.rtnl.reading import Found

OURS, THEIRS = 76, 186
SECONDARY = 0x01

tags = st.sampled_from([OURS, THEIRS])
interfaces = st.sampled_from(["eth0", "eth1"])


def tagged(value: Any, tag: int) -> Any:
    """What the kernel has of something with that tag."""
    if isinstance(value, Route):
        how = attrs.evolve(value.forwarding, protocol=tag)
        return Route.of(value.destination, value.table, value.metric, value.tos, how)
    return attrs.evolve(value, protocol=tag)


def reported(plan: Plan[RtnlOp]) -> set[str]:
    """The keys that a plan says cannot be had."""
    keys = [each.key for each in plan.waiting]
    keys += [each.key for each in plan.conflicts]
    return {*keys, *(error.key for error in plan.failed)}


# Addresses

IPV4 = ("10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/24", "10.0.0.2/16", "10.1.0.2/24", "10.1.0.3/24")
IPV6 = ("fd00::1/64", "fd00::1/48", "fd00::2/64")


@st.composite
def address_values(draw: st.DrawFn) -> Address:
    interface = draw(interfaces)
    if draw(st.booleans()):
        text = draw(st.sampled_from(IPV6))
        more: dict[str, Any] = {"noprefixroute": draw(st.booleans())}
    else:
        text = draw(st.sampled_from(IPV4))
        more = {"label": draw(st.sampled_from([None, f"{interface}:x"]))}
    return Address(
        interface,
        text,
        metric=draw(st.sampled_from([None, None, 7])),
        valid_lifetime=draw(st.sampled_from([2**32 - 1, 2**32 - 1, 60])),
        **more,
    )


def with_secondaries(addresses: Iterable[Address]) -> list[Address]:
    """The same, with those after the first of a network marked as the kernel marks them."""
    networks: set[tuple[str, int, int]] = set()
    result = []
    for each in addresses:
        network = each.interface, each.prefix_length, base(each)
        later = each.family == 4 and network in networks
        networks.add(network)
        result.append(attrs.evolve(each, flags=SECONDARY if later else 0))
    return result


def base(address: Address) -> int:
    bits = address.address.max_prefixlen - address.prefix_length
    return int(address.address) >> bits


class Addresses:
    """The addresses of a kernel: the first of an IPv4 network goes with the others of it."""

    def __init__(self, addresses: Iterable[Address], promoting: Iterable[str]) -> None:
        self.there = {each.key: each for each in with_secondaries(addresses)}
        self.promoting = frozenset(promoting)

    def delete(self, key: str) -> None:
        gone = self.there.pop(key, None)
        if gone is None or gone.family == 6 or gone.flags & SECONDARY:
            return
        company = [
            other
            for other in self.there.values()
            if other.interface == gone.interface
            and (other.family, other.prefix_length) == (4, gone.prefix_length)
            and base(other) == base(gone)
        ]
        if gone.interface in self.promoting:
            for first in company[:1]:
                self.there[first.key] = attrs.evolve(first, flags=0)
        else:
            for other in company:
                del self.there[other.key]

    def add(self, address: Address) -> None:
        assert address.key not in self.there, "EEXIST"
        values = [*self.there.values(), tagged(address, OURS)]
        marked = {each.key: each for each in with_secondaries(values)}
        self.there[address.key] = marked[address.key]

    def apply(self, op: RtnlOp) -> None:
        match op:
            case AddAddress(address=new, again=True) if new.key in self.there:
                pass
            case AddAddress(address=new):
                self.add(new)
            case ReplaceAddress(address=new, in_place=True):
                assert self.there[new.key].protocol == OURS
                flags = self.there[new.key].flags
                self.there[new.key] = attrs.evolve(tagged(new, OURS), flags=flags)
            case ReplaceAddress(address=new, observed=old):
                assert self.there[new.key] == old
                self.delete(old.key)
                self.add(new)
            case DeleteAddress(observed=old):
                assert old.protocol == OURS
                self.delete(old.key)
            case _:
                raise AssertionError(op)


@given(
    st.lists(address_values(), unique_by=lambda each: each.key, max_size=5),
    st.lists(
        st.builds(tagged, address_values(), tags), unique_by=lambda each: each.key, max_size=6
    ),
    st.sets(interfaces),
    st.booleans(),
)
def test_addresses_converge_and_no_foreign_one_is_touched(
    desired: list[Address], observed: list[Address], promoting: set[str], replace: bool
) -> None:
    kernel = Addresses(observed, promoting)
    before = dict(kernel.there)

    def planned() -> Plan[RtnlOp]:
        return diff.addresses(
            desired, list(kernel.there.values()), replace=replace, promoting=kernel.promoting
        )

    plan = planned()
    assert plan == planned()
    for op in plan.ops:
        kernel.apply(op)
    wanted = {each.key for each in desired}
    for key, each in before.items():
        if each.protocol != OURS and not (replace and key in wanted):
            assert attrs.evolve(kernel.there[key], flags=each.flags) == each
    assert wanted <= kernel.there.keys() | reported(plan)
    again = planned()
    assert again.ops == ()
    assert reported(again) == reported(plan)
    left = {key for key, each in kernel.there.items() if each.protocol == OURS}
    assert left <= wanted | reported(plan)


# Rules

rule_values = st.builds(
    Rule,
    st.integers(1, 2),
    st.integers(1, 2),
    source=st.sampled_from([None, "10.0.0.0/8"]),
    fwmark=st.sampled_from([None, 1]),
    suppress_prefix_length=st.sampled_from([None, 0]),
    invert=st.booleans(),
)


def says(rule: Rule, *names: str) -> tuple[Any, ...]:
    return tuple(getattr(rule, name) for name in names)


def adds_up_to(new: Rule, there: Rule) -> bool:
    """rule_exists(): no source is any source, and whether it is inverted is not looked at."""
    exactly = ("priority", "table", "fwmark", "suppress_prefix_length", "protocol")
    return says(new, *exactly) == says(there, *exactly) and new.source in {None, there.source}


def is_found(said: Rule, there: Rule) -> bool:
    """rule_find(): what is not said is not looked at."""
    optional = ("source", "fwmark", "suppress_prefix_length")
    return says(said, "priority", "table", "protocol") == says(
        there, "priority", "table", "protocol"
    ) and all(
        mine in {None, other}
        for mine, other in zip(says(said, *optional), says(there, *optional), strict=True)
    )


class Rules:
    """The rules of a kernel: a list, in which the same one may be several times."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.there = sorted(rules, key=lambda each: each.priority)

    def apply(self, op: RtnlOp) -> None:
        match op:
            case AddRule(rule=added):
                new = tagged(added, OURS)
                assert op.beside or not any(adds_up_to(new, each) for each in self.there), "EEXIST"
                self.there.append(new)
                self.there.sort(key=lambda each: each.priority)
            case DeleteRule(observed=old):
                assert old.protocol == OURS
                place = next(n for n, each in enumerate(self.there) if is_found(old, each))
                del self.there[place]
            case _:
                raise AssertionError(op)

    def of(self, tag: int) -> list[Rule]:
        return [each for each in self.there if each.protocol == tag]


@given(
    st.lists(rule_values, unique_by=lambda each: each.key, max_size=5),
    st.lists(st.builds(tagged, rule_values, tags), max_size=6),
)
def test_rules_converge_and_no_foreign_one_is_touched(
    desired: list[Rule], observed: list[Rule]
) -> None:
    kernel = Rules(observed)
    foreign = kernel.of(THEIRS)

    def planned() -> Plan[RtnlOp]:
        return diff.rules(desired, list(kernel.there))

    plan = planned()
    assert plan == planned()
    for op in plan.ops:
        kernel.apply(op)
    assert kernel.of(THEIRS) == foreign
    wanted = {each.key for each in desired}
    assert wanted <= {each.key for each in kernel.there}
    ours = [each.key for each in kernel.of(OURS)]
    assert len(ours) == len(set(ours))
    assert set(ours) <= wanted
    assert planned() == Plan()


# Neighbours

hosts = st.sampled_from(["10.0.0.8", "10.0.0.9", "fd00::9"])
lladdrs = st.sampled_from(["02:00:00:00:00:01", "02:00:00:00:00:02"])
neighbour_values = st.builds(
    Neighbour, interfaces, hosts, lladdrs, state=st.sampled_from(["permanent", "noarp"])
) | st.builds(Neighbour, interfaces, hosts, proxy=st.just(True))


class Neighbours:
    """The neighbours of a kernel, one a key."""

    def __init__(self, neighbours: Iterable[Neighbour]) -> None:
        self.there = {each.key: each for each in neighbours}

    def apply(self, op: RtnlOp) -> None:
        match op:
            case AddNeighbour(neighbour=new):
                assert new.key not in self.there, "EEXIST"
                self.there[new.key] = tagged(new, OURS)
            case ReplaceNeighbour(neighbour=new):
                assert new.key in self.there
                self.there[new.key] = tagged(new, OURS)
            case DeleteNeighbour(observed=old):
                assert self.there.pop(old.key).protocol == OURS
            case _:
                raise AssertionError(op)


@given(
    st.lists(neighbour_values, unique_by=lambda each: each.key, max_size=5),
    st.lists(
        st.builds(tagged, neighbour_values, tags), unique_by=lambda each: each.key, max_size=6
    ),
    st.booleans(),
)
def test_neighbours_converge_and_no_foreign_one_is_touched(
    desired: list[Neighbour], observed: list[Neighbour], replace: bool
) -> None:
    kernel = Neighbours(observed)

    def planned() -> Plan[RtnlOp]:
        return diff.neighbours(desired, list(kernel.there.values()), replace=replace)

    one_key_each(kernel, planned, [each.key for each in desired], replace)


def one_key_each(kernel: Any, planned: Any, wanted: Sequence[str], replace: bool) -> None:
    """Carry a plan out, and see that it left a kernel of one object a key as it should."""
    before = dict(kernel.there)
    plan = planned()
    assert plan == planned()
    for op in plan.ops:
        kernel.apply(op)
    for key, each in before.items():
        if each.protocol != OURS and not (replace and key in wanted):
            assert kernel.there[key] == each
    assert set(wanted) <= kernel.there.keys() | reported(plan)
    left = {key for key, each in kernel.there.items() if each.protocol == OURS}
    assert left <= {*wanted} | reported(plan)
    again = planned()
    assert again.ops == ()
    assert reported(again) == reported(plan)


# Nexthops

numbers = st.integers(1, 5)
ways = st.builds(
    Nexthop, numbers, st.sampled_from(["10.0.0.1", "10.0.0.2"]), interfaces
) | st.builds(Nexthop, numbers, blackhole=st.just(True))
group_values = st.builds(
    lambda number, members: Nexthop(number, group=sorted(members - {number})),
    st.integers(4, 8),
    st.sets(numbers, min_size=2, max_size=3),
)
nexthop_values = ways | group_values


class Nexthops:
    """The nexthops of a kernel: a group loses a member that goes, and goes with its last."""

    def __init__(self, nexthops: Iterable[Nexthop]) -> None:
        self.there: dict[str, Nexthop] = {}
        numbered = {each.id: each for each in nexthops}
        for each in sorted(numbered.values(), key=lambda each: bool(each.group)):
            if all(member in numbered for member, _ in each.group):
                self.there[each.key] = each

    def apply(self, op: RtnlOp) -> None:
        match op:
            case AddNexthop(nexthop=new):
                assert new.key not in self.there, "EEXIST"
                self.put(new)
            case ReplaceNexthop(nexthop=new):
                old = self.there[new.key]
                if op.in_place:
                    assert bool(new.group) == bool(old.group), "EINVAL"
                else:
                    self.take(new.id)
                self.put(new)
            case DeleteNexthop(observed=old):
                gone = self.there.pop(old.key)
                assert gone.protocol == OURS
                self.take(gone.id)
            case _:
                raise AssertionError(op)

    def put(self, nexthop: Nexthop) -> None:
        for member, _ in nexthop.group:
            assert not self.there[f"nexthop {member}"].group, "EINVAL"
        self.there[nexthop.key] = tagged(nexthop, OURS)

    def take(self, number: int) -> None:
        for key, each in list(self.there.items()):
            left = tuple(pair for pair in each.group if pair[0] != number)
            if each.group and not left:
                del self.there[key]
            elif left != each.group:
                self.there[key] = attrs.evolve(each, group=left)


@given(
    st.lists(nexthop_values, unique_by=lambda each: each.key, max_size=6),
    st.lists(st.builds(tagged, nexthop_values, tags), unique_by=lambda each: each.key, max_size=7),
    st.booleans(),
)
def test_nexthops_converge_and_no_foreign_one_is_touched(
    desired: list[Nexthop], observed: list[Nexthop], replace: bool
) -> None:
    # No group is in another.
    assume(not _members(observed) & _groups(observed))
    assume(not _members(desired) & (_groups(desired) | _groups(observed)))
    kernel = Nexthops(observed)

    def planned() -> Plan[RtnlOp]:
        return diff.nexthops(desired, list(kernel.there.values()), replace=replace)

    one_key_each(kernel, planned, [each.key for each in desired], replace)


def _groups(nexthops: Iterable[Nexthop]) -> set[int]:
    return {each.id for each in nexthops if each.group}


def _members(nexthops: Iterable[Nexthop]) -> set[int]:
    return {member for each in nexthops for member, _ in each.group}


# Routes

gateways = st.sampled_from(["10.0.0.1", "10.0.0.2"])
route_values = st.one_of(
    st.builds(
        Route,
        st.sampled_from(["10.1.0.0/16", "10.2.0.0/16", "10.2.0.0/24", "default"]),
        gateways,
        st.sampled_from([None, "eth0"]),
        table=st.sampled_from([254, 42]),
        metric=st.sampled_from([None, 7]),
        tos=st.sampled_from([0, 0, 16]),
        metrics=st.sampled_from([None, {"mtu": 1400}]),
    ),
    st.builds(
        Route,
        st.sampled_from(["fd01::/16", "fd02::/16"]),
        st.sampled_from(["fe80::1", "fe80::2"]),
        interfaces,
        metric=st.sampled_from([None, 7]),
        preference=st.sampled_from(["medium", "high"]),
    ),
    st.builds(Route, st.just("10.1.0.0/16"), type=st.sampled_from(["blackhole", "throw"])),
    st.builds(
        lambda hops: Route("10.2.0.0/16", nexthops=hops),
        st.lists(st.builds(NextHop, gateways, interfaces), min_size=1, max_size=2),
    ),
)


def shown(route: Route, tag: int) -> Route:
    """What the kernel shows of a route: with the interface that it has chosen."""
    how = route.forwarding
    if how.gateway is not None and how.interface is None:
        how = attrs.evolve(how, interface="eth0")
    how = attrs.evolve(how, protocol=tag)
    return Route.of(route.destination, route.table, route.metric, route.tos, how)


class Routes:
    """The routes of a kernel: one key may be there with several tags, each once."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.there = {(each.key, each.protocol): each for each in routes}

    def apply(self, op: RtnlOp, *, replace: bool) -> None:
        match op:
            case AddRoute():
                assert not any(key == op.key for key, _ in self.there), "EEXIST"
                self.there[op.key, OURS] = shown(op.route, OURS)
            case ReplaceRoute():
                assert op.observed.protocol == OURS or replace
                del self.there[op.key, op.observed.protocol]
                self.there[op.key, OURS] = shown(op.route, OURS)
            case DeleteRoute():
                assert op.observed.protocol == OURS
                del self.there[op.key, OURS]
            case _:
                raise AssertionError(op)


desired_routes = st.lists(route_values, unique_by=lambda each: each.key, max_size=6)
observed_routes = st.lists(st.builds(shown, route_values, tags), max_size=8)


@given(desired_routes, observed_routes, st.booleans())
def test_routes_converge_and_no_foreign_one_is_touched(
    desired: list[Route], observed: list[Route], replace: bool
) -> None:
    kernel = Routes(observed)
    wanted = {each.key for each in desired}
    before = dict(kernel.there)

    def planned() -> Plan[RtnlOp]:
        return diff.routes(desired, list(kernel.there.values()), replace=replace)

    plan = planned()
    assert plan == planned()
    for op in plan.ops:
        kernel.apply(op, replace=replace)
    for (key, tag), each in before.items():
        if tag != OURS and not (replace and key in wanted):
            assert kernel.there[key, tag] == each
    assert wanted <= {key for key, _ in kernel.there} | reported(plan)
    assert {key for key, tag in kernel.there if tag == OURS} <= wanted
    again = planned()
    assert again.ops == ()
    assert reported(again) == reported(plan)


@given(desired_routes, observed_routes, st.booleans(), st.randoms(use_true_random=False))
def test_the_plan_of_deviations_is_the_public_one(
    desired: list[Route], observed: list[Route], replace: bool, chance: Any
) -> None:
    chance.shuffle(observed)
    ours, foreign = Found(), Found()
    for each in observed:
        part = ours if each.protocol == OURS else foreign
        part.put(each.prefix, each.destination.network_address.packed, each.forwarding)
    flat = {
        (prefix, packed): how
        for prefix, group in foreign.groups.items()
        for packed, how in group.items()
    }
    halves = [Found(), Found()]
    for prefix, group in ours.groups.items():
        halves[prefix.family == 6].groups[prefix] = group
    for key, others in ours.twins.items():
        halves[key[0].family == 6].twins[key] = others
    deviations = compared(RouteTable(desired).groups, halves)
    plan = draft_routes(deviations, flat, Ground(), replace=replace).plan()
    public = diff.routes(desired, observed, replace=replace)
    assert sorted(map(str, plan.ops)) == sorted(map(str, public.ops))
    assert (plan.waiting, plan.conflicts) == (public.waiting, public.conflicts)
    assert public == diff.routes(RouteTable(desired), observed, replace=replace)


# Links

NAMES = ("a", "b", "c", "d")
kinds = st.sampled_from(["bridge", "dummy"])


@st.composite
def link_values(draw: st.DrawFn) -> Link:
    name = draw(st.sampled_from(NAMES))
    others = st.sampled_from([each for each in NAMES if each != name])
    kind = draw(st.none() | kinds)
    return Link(
        name,
        kind,
        parent=draw(st.none() | others) if kind else None,
        master=draw(st.none() | st.just("") | others),
        up=draw(st.none() | st.booleans()),
        alias=draw(st.sampled_from([None, "", "x"])),
        altnames=draw(st.sampled_from([(), ("y",)])),
    )


class Links:
    """The links of a kernel, with an index for each that is never used again, and our record."""

    def __init__(self, links: Iterable[tuple[str, str | None, bool]]) -> None:
        self.there: dict[str, ObservedLink] = {}
        self.owned = Ownership()
        self.last = 0
        for name, kind, is_ours in links:
            self.make(name, kind)
            if is_ours and kind:
                self.claim(Claim(f"link {name}", kind, settled=str(self.last)))

    def claim(self, claim: Claim) -> None:
        self.owned = self.owned.with_claims([claim])

    def make(self, name: str, kind: str | None, parent: int = 0) -> None:
        assert name not in self.there, "EEXIST"
        self.last += 1
        self.there[name] = ObservedLink(
            *(self.last, name, kind, False, 1500, "", "", 0, parent, None, "", frozenset()),
            *(0, 0, "down", b"", ()),
        )

    def index(self, name: str | None) -> int:
        return self.there[name].index if name else 0

    def apply(self, op: RtnlOp) -> None:
        match op:
            case AddLink(link=new):
                self.make(new.name, new.kind, self.index(new.parent))
                self.set(new.name, {"master": new.master} if new.master else {})
                self.claim(Claim(op.key, new.kind, settled=str(self.last)))
            case SetLink(link=link, changes=changes):
                self.set(link.name, dict(changes))
                if op.claim is not None:
                    self.claim(op.claim)
            case DeleteLink(observed=old):
                gone = self.there.pop(old.name)
                assert gone.index == old.index
                self.owned = self.owned.without([op.key])
                self.forget(gone.index)
            case Release():
                self.owned = self.owned.without([op.key])
            case _:
                raise AssertionError(op)

    def set(self, name: str, changes: dict[str, Any]) -> None:
        if "master" in changes:
            changes["master"] = self.index(changes["master"])
        if "altnames" in changes:
            changes["altnames"] = changes["altnames"] | self.there[name].altnames
        self.there[name] = attrs.evolve(self.there[name], **changes)

    def forget(self, index: int) -> None:
        """What sat on a link goes with it; what belonged to it is left."""
        for name, each in list(self.there.items()):
            if each.parent == index:
                gone = self.there.pop(name)
                self.forget(gone.index)
            elif each.master == index:
                self.set(name, {"master": ""})


@given(
    st.lists(link_values(), unique_by=lambda each: each.name, max_size=4),
    st.lists(
        st.tuples(st.sampled_from(NAMES), st.none() | kinds, st.booleans()),
        unique_by=lambda each: each[0],
        max_size=4,
    ),
)
def test_links_settle_and_no_foreign_one_is_deleted(
    desired: list[Link], observed: list[tuple[str, str | None, bool]]
) -> None:
    kernel = Links(observed)
    foreign = {n: each.index for n, each in kernel.there.items() if f"link {n}" not in kernel.owned}

    def planned() -> Plan[RtnlOp]:
        return diff.links(desired, kernel.there, kernel.owned)

    # What is made anew, or loses its parent, takes a pass more; and links may want each other.
    for _ in range(len(NAMES) + 1):
        plan = planned()
        assert plan == planned()
        kernel.owned = kernel.owned.without(plan.stale)
        for op in plan.ops:
            try:
                kernel.apply(op)
            except KeyError:
                assert wants_itself(desired)
                return
    assert {n: kernel.there[n].index for n in foreign} == foreign
    last = planned()
    assert last.ops == ()
    wanted = {each.name for each in desired}
    there = {f"link {name}" for name in kernel.there}
    assert {f"link {name}" for name in wanted} <= there | reported(last)
    assert {key.removeprefix("link ") for key in kernel.owned} <= wanted


def wants_itself(desired: Iterable[Link]) -> bool:
    """Whether links sit on, or belong to, one another in a ring."""
    needs = {each.name: {*filter(None, (each.parent, each.master))} for each in desired}
    while True:
        left = {n: more & needs.keys() for n, more in needs.items() if more & needs.keys()}
        if len(left) == len(needs):
            return bool(left)
        needs = left
