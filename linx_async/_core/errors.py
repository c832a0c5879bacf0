"""The errors, all below LinxError."""

from __future__ import annotations

import errno as _errno
from os import strerror

__all__ = [
    "DesiredStateError",
    "DumpInterrupted",
    "LinxError",
    "LoopFailed",
    "LoopStopped",
    "OpError",
    "ScopeGone",
    "SourceError",
    "StalePlan",
    "StoreError",
    "errno_name",
]


def errno_name(number: int) -> str:
    """The errno by its name in errno(3), `EPERM`; an unknown one as `errno 1234`."""
    if number == _errno.EOPNOTSUPP:
        return "EOPNOTSUPP"  # Python says ENOTSUP, which the kernel never does
    return _errno.errorcode.get(number, f"errno {number}")


class LinxError(Exception):
    """The base of every error this library raises on purpose."""


class DesiredStateError(LinxError, ValueError):
    """The desired state is wrong as written; nothing was applied.

    The message names the field and the value.
    """


class SourceError(LinxError):
    """A pass could not run: the scope could not be read or reached."""


class ScopeGone(SourceError):
    """What the source looks at is not there: a process ended, a namespace is missing or replaced.

    A loop leaves the source then, and enters it anew at the next retry.
    """


class DumpInterrupted(SourceError):
    """The kernel's tables changed while they were being read, several times over.

    It says so by NLM_F_DUMP_INTR (Documentation/userspace-api/netlink/intro.rst), or by another
    generation of the rule set (net/netfilter/nf_tables_api.c).
    """


class StalePlan(SourceError):
    """What was observed is not so any more, and the kernel refused a plan made of it.

    A source raises it in `apply`, where nothing of the batch was done: the pass observes again.
    """


class StoreError(SourceError):
    """The ownership record could not be read or written; the message names the file."""


class OpError(LinxError):
    """The kernel refused one op.

    Attributes:
        key: The key of the op.
        errno: The error number (errno(3)), or None where the failure was not the kernel's.
        message: What the kernel said beyond the number (NETLINK_EXT_ACK, netlink(7)), and what to
            do where we know it.
        offset: Bytes into the request at which the kernel found the fault, or None.
    """

    def __init__(
        self, key: str, errno: int | None, message: str = "", *, offset: int | None = None
    ) -> None:
        self.key = key
        self.errno = errno
        self.message = message
        self.offset = offset
        super().__init__(key, errno, message)

    def __str__(self) -> str:
        parts = [self.key] if self.key else []
        if self.errno is not None:
            parts.append(f"{errno_name(self.errno)} ({strerror(self.errno)})")
        if self.message:
            parts.append(self.message)
        if self.offset is not None:
            parts.append(f"at byte {self.offset} of the request")
        return ": ".join(parts)


class LoopStopped(LinxError):
    """The loop is not running, so what was asked of it cannot happen."""


class LoopFailed(LinxError):
    """A loop crashed more often than its restart limit allows.

    `__cause__` is an exception group of the crashes within the window, the oldest first.

    Attributes:
        name: The loop's name.
        message: How often, and the last crash.
    """

    def __init__(self, name: str, message: str) -> None:
        self.name = name
        self.message = message
        super().__init__(name, message)

    def __str__(self) -> str:
        return f"loop {self.name!r}: {self.message}"
