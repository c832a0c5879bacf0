"""Tables whose rules in nft's syntax name interfaces that come and go."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from attrs import evolve

from linx_async import Loop, netfilter
from linx_async.netfilter import Chain, Source, Table, reach
from linx_async.netfilter.parsing import parsed_tables
from linx_async.netfilter.texts import compiled_rules
from tests.kernel.nft_place import Place, needs_links, place
from tests.kernel.sysctls import running, until

__all__ = ["place"]

pytestmark = [pytest.mark.anyio, needs_links]

RULES = ["ct state established accept", 'iif "later" accept']
TABLE = Table("inet", "ours", [Chain("input", RULES, hook="input", policy="drop")])


async def test_a_rule_waits_for_its_interface_and_is_there_once_it_came(place: Place) -> None:
    loop = Loop(Source(place.scope, lifetime="shared"), TABLE, interval=math.inf, debounce=0)
    async with running(loop) as reports:
        assert loop.last_report is not None
        assert [each.reason for each in loop.last_report.waiting] == [
            "the interface later is not there"
        ]
        await place.ip("link", "add", "later", "type", "veth", "peer", "name", "beside")
        report = await until(reports, lambda report: report.converged)
        assert 'iif "later" accept' in await place.shown("table", "inet", "ours")
        assert report.waiting == ()


@pytest.mark.parametrize("comes", [True, False])
async def test_an_interface_that_comes_or_goes_while_its_rule_is_compiled_is_not_missed(
    place: Place, monkeypatch: pytest.MonkeyPatch, comes: bool
) -> None:
    veth = ("later", "type", "veth", "peer", "name", "beside")

    async def meanwhile(table: Table, links: Mapping[str, int]) -> Table:
        monkeypatch.setattr(reach, "compiled_rules", compiled_rules)
        try:
            return await compiled_rules(table, links)
        finally:
            await place.ip("link", *(["add", *veth] if comes else ["delete", "later"]))

    monkeypatch.setattr(reach, "compiled_rules", meanwhile)
    if not comes:
        await place.ip("link", "add", *veth)
    loop = Loop(Source(place.scope, lifetime="shared"), TABLE, interval=math.inf, debounce=0)
    async with running(loop):
        assert loop.last_report is not None
        assert loop.last_report.converged is comes


async def test_what_was_there_before_its_interface_went_is_still_kept(place: Place) -> None:
    await place.ip("link", "add", "later", "type", "veth", "peer", "name", "beside")
    loop = Loop(Source(place.scope, lifetime="shared"), TABLE, interval=math.inf, debounce=0)
    async with running(loop) as reports:
        await place.ip("link", "delete", "later")
        gone = await until(reports, lambda report: bool(report.waiting))
        assert not gone.converged
        await place.load("flush ruleset")
        await until(reports, lambda report: report.changed)
        assert "policy drop" in await place.shown("table", "inet", "ours")


async def test_an_interface_that_comes_again_under_another_index_is_the_one(place: Place) -> None:
    await place.ip("link", "add", "later", "type", "veth", "peer", "name", "beside")
    loop = Loop(Source(place.scope, lifetime="shared"), TABLE, interval=math.inf, debounce=0)
    async with running(loop) as reports:
        await place.ip("link", "delete", "later")
        await until(reports, lambda report: bool(report.waiting))
        await place.ip("link", "add", "later", "index", "4711", "type", "veth")
        again = await until(reports, lambda report: report.converged)
        assert [type(op).__name__ for op in again.applied] == ["ReplaceRule"]
        assert 'iif "later" accept' in await place.shown("table", "inet", "ours")


# Tables that were compiled as a whole, with the indices of some place and time

TEXT = """
table inet ours {
    set ways { type iface_index; elements = { "inner" } }
    chain input {
        type filter hook input priority 0; policy drop;
        iif "later" accept
        iifname "named" accept
        iif "lo" accept
    }
}
"""
THERE = {"later": 7, "inner": 8, "named": 9, "other": 10, "lo": 1}


def test_a_text_tells_which_interfaces_it_names_by_index() -> None:
    assert dict(netfilter.parse(TEXT, links=THERE).links) == {"later": 7, "inner": 8}
    by_name = TEXT.replace('iif "later"', 'oifname "later"').replace('"inner"', "1")
    assert netfilter.parse(by_name, links=THERE).links == ()


def test_of_several_tables_each_tells_its_own() -> None:
    text = f"{TEXT}table ip more {{ chain c {{ oif $way drop; }}; }}"
    one, other = parsed_tables(text, links=THERE, defines={"way": "other"})
    assert (dict(one.links), dict(other.links)) == ({"later": 7, "inner": 8}, {"other": 10})


async def test_so_does_one_that_is_compiled_beside_an_event_loop() -> None:
    table = await netfilter.compile(TEXT, links=THERE)
    assert dict(table.links) == {"later": 7, "inner": 8}
    assert dict(evolve(table, chains=()).links) == dict(table.links)


async def test_a_table_waits_where_an_interface_has_another_index(place: Place) -> None:
    links = {"later": 7, "inner": 8, "lo": 1}
    table = await netfilter.compile(TEXT, links=links)
    await place.ip("link", "add", "inner", "index", "8", "type", "veth")
    missing = await place.reconcile(table)
    assert [each.reason for each in missing.waiting] == ["the interface later is not there"]
    await place.ip("link", "add", "later", "index", "50", "type", "veth")
    another = await place.reconcile(table)
    assert [each.key for each in another.waiting] == ["table inet ours"]
    reason = another.waiting[0].reason
    assert reason.startswith("the interface later has index 50, and the table was compiled with 7")
    assert not any((missing.applied, another.applied, missing.converged, another.converged))
    assert await place.pulled(table) is None
    await place.converges(await netfilter.compile(TEXT, links={**links, "later": 50}))


async def test_it_is_kept_as_it_was_until_its_interface_is_there_again(place: Place) -> None:
    table = await netfilter.compile(TEXT, links={"later": 7, "inner": 8})
    for name, index in table.links:
        await place.ip("link", "add", name, "index", str(index), "type", "veth")
    loop = Loop(Source(place.scope, lifetime="shared"), table, interval=math.inf, debounce=0)
    async with running(loop) as reports:
        await place.ip("link", "delete", "later")
        await until(reports, lambda report: bool(report.waiting))
        await place.load("flush ruleset")
        await until(reports, lambda report: report.changed)
        assert await place.pulled(table) == table
        await place.ip("link", "add", "later", "index", "7", "type", "veth")
        await until(reports, lambda report: report.converged)
