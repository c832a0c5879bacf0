"""What loops tell of themselves, and what is counted of it."""

from __future__ import annotations

import math
from typing import Any

import anyio
import pytest

from linx_async import (
    DesiredStateError,
    Hint,
    Hooks,
    Loop,
    Report,
    Restart,
    SourceError,
    Supervisor,
    Trigger,
    Verb,
)
from linx_async.metrics import BOUNDS, Counts, Spread
from linx_async.testing import FakeKernel, FakeSource
from tests.loop.running import running

pytestmark = pytest.mark.anyio


class Heard(Hooks):
    """All that is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def hinted(self, loop: str, hint: Hint) -> None:
        self.told.append(f"{loop}: hint{' and losses' if hint.lost else ''}")

    def began(self, loop: str, trigger: Trigger) -> None:
        self.told.append(f"{loop}: begins, {trigger.value}")

    def passed(self, loop: str, outcome: Report[Any] | SourceError) -> None:
        self.told.append(f"{loop}: {type(outcome).__name__}")

    def crashed(self, loop: str, error: Exception) -> None:
        self.told.append(f"{loop}: {error!r}")


def endless(source: FakeSource, *hooks: Hooks, name: str = "one") -> Loop[Any, Any, Any]:
    return Loop(source, {"a": "1"}, interval=math.inf, name=name, hooks=hooks)


async def test_hooks_hear_of_hints_and_of_both_ends_of_a_pass_in_their_order() -> None:
    kernel, heard = FakeKernel(), Heard()
    async with running(endless(FakeSource(kernel), heard)):
        assert {*heard.told} >= {"one: begins, start", "one: Report"}
        await anyio.sleep(1)  # what we did ourselves is hinted at, too
        assert heard.told.count("one: hint") == 1
        heard.told.clear()
        kernel.lose_hints()
        await anyio.sleep(1)
    assert heard.told == ["one: hint and losses", "one: begins, hint", "one: Report"]


async def test_a_pass_that_could_not_run_is_told_of() -> None:
    kernel, heard = FakeKernel(), Heard()
    kernel.fail(SourceError("no answer"))
    async with running(endless(FakeSource(kernel), heard)):
        assert heard.told == ["one: begins, start", "one: SourceError"]


async def test_a_crash_is_told_of_and_so_is_the_pass_after_it() -> None:
    kernel, heard = FakeKernel(), Heard()
    supervisor = Supervisor(endless(FakeSource(kernel), heard), restart=Restart(burst=1))
    async with running(supervisor):
        await anyio.sleep(1)
        heard.told.clear()
        with kernel.fail(ZeroDivisionError()):
            supervisor.loops[0].put_desired({"a": "2"})
            await anyio.sleep(0.11)
        await anyio.sleep(1)
    told = [each for each in heard.told if each != "one: hint"]
    assert told[:4] == [
        "one: begins, desired",
        "one: ZeroDivisionError()",
        "one: begins, start",
        "one: Report",
    ]


async def test_several_hooks_hear_of_several_loops() -> None:
    first, second = Heard(), Heard()
    loops = [endless(FakeSource(FakeKernel()), first, second, name=name) for name in ("one", "two")]
    async with running(*loops):
        await anyio.sleep(1)
    assert first.told == second.told
    assert {told.split(":")[0] for told in first.told} == {"one", "two"}


async def test_what_hooks_raise_crashes_the_loop() -> None:
    class Broken(Hooks):
        def began(self, loop: str, trigger: Trigger) -> None:
            raise ZeroDivisionError

    source = FakeSource(FakeKernel())
    with pytest.raises(ZeroDivisionError):
        await endless(source, Broken()).run()
    assert source.calls[-1] == "leave"


@pytest.mark.parametrize(
    ("hooks", "message"),
    [(Hooks(), "hooks: expected several"), ([print], "hooks: expected Hooks, got <built-in")],
)
async def test_wrong_hooks_are_refused_by_name(hooks: Any, message: str) -> None:
    with pytest.raises(DesiredStateError, match=message):
        Loop(FakeSource(FakeKernel()), {}, hooks=hooks)


# What is counted


async def test_hints_passes_and_ops_are_counted() -> None:
    kernel, counts = FakeKernel(), Counts()
    source = FakeSource(kernel, batch=1)
    loop = endless(source, counts)
    async with running(loop):
        await anyio.sleep(1)
        kernel.lose_hints()
        await anyio.sleep(1)
        one = counts.loops["one"]
        assert (one.hints, one.lost) == (2, 1)
        kernel.refuse("b")
        await loop.wait_converged(loop.put_desired({"a": "2"}))
        await anyio.sleep(1)
        loop.put_desired({"a": "2", "b": "1", "c<b": "1"})
        await anyio.sleep(0.11)
    assert one.passes[Trigger.START, "converged"] == 1
    assert one.passes[Trigger.DESIRED, "converged"] == 1
    assert one.passes[Trigger.DESIRED, "not converged"] == 1
    assert one.ops == {
        (Verb.CREATE, "applied"): 1,
        (Verb.UPDATE, "applied"): 1,
        (Verb.CREATE, "failed"): 1,
        (Verb.CREATE, "pending"): 1,
    }
    assert (one.failed, one.waiting, one.conflicts, one.flapping) == (1, 0, 0, 0)
    assert not one.converged
    assert one.last_converged is not None


async def test_drift_is_what_changed_after_a_pass_had_left_it_as_desired() -> None:
    kernel, counts = FakeKernel(), Counts()
    loop = endless(FakeSource(kernel), counts)
    async with running(loop):
        await anyio.sleep(1)
        assert counts.loops["one"].healed == 0
        await loop.wait_converged(loop.put_desired({"a": "2", "b": "1"}))
        assert counts.loops["one"].healed == 0
        kernel.drift("a", "3")
        await anyio.sleep(1)
        assert counts.loops["one"].healed == 1


async def test_drift_is_counted_beside_what_waits() -> None:
    kernel, counts = FakeKernel(), Counts()
    loop = endless(FakeSource(kernel), counts)
    async with running(loop):
        loop.put_desired({"a": "1", "later?": "1"})
        await anyio.sleep(1)
        kernel.drift("a", "2")
        await anyio.sleep(1)
        one = counts.loops["one"]
        assert (one.waiting, one.healed) == (1, 1)


async def test_what_has_waited_is_no_drift() -> None:
    kernel, counts = FakeKernel(), Counts()
    loop = endless(FakeSource(kernel), counts)
    async with running(loop):
        loop.put_desired({"a": "1", "later?": "1"})
        await anyio.sleep(1)
        assert counts.loops["one"].waiting == 1
        kernel.drift("later", "there")
        await loop.wait_converged()
        assert counts.loops["one"].healed == 0


async def test_the_latency_goes_from_the_first_hint_to_the_end_of_the_pass() -> None:
    kernel, counts = FakeKernel(), Counts()
    loop = Loop(
        FakeSource(kernel), {"a": "1"}, interval=math.inf, debounce=1.0, name="one", hooks=[counts]
    )
    async with running(loop):
        await anyio.sleep(10)
        kernel.drift("a", "2")
        await anyio.sleep(0.5)
        kernel.drift("a", "3")
        await anyio.sleep(1.2)
        assert kernel.objects == {"a": "1"}
        assert counts.loops["one"].latencies.last == pytest.approx(1.5)
        await anyio.sleep(10)  # what we have set ourselves is hinted at, and nothing to heal
        assert counts.loops["one"].latencies.count == 1


async def test_a_pass_that_could_not_run_and_a_crash_are_counted() -> None:
    kernel, counts = FakeKernel(), Counts()
    supervisor = Supervisor(endless(FakeSource(kernel), counts))
    async with running(supervisor):
        await anyio.sleep(1)
        with kernel.fail(SourceError("no answer")):
            supervisor.loops[0].put_desired({"a": "2"})
            await anyio.sleep(0.11)
        one = counts.loops["one"]
        assert one.passes[Trigger.DESIRED, "error"] == 1
        assert not one.converged
        with kernel.fail(ZeroDivisionError()):
            await anyio.sleep(1)
        await supervisor.loops[0].wait_converged()
        assert one.crashes >= 1


async def test_after_a_thousand_names_all_others_are_counted_as_one() -> None:
    counts = Counts()
    for number in range(1100):
        counts.hinted(f"loop {number}", Hint("something"))
    assert len(counts.loops) == 1001
    assert counts.loops["(others)"].hints == 100


async def test_a_loop_that_is_gone_can_be_forgotten() -> None:
    counts = Counts()
    counts.hinted("one", Hint("something"))
    counts.forget("one")
    counts.forget("never heard of")
    assert dict(counts.loops) == {}


async def test_seconds_fall_into_the_bucket_that_ends_with_them() -> None:
    spread = Spread()
    for seconds in (0.0, BOUNDS[0], BOUNDS[1], 1e6):
        spread.add(seconds)
    assert spread.buckets[:2] == [2, 1]
    assert spread.buckets[-1] == 1
    assert (spread.count, spread.last) == (4, 1e6)
