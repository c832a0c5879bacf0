"""A thousand loops in one process."""

from __future__ import annotations

import random

import anyio
import pytest

from linx_async import Loop, Supervisor
from tests.fakes import FakeSource, Shelf
from tests.loop.running import HOUR, running

pytestmark = pytest.mark.anyio

COUNT = 1000


async def test_a_thousand_loops_stay_converged_through_an_hour_of_random_drift() -> None:
    rng = random.Random(20)
    shelves = [Shelf({"foreign": "1"}) for _ in range(COUNT)]
    desired = {"a": "1", "b": "2", "c": "3"}
    loops = [
        Loop(FakeSource(shelf, name=f"loop-{n}"), desired, interval=600.0)
        for n, shelf in enumerate(shelves)
    ]
    async with running(*loops):
        for _ in range(5 * COUNT):
            await anyio.sleep(rng.uniform(0, 2 * HOUR / (5 * COUNT)))
            shelf = rng.choice(shelves)
            key = rng.choice("abc")
            if key in shelf.objects and rng.random() < 0.3:
                shelf.drift(key, None)
            elif rng.random() < 0.1:
                shelf.objects[key] = "changed without a hint"
            else:
                shelf.drift(key, "changed by hand")
        await anyio.sleep(700)
        assert all(shelf.objects == {"foreign": "1", **desired} for shelf in shelves)
        reports = [loop.last_report for loop in loops]
        assert all(report is not None and report.converged for report in reports)
    assert all(shelf.watched == 0 for shelf in shelves)


async def test_a_thousand_loops_under_one_supervisor_survive_random_crashes() -> None:
    rng = random.Random(21)
    shelves = [Shelf() for _ in range(COUNT)]
    sources = [FakeSource(shelf, name=f"loop-{n}") for n, shelf in enumerate(shelves)]
    supervisor = Supervisor(*(Loop(source, {"a": "1"}, interval=600.0) for source in sources))
    async with running(supervisor):
        for _ in range(COUNT):
            number = rng.randrange(COUNT)
            sources[number].broken = ZeroDivisionError()
            shelves[number].drift("a", "2")
            await anyio.sleep(0.2)
            sources[number].broken = None
        await anyio.sleep(700)
        assert all(shelf.objects == {"a": "1"} for shelf in shelves)
        assert supervisor.restarts >= COUNT / 2
