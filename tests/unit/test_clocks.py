"""Virtual time: the same story on asyncio and on trio, without waiting for it."""

from __future__ import annotations

import asyncio
import math
import os
import random
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio import from_thread, to_thread

from linx_async.testing.clocks import run_in_virtual_time, virtual_backend, virtual_backends

pytestmark = pytest.mark.virtual_time


@pytest.mark.anyio
async def test_the_clock_starts_at_nought_and_stands_still_while_a_task_runs() -> None:
    assert anyio.current_time() == 0.0
    await anyio.lowlevel.checkpoint()
    assert anyio.current_time() == 0.0


@pytest.mark.anyio
async def test_a_sleep_takes_exactly_its_virtual_time() -> None:
    await anyio.sleep(0.1)
    await anyio.sleep(3600)
    assert anyio.current_time() == 0.1 + 3600


@pytest.mark.anyio
async def test_a_year_passes_too() -> None:
    await anyio.sleep(365 * 86400)
    assert anyio.current_time() == 365 * 86400


@pytest.mark.anyio
async def test_a_time_limit_fires_at_its_virtual_moment() -> None:
    with anyio.move_on_after(30) as limit:
        await anyio.sleep(math.inf)
    assert limit.cancelled_caught
    assert anyio.current_time() == 30


@pytest.mark.anyio
async def test_an_hour_of_loops_is_as_many_ticks_as_in_real_time() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await anyio.sleep(5)
            ticks += 1

    with anyio.move_on_after(3602):
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(tick)
    assert ticks == 10 * 720


def test_a_thousand_sleepers_wake_in_the_same_order_on_both_backends() -> None:
    dice = random.Random(76)
    plans = [[dice.uniform(0, 100) for _ in range(3)] for _ in range(1000)]

    async def main() -> list[tuple[float, int]]:
        woken: list[tuple[float, int]] = []

        async def sleeper(number: int) -> None:
            for seconds in plans[number]:
                await anyio.sleep(seconds)
                woken.append((anyio.current_time(), number))

        async with anyio.create_task_group() as group:
            for number in range(1000):
                group.start_soon(sleeper, number)
        return woken

    on_asyncio = run_in_virtual_time(main, backend="asyncio")
    on_trio = run_in_virtual_time(main, backend="trio")
    assert [number for _, number in on_asyncio] == [number for _, number in on_trio]
    assert [time for time, _ in on_asyncio] == pytest.approx([time for time, _ in on_trio])
    assert on_asyncio == sorted(on_asyncio)


@pytest.mark.anyio
async def test_what_is_ready_goes_before_the_clock() -> None:
    send, receive = anyio.create_memory_object_stream[int](0)
    seen: set[int] = set()
    async with send, receive, anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 1)
        for number in range(100):
            group.start_soon(send.send, number)
        seen = {await receive.receive() for _ in range(100)}
        assert anyio.current_time() == 0.0
    assert seen == set(range(100))


@pytest.mark.anyio
async def test_a_descriptor_that_is_ready_goes_before_the_clock() -> None:
    ours, theirs = os.pipe()
    try:
        os.write(theirs, b"x")
        with anyio.fail_after(1):
            await anyio.wait_readable(ours)
        assert anyio.current_time() == 0.0
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.anyio
async def test_without_a_timer_a_thread_is_waited_for_in_earnest() -> None:
    go = threading.Event()

    async def let_go() -> None:
        go.set()

    def work() -> str:
        from_thread.run(let_go)
        assert go.wait(60)
        return "done"

    assert await to_thread.run_sync(work) == "done"
    assert anyio.current_time() == 0.0


@pytest.mark.anyio
async def test_a_timer_beside_a_thread_fires_at_once_on_both_backends() -> None:
    """The caveat in the docstring: it is the same as trio's."""
    go = threading.Event()
    try:
        with anyio.move_on_after(3600) as limit:
            await to_thread.run_sync(go.wait, abandon_on_cancel=True)
        assert limit.cancelled_caught
    finally:
        go.set()


def in_a_process_without_threads(code: str) -> str:
    """What the code prints last; an idle thread of another test could wake an event loop here."""
    setup = """
        import asyncio, os, signal, anyio
        from linx_async.testing.clocks import virtual_backend
        backend, options = virtual_backend("asyncio")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(setup) + textwrap.dedent(code)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    return (done.stdout + done.stderr).strip().rpartition("\n")[2]


def test_a_deadlock_is_told_on_asyncio() -> None:
    said = in_a_process_without_threads("""
        anyio.run(anyio.sleep_forever, backend=backend, backend_options=options)
    """)
    assert said.startswith("linx_async.testing.clocks.VirtualDeadlock: every task waits")


def test_a_wait_for_a_signal_is_no_deadlock() -> None:
    said = in_a_process_without_threads("""
        async def main():
            with anyio.open_signal_receiver(signal.SIGALRM) as signals:
                signal.setitimer(signal.ITIMER_REAL, 0.01)
                async for number in signals:
                    return print("received", number.name)

        anyio.run(main, backend=backend, backend_options=options)
    """)
    assert said == "received SIGALRM"


def test_the_default_executor_is_shut_down_in_real_time() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, threading.get_native_id)

    assert run_in_virtual_time(main, backend="asyncio") != threading.get_native_id()


def test_each_call_gives_fresh_clocks() -> None:
    (asyncio_name, _), (trio_name, first) = virtual_backends()
    _, (_, second) = virtual_backends()
    assert (asyncio_name, trio_name) == ("asyncio", "trio")
    assert first["clock"] is not second["clock"]


def test_a_backend_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'curio' is no backend"):
        virtual_backend("curio")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_function_with_arguments_runs_in_virtual_time_and_gives_its_result(backend: str) -> None:
    async def sleep(*seconds: float) -> float:
        for each in seconds:
            await anyio.sleep(each)
        return anyio.current_time()

    assert run_in_virtual_time(sleep, 3600, 60, backend=backend) == 3660
