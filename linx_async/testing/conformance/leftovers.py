"""What a Source leaves behind: open descriptors, running tasks, busy threads."""

from __future__ import annotations

import gc
import os
import sys
import threading
from types import FrameType

import anyio
from anyio.lowlevel import checkpoint
from attrs import frozen

__all__ = ["Holding", "open_descriptors", "threads_rest"]

_TURNS = 100
"""Turns of the event loop in which a task that was told to end has to."""
_NAP = 0.001
_PATIENCE = 1.0
_WORKERS = ("WorkerThread.run", "WorkerThread._work")
"""What runs a worker thread of anyio's on asyncio, and one of trio's."""
_WAITING = ("/threading.py", "/queue.py")
"""The files of what such a thread runs inside of it without work."""


@frozen
class Holding:
    """What this process holds at one moment."""

    descriptors: frozenset[tuple[int, str]]
    tasks: frozenset[int]

    @classmethod
    async def now(cls) -> Holding:
        """What it holds once its threads rest; one that waits for its finalizer counts as well."""
        await threads_rest()
        tasks = frozenset(task.id for task in anyio.get_running_tasks())
        return cls(frozenset(open_descriptors()), tasks)

    async def left_since(self) -> list[str]:
        """What it holds once its threads rest, and did not then, in words."""
        await threads_rest()
        for _ in range(_TURNS):
            left = self._new()
            if not left:
                return []
            await checkpoint()
        gc.collect()
        return self._new()

    def _new(self) -> list[str]:
        tasks = {task.id: task.name for task in anyio.get_running_tasks()}
        return [
            *(
                f"descriptor {number} -> {target}"
                for number, target in sorted(set(open_descriptors()) - self.descriptors)
            ),
            *(f"task {name}" for number, name in tasks.items() if number not in self.tasks),
        ]


def open_descriptors() -> list[tuple[int, str]]:
    """The descriptors of this process, each with what it is of."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            found.append((int(number), os.readlink(f"/proc/self/fd/{number}")))
        except FileNotFoundError:
            continue  # the listing's own
    return found


async def threads_rest() -> None:
    """Wait until no worker thread of the event loop is at work, within reason.

    One that was left behind by a cancelled call still does what it is at.
    """
    with anyio.move_on_after(_PATIENCE):
        while _is_any_at_work():  # noqa: ASYNC110 - threads set no event
            await anyio.sleep(_NAP)


def _is_any_at_work() -> bool:
    here = threading.get_ident()  # the event loop itself may run in such a thread
    return any(_works(frame) for thread, frame in sys._current_frames().items() if thread != here)


def _works(frame: FrameType | None) -> bool:
    """Whether this is a worker thread, and it is inside of some work."""
    inside = []
    while frame is not None and frame.f_code.co_qualname not in _WORKERS:
        inside.append(frame.f_code.co_filename)
        frame = frame.f_back
    return frame is not None and not all(file.endswith(_WAITING) for file in inside)
