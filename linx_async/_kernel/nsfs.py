"""Namespace files: what kind they are, whose they are, and how a thread enters them."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
from pathlib import Path

__all__ = [
    "KINDS",
    "close_all",
    "descriptor_of_socket",
    "enter",
    "identity_here",
    "is_network",
    "is_ours",
    "network_descriptor",
]

_CLONE_NEWNET = 0x40000000
KINDS = {"net": _CLONE_NEWNET, "uts": 0x04000000, "ipc": 0x08000000}
"""The kinds of namespaces that hold sysctls and that a thread can enter, with their clone flags."""
_NS_GET_NSTYPE = 0xB703
_SIOCGSKNS = 0x894C
_SO_NETNS_COOKIE = 71

_libc = ctypes.CDLL(None, use_errno=True)


def enter(fd: int, kind: str) -> None:
    """Enter a namespace with the calling thread: setns(2).

    Raises:
        OSError: It may not be entered.
    """
    if _libc.setns(fd, KINDS[kind]) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def identity_here() -> str:
    """Names the namespaces of the calling thread, as no others of this boot are named.

    Inode numbers of namespaces are used again; the cookie of a network namespace never is.
    """
    parts = [os.readlink(f"/proc/thread-self/ns/{kind}") for kind in KINDS]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            cookie = probe.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8)
        except OSError:  # before Linux 5.14
            return " ".join(parts)
    return " ".join([*parts, f"cookie:{int.from_bytes(cookie, 'little')}"])


def network_descriptor() -> int:
    """A descriptor of the network namespace of the calling thread; the caller closes it."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def descriptor_of_socket(sock: socket.socket) -> int:
    """A descriptor of the network namespace that a socket belongs to; the caller closes it.

    It is close-on-exec, as sock_ioctl() in net/socket.c makes it (open_related_ns()).

    Raises:
        OSError: It takes CAP_NET_ADMIN in that namespace.
    """
    return fcntl.ioctl(sock, _SIOCGSKNS)


def is_network(fd: int) -> bool:
    """Whether a descriptor is of a network namespace: ioctl_ns(2)."""
    try:
        return fcntl.ioctl(fd, _NS_GET_NSTYPE) == _CLONE_NEWNET
    except OSError:
        return False


def is_ours(fd: int, kind: str) -> bool:
    """Whether a descriptor is of the namespace that the calling thread is in."""
    theirs, ours = os.fstat(fd), Path(f"/proc/thread-self/ns/{kind}").stat()
    return (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino)


def close_all(fds: dict[str, int]) -> None:
    """Close descriptors, and forget them."""
    while fds:
        os.close(fds.popitem()[1])
