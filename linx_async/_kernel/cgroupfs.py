"""Where cgroup v2 is mounted, and the size of a page."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from attrs import frozen

from .._core.errors import SourceError
from .files import read_file

__all__ = ["PAGE_SIZE", "Mount", "cgroup2_mounts", "mount_of"]

PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
"""Bytes."""

_ESCAPE = re.compile(r"\\([0-7]{3})")


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


def cgroup2_mounts(mountinfo: str) -> Iterator[str]:
    """The mount points of cgroup2 in the text of a mountinfo file: proc_pid_mountinfo(5)."""
    for line in mountinfo.splitlines():
        head, dash, tail = line.partition(" - ")
        fields = head.split(" ")
        if dash and len(fields) >= 6 and tail.split(" ")[0] == "cgroup2":
            yield _ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[4])


def mount_of(path: str) -> Mount:
    """The cgroup2 mount that an absolute path lies in; for a relative path, the first there is.

    Raises:
        SourceError: There is none.
    """
    points = list(cgroup2_mounts(read_file("/proc/self/mountinfo")))
    if not points:
        raise SourceError(
            "no cgroup2 file system is mounted: this machine has cgroup v1 alone, or it is hidden "
            "here (see /proc/self/mountinfo); mount -t cgroup2 none DIRECTORY makes it visible"
        )
    if path.startswith("/"):
        points = [point for point in points if _is_below(path, point)]
        if not points:
            raise SourceError(
                f"{path} is not in a cgroup2 file system; a path without the leading slash is "
                "taken relative to where that is mounted"
            )
        points.sort(key=len, reverse=True)
    try:
        status = os.stat(points[0])
    except OSError as error:
        raise SourceError(f"{points[0]}: {error.strerror}") from error
    return Mount(points[0], f"cgroup2 {status.st_dev}:{status.st_ino}")


def _is_below(path: str, point: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")
