"""What can be asked of a loop while it runs."""

from __future__ import annotations

from contextlib import suppress

import anyio
import pytest
from anyio.lowlevel import checkpoint

from linx_async import DesiredStateError, Loop, LoopStopped, Report, SourceError, Trigger
from linx_async.testing import Change, FakeKernel, FakeSource
from tests.loop.running import HOUR, Gate, crash, endless, running

pytestmark = pytest.mark.anyio

Told = Report[Change] | SourceError


# A forced pass


async def test_reconcile_forces_a_pass_and_gives_its_report() -> None:
    kernel = FakeKernel()
    loop = endless(FakeSource(kernel), {"a": "1"}, monitor=False)
    async with running(loop):
        kernel.drift("a", "2")
        report = await loop.reconcile()
        assert report.trigger is Trigger.FORCED
        assert report is loop.last_report
        assert kernel.objects == {"a": "1"}


async def test_reconcile_in_the_middle_of_a_pass_gets_one_that_begins_after_the_call() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    loop = endless(source, {"a": "1"}, monitor=False)
    async with running(loop), anyio.create_task_group() as tg:
        gate = Gate(source, "observed")
        tg.start_soon(loop.reconcile)
        await gate.reached.wait()
        kernel.drift("a", "2")  # the pass under way has read the kernel before this
        gate.open()
        report = await loop.reconcile()
        assert [str(op) for op in report.applied] == ["put a = 1"]
        assert kernel.objects == {"a": "1"}


async def test_callers_of_reconcile_that_come_together_share_one_pass() -> None:
    source = FakeSource(FakeKernel())
    loop = endless(source, {"a": "1"}, monitor=False)
    reports: list[Report[Change]] = []

    async def call() -> None:
        reports.append(await loop.reconcile())

    async with running(loop):
        before = source.passes
        async with anyio.create_task_group() as tg:
            for _ in range(10):
                tg.start_soon(call)
        assert source.passes == before + 1
        assert reports == [loop.last_report] * 10


async def test_callers_that_come_at_any_moment_each_get_a_pass_begun_after_their_call() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    loop = endless(source, {"a": "0"}, monitor=False)
    served = 0

    async def call(moment: int) -> None:
        nonlocal served
        for _ in range(moment):
            await checkpoint()
        begun = source.passes
        await loop.reconcile()
        assert source.passes > begun
        served += 1

    async with running(loop), anyio.create_task_group() as tg:
        for moment in range(100):
            tg.start_soon(call, moment)
    assert served == 100


async def test_reconcile_of_a_pass_that_cannot_run_raises_and_the_loop_goes_on() -> None:
    kernel = FakeKernel()
    loop = endless(FakeSource(kernel), {"a": "1"})
    async with running(loop):
        with kernel.fail(SourceError("not now")), pytest.raises(SourceError, match="not now"):
            await loop.reconcile()
        assert (await loop.reconcile()).converged


async def test_reconcile_does_not_wait_for_a_retry_or_for_a_fight_to_calm_down() -> None:
    kernel = FakeKernel()
    refusal = kernel.refuse("a")
    loop = endless(FakeSource(kernel), {"a": "1"})
    async with running(loop):
        await anyio.sleep(HOUR)
        refusal.lift()
        assert (await loop.reconcile()).converged


async def test_reconcile_of_a_loop_that_does_not_run_says_so() -> None:
    loop = endless(FakeSource(FakeKernel()), {})
    with pytest.raises(LoopStopped, match=r"'fake' is not running: start loop\.run\(\) first"):
        await loop.reconcile()
    async with running(loop):
        pass
    with pytest.raises(LoopStopped, match="not running"):
        await loop.reconcile()


@pytest.mark.parametrize("how", ["stop", "crash", "cancel"])
async def test_reconcile_ends_with_the_loop(how: str) -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    loop = endless(source, {"a": "1"})
    gate = Gate(source, "observe")

    async def run(scope: anyio.CancelScope) -> None:
        with suppress(ZeroDivisionError), scope:
            await loop.run()

    async def call() -> None:
        with pytest.raises(LoopStopped, match="loop 'fake' ended before the pass did"):
            await loop.reconcile()

    async with anyio.create_task_group() as tg:
        scope = anyio.CancelScope()
        tg.start_soon(run, scope)
        await gate.reached.wait()
        tg.start_soon(call)
        await anyio.wait_all_tasks_blocked()
        if how == "stop":
            loop.stop()
        elif how == "crash":
            kernel.fail(ZeroDivisionError())
        else:
            scope.cancel()
        gate.open()


async def test_a_pass_that_a_loop_did_not_come_to_is_not_made_by_its_next_run() -> None:
    source = FakeSource(FakeKernel())
    loop = endless(source, {"a": "1"})
    async with running(loop):
        with anyio.CancelScope() as scope:
            scope.cancel()
            await loop.reconcile()
        loop.stop()
    passes = source.passes
    loop.pause()
    async with running(loop):
        await anyio.sleep(60)
        assert source.passes == passes


async def test_a_caller_of_reconcile_may_be_cancelled() -> None:
    source = FakeSource(FakeKernel())
    loop = endless(source, {"a": "1"})
    async with running(loop):
        gate = Gate(source, "observe")
        with anyio.move_on_after(10):
            await loop.reconcile()
        gate.open()
        assert (await loop.reconcile()).converged


# A new desired state


async def test_put_desired_leads_to_a_pass_that_converges_on_it() -> None:
    kernel = FakeKernel()
    loop = endless(FakeSource(kernel), {"a": "1"}, monitor=False)
    async with running(loop):
        revision = loop.put_desired({"b": "2"})
        report = await loop.wait_converged(revision)
        assert report.trigger is Trigger.DESIRED
        assert report.revision == revision == loop.revision == 1
        assert kernel.objects == {"b": "2"}
        assert loop.desired == {"b": "2"}


async def test_many_new_desired_states_in_a_row_are_one_pass_on_the_last() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    loop = endless(source, {"a": "0"}, monitor=False)
    async with running(loop):
        before = source.passes
        for number in range(1, 21):
            loop.put_desired({"a": str(number)})
            await anyio.sleep(0.01)
        await loop.wait_converged()
        assert source.passes == before + 1
        assert kernel.objects == {"a": "20"}


async def test_a_wrong_desired_state_is_refused_and_the_loop_goes_on_with_the_old_one() -> None:
    kernel = FakeKernel()
    loop = endless(FakeSource(kernel), {"a": "1"})
    async with running(loop):
        with pytest.raises(DesiredStateError, match="a: expected text, got 1"):
            loop.put_desired({"a": 1})  # type: ignore[dict-item]
        assert loop.revision == 0
        assert loop.desired == {"a": "1"}
        assert (await loop.reconcile()).converged


async def test_a_desired_state_that_is_put_during_a_pass_is_for_the_next() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    loop = endless(source, {"a": "1"}, monitor=False)
    async with running(loop), anyio.create_task_group() as tg:
        gate = Gate(source, "observed")
        tg.start_soon(loop.reconcile)
        await gate.reached.wait()
        revision = loop.put_desired({"a": "2"})
        gate.open()
        assert (await loop.wait_converged(revision)).revision == revision
        assert kernel.objects == {"a": "2"}


async def test_a_desired_state_that_is_put_before_the_loop_runs_is_its_first() -> None:
    kernel = FakeKernel()
    loop = endless(FakeSource(kernel), {"a": "1"})
    revision = loop.put_desired({"a": "2"})
    async with running(loop):
        assert (await loop.wait_converged(revision)).trigger is Trigger.START
        assert kernel.changes == 1


async def test_wait_converged_returns_at_once_when_it_is_so() -> None:
    loop = endless(FakeSource(FakeKernel()), {"a": "1"})
    async with running(loop):
        with anyio.fail_after(0.01):
            assert await loop.wait_converged() is loop.last_report


async def test_wait_converged_waits_for_what_waits() -> None:
    kernel = FakeKernel()
    loop = endless(FakeSource(kernel), {"late?": "1"})
    async with running(loop):
        with anyio.move_on_after(HOUR) as scope:
            await loop.wait_converged()
        assert scope.cancelled_caught
        kernel.drift("late", "here")
        await loop.wait_converged()


async def test_a_later_revision_will_do() -> None:
    loop = endless(FakeSource(FakeKernel()), {"a": "1"})
    async with running(loop):
        first = loop.put_desired({"a": "2"})
        loop.put_desired({"a": "3"})
        assert (await loop.wait_converged(first)).revision == 2


async def test_waiting_may_begin_before_the_loop_does() -> None:
    loop = endless(FakeSource(FakeKernel()), {"a": "1"})
    reports = []

    async def wait() -> None:
        reports.append(await loop.wait_converged())

    async with anyio.create_task_group() as tg:
        tg.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        async with running(loop):
            pass
    assert reports == [loop.last_report]


@pytest.mark.parametrize("how", ["stop", "crash"])
async def test_wait_converged_ends_with_the_loop(how: str) -> None:
    kernel = FakeKernel()
    loop = Loop(FakeSource(kernel), {"never?": "1"})

    async def wait() -> None:
        with pytest.raises(LoopStopped, match="'fake' ended before it reached revision=0"):
            await loop.wait_converged()

    async with anyio.create_task_group() as tg:
        tg.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        if how == "stop":
            async with running(loop):
                await anyio.sleep(1)
        else:
            with pytest.raises(ZeroDivisionError):
                await crash(loop, kernel, ZeroDivisionError())


# Reports


async def test_reports_is_a_stream_of_reports_and_errors_and_ends_with_the_loop() -> None:
    kernel, error = FakeKernel(), SourceError("not now")
    loop = endless(FakeSource(kernel), {"a": "1"}, monitor=False)
    seen: list[Told] = []
    first: Report[Change] | None = None

    async def watch(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        async with loop.reports() as reports:
            task_status.started()
            seen.extend([report async for report in reports])

    async with anyio.create_task_group() as tg:
        await tg.start(watch)
        async with running(loop):
            first = loop.last_report
            with kernel.fail(error), pytest.raises(SourceError):
                await loop.reconcile()
    assert seen == [first, error]
    assert loop.last_report is first


async def test_a_slow_watcher_of_reports_loses_the_oldest_and_slows_nobody() -> None:
    loop = endless(FakeSource(FakeKernel()), {"a": "1"}, monitor=False)
    async with running(loop), loop.reports() as reports:
        made = [await loop.reconcile() for _ in range(100)]
        loop.stop()
        assert [report async for report in reports] == made[-64:]


async def test_reports_of_a_loop_that_has_ended_end_at_once() -> None:
    loop = endless(FakeSource(FakeKernel()), {"a": "1"})
    async with running(loop):
        pass
    async with loop.reports() as reports:
        assert [report async for report in reports] == []


async def test_reports_go_on_when_the_loop_runs_again() -> None:
    loop = endless(FakeSource(FakeKernel()), {"a": "1"})
    for _ in range(2):
        async with running(loop), loop.reports() as reports:
            report = await loop.reconcile()
            assert await anext(reports) is report


async def test_a_report_that_came_later_does_not_change_an_earlier_one() -> None:
    kernel = FakeKernel()
    loop = endless(FakeSource(kernel), {"a": "1"}, monitor=False)
    async with running(loop):
        first = loop.last_report
        assert first is not None
        loop.put_desired({})
        await loop.wait_converged()
        assert set(first.last_applied) == {"a"}
        assert loop.last_report is not first


# A pause


async def test_a_paused_loop_makes_no_passes_until_it_is_resumed() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    loop = Loop(source, {"a": "1"}, interval=5.0)
    async with running(loop):
        loop.pause()
        before = source.passes
        kernel.drift("a", "2")
        loop.put_desired({"a": "3"})
        await anyio.sleep(HOUR)
        assert source.passes == before
        assert kernel.objects == {"a": "2"}
        loop.resume()
        await loop.wait_converged()
        assert not loop.paused
        assert kernel.objects == {"a": "3"}


async def test_to_resume_is_to_look_even_where_nothing_was_hinted_at() -> None:
    kernel = FakeKernel()
    loop = endless(FakeSource(kernel), {"a": "1"}, monitor=False)
    async with running(loop):
        loop.pause()
        kernel.drift("a", "2")
        await anyio.sleep(60)
        loop.resume()
        await anyio.sleep(1)
        assert kernel.objects == {"a": "1"}


async def test_a_paused_loop_still_does_what_it_is_forced_to() -> None:
    kernel = FakeKernel()
    loop = endless(FakeSource(kernel), {"a": "1"})
    async with running(loop):
        loop.pause()
        kernel.drift("a", "2")
        assert (await loop.reconcile()).converged
        assert kernel.objects == {"a": "1"}
        assert loop.paused


async def test_a_loop_that_is_paused_before_it_runs_starts_without_a_pass() -> None:
    source = FakeSource(FakeKernel())
    loop = Loop(source, {"a": "1"})
    loop.pause()
    async with running(loop):
        await anyio.sleep(HOUR)
        assert source.passes == 0
        loop.resume()
        await loop.wait_converged()


async def test_pausing_and_resuming_twice_is_fine() -> None:
    loop = endless(FakeSource(FakeKernel()), {"a": "1"})
    loop.resume()
    async with running(loop):
        loop.pause()
        loop.pause()
        loop.resume()
        loop.resume()
        assert (await loop.reconcile()).converged


# The end


async def test_a_stopped_loop_returns_and_leaves_its_source() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    loop = endless(source, {"a": "1"})
    async with running(loop):
        loop.stop()
    assert source.calls[-1] == "leave"
    assert kernel.watched == 0
    assert kernel.objects == {"a": "1"}


async def test_stop_lets_the_pass_under_way_come_to_its_end() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel, batch=1)
    loop = endless(source, {"a": "1", "b": "1", "c": "1"})
    gate = Gate(source, "before put a = 1")
    async with anyio.create_task_group() as tg:
        tg.start_soon(loop.run)
        await gate.reached.wait()
        loop.stop()
        gate.open()
    assert kernel.objects == {"a": "1", "b": "1", "c": "1"}
    assert loop.last_report is not None
    assert loop.last_report.converged


async def test_a_paused_loop_can_be_stopped() -> None:
    loop = endless(FakeSource(FakeKernel()), {"a": "1"})
    async with running(loop):
        loop.pause()
        await anyio.sleep(1)


async def test_a_loop_that_is_stopped_before_it_runs_ends_without_a_pass() -> None:
    source = FakeSource(FakeKernel())
    loop = endless(source, {"a": "1"})
    loop.stop()
    async with anyio.create_task_group() as tg:
        await tg.start(loop.run)
    assert source.passes == 0


async def test_a_stopped_loop_can_run_again() -> None:
    kernel = FakeKernel()
    loop = endless(FakeSource(kernel), {"a": "1"})
    for _ in range(3):
        async with running(loop):
            assert kernel.objects == {"a": "1"}
            kernel.drift("a", "2")


async def test_a_loop_cannot_run_twice_at_once_and_the_first_does_not_notice() -> None:
    kernel = FakeKernel()
    loop = endless(FakeSource(kernel), {"a": "1"})
    async with running(loop), loop.reports() as reports:
        with pytest.raises(LoopStopped, match="loop 'fake' is running already"):
            await loop.run()
        kernel.drift("a", "2")
        report = await anext(reports)
        assert isinstance(report, Report)
        await loop.wait_converged()
        assert (await loop.reconcile()).converged
