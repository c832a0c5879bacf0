"""Why a limit cannot be read or written, or a cgroup be changed, and what to do about it."""

from __future__ import annotations

import errno

from .._core.errors import OpError
from .._kernel.files import read_below
from .paths import ancestors

__all__ = [
    "ADD",
    "CREATE",
    "DENIED",
    "DESTROY",
    "ENABLE",
    "FREEZE",
    "GONE",
    "KILL",
    "missing_file",
    "refused_write",
    "words_in",
]

GONE = {errno.ENOENT: "there is no such cgroup", errno.ENODEV: "the cgroup is gone"}
DENIED = {errno.EACCES: "not delegated to this user", errno.EPERM: "not delegated to this user"}
CREATE = {
    errno.ENOENT: "the cgroup above it is not there",
    errno.EAGAIN: "over cgroup.max.depth or cgroup.max.descendants of a cgroup above",
}
DESTROY = {errno.EPERM: "it cannot be removed", errno.EINVAL: "it cannot be removed"}
ADD = {
    errno.ESRCH: "there is no such process",
    errno.EBUSY: "controllers are enabled for the cgroups below: use one of those",
    errno.EINVAL: "it is a thread of the kernel, which stays where it is, or no pid at all",
    errno.EOPNOTSUPP: "it is threaded, or below a threaded one that is not valid",
}
FREEZE = {errno.ENOENT: "there is no such cgroup, or it is the root, which cannot be frozen"}
KILL = {
    errno.ENOENT: "there is no such cgroup, or it is the root, or this is before Linux 5.14",
    errno.EOPNOTSUPP: "it is threaded: kill the nearest cgroup above that is not",
}
ENABLE = {
    errno.EINVAL: "there is no such controller",
    errno.ENOENT: "not delegated to this cgroup, or held by cgroup v1",
    errno.EBUSY: "there are processes in the cgroup: move them to one below it first",
    errno.EACCES: "not delegated to this user",
    errno.EOPNOTSUPP: "not available in a threaded cgroup",
}

_CONTROL = "cgroup.subtree_control"
_AVAILABLE = "cgroup.controllers"


def words_in(mount: str, cgroup: str, name: str) -> frozenset[str]:
    """The words in an interface file; none where it cannot be read."""
    try:
        return frozenset(read_below(mount, (cgroup, name)).decode("ascii", "replace").split())
    except OSError:
        return frozenset()


def missing_file(mount: str, cgroup: str, key: str) -> OpError:
    """Why an interface file is not in a cgroup that is there: its controller is not delegated."""
    controller = key.split(".", 1)[0]
    if controller == "cgroup" or controller in words_in(mount, cgroup, _AVAILABLE):
        where = "the root cgroup" if not cgroup else "a cgroup of this kernel"
        return OpError(key, errno.ENOENT, f"there is no such interface file in {where}")
    for above in ancestors(cgroup):
        if controller not in words_in(mount, above, _AVAILABLE):
            break
        if controller not in words_in(mount, above, _CONTROL):
            file = f"{mount}/{above}/{_CONTROL}".replace("//", "/")
            return OpError(
                key,
                errno.ENOENT,
                f"the controller {controller!r} is not delegated to /{cgroup}: write "
                f"+{controller} to {file}, then to those below it",
            )
    if words_in(mount, "", "cgroup.type"):
        # Only the root of all has no such file.
        message = (
            f"the controller {controller!r} is not delegated to what is the root cgroup here: "
            "whoever runs this container has to, or the name is misspelt"
        )
    else:
        message = (
            f"there is no controller {controller!r} on cgroup v2 here: the kernel lacks it, cgroup "
            "v1 holds it (/proc/cgroups), or the name is misspelt"
        )
    return OpError(key, errno.ENOENT, message)


def refused_write(key: str, text: str, number: int | None) -> OpError:
    """Why a limit was not taken."""
    match number:
        case errno.EINVAL | errno.ERANGE:
            message = f"the kernel does not take {text!r}, or the file is read-only"
        case errno.EACCES | errno.EPERM:
            message = "may not be written: the cgroup is not delegated to this user"
        case errno.EROFS:
            message = "the cgroup2 file system is mounted read-only here"
        case errno.ENOENT | errno.ENODEV:
            message = "the cgroup, the file or the device is not there"
        case errno.EBUSY:
            message = "the cgroup is in use in a way that forbids it"
        case errno.EOPNOTSUPP:
            message = "not supported in a threaded cgroup, or not for this device"
        case _:
            message = f"cannot be set to {text!r}"
    return OpError(key, number, message)
