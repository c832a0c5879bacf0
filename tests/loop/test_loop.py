"""The loop: its options, its order, its failures."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from linx_async import (
    Claim,
    DesiredStateError,
    FileStore,
    Hint,
    Loop,
    MemoryStore,
    Ownership,
    Report,
    SourceError,
    StoreError,
    Trigger,
)
from linx_async.testing import Change, FakeKernel, FakeSource
from linx_async.testing.changes import Objects
from tests.loop.running import HOUR, crash, oppose, running

pytestmark = pytest.mark.anyio

Told = Report[Change] | SourceError


def endless(kernel: FakeKernel, desired: Objects, **options: Any) -> Loop[Objects, Any, Change]:
    """A loop that relies on hints alone."""
    options.setdefault("interval", math.inf)
    return Loop(FakeSource(kernel), desired, **options)


# What it is for


async def test_a_loop_makes_the_kernel_as_desired_and_keeps_it_so() -> None:
    kernel = FakeKernel()
    loop = endless(kernel, {"a": "1", "b": "2"})
    async with running(loop):
        assert kernel.objects == {"a": "1", "b": "2"}
        kernel.drift("a", "changed by hand")
        kernel.drift("b", None)
        await anyio.sleep(1)
        assert kernel.objects == {"a": "1", "b": "2"}
        assert loop.last_report is not None
        assert loop.last_report.converged


async def test_it_makes_one_quiet_pass_after_its_own_writes_and_then_rests() -> None:
    source = FakeSource(FakeKernel())
    async with running(Loop(source, {"a": "1"}, interval=math.inf)):
        await anyio.sleep(HOUR)
        assert source.calls.count("observe") == 2
        assert source.calls.count("apply") == 1


async def test_a_late_object_is_waited_for_and_then_it_converges() -> None:
    kernel = FakeKernel()
    loop = endless(kernel, {"late?": "1"})
    async with running(loop):
        assert loop.last_report is not None
        assert [waiting.key for waiting in loop.last_report.waiting] == ["late?"]
        kernel.drift("late", "here")
        assert (await loop.wait_converged()).trigger is Trigger.HINT
        assert kernel.objects["late?"] == "1"


async def test_foreign_objects_are_never_touched() -> None:
    kernel = FakeKernel({"foreign": "1", "other": "2"})
    async with running(endless(kernel, {"a": "1", "other": "0"})) as _:
        kernel.drift("foreign", "3")
        await anyio.sleep(10)
    assert kernel.objects == {"foreign": "3", "other": "2", "a": "1"}


# The options


async def test_desired_is_checked_and_copied_when_the_loop_is_made() -> None:
    with pytest.raises(DesiredStateError, match="'NO' is no key"):
        Loop(FakeSource(FakeKernel()), {"NO": "1"})
    mine = {"a": "1"}
    loop = endless(FakeKernel(), mine)
    mine["a"] = "2"
    assert loop.desired == {"a": "1"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": 0}, "interval: expected more than zero, got 0"),
        ({"interval": "5"}, "interval: expected seconds, got '5'"),
        ({"interval": math.nan}, "interval: .*nan"),
        ({"debounce": -0.1}, "debounce: expected zero or more, got -0.1"),
        ({"debounce": math.inf}, "debounce: expected at most"),
        ({"last_applied": {}}, "last_applied: expected an Ownership"),
        (
            {"last_applied": Ownership(), "store": MemoryStore()},
            "last_applied: give either this or a store",
        ),
        ({"on_report": "print"}, "on_report: expected a function, got 'print'"),
    ],
)
async def test_a_wrong_option_is_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DesiredStateError, match=message):
        Loop(FakeSource(FakeKernel()), {}, **options)


async def test_the_defaults_are_those_of_the_table() -> None:
    loop = Loop(FakeSource(FakeKernel(), name="fake@blue"), {"a": "1"})
    assert (loop.interval, loop.debounce, loop.name) == (5.0, 0.1, "fake@blue")
    assert loop.last_report is None
    assert loop.revision == 0


async def test_last_applied_is_what_it_owns_to_begin_with() -> None:
    kernel = FakeKernel({"mine": "1", "foreign": "1"})
    owned = Ownership().with_claims([Claim("mine", "1")])
    async with running(endless(kernel, {}, last_applied=owned)):
        assert kernel.objects == {"foreign": "1"}


async def test_ownership_is_kept_when_the_loop_runs_again() -> None:
    kernel = FakeKernel()
    loop = endless(kernel, {"a": "1", "b": "1"})
    async with running(loop):
        pass
    loop.put_desired({"a": "1"})
    async with running(loop):
        assert kernel.objects == {"a": "1"}


async def test_ownership_that_was_given_once_is_not_given_again_at_the_next_run() -> None:
    kernel = FakeKernel({"a": "1"})
    loop = endless(kernel, {}, last_applied=Ownership().with_claims([Claim("a", "1")]))
    async with running(loop):
        assert kernel.objects == {}
    kernel.drift("a", "1")
    async with running(loop):
        assert kernel.objects == {"a": "1"}


async def test_a_store_keeps_ownership_for_the_next_loop_of_that_name() -> None:
    kernel, store = FakeKernel(), MemoryStore()
    async with running(endless(kernel, {"a": "1", "b": "1"}, store=store, name="blue")):
        pass
    async with running(endless(kernel, {}, store=store, name="green")):
        assert kernel.objects == {"a": "1", "b": "1"}
    async with running(endless(kernel, {"a": "1"}, store=store, name="blue")):
        assert kernel.objects == {"a": "1"}


async def test_two_loops_of_one_name_cannot_share_a_store() -> None:
    kernel, store = FakeKernel(), MemoryStore()
    async with running(endless(kernel, {"a": "1"}, store=store)):
        with pytest.raises(StoreError, match="another loop named 'fake' holds this record"):
            await endless(kernel, {"a": "2"}, store=store).run()
    async with running(endless(kernel, {"a": "2"}, store=store)):
        assert kernel.objects == {"a": "2"}


async def test_a_damaged_record_ends_the_loop_before_anything_is_done(tmp_path: Any) -> None:
    kernel, store = FakeKernel(), FileStore(tmp_path)
    async with store.open("fake", "fake") as record:
        await record.save(Ownership())
    await anyio.to_thread.run_sync(damage, tmp_path)
    source = FakeSource(kernel)
    with pytest.raises(StoreError, match=str(tmp_path)):
        await Loop(source, {"a": "1"}, store=store).run()
    assert source.calls == ["enter", "leave"]


def damage(folder: Any) -> None:
    (file,) = folder.glob("*.json")
    file.write_text("{")


async def test_the_interval_is_how_often_a_source_without_hints_is_looked_at() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    source.subscribe = lambda: None  # type: ignore[method-assign]
    async with running(Loop(source, {"a": "1"}, interval=60.0)):
        kernel.drift("a", "2")
        await anyio.sleep(HOUR + 60 - 1)
        assert kernel.objects == {"a": "1"}
        assert 55 <= source.passes <= 67
        assert "subscribe" not in source.calls


async def test_without_a_monitor_there_is_no_subscription_and_the_resync_finds_all() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    async with running(Loop(source, {"a": "1"}, interval=60.0, monitor=False)):
        assert kernel.watched == 0
        kernel.drift("a", "2")
        await anyio.sleep(30)
        assert kernel.objects == {"a": "2"}
        await anyio.sleep(60)
        assert kernel.objects == {"a": "1"}
        assert "subscribe" not in source.calls


async def test_an_infinite_interval_relies_on_hints_alone() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    async with running(Loop(source, {"a": "1"}, interval=math.inf, monitor=False)):
        kernel.drift("a", "2")
        await anyio.sleep(24 * HOUR)
        assert source.passes == 1


async def test_a_missed_change_is_found_by_the_resync() -> None:
    kernel = FakeKernel()
    async with running(Loop(FakeSource(kernel), {"a": "1"}, interval=60.0)):
        await anyio.sleep(1)
        kernel.objects["a"] = "changed without a hint"
        await anyio.sleep(67)
        assert kernel.objects == {"a": "1"}


async def test_a_burst_of_hints_is_gathered_into_one_pass() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    async with running(Loop(source, {"a": "1"}, interval=math.inf, debounce=0.5)):
        await anyio.sleep(10)
        before = source.passes
        for number in range(20):
            kernel.drift("foreign", str(number))
            await anyio.sleep(0.01)
        await anyio.sleep(10)
        assert source.passes == before + 1


async def test_a_steady_stream_of_hints_does_not_starve_the_passes() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    async with running(Loop(source, {"a": "1"}, interval=math.inf, debounce=0.1)):
        before = source.passes
        for number in range(1000):
            kernel.drift("foreign", str(number))
            await anyio.sleep(0.05)
        assert 40 <= source.passes - before <= 60


async def test_lost_hints_are_a_reason_for_a_full_pass() -> None:
    kernel = FakeKernel()
    async with running(endless(kernel, {"a": "1"})):
        await anyio.sleep(1)
        kernel.objects["a"] = "changed without a hint"
        kernel.lose_hints()
        await anyio.sleep(1)
        assert kernel.objects == {"a": "1"}


async def test_on_report_is_called_after_each_pass() -> None:
    told: list[Told] = []
    kernel = FakeKernel()
    loop = endless(kernel, {"a": "1"}, on_report=told.append)
    async with running(loop):
        assert told == [loop.last_report]
        kernel.drift("a", "2")
        await anyio.sleep(1)
    reports = [report for report in told if isinstance(report, Report)]
    assert reports == told
    assert [(r.trigger, len(r.applied)) for r in reports] == [
        (Trigger.START, 1),
        (Trigger.HINT, 1),
        (Trigger.HINT, 0),
    ]


async def test_on_report_may_be_a_coroutine_function_and_is_waited_for() -> None:
    told: list[Told] = []

    async def on_report(report: Told) -> None:
        await anyio.sleep(1)
        told.append(report)

    loop = endless(FakeKernel(), {"a": "1"}, on_report=on_report)
    async with running(loop):
        assert told == [loop.last_report]


async def test_hints_that_come_while_on_report_takes_its_time_are_not_lost() -> None:
    kernel = FakeKernel()

    async def on_report(report: Told) -> None:
        kernel.objects["a"] = "2"
        kernel.lose_hints()
        await anyio.sleep(5)
        reports.append(report)
        if len(reports) == 3:
            loop.stop()

    reports: list[Told] = []
    loop = endless(kernel, {"a": "1"}, on_report=on_report)
    with anyio.fail_after(HOUR):
        await loop.run()
    assert len(reports) == 3


async def test_on_report_gets_the_error_of_a_pass_that_could_not_run() -> None:
    told: list[Told] = []
    kernel, error = FakeKernel(), SourceError("the scope is gone")
    kernel.fail(error)
    async with running(Loop(FakeSource(kernel), {}, on_report=told.append)):
        assert told == [error]


@pytest.mark.parametrize("is_async", [False, True])
async def test_what_on_report_raises_crashes_the_loop(is_async: bool) -> None:
    def on_report(_: Told) -> None:
        raise ZeroDivisionError

    async def on_report_async(_: Told) -> None:
        await checkpoint()
        raise ZeroDivisionError

    source = FakeSource(FakeKernel())
    with pytest.raises(ZeroDivisionError):
        await Loop(source, {}, on_report=on_report_async if is_async else on_report).run()
    assert source.calls[-1] == "leave"


# The order


async def test_it_subscribes_before_it_observes_and_after_it_enters() -> None:
    source = FakeSource(FakeKernel())
    async with running(Loop(source, {"a": "1"})):
        pass
    assert source.calls == ["enter", "subscribe", "observe", "apply", "leave"]


@pytest.mark.parametrize("moment", ["subscribe", "observe", "observed", "before put a = 1"])
async def test_no_change_falls_between_the_subscription_and_the_first_pass(moment: str) -> None:
    kernel = FakeKernel()

    async def step(where: str) -> None:
        await checkpoint()
        if where == moment and "b" not in kernel.objects:
            kernel.drift("b", "somebody else was quicker")

    loop = Loop(
        FakeSource(kernel, on_release="revert", step=step), {"a": "1", "b": "1"}, interval=math.inf
    )
    async with running(loop):
        await anyio.sleep(10)
        assert kernel.objects == {"a": "1", "b": "1"}


async def test_a_change_during_any_pass_is_seen_by_the_next() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    async with running(Loop(source, {"a": "1"}, interval=math.inf)):
        await anyio.sleep(1)
        left = 5

        async def step(where: str) -> None:
            nonlocal left
            await checkpoint()
            if where == "observed" and left:
                left -= 1
                kernel.drift("a", "changed behind its back")

        source.step = step
        kernel.drift("a", "2")
        await anyio.sleep(60)
        assert left == 0
        assert kernel.objects == {"a": "1"}


async def test_it_has_started_when_the_first_pass_is_over() -> None:
    source = FakeSource(FakeKernel())
    async with anyio.create_task_group() as tg:
        loop = Loop(source, {"a": "1"})
        await tg.start(loop.run)
        assert loop.last_report is not None
        assert source.kernel.look() == {"a": "1"}
        loop.stop()


async def test_it_has_started_even_if_the_first_pass_could_not_run() -> None:
    kernel = FakeKernel()
    failure = kernel.fail(SourceError("not yet"))
    loop = Loop(FakeSource(kernel), {"a": "1"})
    async with running(loop):
        assert loop.last_report is None
        failure.lift()
        await loop.wait_converged()


# Failures


@pytest.mark.parametrize(
    "error", [SourceError("not now"), PermissionError(13, "not now"), TimeoutError("not now")]
)
async def test_a_pass_that_could_not_run_is_tried_again_and_nothing_is_forgotten(
    error: Exception,
) -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    loop = Loop(source, {"a": "1", "b": "1"}, interval=math.inf)
    async with running(loop):
        before = loop.last_report
        with kernel.fail(error):
            revision = loop.put_desired({"a": "1"})
            await anyio.sleep(600)
            assert loop.last_report is before
        report = await loop.wait_converged(revision)
        assert report.trigger is Trigger.RETRY
        assert kernel.objects == {"a": "1"}


async def test_a_loop_that_cannot_run_its_passes_tries_ever_more_rarely() -> None:
    kernel = FakeKernel()
    kernel.fail(SourceError("not now"))
    source = FakeSource(kernel)
    async with running(Loop(source, {}, interval=60.0)):
        await anyio.sleep(HOUR)
        assert 60 <= source.passes <= 150


async def test_a_refused_op_is_tried_again_and_the_others_are_kept() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    refusal = kernel.refuse("a")
    loop = Loop(source, {"a": "1", "b": "1"}, interval=math.inf)
    async with running(loop):
        assert loop.last_report is not None
        assert [failure.key for failure in loop.last_report.failed] == ["a"]
        await anyio.sleep(60)
        refusal.lift()
        await loop.wait_converged()
        assert kernel.objects == {"a": "1", "b": "1"}


async def test_a_refused_op_does_not_slow_down_the_healing_of_others() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    kernel.refuse("a")
    async with running(Loop(source, {"a": "1", "b": "1"}, interval=math.inf)):
        await anyio.sleep(600)
        kernel.drift("b", "2")
        await anyio.sleep(0.2)
        assert kernel.objects["b"] == "1"


async def test_an_unexpected_error_crashes_the_loop_and_it_leaves_its_source() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    loop = Loop(source, {"a": "1"})
    with pytest.raises(KeyError, match="a bug"):
        await crash(loop, kernel, KeyError("a bug"))
    assert source.calls[-1] == "leave"
    assert kernel.watched == 0


@asynccontextmanager
async def stream(hints: AsyncIterator[Hint]) -> AsyncIterator[AsyncIterator[Hint]]:
    yield hints


async def ending(after: float) -> AsyncIterator[Hint]:
    await anyio.sleep(after)
    yield Hint("the last one")


async def crashing(after: float) -> AsyncIterator[Hint]:
    await anyio.sleep(after)
    yield Hint("the last one")
    raise OSError(107, "the socket is gone")


@pytest.mark.parametrize(
    ("hints", "error", "message"),
    [
        (ending, SourceError, "fake: the hints ended; the source does not watch any more"),
        (crashing, OSError, "the socket is gone"),
    ],
)
@pytest.mark.parametrize("after", [0.0, 30.0])
async def test_hints_that_end_or_crash_are_a_crash_of_the_loop_and_not_silence(
    hints: Callable[[float], AsyncIterator[Hint]],
    error: type[Exception],
    message: str,
    after: float,
) -> None:
    source = FakeSource(FakeKernel(), hints=stream(hints(after)))
    with pytest.raises(error, match=message), anyio.fail_after(HOUR):
        await Loop(source, {"a": "1"}).run()
    assert source.calls[-1] == "leave"


async def test_a_source_that_cannot_be_entered_ends_the_loop() -> None:
    async def step(where: str) -> None:
        if where == "enter":
            raise PermissionError(13, "not yours")

    with pytest.raises(PermissionError, match="not yours"):
        await Loop(FakeSource(FakeKernel(), step=step), {}).run()


async def test_a_subscription_that_cannot_be_had_ends_the_loop_and_the_source_is_left() -> None:
    async def step(where: str) -> None:
        if where == "subscribe":
            raise OSError(28, "too many watches")

    source = FakeSource(FakeKernel(), step=step)
    with pytest.raises(OSError, match="too many watches"):
        await Loop(source, {}).run()
    assert source.calls == ["enter", "subscribe", "leave"]


async def test_a_cancelled_loop_leaves_its_source_and_its_record() -> None:
    kernel, store = FakeKernel(), MemoryStore()
    source = FakeSource(kernel)
    async with anyio.create_task_group() as tg:
        await tg.start(Loop(source, {"a": "1"}, store=store).run)
        tg.cancel_scope.cancel()
    assert source.calls[-1] == "leave"
    assert kernel.watched == 0
    async with running(endless(kernel, {}, store=store)):
        assert kernel.objects == {}


# Fights


@pytest.mark.parametrize("debounce", [0.0, 0.1])
async def test_two_writers_that_fight_do_not_spin_and_the_key_is_named(debounce: float) -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    loop = Loop(source, {"a": "1", "b": "1"}, interval=60.0, debounce=debounce)
    async with anyio.create_task_group() as tg:
        tg.start_soon(oppose, kernel, "a", "mine")
        async with running(loop):
            await anyio.sleep(HOUR)
            assert source.passes < 200
            assert loop.last_report is not None
            assert loop.last_report.flapping == ("a",)
        tg.cancel_scope.cancel()


@pytest.mark.parametrize("debounce", [0.0, 0.01, 0.1, 1.0])
async def test_two_loops_that_fight_do_not_spin_either(debounce: float) -> None:
    kernel = FakeKernel()
    sources = [FakeSource(kernel, on_release="revert", name=name) for name in ("one", "two")]
    loops = [
        Loop(source, {"a": source.name}, interval=60.0, debounce=debounce) for source in sources
    ]
    async with running(*loops):
        await anyio.sleep(HOUR)
        for source, loop in zip(sources, loops, strict=True):
            assert source.passes < 250
            assert loop.last_report is not None
            assert loop.last_report.flapping == ("a",)


async def test_a_fight_over_one_key_does_not_slow_down_the_healing_of_others() -> None:
    kernel = FakeKernel()
    async with anyio.create_task_group() as tg:
        tg.start_soon(oppose, kernel, "a", "mine")
        async with running(Loop(FakeSource(kernel), {"a": "1", "b": "1"}, interval=math.inf)):
            await anyio.sleep(600)
            kernel.drift("b", "2")
            await anyio.sleep(0.2)
            assert kernel.objects["b"] == "1"
        tg.cancel_scope.cancel()


async def test_when_the_other_writer_gives_up_it_converges_and_nobody_is_named() -> None:
    kernel = FakeKernel()
    loop = Loop(FakeSource(kernel), {"a": "1"}, interval=60.0)
    async with running(loop):
        async with anyio.create_task_group() as tg:
            tg.start_soon(oppose, kernel, "a", "mine")
            await anyio.sleep(600)
            tg.cancel_scope.cancel()
        await anyio.sleep(600)
        assert kernel.objects == {"a": "1"}
        assert loop.last_report is not None
        assert loop.last_report.flapping == ()


@pytest.mark.parametrize("debounce", [0.0, 0.1])
@pytest.mark.parametrize("lose", [False, True], ids=["hints", "lost-hints"])
async def test_a_key_that_never_sticks_does_not_spin_and_is_named(
    debounce: float, lose: bool
) -> None:
    kernel = FakeKernel()

    async def step(where: str) -> None:
        await checkpoint()
        if lose and where.startswith("after put"):
            kernel.lose_hints()

    source = FakeSource(kernel, step=step)
    kernel.side_effect("a", {"a": "something else"})
    loop = Loop(source, {"a": "1", "b": "1"}, interval=60.0, debounce=debounce)
    async with running(loop):
        await anyio.sleep(HOUR)
        assert source.passes < 200
        assert loop.last_report is not None
        assert loop.last_report.flapping == ("a",)


async def test_a_refused_write_that_causes_a_hint_does_not_spin() -> None:
    kernel = FakeKernel()

    async def step(where: str) -> None:
        await checkpoint()
        if where.startswith("after put"):
            kernel.lose_hints()

    source = FakeSource(kernel, step=step)
    kernel.refuse("a")
    async with running(Loop(source, {"a": "1"}, interval=60.0, debounce=0.0)):
        await anyio.sleep(HOUR)
        assert source.passes < 200
