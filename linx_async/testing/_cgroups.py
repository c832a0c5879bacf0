"""Throw-away cgroups in whatever cgroup v2 mount this process may write to."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import select
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from ._child import NamespaceUnavailable

__all__ = ["cgroup2_writable", "controllers", "scratch_cgroup"]

_numbers = itertools.count(1)
_PATIENCE = 5_000  # milliseconds for killed processes to be gone


@cache
def cgroup2_writable() -> Path | None:
    """A cgroup v2 directory where this process may create cgroups, or None.

    The root of a mount where possible, else this process's own cgroup or the nearest one above it
    that is delegated to us. It tries by making one.
    """
    for mount in _cgroup2_mounts():
        own = mount.joinpath(_own_cgroup().lstrip("/"))
        for place in (mount, own, *own.parents):
            if place.is_relative_to(mount) and _can_create_in(place):
                return place
    return None


def controllers(cgroup: Path) -> tuple[str, ...]:
    """The controllers that have files in this cgroup (cgroup.controllers), sorted.

    Raises:
        OSError: It is no cgroup, or gone.
    """
    return tuple(sorted((cgroup / "cgroup.controllers").read_text(encoding="ascii").split()))


@contextmanager
def scratch_cgroup(*, enable: Iterable[str] = ()) -> Iterator[Path]:
    """A new cgroup, `linx-test-PID-N`, removed at the end with the cgroups made in it.

    Processes of ours in it are killed at the end, and this process is moved out. A foreign
    process in it stays, and so does the cgroup.

    Args:
        enable: Controllers to enable in the parent for it, as far as the kernel lets us, and to
            disable at the end where they were not enabled before. `controllers` of the cgroup tells
            which ones it got.

    Raises:
        NamespaceUnavailable: There is no cgroup v2 mount that this process may write to.
        OSError: It could not be removed; a note names the processes in it.
    """
    parent = cgroup2_writable()
    if parent is None:
        raise NamespaceUnavailable(
            "there is no cgroup v2 mount in which this user may make a cgroup: run as root, or "
            "have one delegated (systemd-run --user --scope -p Delegate=yes)"
        )
    with _enabled(parent, enable):
        cgroup = _make(parent)
        try:
            yield cgroup
        finally:
            _remove(cgroup, parent)


def _cgroup2_mounts() -> list[Path]:
    """Every mount of type cgroup2 (proc_pid_mountinfo(5)); the type follows the lone dash."""
    mounts = []
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        mount, _, source = line.partition(b" - ")
        if source.split()[:1] == [b"cgroup2"]:
            point = re.sub(rb"\\(\d{3})", lambda match: bytes([int(match[1], 8)]), mount.split()[4])
            mounts.append(Path(os.fsdecode(point)))
    return mounts


def _own_cgroup() -> str:
    for line in Path("/proc/self/cgroup").read_bytes().splitlines():
        if line.startswith(b"0::"):
            return os.fsdecode(line[3:])
    return "/"


def _make(parent: Path) -> Path:
    cgroup = parent / f"linx-test-{os.getpid()}-{next(_numbers)}"
    cgroup.mkdir()
    return cgroup


def _can_create_in(place: Path) -> bool:
    try:
        _make(place).rmdir()
    except OSError:
        return False
    return True


@contextmanager
def _enabled(parent: Path, wanted: Iterable[str]) -> Iterator[None]:
    switch = parent / "cgroup.subtree_control"
    before = set(switch.read_text(encoding="ascii").split())
    ours = []
    for controller in dict.fromkeys(wanted):
        if controller in before:
            continue
        with contextlib.suppress(OSError):
            switch.write_text(f"+{controller}", encoding="ascii")
            ours.append(controller)
    try:
        yield
    finally:
        for controller in ours:
            # EBUSY: somebody else uses it by now.
            with contextlib.suppress(OSError):
                switch.write_text(f"-{controller}", encoding="ascii")


def _remove(cgroup: Path, parent: Path) -> None:
    if not cgroup.exists():
        return
    below = [cgroup, *(path for path in cgroup.rglob("*") if path.is_dir())]
    inside = {pid for path in below for pid in _processes(path)}
    if os.getpid() in inside:
        (parent / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
        inside.remove(os.getpid())
    if inside and all(_is_ours(pid) for pid in inside):
        _kill(cgroup, inside)
    try:
        for path in sorted(below, key=lambda path: len(path.parts), reverse=True):
            path.rmdir()
    except OSError as error:
        error.add_note(f"in it: {sorted(inside) or 'no process'}")
        raise


def _processes(cgroup: Path) -> list[int]:
    try:
        return [int(pid) for pid in (cgroup / "cgroup.procs").read_text(encoding="ascii").split()]
    except OSError:
        return []  # a threaded cgroup (EOPNOTSUPP), whose processes its parent lists


def _is_ours(pid: int) -> bool:
    """Whether it descends from this process."""
    while pid > 1:
        if pid == os.getpid():
            return True
        try:
            status = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return True  # gone by now
        # The name before the last bracket may hold anything (proc_pid_stat(5)).
        pid = int(status.rpartition(b")")[2].split()[1])
    return False


def _kill(cgroup: Path, pids: Iterable[int]) -> None:
    try:
        (cgroup / "cgroup.kill").write_text("1", encoding="ascii")  # Linux 5.14
    except OSError:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    with open(cgroup / "cgroup.events", encoding="ascii") as status:
        changed = select.poll()
        changed.register(status, select.POLLPRI)
        while "populated 1" in status.read() and changed.poll(_PATIENCE):
            status.seek(0)
