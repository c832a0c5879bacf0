from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from linx_async._core.errors import SourceError
from linx_async._kernel.poll import PolledFile
from linx_async.testing.namespaces import Namespaces

pytestmark = pytest.mark.anyio

PATIENCE = 60.0
HOSTNAME = "/proc/sys/kernel/hostname"


@pytest.fixture(autouse=True)
def host_name() -> Iterator[None]:
    before = socket.gethostname()
    yield
    socket.sethostname(before)


@asynccontextmanager
async def polled(path: str = HOSTNAME) -> AsyncIterator[PolledFile]:
    file = await anyio.to_thread.run_sync(PolledFile.open, path)
    try:
        yield file
    finally:
        file.close()


async def is_quiet(file: PolledFile) -> bool:
    """Whether a wait does not return before the loop has nothing left to do."""
    returned = False

    async def wait() -> None:
        nonlocal returned
        await file.wait()
        returned = True

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    return not returned


async def test_who_waits_is_woken_by_sethostname() -> None:
    async with polled() as file, anyio.create_task_group() as group:
        group.start_soon(anyio.to_thread.run_sync, socket.sethostname, "new")
        await file.wait()


async def test_a_change_from_before_the_wait_is_told() -> None:
    async with polled() as file:
        socket.sethostname("new")
        await file.wait()


async def test_several_changes_are_told_at_least_once_and_then_it_is_quiet() -> None:
    async with polled() as file:
        for name in ("one", "two", "three"):
            socket.sethostname(name)
        await file.wait()
        assert await is_quiet(file)


async def test_without_a_change_nobody_is_woken_although_the_file_is_readable() -> None:
    async with polled() as file:
        assert await is_quiet(file)
        await anyio.Path(HOSTNAME).read_text(encoding="ascii")
        assert await is_quiet(file)


async def test_the_same_name_again_is_a_change_to_the_kernel() -> None:
    socket.sethostname("same")
    async with polled() as file:
        socket.sethostname("same")
        await file.wait()


async def test_a_change_in_another_uts_namespace_wakes_too(box: Namespaces) -> None:
    async with polled() as file, anyio.create_task_group() as group:
        group.start_soon(anyio.to_thread.run_sync, box.call, "socket.sethostname", "other")
        await file.wait()


async def test_hostname_and_domainname_are_told_apart() -> None:
    async with polled() as host, polled("/proc/sys/kernel/domainname") as domain:
        socket.sethostname("new")
        await host.wait()
        assert await is_quiet(domain)


async def test_a_change_after_a_cancelled_wait_is_told() -> None:
    async with polled() as file:
        for _ in range(3):
            assert await is_quiet(file)
        socket.sethostname("new")
        assert await is_quiet(file) is False


async def test_a_change_between_the_look_and_the_wait_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then the event loop's own look at the file takes the news, before it waits for it."""
    wait_readable = anyio.wait_readable

    async def wait_a_moment_too_late(alarm: Any) -> None:
        socket.sethostname("new")
        await wait_readable(alarm)

    monkeypatch.setattr(anyio, "wait_readable", wait_a_moment_too_late)
    async with polled() as file:
        with anyio.fail_after(PATIENCE):
            await file.wait()


@pytest.mark.parametrize("steps", range(4))
async def test_a_change_at_any_step_of_the_wait_is_told(steps: int) -> None:
    async with polled() as file:
        for number in range(20):
            # A lost change would be waited for without end.
            with anyio.fail_after(PATIENCE):
                async with anyio.create_task_group() as group:
                    group.start_soon(file.wait)
                    for _ in range(steps):
                        await anyio.lowlevel.checkpoint()
                    socket.sethostname(f"name{number}")


async def test_no_change_is_lost_in_a_storm_from_another_thread() -> None:
    told, go_on, numbers = threading.Event(), threading.Event(), count()

    def storm() -> None:
        while not told.is_set():
            socket.sethostname(f"storm{next(numbers)}")
            go_on.wait()
            go_on.clear()

    async with polled() as file, anyio.create_task_group() as group:
        group.start_soon(anyio.to_thread.run_sync, storm)
        try:
            for _ in range(2000):
                with anyio.fail_after(PATIENCE):
                    await file.wait()
                go_on.set()
        finally:
            told.set()
            go_on.set()


async def test_closing_wakes_who_waits() -> None:
    async with polled() as file:

        async def wait() -> None:
            with pytest.raises(anyio.ClosedResourceError):
                await file.wait()

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            file.close()
        with pytest.raises(anyio.ClosedResourceError):
            await file.wait()


async def test_only_one_task_waits_at_a_time() -> None:
    async with polled() as file, anyio.create_task_group() as group:
        group.start_soon(file.wait)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(anyio.BusyResourceError):
            await file.wait()
        group.cancel_scope.cancel()


async def test_what_cannot_be_polled_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"kernel/nix: ENOENT"):
        await anyio.to_thread.run_sync(PolledFile.open, "/proc/sys/kernel/nix")
    regular = tmp_path / "regular"
    regular.touch()
    with pytest.raises(SourceError, match=r"regular: EPERM.*no file that can be polled"):
        await anyio.to_thread.run_sync(PolledFile.open, regular)
