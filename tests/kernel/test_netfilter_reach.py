"""Tables whose rules in nft's syntax name interfaces that come and go."""

from __future__ import annotations

import math

import pytest

from linx_async import Loop
from linx_async.netfilter import Chain, Source, Table
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
