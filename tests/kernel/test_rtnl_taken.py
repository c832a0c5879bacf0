"""What others have where routes are to be added: found by the exclusive create, or foreseen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from linx_async import Ownership, Plan
from linx_async.rtnl import AddRoute, Desired, RtnlOp, Source
from linx_async.rtnl.views import Views
from tests.kernel.netbox import Net, net
from tests.kernel.sysctls import running

__all__ = ["net"]

pytestmark = pytest.mark.anyio

WANTED = Desired(routes=[("192.0.2.0/24", "10.0.0.2"), ("198.51.100.0/24", "10.0.0.2")])
TAKEN, FREE = "route 192.0.2.0/24", "route 198.51.100.0/24"
OTHERS = "route add 192.0.2.0/24 via 10.0.0.3 proto static"
THE_SAME = "route add 192.0.2.0/24 via 10.0.0.2 dev one proto static"


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each time that foreign routes are looked for in a whole table."""
    found: list[str] = []
    look = Views.foreign_routes

    async def watched(views: Views, wanted: Any, tables: Any = None) -> Any:
        if wanted:
            found.append("looked")
        return await look(views, wanted, tables)

    monkeypatch.setattr(Views, "foreign_routes", watched)
    return found


async def planned(source: Source, desired: Desired) -> Plan[RtnlOp]:
    observed = await source.observe(desired, Ownership())
    return source.diff(desired, observed, Ownership())


def added(ops: Sequence[RtnlOp]) -> list[str]:
    assert all(isinstance(op, AddRoute) for op in ops)
    return [op.key for op in ops]


async def test_routes_are_added_without_a_look_at_those_of_others(
    net: Net, looks: list[str]
) -> None:
    await net.ip("route add 203.0.113.0/24 via 10.0.0.3 proto static")
    report = await net.reconcile(WANTED)
    assert report.converged
    assert len(report.applied) == 2
    assert looks == []


async def test_what_a_create_runs_into_is_told_and_is_no_op_that_was_done(
    net: Net, looks: list[str]
) -> None:
    await net.ip(OTHERS)
    report = await net.reconcile(WANTED)
    (conflict,) = report.conflicts
    assert conflict.key == TAKEN
    assert added(report.applied) == [FREE]
    assert looks == ["looked"]


async def test_a_plan_tells_of_it_before_anything_is_tried(net: Net) -> None:
    await net.ip(OTHERS)
    async with Source(net.scope) as source:
        plan = await planned(source, WANTED)
        assert [each.key for each in plan.conflicts] == [TAKEN]
        assert added(plan.ops) == [FREE]


async def test_a_route_that_another_has_just_so_is_not_told_as_added(net: Net) -> None:
    await net.ip(THE_SAME)
    report = await net.reconcile(WANTED)
    assert report.converged
    assert added(report.applied) == [FREE]


async def test_who_met_another_looks_before_the_next_create_until_it_has_gone(
    net: Net, looks: list[str]
) -> None:
    await net.ip(OTHERS)
    loop = net.loop(WANTED)
    async with running(loop):
        before = len(looks)
        for _ in range(2):
            report = await loop.reconcile()
            assert [each.key for each in report.conflicts] == [TAKEN]
        assert len(looks) >= before + 2
        await net.ip("route del 192.0.2.0/24 via 10.0.0.3")
        await loop.wait_converged()
