"""SIGINT and SIGTERM: the first ends the work in good order, a second one at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable

import anyio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus

from .._core.groups import ungrouped

__all__ = ["until_signal"]


async def until_signal(
    work: Callable[[], Awaitable[None]], end: Callable[[], None] | None = None
) -> signal.Signals | None:
    """Do some work until it is done, or a signal comes.

    Args:
        work: What to do.
        end: What makes the work come to its end; default: it is cancelled.

    Returns:
        The signal that came, if one did.
    """
    came: list[signal.Signals] = []

    async def listen(*, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for number in signals:
                if came:
                    # Nothing is lost: a record never says less than what is owned.
                    os._exit(128 + number)
                came.append(number)
                (end or working.cancel)()

    with ungrouped():
        async with anyio.create_task_group() as listening:
            with anyio.CancelScope() as working:
                await listening.start(listen)
                await work()
            listening.cancel_scope.cancel()
    return came[0] if came else None
