"""A pause in which the loop goes on looking, and the time since when a loop is at work."""

from __future__ import annotations

import math
from typing import Any

import anyio
import pytest

from linx_async import Loop, Report, Restart, SourceError, Supervisor, Trigger
from linx_async.testing import Change, FakeKernel, FakeSource
from tests.loop.running import HOUR, Gate, endless, running

pytestmark = pytest.mark.anyio

Told = Report[Change] | SourceError


def since(loop: Loop[Any, Any, Any]) -> float | None:
    return loop.busy_since


async def test_a_loop_that_only_looks_tells_what_is_due_and_applies_nothing() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    loop = Loop(source, {"a": "1"}, interval=5.0)
    async with running(loop):
        loop.pause(look=True)
        kernel.drift("a", "2")
        loop.put_desired({"a": "1", "b": "1"})
        before = source.passes
        await anyio.sleep(60)
        assert source.passes > before + 5  # the resync goes on
        report = loop.last_report
        assert report is not None
        assert not report.converged
        assert [str(op) for op in report.pending] == ["put a = 1", "put b = 1"]
        assert kernel.objects == {"a": "2"}
        loop.resume()
        await loop.wait_converged()
        assert kernel.objects == {"a": "1", "b": "1"}


async def test_a_hint_wakes_a_loop_that_only_looks() -> None:
    kernel = FakeKernel()
    loop = endless(FakeSource(kernel), {"a": "1"})
    async with running(loop), loop.reports() as reports:
        loop.pause(look=True)
        kernel.drift("a", "2")
        report = await anext(reports)
        assert isinstance(report, Report)
        assert report.trigger is Trigger.HINT
        assert [str(op) for op in report.pending] == ["put a = 1"]


async def test_to_look_takes_and_drops_no_claim() -> None:
    kernel = FakeKernel()
    loop = Loop(FakeSource(kernel), {"a": "1", "b": "1"}, interval=5.0)
    async with running(loop):
        loop.pause(look=True)
        kernel.drift("a", None)
        loop.put_desired({"c": "1"})
        await anyio.sleep(60)
        report = loop.last_report
        assert report is not None
        assert set(report.last_applied) == {"a", "b"}
        assert report.applied == ()
        loop.resume()
        await loop.wait_converged()
        assert kernel.objects == {"c": "1"}


async def test_what_is_due_to_nobody_is_converged_while_it_only_looks() -> None:
    loop = Loop(FakeSource(FakeKernel()), {"a": "1"}, interval=5.0)
    async with running(loop):
        loop.pause(look=True)
        revision = loop.put_desired({"a": "1"})
        assert (await loop.wait_converged(revision)).applied == ()


async def test_a_loop_that_only_looks_still_does_what_it_is_forced_to() -> None:
    kernel = FakeKernel()
    loop = Loop(FakeSource(kernel), {"a": "1"}, interval=5.0)
    async with running(loop):
        loop.pause(look=True)
        kernel.drift("a", "2")
        assert (await loop.reconcile()).converged
        assert kernel.objects == {"a": "1"}
        kernel.drift("a", "2")
        await anyio.sleep(HOUR)
        assert kernel.objects == {"a": "2"}


async def test_a_loop_that_is_paused_before_it_runs_has_looked_when_it_has_started() -> None:
    source = FakeSource(FakeKernel())
    loop = endless(source, {"a": "1"})
    loop.pause(look=True)
    async with running(loop):
        assert loop.last_report is not None
        assert [str(op) for op in loop.last_report.pending] == ["put a = 1"]
        assert "apply" not in source.calls


async def test_one_pause_may_turn_into_the_other() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    loop = Loop(source, {"a": "1"}, interval=5.0)
    async with running(loop):
        loop.pause()
        kernel.drift("a", "2")
        await anyio.sleep(60)
        before = source.passes
        loop.pause(look=True)
        await anyio.sleep(60)
        assert source.passes > before
        loop.pause()
        before = source.passes
        await anyio.sleep(60)
        assert source.passes == before
        assert kernel.objects == {"a": "2"}


@pytest.mark.parametrize("error", [SourceError("not now"), OSError(5, "not now")])
async def test_a_look_that_cannot_be_had_is_told_and_the_loop_goes_on(error: Exception) -> None:
    outcomes: list[Told] = []
    kernel = FakeKernel()
    loop = Loop(FakeSource(kernel), {"a": "1"}, interval=5.0, on_report=outcomes.append)
    async with running(loop):
        loop.pause(look=True)
        with kernel.fail(error):
            await anyio.sleep(60)
            assert isinstance(outcomes[-1], SourceError)
        loop.resume()
        await loop.wait_converged()


async def test_a_loop_that_waits_is_not_at_work_and_one_in_a_pass_is() -> None:
    source = FakeSource(FakeKernel())
    loop = Loop(source, {"a": "1"}, interval=math.inf)
    assert since(loop) is None
    async with running(loop), anyio.create_task_group() as tg:
        await anyio.sleep(60)
        assert since(loop) is None
        gate = Gate(source, "observe")
        tg.start_soon(loop.reconcile)
        await gate.reached.wait()
        began = anyio.current_time()
        await anyio.sleep(60)
        assert since(loop) == began
        gate.open()
        await anyio.sleep(60)
        assert since(loop) is None
    assert since(loop) is None


async def test_a_loop_that_enters_its_source_is_at_work_and_one_that_waits_to_restart_is_not() -> (
    None
):
    kernel = FakeKernel()
    source = FakeSource(kernel)
    loop = Loop(source, {"a": "1"}, interval=math.inf)
    gate = Gate(source, "enter")
    supervisor = Supervisor(loop, restart=Restart(first=60))
    async with anyio.create_task_group() as tg:
        tg.start_soon(supervisor.run)
        await gate.reached.wait()
        assert since(loop) == anyio.current_time()
        with kernel.fail(ZeroDivisionError()):
            gate.open()
            await anyio.sleep(1)
            assert supervisor.restarts == 1
            assert since(loop) is None
        await loop.wait_converged()
        loop.stop()
