"""Which nexthops are moved before the links change, and which are not touched at all."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from linx_async import Claim, Ownership
from linx_async.rtnl import Address, Desired, Link, Nexthop, Observed, ObservedLink, diff

OURS, THEIRS = 76, 186
UP, LOWER_UP = 0x1, 0x10000


def there(name: str, index: int, kind: str = "veth", **more: Any) -> ObservedLink:
    up = more.get("up", True)
    link = ObservedLink(
        *(index, name, kind, up, 1500, "02:00:00:00:00:01", "", 0, 0, None, "", frozenset()),
        *(0, (UP | LOWER_UP) if up else 0, "up" if up else "down", b"", ()),
    )
    return attrs.evolve(link, **more)


LINKS = {
    each.name: each
    for each in (
        there("va", 2, parent=3),
        there("vb", 3, parent=2),
        there("vc", 4, parent=5),
        there("vd", 5, parent=4),
        there("br", 6, "bridge"),
        there("bond", 7, "bond", up=False),
    )
}


def way(interface: str, number: int = 2, **more: Any) -> Nexthop:
    return Nexthop(number, "10.0.0.254", interface, **{"onlink": True, **more})


def told(
    links: list[Link],
    after: list[Nexthop],
    *before: Nexthop,
    there: dict[str, ObservedLink] = LINKS,
    owned: Ownership | None = None,
    addresses: tuple[Address, ...] = (),
    replace: bool = False,
) -> list[str]:
    """The ops, in order."""
    nexthops = tuple(
        each if each.protocol else attrs.evolve(each, protocol=OURS) for each in before
    )
    observed = Observed(links=there, nexthops=nexthops, addresses=addresses)
    plan = diff.diff(Desired(links=links, nexthops=after), observed, owned, replace=replace)
    return [str(op) for op in plan.ops]


def moved(to: Nexthop, old: Nexthop | str) -> str:
    return f"replace nexthop {to} (is {old})"


DOWN = Link("va", up=False)
LOWERED = "set link va: up no"


@pytest.mark.parametrize(
    ("link", "from_", "change"),
    [
        (DOWN, "va", LOWERED),
        (DOWN, "vb", LOWERED),
        (Link("va", mtu=1400), "va", "set link va: mtu 1400"),
        (Link("va", netns="blue"), "va", "move link va to netns blue"),
    ],
    ids=["down", "the other end down", "another size", "moved away"],
)
def test_a_nexthop_leaves_before_its_link_changes(link: Link, from_: str, change: str) -> None:
    plan = told([link], [way("vc")], way(from_))
    assert plan == [moved(way("vc"), way(from_)), change]


@pytest.mark.parametrize("name", ["alias", "group", "altnames"])
def test_a_change_that_takes_nothing_along_comes_first_as_ever(name: str) -> None:
    value: Any = {"alias": "x", "group": 7, "altnames": ["other"]}[name]
    plan = told([Link("va", **{name: value})], [way("vc")], way("va"))
    assert [each.split(" ")[0] for each in plan] == ["set", "replace"]


@pytest.mark.parametrize(
    "new",
    [
        way("br"),
        way("bond"),
        way("new"),
        way("vb"),
        Nexthop(2, "10.0.0.254", "vc"),
        Nexthop(2, "10.1.0.254", "vc"),
    ],
    ids=str,
)
def test_one_that_cannot_be_there_yet_is_a_blackhole_in_between(new: Nexthop) -> None:
    links = [
        Link("va", up=False, netns="blue") if new.interface == "vb" else DOWN,
        Link("br", mtu=1400, up=True),
        Link("bond", up=True),
        Link("new", "ifb", up=True),
    ]
    elsewhere = Address("va", "10.0.0.1/24", protocol=THEIRS)
    bare = Address("vc", "10.1.0.1/24", noprefixroute=True, protocol=THEIRS)
    plan = told(links, [new], way("va"), addresses=(elsewhere, bare))
    assert plan[0] == moved(Nexthop(2, blackhole=True), way("va"))
    assert plan[-1] == moved(new, "2 blackhole")


@pytest.mark.parametrize(
    "new", [Nexthop(2, "10.0.0.254", "vc"), Nexthop(2, interface="vc"), Nexthop(2, blackhole=True)]
)
def test_one_that_can_is_there_at_once(new: Nexthop) -> None:
    address = Address("vc", "10.0.0.1/24", protocol=THEIRS)
    plan = told([DOWN], [new], way("va"), addresses=(address,))
    assert plan == [moved(new, way("va")), LOWERED]


def test_among_several_ways_none_can_be_a_blackhole() -> None:
    group = Nexthop(11, group=[2, 3], protocol=THEIRS)
    links = [DOWN, Link("new", "ifb", up=True)]
    plan = told(links, [way("new"), way("vc", 3)], way("va"), way("va", 3), group)
    assert plan[0] == moved(way("vc", 3), way("va", 3))
    assert plan[-1] == moved(way("new"), way("va"))
    assert not [each for each in plan if "blackhole" in each]


def test_one_that_is_left_alone_stays_where_it_is() -> None:
    assert told([DOWN], [], way("va", protocol=THEIRS)) == [LOWERED]
    assert told([DOWN], [way("vc")], way("va", protocol=THEIRS)) == [LOWERED]
    # It cannot be there, whatever is done.
    assert told([DOWN], [way("va")], way("va")) == [LOWERED]


def test_one_of_a_link_that_comes_back_is_a_blackhole_in_between() -> None:
    ifb = there("va", 2, "ifb")
    owned = Ownership().with_claims([Claim("link va", "ifb", settled="2")])
    links = {"va": ifb, "vc": there("vc", 4, parent=0), "br": LINKS["br"]}
    anew = [Link("va", "macvlan", parent="vc", up=True)]
    plan = told(anew, [way("va")], way("va"), there=links, owned=owned)
    assert plan == [
        moved(Nexthop(2, blackhole=True), way("va")),
        "delete link va (ifb)",
        "add link va (macvlan)",
        moved(way("va"), "2 blackhole"),
    ]
    foreign = way("va", protocol=THEIRS)
    assert len(told(anew, [way("va")], foreign, there=links, owned=owned)) == 2
    taken = told(anew, [way("va")], foreign, there=links, owned=owned, replace=True)
    assert taken == plan


def test_so_is_one_of_a_link_that_joins_a_bond() -> None:
    plan = told([Link("va", master="bond", up=True)], [way("va")], way("va"))
    assert plan[0] == moved(Nexthop(2, blackhole=True), way("va"))
    assert plan[-1] == moved(way("va"), "2 blackhole")


def test_a_bridge_has_its_carrier_as_long_as_one_port_has() -> None:
    ports = {name: attrs.evolve(LINKS[name], master=6) for name in ("va", "vc")}
    plan = told([DOWN], [way("vd")], way("br"), there={**LINKS, **ports})
    assert plan == [LOWERED, moved(way("vd"), way("br"))]
    dead = attrs.evolve(ports["vc"], flags=UP)
    plan = told([DOWN], [way("vd")], way("br"), there={**LINKS, **ports, "vc": dead})
    assert plan == [moved(way("vd"), way("br")), LOWERED]


def test_what_sits_on_a_link_goes_with_it_but_in_another_namespace() -> None:
    upper = there("upper", 8, "macvlan", parent=2)
    plan = told([DOWN], [way("vc")], way("upper"), there={**LINKS, "upper": upper})
    assert plan == [moved(way("vc"), way("upper")), LOWERED]
    upper = attrs.evolve(upper, link_netnsid=0)
    plan = told([DOWN], [way("vc")], way("upper"), there={**LINKS, "upper": upper})
    assert plan == [LOWERED, moved(way("vc"), way("upper"))]
