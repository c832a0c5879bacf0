"""The queue between what sees changes and the loop."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linx_async import Hint
from linx_async._core.hints import HintQueue

pytestmark = pytest.mark.anyio


def about(key: str) -> Hint:
    return Hint(f"{key} was written", frozenset({key}))


async def taken(queue: HintQueue) -> list[Hint]:
    """All that is in it."""
    hints = []
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tg:
            tg.start_soon(cancel_when_idle, scope)
            async for hint in queue:
                hints.append(hint)  # noqa: PERF401 - it is cut short
    return hints


async def cancel_when_idle(scope: anyio.CancelScope) -> None:
    await anyio.wait_all_tasks_blocked()
    scope.cancel()


async def test_hints_come_in_their_order() -> None:
    queue = HintQueue()
    for key in "cab":
        queue.put(about(key))
    assert await taken(queue) == [about("c"), about("a"), about("b")]


async def test_equal_hints_coalesce_until_they_are_taken() -> None:
    queue = HintQueue()
    for key in "aabab":
        queue.put(about(key))
    assert await anext(queue) == about("a")
    queue.put(about("a"))
    assert await taken(queue) == [about("b"), about("a")]


async def test_more_hints_than_are_kept_apart_become_one_that_says_so() -> None:
    queue = HintQueue(size=3)
    for key in "abcd":
        queue.put(about(key))
    (hint,) = await taken(queue)
    assert hint.lost
    assert hint.keys is None


async def test_a_full_queue_takes_a_hint_that_it_has_already() -> None:
    queue = HintQueue(size=3)
    for key in "abca":
        queue.put(about(key))
    assert await taken(queue) == [about("a"), about("b"), about("c")]


async def test_a_waiting_reader_is_woken() -> None:
    queue = HintQueue()
    seen: list[Hint] = []

    async def read() -> None:
        seen.append(await anext(queue))

    async with anyio.create_task_group() as tg:
        tg.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        queue.put(about("a"))
    assert seen == [about("a")]


async def test_a_cancelled_reader_loses_nothing() -> None:
    queue = HintQueue()
    queue.put(about("a"))
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anext(queue)
    assert await taken(queue) == [about("a")]


@given(st.lists(st.sampled_from("abcdefgh")), st.integers(1, 5))
async def test_what_is_put_is_taken_or_told_to_be_lost(keys: list[str], size: int) -> None:
    queue = HintQueue(size)
    for key in keys:
        queue.put(about(key))
    hints = await taken(queue)
    assert len(hints) <= size
    if not any(hint.lost for hint in hints):
        assert {about(key) for key in keys} == set(hints)
    else:
        assert len(set(keys)) > size
