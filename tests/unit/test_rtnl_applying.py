"""What ops are sent as, and what a refusal means."""

from __future__ import annotations

import errno
import sys
from typing import Any

import pytest
from attrs import evolve

from linx_async import NetworkNamespace, Verb
from linx_async._kernel.exchange import Refusal
from linx_async._kernel.netlink import MESSAGE, Flag, attribute_map
from linx_async._kernel.socket import packed_change
from linx_async.rtnl.applying import Encoder
from linx_async.rtnl.codec import address, link, neighbour, nexthop, route, rule
from linx_async.rtnl.codec.wire import NoInterface, NoNamespace, Type
from linx_async.rtnl.desired import Address, Link, Neighbour, Nexthop, Route, Rule
from linx_async.rtnl.observed_link import ObservedLink
from linx_async.rtnl.ops import (
    AddAddress,
    AddLink,
    AddNeighbour,
    AddNexthop,
    AddRoute,
    AddRule,
    DeleteAddress,
    DeleteLink,
    DeleteNeighbour,
    DeleteNexthop,
    DeleteRoute,
    DeleteRule,
    MoveLink,
    Release,
    ReplaceAddress,
    ReplaceNeighbour,
    ReplaceNexthop,
    ReplaceRoute,
    RtnlOp,
    SetLink,
)
from linx_async.rtnl.refusals import conflict_in, is_done_already, refused

INDICES = {"lo": 1, "eth0": 2, "br0": 7}
NAMES = {index: name for name, index in INDICES.items()}
TAG, OTHER_TAG = 76, 4
MAC, OTHER_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"

EXCLUSIVE = int(Flag.CREATE | Flag.EXCL)
PUT = int(Flag.CREATE | Flag.REPLACE)
REPLACE = int(Flag.REPLACE)
APPEND = int(Flag.CREATE | Flag.APPEND)

SEEN = ObservedLink(
    2, "eth0", "veth", True, 1500, MAC, "", 0, 0, None, "", frozenset(), 0, 0, "up", b"", ()
)
IPV4 = Route("192.0.2.0/24", "10.0.0.1", "eth0")
IPV6 = Route("2001:db8::/64", "fe80::1", "eth0")
ADDRESS = Address("eth0", "10.0.0.2/24")
RULE = Rule(1000, 100, source="10.9.0.0/24")
NEIGHBOUR = Neighbour("eth0", "10.0.0.9", MAC)
NEXTHOP = Nexthop(5, "10.0.0.1", "eth0")


def encoder(**fields: Any) -> Encoder:
    return Encoder(**{"indices": INDICES, "protocol": TAG, "address_protocol": TAG, **fields})


def tagged(thing: Any, protocol: int = TAG) -> Any:
    """As it is observed."""
    if isinstance(thing, Route):
        return evolve(thing.forwarding, protocol=protocol)
    return evolve(thing, protocol=protocol)


def packed(thing: Route) -> bytes:
    return thing.destination.network_address.packed


def added(thing: Route) -> AddRoute:
    return AddRoute(thing.prefix, packed(thing), thing.forwarding)


def deleted(thing: Route, protocol: int = TAG) -> DeleteRoute:
    return DeleteRoute(thing.prefix, packed(thing), tagged(thing, protocol))


def replaced(thing: Route, new: Route, protocol: int = TAG) -> ReplaceRoute:
    return ReplaceRoute(thing.prefix, packed(thing), new.forwarding, tagged(thing, protocol))


CREATES: dict[str, tuple[RtnlOp, Type]] = {
    "link": (AddLink(Link("new", "dummy")), Type.NEWLINK),
    "address": (AddAddress(ADDRESS), Type.NEWADDR),
    "address again": (AddAddress(ADDRESS, again=True), Type.NEWADDR),
    "IPv4 route": (added(IPV4), Type.NEWROUTE),
    "IPv6 route": (added(IPV6), Type.NEWROUTE),
    "rule": (AddRule(RULE), Type.NEWRULE),
    "neighbour": (AddNeighbour(NEIGHBOUR), Type.NEWNEIGH),
    "nexthop": (AddNexthop(NEXTHOP), Type.NEWNEXTHOP),
}
DELETES: dict[str, tuple[RtnlOp, Type]] = {
    "link": (DeleteLink(SEEN), Type.DELLINK),
    "address": (DeleteAddress(tagged(ADDRESS)), Type.DELADDR),
    "IPv4 route": (deleted(IPV4), Type.DELROUTE),
    "IPv6 route": (deleted(IPV6), Type.DELROUTE),
    "rule": (DeleteRule(tagged(RULE)), Type.DELRULE),
    "neighbour": (DeleteNeighbour(tagged(NEIGHBOUR)), Type.DELNEIGH),
    "nexthop": (DeleteNexthop(tagged(NEXTHOP)), Type.DELNEXTHOP),
}
UPDATES: dict[str, RtnlOp] = {
    "link": SetLink(Link("eth0", mtu=1400), SEEN, {"mtu": 1400}),
    "move": MoveLink(Link("eth0", netns=1)),
    "address in place": ReplaceAddress(ADDRESS, tagged(ADDRESS), in_place=True),
    "address anew": ReplaceAddress(ADDRESS, tagged(ADDRESS), in_place=False),
    "IPv4 route": replaced(IPV4, Route("192.0.2.0/24", "10.0.0.3", "eth0")),
    "IPv6 route": replaced(IPV6, Route("2001:db8::/64", "fe80::3", "eth0")),
    "neighbour": ReplaceNeighbour(NEIGHBOUR, tagged(NEIGHBOUR)),
    "nexthop": ReplaceNexthop(NEXTHOP, tagged(NEXTHOP)),
}
EVERY = {
    **{f"add {name}": op for name, (op, _) in CREATES.items()},
    **{f"delete {name}": op for name, (op, _) in DELETES.items()},
    **{f"change {name}": op for name, op in UPDATES.items()},
}
each_create = pytest.mark.parametrize(("op", "type"), CREATES.values(), ids=CREATES)
each_delete = pytest.mark.parametrize(("op", "type"), DELETES.values(), ids=DELETES)
each_op = pytest.mark.parametrize("op", EVERY.values(), ids=EVERY)


# Messages


@each_create
def test_what_is_made_is_made_exclusively(op: RtnlOp, type: Type) -> None:
    """NLM_F_REPLACE, or no NLM_F_EXCL, would take over what somebody else has there."""
    (((kind, flags, _),),) = encoder().steps(op)
    assert (kind, flags) == (type, EXCLUSIVE)


@each_delete
def test_what_is_deleted_is_deleted_by_one_message_without_flags(op: RtnlOp, type: Type) -> None:
    (((kind, flags, _),),) = encoder().steps(op)
    assert (kind, flags) == (type, 0)


@each_op
def test_only_an_update_replaces(op: RtnlOp) -> None:
    flags = {flags for step in encoder().steps(op, {"pid 1": 9}) for _, flags, _ in step}
    if op.verb is not Verb.UPDATE:
        assert not any(each & Flag.REPLACE for each in flags)
    assert not any(each & Flag.REPLACE and each & Flag.EXCL for each in flags)


@each_op
def test_nothing_is_sent_of_what_has_no_interface_any_more(op: RtnlOp) -> None:
    if isinstance(op, AddLink | DeleteLink | AddRule | DeleteRule | DeleteNexthop):
        return  # which name none, or say it by number
    with pytest.raises(NoInterface, match="eth0"):
        encoder(indices={"lo": 1}).steps(op, {"pid 1": 9})


def test_what_is_made_carries_our_tag() -> None:
    def payload(op: RtnlOp) -> bytes:
        return encoder(address_protocol=77).steps(op)[0][0][2]

    assert address.decode(payload(AddAddress(ADDRESS)), NAMES).protocol == 77
    assert route.decode(payload(added(IPV4)), NAMES).protocol == TAG
    assert rule.decode(payload(AddRule(RULE)), NAMES).protocol == TAG
    assert neighbour.decode(payload(AddNeighbour(NEIGHBOUR)), NAMES).protocol == TAG
    assert nexthop.decode(payload(AddNexthop(NEXTHOP)), NAMES).protocol == TAG


def test_a_kernel_without_tags_on_addresses_gets_none() -> None:
    (((_, _, payload),),) = encoder(address_protocol=0).steps(AddAddress(ADDRESS))
    assert 11 not in attribute_map(payload, 8)  # IFA_PROTO


@pytest.mark.parametrize("thing", [IPV4, IPV6])
def test_a_route_is_deleted_with_the_tag_that_it_has(thing: Route) -> None:
    """The kernel compares it: a foreign route that came in between is safe."""
    (((_, _, payload),),) = encoder().steps(deleted(thing, OTHER_TAG))
    found = route.decode(payload, NAMES)
    assert (found.key, found.protocol) == (thing.key, OTHER_TAG)


def test_a_route_of_ipv4_of_ours_is_changed_by_putting_the_new_one_behind_it() -> None:
    """NLM_F_REPLACE takes the first of that key, which may be another's."""
    new = Route("192.0.2.0/24", "10.0.0.3", "eth0")
    ((append,), (delete,)) = encoder().steps(replaced(IPV4, new))
    assert append[:2] == (Type.NEWROUTE, APPEND)
    assert route.decode(append[2], NAMES).gateway == new.gateway
    assert delete[:2] == (Type.DELROUTE, 0)
    gone = route.decode(delete[2], NAMES)
    assert (gone.gateway, gone.protocol) == (IPV4.gateway, TAG)


@pytest.mark.parametrize(
    "op",
    [
        replaced(IPV6, Route("2001:db8::/64", "fe80::3", "eth0")),
        replaced(IPV6, Route("2001:db8::/64", "fe80::3", "eth0"), OTHER_TAG),
        replaced(IPV4, Route("192.0.2.0/24", "10.0.0.3", "eth0"), OTHER_TAG),
    ],
    ids=["IPv6", "IPv6 taken over", "IPv4 taken over"],
)
def test_other_routes_are_replaced_in_place_and_never_made_by_it(op: ReplaceRoute) -> None:
    (((kind, flags, payload),),) = encoder().steps(op)
    assert (kind, flags) == (Type.NEWROUTE, REPLACE)
    assert route.decode(payload, NAMES).protocol == TAG


@pytest.mark.parametrize("thing", [IPV4, IPV6, Route("default", "10.0.0.1", "eth0")])
def test_routes_in_their_thousands_are_the_messages_of_one_each(thing: Route) -> None:
    many = [thing] * 3
    adds = list(map(added, many))
    deletes = [DeleteRoute(op.prefix, op.packed, tagged(thing)) for op in adds]
    one, new = encoder(), encoder()
    assert new.added_routes(adds) == [packed_change(*one.steps(op)[0][0]) for op in adds]
    assert new.deleted_routes(deletes) == [packed_change(*one.steps(op)[0][0]) for op in deletes]


def test_routes_of_several_prefixes_and_ways_are_not_mixed_up() -> None:
    things = [
        Route(f"10.{at}.0.0/{16 + at % 2}", f"10.0.0.{1 + at % 3}", "eth0", metric=at % 2)
        for at in range(12)
    ]
    found = [
        route.decode(each[MESSAGE.size :], NAMES)
        for each in encoder().added_routes(list(map(added, things)))
    ]
    assert [(each.key, each.gateway) for each in found] == [
        (each.key, each.gateway) for each in things
    ]


def test_a_route_to_everywhere_has_no_destination_in_its_message() -> None:
    (((_, _, payload),),) = encoder().steps(added(Route("default", "10.0.0.1", "eth0")))
    assert 1 not in attribute_map(payload, 12)  # RTA_DST


def test_an_address_that_can_be_changed_is_put_over_itself() -> None:
    (((kind, flags, _),),) = encoder().steps(UPDATES["address in place"])
    assert (kind, flags) == (Type.NEWADDR, PUT)


def test_an_address_that_cannot_be_changed_is_deleted_and_then_made_exclusively() -> None:
    ((delete,), (add,)) = encoder().steps(UPDATES["address anew"])
    assert delete[:2] == (Type.DELADDR, 0)
    assert add[:2] == (Type.NEWADDR, EXCLUSIVE)


@pytest.mark.parametrize(
    ("name", "type"), [("neighbour", Type.NEWNEIGH), ("nexthop", Type.NEWNEXTHOP)]
)
def test_neighbours_and_nexthops_are_put_over_themselves(name: str, type: Type) -> None:
    (((kind, flags, _),),) = encoder().steps(UPDATES[name])
    assert (kind, flags) == (type, PUT)


# Links


def set_link(changes: dict[str, Any], **fields: Any) -> list[tuple[int, int, dict[int, bytes]]]:
    """What is sent, one message a step."""
    op = SetLink(Link("eth0", **fields), SEEN, changes)
    found = []
    for step in encoder().steps(op):
        ((kind, flags, payload),) = step
        assert int.from_bytes(payload[4:8], "little") == 2
        found.append((kind, flags, attribute_map(payload, 16)))
    return found


def test_a_link_is_made_without_the_size_that_is_set_once_it_is_there() -> None:
    op = AddLink(Link("br1", "bridge", mtu=1400, address=MAC))
    (((_, _, payload),),) = encoder().steps(op)
    found = attribute_map(payload, 16)
    assert 4 not in found  # IFLA_MTU
    assert found[3] == b"br1\0"
    assert found[1] == bytes.fromhex(MAC.replace(":", ""))


def test_a_link_is_made_with_its_index() -> None:
    (((_, _, payload),),) = encoder().steps(AddLink(Link("br1", "bridge"), index=1048577))
    assert int.from_bytes(payload[4:8], sys.byteorder) == 1048577


def test_a_link_goes_down_first_and_up_last() -> None:
    down, changes = set_link({"up": False, "mtu": 1400, "alias": "x"})
    assert down[2] == {}
    assert changes[2].keys() == {4, 20}
    *first, up = set_link({"up": True, "mtu": 1400, "altnames": frozenset({"other"})})
    assert [kind for kind, _, _ in first] == [Type.NEWLINK, Type.NEWLINKPROP]
    assert up == (Type.NEWLINK, 0, {})


@pytest.mark.parametrize(("master", "index"), [("br0", 7), ("", 0)])
def test_a_link_is_given_to_its_master_by_index_and_taken_from_it_by_none(
    master: str, index: int
) -> None:
    ((_, _, found),) = set_link({"master": master})
    assert found == {10: index.to_bytes(4, "little")}


def test_a_link_that_joins_and_is_to_be_down_is_set_down_before_and_after() -> None:
    sent = set_link({"up": False, "master": "br0"})
    assert [found.keys() for _, _, found in sent] == [set(), {10}, set()]


def test_a_link_with_nothing_to_set_is_not_sent_at_all() -> None:
    assert set_link({}) == []


def test_a_link_whose_master_is_not_there_is_not_sent() -> None:
    with pytest.raises(NoInterface, match="br9"):
        set_link({"master": "br9"})


def test_a_link_moves_by_a_descriptor_of_the_namespace() -> None:
    op = MoveLink(Link("eth0", netns=1))
    scope = str(NetworkNamespace.of_pid(1))
    (((kind, flags, payload),),) = encoder().steps(op, {scope: 9})
    assert (kind, flags) == (Type.NEWLINK, 0)
    assert attribute_map(payload, 16)[28] == (9).to_bytes(4, "little")  # IFLA_NET_NS_FD
    with pytest.raises(NoNamespace, match="pid 1"):
        encoder().steps(op)


def test_a_link_is_deleted_by_the_index_it_was_seen_with() -> None:
    """The name may be another link's by now."""
    (((_, _, payload),),) = encoder(indices={"eth0": 3}).steps(DeleteLink(SEEN))
    assert payload == link.encode_delete(2)


def test_a_release_is_no_business_of_the_kernels() -> None:
    with pytest.raises(TypeError, match="no business of the kernel"):
        encoder().steps(Release("link eth0"))


# Refusals


GONE = [errno.ESRCH, errno.ENOENT, errno.ENODEV, errno.EADDRNOTAVAIL, errno.ENXIO]


@each_delete
@pytest.mark.parametrize("number", GONE, ids=errno.errorcode.get)
def test_what_is_gone_already_needs_no_deleting(op: RtnlOp, type: Type, number: int) -> None:
    assert is_done_already(op, Refusal(number))
    assert not is_done_already(op, Refusal(errno.EPERM))
    assert conflict_in(op, Refusal(number)) == ""


@each_create
@pytest.mark.parametrize("number", [*GONE, errno.EPERM], ids=errno.errorcode.get)
def test_what_could_not_be_made_is_not_done(op: RtnlOp, type: Type, number: int) -> None:
    assert not is_done_already(op, Refusal(number))
    assert conflict_in(op, Refusal(number)) == ""


@pytest.mark.parametrize("op", UPDATES.values(), ids=UPDATES)
@pytest.mark.parametrize("number", [*GONE, errno.EEXIST], ids=errno.errorcode.get)
def test_what_could_not_be_changed_is_neither_done_nor_a_conflict(op: RtnlOp, number: int) -> None:
    if op is UPDATES["IPv4 route"] and number == errno.ESRCH:
        return
    assert not is_done_already(op, Refusal(number))
    assert conflict_in(op, Refusal(number)) == ""


def test_an_ipv4_route_is_changed_though_the_old_one_has_gone_by_itself() -> None:
    assert is_done_already(UPDATES["IPv4 route"], Refusal(errno.ESRCH))


def test_an_ipv6_way_that_is_not_deleted_by_our_tag_is_another_s() -> None:
    old = Route("2001:db8::/64", nexthops=["fe80::1", "fe80::2"])
    op = replaced(old, IPV6)
    assert "somebody else's" in conflict_in(op, Refusal(errno.ESRCH))
    assert not is_done_already(op, Refusal(errno.ESRCH))


def test_an_address_that_may_have_stayed_is_done_where_it_is_there() -> None:
    refusal = Refusal(errno.EEXIST)
    assert is_done_already(AddAddress(ADDRESS, again=True), refusal)
    assert not is_done_already(AddAddress(ADDRESS), refusal)


@each_create
def test_what_somebody_else_made_meanwhile_is_a_conflict(op: RtnlOp, type: Type) -> None:
    said = conflict_in(op, Refusal(errno.EEXIST))
    assert ("give it another priority" if isinstance(op, AddRule) else "somebody else") in said


def test_a_veth_whose_other_end_has_the_name_of_another_link_is_a_conflict_that_says_so() -> None:
    said = conflict_in(AddLink(Link("new", "veth", peer="eth0")), Refusal(errno.EEXIST))
    assert said == "somebody else has a link new or eth0, the name of its other end"


@pytest.mark.parametrize(
    ("op", "refusal", "said"),
    [
        (
            added(IPV4),
            Refusal(errno.ENETUNREACH, "Nexthop has invalid gateway", 36),
            "route 192.0.2.0/24: ENETUNREACH .*: Nexthop has invalid gateway: no interface leads",
        ),
        (added(IPV6), Refusal(errno.EHOSTUNREACH), "no interface leads to the gateway"),
        (AddAddress(ADDRESS), Refusal(errno.EPERM), "CAP_NET_ADMIN"),
        (added(IPV4), Refusal(errno.ENETDOWN), "the interface is down"),
        (AddNexthop(NEXTHOP), Refusal(errno.EOPNOTSUPP), "this kernel cannot do that"),
        (
            AddLink(Link("new", "wireguard")),
            Refusal(errno.EOPNOTSUPP, "Unknown device type"),
            "link new: EOPNOTSUPP .*: Unknown device type: .* no links of the kind wireguard",
        ),
        (
            AddLink(Link("new", "ifb", master="eth0")),
            Refusal(errno.EOPNOTSUPP),
            "link new: EOPNOTSUPP .*: eth0 cannot have ports: it is no bridge, bond, VRF",
        ),
        (
            SetLink(Link("eth1"), None, {"master": "eth0", "mtu": 1400}),
            Refusal(errno.EOPNOTSUPP),
            "link eth1: EOPNOTSUPP .*: eth0 cannot have ports: it is no bridge, bond, VRF",
        ),
        (
            SetLink(Link("eth1"), None, {"master": "eth0", "address": MAC}),
            Refusal(errno.EOPNOTSUPP),
            "eth0 cannot have ports.*, or the address of eth1 cannot be changed",
        ),
        (
            SetLink(Link("eth1"), None, {"address": MAC}),
            Refusal(errno.EOPNOTSUPP),
            "this kernel cannot do that",
        ),
        (
            SetLink(Link("eth1"), None, {"master": "br0"}),
            Refusal(errno.EOPNOTSUPP, "Device does not allow enslaving to a bridge"),
            "EOPNOTSUPP .*: Device does not allow enslaving to a bridge: this kernel cannot",
        ),
        (AddLink(Link("new", "macvlan")), Refusal(errno.EINVAL), "EINVAL .*: it needs a parent"),
        (AddRule(RULE), Refusal(errno.EINVAL, "Invalid priority"), "EINVAL .*Invalid priority"),
    ],
)
def test_a_refusal_says_what_failed_in_the_kernels_words_and_what_to_do(
    op: RtnlOp, refusal: Refusal, said: str
) -> None:
    error = refused(op, refusal)
    assert (error.key, error.errno, error.offset) == (op.key, refusal.errno, refusal.offset)
    with pytest.raises(type(error), match=said):
        raise error
