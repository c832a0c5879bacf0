"""A scope that is not there yet, goes away, and comes back."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from linx_async import Hint, Loop, LoopStopped, MemoryStore, Report, ScopeGone
from tests.fakes import Change, FakeSource, Objects, Shelf
from tests.loop.running import HOUR, running

pytestmark = pytest.mark.anyio


class Scope:
    """A namespace, say, that the source looks for whenever it is entered."""

    def __init__(self, shelf: Shelf, *, there: bool = True) -> None:
        self.there = there
        self.source = FakeSource(shelf, step=self._step)

    async def _step(self, where: str) -> None:
        await checkpoint()
        if where in {"enter", "observe"} and not self.there:
            raise ScopeGone("fake: the scope is not there")


def endless(scope: Scope, desired: Objects) -> Loop[Objects, Any, Change]:
    """A loop that relies on hints alone."""
    return Loop(scope.source, desired, interval=math.inf)


async def test_a_scope_that_is_not_there_yet_is_waited_for() -> None:
    shelf = Shelf()
    scope = Scope(shelf, there=False)
    loop = endless(scope, {"a": "1"})
    async with running(loop):
        assert loop.last_report is None
        await anyio.sleep(HOUR)
        assert shelf.objects == {}
        scope.there = True
        await loop.wait_converged()
        assert shelf.objects == {"a": "1"}


async def test_it_is_looked_for_ever_more_rarely() -> None:
    scope = Scope(Shelf(), there=False)
    async with running(Loop(scope.source, {"a": "1"}, interval=60.0)):
        await anyio.sleep(HOUR)
        assert 60 <= scope.source.calls.count("enter") <= 150


async def test_a_scope_that_goes_away_is_left_and_entered_anew_when_it_is_back() -> None:
    shelf = Shelf()
    scope = Scope(shelf)
    loop = endless(scope, {"a": "1"})
    async with running(loop):
        scope.there = False
        shelf.drift("a", "2")
        await anyio.sleep(600)
        assert shelf.watched == 0
        assert scope.source.calls.count("leave") == 1
        scope.there = True
        await anyio.sleep(120)
        assert shelf.objects == {"a": "1"}
        assert shelf.watched == 1
        assert scope.source.calls.count("subscribe") == 2


async def test_what_it_owns_is_not_forgotten_meanwhile() -> None:
    shelf = Shelf()
    scope = Scope(shelf)
    loop = endless(scope, {"a": "1", "b": "1"})
    async with running(loop):
        scope.there = False
        shelf.lose_hints()
        await anyio.sleep(600)
        revision = loop.put_desired({"a": "1"})
        scope.there = True
        await loop.wait_converged(revision)
        assert shelf.objects == {"a": "1"}


async def test_a_scope_that_only_the_hints_see_going_is_entered_anew_too() -> None:
    shelf = Shelf()
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

    source = FakeSource(shelf)
    source.subscribe = subscription  # type: ignore[method-assign]
    async with running(Loop(source, {"a": "1"}, interval=math.inf)):
        await anyio.sleep(HOUR)
        assert source.calls.count("enter") == 4


async def test_a_forced_pass_looks_for_the_scope_at_once() -> None:
    shelf = Shelf()
    scope = Scope(shelf, there=False)
    loop = endless(scope, {"a": "1"})
    async with running(loop):
        await anyio.sleep(HOUR)
        with pytest.raises(ScopeGone):
            await loop.reconcile()
        scope.there = True
        with anyio.fail_after(0.01):
            assert (await loop.reconcile()).converged


async def test_the_reports_tell_of_it() -> None:
    scope = Scope(Shelf(), there=False)
    told: list[type] = []
    loop = Loop(scope.source, {"a": "1"}, on_report=lambda report: told.append(type(report)))
    async with running(loop):
        scope.there = True
        await loop.wait_converged()
    assert told == [ScopeGone, Report]


@pytest.mark.parametrize("there", [True, False])
async def test_a_loop_without_its_scope_can_be_stopped(there: bool) -> None:
    scope = Scope(Shelf(), there=there)
    loop = endless(scope, {"a": "1"})
    async with running(loop):
        scope.there = False
        await anyio.sleep(600)
    with pytest.raises(LoopStopped):
        await loop.reconcile()


async def test_the_record_is_free_while_the_scope_is_away() -> None:
    shelf, store = Shelf(), MemoryStore()
    scope = Scope(shelf)
    async with running(Loop(scope.source, {"a": "1"}, interval=math.inf, store=store)):
        scope.there = False
        shelf.lose_hints()
        await anyio.sleep(600)
        async with store.open("fake", "fake") as record:
            assert set(await record.load()) == {"a"}
