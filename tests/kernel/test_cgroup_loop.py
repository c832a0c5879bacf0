"""A loop over the limits of a real cgroup, which hears of every change and has no resync."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from linx_async import Hint, Ownership, Trigger
from linx_async._kernel.cgroupfs import mount_of
from linx_async.cgroup import Desired, Source, subscribe
from linx_async.testing.namespaces import Namespaces, throwaway
from tests.cgroups import (
    PATIENCE,
    cgroup_with,
    given_controller,
    kept,
    listening,
    make,
    read,
    remove,
    write,
    written,
)

pytestmark = pytest.mark.anyio

DEPTH = "cgroup.max.depth"
DESCENDANTS = "cgroup.max.descendants"
FREEZE = "cgroup.freeze"
HUGE = "hugetlb.2MB.max"
WRITTEN = Hint(f"{DEPTH} was written", frozenset({DEPTH}))


@pytest.fixture
def web(scratch: Path) -> Path:
    cgroup = scratch / "web"
    make(cgroup)
    return cgroup


async def test_what_another_process_writes_is_healed(web: Path, foreigner: Namespaces) -> None:
    async with kept(web, {DEPTH: 5, DESCENDANTS: 7}) as loop:
        for file, text in ((DEPTH, "6"), (DESCENDANTS, "max"), (DEPTH, "max")):
            await to_thread.run_sync(foreigner.write, str(web / file), text)
            await loop.until_reads(web / DEPTH, "5")
            await loop.until_reads(web / DESCENDANTS, "7")


async def test_every_setting_is_healed_again_and_again(web: Path) -> None:
    async with kept(web, {FREEZE: False}) as loop:
        for _ in range(3):
            write(web / FREEZE, "1")
            await loop.until_reads(web / FREEZE, "0")


async def test_what_is_written_through_another_mount_is_healed(web: Path, tmp_path: Path) -> None:
    with throwaway("mount") as box:
        box.run(["mount", "-t", "cgroup2", "none", str(tmp_path)])
        other = tmp_path / web.relative_to(await to_thread.run_sync(point_of, web)) / DEPTH
        async with kept(web, {DEPTH: 5}) as loop:
            await to_thread.run_sync(box.write, str(other), "6")
            await loop.until_reads(web / DEPTH, "5")


async def test_what_is_written_from_another_cgroup_namespace_is_healed(
    web: Path, tmp_path: Path
) -> None:
    script = 'mount -t cgroup2 none "$0" && echo 6 >"$0"/cgroup.max.depth'
    with throwaway("mount") as box:
        write(web / "cgroup.procs", str(box.pid))
        command = ["unshare", "--cgroup", "--mount", "sh", "-c", script, str(tmp_path)]
        async with kept(web, {DEPTH: 5}) as loop:
            await to_thread.run_sync(box.run, command)
            await loop.until_reads(web / DEPTH, "5")


def point_of(cgroup: Path) -> str:
    return mount_of(str(cgroup)).point


async def test_a_converged_loop_writes_nothing(web: Path) -> None:
    async with kept(web, {DEPTH: 5, DESCENDANTS: None}) as loop:
        await loop.once_more()
        async with listening(web) as watches:
            for _ in range(3):
                report = await loop.once_more()
                assert report.converged
                assert report.applied == ()
            assert written(watches) == []


async def test_a_limit_that_the_kernel_rounds_is_healed_and_stays_quiet() -> None:
    with cgroup_with(HUGE) as cgroup:
        async with kept(cgroup, {HUGE: "3M"}) as loop:
            write(cgroup / HUGE, "8M")
            await loop.until_reads(cgroup / HUGE, str(2 << 20))
            await loop.once_more()
            async with listening(cgroup) as watches:
                assert (await loop.once_more()).applied == ()
                assert written(watches) == []


async def test_a_new_desired_state_is_converged_on(web: Path) -> None:
    async with kept(web, {DEPTH: 5}, revert_on_release=True) as loop:
        revision = loop.loop.put_desired({DESCENDANTS: 3})
        report = await loop.until_converged(revision)
        assert set(report.last_applied) == {DESCENDANTS}
        assert (read(web / DEPTH), read(web / DESCENDANTS)) == ("max", "3")
        write(web / DESCENDANTS, "4")
        await loop.until_reads(web / DESCENDANTS, "3")


async def test_a_late_cgroup_is_waiting_and_then_converges(scratch: Path) -> None:
    web = scratch / "web"
    async with kept(web, {DEPTH: 5}) as loop:
        report = loop.loop.last_report
        assert report is not None
        assert not report.converged
        assert [waiting.key for waiting in report.waiting] == [DEPTH]
        make(web)
        await loop.until_reads(web / DEPTH, "5")
        await loop.until_converged()


async def test_cgroups_that_come_one_by_one_are_followed_down(scratch: Path) -> None:
    chain = [scratch / "a", scratch / "a/b", scratch / "a/b/c"]
    async with kept(chain[-1], {DEPTH: 5}) as loop:
        for cgroup in chain[:-1]:
            make(cgroup)
            report = await loop.until(lambda report: report.trigger is Trigger.HINT)
            assert report.waiting
        make(chain[-1])
        await loop.until_reads(chain[-1] / DEPTH, "5")


async def test_cgroups_that_come_all_at_once_are_followed_down(scratch: Path) -> None:
    for number in range(5):
        chain = [scratch / f"{number}" / below for below in ("", "b", "b/c", "b/c/d")]
        async with kept(chain[-1], {DEPTH: 5}) as loop:
            for cgroup in chain:
                make(cgroup)
            await loop.until_reads(chain[-1] / DEPTH, "5")


async def test_a_cgroup_above_that_is_removed_and_comes_again_is_followed(scratch: Path) -> None:
    chain = [scratch / "a", scratch / "a/b", scratch / "a/b/c"]
    for cgroup in chain:
        make(cgroup)
    async with kept(chain[-1], {DEPTH: 5}) as loop:
        for _ in range(2):
            for cgroup in reversed(chain):
                remove(cgroup)
            await loop.until_waiting()
            for cgroup in chain:
                make(cgroup)
            await loop.until_reads(chain[-1] / DEPTH, "5")
        write(chain[-1] / DEPTH, "6")
        await loop.until_reads(chain[-1] / DEPTH, "5")


async def test_a_cgroup_that_is_removed_is_waited_for_and_nothing_of_it_is_ours(web: Path) -> None:
    async with kept(web, {DEPTH: 5}) as loop:
        remove(web)
        report = await loop.until_waiting()
        assert not report.last_applied
        assert not report.failed


async def test_a_cgroup_that_comes_again_is_healed_and_its_original_is_its_own(web: Path) -> None:
    write(web / DEPTH, "9")
    async with kept(web, {DEPTH: 5}, revert_on_release=True) as loop:
        before = await loop.until_converged()
        remove(web)
        make(web)
        await loop.until_reads(web / DEPTH, "5")
        after = await loop.once_more()
        assert before.last_applied[DEPTH].original == "9"
        assert after.last_applied[DEPTH].original == "max"
        assert after.last_applied[DEPTH].incarnation != before.last_applied[DEPTH].incarnation
        await loop.until_converged(loop.loop.put_desired({}))
        assert read(web / DEPTH) == "max"


async def test_a_new_cgroup_of_the_same_name_is_heard_of_too(web: Path) -> None:
    async with kept(web, {DEPTH: 5}) as loop:
        remove(web)
        make(web)
        await loop.until_reads(web / DEPTH, "5")
        write(web / DEPTH, "6")
        await loop.until_reads(web / DEPTH, "5")


async def test_a_limit_that_fell_back_with_its_controller_is_healed() -> None:
    with given_controller() as given:
        async with kept(given.cgroup, {given.key: given.one}) as loop:
            given.take()
            report = await loop.until(lambda report: bool(report.failed))
            assert "is not delegated" in str(report.failed[0])
            given.give()
            await loop.until_reads(given.file, given.one)
            given.take()
            given.give()
            await loop.until_reads(given.file, given.one)
            write(given.file, given.other)
            await loop.until_reads(given.file, given.one)


async def test_a_controller_given_to_a_cgroup_further_up_is_heard_of() -> None:
    with given_controller(delegated=False) as given:
        inner = given.cgroup / "inner"
        make(inner)
        async with kept(inner, {given.key: given.one}) as loop:
            given.give()
            write(given.cgroup / "cgroup.subtree_control", f"+{given.controller}")
            await loop.until_reads(inner / given.key, given.one)


async def test_a_controller_that_is_delegated_at_last_is_used_without_waiting_for_the_retry() -> (
    None
):
    with given_controller(delegated=False) as given:
        async with kept(given.cgroup, {given.key: given.one, DEPTH: 5}) as loop:
            report = await loop.fail_often()
            assert [failure.key for failure in report.failed] == [given.key]
            assert str(given.switch) in str(report.failed[0])
            given.give()
            report = await loop.until(lambda report: report.converged)
            assert report.trigger is Trigger.HINT
            assert read(given.file) == given.one


async def test_a_value_that_is_refused_keeps_the_other_limits_no_less_kept(web: Path) -> None:
    async with kept(web, {DEPTH: "nonsense", DESCENDANTS: 3}) as loop:
        report = await loop.fail_often()
        assert [failure.error.errno for failure in report.failed] == [errno.EINVAL]
        write(web / DESCENDANTS, "4")
        await loop.until_reads(web / DESCENDANTS, "3")


async def test_many_changes_at_once_leave_the_limits_as_they_should_be(web: Path) -> None:
    async with kept(web, {DEPTH: 5, DESCENDANTS: 6}) as loop:
        for number in range(200):
            write(web / DEPTH, str(number))
            write(web / DESCENDANTS, str(number))
        await loop.until_reads(web / DEPTH, "5")
        await loop.until_reads(web / DESCENDANTS, "6")


async def test_two_loops_over_cgroups_side_by_side_hear_each_of_its_own(scratch: Path) -> None:
    one, other = scratch / "one", scratch / "other"
    make(one)
    make(other)
    async with kept(one, {DEPTH: 1}) as first, kept(other, {DEPTH: 2}) as second:
        write(one / DEPTH, "9")
        write(other / DEPTH, "9")
        await first.until_reads(one / DEPTH, "1")
        await second.until_reads(other / DEPTH, "2")


async def test_a_limit_of_the_parent_is_no_concern_of_the_childs_loop(web: Path) -> None:
    async with kept(web, {DEPTH: 5}) as loop:
        write(web.parent / DEPTH, "7")
        report = await loop.once_more()
        assert report.converged
        assert read(web.parent / DEPTH) == "7"


async def test_a_loop_cancelled_at_any_moment_leaves_nothing_open(web: Path) -> None:
    # The guards of every test look at descriptors, threads and tasks.
    for _ in range(5):
        async with anyio.create_task_group() as tasks, kept(web, {DEPTH: 5}):
            write(web / DEPTH, "6")
            tasks.cancel_scope.cancel()


async def test_a_subscription_tells_of_writes_and_of_no_other_files(web: Path) -> None:
    async with subscribe(str(web), [DEPTH]) as hints:
        write(web / DESCENDANTS, "5")
        write(web / DEPTH, "5")
        with anyio.fail_after(PATIENCE):
            assert await anext(hints) == WRITTEN


async def test_a_subscription_alone_follows_the_cgroup_as_it_goes_and_comes(web: Path) -> None:
    async with subscribe(str(web), [DEPTH]) as hints:
        with anyio.fail_after(PATIENCE):
            remove(web)
            assert (await anext(hints)).reason.endswith("/web was removed")
            make(web)
            assert (await anext(hints)).reason.endswith("/web was made")
            write(web / DEPTH, "5")
            assert await anext(hints) == WRITTEN


async def test_a_subscription_alone_follows_cgroups_that_come_one_by_one(scratch: Path) -> None:
    chain = [scratch / "a", scratch / "a/b", scratch / "a/b/c"]
    async with subscribe(str(chain[-1]), [DEPTH]) as hints:
        with anyio.fail_after(PATIENCE):
            for cgroup in chain:
                make(cgroup)
                assert (await anext(hints)).reason.endswith(f"/{cgroup.name} was made")
            write(chain[-1] / DEPTH, "5")
            assert await anext(hints) == WRITTEN


async def test_a_subscription_that_begins_after_a_pass_hears_of_the_next_change(web: Path) -> None:
    async with Source(str(web)) as source:
        desired = Desired({DEPTH: 5})
        await source.observe(desired, Ownership())
        async with source.subscribe() as hints:
            await source.observe(desired, Ownership())
            write(web / DEPTH, "6")
            with anyio.fail_after(PATIENCE):
                assert await anext(hints) == WRITTEN


async def test_memory_pressure_does_not_make_a_loop_blind(web: Path) -> None:
    drop_caches = Path("/proc/sys/vm/drop_caches")
    if not os.access(drop_caches, os.W_OK):
        pytest.skip("this user may not write vm.drop_caches")
    async with kept(web, {DEPTH: 5}) as loop:
        write(drop_caches, "2")
        write(web / DEPTH, "6")
        await loop.until_reads(web / DEPTH, "5")
