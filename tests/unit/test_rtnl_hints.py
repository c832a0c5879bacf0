"""What wakes a rtnetlink loop, of all that the kernel announces: built messages, no sockets."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linx_async import Conflict, Hint
from linx_async._kernel.netlink import Flag, Message, pack_text
from linx_async.rtnl import Observed, ObservedLink
from linx_async.rtnl.codec import address, neighbour, nexthop, route, rule
from linx_async.rtnl.codec.wire import Type
from linx_async.rtnl.concerns import Concerns, concerns_in
from linx_async.rtnl.desired import Address, Neighbour, NextHop, Nexthop, Route, Rule
from linx_async.rtnl.desired.desired import Desired
from linx_async.rtnl.hints import Listener
from linx_async.rtnl.interest import ALL_GROUPS, GROUPS, Interest

TAG = 76
PORT = 4321
OTHERS = 99
INDICES = {"lo": 1, "eth0": 2, "eth1": 3, "br0": 4}
NAMES = {index: name for name, index in INDICES.items()}
MAC = "02:00:00:00:00:01"


def listener(**desired: Any) -> Listener:
    """One that listens for a desired state, after a dump of the links."""
    made = Listener(TAG, PORT)
    made.interest = Interest.of(Desired(**desired))
    made.know(NAMES, made.losses)
    return made


def message(kind: int, payload: bytes, *, flags: int = 0, port: int = 0) -> Message:
    return Message(kind, flags, 0, port, payload)


def link_message(kind: int, index: int, name: str, *, family: int = 0) -> Message:
    head = struct.pack("=BxHiII", family, 1, index, 0, 0)
    return message(kind, head + pack_text(3, name))


def route_message(
    kind: int, *words: Any, protocol: int = OTHERS, flags: int = 0, port: int = 0, **fields: Any
) -> Message:
    payload = route.encode(Route(*words, **fields), INDICES, protocol)
    return message(kind, payload, flags=flags, port=port)


def address_message(kind: int, *words: Any, protocol: int = 0, **fields: Any) -> Message:
    return message(kind, address.encode(Address(*words, **fields), INDICES, protocol))


def keys(hint: Hint | None) -> AbstractSet[str] | None:
    assert hint is not None
    assert not hint.lost
    return hint.keys


NOTHING: Mapping[str, Any] = {}
AN_ADDRESS: Mapping[str, Any] = {"addresses": [("eth0", "10.0.0.2", 24)]}
A_ROUTE: Mapping[str, Any] = {"routes": [Route("10.1.0.0/16", "10.0.0.1", "eth0")]}
A_ROUTE_6: Mapping[str, Any] = {"routes": [Route("fd01::/64", "fd00::1", "eth0")]}


class TestLinks:
    def test_a_link_that_something_needs_wakes(self) -> None:
        for desired in (
            {"links": ["eth0"]},
            {"links": [{"name": "dm0", "master": "eth0"}]},
            {"links": [{"name": "mac0", "kind": "macvlan", "parent": "eth0"}]},
            {"links": [{"name": "va", "kind": "veth", "peer": "eth0"}]},
            {"neighbours": [("eth0", "10.0.0.5", MAC)]},
            {"nexthops": [(7, "10.0.0.1", "eth0")]},
            AN_ADDRESS,
            A_ROUTE,
        ):
            assert listener(**desired).hint(link_message(Type.NEWLINK, 2, "eth0"))
            assert listener(**desired).hint(link_message(Type.DELLINK, 2, "eth0"))

    def test_another_link_does_not(self) -> None:
        for desired in (AN_ADDRESS, A_ROUTE, {"rules": [(7, 100)]}, NOTHING):
            assert listener(**desired).hint(link_message(Type.NEWLINK, 3, "eth1")) is None
            assert listener(**desired).hint(link_message(Type.NEWLINK, 9, "new")) is None

    def test_the_keys_name_the_link(self) -> None:
        ear = listener(**AN_ADDRESS)
        assert keys(ear.hint(link_message(Type.NEWLINK, 2, "eth0"))) == {"link eth0"}

    def test_the_other_end_of_a_veth_may_concern_any_key(self) -> None:
        ear = listener(links=[{"name": "va", "kind": "veth", "peer": "vb"}])
        assert keys(ear.hint(link_message(Type.NEWLINK, 8, "vb"))) is None

    def test_a_link_that_gets_the_awaited_name_wakes(self) -> None:
        ear = listener(**AN_ADDRESS)
        ear.hint(link_message(Type.DELLINK, 2, "eth0"))
        assert keys(ear.hint(link_message(Type.NEWLINK, 3, "eth0"))) == {"link eth0", "link eth1"}

    def test_a_link_that_loses_it_wakes_too(self) -> None:
        hint = listener(**AN_ADDRESS).hint(link_message(Type.NEWLINK, 2, "wan"))
        assert hint == Hint(
            "link wan (it was eth0) appeared or changed", frozenset({"link eth0", "link wan"})
        )

    def test_names_are_followed_without_a_dump_in_between(self) -> None:
        ear = listener(**AN_ADDRESS)
        assert ear.hint(link_message(Type.NEWLINK, 2, "a"))
        assert ear.hint(link_message(Type.NEWLINK, 2, "b")) is None
        assert ear.hint(link_message(Type.NEWLINK, 2, "eth0"))
        assert ear.hint(link_message(Type.NEWLINK, 2, "c"))

    def test_a_dump_ahead_of_the_messages_does_not_hide_a_rename(self) -> None:
        ear = listener(**AN_ADDRESS)
        ear.hint(link_message(Type.NEWLINK, 2, "wan"))
        ear.hint(link_message(Type.NEWLINK, 3, "eth0"))
        ear.know({2: "wan", 3: "other"}, ear.losses)  # as it is after the message below
        assert ear.hint(link_message(Type.NEWLINK, 3, "other"))

    def test_an_index_that_is_used_again_has_the_new_name(self) -> None:
        ear = listener(**AN_ADDRESS)
        assert ear.hint(link_message(Type.DELLINK, 2, "eth0"))
        assert ear.hint(link_message(Type.NEWLINK, 2, "other")) is None
        assert ear.hint(link_message(Type.NEWLINK, 2, "another")) is None
        assert ear.hint(address_message(Type.NEWADDR, "eth0", "10.0.0.9", 24)) is None

    def test_before_the_names_are_known_every_link_wakes(self) -> None:
        ear = Listener(TAG, PORT)
        ear.interest = Interest.of(Desired(**AN_ADDRESS))
        assert ear.hint(link_message(Type.NEWLINK, 3, "eth1"))

    def test_and_after_a_loss_until_a_dump_that_was_begun_after_it(self) -> None:
        ear = listener(**AN_ADDRESS)
        before = ear.losses
        assert ear.lost("dropped").lost
        ear.know(NAMES, before)
        assert ear.hint(link_message(Type.NEWLINK, 3, "eth1"))
        ear.know(NAMES, ear.losses)
        assert ear.hint(link_message(Type.NEWLINK, 3, "eth1")) is None

    def test_what_a_bridge_tells_of_its_port_is_not_of_the_link(self) -> None:
        ear = listener(**AN_ADDRESS)
        assert ear.hint(link_message(Type.DELLINK, 2, "eth0", family=7)) is None
        assert ear.hint(link_message(Type.NEWLINK, 2, "wan"))

    def test_a_gateway_without_an_interface_may_be_behind_any_link(self) -> None:
        for route_ in (Route("10.1.0.0/16", "10.0.0.1"), Route("10.1.0.0/16", nexthop_id=7)):
            ear = listener(routes=[route_])
            assert ear.hint(link_message(Type.NEWLINK, 3, "eth1"))

    def test_a_nexthop_of_ours_says_which(self) -> None:
        ear = listener(
            routes=[Route("10.1.0.0/16", nexthop_id=7)],
            nexthops=[Nexthop(7, "10.0.0.1", "eth0"), Nexthop(8, blackhole=True)],
        )
        assert ear.hint(link_message(Type.NEWLINK, 2, "eth0"))
        assert ear.hint(link_message(Type.NEWLINK, 3, "eth1")) is None

    def test_a_route_that_leads_nowhere_needs_no_link(self) -> None:
        ear = listener(routes=[Route("10.1.0.0/16", type="blackhole")])
        assert ear.hint(link_message(Type.NEWLINK, 2, "eth0")) is None


class TestAddresses:
    def test_on_an_interface_that_matters_it_wakes(self) -> None:
        for desired in (AN_ADDRESS, A_ROUTE, {"nexthops": [(7, "10.0.0.1", "eth0")]}):
            for kind in (Type.NEWADDR, Type.DELADDR):
                hint = listener(**desired).hint(address_message(kind, "eth0", "10.0.0.9", 24))
                assert keys(hint) == {"address 10.0.0.9/24 on eth0"}

    def test_on_another_it_does_not(self) -> None:
        for desired in (AN_ADDRESS, A_ROUTE, {"links": ["eth1"]}, NOTHING):
            hint = listener(**desired).hint(address_message(Type.NEWADDR, "eth1", "10.0.0.9", 24))
            assert hint is None

    def test_one_of_ours_wakes_wherever_it_is(self) -> None:
        told = address_message(Type.NEWADDR, "eth1", "10.0.0.9", 24, protocol=TAG)
        assert listener(**AN_ADDRESS).hint(told)

    def test_one_that_a_route_starts_from_wakes_wherever_it_is(self) -> None:
        ear = listener(routes=[Route("10.1.0.0/16", "10.0.0.1", "eth0", source="10.7.0.1")])
        assert ear.hint(address_message(Type.DELADDR, "lo", "10.7.0.1", 32))
        assert ear.hint(address_message(Type.DELADDR, "lo", "10.7.0.2", 32)) is None

    def test_on_an_interface_without_a_known_name_it_wakes(self) -> None:
        ear = listener(**AN_ADDRESS)
        ear.hint(link_message(Type.DELLINK, 3, "eth1"))
        assert ear.hint(address_message(Type.NEWADDR, "eth1", "10.0.0.9", 24))


class TestRoutes:
    def test_one_of_ours_wakes_desired_or_not(self) -> None:
        for goal in ("10.1.0.0/16", "10.9.0.0/24"):
            for kind in (Type.NEWROUTE, Type.DELROUTE):
                told = route_message(kind, goal, "10.0.0.1", "eth0", protocol=TAG)
                assert keys(listener(**A_ROUTE).hint(told)) == {f"route {goal}"}

    def test_anothers_does_not(self) -> None:
        ear = listener(**A_ROUTE)
        for kind in (Type.NEWROUTE, Type.DELROUTE):
            assert ear.hint(route_message(kind, "10.9.0.0/16", "10.0.0.1", "eth0")) is None
            assert ear.hint(route_message(kind, "10.1.0.0/24", "10.0.0.1", "eth0")) is None

    def test_under_a_desired_key_it_does(self) -> None:
        for kind in (Type.NEWROUTE, Type.DELROUTE):
            hint = listener(**A_ROUTE).hint(route_message(kind, "10.1.0.0/16", "10.0.0.9", "eth1"))
            assert keys(hint) == {"route 10.1.0.0/16"}
            assert hint is not None
            assert hint.reason.startswith("another's route 10.1.0.0/16 ")

    def test_in_another_table_with_another_metric_or_tos_it_does_not(self) -> None:
        ear = listener(**A_ROUTE)
        for fields in ({"table": 100}, {"table": 70000}, {"metric": 5}, {"tos": 8}):
            told = route_message(Type.NEWROUTE, "10.1.0.0/16", "10.0.0.9", "eth1", **fields)
            assert ear.hint(told) is None

    def test_a_way_that_is_appended_to_an_ipv6_route_wakes(self) -> None:
        hops = [NextHop("fd00::1", "eth0"), NextHop("fd00::9", "eth0")]
        told = route_message(Type.NEWROUTE, "fd01::/64", nexthops=hops, flags=int(Flag.APPEND))
        assert keys(listener(**A_ROUTE_6).hint(told)) == {"route fd01::/64"}

    def test_the_default_route_has_no_destination_and_wakes_as_well(self) -> None:
        for goal, via in (("0.0.0.0/0", "10.0.0.1"), ("::/0", "fd00::1")):
            ear = listener(routes=[Route(goal, via, "eth0")])
            assert ear.hint(route_message(Type.DELROUTE, goal, via, "eth1"))

    def test_of_another_family_it_does_not(self) -> None:
        mpls = message(Type.NEWROUTE, struct.pack("=BBBBBBBBI", 28, 16, 0, 0, 254, TAG, 0, 1, 0))
        assert listener(**A_ROUTE).hint(mpls) is None


class TestTheOthers:
    def test_a_rule_of_ours_or_like_a_desired_one_wakes(self) -> None:
        ear = listener(rules=[Rule(7, 100)])
        ours = message(Type.DELRULE, rule.encode(Rule(8, 100), INDICES, TAG))
        same = message(Type.DELRULE, rule.encode(Rule(7, 100), INDICES, OTHERS))
        other = message(Type.NEWRULE, rule.encode(Rule(8, 100), INDICES, OTHERS))
        assert keys(ear.hint(ours)) == {Rule(8, 100).key}
        assert keys(ear.hint(same)) == {Rule(7, 100).key}
        assert ear.hint(other) is None

    def test_a_nexthop_of_ours_or_by_which_something_goes_wakes(self) -> None:
        ear = listener(
            nexthops=[Nexthop(1, "10.0.0.1", "eth0"), Nexthop(5, group=[1, 6])],
            routes=[Route("10.1.0.0/16", nexthop_id=7)],
        )
        for number, tag, matters in (
            (1, OTHERS, True),
            (6, OTHERS, True),
            (7, OTHERS, True),
            (9, OTHERS, False),
            (9, TAG, True),
        ):
            made = nexthop.encode(Nexthop(number, "10.0.0.1", "eth1"), INDICES, tag)
            assert bool(ear.hint(message(Type.DELNEXTHOP, made))) is matters

    def test_a_neighbour_of_ours_or_under_a_desired_key_wakes(self) -> None:
        ear = listener(neighbours=[("eth0", "10.0.0.5", MAC)])
        for place, tag, matters in (
            (("eth0", "10.0.0.5"), OTHERS, True),
            (("eth1", "10.0.0.5"), OTHERS, False),
            (("eth0", "10.0.0.6"), 0, False),
            (("eth0", "10.0.0.6"), TAG, True),
        ):
            made = neighbour.encode(Neighbour(*place, MAC), INDICES, tag)
            assert bool(ear.hint(message(Type.NEWNEIGH, made))) is matters


class TestGroups:
    def test_links_always(self) -> None:
        assert Interest.of(Desired()).groups == GROUPS["link"]

    @pytest.mark.parametrize(
        ("desired", "kinds"),
        [
            ({"links": ["eth0"]}, {"link"}),
            (AN_ADDRESS, {"link", "address"}),
            (A_ROUTE, {"link", "address", "route"}),
            (
                {"routes": [Route("10.1.0.0/16", nexthop_id=7)]},
                {"link", "address", "route", "nexthop"},
            ),
            ({"nexthops": [(7, "10.0.0.1", "eth0")]}, {"link", "address", "nexthop"}),
            ({"rules": [(7, 100)]}, {"link", "rule"}),
            ({"neighbours": [("eth0", "10.0.0.5", MAC)]}, {"link", "neighbour"}),
        ],
    )
    def test_and_what_tells_of_the_desired(self, desired: Any, kinds: set[str]) -> None:
        wanted = frozenset[int]().union(*(GROUPS[kind] for kind in kinds))
        assert Interest.of(Desired(**desired)).groups == wanted


def test_our_own_changes_are_one_hint_whatever_they_are() -> None:
    ear = listener(**A_ROUTE)
    hints = {
        ear.hint(
            route_message(
                Type.NEWROUTE, f"10.1.{n}.0/24", "10.0.0.1", "eth0", protocol=TAG, port=PORT
            )
        )
        for n in range(100)
    }
    (hint,) = hints
    assert keys(hint) is None


def test_a_link_that_we_made_ourselves_has_its_name_all_the_same() -> None:
    ear = listener(links=[{"name": "dm0", "kind": "dummy"}], addresses=[("dm0", "10.0.0.2", 24)])
    made = link_message(Type.NEWLINK, 9, "dm0")
    assert ear.hint(Message(made.type, 0, 0, PORT, made.payload))
    told = address.encode(Address("dm0", "10.0.0.2", 24), {"dm0": 9}, TAG)
    assert keys(ear.hint(message(Type.DELADDR, told))) == {"address 10.0.0.2/24 on dm0"}


def test_without_a_desired_state_everything_wakes() -> None:
    ear = Listener(TAG, PORT)
    ear.know(NAMES, ear.losses)
    for told in (
        link_message(Type.NEWLINK, 3, "eth1"),
        address_message(Type.NEWADDR, "eth1", "10.0.0.9", 24),
        route_message(Type.NEWROUTE, "10.9.0.0/16", "10.0.0.1", "eth0"),
        message(Type.NEWRULE, rule.encode(Rule(8, 100), INDICES, OTHERS)),
        message(Type.NEWNEIGH, neighbour.encode(Neighbour("eth0", "10.0.0.5", MAC), INDICES, 0)),
        message(Type.NEWNEXTHOP, nexthop.encode(Nexthop(7, blackhole=True), INDICES, 0)),
    ):
        assert ear.hint(told)


def test_what_cannot_be_read_wakes() -> None:
    ear = listener(**A_ROUTE)
    hint = ear.hint(message(Type.NEWADDR, b"\x02"))
    assert keys(hint) is None
    assert hint is not None
    assert "cannot be read" in hint.reason


KINDS = st.sampled_from([int(kind) for kind in Type])
HEADS = st.sampled_from([b"", b"\0", b"\x02", b"\x0a", b"\x02\x10", b"\x0a\x40"])


@given(kind=KINDS, head=HEADS, rest=st.binary(max_size=200), whole=st.booleans())
def test_no_bytes_make_it_fail(kind: int, head: bytes, rest: bytes, whole: bool) -> None:
    ear = listener(**A_ROUTE) if whole else Listener(TAG, PORT)
    ear.hint(message(kind, head + rest))


def test_all_groups_are_those_of_the_kinds() -> None:
    assert {1, 3, 5, 7, 8, 9, 11, 19, 32} == ALL_GROUPS


class TestConcerns:
    """What others have, for whose sake something of ours was left."""

    def left(self, **concerns: Any) -> Listener:
        made = Listener(TAG, PORT)
        made.interest = Interest.of(Desired()).with_concerns(Concerns(**concerns))
        made.know(NAMES, made.losses)
        return made

    def test_the_groups_are_those_that_tell_of_it(self) -> None:
        nothing = Interest.of(Desired())
        assert nothing.with_concerns(Concerns()) is nothing
        one, number = frozenset({"eth0"}), frozenset({7})
        for concerns, kinds in (
            (Concerns(links=one), {"link"}),
            (Concerns(carriers=one), {"link", "address"}),
            (Concerns(carriers=one, bearing=one), {"link", "address", "route"}),
            (Concerns(neighbours=one), {"link", "neighbour"}),
            (Concerns(nexthops=number), {"link", "nexthop"}),
            (Concerns(nexthops=number, used=number), {"link", "nexthop", "route"}),
        ):
            groups = frozenset[int]().union(*(GROUPS[kind] for kind in kinds))
            assert nothing.with_concerns(concerns).groups == groups

    def test_any_link_and_any_address_stay_any(self) -> None:
        any_of_them = Interest.of(Desired(routes=[("default", "10.0.0.1")]))
        one = frozenset({"eth0"})
        wider = any_of_them.with_concerns(Concerns(links=one, carriers=one))
        assert (wider.links, wider.carriers) == (None, None)

    def test_a_route_by_the_nexthop_wakes_when_it_goes(self) -> None:
        ear = self.left(nexthops=frozenset({7}), used=frozenset({7}))
        by_it: dict[str, Any] = {"nexthop_id": 7}
        assert keys(ear.hint(route_message(Type.DELROUTE, "10.1.0.0/16", **by_it))) is None
        assert ear.hint(route_message(Type.NEWROUTE, "10.1.0.0/16", **by_it)) is None
        assert ear.hint(route_message(Type.DELROUTE, "10.1.0.0/16", nexthop_id=8)) is None
        assert ear.hint(route_message(Type.DELROUTE, "10.1.0.0/16", None, "eth0")) is None

    def test_an_ipv4_route_on_the_interface_wakes_when_it_goes(self) -> None:
        ear = self.left(bearing=frozenset({"eth0"}))
        ways = [NextHop("10.0.0.1", "eth1"), NextHop("10.0.0.2", "eth0")]
        assert ear.hint(route_message(Type.DELROUTE, "10.1.0.0/16", None, "eth0"))
        assert ear.hint(route_message(Type.DELROUTE, "10.1.0.0/16", nexthops=ways))
        assert ear.hint(route_message(Type.DELROUTE, "10.1.0.0/16", None, "eth1")) is None
        assert ear.hint(route_message(Type.DELROUTE, "fd01::/64", None, "eth0")) is None
        kernels = route_message(Type.DELROUTE, "10.1.0.0/16", None, "eth0", protocol=2)
        assert ear.hint(kernels) is None

    def test_concerns_are_those_of_the_objects_in_conflict(self) -> None:
        low, high, top, other = (
            ObservedLink(
                *(index, name, kind, True, 1500, "", "", 0, parent, None, "", frozenset()),
                *(0, 1, "up", b"", ()),
            )
            for index, name, kind, parent in (
                *((1, "low", "ifb", 0), (2, "high", "macvlan", 1)),
                *((3, "top", "vlan", 2), (4, "other", "vlan", 9)),
            )
        )
        observed = Observed(
            links={each.name: each for each in (low, high, top, other)},
            addresses=(Address("eth0", "10.0.0.2", 24), Address("eth1", "10.0.0.3", 24)),
            nexthops=(Nexthop(5, blackhole=True), Nexthop(6, group=[5]), Nexthop(7, group=[8])),
            neighbours=(Neighbour("eth0", "10.0.0.5", MAC), Neighbour("eth1", "10.0.0.5", MAC)),
            carried={"eth0": "a route", "eth1": "another"},
            nexthop_users={5: "a route", 7: "another"},
        )

        def concerns(*keys: str) -> Concerns:
            return concerns_in([Conflict(key, "") for key in keys], observed)

        eth0 = frozenset({"eth0"})
        assert concerns() == Concerns()
        assert concerns("address 10.0.0.2/24 on eth0") == Concerns(
            links=eth0,
            carriers=eth0,
            bearing=eth0,
            neighbours=frozenset({"neighbour 10.0.0.5 on eth0"}),
        )
        assert concerns("nexthop 5") == Concerns(nexthops=frozenset({5, 6}), used=frozenset({5}))
        assert concerns("link low") == Concerns(links=frozenset({"low", "high", "top"}))
        assert concerns("link low") | concerns("nexthop 7") == Concerns(
            links=frozenset({"low", "high", "top"}),
            nexthops=frozenset({7}),
            used=frozenset({7}),
        )
