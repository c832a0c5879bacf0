"""The verbs of a cgroup's life, on the real kernel."""

from __future__ import annotations

import asyncio
import errno
import math
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio import to_thread

from linx_async import OpError, SourceError
from linx_async._kernel.cgroupfs import mount_of
from linx_async.cgroup import (
    Delegation,
    add_process,
    create,
    destroy,
    enable_controllers,
    freeze,
    kill,
    lifecycle,
    stats,
    thaw,
)
from tests.cgroups import (
    PATIENCE,
    given_controller,
    make,
    read,
    reads,
    remove,
    write,
)
from tests.leftovers import open_descriptors

pytestmark = pytest.mark.anyio

DEPTH = "cgroup.max.depth"
CONTROL = "cgroup.subtree_control"


@pytest.fixture
def web(scratch: Path) -> Path:
    cgroup = scratch / "web"
    make(cgroup)
    return cgroup


@pytest.fixture
def root() -> Path:
    """The root cgroup."""
    try:
        point = Path(mount_of("any").point)
    except SourceError as error:
        pytest.skip(str(error))
    if (point / "cgroup.type").exists():
        pytest.skip("this mount does not show the root cgroup")
    return point


@contextmanager
def process() -> Iterator[int]:
    """A process that does nothing; its pid."""
    command = [sys.executable, "-I", "-S", "-c", "print(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            yield child.pid
        finally:
            child.kill()


def is_there(cgroup: Path) -> bool:
    return cgroup.exists()


def is_frozen(cgroup: Path) -> bool:
    return "frozen 1" in read(cgroup / "cgroup.events")


async def test_a_cgroup_is_made(scratch: Path) -> None:
    await create(f"{scratch}/web")
    assert (scratch / "web" / "cgroup.procs").exists()


async def test_a_cgroup_is_made_below_where_cgroup_v2_is_mounted(scratch: Path, root: Path) -> None:
    await create(str(scratch.relative_to(root) / "web"))
    assert (scratch / "web").is_dir()


async def test_a_cgroup_that_is_there_is_not_made_again(web: Path) -> None:
    with pytest.raises(OpError, match="there is such a cgroup already") as refusal:
        await create(str(web))
    assert refusal.value.errno == errno.EEXIST
    assert refusal.value.key == str(web)


async def test_without_the_one_above_a_cgroup_is_not_made(scratch: Path) -> None:
    with pytest.raises(OpError, match="the cgroup above it is not there"):
        await create(f"{scratch}/a/b")
    assert not (scratch / "a").exists()


async def test_the_ones_above_can_be_made_along_with_it(scratch: Path) -> None:
    await create(f"{scratch}/a/b/c", parents=True)
    await create(f"{scratch}/a/b/c", parents=True)
    assert (scratch / "a/b/c").is_dir()


@pytest.mark.parametrize("limit", [DEPTH, "cgroup.max.descendants"])
async def test_a_cgroup_too_many_is_refused_with_the_limit(scratch: Path, limit: str) -> None:
    write(scratch / limit, "0")
    with pytest.raises(OpError, match=r"over cgroup\.max\.depth or cgroup\.max\.desc") as refusal:
        await create(f"{scratch}/web")
    assert refusal.value.errno == errno.EAGAIN


async def test_an_empty_cgroup_is_destroyed(web: Path) -> None:
    await destroy(str(web))
    assert not is_there(web)


async def test_a_cgroup_that_is_not_there_is_not_destroyed(scratch: Path) -> None:
    with pytest.raises(OpError, match="there is no such cgroup") as refusal:
        await destroy(f"{scratch}/web")
    assert refusal.value.errno == errno.ENOENT


async def test_a_cgroup_with_processes_in_it_stays_and_they_are_named(web: Path) -> None:
    with process() as one, process() as other:
        write(web / "cgroup.procs", str(one))
        write(web / "cgroup.procs", str(other))
        with pytest.raises(OpError) as refusal:
            await destroy(str(web))
        pids = f"{min(one, other)}, {max(one, other)}"
        assert f"there are processes in it: {pids}" in str(refusal.value)
        assert refusal.value.errno == errno.EBUSY


async def test_a_cgroup_with_others_below_stays_and_they_are_named(web: Path) -> None:
    make(web / "b")
    make(web / "a")
    with pytest.raises(OpError, match="there are cgroups below it: a, b"):
        await destroy(str(web))
    assert (web / "a").exists()


async def test_the_ones_below_can_be_destroyed_along_with_it(web: Path) -> None:
    for name in ("a", "a/b", "c"):
        make(web / name)
    await destroy(str(web), recursive=True)
    assert not is_there(web)


async def test_where_one_below_is_busy_that_one_is_named(web: Path) -> None:
    make(web / "a")
    make(web / "a" / "b")
    with process() as pid:
        write(web / "a" / "b" / "cgroup.procs", str(pid))
        with pytest.raises(OpError, match=f"there are processes in it: {pid}") as refusal:
            await destroy(str(web), recursive=True)
        assert refusal.value.key == f"{web}/a/b"


@pytest.mark.parametrize("recursive", [False, True])
async def test_the_root_cgroup_is_not_destroyed(root: Path, scratch: Path, recursive: bool) -> None:
    with pytest.raises(OpError, match="it is the root of the mount"):
        await destroy(str(root), recursive=recursive)
    assert is_there(scratch)


async def test_a_process_is_moved_into_a_cgroup(web: Path) -> None:
    with process() as pid:
        await add_process(f"{web}/", pid)
        assert read(web / "cgroup.procs") == str(pid)


async def test_a_process_that_is_not_there_cannot_be_moved(web: Path) -> None:
    with process() as pid:
        pass
    with pytest.raises(OpError, match="there is no such process") as refusal:
        await add_process(str(web), pid)
    assert refusal.value.errno == errno.ESRCH


async def test_no_process_is_moved_to_where_controllers_are_enabled_for_those_below() -> None:
    with given_controller() as given, process() as pid:
        inner = given.cgroup / "inner"
        make(inner)
        write(given.cgroup / CONTROL, f"+{given.controller}")
        with pytest.raises(OpError, match="controllers are enabled for the cgroups below"):
            await add_process(str(given.cgroup), pid)
        await add_process(str(inner), pid)


async def test_a_thread_of_the_kernel_is_not_moved(web: Path) -> None:
    if reads(Path("/proc/2/comm")) != "kthreadd":
        pytest.skip("process 2 is no thread of the kernel here")
    with pytest.raises(OpError, match="it is a thread of the kernel"):
        await add_process(str(web), 2)


async def test_controllers_are_given_to_the_cgroups_below() -> None:
    with given_controller(delegated=False) as given:
        delegation = await enable_controllers(str(given.parent), [given.controller])
        assert delegation == Delegation((given.controller,))
        assert given.file.exists()


async def test_of_several_controllers_those_that_cannot_be_given_are_listed() -> None:
    with given_controller(delegated=False) as given:
        names = ["nonsense", given.controller, "perf_event", "freezer"]
        delegation = await enable_controllers(str(given.parent), names)
        assert given.controller in delegation.enabled
        assert "there is no such controller" in str(delegation.failed["nonsense"])
        assert set(names) == {*delegation.enabled, *delegation.failed}
        assert read(given.switch).split() == [given.controller]


async def test_a_controller_that_is_not_there_to_give_is_told() -> None:
    with given_controller(delegated=False) as given:
        make(given.cgroup / "inner")
        delegation = await enable_controllers(str(given.cgroup), [given.controller])
        error = delegation.failed[given.controller]
        assert error.errno == errno.ENOENT
        assert "not delegated to this cgroup" in str(error)


async def test_no_controller_is_given_where_processes_are() -> None:
    with given_controller() as given, process() as pid:
        write(given.cgroup / "cgroup.procs", str(pid))
        delegation = await enable_controllers(str(given.cgroup), [given.controller])
        error = delegation.failed[given.controller]
        assert error.errno == errno.EBUSY
        assert "move them to one below it first" in str(error)


async def test_no_controller_is_given_by_a_cgroup_that_is_not_there(scratch: Path) -> None:
    with pytest.raises(OpError, match="there is no such cgroup"):
        await enable_controllers(f"{scratch}/web", ["pids"])


async def test_a_frozen_cgroup_is_frozen_when_freeze_returns_and_thawed_after_thaw(
    web: Path,
) -> None:
    with process() as pid:
        write(web / "cgroup.procs", str(pid))
        for _ in range(3):
            await freeze(str(web))
            assert is_frozen(web)
            await thaw(str(web))
            assert not is_frozen(web)


async def test_what_is_frozen_already_and_what_is_empty_is_frozen_at_once(web: Path) -> None:
    await freeze(str(web))
    await freeze(str(web))
    assert is_frozen(web)
    await thaw(str(web))
    await thaw(str(web))
    assert not is_frozen(web)


async def test_a_cgroup_that_is_not_there_cannot_be_frozen(scratch: Path) -> None:
    with pytest.raises(OpError, match="there is no such cgroup"):
        await freeze(f"{scratch}/web")


async def test_the_root_cgroup_cannot_be_frozen(root: Path) -> None:
    with pytest.raises(OpError, match="it is the root, which cannot be frozen"):
        await freeze(str(root))


async def test_when_kill_returns_no_process_is_left_and_the_cgroup_can_be_destroyed(
    web: Path,
) -> None:
    inner = web / "inner"
    make(inner)
    with process() as pid, process() as other:
        write(web / "cgroup.procs", str(pid))
        write(inner / "cgroup.procs", str(other))
        await freeze(str(web))  # which saves none of them
        await kill(str(web))
        await destroy(str(web), recursive=True)
    assert not is_there(web)


async def test_an_empty_cgroup_is_killed_at_once(web: Path) -> None:
    await kill(str(web))


async def test_a_cgroup_that_is_not_there_and_the_root_cannot_be_killed(
    scratch: Path, root: Path
) -> None:
    for path in (scratch / "web", root):
        with pytest.raises(OpError, match="there is no such cgroup, or it is the root"):
            await kill(str(path))


async def test_what_is_threaded_cannot_be_killed_by_itself(web: Path) -> None:
    make(web / "threads")
    write(web / "threads" / "cgroup.type", "threaded")
    with pytest.raises(OpError, match="it is threaded: kill the nearest cgroup above that is not"):
        await kill(f"{web}/threads")


@pytest.fixture
def held_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Writes that come too late: freeze waits, and the event tells that it has tried."""
    tried = threading.Event()
    monkeypatch.setattr(lifecycle, "write_below", lambda *_: tried.set())
    yield tried
    tried.set()


async def wait_for(tried: threading.Event) -> None:
    assert await to_thread.run_sync(tried.wait, PATIENCE)


async def test_freeze_waits_until_the_cgroup_is_frozen_and_needs_no_second_look(
    web: Path, held_back: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "_LOOK_AGAIN", math.inf)
    frozen_at_the_end = False

    async def freeze_it() -> None:
        nonlocal frozen_at_the_end
        await freeze(str(web))
        frozen_at_the_end = is_frozen(web)

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(freeze_it)
            await wait_for(held_back)
            write(web / "cgroup.freeze", "1")
    assert frozen_at_the_end


@pytest.mark.parametrize("comes_again", [False, True])
async def test_freeze_of_a_cgroup_that_goes_away_meanwhile_fails(
    web: Path, held_back: threading.Event, comes_again: bool
) -> None:
    async def freeze_it() -> None:
        with pytest.raises(OpError, match=r"the cgroup is gone|there is no such cgroup"):
            await freeze(str(web))

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(freeze_it)
            await wait_for(held_back)
            remove(web)
            if comes_again:
                make(web)


async def test_freeze_that_is_cancelled_leaves_no_watch_and_no_descriptor(
    web: Path, held_back: threading.Event
) -> None:
    before = open_descriptors()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(freeze, str(web))
        await wait_for(held_back)
        tasks.cancel_scope.cancel()
    assert set(open_descriptors()) <= set(before)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("steps", range(8))
async def test_freeze_that_asyncio_cancels_leaves_nothing_either(
    web: Path, held_back: threading.Event, steps: int
) -> None:
    task = asyncio.create_task(freeze(str(web)))
    for _ in range(steps):
        await anyio.lowlevel.checkpoint()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # The guards of every test look at descriptors once the threads have ended.


async def test_statistics_are_read_by_their_format(web: Path) -> None:
    found = await stats(str(web))
    assert found["cgroup.events"] == {"populated": 0, "frozen": 0}
    assert isinstance(found["cgroup.stat"], Mapping)
    assert found["cgroup.stat"]["nr_descendants"] == 0
    assert isinstance(found["cpu.stat"], Mapping)
    assert "usage_usec" in found["cpu.stat"]
    assert not any(name.endswith((".max", ".procs", ".freeze", ".type")) for name in found)


async def test_statistics_of_what_is_not_there_are_none(scratch: Path) -> None:
    with pytest.raises(OpError, match="there is no such cgroup"):
        await stats(f"{scratch}/web")
