"""What inotify is made of: masks, records and changes, and the calls with their errors told."""

from __future__ import annotations

import ctypes
import enum
import errno
import os
import struct
from collections.abc import Hashable, Iterator
from contextlib import suppress
from typing import Final

from attrs import frozen

from .._core.errors import SourceError, errno_name

__all__ = [
    "CHANGES",
    "LARGEST_RECORD",
    "WATCHABLE",
    "Change",
    "Lost",
    "Mask",
    "add_watch",
    "close_pin",
    "decode",
    "failure",
    "open_inotify",
    "remove_watch",
]


class Mask(enum.IntFlag):
    """What inotify announces; inotify(7), include/uapi/linux/inotify.h."""

    MODIFY = 0x2
    ATTRIB = 0x4
    CLOSE_WRITE = 0x8
    MOVED_FROM = 0x40
    MOVED_TO = 0x80
    CREATE = 0x100
    DELETE = 0x200
    DELETE_SELF = 0x400
    MOVE_SELF = 0x800
    UNMOUNT = 0x2000
    Q_OVERFLOW = 0x4000
    IGNORED = 0x8000
    ISDIR = 0x40000000


CHANGES: Final = (
    Mask.MODIFY
    | Mask.CREATE
    | Mask.DELETE
    | Mask.MOVED_FROM
    | Mask.MOVED_TO
    | Mask.DELETE_SELF
    | Mask.MOVE_SELF
)
"""What a watch announces unless it is told otherwise: contents, and what comes and goes."""

WATCHABLE: Final = 0xFFF
_MASK_ADD: Final = 0x20000000
_OVERFLOW: Final = int(Mask.Q_OVERFLOW)

_RECORD: Final = struct.Struct("=iIII")
LARGEST_RECORD: Final = _RECORD.size + 256
"""Bytes: the header, a name of NAME_MAX and its end."""

_libc = ctypes.CDLL(None, use_errno=True)


@frozen
class Change:
    """A watched file changed, or something below a watched directory did: look at it.

    Attributes:
        label: The label of the watch.
        name: The name below the watched directory; empty for the watched inode itself.
        mask: `Mask` bits. With `Mask.IGNORED` the watch is gone, and its label with it.
    """

    label: Hashable
    name: str
    mask: int


@frozen
class Lost:
    """Changes were lost on the way: look at everything again."""


def decode(buffer: bytes) -> Iterator[tuple[int, int, str]]:
    """The watch descriptor, mask and name of each record read from an inotify descriptor.

    Records that do not fit the buffer end it with an overflow, `(-1, Mask.Q_OVERFLOW, "")`.
    """
    offset, end = 0, len(buffer)
    while offset < end:
        start = offset + _RECORD.size
        if start > end:
            yield -1, _OVERFLOW, ""
            return
        wd, mask, _cookie, length = _RECORD.unpack_from(buffer, offset)
        offset = start + length
        if offset > end:
            yield -1, _OVERFLOW, ""
            return
        # The kernel pads the name with NULs to the alignment of the next record.
        yield wd, mask, os.fsdecode(buffer[start:offset].split(b"\0", 1)[0])


def _out_of_descriptors() -> bool:
    """Whether it is this process that may open no more files, of any kind."""
    try:
        os.close(os.eventfd(0, os.EFD_CLOEXEC))
    except OSError as error:
        return error.errno in {errno.EMFILE, errno.ENFILE}
    return False


def failure(what: str, number: int) -> SourceError:
    """The error of an inotify call, with the limit that was hit and what to do about it."""
    match number:
        case errno.EMFILE | errno.ENFILE if _out_of_descriptors():
            cure = "this process has as many open files as RLIMIT_NOFILE allows: raise it"
        case errno.EMFILE:
            cure = "this user has fs.inotify.max_user_instances inotify descriptors: raise it"
        case errno.ENOSPC:
            cure = "this user has fs.inotify.max_user_watches watches: raise it, or watch less"
        case errno.ENOMEM:
            cure = "the kernel is out of memory, or fs.inotify.max_user_watches is too high for it"
        case errno.ENOENT:
            cure = "the descriptor is not open, or /proc is no procfs of this pid namespace"
        case errno.EACCES:
            cure = "watching needs read permission on the file"
        case _:
            cure = "see inotify_add_watch(2)"
    error = SourceError(f"{what}: {errno_name(number)} ({os.strerror(number)}): {cure}")
    error.__cause__ = OSError(number, os.strerror(number))
    return error


def open_inotify() -> int:
    """A new inotify descriptor, non-blocking and closed on exec.

    Raises:
        SourceError: A limit was hit; the message names it.
    """
    fd: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if fd < 0:
        raise failure("cannot open an inotify descriptor", ctypes.get_errno())
    return fd


def add_watch(fd: int, pin: int, mask: int, what: object) -> int:
    """Watch the inode that the descriptor `pin` holds; the watch descriptor.

    The kernel has one watch an inode and inotify descriptor, and a second call would replace its
    mask (fs/notify/inotify/inotify_user.c): IN_MASK_ADD leaves the others what they asked for.

    Raises:
        SourceError: A limit of the kernel's was hit, or the file cannot be watched.
    """
    wd: int = _libc.inotify_add_watch(fd, f"/proc/self/fd/{pin}".encode(), mask | _MASK_ADD)
    if wd < 0:
        raise failure(f"cannot watch {what!r}", ctypes.get_errno())
    return wd


def remove_watch(fd: int, wd: int) -> None:
    """End a watch. One that the kernel dropped first (EINVAL) is gone, which is as well."""
    _libc.inotify_rm_watch(fd, wd)


def close_pin(pin: int) -> None:
    """Close a descriptor that held a watched inode.

    One that somebody else closed must not cost the other watches their changes.
    """
    with suppress(OSError):
        os.close(pin)
