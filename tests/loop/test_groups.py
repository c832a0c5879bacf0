"""Loops in the task group of whoever runs them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
import trio
from anyio.lowlevel import checkpoint

from linx_async import Loop, MemoryStore, Restart, Supervisor
from linx_async._core.groups import uninterrupted
from linx_async.testing import Change, FakeKernel, FakeSource
from tests.loop.running import HOUR, running

pytestmark = pytest.mark.anyio

on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
on_trio = pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)


def several(kernel: FakeKernel, count: int = 5) -> list[Loop[Any, Any, Change]]:
    return [
        Loop(FakeSource(kernel, name=f"loop-{n}"), {f"key-{n}": "1"}, interval=math.inf)
        for n in range(count)
    ]


async def drift_is_healed(kernel: FakeKernel) -> None:
    for key in list(kernel.objects):
        kernel.drift(key, "changed by hand")
    await anyio.sleep(1)
    assert set(kernel.objects.values()) == {"1"}


async def test_several_loops_in_an_anyio_task_group() -> None:
    kernel = FakeKernel()
    loops = several(kernel)
    async with anyio.create_task_group() as tg:
        for loop in loops:
            await tg.start(loop.run)
        assert len(kernel.objects) == 5
        await drift_is_healed(kernel)
        tg.cancel_scope.cancel()
    assert kernel.watched == 0


@on_asyncio
async def test_several_loops_in_an_asyncio_task_group(anyio_backend: object) -> None:
    kernel = FakeKernel()
    loops = several(kernel)
    async with asyncio.TaskGroup() as tg:
        for loop in loops:
            tg.create_task(loop.run())
        for loop in loops:
            await loop.wait_converged()
        await drift_is_healed(kernel)
        for loop in loops:
            loop.stop()
    assert kernel.watched == 0


@on_trio
async def test_several_loops_in_a_trio_nursery(anyio_backend: object) -> None:
    kernel = FakeKernel()
    loops = several(kernel)
    async with trio.open_nursery() as nursery:
        for loop in loops[:3]:
            await nursery.start(loop.run)
        for loop in loops[3:]:
            nursery.start_soon(loop.run)
            await loop.wait_converged()
        await drift_is_healed(kernel)
        nursery.cancel_scope.cancel()
    assert kernel.watched == 0


@on_asyncio
async def test_a_task_of_asyncio_that_is_cancelled_leaves_all_in_order(
    anyio_backend: object,
) -> None:
    kernel, store = FakeKernel(), MemoryStore()
    source = FakeSource(kernel)
    task = asyncio.create_task(Loop(source, {"a": "1"}, store=store).run())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.calls[-1] == "leave"
    assert kernel.watched == 0
    async with running(Loop(FakeSource(kernel), {}, store=store)):
        assert kernel.objects == {}


@on_asyncio
async def test_a_time_limit_of_asyncio_leaves_all_in_order(anyio_backend: object) -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60):
            await Loop(source, {"a": "1"}).run()
    assert source.calls[-1] == "leave"
    assert kernel.watched == 0


@on_asyncio
async def test_a_sibling_that_crashes_in_an_asyncio_task_group_cuts_no_batch(
    anyio_backend: object,
) -> None:
    kernel, store = FakeKernel(), MemoryStore()
    at_work = asyncio.Event()

    async def step(where: str) -> None:
        at_work.set() if where == "before put b = 1" else None
        await asyncio.sleep(0)

    async def crash() -> None:
        await at_work.wait()
        raise ZeroDivisionError

    source = FakeSource(kernel, batch=3, step=step)
    loop = Loop(source, dict.fromkeys("abcdef", "1"), store=store)
    with pytest.raises(ExceptionGroup) as caught:
        await crash_beside(loop.run, crash)
    assert caught.group_contains(ZeroDivisionError)
    assert set(kernel.objects) == {"a", "b", "c"}
    async with store.open("fake", "fake") as record:
        assert set(await record.load()) == {"a", "b", "c"}


async def crash_beside(*functions: Callable[[], Awaitable[None]]) -> None:
    async def call(function: Callable[[], Awaitable[None]]) -> None:
        await function()

    async with asyncio.TaskGroup() as tg:
        for function in functions:
            tg.create_task(call(function))


async def test_a_loop_that_crashes_takes_its_group_along_as_any_task_does() -> None:
    kernel = FakeKernel()
    bad = FakeKernel()
    bad.fail(ZeroDivisionError())
    with pytest.raises(ExceptionGroup) as caught:
        await run_all(*several(kernel), Loop(FakeSource(bad, name="bad"), {"bad": "1"}))
    assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError]
    assert kernel.watched == bad.watched == 0


async def run_all(*loops: Loop[Any, Any, Change]) -> None:
    async with anyio.create_task_group() as tg:
        for loop in loops:
            tg.start_soon(loop.run)


async def test_under_a_supervisor_one_that_crashes_hurts_no_other_in_the_group() -> None:
    kernel = FakeKernel()
    loops = several(kernel)
    bad = FakeKernel()
    source = FakeSource(bad, name="bad")
    supervisor = Supervisor(Loop(source, {"bad": "1"}, interval=5.0), restart=Restart(burst=100))
    async with running(*loops, supervisor):
        for _ in range(5):
            with bad.fail(ZeroDivisionError()):
                bad.lose_hints()
                kernel.lose_hints()
                await anyio.sleep(10)
            await anyio.sleep(60)
            await drift_is_healed(kernel)
        assert supervisor.restarts >= 5


def test_a_loop_may_be_made_outside_of_any_event_loop_and_run_in_several() -> None:
    kernel = FakeKernel()
    loop = Loop(FakeSource(kernel), {"a": "1"})

    async def use() -> None:
        async with running(loop), loop.reports() as reports:
            kernel.drift("a", "2")
            report = await loop.reconcile()
            assert await anext(reports) is report
            await loop.wait_converged()

    for backend in ("asyncio", "trio", "asyncio"):
        anyio.run(use, backend=backend)


async def test_work_that_nothing_interrupts_gives_its_value_or_its_error() -> None:
    async def work() -> int:
        await anyio.sleep(1)
        return 7

    async def fail() -> int:
        await anyio.sleep(1)
        raise ZeroDivisionError

    assert await uninterrupted(work) == 7
    with pytest.raises(ZeroDivisionError):
        await uninterrupted(fail)


async def test_work_that_nothing_interrupts_ends_before_the_cancellation_goes_on() -> None:
    done = []

    async def work() -> None:
        await anyio.sleep(10)
        done.append("work")

    with anyio.move_on_after(1) as scope:
        await uninterrupted(work)
        await checkpoint()
        done.append("what comes after")
    assert scope.cancelled_caught
    assert done == ["work"]
    assert anyio.current_time() >= 10


async def test_a_loop_on_a_quiet_kernel_costs_one_pass_an_interval() -> None:
    source = FakeSource(FakeKernel())
    async with running(Loop(source, {"a": "1"}, interval=60.0)):
        await anyio.sleep(HOUR)
        assert 55 <= source.passes <= 70
