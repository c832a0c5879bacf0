"""Blocking work in a thread that ends early when nobody waits for it any more."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
from anyio.abc import TaskStatus
from attrs import frozen

__all__ = ["Abort", "Aborted", "Patience", "run_abortable"]

T = TypeVar("T")


class Aborted(Exception):
    """Nobody waits for the result any more."""


class Abort:
    """Tells a thread, which may be waiting, that nobody waits for its result any more."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def fileno(self) -> int:
        """The descriptor that gets readable (eventfd(2))."""
        return self._fd

    def set(self) -> None:
        """Tell it; for good."""
        os.eventfd_write(self._fd, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._fd)


@frozen
class Patience:
    """How long a thread waits.

    Attributes:
        deadline: Until when, in seconds of `time.monotonic`.
        abort: What ends it before; None where nothing does.
    """

    deadline: float
    abort: Abort | None = None

    @classmethod
    def of(cls, seconds: float, abort: Abort | None = None) -> Self:
        """So many seconds from now on."""
        return cls(time.monotonic() + seconds, abort)

    def wait(self, fd: int) -> None:
        """Wait until a descriptor is readable, or hung up. Blocks.

        Raises:
            Aborted: Nobody wants the result any more.
            TimeoutError: It is too late.
        """
        if not self._ready([fd], self.left):
            raise TimeoutError

    def pause(self, seconds: float) -> None:
        """Let some time pass. Blocks.

        Raises:
            Aborted: Nobody wants the result any more.
            TimeoutError: It is too late.
        """
        if not self.left:
            raise TimeoutError
        self._ready([], min(seconds, self.left))

    @property
    def left(self) -> float:
        """Seconds until the deadline, 0 after it."""
        return max(0.0, self.deadline - time.monotonic())

    def _ready(self, fds: Iterable[int], seconds: float) -> bool:
        """Whether a descriptor got readable, or hung up, within some seconds."""
        poll = select.poll()
        for fd in fds:
            poll.register(fd, select.POLLIN)
        if self.abort is not None:
            poll.register(self.abort.fileno(), select.POLLIN)
        ready = {number for number, _ in poll.poll(seconds * 1000)}
        if self.abort is not None and self.abort.fileno() in ready:
            raise Aborted
        return bool(ready)


async def run_abortable(work: Callable[[Abort], T]) -> T:
    """Do blocking work in a worker thread; when cancelled, tell it, and wait until it has ended.

    Args:
        work: Gets what tells it to end, and raises `Aborted` then.

    Raises:
        Exception: Whatever the work raises.
    """
    outcome: list[T] = []
    failures: list[Exception] = []
    with Abort() as abort:
        async with anyio.create_task_group() as group:
            await group.start(_set_at_end, abort)
            try:
                outcome.append(await anyio.to_thread.run_sync(work, abort))
            except Aborted:
                await anyio.lowlevel.checkpoint()
            except Exception as error:  # raised below, outside of the group and its wrapping
                failures.append(error)
            group.cancel_scope.cancel()
    if failures:
        raise failures[0]
    return outcome[0]


async def _set_at_end(abort: Abort, *, task_status: TaskStatus[None]) -> None:
    try:
        task_status.started()
        await anyio.sleep_forever()
    finally:
        abort.set()
