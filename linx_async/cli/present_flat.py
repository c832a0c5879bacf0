"""The sysctls and the limits of cgroups that there are."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from anyio import to_thread

from .. import cgroup, sysctl
from .._core.errors import DesiredStateError, SourceError
from .._core.ownership import Ownership
from .._core.reconcile import identity_of
from .._kernel.cgroupfs import mount_of
from ..cgroup.paths import below_mount
from ..config.host import Part
from ..sysctl.codec import decoded
from ..sysctl.keys import location, normalized
from ..sysctl.verbs import list_keys
from .present import Entry, LeftOut, Present
from .selection import Selection
from .state import HostStore
from .where import call_in

__all__ = ["present_cgroups", "present_sysctls"]

_PROC: Final = "/proc/sys"
_UNLIMITED: Final = re.compile(
    r"(?:memory|hugetlb)\.(?:\w+\.)*(?:max|high)|pids\.max|cgroup\.max\.\w+|cpu\.max|io\.max"
    r"|memory\.(?:swap|zswap)\.\w+"
)
_DEFAULTS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("memory.low", "memory.min", "memory.oom.group", "cpu.idle"), "0"),
    "cpu.weight": "100",
    "cpu.max.burst": "0",
    "cpu.max": "max 100000",
    "cpu.uclamp.min": "0.00",
    "cpu.uclamp.max": "max",
    "io.weight": "default 100",
    "memory.zswap.writeback": "1",
}
_MOST: Final = 1 << 62
"""Bytes; hugetlb's files show such a number where there is no limit (mm/hugetlb_cgroup.c)."""
_LIMITS: Final = re.compile(
    r"memory\.(?:min|low|high|max|oom\.group|swap\.(?:high|max)|zswap\.(?:max|writeback))"
    r"|cpu\.(?:weight|max|max\.burst|idle|uclamp\.(?:min|max))|io\.(?:max|weight|latency)"
    r"|pids\.max|cpuset\.(?:cpus|mems)|cgroup\.max\.(?:depth|descendants)"
    r"|hugetlb\.\w+\.(?:rsvd\.)?max|rdma\.max|misc\.max"
)


async def present_sysctls(selection: Selection, store: HostStore) -> Present | None:
    """The sysctls that are ours, or those that are named.

    Args:
        selection: Which: keys, and what keys begin with.
        store: The records.

    Raises:
        SourceError: They cannot be read.
        StoreError: The records cannot be read.
    """
    netns = selection.netns
    async with sysctl.Source(netns) as source:
        owned = await store.peek(Part("sysctl", netns=netns).name, identity_of(source))
        keys = await _asked(selection, owned)
        settings = dict.fromkeys(keys, 0)
        first = await source.observe(settings, owned)
        again = await source.observe(settings, owned)  # some tell something else each time
    writable = await call_in(netns, lambda: set(filter(_is_writable, keys)))
    present = Present("sysctl", netns=netns)
    for key in keys:
        text = first.values.get(key)
        why = _why_not(key, text, again.values.get(key), is_writable=key in writable)
        if text is not None and not why:
            entry = Entry(
                key, (key,), _of_text(key, text), f"{key} = {' '.join(text.split())}", key in owned
            )
            present.entries.append(entry)
        elif why:
            present.left_out.append(LeftOut(key, why))
    _leave_out_what_clashes(present)
    return present if present.entries or present.left_out else None


async def _asked(selection: Selection, owned: Ownership) -> list[str]:
    if not selection.names:
        return sorted(owned)
    every = await list_keys(scope=selection.netns)
    found: set[str] = set()
    for name in selection.names:
        try:
            wanted = normalized(name).replace(".", "/") if "/" not in name else name
        except DesiredStateError:
            continue
        below = [key for key in every if _is_at(wanted, "/".join(_path_of(key)))]
        if below:
            selection.met.add(name)
            found.update(below)
    return sorted(found & owned.keys() if selection.ours else found)


def _path_of(key: str) -> tuple[str, ...]:
    directory, name = location(key)
    return (*directory.split("/"), name)


def _is_at(wanted: str, path: str) -> bool:
    return path == wanted or path.startswith(f"{wanted.rstrip('/')}/")


def _why_not(key: str, text: str | None, again: str | None, *, is_writable: bool) -> str:
    """Why a file cannot say a value; empty where it can."""
    if text is None:
        return "it cannot be read"
    if text != again:
        return "it is another one each time"
    if not is_writable:
        return "the kernel alone says what it is"
    try:
        sysctl.Desired({key: _of_text(key, text)})
        text.encode()
    except (DesiredStateError, UnicodeEncodeError) as error:
        return str(error)
    return ""


def _is_writable(key: str) -> bool:
    """Whether anybody may write it, in the namespace of the calling thread. Blocks."""
    try:
        return bool(os.stat(os.path.join(_PROC, *_path_of(key))).st_mode & 0o222)
    except OSError:  # its interface went away meanwhile
        return False


def _of_text(key: str, text: str) -> Any:
    value = decoded(key, text)
    number = value if isinstance(value, int) else 0
    if isinstance(value, tuple) and all(-(2**63) <= each < 2**63 for each in value):
        return list(value)
    fits = isinstance(value, int) and -(2**63) <= number < 2**63 and str(number) == text
    return number if fits else text


def _leave_out_what_clashes(present: Present) -> None:
    """Leave out what the library takes for another value of the same knob."""
    said: dict[str, Any] = {}
    try:
        sysctl.Desired({entry.key: entry.said for entry in present.entries})
    except DesiredStateError:
        for entry in present.entries:
            try:
                sysctl.Desired({**said, entry.key: entry.said})
            except DesiredStateError as error:
                present.drop({entry.key: str(error)})
            else:
                said[entry.key] = entry.said


async def present_cgroups(selection: Selection, store: HostStore) -> list[Present]:
    """The limits that are ours, and those of cgroups that are named and below them.

    Args:
        selection: Which cgroups.
        store: The records.

    Raises:
        StoreError: The records cannot be read.
    """
    recorded = {part.scope for part, _ in await store.owned() if part.kind == "cgroup"}
    paths = [] if selection.names else sorted(recorded)
    for name in selection.names:
        below = await to_thread.run_sync(_below, name)
        if below:
            selection.met.add(name)
            paths += [path for path in below if path not in paths]
    ours = selection.ours or not selection.names
    found = [await _limits(path, store, ours=ours) for path in paths]
    return [present for present in found if present.entries or present.left_out]


def _below(name: str) -> list[str]:
    """A cgroup and those below it; none where there is no such cgroup. Blocks."""
    try:
        mount = mount_of(name)
        path = below_mount(name, mount.point)
    except (DesiredStateError, SourceError):
        return []
    top = os.path.join(mount.point, path)
    if not path or not os.path.exists(os.path.join(top, "cgroup.procs")):
        return []
    return [os.path.relpath(each, mount.point) for each, _, _ in os.walk(top)]


async def _limits(path: str, store: HostStore, *, ours: bool) -> Present:
    present = Present("cgroup", path)
    try:
        async with cgroup.Source(path) as source:
            owned = await store.peek(f"cgroup {path}", identity_of(source))
            keys = sorted(owned) if ours else await to_thread.run_sync(_files, path)
            found = await source.observe(dict.fromkeys(keys), owned)
    except SourceError as error:
        present.left_out.append(LeftOut(f"cgroup {path}", str(error)))
        return present
    for key, text in found.values.items():
        said = _limit_said(text)
        if said is None or (not ours and _is_default(key, text)):
            continue
        shown = text.replace("\n", "; ")
        entry = Entry(key, (key,), said, f"{key} = {shown}", key in owned)
        present.entries.append(entry)
    for key, why in {**found.absent, **found.refused}.items():
        present.left_out.append(LeftOut(key, str(why)))
    return present


def _files(path: str) -> list[str]:
    mount = mount_of(path)
    names = os.listdir(os.path.join(mount.point, below_mount(path, mount.point)))
    return sorted(name for name in names if _LIMITS.fullmatch(name))


def _is_default(key: str, text: str) -> bool:
    if text.isdigit() and int(text) >= _MOST:
        return True
    return text == _DEFAULTS.get(key, "max" if _UNLIMITED.fullmatch(key) else "")


def _limit_said(text: str) -> Any:
    """How a file says a limit: by device where the kernel has a line for each."""
    if not text:
        return None
    words = text.split()
    if not any(":" in word or "=" in word for word in words) and "\n" not in text:
        return int(text) if re.fullmatch("[0-9]{1,18}", text) else text
    lines = (line.split() for line in text.split("\n"))
    return {name: _of_device(rest) for name, *rest in lines}


def _of_device(words: Sequence[str]) -> Any:
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            return " ".join(words)
        found[name] = value
    return {name: int(each) if each.isdigit() else each for name, each in found.items()}
