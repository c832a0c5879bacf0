"""How a netlink socket is opened and set up, in whichever namespace the thread is in."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from .._core.errors import SourceError, errno_name

__all__ = [
    "NETLINK_NETFILTER",
    "NETLINK_ROUTE",
    "Opening",
    "failure",
    "open_socket",
    "prepare",
    "set_buffer",
]

NETLINK_ROUTE: Final = 0
NETLINK_NETFILTER: Final = 12

# include/uapi/linux/netlink.h, include/uapi/asm-generic/socket.h
_SOL_NETLINK: Final = 270
_ADD_MEMBERSHIP: Final = 1
_CAP_ACK: Final = 10
_EXT_ACK: Final = 11
_GET_STRICT_CHK: Final = 12
_FORCE: Final = {socket.SO_SNDBUF: 32, socket.SO_RCVBUF: 33}
"""SO_SNDBUFFORCE and SO_RCVBUFFORCE."""

_LARGEST_BUFFER: Final = 2**30 - 1

_CURES: Final = {
    errno.EMFILE: ": this process has as many open files as RLIMIT_NOFILE allows: raise it",
    errno.ENFILE: ": the machine has as many open files as fs.file-max allows: raise it",
    errno.EPROTONOSUPPORT: ": this kernel lacks the protocol, or the module that brings it",
    errno.EPERM: ": it takes CAP_NET_ADMIN in the network namespace",
    errno.EMSGSIZE: ": send it in smaller parts, or raise net.core.wmem_max",
}


def open_socket(
    protocol: int = NETLINK_ROUTE,
    groups: Iterable[int] = (),
    receive_buffer: int | None = None,
) -> socket.socket:
    """A bound, non-blocking netlink socket in the network namespace of the calling thread.

    Args:
        protocol: The netlink family, NETLINK_ROUTE (0) or another of netlink(7).
        groups: Multicast groups to join, by number.
        receive_buffer: Bytes (SO_RCVBUF), over the machine's limit where we may; None leaves it.

    Raises:
        SourceError: The socket cannot be had, or a group not be joined.
    """
    what = f"netlink socket (protocol {protocol})"
    try:
        sock = socket.socket(
            socket.AF_NETLINK,
            socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC,
            protocol,
        )
    except OSError as error:
        raise failure(f"cannot open a {what}", error) from error
    try:
        prepare(sock, what, groups, receive_buffer)
    except BaseException:
        sock.close()
        raise
    return sock


def prepare(
    sock: socket.socket,
    what: str,
    groups: Iterable[int] = (),
    receive_buffer: int | None = None,
) -> None:
    """Set a netlink socket's options, and bind it; the rest as for `open_socket`."""
    for option in (_EXT_ACK, _CAP_ACK, _GET_STRICT_CHK):
        # Kernels before 4.3, 4.12 and 4.20 lack one or the other.
        with suppress(OSError):
            sock.setsockopt(_SOL_NETLINK, option, 1)
    if receive_buffer is not None:
        _force_buffer(sock, socket.SO_RCVBUF, receive_buffer)
    try:
        sock.bind((0, 0))
    except OSError as error:
        raise failure(f"cannot bind a {what}", error) from error
    for group in groups:
        try:
            sock.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
        except OSError as error:
            raise failure(f"{what}: cannot join group {group}", error) from error


def set_buffer(sock: socket.socket, option: int, size: int) -> int:
    """Let a buffer that is smaller grow, over the machine's limit where we may.

    Args:
        sock: The socket.
        option: SO_SNDBUF or SO_RCVBUF.
        size: Bytes, as the kernel counts them, with what it needs itself (socket(7)).

    Returns:
        The bytes there are now, which may be fewer.
    """
    room = sock.getsockopt(socket.SOL_SOCKET, option)
    if room >= size:
        return room
    # It is doubled (sock_setsockopt() in net/core/sock.c).
    _force_buffer(sock, option, min(size // 2 + 1, _LARGEST_BUFFER))
    return sock.getsockopt(socket.SOL_SOCKET, option)


def _force_buffer(sock: socket.socket, option: int, size: int) -> None:
    try:
        # Over net.core.[rw]mem_max; it takes CAP_NET_ADMIN outside any user namespace.
        sock.setsockopt(socket.SOL_SOCKET, _FORCE[option], size)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, option, size)


def failure(what: str, error: OSError) -> SourceError:
    """The error of a socket call, with what to do about it."""
    number = error.errno or 0
    cure = _CURES.get(number, "")
    return SourceError(f"{what}: {errno_name(number)} ({os.strerror(number)}){cure}")


class Opening:
    """A socket on its way from a thread; the one who gives up waiting leaves it to be closed."""

    def __init__(self, make: Callable[[], socket.socket]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None
        self._abandoned = False

    def run(self) -> socket.socket:
        """Open it, in a thread."""
        sock = self._make()
        with self._lock:
            self._sock = sock
            if self._abandoned:
                sock.close()
        return sock

    def abandon(self) -> None:
        """Close it, now or as soon as it is there."""
        with self._lock:
            self._abandoned = True
            if self._sock:
                self._sock.close()
