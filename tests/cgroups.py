"""What the tests of cgroup limits share: files, watches, and a loop that is watched."""

from __future__ import annotations

import math
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import pytest
from attrs import frozen

from linx_async import Loop, Report, SourceError
from linx_async._flat.observed import Observed
from linx_async._kernel.inotify import Change, Mask, Watches, watching
from linx_async.cgroup import Desired, Source, Value
from linx_async.cgroup.desired import DesiredLike
from linx_async.cgroup.ops import LimitOp
from linx_async.testing.namespaces import cgroup2_writable, controllers, scratch_cgroup

PATIENCE = 60.0
"""Seconds, for what must happen and takes no time on a quiet machine."""

NO_PLACE = "there is no cgroup v2 mount that this user may write to"
needs_cgroup2 = pytest.mark.skipif(cgroup2_writable() is None, reason=NO_PLACE)

LIMITS = {
    "hugetlb": ("hugetlb.2MB.max", "2097152", "4194304"),
    "memory": ("memory.max", "2097152", "4194304"),
}
"""Of some controllers, a limit, and two values that it takes as they are.

Not of pids and cpu, which can be threaded: other rules hold for those.
"""


def read(file: Path) -> str:
    return file.read_text(encoding="utf-8").removesuffix("\n")


def reads(file: Path) -> str | None:
    """What a file reads; None where there is none."""
    try:
        return read(file)
    except OSError:
        return None


def write(file: Path, text: str) -> None:
    """One write(2), as the kernel takes it."""
    fd = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def make(cgroup: Path) -> None:
    cgroup.mkdir()


def remove(cgroup: Path) -> None:
    cgroup.rmdir()


def require(cgroup: Path, *files: str) -> None:
    """Skip the test where the kernel does not give the cgroup those files."""
    missing = [file for file in files if not (cgroup / file).exists()]
    if missing:
        pytest.skip(f"this kernel gives a cgroup no {' and no '.join(missing)}")


@frozen
class Given:
    """A cgroup whose parent, which is ours too, gives it a controller.

    Attributes:
        controller: Its name.
        parent: The cgroup above.
        cgroup: The cgroup.
        key: One of the controller's limits.
        one, other: Values that it takes.
        unset: What it reads before anybody writes it.
    """

    controller: str
    parent: Path
    cgroup: Path
    key: str
    one: str
    other: str
    unset: str

    @property
    def file(self) -> Path:
        return self.cgroup / self.key

    @property
    def switch(self) -> Path:
        return self.parent / "cgroup.subtree_control"

    def take(self) -> None:
        write(self.switch, f"-{self.controller}")

    def give(self) -> None:
        write(self.switch, f"+{self.controller}")


@contextmanager
def cgroup_with(*files: str) -> Iterator[Path]:
    """An empty cgroup that has those interface files; where there is none, the test is skipped."""
    if cgroup2_writable() is None:
        pytest.skip(NO_PLACE)
    with scratch_cgroup(enable=[file.split(".")[0] for file in files]) as cgroup:
        require(cgroup, *files)
        yield cgroup


@contextmanager
def given_controller(*, delegated: bool = True) -> Iterator[Given]:
    """A cgroup with a controller of its own, or one that could have it."""
    if cgroup2_writable() is None:
        pytest.skip(NO_PLACE)
    with scratch_cgroup(enable=list(LIMITS)) as parent:
        there = [name for name in LIMITS if name in controllers(parent)]
        if not there:
            pytest.skip(f"none of the controllers {', '.join(LIMITS)} can be had on cgroup v2")
        key, one, other = LIMITS[there[0]]
        cgroup = parent / "web"
        cgroup.mkdir()
        write(parent / "cgroup.subtree_control", f"+{there[0]}")
        unset = read(cgroup / key)
        if not delegated:
            write(parent / "cgroup.subtree_control", f"-{there[0]}")
        yield Given(there[0], parent, cgroup, key, one, other, unset)


def pin(path: Path) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


@asynccontextmanager
async def listening(
    *paths: Path, mask: int = Mask.MODIFY | Mask.CREATE | Mask.DELETE
) -> AsyncIterator[Watches]:
    """Watches of files and directories, each labelled with its path."""
    async with watching() as watches:
        for path in paths:
            watches.add(pin(path), path, mask)
        yield watches


def told(watches: Watches) -> list[tuple[Path, str, int]]:
    """What has happened: where, to which file, and what."""
    return [
        (Path(str(change.label)), change.name, change.mask)
        for change in watches.drain()
        if isinstance(change, Change)
    ]


def written(watches: Watches) -> list[str]:
    """The files that were written."""
    return [name or path.name for path, name, mask in told(watches) if mask & Mask.MODIFY]


class Kept:
    """A loop that runs, and what it reports."""

    def __init__(
        self,
        loop: Loop[DesiredLike, Observed, LimitOp],
        reports: AsyncIterator[Report[LimitOp] | SourceError],
    ) -> None:
        self.loop = loop
        self._reports = reports

    async def until(self, seen: Callable[[Report[LimitOp]], bool]) -> Report[LimitOp]:
        """The next report that is like that."""
        with anyio.fail_after(PATIENCE):
            async for report in self._reports:
                if not isinstance(report, SourceError) and seen(report):
                    return report
        raise AssertionError("the loop has ended")

    async def until_reads(self, file: Path, text: str) -> None:
        """Wait until a file has that content; only the loop is going to give it that."""
        with anyio.fail_after(PATIENCE):
            while reads(file) != text:
                await anext(self._reports)

    async def until_converged(self, revision: int | None = None) -> Report[LimitOp]:
        with anyio.fail_after(PATIENCE):
            return await self.loop.wait_converged(revision)

    async def until_waiting(self) -> Report[LimitOp]:
        return await self.until(lambda report: bool(report.waiting))

    async def fail_often(self) -> Report[LimitOp]:
        """Force passes that fail, until the next retry is half a minute away."""
        report = await self.once_more()
        for _ in range(12):
            report = await self.once_more()
            assert report.failed
        return report

    async def once_more(self) -> Report[LimitOp]:
        """Force a pass."""
        with anyio.fail_after(PATIENCE):
            return await self.loop.reconcile()


@asynccontextmanager
async def kept(
    path: Path | str, desired: Mapping[str, Value] | Desired, *, revert_on_release: bool = False
) -> AsyncIterator[Kept]:
    """A loop that knows of changes by hints alone, running, its first pass done."""
    source = Source(str(path), revert_on_release=revert_on_release)
    loop = Loop(source, desired, interval=math.inf, debounce=0)
    async with loop.reports() as reports, anyio.create_task_group() as tasks:
        with anyio.fail_after(PATIENCE):
            await tasks.start(loop.run)
        yield Kept(loop, reports)
        loop.stop()
