"""Loops over a real rule set that rely on hints alone: what somebody else does to it is undone."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from linx_async import Hint, Loop, Report, Trigger, netfilter
from linx_async.netfilter import Lifetime, Source, Table
from tests.kernel.nft_place import Place, needs_links, place
from tests.kernel.nft_tables import FOREIGN
from tests.kernel.sysctls import PATIENCE, Reports, running, until

__all__ = ["place"]

pytestmark = pytest.mark.anyio

TEXT = """
table inet ours {
    set marks { type mark; elements = { 1, 2 }; }
    counter seen { }
    chain aside { counter; }
    chain input {
        type filter hook input priority 0; policy drop;
        ct state established,related accept
        meta mark @marks counter name "seen" jump aside
        tcp dport { 22, 80 } counter accept comment "in"
    }
}
"""


@pytest.fixture(scope="module")
def table() -> Table:
    return netfilter.parse(TEXT)


@pytest.fixture(scope="module")
def on_device() -> Table:
    text = "table netdev ours { chain c { type filter hook ingress device later priority 0; }; }"
    return netfilter.parse(text, links={"later": 77})


def loop_of(place: Place, table: Table, **options: Any) -> Loop[Any, Any, Any]:
    """A loop that relies on hints alone, and does not gather them."""
    source = Source(place.scope, **{"lifetime": "shared", **options})
    return Loop(source, table, interval=math.inf, debounce=0)


async def heals(place: Place, reports: Reports, table: Table) -> Report[Any]:
    """The loop finds out, and puts it right; not a pass is forced."""
    async for report in reports:
        assert isinstance(report, Report)
        assert report.trigger in {Trigger.HINT, Trigger.RETRY}
        if report.converged and await place.pulled(table) == table:
            return report
    raise AssertionError("the loop ended")


@pytest.mark.parametrize(
    "command",
    [
        "flush ruleset",
        "delete table inet ours",
        "add table inet ours { flags dormant; }",
        "flush chain inet ours input",
        "insert rule inet ours input accept",
        "add chain inet ours input { policy accept; }",
        "add chain inet ours other",
        "flush set inet ours marks",
        "add element inet ours marks { 9 }",
        "delete element inet ours marks { 1 }",
        "add set inet ours more { type mark; }",
        "add counter inet ours more",
        "flush ruleset\nadd table inet others",
    ],
)
async def test_what_somebody_does_is_undone(place: Place, table: Table, command: str) -> None:
    async with running(loop_of(place, table)) as reports:
        assert await place.pulled(table) == table
        await place.load(command)
        await heals(place, reports, table)


async def test_our_own_writes_cause_at_most_a_quiet_pass(place: Place, table: Table) -> None:
    loop = loop_of(place, Table("inet", "ours"))
    async with running(loop) as reports:
        loop.put_desired(table)
        first = await until(reports, lambda report: report.changed)
        assert first.trigger is Trigger.DESIRED
        await place.load("insert rule inet ours input accept")
        async for report in reports:
            assert isinstance(report, Report)
            assert report.converged
            if report.applied:
                assert [type(op).__name__ for op in report.applied] == ["DeleteRule"]
                break


async def test_tables_of_others_cause_no_pass(place: Place, table: Table) -> None:
    await place.converges(table)
    async with running(loop_of(place, table)) as reports:
        async with netfilter.subscribe(scope=place.scope) as hints:
            await place.load(FOREIGN.format(family="inet"))
            await place.load(FOREIGN.format(family="ip"))
            await place.load("flush table ip theirs\ndelete table ip theirs")
            await seen(hints, "table ip theirs", 2)
        await place.load("insert rule inet ours input accept")
        report = await until(reports, lambda report: True)
        assert [type(op).__name__ for op in report.applied] == ["DeleteRule"]
        assert report.trigger is Trigger.HINT


async def seen(hints: AsyncIterator[Hint], key: str, count: int) -> None:
    """So many hints have come that are about that table."""
    for _ in range(count):
        while key not in ((await first(hints)).keys or ()):
            continue


async def first(hints: AsyncIterator[Hint]) -> Hint:
    with anyio.fail_after(PATIENCE):
        return await anext(hints)


async def test_a_hint_says_who_changed_what(place: Place, table: Table) -> None:
    await place.converges(table)
    async with netfilter.subscribe(table, scope=place.scope) as hints:
        await place.load(FOREIGN.format(family="inet"))
        await place.load("add rule inet ours input drop")
        hint = await first(hints)
        assert hint.keys == frozenset({"table inet ours"})
        said = r"nft \(pid \d+\) changed table inet ours, generation \d+"
        assert re.fullmatch(said, hint.reason), hint.reason
        await place.load("flush ruleset")
        hint = await first(hints)
        assert hint.keys == frozenset({"table inet ours"})


async def test_a_hint_on_all_tables_names_each(place: Place, table: Table) -> None:
    await place.converges(table)
    await place.load("add table ip theirs")
    async with netfilter.subscribe(scope=place.scope) as hints:
        await place.load("flush ruleset")
        assert (await first(hints)).keys == frozenset({"table inet ours", "table ip theirs"})


FLOOD = "add table ip many\nadd chain ip many c\n" + "add rule ip many c counter drop\n" * 1000


async def test_where_hints_are_lost_it_is_looked_at_again(place: Place, table: Table) -> None:
    async with (
        running(loop_of(place, table)) as reports,
        netfilter.subscribe(table, scope=place.scope) as hints,
    ):
        for _ in range(20):
            place.load_now(FLOOD)  # nobody reads meanwhile
        place.load_now("delete table inet ours")
        hint = await first(hints)
        assert (hint.lost, hint.keys) == (True, None)
        await heals(place, reports, table)


async def test_a_conflict_ends_when_theirs_goes(place: Place, table: Table) -> None:
    await place.load("add table inet ours")
    loop = loop_of(place, table)
    async with running(loop) as reports:
        assert loop.last_report is not None
        assert loop.last_report.conflicts
        await place.load("delete table inet ours")
        await heals(place, reports, table)


@needs_links
async def test_what_waits_for_an_interface_is_done_when_it_comes(
    place: Place, on_device: Table
) -> None:
    loop = loop_of(place, on_device)
    async with running(loop) as reports:
        assert loop.last_report is not None
        assert loop.last_report.waiting
        await place.ip("link", "add", "later", "type", "veth", "peer", "name", "beside")
        await heals(place, reports, on_device)


@pytest.mark.parametrize("lifetime", ["persist", "socket"])
async def test_what_we_own_nobody_changes_and_no_pass_is_made(
    place: Place, table: Table, lifetime: Lifetime
) -> None:
    loop = loop_of(place, table, lifetime=lifetime)
    async with running(loop) as reports:
        # Of what we wrote ourselves.
        quiet = await until(reports, lambda report: True)
        assert (quiet.applied, quiet.trigger) == ((), Trigger.HINT)
        before = await place.pull(table)
        await place.load("flush ruleset")
        assert "not permitted" in await place.nft("delete table inet ours")
        loop.put_desired(Table("inet", "ours"))
        report = await until(reports, lambda report: True)
        assert report.revision == 1
        assert (await place.pull(table)).head == before.head
