"""A cgroup's life, for those who make their own: create, destroy, fill, freeze, kill, look."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import anyio
from anyio import to_thread
from attrs import field, frozen

from .._core.errors import DesiredStateError, OpError
from .._flat.values import stripped
from .._kernel.cgroupfs import mount_of
from .._kernel.files import (
    entries,
    inode_of,
    make_directory,
    pin_file,
    read_below,
    remove_directory,
    write_below,
)
from .._kernel.inotify import Mask, watching
from . import refusals
from .paths import ancestors, below_mount, checked_path
from .statistics import Statistic, is_statistic, parsed

__all__ = [
    "Delegation",
    "add_process",
    "create",
    "destroy",
    "enable_controllers",
    "freeze",
    "kill",
    "stats",
    "thaw",
]

T = TypeVar("T")

_LOOK_AGAIN = 0.5
"""Seconds: the removal of a cgroup is not announced on its own files."""


@frozen
class Delegation:
    """Which controllers a cgroup's children have now.

    Attributes:
        enabled: Those that were asked for and are enabled.
        failed: Why the others are not, by name.
    """

    enabled: tuple[str, ...]
    failed: Mapping[str, OpError] = field(factory=dict)


async def create(path: str, *, parents: bool = False) -> None:
    """Make a cgroup: a directory below the mount (cgroups(7)).

    Args:
        path: Relative to where cgroup2 is mounted, or absolute.
        parents: Whether to make what is missing above it, and not to mind if it is there.

    Raises:
        DesiredStateError: It is no path.
        OpError: The kernel refused.
        SourceError: There is no cgroup v2.
    """

    def work(root: str, cgroup: str) -> None:
        for step in (*(ancestors(cgroup)[1:] if parents else ()), cgroup):
            try:
                make_directory(root, step)
            except FileExistsError as error:
                if not parents:
                    raise OpError(path, error.errno, "there is such a cgroup already") from error

    await _at(path, work, refusals.CREATE)


async def destroy(path: str, *, recursive: bool = False) -> None:
    """Remove a cgroup (cgroups(7)). Nothing is killed: one with processes in it stays.

    Args:
        path: Relative to where cgroup2 is mounted, or absolute.
        recursive: Whether to remove the cgroups below it first.

    Raises:
        DesiredStateError: It is no path.
        OpError: The kernel refused; where it is busy, the message says with what.
        SourceError: There is no cgroup v2.
    """

    def remove(root: str, cgroup: str, name: str) -> None:
        if recursive:
            for child in entries(root, cgroup)[0]:
                remove(root, f"{cgroup}/{child}", f"{name}/{child}")
        try:
            remove_directory(root, cgroup)
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise OpError(name, error.errno, _what_keeps(root, cgroup)) from error
            raise

    def work(root: str, cgroup: str) -> None:
        if not cgroup:
            raise OpError(path, errno.EBUSY, "it is the root of the mount")
        remove(root, cgroup, path.rstrip("/"))

    await _at(path, work, refusals.DESTROY)


async def add_process(path: str, pid: int) -> None:
    """Move a process, with all its threads, into a cgroup (`cgroup.procs`, cgroups(7)).

    Args:
        path: Relative to where cgroup2 is mounted, or absolute.
        pid: As this process sees it; 0 is this process itself.

    Raises:
        DesiredStateError: It is no path, or no pid.
        OpError: The kernel refused.
        SourceError: There is no cgroup v2.
    """
    if type(pid) is not int or pid < 0:
        raise DesiredStateError(f"pid: expected zero or a positive integer, got {pid!r}")

    def work(root: str, cgroup: str) -> None:
        write_below(root, (cgroup, "cgroup.procs"), str(pid).encode())

    await _at(path, work, refusals.ADD)


async def enable_controllers(path: str, controllers: Iterable[str]) -> Delegation:
    """Give a cgroup's children controllers (cgroups(7)); each is tried, those refused are listed.

    Args:
        path: Relative to where cgroup2 is mounted, or absolute.
        controllers: Their names: `memory`, `pids`.

    Raises:
        DesiredStateError: It is no path, or a name is none.
        OpError: The cgroup is not there.
        SourceError: There is no cgroup v2.
    """
    if isinstance(controllers, str):
        raise DesiredStateError(f"controllers: expected several names, got {controllers!r}")
    names = tuple(controllers)
    for name in names:
        if not isinstance(name, str) or not name.isidentifier():
            raise DesiredStateError(f"controller: expected a name like 'memory', got {name!r}")

    def work(root: str, cgroup: str) -> Delegation:
        entries(root, cgroup)
        failed: dict[str, OpError] = {}
        for name in names:
            try:
                write_below(root, (cgroup, "cgroup.subtree_control"), f"+{name}".encode())
            except OSError as error:
                failed[name] = OpError(name, error.errno, refusals.ENABLE.get(error.errno or 0, ""))
        return Delegation(tuple(name for name in names if name not in failed), failed)

    return await _at(path, work, {})


async def freeze(path: str) -> None:
    """Stop all processes in a cgroup and below it (cgroups(7)); returns when they are stopped.

    Raises:
        DesiredStateError: It is no path.
        OpError: The kernel refused, or the cgroup went away.
        SourceError: There is no cgroup v2.
    """
    await _switch(path, "cgroup.freeze", "1", "frozen 1", refusals.FREEZE)


async def thaw(path: str) -> None:
    """Let the processes in a frozen cgroup run again (cgroups(7)); returns when they do.

    Raises:
        DesiredStateError: It is no path.
        OpError: The kernel refused, or the cgroup went away.
        SourceError: There is no cgroup v2.
    """
    await _switch(path, "cgroup.freeze", "0", "frozen 0", refusals.FREEZE)


async def kill(path: str) -> None:
    """Kill all processes in a cgroup and below it, by SIGKILL; returns when none is left.

    It takes Linux 5.14 (`cgroup.kill`, Documentation/admin-guide/cgroup-v2.rst), which sees to it
    that none escapes by a fork.

    Raises:
        DesiredStateError: It is no path.
        OpError: The kernel refused, or the cgroup went away.
        SourceError: There is no cgroup v2.
    """
    await _switch(path, "cgroup.kill", "1", "populated 0", refusals.KILL)


async def stats(path: str) -> Mapping[str, Statistic]:
    """What the statistics files of a cgroup say, by file: memory.current, cpu.stat and so on.

    Sizes are in bytes, times in microseconds, as the kernel gives them
    (Documentation/admin-guide/cgroup-v2.rst). Files that cannot be read are left out.

    Raises:
        DesiredStateError: It is no path.
        OpError: The cgroup is not there.
        SourceError: There is no cgroup v2.
    """

    def work(root: str, cgroup: str) -> dict[str, Statistic]:
        found: dict[str, Statistic] = {}
        for name in filter(is_statistic, entries(root, cgroup)[1]):
            try:
                found[name] = parsed(stripped(read_below(root, (cgroup, name))))
            except OSError:
                continue
        return found

    return await _at(path, work, {})


async def _switch(path: str, file: str, text: str, state: str, why: Mapping[int, str]) -> None:
    """Write to a file, and wait until cgroup.events has that line."""
    async with watching() as watches:

        def begin(root: str, cgroup: str) -> int:
            # Handed over in this thread: what a cancelled wait leaves behind would stay open.
            watches.add(pin_file(root, (cgroup, "cgroup.events")), path, Mask.MODIFY)
            inode = inode_of(root, cgroup)
            write_below(root, (cgroup, file), text.encode())
            return inode

        def is_done(root: str, cgroup: str) -> bool:
            lines = read_below(root, (cgroup, "cgroup.events")).splitlines()
            if inode_of(root, cgroup) != inode:
                raise OSError(errno.ENODEV, "another cgroup of the same name")
            return state.encode() in lines

        inode = await _at(path, begin, why)
        while not await _at(path, is_done, {}):
            with anyio.move_on_after(_LOOK_AGAIN):
                await anext(watches)


def _what_keeps(root: str, cgroup: str) -> str:
    children = entries(root, cgroup)[0]
    if children:
        return f"there are cgroups below it: {', '.join(children)}"
    pids = sorted(map(int, refusals.words_in(root, cgroup, "cgroup.procs")))
    if pids:
        return f"there are processes in it: {', '.join(map(str, pids))}"
    return "it is busy: a process in it is just coming or going"


async def _at(path: str, work: Callable[[str, str], T], reasons: Mapping[int, str]) -> T:
    """Do something at a cgroup, in a thread; errors say why."""
    checked = checked_path(path)

    def visit() -> T:
        mount = mount_of(checked)
        try:
            return work(mount.point, below_mount(checked, mount.point))
        except OSError as error:
            known = {**refusals.GONE, **refusals.DENIED, **reasons}
            raise OpError(path, error.errno, known.get(error.errno or 0, "")) from error

    return await to_thread.run_sync(visit)
