"""Sysctls that announce their changes to poll(2): kernel.hostname and kernel.domainname."""

from __future__ import annotations

import errno
import os
import select
from contextlib import ExitStack
from typing import Final, Self

import anyio
import anyio.lowlevel

from .._core.errors import ScopeGone, SourceError, errno_name

__all__ = ["PolledFile"]

_GONE: Final = select.POLLHUP


class PolledFile:
    """A file of /proc/sys that is polled, in place of inotify, which sethostname(2) escapes.

    The kernel keeps the number of the last change it has told in each open file, and any poll of
    the file takes the news of it (proc_sys_poll() in fs/proc/proc_sysctl.c). It reports POLLIN
    always, and POLLERR|POLLPRI for a change. So there are an epoll of our own that looks at
    EPOLLPRI alone, for the event loop to wait on, and a file beside it that only `wait` polls:
    that one knows whether there was a change.

    The event loop polls our epoll when it registers it, and again before it reports it: the first
    takes the news from under the second. Therefore the epoll has two files: a poll of an epoll
    stops at the first that is ready (__ep_eventpoll_poll() in fs/eventpoll.c).
    """

    def __init__(self, truth: int, alarm: select.epoll, opened: ExitStack) -> None:
        self._truth = select.poll()
        self._truth.register(truth, select.POLLPRI)
        self._alarm = alarm
        self._opened = opened
        self._waiting = anyio.ResourceGuard("waiting for")

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open the file. Blocks: call it in a thread. Changes from here on are told.

        Only kernel.hostname and kernel.domainname announce changes; of another sysctl none comes.

        Raises:
            SourceError: It cannot be opened, or polled.
        """
        with ExitStack() as undo:
            try:
                alarm = undo.enter_context(select.epoll())
                truth, *ringers = (_open(path, undo) for _ in range(3))
                for fd in ringers:
                    alarm.register(fd, select.EPOLLPRI)
            except OSError as error:
                number = error.errno or 0
                cure = ": it is no file that can be polled" if number == errno.EPERM else ""
                raise SourceError(
                    f"cannot poll {os.fspath(path)}: {errno_name(number)}"
                    f" ({os.strerror(number)}){cure}"
                ) from error
            return cls(truth, alarm, undo.pop_all())

    async def wait(self) -> None:
        """Wait until the file has changed since it was opened, or since the last `wait` returned.

        Changes of the same sysctl in other UTS namespaces count too: the kernel has one count for
        all. Several changes may be one return.

        Raises:
            ScopeGone: The sysctl is not there any more.
            anyio.ClosedResourceError: It is closed.
            anyio.BusyResourceError: Another task is waiting.
        """
        with self._waiting:
            await anyio.lowlevel.checkpoint()
            while not self._changed():
                await anyio.wait_readable(self._alarm)

    def _changed(self) -> bool:
        """Silence the alarm, then ask: a change in between rings it again."""
        if self._alarm.closed:
            raise anyio.ClosedResourceError
        self._alarm.poll(0)
        told = self._truth.poll(0)
        if any(mask & _GONE for _, mask in told):
            raise ScopeGone("the polled sysctl is not there any more")
        return bool(told)

    def close(self) -> None:
        """Close it, on the event loop's thread. Who waits gets anyio.ClosedResourceError."""
        if not self._alarm.closed:
            anyio.notify_closing(self._alarm)
            self._opened.close()


def _open(path: str | os.PathLike[str], undo: ExitStack) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    undo.callback(os.close, fd)
    return fd
