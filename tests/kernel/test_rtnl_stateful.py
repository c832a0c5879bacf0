"""Random stories in a namespace whose links, addresses and routes others change as well."""

from __future__ import annotations

import importlib.util
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from attrs import evolve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from linx_async import MemoryStore, Ownership, Report, rtnl
from linx_async._core.reconcile import Ledger, run_pass
from linx_async.rtnl import (
    Address,
    Desired,
    Link,
    Neighbour,
    NextHop,
    Nexthop,
    Route,
    RtnlOp,
    Rule,
)
from linx_async.testing.namespaces import throwaway
from tests.kernel.rtnl_checks import Passed, extra, index_in, lacking, reported
from tests.kernel.rtnl_place import (
    ADD,
    APPEND,
    CHANGE,
    PREPEND,
    PUT,
    Thing,
    World,
    place_in,
)

TAG = 76
INTERFACES = ("va", "vb", "vc", "br")
NAMES = (*INTERFACES, "vd", "new")
TABLES = (254, 100)
MACS = ("02:00:00:00:00:0a", "02:00:00:00:00:0b")

interfaces = st.sampled_from(INTERFACES)
names = st.sampled_from(NAMES)
tags = st.sampled_from([0, 3, 4, 4, 4, 99, TAG])
ways_to_put = st.sampled_from([ADD, PUT, CHANGE, APPEND, PREPEND])
picks = st.integers(0, 40)
counts = st.sampled_from([1, 0, 2, 3])

attributes = st.fixed_dictionaries(
    {},
    optional={
        "up": st.booleans(),
        "mtu": st.sampled_from([1400, 1500]),
        "alias": st.sampled_from(["", "x"]),
        "group": st.sampled_from([0, 7]),
        "address": st.sampled_from(MACS),
        "altnames": st.just(["another"]),
    },
)
masters = st.sampled_from([None, None, "", "br"])
links = st.one_of(
    st.builds(
        lambda n, a, m: Link(n, master=m, **a), st.sampled_from(["va", "vc"]), attributes, masters
    ),
    st.builds(lambda a: Link("br", "bridge", **a), attributes),
    st.builds(lambda a, m: Link("va", "veth", peer="vb", master=m, **a), attributes, masters),
    st.builds(lambda a: Link("vc", "ifb", **a), attributes),
    st.builds(
        lambda a, p: Link("new", "macvlan", parent=p, **a),
        attributes,
        st.sampled_from(["va", "vc"]),
    ),
)
if importlib.util.find_spec("pyroute2"):  # which knows the parameters of kinds
    links |= st.builds(
        lambda a, m: Link("new", "vxlan", parameters={"id": 7, "port": 4789}, master=m, **a),
        attributes,
        masters,
    )

addresses = st.one_of(
    st.builds(
        lambda i, a, more: Address(i, a, **more),
        interfaces,
        st.sampled_from(
            ["10.0.0.1/24", "10.0.0.2/24", "10.0.0.3/24", "10.0.1.1/24", "10.0.0.1/16"]
        ),
        st.sampled_from(
            [{}, {}, {}, {"noprefixroute": True}, {"metric": 50}, {"broadcast": "10.0.0.255"}]
        ),
    ),
    st.builds(lambda i: Address(i, "10.0.0.1/24", label=f"{i}:x"), interfaces),
    st.builds(lambda i: Address(i, "10.0.0.9", peer="10.0.9.9"), interfaces),
    st.builds(
        lambda i, a, nodad: Address(i, a, nodad=nodad),
        interfaces,
        st.sampled_from(["fd00::1/64", "fd00::2/64", "fd00::1/48", "fd01::1/64", "fe80::5/64"]),
        st.sampled_from([True, True, True, False]),
    ),
)

goals_4 = st.sampled_from(["192.0.2.0/24", "198.51.100.0/24", "10.0.7.7/32", "0.0.0.0/0"])
goals_6 = st.sampled_from(["2001:db8:1::/48", "2001:db8:2::/64", "::/0"])
places = st.fixed_dictionaries(
    {},
    optional={"table": st.sampled_from(TABLES), "metric": st.sampled_from([1024, 10])},
)
metrics = st.sampled_from([None, None, None, {"mtu": 1300}])
hops_4 = st.builds(
    lambda i, g, w: NextHop(g, i, w, onlink=g is not None),
    interfaces,
    st.sampled_from(["10.0.0.254", None]),
    st.sampled_from([1, 3]),
)
hops_6 = st.builds(lambda i, g: NextHop(g, i), interfaces, st.sampled_from(["fd00::fe", "fe80::1"]))
ways_4 = st.one_of(
    st.builds(lambda i: {"interface": i}, interfaces),
    st.builds(lambda i: {"gateway": "10.0.0.254", "interface": i, "onlink": True}, interfaces),
    st.just({"gateway": "10.0.0.253"}),
    st.just({"gateway": "10.0.0.254", "source": "10.0.0.1"}),
    st.builds(lambda k: {"type": k}, st.sampled_from(["blackhole", "unreachable"])),
    st.builds(lambda h: {"nexthops": h}, st.lists(hops_4, min_size=2, max_size=3)),
    st.builds(lambda n: {"nexthop_id": n}, st.sampled_from([1, 2, 11])),
    st.builds(lambda i: {"gateway": "fe80::1", "interface": i}, interfaces),
)
ways_6 = st.one_of(
    st.builds(lambda i: {"interface": i}, interfaces),
    st.builds(lambda i: {"gateway": "fe80::1", "interface": i}, interfaces),
    st.just({"gateway": "fd00::fe"}),
    st.builds(lambda i: {"interface": i, "source": "fd00::1"}, interfaces),
    st.builds(lambda k: {"type": k}, st.sampled_from(["blackhole", "unreachable"])),
    st.builds(
        lambda h: {"nexthops": h},
        st.lists(
            hops_6, min_size=2, max_size=3, unique_by=lambda hop: (hop.gateway, hop.interface)
        ),
    ),
    st.builds(lambda n: {"nexthop_id": n}, st.sampled_from([3, 12])),
)


def made_route(goal: str, way: dict[str, Any], place: dict[str, Any], numbers: Any) -> Route:
    return Route(goal, **way, **place, metrics=numbers)


routes = st.builds(made_route, goals_4, ways_4, places, metrics) | st.builds(
    made_route, goals_6, ways_6, places, metrics
)

rules = st.one_of(
    st.builds(
        lambda p, f, more: Rule(p, 100, family=f, **more),
        st.sampled_from([100, 101]),
        st.sampled_from([4, 6]),
        st.sampled_from([{}, {"fwmark": 1}, {"iif": "va"}, {"oif": "new"}, {"ip_protocol": 6}]),
    ),
    st.builds(lambda p: Rule(p, 100, source="10.0.0.0/8"), st.sampled_from([100, 101])),
    st.builds(lambda p: Rule(p, action="blackhole", fwmark=2), st.sampled_from([100, 101])),
)

neighbours = st.one_of(
    st.builds(
        Neighbour,
        interfaces,
        st.sampled_from(["10.0.0.50", "fd00::50"]),
        st.sampled_from(MACS),
    ),
    st.builds(
        lambda i, a: Neighbour(i, a, proxy=True),
        interfaces,
        st.sampled_from(["10.0.0.60", "fd00::60"]),
    ),
)

nexthops = st.one_of(
    st.builds(
        lambda n, i: Nexthop(n, "10.0.0.254", i, onlink=True), st.sampled_from([1, 2]), interfaces
    ),
    st.builds(lambda n, i: Nexthop(n, interface=i), st.sampled_from([1, 2]), interfaces),
    st.builds(lambda n: Nexthop(n, blackhole=True), st.sampled_from([1, 2])),
    st.builds(lambda i: Nexthop(3, "fe80::1", i), interfaces),
    st.builds(lambda i: Nexthop(3, interface=i, family=6), interfaces),
    st.just(Nexthop(11, group=[1, 2])),
    st.just(Nexthop(11, group=[(1, 3)])),
    st.just(Nexthop(12, group=[3])),
)
things = st.one_of(addresses, routes, rules, neighbours, nexthops)


def several(entries: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[list[Any]]:
    return st.lists(entries, max_size=most, unique_by=lambda each: each.key)


resources: dict[str, st.SearchStrategy[list[Any]]] = {
    "links": several(links),
    "addresses": several(addresses, 4),
    "routes": several(routes, 4),
    "rules": several(rules, 2),
    "neighbours": several(neighbours, 2),
    "nexthops": several(nexthops),
}
desired_states = st.fixed_dictionaries({}, optional=resources)


class Story(RuleBasedStateMachine):
    """A namespace with veths and a bridge of somebody else's, who goes on changing it."""

    backend: str

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.box = self.stack.enter_context(throwaway("net"))
        self.portal = self.stack.enter_context(start_blocking_portal(self.backend))
        enter = self.portal.wrap_async_context_manager
        self.place = self.stack.enter_context(enter(place_in(self.box.pid)))
        self.desired = Desired()
        self.owned = Ownership()

    def teardown(self) -> None:
        self.stack.close()

    def do(self, function: Any, *arguments: Any, **named: Any) -> Any:
        return self.portal.call(partial(function, *arguments, **named))

    def world(self) -> World:
        world: World = self.do(self.place.world)
        return world

    @initialize(replace=st.booleans(), furnished=st.sampled_from([True, True, True, False]))
    def begin(self, replace: bool, furnished: bool) -> None:
        self.replace = replace
        self.options: dict[str, Any] = {"on_conflict": "replace" if replace else "report"}
        enter = self.portal.wrap_async_context_manager
        self.source = self.stack.enter_context(enter(rtnl.Source(self.box.pid, **self.options)))
        record = self.stack.enter_context(enter(MemoryStore().open("story", "here")))
        self.ledger = self.portal.call(Ledger.of, record)
        if furnished:
            for link in (
                Link("va", "veth", peer="vb"),
                Link("vc", "veth", peer="vd"),
                Link("br", "bridge"),
            ):
                self.do(self.place.add_link, link)
            for name in (*INTERFACES, "vd"):
                self.do(self.place.set_link, name, up=True)

    # We

    @rule(desired=desired_states, times=counts)
    def we_want(self, desired: dict[str, Any], times: int) -> None:
        self.desired = Desired(**desired)
        self.we_pass(times, kept=True)

    @rule(data=st.data(), resource=st.sampled_from(sorted(resources)), times=counts)
    def we_want_others(self, data: st.DataObject, resource: str, times: int) -> None:
        entries = data.draw(resources[resource])
        self.desired = Desired(
            **{
                name: entries if name == resource else tuple(getattr(self.desired, name))
                for name in resources
            }
        )

        self.we_pass(times, kept=True)

    @rule(times=counts, kept=st.booleans())
    def we_pass(self, times: int, kept: bool) -> None:
        """A few passes in a row, of the source that is entered all the time or of new ones."""
        passed = None
        for _ in range(times):
            passed = self.one_pass(kept=kept)
            self.check(passed)
        if passed is not None:
            self.check_quiet(passed, kept=kept)

    def one_pass(self, *, kept: bool) -> Passed:
        owned, before = self.owned, self.world()
        report = self.in_the_kept_source() if kept else self.in_a_new_source()
        self.owned = report.last_applied
        return Passed(TAG, self.replace, self.desired, owned, before, self.world(), report)

    def in_the_kept_source(self) -> Report[RtnlOp]:
        self.do(self.ledger.put, self.owned)
        return self.portal.call(run_pass, self.source, self.desired, self.ledger)

    def in_a_new_source(self) -> Report[RtnlOp]:
        once = partial(rtnl.reconcile, self.desired, scope=self.box.pid, last_applied=self.owned)
        return self.portal.call(partial(once, **self.options))

    def check(self, passed: Passed) -> None:
        report, world = passed.report, passed.after
        said = reported(report)
        assert report.converged == (not said), said
        assert not (more := extra(self.desired, world, TAG) - said), (more, report)
        assert not (harmed := passed.harmed()), (harmed, report)
        assert not (untrue := passed.untrue()), (untrue, report)
        assert not (less := lacking(self.desired, world) - said), (less, report)
        self.check_record(world, said)

    def check_record(self, world: World, said: set[str]) -> None:
        """All that our record claims is there, and is what it was."""
        for key in self.owned.keys() - said:
            found = world.links.get(key.removeprefix("link "))
            assert found is not None, key
            assert index_in(self.owned, key) == found.index

    def check_quiet(self, first: Passed, *, kept: bool) -> None:
        """A second pass has nothing to do, but for what the first had to wait for."""
        if first.report.failed:
            return
        second = self.one_pass(kept=kept)
        self.check(second)
        waited = reported(first.report)
        assert {op.key for op in second.report.applied} <= waited, (first.report, second.report)
        if not waited:
            assert second.report.applied == ()
            # An address that was just added may be tentative, which only the second pass sees.
            tentative = all(each.key.startswith("address ") for each in second.report.waiting)
            assert second.report.converged == first.report.converged or tentative

    # Somebody else

    @rule(thing=things, tag=tags, how=ways_to_put)
    def somebody_puts(self, thing: Thing, tag: int, how: int) -> None:
        self.put(thing, tag, how)

    @rule(pick=picks, tag=tags, how=ways_to_put)
    def somebody_puts_what_we_want(self, pick: int, tag: int, how: int) -> None:
        wanted = self.wanted()
        if wanted:
            self.put(wanted[pick % len(wanted)], tag, how)

    @rule(pick=picks, other=routes, tag=tags, how=ways_to_put)
    def somebody_puts_another_where_we_want(
        self, pick: int, other: Route, tag: int, how: int
    ) -> None:
        wanted = self.wanted()
        if wanted:
            self.put(another(wanted[pick % len(wanted)], other), tag, how)

    @rule(desired=desired_states, other=routes, tag=tags)
    def somebody_was_there_first(self, desired: dict[str, Any], other: Route, tag: int) -> None:
        self.desired = Desired(**desired)
        for each in self.wanted():
            self.put(another(each, other), tag, ADD)
        self.we_pass(1, kept=True)

    def put(self, thing: Thing, tag: int, how: int) -> None:
        # Without NLM_F_EXCL the kernel makes the same rule once more: they cannot be told apart.
        twin = isinstance(thing, Rule) and tag == TAG
        self.do(self.place.put, thing, tag, ADD if twin else how)

    def wanted(self) -> list[Thing]:
        want = self.desired
        return [*want.addresses, *want.routes, *want.rules, *want.neighbours, *want.nexthops]

    @rule(pick=picks, ours=st.booleans())
    def somebody_deletes(self, pick: int, ours: bool) -> None:
        world = self.world()
        there = [
            each
            for each in world.things
            if (each.protocol == TAG) is ours and each.protocol not in {1, 2}
        ]
        if there:
            self.do(self.place.delete, there[pick % len(there)])

    @rule(name=names)
    def somebody_flushes(self, name: str) -> None:
        here = [each for each in self.world().addresses if each.interface == name]
        self.do(self.place.delete, *here)

    @rule(name=names, up=st.booleans())
    def somebody_sets_a_link_up_or_down(self, name: str, up: bool) -> None:
        self.do(self.place.set_link, name, up=up)

    @rule(
        name=names,
        change=st.sampled_from(
            [{"mtu": 1420}, {"alias": "y"}, {"master": "br"}, {"master": ""}, {"address": MACS[1]}]
        ),
    )
    def somebody_sets_a_link(self, name: str, change: dict[str, Any]) -> None:
        self.do(self.place.set_link, name, **change)

    @rule(name=names, new=names)
    def somebody_renames_a_link(self, name: str, new: str) -> None:
        self.do(self.place.rename_link, name, new)

    @rule(name=names)
    def somebody_deletes_a_link(self, name: str) -> None:
        self.do(self.place.delete_link, name)

    @rule(name=names, kind=st.sampled_from(["veth", "bridge", "ifb"]), anew=st.booleans())
    def somebody_makes_a_link(self, name: str, kind: str, anew: bool) -> None:
        if anew:
            self.do(self.place.delete_link, name)
        self.do(self.place.add_link, Link(name, kind, up=True))


def another(one: Thing, other: Route) -> Thing:
    """Another thing under the same key; the same where there can be no other."""
    match one:
        case Route() if one.family == other.family:
            return Route.of(one.destination, one.table, one.metric, one.tos, other.forwarding)
        case Neighbour(proxy=False):
            return evolve(one, lladdr=MACS[0] if one.lladdr == MACS[1] else MACS[1])
        case Nexthop():
            return Nexthop(one.id, blackhole=True)
        case Address():
            return evolve(one, noprefixroute=not one.noprefixroute)
    return one


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_whatever_others_do_a_pass_makes_what_is_desired_or_says_why_not(backend: str) -> None:
    few = settings(max_examples=max(10, settings().max_examples // 5), stateful_step_count=20)
    run_state_machine_as_test(type("Story", (Story,), {"backend": backend}), settings=few)
