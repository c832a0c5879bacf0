"""Why a limit cannot be read or written, and what to do about it."""

from __future__ import annotations

import errno

from .._core.errors import OpError
from .._kernel.files import read_below
from .paths import ancestors

__all__ = ["missing_file", "refused_write", "words_in"]

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
