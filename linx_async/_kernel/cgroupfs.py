"""Where cgroup v2 is mounted, and the size of a page."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from attrs import frozen

from .._core.errors import SourceError
from .files import read_file

__all__ = ["PAGE_SIZE", "CgroupMount", "Mount", "cgroup2_mounts", "mount_of"]

PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
"""Bytes."""

_MOUNTINFO = "/proc/self/mountinfo"
_DEVICE = re.compile(r"([0-9]{1,9}):([0-9]{1,9})\Z")
_ESCAPE = re.compile(r"\\([0-7]{3})")


@frozen
class CgroupMount:
    """A line of mountinfo.

    Attributes:
        point: The mount point.
        root: The cgroup that is seen there; above our cgroup namespace's root it begins with `/..`.
        device: The file system's number, as in `st_dev`.
    """

    point: str
    root: str
    device: int


@frozen
class Mount:
    """A cgroup2 file system as it is mounted here.

    Attributes:
        point: The mount point.
        identity: Tells it from another one at the same point, and one cgroup namespace's root
            from another's.
    """

    point: str
    identity: str


def cgroup2_mounts(mountinfo: str) -> Iterator[CgroupMount]:
    """The mounts of cgroup2 in the text of a mountinfo file: proc_pid_mountinfo(5)."""
    for line in mountinfo.split("\n"):
        head, dash, tail = line.partition(" - ")
        fields = head.split(" ")
        if not dash or len(fields) < 6 or tail.split(" ")[0] != "cgroup2":
            continue
        if device := _DEVICE.match(fields[2]):
            number = os.makedev(int(device[1]), int(device[2]))
            yield CgroupMount(_unescaped(fields[4]), _unescaped(fields[3]), number)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)


def mount_of(path: str) -> Mount:
    """The cgroup2 mount that an absolute path lies in; for a relative path, the first there is.

    One that shows the whole hierarchy goes before one that shows a part of it.

    Raises:
        SourceError: There is none.
    """
    mounts = [
        (mount, status)
        for mount in cgroup2_mounts(read_file(_MOUNTINFO))
        if (status := _visible(mount)) is not None
    ]
    if not mounts:
        raise SourceError(
            "no cgroup2 file system is mounted: this machine has cgroup v1 alone, or it is hidden "
            "here (see /proc/self/mountinfo); mount -t cgroup2 none DIRECTORY makes it visible"
        )
    if path.startswith("/"):
        mounts = [(mount, status) for mount, status in mounts if _is_below(path, mount.point)]
        if not mounts:
            raise SourceError(
                f"{path} is not in a cgroup2 file system; a path without the leading slash is "
                "taken relative to where that is mounted"
            )
        mounts.sort(key=lambda found: len(found[0].point), reverse=True)
    else:
        mounts.sort(key=lambda found: found[0].root != "/")
    mount, status = mounts[0]
    return Mount(mount.point, f"cgroup2 {status.st_dev}:{status.st_ino}")


def _visible(mount: CgroupMount) -> os.stat_result | None:
    """The status of a mount point; None where another mount hides it, or the way to it."""
    try:
        status = os.stat(mount.point)
    except (OSError, ValueError):
        return None
    return status if status.st_dev == mount.device else None


def _is_below(path: str, point: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")
