"""The fake kernel and its faults, as a loop over it and a pass on it meet them."""

from __future__ import annotations

import errno
import math
import pickle
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linx_async import (
    DesiredStateError,
    Hint,
    Loop,
    MemoryStore,
    Ownership,
    Report,
    ScopeGone,
    Source,
    SourceError,
    Verb,
    reconcile,
)
from linx_async.testing import Change, FakeKernel, FakeSource, Fault, NoAnswer
from linx_async.testing.changes import Objects
from tests.loop.running import HOUR, endless, running

pytestmark = pytest.mark.anyio


async def one_pass(
    kernel: FakeKernel, desired: Objects, last_applied: Ownership | None = None
) -> Report[Change]:
    return await reconcile(FakeSource(kernel), desired, last_applied=last_applied)


# The kernel ---------------------------------------------------------------------------------------


def test_a_create_makes_what_is_not_there_and_nothing_else() -> None:
    kernel = FakeKernel()
    assert kernel.create("a", "1") == "1"
    with pytest.raises(FileExistsError):
        kernel.create("a", "2")
    assert kernel.look() == {"a": "1"}


def test_an_update_and_a_delete_take_what_is_there_and_nothing_else() -> None:
    kernel = FakeKernel({"a": "1"})
    kernel.update("a", "2")
    assert kernel.look() == {"a": "2"}
    kernel.delete("a")
    with pytest.raises(FileNotFoundError):
        kernel.update("a", "3")
    with pytest.raises(FileNotFoundError):
        kernel.delete("a")
    assert (kernel.look(), kernel.changes) == ({}, 2)


def test_a_look_gives_a_copy() -> None:
    kernel = FakeKernel({"a": "1"})
    kernel.look()["a"] = "2"
    assert kernel.objects == {"a": "1"}


def test_somebody_else_puts_and_takes_objects() -> None:
    kernel = FakeKernel({"a": "1"})
    kernel.drift("b", "2")
    kernel.drift("a", None)
    assert kernel.objects == {"b": "2"}
    with pytest.raises(FileNotFoundError):
        kernel.drift("a", None)


async def test_every_change_is_told_to_all_who_watch_and_to_nobody_after_that() -> None:
    kernel = FakeKernel()
    with kernel.watch() as one, kernel.watch() as other:
        assert kernel.watched == 2
        kernel.create("a", "1")
        kernel.drift("b", "1")
        for hints in (one, other):
            assert [await anext(hints), await anext(hints)] == [
                Hint("a changed", frozenset({"a"})),
                Hint("b changed", frozenset({"b"})),
            ]
    assert kernel.watched == 0


async def test_what_is_changed_directly_is_told_to_nobody() -> None:
    kernel = FakeKernel()
    async with running(endless(FakeSource(kernel), {"a": "1"})):
        await anyio.sleep(1)  # its own write is told to it too
        kernel.objects["a"] = "2"
        await anyio.sleep(HOUR)
        assert kernel.objects == {"a": "2"}


async def test_a_test_waits_for_what_it_wants_to_see_and_no_longer() -> None:
    kernel = FakeKernel({"a": "1"})
    await kernel.until(lambda objects: objects == {"a": "1"})
    async with running(endless(FakeSource(kernel), {"b": "1"})):
        kernel.drift("b", "2")
        await kernel.until(lambda objects: objects["b"] == "1")
        assert kernel.objects == {"a": "1", "b": "1"}


async def test_it_sees_what_no_hint_tells() -> None:
    kernel = FakeKernel()
    seen: list[str] = []

    async def see(key: str) -> None:
        await kernel.until(lambda objects: key in objects)
        seen.append(key)

    async with anyio.create_task_group() as tg:
        for key in ("a", "b"):
            tg.start_soon(see, key)
        await anyio.wait_all_tasks_blocked()
        with kernel.drop_hints():
            kernel.drift("a", "1")
        await anyio.wait_all_tasks_blocked()
        assert seen == ["a"]
        kernel.vanish()
        kernel.come_back({"b": "1"})
    assert seen == ["a", "b"]


# Faults -------------------------------------------------------------------------------------------


async def test_a_refused_change_fails_with_its_number_and_what_the_kernel_says() -> None:
    kernel = FakeKernel()
    kernel.refuse("a", errno.EBUSY, "a device is in the way")
    report = await one_pass(kernel, {"a": "1", "b": "1"})
    assert str(report.failed[0].error) == (
        "a: EBUSY (Device or resource busy): a device is in the way"
    )
    assert kernel.objects == {"b": "1"}
    assert set(report.last_applied) == {"b"}


async def test_a_refusal_may_be_of_one_verb_and_of_many_keys() -> None:
    kernel = FakeKernel({"a1": "0", "a2": "0", "b1": "0"})
    refusal = kernel.refuse(lambda key: key.startswith("a"), verbs=[Verb.DELETE])
    kernel.update("a1", "1")
    for key in ("a1", "a2"):
        with pytest.raises(PermissionError):
            kernel.delete(key)
    kernel.delete("b1")
    assert refusal.struck == 2


async def test_a_loop_gets_over_a_refusal_that_passes_by_itself() -> None:
    kernel = FakeKernel()
    refusal = kernel.refuse("a", times=3)
    loop = endless(FakeSource(kernel), {"a": "1"})
    async with running(loop):
        await loop.wait_converged()
        assert kernel.objects == {"a": "1"}
        assert (refusal.struck, refusal.times) == (3, 0)


@pytest.mark.parametrize("done", [False, True])
async def test_a_change_whose_answer_never_comes_is_unknown_and_stays_ours(done: bool) -> None:
    kernel = FakeKernel()
    with kernel.never_answer("a", done=done):
        report = await one_pass(kernel, {"a": "1"})
    assert report.failed[0].unknown
    assert set(report.last_applied) == {"a"}
    assert kernel.objects == ({"a": "1"} if done else {})
    again = await one_pass(kernel, {}, report.last_applied)
    assert again.converged
    assert kernel.objects == {}


@pytest.mark.parametrize("done", [False, True])
def test_what_cannot_be_done_is_not_answered_either(done: bool) -> None:
    kernel = FakeKernel({"a": "1"})
    kernel.never_answer("a", done=done)
    with pytest.raises(NoAnswer):
        kernel.create("a", "2")
    assert kernel.objects == {"a": "1"}


def test_without_a_source_that_waits_no_answer_is_an_exception() -> None:
    kernel = FakeKernel()
    kernel.never_answer("a")
    with pytest.raises(NoAnswer, match="a: no answer will ever come"):
        kernel.create("a", "1")


def test_it_survives_a_trip_to_another_process() -> None:
    again = pickle.loads(pickle.dumps(NoAnswer("a")))
    assert (again.key, str(again)) == ("a", "a: no answer will ever come")


async def test_a_rounded_value_converges_once_and_stays_quiet() -> None:
    kernel = FakeKernel()
    kernel.round("limit", lambda text: str(int(text) // 4096 * 4096))
    first = await one_pass(kernel, {"limit": "10000"})
    assert kernel.objects == {"limit": "8192"}
    assert first.last_applied["limit"].settled == "8192"
    second = await one_pass(kernel, {"limit": "10000"}, first.last_applied)
    assert second.converged
    assert second.applied == ()


async def test_drift_from_a_rounded_value_is_healed() -> None:
    kernel = FakeKernel()
    kernel.round("a", str.lower)
    async with running(endless(FakeSource(kernel), {"a": "ON"})):
        kernel.drift("a", "off")
        await anyio.sleep(60)
        assert kernel.objects == {"a": "on"}


async def test_a_side_effect_on_a_desired_key_is_healed_by_the_next_pass() -> None:
    kernel = FakeKernel()
    effect = kernel.side_effect("a", {"b": None, "c": "reset"}, times=1)
    async with running(endless(FakeSource(kernel), {"b": "1", "c": "1", "a": "1"})):
        await anyio.sleep(60)
        assert effect.struck == 1
        assert kernel.objects == {"a": "1", "b": "1", "c": "1"}


def test_a_delete_may_take_others_along() -> None:
    kernel = FakeKernel({"link": "up", "address": "there"})
    kernel.side_effect("link", {"address": None}, verbs=[Verb.DELETE])
    kernel.update("link", "down")
    assert "address" in kernel.objects
    kernel.delete("link")
    assert kernel.objects == {}


async def test_a_write_that_never_sticks_is_named() -> None:
    kernel = FakeKernel()
    kernel.side_effect("a", {"a": "something else"})
    loop = endless(FakeSource(kernel), {"a": "1"})
    async with running(loop):
        await anyio.sleep(HOUR)
        assert loop.last_report is not None
        assert loop.last_report.flapping == ("a",)


async def test_a_dropped_hint_is_healed_by_the_resync() -> None:
    kernel = FakeKernel()
    loop = Loop(FakeSource(kernel), {"a": "1"}, interval=60.0)
    async with running(loop):
        await anyio.sleep(1)
        with kernel.drop_hints():
            kernel.drift("a", "2")
        await anyio.sleep(30)
        assert kernel.objects == {"a": "2"}
        await anyio.sleep(60)
        assert kernel.objects == {"a": "1"}


async def test_a_dropped_hint_may_be_one_key_s() -> None:
    kernel = FakeKernel()
    kernel.drop_hints("a")
    with kernel.watch() as hints:
        kernel.drift("a", "1")
        kernel.drift("b", "1")
        assert (await anext(hints)).keys == frozenset({"b"})


async def test_lost_hints_are_healed_at_once_since_the_kernel_says_so() -> None:
    kernel = FakeKernel()
    async with running(endless(FakeSource(kernel), {"a": "1"})):
        with kernel.drop_hints():
            kernel.drift("a", "2")
        kernel.lose_hints()
        await anyio.sleep(1)
        assert kernel.objects == {"a": "1"}


async def test_hints_that_end_crash_a_loop() -> None:
    kernel = FakeKernel()

    loop = Loop(FakeSource(kernel), {"a": "1"}, on_report=lambda _: kernel.end_hints())
    with pytest.raises(SourceError, match="the hints ended"):
        await loop.run()


async def test_hints_that_ended_stay_ended() -> None:
    kernel = FakeKernel()
    with kernel.watch() as hints:
        kernel.end_hints()
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await anext(hints)


async def test_hints_end_also_where_more_came_than_are_kept_apart() -> None:
    kernel = FakeKernel()
    with kernel.watch() as hints:
        for number in range(1024):
            kernel.drift(f"key{number}", "1")
        kernel.end_hints()
        assert (await anext(hints)).lost
        for _ in range(2):
            kernel.drift("a", "1")
            with pytest.raises(StopAsyncIteration):
                await anext(hints)


async def test_a_false_alarm_changes_nothing() -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel)
    async with running(Loop(source, {"a": "1"}, interval=math.inf)):
        await anyio.sleep(1)
        before = kernel.changes, source.passes
        kernel.announce(Hint("somebody opened it"))
        await anyio.sleep(1)
        assert (kernel.changes, source.passes) == (before[0], before[1] + 1)


@pytest.mark.parametrize("error", [SourceError("not now"), OSError(5, "not now")])
async def test_a_look_that_fails_is_a_pass_that_could_not_run(error: Exception) -> None:
    kernel = FakeKernel()
    kernel.fail(error, times=1)
    with pytest.raises(SourceError, match="not now"):
        await one_pass(kernel, {"a": "1"})
    assert (await one_pass(kernel, {"a": "1"})).converged


async def test_a_kernel_that_has_vanished_can_be_asked_nothing() -> None:
    kernel = FakeKernel({"a": "1"})
    kernel.vanish()
    asking: list[Callable[[], object]] = [
        kernel.look,
        lambda: kernel.create("b", "1"),
        lambda: kernel.update("a", "2"),
        lambda: kernel.delete("a"),
        lambda: kernel.watch().__enter__(),
    ]
    for ask in asking:
        with pytest.raises(ScopeGone):
            ask()
    with pytest.raises(ScopeGone):
        await one_pass(kernel, {})
    kernel.come_back()
    assert kernel.look() == {"a": "1"}


async def test_another_kernel_of_the_same_name_has_a_record_of_its_own() -> None:
    kernel, store = FakeKernel(), MemoryStore()
    loop = Loop(FakeSource(kernel), {"a": "1"}, interval=math.inf, store=store)
    async with running(loop):
        kernel.vanish()
        await anyio.sleep(60)
        kernel.come_back({"a": "a foreign one", "b": "1"})
        await anyio.sleep(600)
        assert kernel.objects == {"a": "a foreign one", "b": "1"}
        assert loop.last_report is not None
        assert [conflict.key for conflict in loop.last_report.conflicts] == ["a"]
    async with store.open("fake", "fake, incarnation 2") as record:
        assert await record.load() == Ownership()


async def test_it_has_so_too_if_it_came_before_the_other_was_missed() -> None:
    kernel = FakeKernel()
    loop = Loop(FakeSource(kernel), {"a": "1"}, interval=math.inf, store=MemoryStore())
    async with running(loop):
        kernel.vanish()
        kernel.come_back({"a": "a foreign one"})
        await anyio.sleep(600)
        assert kernel.objects == {"a": "a foreign one"}
        assert loop.last_report is not None
        assert [conflict.key for conflict in loop.last_report.conflicts] == ["a"]


def test_a_lifted_fault_strikes_no_more() -> None:
    kernel = FakeKernel()
    with kernel.refuse("a") as refusal, pytest.raises(PermissionError):
        kernel.create("a", "1")
    kernel.create("a", "1")
    again = kernel.refuse("b")
    again.lift()
    kernel.create("b", "1")
    assert (refusal.struck, again.struck) == (1, 0)


WRONG: Any = "drop"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda kernel: kernel.refuse("a", 0), "errno: expected one of errno"),
        (lambda kernel: kernel.refuse("a", times=0), "times: expected a whole number"),
        (lambda kernel: kernel.refuse("a", times=1.5), "times: expected a whole number"),
        (lambda kernel: kernel.never_answer("a", verbs=()), "verbs: expected some of"),
        (lambda kernel: kernel.refuse("a", verbs=[Verb.RELEASE]), "verbs: .*RELEASE"),
        (lambda kernel: FakeSource(kernel, batch=0), "batch: expected"),
        (lambda kernel: FakeSource(kernel, on_release=WRONG), "on_release: expected .*'drop'"),
    ],
)
def test_a_wrong_argument_is_refused_by_name(
    wrong: Callable[[FakeKernel], object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        wrong(FakeKernel())


# The source ---------------------------------------------------------------------------------------


def test_it_is_a_source() -> None:
    source: Source[Objects, dict[str, str], Change] = FakeSource(FakeKernel())
    assert source.name == "fake"


@pytest.mark.parametrize(
    ("desired", "message"),
    [
        ({"A": "1"}, "'A' is no key"),
        ({1: "1"}, "1 is no key"),
        ({"a": 1}, "a: expected text, got 1"),
        ("a", "expected a mapping, got 'a'"),
    ],
)
def test_a_wrong_desired_state_is_refused(desired: Any, message: str) -> None:
    with pytest.raises(DesiredStateError, match=message):
        FakeSource(FakeKernel()).check(desired)


async def test_it_is_entered_once_and_asked_nothing_before() -> None:
    source = FakeSource(FakeKernel())
    with pytest.raises(RuntimeError, match="enter the source first"):
        await source.observe({}, Ownership())
    async with source:
        with pytest.raises(RuntimeError, match="entered already"):
            await source.__aenter__()


@pytest.mark.parametrize(
    ("on_release", "left"), [("delete", {}), ("keep", {"a": "1"}), ("revert", {})]
)
async def test_what_is_not_desired_any_more_is_let_go_as_was_asked_for(
    on_release: Any, left: dict[str, str]
) -> None:
    kernel = FakeKernel()
    source = FakeSource(kernel, on_release=on_release)
    first = await reconcile(source, {"a": "1"})
    second = await reconcile(source, {}, last_applied=first.last_applied)
    assert kernel.objects == left
    assert second.last_applied == Ownership()


async def test_what_was_taken_over_gets_its_original_back() -> None:
    kernel = FakeKernel({"a": "theirs"})
    source = FakeSource(kernel, on_release="revert")
    first = await reconcile(source, {"a": "ours"})
    assert kernel.objects == {"a": "ours"}
    await reconcile(source, {}, last_applied=first.last_applied)
    assert kernel.objects == {"a": "theirs"}


# Whatever goes wrong ------------------------------------------------------------------------------


def faults(kernel: FakeKernel, key: str) -> list[Callable[[], object]]:
    """All that can be wrong with a key, or with the kernel, and comes to an end."""
    return [
        lambda: kernel.refuse(key, errno.EBUSY, times=2),
        lambda: kernel.never_answer(key, times=1),
        lambda: kernel.never_answer(key, done=True, times=1),
        lambda: kernel.side_effect(key, {"b": None, "c": "reset"}, times=1),
        lambda: kernel.fail(SourceError("not now"), times=2),
        lambda: kernel.drop_hints(key, times=2),
        lambda: kernel.drift(key, "somebody else's"),
        kernel.lose_hints,
        kernel.vanish,
        kernel.come_back,
    ]


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abc"), st.floats(0, 60)), max_size=8))
async def test_whatever_goes_wrong_it_converges_once_it_is_over(
    story: list[tuple[int, str, float]],
) -> None:
    kernel = FakeKernel({"foreign": "1"})
    loop = Loop(FakeSource(kernel, batch=2), {"a": "1", "b": "1"}, interval=60.0)
    given_faults: list[Fault] = []
    async with running(loop):
        for number, key, pause in story:
            made = faults(kernel, key)[number]()
            given_faults += [made] if isinstance(made, Fault) else []
            await anyio.sleep(pause)
        for fault in given_faults:
            fault.lift()
        kernel.come_back()
        await anyio.sleep(HOUR)
        left = {key: value for key, value in kernel.objects.items() if key != "c"}
        assert left == {"a": "1", "b": "1", "foreign": "1"}
        assert loop.last_report is not None
        assert loop.last_report.converged
