"""Task groups of ours: work that nothing cuts short, and a lone error without the group around."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from anyio import CancelScope, create_task_group
from anyio.abc import TaskStatus

__all__ = ["StartedOnce", "ungrouped", "uninterrupted"]

T = TypeVar("T")


class StartedOnce(TaskStatus[None]):
    """A task status that may be told any number of times that the task has started."""

    def __init__(self, task_status: TaskStatus[None]) -> None:
        self._task_status: TaskStatus[None] | None = task_status

    def started(self, value: None = None) -> None:
        """Pass it on, the first time."""
        task_status, self._task_status = self._task_status, None
        if task_status is not None:
            task_status.started()


@contextmanager
def ungrouped() -> Iterator[None]:
    """Put around a task group of ours: a single error leaves it as itself; more stay a group."""
    try:
        yield
    except BaseExceptionGroup as group:
        lone = group.exceptions[0]
        if len(group.exceptions) == 1 and isinstance(lone, Exception):
            raise lone from lone.__cause__
        raise


async def uninterrupted(work: Callable[[], Awaitable[T]]) -> T:
    """Await `work()` to its end, whatever is cancelled meanwhile; then the cancellation goes on.

    A shield keeps out the cancellation of scopes alone. asyncio's own `Task.cancel()`, which is
    what `asyncio.TaskGroup`, `asyncio.timeout` and Ctrl-C use, stops at a task of its own.
    """
    results: list[T] = []
    errors: list[Exception] = []

    async def shielded() -> None:
        with CancelScope(shield=True):
            try:
                results.append(await work())
            except Exception as error:
                errors.append(error)

    async with create_task_group() as tg:
        tg.start_soon(shielded)
    # Only now: a cancellation goes before an error, which somebody could catch.
    for error in errors:
        raise error
    return results[0]
