from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import resource
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from linx_async._core.errors import SourceError
from linx_async._kernel.inotify import CHANGES, Change, Lost, Mask, Watches, watching
from linx_async._kernel.inotify_abi import add_watch, failure, open_inotify

pytestmark = pytest.mark.anyio

PATIENCE = 60.0
SYSCTLS = Path("/proc/sys/net/ipv4/conf/lo")
DROP_CACHES = Path("/proc/sys/vm/drop_caches")


def pin(path: Path) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def descriptors() -> list[int]:
    """The inotify descriptors of this process."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{number}") == "anon_inode:inotify":
                found.append(int(number))
        except FileNotFoundError:
            continue  # the listing's own
    return found


def kernel_watches() -> list[int]:
    """The watch descriptors that the kernel has for this process."""
    return [
        int(line.split("wd:")[1].split()[0], 16)
        for fd in descriptors()
        for line in Path(f"/proc/self/fdinfo/{fd}").read_text(encoding="ascii").splitlines()
        if line.startswith("inotify ")
    ]


@asynccontextmanager
async def watch(*paths: Path) -> AsyncIterator[Watches]:
    """Watches of directories, each labelled with its path."""
    async with watching() as watches:
        for path in paths:
            watches.add(pin(path), path)
        yield watches


def names(changes: list[Change | Lost]) -> list[str]:
    return [change.name for change in changes if isinstance(change, Change)]


async def in_thread(function: Callable[[], None]) -> None:
    await anyio.to_thread.run_sync(function)


def limit_on(what: str, *, at_most: int) -> int:
    """One of inotify's limits, which a test is about to reach."""
    limit = int(Path("/proc/sys/fs/inotify", what).read_text(encoding="ascii"))
    if limit > at_most:
        pytest.skip(f"fs.inotify.{what} is {limit}, which takes long to use up")
    return limit


async def next_of(watches: Watches) -> Change | Lost:
    with anyio.fail_after(PATIENCE):
        return await anext(watches)


class Follower:
    """A task that takes what its watches tell, until the group is cancelled."""

    def __init__(self, watches: Watches) -> None:
        self.watches = watches
        self.told: list[Change | Lost] = []
        self.scope = anyio.CancelScope()
        self._more = anyio.Event()

    async def run(self) -> None:
        with self.scope:
            async for change in self.watches:
                self.told.append(change)
                self._more.set()

    async def has(self, count: int) -> None:
        """Wait until so many changes have been told."""
        with anyio.fail_after(PATIENCE):
            while len(self.told) < count:
                self._more = anyio.Event()
                await self._more.wait()


async def test_a_change_below_a_directory_is_told_with_its_label_name_and_kind(
    tmp_path: Path,
) -> None:
    async with watch(tmp_path) as watches:
        (tmp_path / "new").mkdir()
        change = await next_of(watches)
        assert change == Change(tmp_path, "new", Mask.CREATE | Mask.ISDIR)


async def test_a_watched_file_is_told_without_a_name(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    async with watching() as watches:
        watches.add(pin(file), "the file")
        file.write_text("x", encoding="ascii")
        assert await next_of(watches) == Change("the file", "", Mask.MODIFY)


async def test_who_waits_is_woken(tmp_path: Path) -> None:
    async with watch(tmp_path) as watches, anyio.create_task_group() as group:
        group.start_soon(in_thread, (tmp_path / "new").touch)
        assert names([await next_of(watches)]) == ["new"]


async def test_two_subscribers_of_one_directory_both_see_the_change(tmp_path: Path) -> None:
    async with watch(tmp_path) as one, watch(tmp_path) as other:
        (tmp_path / "new").touch()
        assert await next_of(one) == await next_of(other) == Change(tmp_path, "new", Mask.CREATE)


async def test_one_subscriber_may_watch_one_directory_under_two_labels(tmp_path: Path) -> None:
    async with watching() as watches:
        watches.add(pin(tmp_path), "one")
        watches.add(pin(tmp_path), "two")
        (tmp_path / "new").touch()
        assert {(await next_of(watches)), (await next_of(watches))} == {
            Change("one", "new", Mask.CREATE),
            Change("two", "new", Mask.CREATE),
        }


async def test_each_subscriber_of_one_directory_sees_what_it_asked_for(tmp_path: Path) -> None:
    """The kernel has one mask for both, and by itself the later would replace the earlier."""
    file = tmp_path / "file"
    file.touch()
    async with watching() as writes, watching() as deletions:
        writes.add(pin(tmp_path), "dir", Mask.MODIFY)
        deletions.add(pin(tmp_path), "dir", Mask.DELETE)
        file.write_text("x", encoding="ascii")
        file.unlink()
        assert writes.drain() == [Change("dir", "file", Mask.MODIFY)]
        assert deletions.drain() == [Change("dir", "file", Mask.DELETE)]


async def test_a_watch_goes_with_the_last_that_shares_it(tmp_path: Path) -> None:
    async with watch(tmp_path) as one:
        async with watch(tmp_path) as other:
            assert len(kernel_watches()) == 1
            one.discard(tmp_path)
            (tmp_path / "new").touch()
            assert names(other.drain()) == ["new"]
            assert one.drain() == []
        assert kernel_watches() == []


async def test_a_label_that_is_added_again_moves_to_the_new_directory(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    async with watching() as watches:
        for path in (old, new, new):
            watches.add(pin(path), "label")
        assert watches.labels() == {"label"}
        assert len(kernel_watches()) == 1
        (old / "unseen").touch()
        (new / "seen").touch()
        assert names(watches.drain()) == ["seen"]


async def test_a_discarded_label_is_silent_and_may_come_back(tmp_path: Path) -> None:
    async with watch(tmp_path) as watches:
        watches.discard(tmp_path)
        watches.discard("never there")
        (tmp_path / "unseen").touch()
        assert watches.drain() == []
        watches.add(pin(tmp_path), tmp_path)
        (tmp_path / "seen").touch()
        assert names(watches.drain()) == ["seen"]


async def test_equal_changes_that_nobody_took_yet_are_told_once(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    async with watch(tmp_path) as watches:
        for number in range(100):
            one.write_text(str(number), encoding="ascii")
            two.write_text(str(number), encoding="ascii")
        assert names(watches.drain()) == ["one", "one", "two", "two"]  # created and written


async def test_what_changes_before_the_wait_is_not_lost_when_added_from_a_thread(
    tmp_path: Path,
) -> None:
    folders = [tmp_path / str(number) for number in range(40)]
    async with watching() as waiting, watching() as watches, anyio.create_task_group() as group:
        group.start_soon(Follower(waiting).run)
        await anyio.wait_all_tasks_blocked()

        def watch_and_change(folder: Path) -> None:
            folder.mkdir()
            watches.add(pin(folder), folder.name)
            (folder / "new").touch()

        for folder in folders:
            group.start_soon(anyio.to_thread.run_sync, watch_and_change, folder)
        told = {(await next_of(watches)) for _ in folders}
        assert told == {Change(folder.name, "new", Mask.CREATE) for folder in folders}
        group.cancel_scope.cancel()


async def test_three_hundred_subscribers_share_one_descriptor(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack, anyio.create_task_group() as group:
        followers = [Follower(await stack.enter_async_context(watch(tmp_path))) for _ in range(300)]
        for follower in followers:
            group.start_soon(follower.run)
        await anyio.wait_all_tasks_blocked()
        for count in (1, 2):
            (tmp_path / f"new{count}").touch()
            for follower in followers:
                await follower.has(count)
        assert len(descriptors()) == 1
        assert all(names(follower.told) == ["new1", "new2"] for follower in followers)
        group.cancel_scope.cancel()


async def test_the_descriptor_is_closed_with_the_last_subscriber(tmp_path: Path) -> None:
    async with watch(tmp_path):
        async with watch(tmp_path):
            assert len(descriptors()) == 1
        assert len(descriptors()) == 1
    assert descriptors() == []
    async with watch(tmp_path) as watches:
        (tmp_path / "new").touch()
        assert names([await next_of(watches)]) == ["new"]


@pytest.mark.parametrize("leaving", range(3))
async def test_when_one_that_waits_is_cancelled_the_others_are_still_woken(
    tmp_path: Path, leaving: int
) -> None:
    async with AsyncExitStack() as stack, anyio.create_task_group() as group:
        followers = [Follower(await stack.enter_async_context(watch(tmp_path))) for _ in range(3)]
        for follower in followers:
            group.start_soon(follower.run)
        await anyio.wait_all_tasks_blocked()
        followers.pop(leaving).scope.cancel()
        (tmp_path / "new").touch()
        for follower in followers:
            await follower.has(1)
        group.cancel_scope.cancel()


@pytest.mark.parametrize("steps", range(6))
async def test_a_change_survives_a_cancellation_at_any_step(tmp_path: Path, steps: int) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    async with watch(*folders) as leader, watch(*folders) as other:
        one, two = Follower(leader), Follower(other)
        async with anyio.create_task_group() as group:
            group.start_soon(one.run)
            group.start_soon(two.run)
            await anyio.wait_all_tasks_blocked()
            for folder in folders:
                (folder / "new").touch()
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            one.scope.cancel()
            await two.has(2)
            two.scope.cancel()
        assert len(one.told) + len(leader.drain()) == 2


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("steps", range(6))
async def test_a_change_survives_asyncios_own_cancellation(tmp_path: Path, steps: int) -> None:
    async with watch(tmp_path) as leader, watch(tmp_path) as other:
        one, two = Follower(leader), Follower(other)
        tasks = [asyncio.create_task(follower.run()) for follower in (one, two)]
        await anyio.wait_all_tasks_blocked()
        (tmp_path / "new").touch()
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()
        tasks[0].cancel()
        await two.has(1)
        tasks[1].cancel()
        await asyncio.wait(tasks)
        assert len(one.told) + len(leader.drain()) == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("steps", range(8))
async def test_asyncios_own_cancellation_leaves_nothing_open(
    anyio_backend: str, tmp_path: Path, steps: int
) -> None:
    async def look() -> None:
        async with watch(tmp_path):
            await anyio.lowlevel.checkpoint()

    task = asyncio.create_task(look())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert descriptors() == []


class Disturbed:
    """Subscribers of a folder of their own and of a shared one, which are cancelled at random."""

    files = 60

    def __init__(self, root: Path, random: Random) -> None:
        self.random = random
        self.shared = root / "shared"
        self.own = [root / str(number) for number in range(12)]
        for folder in (self.shared, *self.own):
            folder.mkdir()
        self.scopes: dict[Path, anyio.CancelScope] = {}
        self.ready = anyio.Semaphore(0)

    async def follow(self, own: Path) -> None:
        missing = {
            Change(folder, str(number), Mask.CREATE)
            for folder in (own, self.shared)
            for number in range(self.files)
        }
        async with watching() as watches:
            for folder in (own, self.shared):
                watches.add(pin(folder), folder, Mask.CREATE)
            self.ready.release()
            while missing:
                with anyio.CancelScope() as self.scopes[own]:
                    await self.take(watches, missing)

    async def take(self, watches: Watches, missing: set[Change]) -> None:
        async for change in watches:
            assert isinstance(change, Change)
            missing.remove(change)  # each is told once
            if not missing:
                return

    def write(self) -> None:
        for number in range(self.files):
            for folder in (self.shared, *self.own):
                (folder / str(number)).touch()

    async def disturb(self) -> None:
        # It ends before the changes do, so that it saves nobody from a lost wake-up.
        for _ in range(150):
            await anyio.lowlevel.checkpoint()
            self.random.choice(list(self.scopes.values())).cancel()


@pytest.mark.parametrize("seed", range(4))
async def test_random_cancellations_lose_no_change(tmp_path: Path, seed: int) -> None:
    disturbed = Disturbed(tmp_path, Random(seed))
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as group:
            for folder in disturbed.own:
                group.start_soon(disturbed.follow, folder)
            for _ in disturbed.own:
                await disturbed.ready.acquire()
            group.start_soon(disturbed.disturb)
            group.start_soon(in_thread, disturbed.write)


async def test_leaving_the_context_ends_an_iteration_in_another_task(tmp_path: Path) -> None:
    async with AsyncExitStack() as leaving, watch(tmp_path) as other:
        first = Follower(await leaving.enter_async_context(watch(tmp_path)))
        second = Follower(other)
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:
                for follower in (first, second):
                    group.start_soon(follower.run)
                    await anyio.wait_all_tasks_blocked()
                await leaving.aclose()
                (tmp_path / "new").touch()
                await second.has(1)
                second.scope.cancel()
        assert first.told == []


async def test_the_last_to_leave_ends_its_iteration_too(tmp_path: Path) -> None:
    async with AsyncExitStack() as leaving:
        watches = await leaving.enter_async_context(watch(tmp_path))
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:
                group.start_soon(Follower(watches).run)
                await anyio.wait_all_tasks_blocked()
                await leaving.aclose()
        assert [change async for change in watches] == []
        assert watches.drain() == []


async def test_closed_watches_take_no_more_and_close_what_they_are_given(tmp_path: Path) -> None:
    async with watching() as watches:
        pass
    given = pin(tmp_path)
    with pytest.raises(anyio.ClosedResourceError):
        watches.add(given, "late")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(given)


async def test_one_task_iterates_at_a_time(tmp_path: Path) -> None:
    async with watch(tmp_path) as watches, anyio.create_task_group() as group:
        group.start_soon(Follower(watches).run)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(anyio.BusyResourceError):
            await anext(watches)
        group.cancel_scope.cancel()


async def test_draining_hands_the_others_what_is_theirs(tmp_path: Path) -> None:
    async with (
        watch(tmp_path) as leader,
        watch(tmp_path) as other,
        anyio.create_task_group() as group,
    ):
        follower = Follower(leader)
        group.start_soon(follower.run)
        await anyio.wait_all_tasks_blocked()
        (tmp_path / "new").touch()
        assert names(other.drain()) == ["new"]
        await follower.has(1)
        group.cancel_scope.cancel()


async def test_when_the_kernels_queue_overflows_everybody_has_lost_something(
    tmp_path: Path,
) -> None:
    limit = limit_on("max_queued_events", at_most=100_000)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with watch(tmp_path) as watches, watch(elsewhere) as bystander:
        await anyio.to_thread.run_sync(write_in_turns, tmp_path, limit + 100)
        assert await next_of(watches) == Lost()
        assert bystander.drain() == [Lost()]
        assert watches.drain() == []
        (tmp_path / "new").touch()
        assert names([await next_of(watches)]) == ["new"]


def write_in_turns(folder: Path, times: int) -> None:
    """Cause that many changes of which no two neighbours are equal: those the kernel merges."""
    with (folder / "one").open("wb", 0) as one, (folder / "two").open("wb", 0) as two:
        for _ in range(times // 2):
            one.write(b"x")
            two.write(b"x")


async def test_a_subscriber_that_falls_far_behind_has_lost_something(tmp_path: Path) -> None:
    async with watch(tmp_path) as slow, watch(tmp_path) as other:
        for number in range(5000):
            (tmp_path / str(number)).touch()
            if number % 1000 == 0:
                other.drain()
        other.drain()
        assert slow.drain() == [Lost()]


async def test_a_watch_that_the_kernel_drops_is_told_and_its_label_is_free(tmp_path: Path) -> None:
    async with watch(tmp_path) as one, watch(tmp_path) as other:
        (fd,), (wd,) = descriptors(), kernel_watches()
        assert ctypes.CDLL(None).inotify_rm_watch(fd, wd) == 0
        for watches in (one, other):
            assert await next_of(watches) == Change(tmp_path, "", Mask.IGNORED)
            assert watches.labels() == frozenset()
        one.add(pin(tmp_path), tmp_path)
        (tmp_path / "new").touch()
        assert names(one.drain()) == ["new"]


async def test_the_deletion_of_a_pinned_directory_is_told_by_its_parent_alone(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    async with watch(tmp_path, folder) as watches:
        folder.rmdir()
        assert watches.drain() == [Change(tmp_path, "folder", Mask.DELETE | Mask.ISDIR)]


async def test_a_sysctl_that_is_written_is_told() -> None:
    async with watch(SYSCTLS) as watches:
        await anyio.to_thread.run_sync(write_again, SYSCTLS / "forwarding")
        assert Change(SYSCTLS, "forwarding", Mask.MODIFY) in watches.drain()


def write_again(file: Path) -> None:
    file.write_text(file.read_text(encoding="ascii"), encoding="ascii")


@pytest.fixture
def caches() -> None:
    try:
        os.close(os.open(DROP_CACHES, os.O_WRONLY))
    except OSError:
        pytest.skip("dropping the caches takes root outside any user namespace")


def drop_caches() -> None:
    """What memory pressure does. Inodes used a moment ago are spared once."""
    for _ in range(3):
        DROP_CACHES.write_text("2", encoding="ascii")


@pytest.mark.usefixtures("caches")
async def test_a_pinned_watch_survives_memory_pressure() -> None:
    async with watch(SYSCTLS) as watches:
        await anyio.to_thread.run_sync(drop_caches)
        await anyio.to_thread.run_sync(write_again, SYSCTLS / "forwarding")
        assert Change(SYSCTLS, "forwarding", Mask.MODIFY) in watches.drain()


@pytest.mark.usefixtures("caches")
def test_without_the_pin_the_kernel_silently_drops_the_watch() -> None:
    fd, pinned = open_inotify(), pin(SYSCTLS)
    try:
        add_watch(fd, pinned, int(CHANGES), "sysctls")
        os.close(pinned)
        drop_caches()
        write_again(SYSCTLS / "forwarding")
        with pytest.raises(BlockingIOError):
            os.read(fd, 4096)
    finally:
        os.close(fd)


def test_out_of_descriptors_names_the_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(SourceError, match=r"EMFILE.*RLIMIT_NOFILE"):
            open_inotify()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_out_of_inotify_descriptors_names_the_limit() -> None:
    limit = limit_on("max_user_instances", at_most=500)
    opened: list[int] = []

    def use_up() -> None:
        while len(opened) <= limit:
            opened.append(open_inotify())

    try:
        with pytest.raises(SourceError, match=r"EMFILE.*fs\.inotify\.max_user_instances"):
            use_up()
    finally:
        for fd in opened:
            os.close(fd)


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOSPC, "fs.inotify.max_user_watches"),
        (errno.ENOMEM, "memory"),
        (errno.ENOENT, "procfs"),
        (errno.EACCES, "read permission"),
        (errno.EINVAL, "inotify_add_watch"),
    ],
)
def test_a_failure_says_what_to_do(number: int, cure: str) -> None:
    error = failure("cannot watch 'x'", number)
    assert str(error).startswith(f"cannot watch 'x': {errno.errorcode[number]} ")
    assert cure in str(error)
    assert isinstance(error.__cause__, OSError)


async def test_what_cannot_be_watched_is_refused_and_closed(tmp_path: Path) -> None:
    async with watching() as watches:
        with pytest.raises(SourceError, match="cannot watch 'label': E"):
            watches.add(closed_descriptor(tmp_path), "label")
        given = pin(tmp_path)
        with pytest.raises(ValueError, match="mask: 0x0"):
            watches.add(given, "label", 0)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(given)
        assert watches.labels() == frozenset()


def closed_descriptor(path: Path) -> int:
    fd = pin(path)
    os.close(fd)
    return fd


async def test_threads_may_add_and_discard_while_changes_come(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(4)]
    for folder in folders:
        folder.mkdir()
    barrier = threading.Barrier(len(folders))

    def churn(watches: Watches, folder: Path) -> None:
        barrier.wait()
        for number in range(100):
            watches.add(pin(folder), folder)
            (folder / str(number)).touch()
            if number < 99:
                watches.discard(folder)

    async with watching() as watches, anyio.create_task_group() as group:
        follower = Follower(watches)
        group.start_soon(follower.run)
        async with anyio.create_task_group() as churning:
            for folder in folders:
                churning.start_soon(anyio.to_thread.run_sync, churn, watches, folder)
        await anyio.wait_all_tasks_blocked()
        told = follower.told + watches.drain()
        assert {(folder, "99") for folder in folders} <= {
            (change.label, change.name) for change in told if isinstance(change, Change)
        }
        assert watches.labels() == set(folders)
        group.cancel_scope.cancel()
