"""The turns that the parts of an apply have: their order, and who has another one."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve

from linx_async import OpError, Waiting, rtnl
from linx_async._core.model import Op
from linx_async.cli.results import PartResult
from linx_async.cli.turns import Turns
from linx_async.config.host import Part, in_order
from linx_async.sysctl import SetSysctl

pytestmark = pytest.mark.anyio

FIREWALL = Part("netfilter", "inet fw", object())
SYSCTL = Part("sysctl", desired={"net.ipv4.conf.br0.arp_ignore": "1"})
CGROUP = Part("cgroup", "web", {"pids.max": "1"})
NETWORK = Part("rtnl", desired={"links": [rtnl.Link("br0", kind="bridge", up=True)]})
OLD_FIREWALL = Part("netfilter", "inet old", None)
OLD_NETWORK = Part("rtnl", "protocol 80")

ADD = rtnl.AddLink(rtnl.Link("br0", kind="bridge"))
SET = SetSysctl("net.ipv4.conf.br0.arp_ignore", "1", "0", "0")
WAITS = Waiting.for_interface("table inet fw", "br0")


class Story:
    """What each part comes to at each of its turns; the last of it at all further ones."""

    def __init__(self, answers: Mapping[str, list[PartResult]]) -> None:
        self.answers = answers
        self.turns: list[str] = []
        self.results: list[PartResult] = []

    async def take(self, *parts: Part) -> list[str]:
        await Turns(self._apply, self.results).take(in_order(parts))
        return self.turns

    async def _apply(self, part: Part, bare: bool) -> PartResult:
        had = sum(turn.removeprefix("links of ") == part.name for turn in self.turns)
        self.turns.append(f"links of {part.name}" if bare else part.name)
        answers = self.answers.get(part.name, [PartResult(part, converged=True)])
        return evolve(answers[min(had, len(answers) - 1)], part=part)


def came(*ops: Op, waiting: tuple[Waiting, ...] = (), **more: Any) -> PartResult:
    return PartResult(SYSCTL, ops, waiting=waiting, converged=not waiting, **more)


async def test_what_guards_comes_before_what_it_guards_and_goes_after_it() -> None:
    parts = (OLD_FIREWALL, NETWORK, CGROUP, SYSCTL, FIREWALL, OLD_NETWORK)
    assert await Story({}).take(*parts) == [
        "rtnl protocol 80",
        "netfilter inet fw",
        "cgroup web",
        "sysctl",
        "rtnl",
        "netfilter inet old",
    ]


async def test_what_waits_for_a_link_has_its_turn_once_that_is_made_and_not_up_yet() -> None:
    story = Story(
        {
            "netfilter inet fw": [came(waiting=(WAITS,)), came(SET)],
            "rtnl": [evolve(came(ADD), converged=False), came()],
        }
    )
    assert await story.take(FIREWALL, NETWORK) == [
        "netfilter inet fw",
        "links of rtnl",
        "netfilter inet fw",
        "rtnl",
    ]
    assert [each.ops for each in story.results] == [(SET,), (ADD,)]
    assert all(each.converged for each in story.results)


@pytest.mark.parametrize(
    "wait",
    [
        Waiting.for_interface("table inet fw", "br1"),
        Waiting("table inet fw", "not there"),
        Waiting.for_interface("table inet fw", "br"),
    ],
    ids=str,
)
async def test_links_are_made_first_only_where_something_waits_for_them(wait: Waiting) -> None:
    story = Story({"netfilter inet fw": [came(waiting=(wait,))]})
    assert await story.take(FIREWALL, NETWORK) == ["netfilter inet fw", "rtnl"]


async def test_what_waits_for_ever_has_a_last_turn_and_no_more() -> None:
    story = Story({"netfilter inet fw": [came(waiting=(WAITS,))], "rtnl": [came(ADD)]})
    assert await story.take(FIREWALL, NETWORK) == [
        "netfilter inet fw",
        "links of rtnl",
        "netfilter inet fw",
        "rtnl",
        "netfilter inet fw",
    ]
    assert [each.converged for each in story.results] == [False, True]
    assert story.results[0].waiting == (WAITS,)


async def test_what_failed_has_another_turn_where_something_else_changed() -> None:
    failed = came(failed=(OpError("net.a", 22),))
    changed = Story({"sysctl": [failed, came(SET)], "rtnl": [came(ADD)]})
    assert await changed.take(SYSCTL, NETWORK) == ["sysctl", "rtnl", "sysctl"]
    assert [each.failed for each in changed.results] == [(), ()]
    quiet = Story({"sysctl": [failed], "rtnl": [came()]})
    assert await quiet.take(SYSCTL, NETWORK) == ["sysctl", "rtnl"]


async def test_what_has_sysctls_of_links_looks_again_once_links_were_changed() -> None:
    story = Story({"sysctl": [came(SET), came(SET)], "rtnl": [came(ADD)]})
    assert await story.take(SYSCTL, NETWORK) == ["sysctl", "rtnl", "sysctl"]
    assert story.results[0].ops == (SET, SET)
    other = evolve(SYSCTL, desired={"net.ipv4.ip_forward": "1"})
    assert await Story({"rtnl": [came(ADD)]}).take(other, NETWORK) == ["sysctl", "rtnl"]


async def test_a_firewall_looks_again_once_a_link_is_another_one() -> None:
    observed: Any = SimpleNamespace(key="link br0", name="br0")
    anew = Story({"rtnl": [came(rtnl.DeleteLink(observed), ADD)]})
    assert (await anew.take(FIREWALL, NETWORK))[-1] == "netfilter inet fw"
    made = Story({"rtnl": [came(ADD)]})
    assert await made.take(FIREWALL, NETWORK) == ["netfilter inet fw", "rtnl"]


async def test_a_part_that_could_not_run_is_not_tried_again_and_keeps_what_it_did() -> None:
    story = Story({"sysctl": [came(error="gone")], "rtnl": [came(ADD)]})
    assert await story.take(SYSCTL, NETWORK) == ["sysctl", "rtnl"]
    late = Story({"sysctl": [came(SET), came(error="gone")], "rtnl": [came(ADD)]})
    await late.take(SYSCTL, NETWORK)
    assert (late.results[0].ops, late.results[0].error) == ((SET,), "gone")
