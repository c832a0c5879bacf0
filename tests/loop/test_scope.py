"""A scope that is not there yet, goes away, and comes back."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from linx_async import Hint, Loop, LoopStopped, MemoryStore, Report, ScopeGone
from linx_async.testing import FakeKernel, FakeSource
from tests.loop.running import HOUR, endless, running

pytestmark = pytest.mark.anyio


def vanished() -> FakeKernel:
    kernel = FakeKernel()
    kernel.vanish()
    return kernel


async def test_a_scope_that_is_not_there_yet_is_waited_for() -> None:
    kernel = vanished()
    loop = endless(FakeSource(kernel), {"a": "1"})
    async with running(loop):
        assert loop.last_report is None
        await anyio.sleep(HOUR)
        assert kernel.objects == {}
        kernel.come_back()
        await loop.wait_converged()
        assert kernel.objects == {"a": "1"}


async def test_it_is_looked_for_ever_more_rarely() -> None:
    source = FakeSource(vanished())
    async with running(Loop(source, {"a": "1"}, interval=60.0)):
        await anyio.sleep(HOUR)
        assert 60 <= source.calls.count("enter") <= 150


async def test_a_scope_that_goes_away_is_left_and_entered_anew_when_it_is_back() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    loop = endless(source, {"a": "1"})
    async with running(loop):
        kernel.drift("a", "2")
        kernel.vanish()
        await anyio.sleep(600)
        assert kernel.watched == 0
        assert source.calls.count("leave") == 1
        kernel.come_back()
        await anyio.sleep(120)
        assert kernel.objects == {"a": "1"}
        assert kernel.watched == 1
        assert source.calls.count("subscribe") == 2


async def test_what_it_owns_is_not_forgotten_meanwhile() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    loop = endless(source, {"a": "1", "b": "1"})
    async with running(loop):
        kernel.vanish()
        await anyio.sleep(600)
        revision = loop.put_desired({"a": "1"})
        kernel.come_back()
        await loop.wait_converged(revision)
        assert kernel.objects == {"a": "1"}


async def test_a_scope_that_only_the_hints_see_going_is_entered_anew_too() -> None:
    kernel = FakeKernel()
    goings = 3

    @asynccontextmanager
    async def subscription() -> AsyncIterator[AsyncIterator[Hint]]:
        yield hints()

    async def hints() -> AsyncIterator[Hint]:
        nonlocal goings
        await anyio.sleep(30)
        goings -= 1
        if goings >= 0:
            raise ScopeGone("fake: the scope was replaced")
        await anyio.sleep_forever()
        yield Hint("never")

    source = FakeSource(kernel)
    source.subscribe = subscription  # type: ignore[method-assign]
    async with running(Loop(source, {"a": "1"}, interval=math.inf)):
        await anyio.sleep(HOUR)
        assert source.calls.count("enter") == 4


async def test_a_forced_pass_looks_for_the_scope_at_once() -> None:
    kernel = vanished()
    loop = endless(FakeSource(kernel), {"a": "1"})
    async with running(loop):
        await anyio.sleep(HOUR)
        with pytest.raises(ScopeGone):
            await loop.reconcile()
        kernel.come_back()
        with anyio.fail_after(0.01):
            assert (await loop.reconcile()).converged


async def test_the_reports_tell_of_it() -> None:
    kernel = vanished()
    told: list[type] = []
    loop = Loop(FakeSource(kernel), {"a": "1"}, on_report=lambda report: told.append(type(report)))
    async with running(loop):
        kernel.come_back()
        await loop.wait_converged()
    assert told == [ScopeGone, Report]


@pytest.mark.parametrize("there", [True, False])
async def test_a_loop_without_its_scope_can_be_stopped(there: bool) -> None:
    kernel = FakeKernel() if there else vanished()
    loop = endless(FakeSource(kernel), {"a": "1"})
    async with running(loop):
        kernel.vanish()
        await anyio.sleep(600)
    with pytest.raises(LoopStopped):
        await loop.reconcile()


async def test_the_record_is_free_while_the_scope_is_away() -> None:
    kernel, store = FakeKernel(), MemoryStore()
    async with running(Loop(FakeSource(kernel), {"a": "1"}, interval=math.inf, store=store)):
        kernel.vanish()
        await anyio.sleep(600)
        async with store.open("fake", "fake") as record:
            assert set(await record.load()) == {"a"}
