"""Fan-out to watchers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest
from anyio.lowlevel import checkpoint

from linx_async._core.broadcast import Broadcast

pytestmark = pytest.mark.anyio


async def rest(items: AsyncIterator[int]) -> list[int]:
    return [item async for item in items]


async def test_every_watcher_gets_every_item_in_order() -> None:
    broadcast = Broadcast[int]()
    with broadcast.watch() as one, broadcast.watch() as other:
        for item in range(5):
            broadcast.send(item)
        broadcast.close()
        assert await rest(one) == await rest(other) == [0, 1, 2, 3, 4]


async def test_a_watcher_gets_nothing_from_before_it_came() -> None:
    broadcast = Broadcast[int]()
    broadcast.send(1)
    with broadcast.watch() as items:
        broadcast.send(2)
        broadcast.close()
        assert await rest(items) == [2]


async def test_sending_without_watchers_is_fine() -> None:
    Broadcast[int]().send(1)


async def test_a_slow_watcher_loses_the_oldest_and_slows_nobody() -> None:
    broadcast = Broadcast[int](size=3)
    with broadcast.watch() as slow, broadcast.watch() as quick:
        seen = []
        for item in range(10):
            broadcast.send(item)
            seen.append(await anext(quick))
        broadcast.close()
        assert seen == list(range(10))
        assert await rest(slow) == [7, 8, 9]


async def test_a_waiting_watcher_is_woken_by_an_item_and_by_the_end() -> None:
    broadcast = Broadcast[int]()
    seen: list[int] = []

    async def watch(items: AsyncIterator[int]) -> None:
        seen.extend(await rest(items))

    with broadcast.watch() as items:
        async with anyio.create_task_group() as tg:
            tg.start_soon(watch, items)
            for item in (1, 2):
                await anyio.wait_all_tasks_blocked()
                broadcast.send(item)
            await anyio.wait_all_tasks_blocked()
            broadcast.close()
    assert seen == [1, 2]


async def test_a_watcher_that_left_gets_nothing_more() -> None:
    broadcast = Broadcast[int]()
    with broadcast.watch() as items:
        broadcast.send(1)
    broadcast.send(2)
    assert await anext(items) == 1
    with anyio.move_on_after(0):
        pytest.fail(f"got {await anext(items)}")


async def test_who_watches_after_the_end_is_told_of_it_at_once() -> None:
    broadcast = Broadcast[int]()
    broadcast.close()
    with broadcast.watch() as items:
        assert await rest(items) == []


async def test_a_cancelled_watcher_loses_no_item() -> None:
    broadcast = Broadcast[int]()
    with broadcast.watch() as items:
        broadcast.send(1)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anext(items)
        assert scope.cancelled_caught
        assert await anext(items) == 1


async def test_two_tasks_may_share_one_iterator() -> None:
    broadcast = Broadcast[int]()
    seen: list[int] = []

    async def take(items: AsyncIterator[int]) -> None:
        seen.extend(await rest(items))

    with broadcast.watch() as items:
        async with anyio.create_task_group() as tg:
            tg.start_soon(take, items)
            tg.start_soon(take, items)
            await anyio.wait_all_tasks_blocked()
            broadcast.send(1)
            for _ in range(5):
                await checkpoint()
            broadcast.send(2)
            broadcast.close()
    assert sorted(seen) == [1, 2]
