"""Kill -9 at any moment of a loop over links, addresses and routes: all that it made can go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from linx_async import Ownership
from linx_async.rtnl import Desired
from linx_async.testing.namespaces import can_make_links
from tests.kernel.netbox import MAC
from tests.kernel.test_crash import Life, Murderer, murderer

__all__ = ["murderer"]

pytestmark = pytest.mark.skipif(
    not can_make_links(), reason="iproute2 is not here, or makes no links"
)

TAG, KERNEL = 76, 2
KILLS = 25

FOREIGN = """
link add one type veth peer name two
link set one up
link set two up
address add 10.0.0.1/24 dev one
address add fd00::1/64 dev one nodad
route add 198.51.100.0/24 via 10.0.0.9 dev one proto static
rule add from 10.9.0.0/24 lookup 109 priority 1009 protocol static
nexthop add id 9 via 10.0.0.9 dev one proto static
"""

Entry = dict[str, Any]

LINKS: list[Entry] = [
    {"name": "br7", "kind": "bridge", "up": True, "mtu": 1400, "alias": "seven"},
    {"name": "v7", "kind": "veth", "peer": "w7", "up": True},
    {"name": "v8", "kind": "veth", "peer": "w8"},
]
REST: dict[str, list[Entry]] = {
    "addresses": [
        {"interface": "one", "address": "10.7.0.1/24"},
        {"interface": "two", "address": "fd07::1/64", "nodad": True},
    ],
    "nexthops": [{"id": 7, "gateway": "10.0.0.2", "interface": "one"}],
    "neighbours": [{"interface": "one", "address": "10.0.0.77", "lladdr": MAC}],
    "routes": [
        {"destination": "192.0.2.0/24", "gateway": "10.0.0.2", "interface": "one"},
        {"destination": "2001:db8::/64", "gateway": "fd00::2", "interface": "one"},
    ],
    "rules": [{"priority": 1007, "table": 107, "source": "10.7.0.0/24"}],
}
ROUTES = REST["routes"]
GATEWAYS = {"192.0.2.0/24": ("10.0.0.2", "10.0.0.3"), "2001:db8::/64": ("fd00::2", "fd00::3")}
OTHER_ROUTES = [{**each, "gateway": GATEWAYS[each["destination"]][1]} for each in ROUTES]


class RtnlLife(Life):
    """Links, which our record alone tells apart from foreign ones; and what the kernel tags."""

    source = "rtnl"

    def __init__(self, murderer: Murderer, place: Path, seed: int, *, tagged: bool) -> None:
        super().__init__(murderer, place, seed)
        self.tagged = tagged
        self.planned: list[dict[str, Any]] = []
        murderer.ask("write", values={"net/ipv6/conf/default/addr_gen_mode": "1"})
        murderer.ask("ip", commands=FOREIGN)
        self.before = self.look()

    def options(self) -> dict[str, Any]:
        return {"tagged": self.tagged}

    def look(self) -> dict[str, Any]:
        found: dict[str, Any] = self.murderer.ask("look")
        return found

    def wishes(self) -> dict[str, Any]:
        rng = self.rng
        if self.planned:
            return self.planned.pop(0)
        wishes: dict[str, Any] = {
            "links": [dict(link) for link in LINKS if rng.random() < 0.6],
            **{
                name: [dict(entry) for entry in entries if rng.random() < 0.6]
                for name, entries in REST.items()
            },
        }
        for route in wishes["routes"]:
            route["gateway"] = rng.choice(GATEWAYS[route["destination"]])
        for link in wishes["links"]:
            if link["kind"] == "veth" and any(each["name"] == "br7" for each in wishes["links"]):
                link["master"] = rng.choice(["br7", ""])
        return wishes

    def disturb(self, owned: Ownership) -> None:
        """A link of somebody else's comes and goes, and takes what was ours on it along."""
        there = "three" in self.before["links"]
        command = "link delete three" if there else "link add three type veth peer name four"
        self.murderer.ask("ip", commands=command)
        if there:
            del self.before["links"]["three"], self.before["links"]["four"]
        else:
            links = self.look()["links"]
            self.before["links"] |= {name: links[name] for name in ("three", "four")}

    def check(self, owned: Ownership) -> None:
        found = self.look()
        links, before = found["links"], self.before["links"]
        assert {name: links.get(name) for name in before} == before
        claimed = {key.removeprefix("link ") for key in owned if key.startswith("link ")}
        for name in links.keys() - before.keys():
            assert name in claimed or name.replace("w", "v") in claimed, f"{name} is unowned"
        assert not claimed & before.keys()
        foreign = [thing for thing in self.before["things"] if self.tells(thing)]
        for thing in found["things"]:
            if not self.tells(thing):
                continue
            kind, key, protocol, _ = thing
            if thing in foreign:
                foreign.remove(thing)
            elif kind == "Address" and not self.tagged:
                assert key in owned, f"{thing} is unowned"
            else:
                assert protocol == TAG, f"{thing} is unowned"
        assert foreign == []

    @staticmethod
    def tells(thing: list[Any]) -> bool:
        """Whether it is not the kernel's own doing, which comes and goes."""
        kind, _, protocol, _ = thing
        return not (
            (kind == "Route" and protocol == KERNEL) or (kind == "Neighbour" and protocol == 0)
        )

    def check_converged(self, desired: Mapping[str, Any], owned: Ownership) -> None:
        wanted = Desired.of(desired)
        found = self.look()
        names = {link.name for link in wanted.links}
        names |= {link.peer for link in wanted.links if link.peer is not None}
        assert found["links"].keys() == self.before["links"].keys() | names
        there = [key for _, key, protocol, _ in found["things"] if protocol == TAG]
        entries = [*wanted.nexthops, *wanted.neighbours, *wanted.routes, *wanted.rules]
        entries += wanted.addresses if self.tagged else ()
        assert sorted(there) == sorted(entry.key for entry in entries)
        claims = {link.key for link in wanted.links}
        claims |= set() if self.tagged else {address.key for address in wanted.addresses}
        assert owned.keys() == claims
        assert all(owned[link.key].settled for link in wanted.links)


@pytest.fixture
def life(request: pytest.FixtureRequest, murderer: Murderer, tmp_path: Path) -> Iterator[RtnlLife]:
    life = RtnlLife(murderer, tmp_path, seed=11, tagged=request.param)
    yield life
    # Everything that was made goes, and everything foreign is as it was.
    assert life.live({})
    life.check_converged({}, life.record())
    assert life.record() == Ownership()
    if "three" in life.before["links"]:
        life.disturb(Ownership())
    murderer.ask("ip", commands="link delete one\nrule delete priority 1009")


tagged = pytest.mark.parametrize("life", [True], indirect=True, ids=["tags on addresses"])
untagged = pytest.mark.parametrize("life", [False], indirect=True, ids=["no tags on addresses"])


@untagged
def test_killed_at_every_moment_of_its_life_it_loses_nothing(life: RtnlLife) -> None:
    life.planned = [
        {"links": LINKS[2:], "routes": OTHER_ROUTES[:1]},
        {"links": LINKS[:2], **REST},
    ]
    life.die_at_every_moment(wishes=1)
    assert life.kills >= 30


@tagged
def test_killed_at_random_moments_it_loses_nothing(life: RtnlLife) -> None:
    life.die_at_random_moments(KILLS)
    assert life.kills >= KILLS
