"""What the kernel tests of sysctls do to the kernel, and to loops."""

from __future__ import annotations

import ctypes
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import anyio
import anyio.to_thread
import pytest

from linx_async import Loop, NetworkNamespace, Report, SourceError
from linx_async._core.groups import ungrouped
from linx_async.testing.namespaces import throwaway

PATIENCE = 60.0
"""Seconds until what would hang is a failure."""

CONF = ("net/ipv4/conf", "net/ipv6/conf")
NETNS = Path("/run/netns")
MS_BIND = 0x1000  # linux/mount.h
MNT_DETACH = 0x2

T = TypeVar("T")

_libc = ctypes.CDLL(None, use_errno=True)


def path_of(key: str) -> Path:
    return Path("/proc/sys", key if "/" in key else key.replace(".", "/"))


def value(key: str) -> str:
    """What a sysctl is, as `cat` has it but for the last newline."""
    return path_of(key).read_text(encoding="utf-8").removesuffix("\n")


def put(key: str, text: str) -> None:
    """Write a sysctl in one go, as `echo -n` does."""
    fd = os.open(path_of(key), os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def has_key(key: str) -> bool:
    return path_of(key).exists()


@contextmanager
def kept(*keys: str) -> Iterator[None]:
    """What those sysctls are now, they are again afterwards."""
    before = {key: value(key) for key in keys}
    try:
        yield
    finally:
        for key, text in before.items():
            if value(key) != text:
                put(key, text)


def listing(*places: str) -> dict[str, str]:
    """The value of every sysctl below some directories that can be read, in slash form."""
    found = {}
    for place in places:
        for directory, _, names in os.walk(f"/proc/sys/{place}"):
            for name in names:
                key = f"{directory.removeprefix('/proc/sys/')}/{name}"
                try:
                    found[key] = value(key)
                except OSError:
                    continue
    return found


def changes(before: dict[str, str], after: dict[str, str]) -> dict[str, str]:
    """What is new or different."""
    return {key: text for key, text in after.items() if before.get(key) != text}


@contextmanager
def named_namespace(name: str, namespace: Path) -> Iterator[None]:
    """A network namespace by a name, as `ip netns attach` makes one."""
    NETNS.mkdir(exist_ok=True)
    place = NETNS / name
    place.touch()
    try:
        with mounted(name, namespace):
            yield
    finally:
        place.unlink()


@contextmanager
def mounted(name: str, namespace: Path) -> Iterator[None]:
    """What a name leads to, above what it led to before."""
    place = os.fsencode(NETNS / name)
    _call(_libc.mount, os.fsencode(namespace), place, None, MS_BIND, None)
    try:
        yield
    finally:
        _call(_libc.umount2, place, MNT_DETACH)


def _call(function: Callable[..., int], *arguments: object) -> None:
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Inside(Protocol):
    """Calls a function in another network namespace."""

    def __call__(self, function: Callable[[], T]) -> T: ...


@pytest.fixture
def fresh() -> Iterator[Inside]:
    """A network namespace in which nobody has written anything yet."""
    with throwaway("net") as box:
        target = NetworkNamespace.of_pid(box.pid).open()
        yield target.call
        target.close()


Reports = AsyncIterator[Report[Any] | SourceError]


@asynccontextmanager
async def running(loop: Loop[Any, Any, Any]) -> AsyncIterator[Reports]:
    """The loop has made its first pass when the block begins; its later reports are streamed."""
    with ungrouped(), anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tg:
            await tg.start(loop.run)
            async with loop.reports() as reports:
                yield reports
            loop.stop()


async def until(reports: Reports, holds: Callable[[Report[Any]], bool]) -> Report[Any]:
    """The first report of which that holds."""
    async for report in reports:
        if isinstance(report, Report) and holds(report):
            return report
    raise AssertionError("the loop ended")


async def in_thread(function: Callable[..., Any], *arguments: object) -> Any:
    return await anyio.to_thread.run_sync(lambda: function(*arguments))


async def quiet(call: Callable[[], Awaitable[Report[Any]]]) -> None:
    """A pass has nothing to do, and everything is as desired."""
    report = await call()
    assert report.applied == ()
    assert report.converged
