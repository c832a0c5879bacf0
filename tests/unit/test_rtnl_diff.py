"""The diffs of rtnetlink: what is made, changed, deleted, left alone, and what has to wait."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs
import pytest

from linx_async import Claim, Conflict, Ownership, Plan, Waiting
from linx_async._kernel.netlink import pack_attribute
from linx_async.rtnl import (
    AddAddress,
    AddLink,
    AddNexthop,
    Address,
    AddRoute,
    AddRule,
    DeleteAddress,
    DeleteLink,
    Link,
    MoveLink,
    Neighbour,
    NextHop,
    Nexthop,
    Observed,
    ObservedLink,
    Release,
    ReplaceAddress,
    ReplaceNexthop,
    Route,
    RouteTable,
    RtnlOp,
    Rule,
    SetLink,
    diff,
)
from linx_async.rtnl.away import Elsewhere
from linx_async.rtnl.codec.kinds import encode_parameters
from linx_async.rtnl.desired.checks import unchecked
from linx_async.rtnl.diff.draft import OPS_A_BATCH
from linx_async.rtnl.records import LinkRecord

OURS, THEIRS = 76, 186
SECONDARY, NODAD, OPTIMISTIC, DADFAILED, TENTATIVE = 0x01, 0x02, 0x04, 0x08, 0x40
UP, LOWER_UP = 0x1, 0x10000


def told(plan: Plan[RtnlOp]) -> list[str]:
    return [str(op) for op in plan.ops]


def found(name: str, index: int = 2, kind: str | None = None, **more: Any) -> ObservedLink:
    up = more.get("up", True)
    return attrs.evolve(
        ObservedLink(
            *(index, name, kind, up, 1500, "02:00:00:00:00:01", "", 0, 0, None, "", frozenset()),
            *(0, (UP | LOWER_UP) if up else 0, "up" if up else "down", b"", ()),
        ),
        **more,
    )


def by_name(*links: ObservedLink) -> dict[str, ObservedLink]:
    return {link.name: link for link in links}


def made(kind: str, *links: ObservedLink) -> Ownership:
    """Our record of links that we made."""
    claims = [Claim(f"link {each.name}", kind, settled=str(each.index)) for each in links]
    return Ownership().with_claims(claims)


def nothing_to_do(plan: Plan[RtnlOp]) -> bool:
    return plan == Plan()


# Links


def test_a_link_that_is_not_there_is_made_and_then_set() -> None:
    plan = diff.links([Link("br0", "bridge", up=True, mtu=1400, alias="lan")], {})
    assert told(plan) == ["add link br0 (bridge)", "set link br0: mtu 1400, alias lan"]
    add, then = plan.ops
    assert isinstance(add, AddLink)
    assert add.claim == Claim("link br0", "bridge")
    assert then.requires == {"link br0"}
    assert [len(batch) for batch in plan.batches] == [1, 1]


def test_a_link_is_up_only_once_it_belongs() -> None:
    links = [Link("ifb0", "ifb", up=True, master="br0"), Link("br0", "bridge", up=True)]
    assert told(diff.links(links, {})) == [
        "add link br0 (bridge)",
        "add link ifb0 (ifb)",
        "set link ifb0: up yes",
    ]


def test_a_link_without_a_master_is_made_wherever_it_was_said_to_have_none() -> None:
    assert told(diff.links([Link("br0", "bridge", master="")], {})) == ["add link br0 (bridge)"]


def test_a_link_that_is_as_declared_is_left_alone() -> None:
    link = Link("eth0", mtu=1500, up=True, address="02:00:00:00:00:01", group=0, alias="")
    assert nothing_to_do(diff.links([link], by_name(found("eth0"))))


def test_only_what_differs_is_set() -> None:
    link = Link("eth0", mtu=9000, up=True, alias="wan", altnames=["wan", "uplink"])
    there = by_name(found("eth0", altnames=frozenset({"wan", "other"})))
    (op,) = diff.links([link], there).ops
    assert isinstance(op, SetLink)
    assert op.changes == {"mtu": 9000, "alias": "wan", "altnames": {"uplink"}}
    assert op.claim is None


def test_a_foreign_link_that_is_not_there_is_waited_for() -> None:
    plan = diff.links([Link("eth9", up=True)], {})
    assert plan == Plan(waiting=(Waiting("link eth9", "the interface eth9 is not there"),))


def test_a_foreign_link_of_another_kind_is_a_conflict() -> None:
    plan = diff.links([Link("br0", "bridge", up=True)], by_name(found("br0", up=False)))
    reason = "a foreign one is there: br0 is hardware, not bridge"
    assert plan == Plan(conflicts=(Conflict("link br0", reason),))


def test_a_foreign_link_of_the_same_kind_is_set_but_never_ours() -> None:
    there = by_name(found("br0", kind="bridge", up=False))
    (op,) = diff.links([Link("br0", "bridge", up=True)], there).ops
    assert (str(op), op.claim) == ("set link br0: up yes", None)
    assert nothing_to_do(diff.links([], there))


def test_replace_takes_a_foreign_link_over_by_what_it_sets() -> None:
    there = by_name(found("br0", 7, "bridge", up=False))
    (op,) = diff.links([Link("br0", "bridge", up=True)], there, replace=True).ops
    assert op.claim == Claim("link br0", "bridge", settled="7")


def test_replace_makes_a_foreign_link_of_another_kind_anew() -> None:
    there = by_name(found("br0", kind="dummy"))
    plan = diff.links([Link("br0", "bridge")], there, replace=True)
    assert told(plan) == ["delete link br0 (dummy)", "add link br0 (bridge)"]
    assert plan.ops[1].requires == {"link br0"}
    (waiting,) = plan.waiting
    assert waiting.reason.startswith("br0 is dummy, not bridge: made anew")


def test_a_link_of_ours_that_is_not_declared_any_more_is_deleted() -> None:
    br0 = found("br0", kind="bridge")
    assert told(diff.links([], by_name(br0), made("bridge", br0))) == ["delete link br0 (bridge)"]


@pytest.mark.parametrize(
    "there",
    [
        pytest.param(by_name(found("br0", 8, "bridge")), id="another of that name and kind"),
        pytest.param(by_name(found("br0", 7, "dummy")), id="another of that name and index"),
        pytest.param({}, id="none of that name"),
    ],
)
def test_a_claim_on_a_link_that_is_gone_is_stale(there: dict[str, ObservedLink]) -> None:
    record = made("bridge", found("br0", 7))
    plan = diff.links([], there, record)
    assert plan == Plan(stale=frozenset({"link br0"}))


def test_a_link_is_claimed_by_the_index_that_it_is_to_have() -> None:
    there = by_name(found("eth0", 1001))
    desired = [Link("br0", "bridge"), Link("br1", "bridge"), Link("br2", "bridge")]
    plan = diff.links(desired, there, first_index=1000)
    assert [op.claim for op in plan.ops] == [
        Claim("link br0", "bridge", settled="1000"),
        Claim("link br1", "bridge", settled="1002"),
        Claim("link br2", "bridge", settled="1003"),
    ]


def test_a_claim_that_does_not_say_which_link_it_is_on_is_a_conflict_where_one_is_to_go() -> None:
    there = by_name(found("br0", 7, "bridge"))
    record = Ownership().with_claims([Claim("link br0", "bridge")])
    assert nothing_to_do(diff.links([Link("br0", "bridge")], there, record))
    plan = diff.links([], there, record)
    (conflict,) = plan.conflicts
    assert conflict.key == "link br0"
    assert "whether it is ours is not known" in conflict.reason
    assert plan == Plan(conflicts=(conflict,))
    assert diff.links([], {}, record) == Plan(stale=frozenset({"link br0"}))


def test_such_a_link_is_ours_once_it_is_taken_over_and_not_once_it_is_somebody_elses() -> None:
    there = by_name(found("br0", 7, "bridge"))
    record = Ownership().with_claims([Claim("link br0", "bridge")])
    (op,) = diff.links([Link("br0", "bridge")], there, record, replace=True).ops
    assert op.claim == Claim("link br0", "bridge", settled="7")
    (op,) = diff.links([Link("br0")], there, record).ops
    assert isinstance(op, Release)


def test_a_claim_that_cannot_be_read_owns_nothing() -> None:
    there = by_name(found("br0", 7, "bridge"))
    record = Ownership().with_claims([Claim("link br0", "bridge", settled="seven")])
    assert diff.links([], there, record) == Plan(stale=frozenset({"link br0"}))


def test_a_link_of_ours_that_is_declared_as_somebody_elses_is_released() -> None:
    br0 = found("br0", kind="bridge")
    plan = diff.links([Link("br0")], by_name(br0), made("bridge", br0))
    assert told(plan) == ["release link br0 (declared as somebody else's)"]


def test_links_come_after_what_they_sit_on_and_belong_to() -> None:
    links = [
        Link("vlan7", "vlan", parent="vlan42"),
        Link("vlan42", "vlan", parent="ifb0", master="br0"),
        Link("ifb0", "ifb"),
        Link("br0", "bridge"),
    ]
    plan = diff.links(links, {})
    assert told(plan) == [
        *("add link ifb0 (ifb)", "add link br0 (bridge)"),
        *("add link vlan42 (vlan)", "add link vlan7 (vlan)"),
    ]
    assert plan.ops[2].requires == {"link ifb0", "link br0"}


def test_links_that_want_each_other_are_tried_rather_than_turned_round_for_ever() -> None:
    links = [Link("a", "macvlan", parent="b"), Link("b", "macvlan", parent="a")]
    assert sorted(told(diff.links(links, {}))) == ["add link a (macvlan)", "add link b (macvlan)"]


def test_a_link_without_its_parent_waits_and_so_does_what_is_on_it() -> None:
    desired = {
        "links": [
            Link("vlan42", "vlan", parent="eth9", up=True),
            Link("vlan7", "vlan", parent="vlan42"),
        ],
        "addresses": [("vlan42", "10.0.0.2", 24)],
        "routes": [("10.9.0.0/16", None, "vlan7")],
    }
    plan = diff.diff(desired, Observed())
    assert plan.ops == ()
    assert {each.key: each.reason for each in plan.waiting} == {
        "link vlan42": "the interface eth9 is not there",
        "link vlan7": "the interface vlan42 is not there",
        "address 10.0.0.2/24 on vlan42": "the interface vlan42 is not there",
        "route 10.9.0.0/16": "the interface vlan7 is not there",
    }


def test_a_link_without_its_master_waits_but_the_rest_of_it_is_set() -> None:
    plan = diff.links([Link("eth0", master="br0", mtu=9000)], by_name(found("eth0")))
    assert told(plan) == ["set link eth0: mtu 9000"]
    assert plan.waiting == (Waiting("link eth0", "the interface br0 is not there"),)


def test_a_link_joins_leaves_and_changes_its_master() -> None:
    br0, br1 = found("br0", 7, "bridge"), found("br1", 8, "bridge")
    member = by_name(found("eth0", master=7), br0, br1)
    assert nothing_to_do(diff.links([Link("eth0", master="br0")], member))
    assert told(diff.links([Link("eth0", master="br1")], member)) == ["set link eth0: master br1"]
    assert told(diff.links([Link("eth0", master="")], member)) == ["set link eth0: master none"]
    alone = by_name(found("eth0"), br0)
    assert nothing_to_do(diff.links([Link("eth0", master="")], alone))


def test_a_link_that_joins_a_bond_and_is_to_be_down_is_set_down_by_the_same_op() -> None:
    for up in (True, False):
        there = by_name(found("eth0", up=up), found("bond0", 7, "bond"), found("br0", 8, "bridge"))
        (op,) = diff.links([Link("eth0", master="bond0", up=False)], there).ops
        assert isinstance(op, SetLink)
        assert (op.changes, op.lowered) == ({"master": "bond0", "up": False}, up)
    (op,) = diff.links([Link("eth0", master="br0", up=False)], there).ops
    assert isinstance(op, SetLink)
    assert op.changes == {"master": "br0"}


def test_a_master_that_the_same_plan_makes_is_required() -> None:
    links = [Link("eth0", master="br0"), Link("br0", "bridge")]
    plan = diff.links(links, by_name(found("eth0")))
    assert told(plan) == ["add link br0 (bridge)", "set link eth0: master br0"]
    assert plan.ops[1].requires == {"link br0"}


def test_a_link_that_sits_on_another_is_made_anew() -> None:
    eth0, eth1 = found("eth0", 2), found("eth1", 3)
    vlan = found("vlan42", 9, "vlan", parent=2)
    link = Link("vlan42", "vlan", parent="eth1")
    plan = diff.links([link], by_name(eth0, eth1, vlan), made("vlan", vlan))
    assert told(plan) == ["delete link vlan42 (vlan)", "add link vlan42 (vlan)"]
    assert plan.waiting[0].reason.startswith("vlan42 sits on eth0, not on eth1: made anew")
    (conflict,) = diff.links([link], by_name(eth0, eth1, vlan)).conflicts
    assert conflict.reason == "a foreign one is there: vlan42 sits on eth0, not on eth1"


def test_a_link_is_not_deleted_to_be_made_on_what_is_not_there() -> None:
    vlan = found("vlan42", 9, "vlan", parent=2)
    there = by_name(found("eth0", 2), vlan)
    plan = diff.links([Link("vlan42", "vlan", parent="eth1")], there, made("vlan", vlan))
    assert plan == Plan(waiting=(Waiting("link vlan42", "the interface eth1 is not there"),))


def test_a_parent_in_another_namespace_is_not_compared() -> None:
    vlan = found("vlan42", 9, "vlan", parent=2, link_netnsid=0)
    assert nothing_to_do(diff.links([Link("vlan42", "vlan", parent="eth1")], by_name(vlan)))


def test_a_fixed_parameter_makes_a_link_anew_and_another_is_changed() -> None:
    data = encode_parameters("vlan", {"id": 41})
    vlan = found("vlan42", 9, "vlan", data=data)
    link = Link("vlan42", "vlan", parameters={"id": 42})
    plan = diff.links([link], by_name(vlan), made("vlan", vlan))
    assert told(plan) == ["delete link vlan42 (vlan)", "add link vlan42 (vlan)"]
    (conflict,) = diff.links([link], by_name(vlan)).conflicts
    assert conflict.reason == "a foreign one is there: its id is not 42"

    bridge = found("br0", 7, "bridge", data=encode_parameters("bridge", {"forward_delay": 1500}))
    slow = Link("br0", "bridge", parameters={"forward_delay": 200})
    (op,) = diff.links([slow], by_name(bridge), made("bridge", bridge)).ops
    assert isinstance(op, SetLink)
    assert op.changes == {"parameters": {"forward_delay": 200}}
    assert op.claim == Claim("link br0", "bridge", settled="7")
    assert diff.links([slow], by_name(bridge)).conflicts[0].key == "link br0"


def test_a_parameter_that_the_kernel_rounded_holds() -> None:
    bridge = found("br0", 7, "bridge", data=encode_parameters("bridge", {"ageing_time": 29999}))
    link = Link("br0", "bridge", parameters={"ageing_time": 30000})
    record = LinkRecord(7, {"ageing_time": (30000, 29999)})
    claim = Claim("link br0", "bridge", settled=str(record))
    owned = Ownership().with_claims([claim])
    assert nothing_to_do(diff.links([link], by_name(bridge), owned))
    other = Link("br0", "bridge", parameters={"ageing_time": 40000})
    assert len(diff.links([other], by_name(bridge), owned).ops) == 1
    drifted = attrs.evolve(bridge, data=encode_parameters("bridge", {"ageing_time": 10}))
    assert len(diff.links([link], by_name(drifted), owned).ops) == 1


def test_a_kind_that_is_not_known_can_be_made() -> None:
    assert told(diff.links([Link("x0", "newkind")], {})) == ["add link x0 (newkind)"]
    there = by_name(found("x0", kind="newkind", data=pack_attribute(1, b"x")))
    assert nothing_to_do(diff.links([Link("x0", "newkind")], there))


def test_a_tun_is_made_bare_and_set_afterwards() -> None:
    link = Link("tun0", "tun", parameters={"type": "tun"}, up=True, address="02:00:00:00:00:09")
    assert told(diff.links([link], {})) == [
        "add link tun0 (tun)",
        "set link tun0: address 02:00:00:00:00:09, up yes",
    ]


def test_two_ends_of_a_veth_are_made_at_once_and_each_is_set() -> None:
    links = [
        Link("v1", "veth", peer="v0", up=True),
        Link("v0", "veth", peer="v1", up=True, mtu=9000),
    ]
    plan = diff.links(links, {})
    assert told(plan)[0] == "add link v1 (veth)"
    assert [str(op) for op in plan.ops if isinstance(op, AddLink)] == ["add link v1 (veth)"]
    (end,) = (op for op in plan.ops if op.key == "link v0")
    assert str(end) == "set link v0: mtu 9000, up yes"
    assert end.requires == {"link v1"}


def test_the_other_end_of_a_veth_may_be_declared_as_no_kind() -> None:
    plan = diff.links([Link("v0", "veth", peer="v1"), Link("v1", up=True)], {})
    assert told(plan) == ["add link v0 (veth)", "set link v1: up yes"]
    assert plan.ops[1].requires == {"link v0"}


def test_what_carries_both_ends_of_a_veth_comes_after_it() -> None:
    desired = {
        "links": [Link("v0", "veth", peer="v1", up=True), Link("v1", up=True)],
        "addresses": [("v1", "10.0.0.1", 24)],
    }
    plan = diff.diff(desired, Observed())
    assert plan.waiting == ()
    assert told(plan)[-1] == "add address 10.0.0.1/24 on v1"
    assert plan.ops[-1].requires == {"link v0"}


def test_a_link_is_made_set_and_then_moved() -> None:
    plan = diff.links([Link("eth0c", "dummy", netns="blue", alias="x")], {})
    assert [type(op) for op in plan.ops] == [AddLink, SetLink, MoveLink]
    assert plan.ops[2].requires == {"link eth0c"}


def test_a_link_that_is_where_it_is_to_be_moved_is_left_alone() -> None:
    link = Link("eth0c", "dummy", netns="blue")
    assert nothing_to_do(diff.links([link], {}, moved={"link eth0c"}))
    assert [type(op) for op in diff.links([link], by_name(found("eth0c", kind="dummy"))).ops] == [
        MoveLink
    ]


def test_the_claim_on_a_link_that_was_moved_is_dropped_where_it_was() -> None:
    link = Link("eth0c", "dummy", netns="blue")
    owned = made("dummy", found("eth0c")).with_claims([Claim("link eth0c to netns blue", "dummy")])
    plan = diff.links([link], {}, owned, moved={"link eth0c"})
    assert plan == Plan(stale=frozenset({"link eth0c"}))


def test_a_link_of_ours_is_claimed_where_it_goes_before_it_goes() -> None:
    link = Link("eth0c", "dummy", netns="blue")
    elsewhere = Elsewhere(identities={"netns blue": "net:[7]"})
    claim = Claim("link eth0c to netns blue", "dummy", settled="1000", incarnation="net:[7]")
    plan = diff.diff({"links": [link]}, Observed(elsewhere=elsewhere, first_index=1000))
    assert [op.claim for op in plan.ops] == [Claim("link eth0c", "dummy", settled="1000"), claim]
    there = found("eth0c", 1000, "dummy")
    observed = Observed(by_name(there), elsewhere=elsewhere, first_index=2000)
    (op,) = diff.diff({"links": [link]}, observed, made("dummy", there)).ops
    assert op.claim == claim
    (op,) = diff.diff({"links": [link]}, observed).ops
    assert op.claim is None


def test_a_link_of_ours_out_of_reach_stays_ours() -> None:
    owned = Ownership().with_claims([Claim("link eth0c to netns blue", "dummy", settled="7")])
    elsewhere = Elsewhere(out_of_reach={"link eth0c to netns blue": "may not be opened"})
    plan = diff.diff({}, Observed(elsewhere=elsewhere), owned)
    (error,) = plan.failed
    assert error.message == "may not be opened"
    assert plan.stale == frozenset()


def test_nothing_is_built_on_a_link_that_moves_away_or_goes() -> None:
    desired = {
        "links": [Link("eth0c", "dummy", netns="blue")],
        "routes": [("10.0.0.0/8", None, "eth0c"), ("10.9.0.0/16", None, "v1")],
    }
    v0, v1 = found("v0", 4, "veth", parent=5), found("v1", 5, "veth", parent=4)
    observed = Observed(links=by_name(found("eth0c", kind="dummy"), v0, v1))
    plan = diff.diff(desired, observed, made("veth", v0))
    assert [type(op) for op in plan.ops] == [MoveLink, DeleteLink]
    assert {each.key: each.reason for each in plan.waiting} == {
        "route 10.0.0.0/8": "the interface eth0c is down",
        "route 10.9.0.0/16": "the interface v1 is to be deleted",
    }


# Addresses


def ours(interface: str, address: str, **more: Any) -> Address:
    return Address(interface, address, protocol=OURS, **more)


def theirs(interface: str, address: str, **more: Any) -> Address:
    return Address(interface, address, protocol=THEIRS, **more)


def test_addresses_are_added_left_and_deleted() -> None:
    desired = [Address("eth0", "10.0.0.2/24"), Address("eth0", "10.1.0.2/24")]
    there = [
        ours("eth0", "10.0.0.2/24"),
        ours("eth0", "10.2.0.2/24"),
        theirs("eth0", "10.3.0.2/24"),
    ]
    assert told(diff.addresses(desired, there)) == [
        "add address 10.1.0.2/24 on eth0",
        "delete address 10.2.0.2/24 on eth0",
    ]


def test_an_equal_foreign_address_is_as_good_as_ours_and_never_deleted() -> None:
    there = [theirs("eth0", "10.0.0.2/24"), Address("eth0", "fd00::1/64")]
    assert nothing_to_do(diff.addresses([Address("eth0", "10.0.0.2/24")], there))
    assert nothing_to_do(diff.addresses([], there))


def test_a_foreign_address_that_differs_is_a_conflict_that_names_it() -> None:
    there = [theirs("eth0", "10.0.0.2/24", label="eth0:x")]
    (conflict,) = diff.addresses([Address("eth0", "10.0.0.2/24")], there).conflicts
    assert conflict == Conflict(
        "address 10.0.0.2/24 on eth0",
        "protocol 186 (bgp) has 10.0.0.2/24 on eth0 there,"
        " with another label, broadcast address or scope",
    )


def test_replace_takes_a_foreign_address_over_by_making_it_anew() -> None:
    there = [theirs("eth0", "10.0.0.2/24", metric=7)]
    (op,) = diff.addresses([Address("eth0", "10.0.0.2/24", metric=9)], there, replace=True).ops
    assert isinstance(op, ReplaceAddress)
    assert not op.in_place


@pytest.mark.parametrize(
    ("desired", "there", "in_place"),
    [
        (Address("eth0", "10.0.0.2/24", metric=9), ours("eth0", "10.0.0.2/24", metric=7), True),
        (
            Address("eth0", "10.0.0.2/24", valid_lifetime=60),
            ours("eth0", "10.0.0.2/24", valid_lifetime=20),
            True,
        ),
        (Address("eth0", "10.0.0.2/24"), ours("eth0", "10.0.0.2/24", label="eth0:x"), False),
        (
            Address("eth0", "10.0.0.2/24"),
            ours("eth0", "10.0.0.2/24", broadcast="10.0.0.255"),
            False,
        ),
        (Address("eth0", "10.0.0.2/24"), ours("eth0", "10.0.0.2/24", noprefixroute=True), False),
        (Address("eth0", "10.0.0.2/24"), ours("eth0", "10.0.0.2/24", peer="10.0.0.9"), False),
        (Address("eth0", "fd00::1/64"), ours("eth0", "fd00::1/64", noprefixroute=True), True),
        (Address("eth0", "fd00::1/64"), ours("eth0", "fd00::1/64", valid_lifetime=60), True),
        (Address("eth0", "fd00::1/64"), ours("eth0", "fd00::1/48"), False),
    ],
)
def test_an_address_is_changed_in_place_where_the_kernel_can(
    desired: Address, there: Address, in_place: bool
) -> None:
    (op,) = diff.addresses([desired], [there]).ops
    assert isinstance(op, ReplaceAddress)
    assert op.in_place is in_place
    assert op.observed is there


@pytest.mark.parametrize(
    ("said", "left", "renewed"),
    [(100, 100, False), (100, 50, False), (100, 49, True), (100, 101, True), (1, 1, False)],
)
def test_a_lifetime_is_renewed_when_half_of_it_is_over(said: int, left: int, renewed: bool) -> None:
    desired = Address("eth0", "fd00::1/64", valid_lifetime=said)
    plan = diff.addresses([desired], [ours("eth0", "fd00::1/64", valid_lifetime=left)])
    assert bool(plan.ops) is renewed


def test_an_address_that_is_deprecated_for_ever_stays_so() -> None:
    desired = Address("eth0", "10.0.0.2/24", preferred_lifetime=0)
    there = ours("eth0", "10.0.0.2/24", preferred_lifetime=0)
    assert nothing_to_do(diff.addresses([desired], [there]))
    assert len(diff.addresses([desired], [ours("eth0", "10.0.0.2/24")]).ops) == 1


def test_what_the_kernel_fills_in_is_not_compared_where_nothing_was_said() -> None:
    there = ours("eth0", "fd00::1/64", metric=256, flags=0x80)
    assert nothing_to_do(diff.addresses([Address("eth0", "fd00::1/64", nodad=True)], [there]))


def test_a_tentative_address_is_waited_for() -> None:
    there = [ours("eth0", "fd00::1/64", flags=TENTATIVE)]
    (waiting,) = diff.addresses([Address("eth0", "fd00::1/64")], there).waiting
    assert waiting.reason == "duplicate address detection is not over yet"
    optimistic = [ours("eth0", "fd00::1/64", flags=TENTATIVE | OPTIMISTIC)]
    assert nothing_to_do(diff.addresses([Address("eth0", "fd00::1/64")], optimistic))


def test_a_duplicate_address_is_reported_as_failed() -> None:
    there = [ours("eth0", "fd00::1/64", flags=TENTATIVE | DADFAILED)]
    plan = diff.addresses([Address("eth0", "fd00::1/64")], there)
    (error,) = plan.failed
    assert error.key == "address fd00::1 on eth0"
    assert "another host has it" in str(error)
    assert plan.ops == ()


def test_without_a_tag_the_record_tells_whose_an_address_is() -> None:
    mine, other = Address("eth0", "10.0.0.2/24"), Address("eth0", "10.1.0.2/24")
    owned = Ownership().with_claims([Claim(mine.key), Claim("address 10.9.0.2/24 on eth0")])
    plan = diff.addresses([], [mine, other], owned=owned)
    assert told(plan) == ["delete address 10.0.0.2/24 on eth0"]
    assert plan.stale == {"address 10.9.0.2/24 on eth0"}
    (op,) = diff.addresses([mine], [], owned=Ownership()).ops
    assert op.claim == Claim(mine.key, "10.0.0.2/24 on eth0")


def test_with_the_tag_old_claims_on_addresses_are_stale() -> None:
    mine = ours("eth0", "10.0.0.2/24")
    owned = Ownership().with_claims([Claim(mine.key), Claim("link br0", "bridge")])
    plan = diff.diff({"addresses": [Address("eth0", "10.0.0.2/24")]}, Observed(), owned)
    assert plan.stale == {mine.key, "link br0"}


def test_an_address_that_would_take_foreign_secondaries_along_is_a_conflict() -> None:
    there = [ours("eth0", "10.0.0.2/24"), theirs("eth0", "10.0.0.3/24", flags=SECONDARY)]
    plan = diff.addresses([], there)
    assert plan.ops == ()
    (conflict,) = plan.conflicts
    assert conflict.key == "address 10.0.0.2/24 on eth0"
    assert conflict.reason.startswith("deleting it would delete 10.0.0.3/24 on eth0 too")
    assert "net.ipv4.conf.eth0.promote_secondaries" in conflict.reason


def test_nor_is_such_an_address_made_anew() -> None:
    there = [
        ours("eth0", "10.0.0.2/24", label="eth0:x"),
        theirs("eth0", "10.0.0.3/24", flags=SECONDARY),
    ]
    plan = diff.addresses([Address("eth0", "10.0.0.2/24")], there)
    assert (plan.ops, len(plan.conflicts)) == ((), 1)


def test_an_address_is_made_anew_before_another_of_its_network_comes() -> None:
    desired = [Address("eth0", "10.0.0.3/24"), Address("eth0", "10.0.0.2/24")]
    plan = diff.addresses(desired, [ours("eth0", "10.0.0.2/24", label="eth0:x")])
    assert [type(op) for op in plan.ops] == [ReplaceAddress, AddAddress]


def test_an_interface_that_promotes_secondaries_loses_none() -> None:
    there = [ours("eth0", "10.0.0.2/24"), theirs("eth0", "10.0.0.3/24", flags=SECONDARY)]
    plan = diff.addresses([], there, promoting={"eth0"})
    assert told(plan) == ["delete address 10.0.0.2/24 on eth0"]


def test_our_own_secondaries_are_put_back() -> None:
    there = [ours("eth0", "10.0.0.2/24"), ours("eth0", "10.0.0.3/24", flags=SECONDARY)]
    plan = diff.addresses([Address("eth0", "10.0.0.3/24")], there)
    assert told(plan) == [
        "delete address 10.0.0.2/24 on eth0",
        "add address 10.0.0.3/24 on eth0 again",
    ]


def test_an_address_goes_before_another_of_its_network_comes() -> None:
    plan = diff.addresses([Address("eth0", "10.0.0.3/24")], [ours("eth0", "10.0.0.2/24")])
    assert [type(op) for op in plan.ops] == [DeleteAddress, AddAddress]


def test_a_secondary_of_another_network_does_not_matter() -> None:
    there = [
        *(ours("eth0", "10.0.0.2/24"), theirs("eth1", "10.0.0.3/24", flags=SECONDARY)),
        *(theirs("eth0", "10.0.0.4/16", flags=SECONDARY), theirs("eth0", "fd00::1/64")),
    ]
    assert told(diff.addresses([], there)) == ["delete address 10.0.0.2/24 on eth0"]


# Nexthops


def test_nexthops_are_added_replaced_and_deleted() -> None:
    desired = [Nexthop(1, "10.0.0.1", "eth0"), Nexthop(2, blackhole=True)]
    there = [
        Nexthop(1, "10.0.0.9", "eth0", protocol=OURS),
        Nexthop(3, blackhole=True, protocol=OURS),
    ]
    assert told(diff.nexthops(desired, there)) == [
        "replace nexthop 1 via 10.0.0.1 dev eth0 (is 1 via 10.0.0.9 dev eth0)",
        "add nexthop 2 blackhole",
        "delete nexthop 3 blackhole",
    ]


def test_a_foreign_nexthop_is_left_alone_or_a_conflict_or_taken_over() -> None:
    there = [Nexthop(1, blackhole=True, protocol=THEIRS)]
    assert nothing_to_do(diff.nexthops([], there))
    assert nothing_to_do(diff.nexthops([Nexthop(1, blackhole=True)], there))
    desired = [Nexthop(1, "10.0.0.1", "eth0")]
    (conflict,) = diff.nexthops(desired, there).conflicts
    assert conflict == Conflict("nexthop 1", "protocol 186 (bgp) has nexthop 1 blackhole there")
    assert len(diff.nexthops(desired, there, replace=True).ops) == 1


def test_groups_come_after_what_they_are_made_of_and_go_before() -> None:
    desired = [
        Nexthop(9, group=[1, (2, 5)]),
        Nexthop(1, blackhole=True),
        Nexthop(2, blackhole=True),
    ]
    plan = diff.nexthops(desired, [])
    assert [op.key for op in plan.ops] == ["nexthop 1", "nexthop 2", "nexthop 9"]
    assert plan.ops[2].requires == {"nexthop 1", "nexthop 2"}
    there = (
        [attrs.evolve(each, protocol=OURS) for each in desired[::-1]]
        if False
        else [
            Nexthop(1, blackhole=True, protocol=OURS),
            Nexthop(2, blackhole=True, protocol=OURS),
            Nexthop(9, group=[1, (2, 5)], protocol=OURS),
        ]
    )
    assert [op.key for op in diff.nexthops([], there).ops] == [
        "nexthop 9",
        "nexthop 1",
        "nexthop 2",
    ]
    turned = [there[0], there[1], Nexthop(9, group=[(2, 5), 1], protocol=OURS)]
    assert nothing_to_do(diff.nexthops(desired, turned))


def test_a_group_waits_for_a_member_that_is_not_there_or_is_to_go() -> None:
    desired = [Nexthop(9, group=[1])]
    waits = (Waiting("nexthop 9", "the nexthop 1 is not there"),)
    assert diff.nexthops(desired, []) == Plan(waiting=waits)
    going = diff.nexthops(desired, [Nexthop(1, blackhole=True, protocol=OURS)])
    assert going.waiting == waits
    assert told(going) == ["delete nexthop 1 blackhole"]
    foreign = [Nexthop(1, blackhole=True, protocol=THEIRS)]
    assert told(diff.nexthops(desired, foreign)) == ["add nexthop 9 group 1"]


def test_a_nexthop_that_foreign_objects_go_by_is_not_deleted() -> None:
    there = [Nexthop(1, blackhole=True, protocol=OURS), Nexthop(2, blackhole=True, protocol=OURS)]
    group = Nexthop(9, group=[2], protocol=THEIRS)
    plan = diff.nexthops([], [*there, group], users={1: "route 10.0.0.0/8 of protocol 3"})
    assert plan.ops == ()
    assert {each.key: each.reason for each in plan.conflicts} == {
        "nexthop 1": "deleting it would change what is not ours: route 10.0.0.0/8 of protocol 3",
        "nexthop 2": "deleting it would change what is not ours: nexthop 9 of protocol 186 (bgp)",
    }


def test_a_nexthop_goes_once_the_foreign_group_that_had_it_is_taken_over() -> None:
    there = [
        Nexthop(1, blackhole=True, protocol=OURS),
        Nexthop(9, group=[1], protocol=THEIRS),
    ]
    desired = [Nexthop(2, blackhole=True), Nexthop(9, group=[2])]
    plan = diff.nexthops(desired, there, replace=True)
    assert [op.key for op in plan.ops] == ["nexthop 2", "nexthop 9", "nexthop 1"]


def test_a_nexthop_that_becomes_a_group_or_one_no_more_is_made_anew() -> None:
    way, group = Nexthop(5, blackhole=True), Nexthop(5, group=[1])
    member = Nexthop(1, blackhole=True, protocol=OURS)
    for before, after in ((way, group), (group, way)):
        there = [member, attrs.evolve(before, protocol=OURS)]
        (op,) = diff.nexthops([Nexthop(1, blackhole=True), after], there).ops
        assert isinstance(op, ReplaceNexthop)
        assert not op.in_place


def test_but_not_where_somebody_else_goes_by_it() -> None:
    there = [Nexthop(5, blackhole=True, protocol=OURS)]
    member = Nexthop(1, blackhole=True, protocol=THEIRS)
    user = {5: "route 10.0.0.0/8 of protocol 3"}
    plan = diff.nexthops([Nexthop(5, group=[1])], [*there, member], users=user)
    reason = (
        "the kernel makes no group of a way, nor a way of a group: it has to be deleted first, "
        "and deleting it would change what is not ours: route 10.0.0.0/8 of protocol 3"
    )
    assert plan == Plan(conflicts=(Conflict("nexthop 5", reason),))
    theirs = [*there, member, Nexthop(9, group=[5, 1], protocol=THEIRS)]
    (conflict,) = diff.nexthops([Nexthop(5, group=[1])], theirs).conflicts
    assert "nexthop 9 of protocol 186 (bgp)" in conflict.reason


def test_a_nexthop_waits_for_its_interface_to_be_up_and_to_have_a_carrier() -> None:
    desired = {"nexthops": [Nexthop(1, "10.0.0.1", "eth0")]}

    def waits(*links: ObservedLink) -> list[str]:
        return [w.reason for w in diff.diff(desired, Observed(links=by_name(*links))).waiting]

    assert waits() == ["the interface eth0 is not there"]
    assert waits(found("eth0", up=False)) == ["the interface eth0 is down"]
    assert waits(found("eth0", flags=UP)) == ["the interface eth0 has no carrier"]
    assert waits(found("eth0")) == []


# Neighbours

LLADDR = "02:00:00:00:00:09"


def neighbour(lladdr: str = LLADDR, state: str = "permanent", **more: Any) -> Neighbour:
    said = attrs.asdict(Neighbour("eth0", "10.0.0.9", lladdr)) | {"state": state, **more}
    return unchecked(Neighbour, *said.values())


def test_neighbours_are_added_replaced_and_deleted() -> None:
    desired = [neighbour(), Neighbour("eth0", "10.0.0.7", proxy=True)]
    there = [
        neighbour("02:00:00:00:00:01", protocol=OURS),
        Neighbour("eth0", "10.0.0.8", LLADDR, protocol=OURS),
    ]
    assert told(diff.neighbours(desired, there)) == [
        f"replace neighbour {desired[0]} (is {there[0]})",
        "add neighbour proxy 10.0.0.7 on eth0",
        "delete neighbour 10.0.0.8 lladdr 02:00:00:00:00:09 on eth0 permanent",
    ]


def test_what_the_kernel_has_learned_gives_way_and_is_never_deleted() -> None:
    learned = neighbour(state="reachable", protocol=0)
    assert len(diff.neighbours([neighbour()], [learned]).ops) == 1
    assert nothing_to_do(diff.neighbours([], [learned]))


@pytest.mark.parametrize(
    "there",
    [
        pytest.param(neighbour("02:00:00:00:00:01", protocol=THEIRS), id="of another tag"),
        pytest.param(neighbour("02:00:00:00:00:01", protocol=0), id="by hand, without a tag"),
        pytest.param(
            neighbour("02:00:00:00:00:01", "reachable", protocol=0, flags=0x10),
            id="learned by a daemon",
        ),
    ],
)
def test_a_foreign_neighbour_that_differs_is_a_conflict(there: Neighbour) -> None:
    plan = diff.neighbours([neighbour()], [there])
    assert (plan.ops, len(plan.conflicts)) == ((), 1)
    assert str(there) in plan.conflicts[0].reason
    assert len(diff.neighbours([neighbour()], [there], replace=True).ops) == 1
    assert nothing_to_do(diff.neighbours([], [there]))


def test_an_equal_neighbour_is_as_good_as_ours() -> None:
    assert nothing_to_do(diff.neighbours([neighbour()], [neighbour(protocol=THEIRS)]))
    proxy = Neighbour("eth0", "10.0.0.7", proxy=True)
    there = Neighbour("eth0", "10.0.0.7", proxy=True, protocol=THEIRS, flags=8)
    assert nothing_to_do(diff.neighbours([proxy], [there]))


def test_a_link_that_is_down_takes_proxies_and_no_neighbours() -> None:
    desired = {"neighbours": [neighbour(), Neighbour("eth0", "10.0.0.7", proxy=True)]}
    plan = diff.diff(desired, Observed(links=by_name(found("eth0", up=False))))
    assert told(plan) == ["add neighbour proxy 10.0.0.7 on eth0"]
    assert plan.waiting == (Waiting("neighbour 10.0.0.9 on eth0", "the interface eth0 is down"),)


# Rules


def test_rules_are_added_left_and_deleted() -> None:
    desired = [Rule(100, 42), Rule(101, 43)]
    there = [
        Rule(100, 42, protocol=OURS),
        Rule(102, 44, protocol=OURS),
        Rule(0, "local", protocol=2),
    ]
    assert told(diff.rules(desired, there)) == [
        "add rule 101: from all lookup 43",
        "delete rule 102: from all lookup 44",
    ]


def test_an_equal_foreign_rule_is_as_good_as_ours_and_never_deleted() -> None:
    there = [Rule(100, 42, protocol=THEIRS)]
    assert nothing_to_do(diff.rules([Rule(100, 42)], there))
    assert nothing_to_do(diff.rules([], there))


def test_of_equal_rules_under_two_tags_ours_alone_goes() -> None:
    there = [Rule(100, 42, protocol=OURS), Rule(100, 42, protocol=THEIRS)]
    for order in (there, there[::-1]):
        (op,) = diff.rules([], order).ops
        assert getattr(op, "observed", None) is there[0]
        assert nothing_to_do(diff.rules([Rule(100, 42)], order))


def test_general_rules_are_added_first_and_deleted_last() -> None:
    special, general = Rule(100, 42, source="10.0.0.0/8", iif="eth0"), Rule(100, 42)
    added = diff.rules([special, general], [])
    assert [op.key for op in added.ops] == [general.key, special.key]
    there = [
        Rule(100, 42, protocol=OURS),
        Rule(100, 42, source="10.0.0.0/8", iif="eth0", protocol=OURS),
    ]
    assert [op.key for op in diff.rules([], there).ops] == [special.key, general.key]


def test_twins_of_ours_all_go_or_all_but_the_last() -> None:
    there = [Rule(100, 42, protocol=OURS), Rule(100, 42, protocol=OURS)]
    assert told(diff.rules([], there)) == ["delete rule 100: from all lookup 42"] * 2
    assert told(diff.rules([Rule(100, 42)], there)) == ["delete rule 100: from all lookup 42"]


def test_a_rule_is_added_beside_what_the_kernel_would_take_it_for() -> None:
    special = Rule(100, 42, source="10.0.0.0/8")
    plan = diff.rules([Rule(100, 42)], [attrs.evolve(special, protocol=OURS)])
    assert told(plan) == [
        "add rule 100: from all lookup 42",
        "delete rule 100: from 10.0.0.0/8 lookup 42",
    ]
    assert [op.beside for op in plan.ops if isinstance(op, AddRule)] == [True]
    foreign = diff.rules([Rule(100, 42)], [attrs.evolve(special, protocol=THEIRS)])
    assert [op.beside for op in foreign.ops if isinstance(op, AddRule)] == [False]
    turned = diff.rules([special, Rule(100, 42, source="10.0.0.0/8", invert=True)], [])
    assert [op.beside for op in turned.ops if isinstance(op, AddRule)] == [False, True]


def test_a_rule_that_a_delete_would_hit_first_is_put_behind() -> None:
    """The kernel deletes the first rule that has all that the message says."""
    special = Rule(100, 42, fwmark=1)
    there = [attrs.evolve(special, protocol=OURS), Rule(100, 42, protocol=OURS)]
    assert told(diff.rules([special], there)) == [
        "add rule 100: from all fwmark 0x1/0xffffffff lookup 42",
        "delete rule 100: from all fwmark 0x1/0xffffffff lookup 42",
        "delete rule 100: from all lookup 42",
    ]
    assert told(diff.rules([special], there[::-1])) == ["delete rule 100: from all lookup 42"]


def test_a_rule_with_a_condition_that_is_not_known_is_another_one() -> None:
    there = [Rule(100, 42, protocol=OURS, unknown=((99, b"x"),))]
    plan = diff.rules([Rule(100, 42)], there)
    assert [op.verb.value for op in plan.ops] == ["create", "delete"]


def test_a_foreign_rule_that_nobody_could_declare_does_no_harm() -> None:
    said = attrs.asdict(Rule(100, 42, protocol=THEIRS), recurse=False)
    odd = unchecked(Rule, *(said | {"action": "nop", "tos": 0xFF}).values())
    assert told(diff.rules([Rule(101, 43)], [odd])) == ["add rule 101: from all lookup 43"]


# Routes


def route(
    destination: str, gateway: str | None = "10.0.0.1", tag: int | None = OURS, **more: Any
) -> Route:
    return Route(destination, gateway, protocol=tag, **more)


def test_routes_are_added_replaced_and_deleted_in_that_order() -> None:
    desired = [Route("10.1.0.0/16", "10.0.0.1"), Route("10.2.0.0/16", "10.0.0.2")]
    there = [route("10.2.0.0/16"), route("10.3.0.0/16")]
    assert told(diff.routes(desired, there)) == [
        "add route 10.1.0.0/16 via 10.0.0.1",
        "replace route 10.2.0.0/16 via 10.0.0.2 (is via 10.0.0.1)",
        "delete route 10.3.0.0/16 via 10.0.0.1",
    ]


def test_a_route_without_a_metric_is_the_one_that_the_kernel_shows() -> None:
    there = [route("fd00::/8", "fe80::1", interface="eth0", metric=1024)]
    assert nothing_to_do(diff.routes([Route("fd00::/8", "fe80::1", "eth0")], there))


def test_an_interface_that_was_not_said_is_the_kernels_choice() -> None:
    there = [route("10.1.0.0/16", interface="eth0")]
    assert nothing_to_do(diff.routes([Route("10.1.0.0/16", "10.0.0.1")], there))
    assert len(diff.routes([Route("10.1.0.0/16", "10.0.0.1", "eth1")], there).ops) == 1
    ways = [NextHop("10.0.0.1", "eth0", 2), NextHop("10.0.0.2", "eth0")]
    multipath = [route("10.1.0.0/16", None, nexthops=ways)]
    asked = [NextHop("10.0.0.2"), NextHop("10.0.0.1", weight=2)]
    assert nothing_to_do(diff.routes([Route("10.1.0.0/16", nexthops=asked)], multipath))
    assert len(diff.routes([Route("10.1.0.0/16", nexthops=asked[:1])], multipath).ops) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"metric": 7},
        {"table": 42},
        {"tos": 16},
    ],
    ids=str,
)
def test_what_is_part_of_the_key_makes_another_route(change: dict[str, Any]) -> None:
    plan = diff.routes([route("10.1.0.0/16", tag=None, **change)], [route("10.1.0.0/16")])
    assert [op.verb.value for op in plan.ops] == ["create", "delete"]


@pytest.mark.parametrize(
    "change",
    [
        {"source": "10.0.0.2"},
        {"metrics": {"mtu": 1400}},
        {"scope": "link"},
        {"interface": "eth0", "onlink": True},
        {"gateway": "10.0.0.2"},
        {"gateway": None, "type": "blackhole"},
        {"gateway": None, "nexthop_id": 7},
    ],
    ids=str,
)
def test_what_is_not_part_of_the_key_is_replaced(change: dict[str, Any]) -> None:
    there = route("10.1.0.0/16")
    plan = diff.routes(
        [Route(**{"destination": "10.1.0.0/16", "gateway": "10.0.0.1", **change})], [there]
    )
    assert [op.verb.value for op in plan.ops] == ["update"]


def test_a_foreign_route_is_left_alone_or_a_conflict_or_taken_over() -> None:
    there = [route("10.1.0.0/16", tag=THEIRS)]
    assert nothing_to_do(diff.routes([], there))
    assert nothing_to_do(diff.routes([Route("10.1.0.0/16", "10.0.0.1")], there))
    desired = [Route("10.1.0.0/16", "10.0.0.2")]
    assert diff.routes(desired, there).conflicts == (
        Conflict("route 10.1.0.0/16", "protocol 186 (bgp) has 10.1.0.0/16 via 10.0.0.1 there"),
    )
    assert told(diff.routes(desired, there, replace=True)) == [
        "replace route 10.1.0.0/16 via 10.0.0.2 (is via 10.0.0.1)"
    ]


def test_two_tags_share_a_key_and_ours_alone_is_touched() -> None:
    there = [route("10.1.0.0/16", tag=THEIRS), route("10.1.0.0/16", "10.0.0.2")]
    assert told(diff.routes([], there)) == ["delete route 10.1.0.0/16 via 10.0.0.2"]
    assert nothing_to_do(diff.routes([Route("10.1.0.0/16", "10.0.0.2")], there))


def test_of_several_of_ours_with_one_key_one_is_kept() -> None:
    there = [
        route("10.1.0.0/16"),
        route("10.1.0.0/16", "10.0.0.2"),
        route("10.1.0.0/16", "10.0.0.3"),
    ]
    plan = diff.routes([Route("10.1.0.0/16", "10.0.0.2")], there)
    assert told(plan) == [
        "delete route 10.1.0.0/16 via 10.0.0.1",
        "delete route 10.1.0.0/16 via 10.0.0.3",
    ]


def test_a_table_and_a_list_of_routes_are_the_same() -> None:
    desired = [Route("10.1.0.0/16", "10.0.0.1"), Route("fd00::/8", "fd00::1")]
    there = [route("10.1.0.0/16", "10.0.0.9"), route("10.2.0.0/16")]
    plan = diff.routes(desired, there)
    assert plan == diff.routes(RouteTable(desired), RouteTable(there))
    assert plan.ops


def whole(desired: dict[str, Any], **observed: Any) -> Plan[RtnlOp]:
    return diff.diff(desired, Observed(**observed))


def test_a_route_waits_for_its_interface_to_be_there_and_up() -> None:
    desired = {"routes": [Route("10.1.0.0/16", "10.0.0.1", "eth0")]}
    assert whole(desired).waiting[0].reason == "the interface eth0 is not there"
    down = by_name(found("eth0", up=False))
    assert whole(desired, links=down).waiting[0].reason == "the interface eth0 is down"
    assert told(whole(desired, links=by_name(found("eth0")))) == [
        "add route 10.1.0.0/16 via 10.0.0.1 dev eth0"
    ]


def test_a_route_requires_the_link_that_the_same_plan_brings_up() -> None:
    desired = {
        "links": [Link("eth0", up=True)],
        "routes": [Route("10.1.0.0/16", nexthops=[("10.0.0.1", "eth0"), ("10.0.0.2", "eth0")])],
    }
    plan = whole(desired, links=by_name(found("eth0", up=False)))
    assert [type(op) for op in plan.ops] == [SetLink, AddRoute]
    assert plan.ops[1].requires == {"link eth0"}
    falling = {"links": [Link("eth0", up=False)], "routes": [("10.1.0.0/16", None, "eth0")]}
    plan = whole(falling, links=by_name(found("eth0")))
    assert told(plan) == ["set link eth0: up no"]
    assert plan.waiting == (Waiting("route 10.1.0.0/16", "the interface eth0 is down"),)


def test_a_route_requires_the_nexthop_that_it_goes_by_or_waits_for_it() -> None:
    routes = [Route("10.1.0.0/16", nexthop_id=7)]
    assert whole({"routes": routes}).waiting == (
        Waiting("route 10.1.0.0/16", "the nexthop 7 is not there"),
    )
    plan = whole({"routes": routes, "nexthops": [Nexthop(7, blackhole=True)]})
    assert [type(op) for op in plan.ops] == [AddNexthop, AddRoute]
    assert plan.ops[1].requires == {"nexthop 7"}
    stuck = whole({"routes": routes, "nexthops": [Nexthop(7, interface="eth9")]})
    assert stuck.waiting[-1] == Waiting("route 10.1.0.0/16", "nexthop 7 waits")
    foreign = (Nexthop(7, blackhole=True, protocol=THEIRS),)
    held = whole(
        {"routes": routes, "nexthops": [Nexthop(7, interface="eth0")]},
        nexthops=foreign,
        links=by_name(found("eth0")),
    )
    assert held.waiting == (Waiting("route 10.1.0.0/16", "nexthop 7 is not as declared"),)


def test_a_route_waits_for_its_source_to_be_an_address() -> None:
    desired = {
        "addresses": [("eth0", "fd00::2", 64)],
        "routes": [Route("fd01::/16", interface="eth0", source="fd00::2")],
    }
    links = by_name(found("eth0"))

    def waits(flags: int) -> list[Waiting]:
        there = (ours("eth0", "fd00::2/64", flags=flags),)
        plan = whole(desired, links=links, addresses=there)
        return [each for each in plan.waiting if each.key.startswith("route")]

    coming = whole(desired, links=links)
    assert coming.waiting == (Waiting("route fd01::/16", "fd00::2 is not there yet"),)
    assert told(coming) == ["add address fd00::2/64 on eth0"]
    assert [each.reason for each in waits(TENTATIVE)] == [
        "duplicate address detection of fd00::2 is not over yet"
    ]
    assert [each.reason for each in waits(TENTATIVE | DADFAILED)] == [
        "duplicate address detection of fd00::2 failed"
    ]
    assert waits(0) == []


def test_a_route_waits_with_the_address_whose_network_has_its_gateway() -> None:
    desired = {
        "addresses": [("eth9", "10.0.0.2", 24)],
        "routes": [("default", "10.0.0.1"), ("10.1.0.0/16", "10.7.0.1")],
    }
    plan = whole(desired, links=by_name(found("eth0")))
    assert told(plan) == ["add route 10.1.0.0/16 via 10.7.0.1"]
    assert plan.waiting[-1].key == "route 0.0.0.0/0"


# All of it

EVERYTHING: dict[str, Any] = {
    "links": [Link("br0", "bridge", up=True, alias="lan")],
    "addresses": [("br0", "10.0.0.2", 24)],
    "nexthops": [Nexthop(7, "10.0.0.1", "br0")],
    "neighbours": [("br0", "10.0.0.9", LLADDR)],
    "routes": [("10.1.0.0/16", None, "br0"), Route("10.2.0.0/16", nexthop_id=7)],
    "rules": [(100, 42)],
}


def test_things_are_made_in_the_order_in_which_the_kernel_takes_them() -> None:
    plan = diff.diff(EVERYTHING, Observed())
    assert [op.key for op in plan.ops] == [
        *("link br0", "link br0", "address 10.0.0.2/24 on br0", "nexthop 7"),
        *("neighbour 10.0.0.9 on br0", "route 10.1.0.0/16", "route 10.2.0.0/16"),
        "IPv4 rule 100: from all lookup 42",
    ]
    assert all("link br0" in op.requires for op in plan.ops[2:6])


def test_things_go_in_reverse_and_last() -> None:
    br0 = found("br0", kind="bridge")
    observed = Observed(
        links=by_name(br0),
        addresses=(ours("br0", "10.0.0.2/24"),),
        nexthops=(Nexthop(7, "10.0.0.1", "br0", protocol=OURS),),
        neighbours=(Neighbour("br0", "10.0.0.9", LLADDR, protocol=OURS),),
        rules=(Rule(100, 42, protocol=OURS),),
    )
    plan = diff.diff({"rules": [(101, 43)]}, observed, made("bridge", br0))
    assert [op.key for op in plan.ops] == [
        "IPv4 rule 101: from all lookup 43",
        "IPv4 rule 100: from all lookup 42",
        *("neighbour 10.0.0.9 on br0", "nexthop 7", "address 10.0.0.2/24 on br0", "link br0"),
    ]


def test_long_steps_are_cut_into_batches() -> None:
    routes = [Route(f"10.{n >> 8}.{n & 255}.0/24", "10.0.0.1") for n in range(2 * OPS_A_BATCH + 1)]
    plan = diff.routes(routes, [])
    assert [len(batch) for batch in plan.batches] == [OPS_A_BATCH, OPS_A_BATCH, 1]


def test_nothing_desired_of_nothing_is_nothing_to_do() -> None:
    assert nothing_to_do(diff.diff({}, Observed()))


def test_two_with_different_tags_share_a_namespace_in_peace() -> None:
    there: Iterable[Any] = (Rule(100, 42, protocol=OURS),)
    assert nothing_to_do(diff.rules([], there, protocol=77))
    assert nothing_to_do(diff.routes([], [route("10.0.0.0/8")], protocol=77))
    assert nothing_to_do(diff.addresses([], [ours("eth0", "10.0.0.2/24")], protocol=77))
    assert nothing_to_do(diff.neighbours([], [neighbour(protocol=OURS)], protocol=77))
    blackhole = Nexthop(1, blackhole=True, protocol=OURS)
    assert nothing_to_do(diff.nexthops([], [blackhole], protocol=77))
