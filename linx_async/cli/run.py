"""`linx run`: the loops in the foreground, until a signal comes."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from typing import Any

import anyio
from anyio import TASK_STATUS_IGNORED, to_thread
from anyio.abc import TaskStatus
from attrs import field, frozen

from .._core.errors import SourceError
from .._core.loop import Loop
from .._core.model import Report
from .._core.supervisor import Supervisor
from ..config import HostConfig, Part
from .events import Event, Story
from .output import counted, say, shade, show_json
from .signals import until_signal
from .state import HostStore, parts_to_keep

__all__ = ["Pacing", "Runner", "raise_descriptor_limit"]

_COLOURS = {
    "applied": "green",
    "converged": "green",
    "waiting": "yellow",
    "started": "cyan",
    "stopped": "cyan",
    "conflict": "magenta",
    "flapping": "magenta",
}


def raise_descriptor_limit() -> None:
    """Allow as many descriptors as we may: one is held for each directory that is watched."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@frozen
class Pacing:
    """The options of every loop; see `Loop`."""

    interval: float = 5.0
    debounce: float = 0.1
    monitor: bool = True


class _ToldLoop(Loop[Any, Any, Any]):
    """A loop that says when it crashes; the supervisor starts it again in silence."""

    crashed: Callable[[Exception], None]

    async def run_once(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        try:
            await super().run_once(task_status=task_status)
        except Exception as error:
            self.crashed(error)
            raise


@frozen
class Runner:
    """The loops of one file.

    Attributes:
        config: The file.
        store: The records.
        pacing: The options of every loop.
        revert_on_release: Whether what left the file gets its value from before we came back.
        as_json: Whether to write JSON.
    """

    config: HostConfig
    store: HostStore
    pacing: Pacing
    revert_on_release: bool = False
    as_json: bool = False
    _writing: anyio.Lock = field(factory=anyio.Lock, init=False)

    async def run(self) -> None:
        """Keep the parts at what the file says, until SIGINT or SIGTERM.

        Raises:
            LoopFailed: One crashed again and again.
            LinxError: The file is wrong, or the records cannot be read.
        """
        parts = await parts_to_keep(self.config, self.store)
        loops = [self._loop(part) for part in parts]
        await self._tell(Event("started", "", f"keeps {counted(len(loops), 'part')} of {self.config.file}"))
        came = await until_signal(lambda: self._keep(loops), lambda: stop(loops))
        ...
