"""Loops that crash, and the supervisor that starts them again."""

from __future__ import annotations

import math
import random
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from linx_async import (
    DesiredStateError,
    Loop,
    LoopFailed,
    LoopStopped,
    Report,
    Restart,
    SourceError,
    Supervisor,
    Trigger,
)
from linx_async.testing import Change, FakeKernel, FakeSource
from tests.loop.running import HOUR, running

pytestmark = pytest.mark.anyio


class Fragile(FakeSource):
    """Crashes its loop at each `observe` as long as it has crashes left."""

    def __init__(self, kernel: FakeKernel, crashes: float = 0, name: str = "fragile") -> None:
        super().__init__(kernel, name=name, step=self._maybe)
        self.crashes = crashes

    async def _maybe(self, where: str) -> None:
        await checkpoint()
        if where == "observe" and self.crashes > 0:
            self.crashes -= 1
            raise ZeroDivisionError(f"{self.crashes:g} left")


def endless(source: FakeSource, **options: Any) -> Loop[Any, Any, Change]:
    return Loop(source, {"a": "1"}, interval=math.inf, **options)


async def test_a_loop_that_crashes_is_started_again_and_resyncs_from_scratch() -> None:
    kernel = FakeKernel()
    source = Fragile(kernel)
    supervisor = Supervisor(endless(source))
    async with running(supervisor):
        source.crashes = 3
        kernel.objects["a"] = "changed without a hint"
        kernel.lose_hints()
        await anyio.sleep(60)
        assert kernel.objects == {"a": "1"}
        assert kernel.watched == 1
        assert source.calls.count("subscribe") == 4
        assert supervisor.restarts == 3


async def test_a_monitor_that_dies_is_subscribed_to_again() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    async with running(Supervisor(endless(source))):
        kernel.end_hints()
        await anyio.sleep(60)
        kernel.drift("a", "2")
        await anyio.sleep(1)
        assert kernel.objects == {"a": "1"}
        assert source.calls.count("subscribe") == 2


async def test_one_that_crashes_does_not_disturb_the_others() -> None:
    kernels = [FakeKernel() for _ in range(5)]
    sources = [Fragile(kernel, name=f"loop-{n}") for n, kernel in enumerate(kernels)]
    supervisor = Supervisor(
        *(Loop(source, {"a": "1"}, interval=10.0) for source in sources),
        restart=Restart(burst=1000, longest=1.0),
    )
    async with running(supervisor):
        sources[2].crashes = math.inf
        await anyio.sleep(60)
        for number, kernel in enumerate(kernels):
            kernel.drift("a", "2")
            await anyio.sleep(1)
            assert (kernel.objects["a"] == "1") is (number != 2)
        assert [source.calls.count("enter") > 1 for source in sources] == [
            number == 2 for number in range(5)
        ]
        sources[2].crashes = 0
        await supervisor.loops[2].wait_converged()
        await anyio.sleep(60)
        assert kernels[2].objects == {"a": "1"}


async def test_ownership_is_kept_over_a_restart() -> None:
    kernel = FakeKernel()
    source = Fragile(kernel)
    loop = Loop(source, {"a": "1", "b": "1"}, interval=math.inf)
    async with running(Supervisor(loop)):
        source.crashes = 1
        revision = loop.put_desired({"a": "1"})
        report = await loop.wait_converged(revision)
        assert report.trigger is Trigger.START
        assert kernel.objects == {"a": "1"}


async def test_a_supervisor_has_started_when_each_loop_has_made_its_first_pass() -> None:
    sources = [Fragile(FakeKernel(), crashes, name=f"loop-{crashes}") for crashes in range(4)]
    supervisor = Supervisor(*map(endless, sources))
    async with running(supervisor):
        assert all(loop.last_report is not None for loop in supervisor.loops)
        assert supervisor.restarts == 6


async def test_a_supervisor_without_loops_has_started_and_ends() -> None:
    async with running(Supervisor()):
        pass


async def test_reports_and_waiting_go_on_over_a_restart() -> None:
    kernel = FakeKernel()
    source = Fragile(kernel)
    loop = endless(source)
    async with running(Supervisor(loop)), loop.reports() as reports:
        source.crashes = 2
        kernel.drift("a", "2")
        report = await anext(reports)
        assert isinstance(report, Report)
        assert report.trigger is Trigger.START
        assert [str(op) for op in report.applied] == ["put a = 1"]


async def test_a_pass_cannot_be_forced_while_a_loop_waits_for_its_restart() -> None:
    source = Fragile(FakeKernel(), crashes=3)
    loop = endless(source)
    supervisor = Supervisor(loop, restart=Restart(first=10.0))
    async with anyio.create_task_group() as tg:
        tg.start_soon(supervisor.run)
        await anyio.sleep(1)
        assert source.calls[-1] == "leave"
        with pytest.raises(LoopStopped, match="not running"):
            await loop.reconcile()
        loop.put_desired({"a": "2"})
        await loop.wait_converged()
        assert source.kernel.look() == {"a": "2"}
        loop.stop()


# The limit


async def test_past_the_burst_limit_it_fails_and_tells_of_every_crash() -> None:
    supervisor = Supervisor(
        endless(Fragile(FakeKernel(), math.inf, name="bad")), restart=Restart(burst=3)
    )
    with pytest.raises(LoopFailed, match="loop 'bad': crashed 4 times in 60 s: inf left") as caught:
        await supervisor.run()
    assert caught.value.name == "bad"
    cause = caught.value.__cause__
    assert isinstance(cause, ExceptionGroup)
    assert [type(crash) for crash in cause.exceptions] == [ZeroDivisionError] * 4
    assert supervisor.restarts == 3


async def test_the_crashes_are_told_in_their_order() -> None:
    supervisor = Supervisor(endless(Fragile(FakeKernel(), 3)), restart=Restart(burst=2))
    with pytest.raises(LoopFailed) as caught:
        await supervisor.run()
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert [str(crash) for crash in caught.value.__cause__.exceptions] == [
        *("2 left", "1 left", "0 left")
    ]


async def test_a_limit_of_zero_never_restarts() -> None:
    source = Fragile(FakeKernel(), 1)
    with pytest.raises(LoopFailed, match="crashed 1 times"):
        await Supervisor(endless(source), restart=Restart(burst=0)).run()
    assert source.calls.count("enter") == 1


async def test_when_one_loop_fails_for_good_the_others_are_left_in_order() -> None:
    good = [FakeSource(FakeKernel(), name=f"good-{n}") for n in range(3)]
    bad = Fragile(FakeKernel(), math.inf)
    supervisor = Supervisor(*map(endless, [*good, bad]), restart=Restart(burst=2))
    with pytest.raises(LoopFailed):
        await supervisor.run()
    assert all(source.calls[-1] == "leave" for source in good)
    for loop in supervisor.loops:
        with pytest.raises(LoopStopped):
            await loop.reconcile()


async def test_crashes_that_are_far_apart_never_reach_the_limit() -> None:
    kernel = FakeKernel()
    source = Fragile(kernel)
    supervisor = Supervisor(endless(source), restart=Restart(burst=1, within=10.0))
    async with running(supervisor):
        for _ in range(50):
            source.crashes = 1
            kernel.lose_hints()
            await anyio.sleep(15)
        assert supervisor.restarts == 50


async def test_a_loop_that_cannot_be_entered_is_tried_until_the_limit() -> None:
    async def step(where: str) -> None:
        await checkpoint()
        if where == "enter":
            raise PermissionError(1, "not yours")

    source = FakeSource(FakeKernel(), step=step)
    with pytest.raises(LoopFailed, match="not yours"):
        await Supervisor(endless(source)).run()
    assert source.calls.count("enter") == 6


async def test_a_pass_that_could_not_run_is_no_crash() -> None:
    kernel = FakeKernel()
    kernel.fail(SourceError("not now"))
    supervisor = Supervisor(endless(FakeSource(kernel)), restart=Restart(burst=0))
    async with running(supervisor):
        await anyio.sleep(HOUR)
        assert supervisor.restarts == 0


# The backoff


@given(st.floats(0.01, 10), st.floats(0.01, 100), st.integers(1, 200), st.integers(0, 2**32))
def test_the_wait_doubles_with_jitter_up_to_the_longest(
    first: float, longest: float, crashes: int, seed: int
) -> None:
    wait = Restart(first=first, longest=longest).wait(crashes, random.Random(seed))
    whole = min(first * 2.0 ** (crashes - 1), longest)
    assert whole / 2 <= wait <= whole


async def test_a_loop_that_keeps_crashing_is_started_ever_more_rarely() -> None:
    source = Fragile(FakeKernel(), math.inf)
    loop = endless(source)
    restart = Restart(burst=10**6, within=HOUR, first=0.1, longest=60.0)
    async with anyio.create_task_group() as tg:
        tg.start_soon(Supervisor(loop, restart=restart).run)
        await anyio.sleep(HOUR)
        assert 60 <= source.calls.count("enter") <= 150
        loop.stop()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"burst": -1}, "burst: expected zero or more, got -1"),
        ({"burst": 1.5}, "burst: expected zero or more, got 1.5"),
        ({"burst": True}, "burst: expected zero or more, got True"),
        ({"within": 0}, "within: expected more than zero, got 0"),
        ({"first": "1"}, "first: expected seconds, got '1'"),
        ({"longest": -1.0}, "longest: expected more than zero, got -1.0"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DesiredStateError, match=message):
        Restart(**options)


def test_a_loop_cannot_be_given_twice() -> None:
    loop = endless(FakeSource(FakeKernel()))
    with pytest.raises(DesiredStateError, match=r"loops: .*fake.* given twice"):
        Supervisor(loop, loop)


# The end


async def test_it_ends_when_every_loop_was_stopped() -> None:
    loops = [endless(FakeSource(FakeKernel(), name=f"loop-{n}")) for n in range(3)]
    ended = anyio.Event()
    supervisor = Supervisor(*loops)

    async def run() -> None:
        await supervisor.run()
        ended.set()

    async with anyio.create_task_group() as tg:
        tg.start_soon(run)
        for loop in loops:
            assert not ended.is_set()
            await loop.wait_converged()
            loop.stop()
            await anyio.wait_all_tasks_blocked()
        assert ended.is_set()


async def test_a_stop_during_the_wait_before_a_restart_ends_it() -> None:
    source = Fragile(FakeKernel(), 1)
    loop = endless(source)
    supervisor = Supervisor(loop, restart=Restart(first=1000.0, longest=1000.0))
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tg:
            tg.start_soon(supervisor.run)
            await anyio.sleep(1)
            loop.stop()
    assert source.calls.count("enter") == 1


async def test_a_stop_before_the_first_pass_ends_it_as_a_start_too() -> None:
    source = Fragile(FakeKernel(), 1)
    loop = endless(source)
    supervisor = Supervisor(loop, restart=Restart(first=10.0))

    async def stop_soon() -> None:
        await anyio.sleep(1)
        loop.stop()

    async with anyio.create_task_group() as tg:
        tg.start_soon(stop_soon)
        await tg.start(supervisor.run)


async def test_a_stop_together_with_a_crash_is_a_stop() -> None:
    source = Fragile(FakeKernel())
    loop = endless(source)
    async with running(Supervisor(loop)):
        source.crashes = math.inf
        source.kernel.update("a", "2")
    assert source.calls.count("enter") == 1


@pytest.mark.parametrize("moment", ["running", "waiting for a restart"])
async def test_cancellation_passes_through(moment: str) -> None:
    source = Fragile(FakeKernel(), 1 if moment != "running" else 0)
    supervisor = Supervisor(endless(source), restart=Restart(first=1000.0, longest=1000.0))
    with anyio.move_on_after(10) as scope:
        await supervisor.run()
    assert scope.cancelled_caught
    assert source.calls[-1] == "leave"
    assert source.calls.count("enter") == 1


async def test_those_who_wait_are_told_when_it_is_cancelled() -> None:
    loop = Loop(FakeSource(FakeKernel()), {"never?": "1"})

    async def wait() -> None:
        with pytest.raises(LoopStopped):
            await loop.wait_converged()

    async with anyio.create_task_group() as tg:
        tg.start_soon(wait)
        with anyio.move_on_after(10):
            await Supervisor(loop).run()


async def test_it_can_run_again() -> None:
    kernel = FakeKernel()
    source = Fragile(kernel, 2)
    supervisor = Supervisor(endless(source))
    for _ in range(2):
        async with running(supervisor):
            assert kernel.objects == {"a": "1"}
            kernel.drift("a", "2")
