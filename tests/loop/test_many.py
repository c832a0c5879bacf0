"""A thousand loops in one process."""

from __future__ import annotations

import random

import anyio
import pytest

from linx_async import Loop, Supervisor
from linx_async.testing import FakeKernel, FakeSource
from tests.loop.running import HOUR, running

pytestmark = pytest.mark.anyio

COUNT = 1000


async def test_a_thousand_loops_stay_converged_through_an_hour_of_random_drift() -> None:
    rng = random.Random(20)
    kernels = [FakeKernel({"foreign": "1"}) for _ in range(COUNT)]
    desired = {"a": "1", "b": "2", "c": "3"}
    loops = [
        Loop(FakeSource(kernel, name=f"loop-{n}"), desired, interval=600.0)
        for n, kernel in enumerate(kernels)
    ]
    async with running(*loops):
        for _ in range(5 * COUNT):
            await anyio.sleep(rng.uniform(0, 2 * HOUR / (5 * COUNT)))
            kernel = rng.choice(kernels)
            key = rng.choice("abc")
            if key in kernel.objects and rng.random() < 0.3:
                kernel.drift(key, None)
            elif rng.random() < 0.1:
                kernel.objects[key] = "changed without a hint"
            else:
                kernel.drift(key, "changed by hand")
        await anyio.sleep(700)
        assert all(kernel.objects == {"foreign": "1", **desired} for kernel in kernels)
        reports = [loop.last_report for loop in loops]
        assert all(report is not None and report.converged for report in reports)
    assert all(kernel.watched == 0 for kernel in kernels)


async def test_a_thousand_loops_under_one_supervisor_survive_random_crashes() -> None:
    rng = random.Random(21)
    kernels = [FakeKernel() for _ in range(COUNT)]
    sources = [FakeSource(kernel, name=f"loop-{n}") for n, kernel in enumerate(kernels)]
    supervisor = Supervisor(*(Loop(source, {"a": "1"}, interval=600.0) for source in sources))
    async with running(supervisor):
        for _ in range(COUNT):
            kernel = rng.choice(kernels)
            with kernel.fail(ZeroDivisionError()):
                kernel.drift("a", "2")
                await anyio.sleep(0.2)
        await anyio.sleep(700)
        assert all(kernel.objects == {"a": "1"} for kernel in kernels)
        assert supervisor.restarts >= COUNT / 2
