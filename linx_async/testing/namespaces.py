"""Throw-away namespaces, as root or not: for this whole process, or held by a child."""

from __future__ import annotations

import os
import subprocess
from functools import cache

from linx_async._core.errors import errno_name

from . import _box
from ._cgroups import cgroup2_writable, controllers, scratch_cgroup
from ._child import Kind, Namespaces, NamespaceUnavailable, with_user

__all__ = [
    "Kind",
    "NamespaceUnavailable",
    "Namespaces",
    "can_make_links",
    "can_unshare_user",
    "cgroup2_writable",
    "controllers",
    "scratch_cgroup",
    "throwaway",
    "unshare_this_process",
]

_isolated = False


def unshare_this_process() -> None:
    """Move this process into network, UTS, IPC and mount namespaces of its own, for good.

    An ordinary user gets a user namespace as well and is root in it (user_namespaces(7)). Mounts
    become private, /run is empty but for links to what was there, lo is up. /proc stays the one
    there was: a fresh one needs a pid namespace. From then on whatever this process and its
    children do to links, addresses, net sysctls, the host name or mounts is thrown away with them.
    It stays undone where it fails; a second call does nothing. It takes about 50 ms.

    Raises:
        NamespaceUnavailable: The process has more than one thread (unshare(2): EINVAL), the kernel
            or its configuration forbids it, or /proc/sys cannot be written.
    """
    global _isolated  # noqa: PLW0603 - the process is moved for good
    if _isolated:
        return
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        raise NamespaceUnavailable(
            f"this process has {threads} threads, and only one could be moved into new namespaces: "
            "do so before any other starts"
        )
    kinds = with_user(("net", "uts", "ipc", "mount"))
    _rehearse(kinds)
    _box.enter(kinds)
    _isolated = True


def _rehearse(kinds: tuple[Kind, ...]) -> None:
    """Do it all in a child first, since a step back is not possible."""
    with Namespaces(*kinds) as child:
        key = "net.ipv4.ip_forward"
        try:
            child.write(key, child.read(key))
        except OSError as error:
            raise NamespaceUnavailable(
                f"sysctls cannot be written in a namespace of our own: {_box.kernel_path(key)}: "
                f"{errno_name(error.errno or 0)}; a container may have /proc/sys read-only"
            ) from error


def throwaway(*kinds: Kind) -> Namespaces:
    """A child process in new namespaces of these kinds, and in ours for all others.

    With no kind it is simply a foreign process in our own namespaces: somebody else who writes.

    ```python
    with throwaway("net", "uts") as box:
        box.write("net.ipv4.ip_forward", "1")
        box.run(["ip", "link", "set", "lo", "mtu", "1400"])
        await sysctl.reconcile(desired, scope=NetworkNamespace.of_pid(box.pid))
    ```

    Args:
        kinds: Any of `"net"`, `"uts"`, `"ipc"`, `"user"`, `"mount"`, `"cgroup"`. Without
            CAP_SYS_ADMIN `"user"` is added. In a new network namespace lo is up; with a new mount
            namespace come private mounts and an empty /run.

    Raises:
        NamespaceUnavailable: They cannot be had here; the reason says why.
    """
    return Namespaces(*kinds)


@cache
def can_unshare_user() -> bool:
    """Whether this process may make a user namespace with a network namespace in it."""
    try:
        with Namespaces("user", "net"):
            return True
    except NamespaceUnavailable:
        return False


@cache
def can_make_links() -> bool:
    """Whether `ip` (iproute2) is installed and makes a veth pair and a bridge."""
    try:
        with Namespaces("net") as box:
            box.run(["ip", "link", "add", "one", "type", "veth", "peer", "name", "other"])
            box.run(["ip", "link", "add", "both", "type", "bridge"])
            return True
    except (NamespaceUnavailable, OSError, subprocess.CalledProcessError):
        return False
