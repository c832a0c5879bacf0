"""Supervision: loops that crash are started again, with backoff, until a limit."""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Callable
from typing import Any

import anyio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus
from attrs import field, frozen

from .errors import DesiredStateError, LoopFailed
from .groups import ungrouped
from .loop import Loop
from .pace import checked_seconds

__all__ = ["Restart", "Supervisor"]

logger = logging.getLogger("linx_async")


def _seconds(instance: object, attribute: Any, value: float) -> None:
    checked_seconds(attribute.name, value, zero=False)


def _count(instance: object, attribute: Any, value: int) -> None:
    if type(value) is not int or value < 0:
        raise DesiredStateError(f"{attribute.name}: expected zero or more, got {value!r}")


@frozen
class Restart:
    """How a crashed loop is started again.

    Attributes:
        burst: How many crashes within `within` seconds are followed by a restart; one more is
            the end. 0 never restarts.
        within: Seconds; a loop that ran longer than this begins anew with the shortest wait.
        first: Seconds before the first restart; doubled at each crash in a row, and jittered.
        longest: Seconds that no wait exceeds.
    """

    burst: int = field(default=5, validator=_count)
    within: float = field(default=60.0, validator=_seconds)
    first: float = field(default=0.1, validator=_seconds)
    longest: float = field(default=30.0, validator=_seconds)

    def wait(self, crashes: int, rng: random.Random) -> float:
        """Seconds to wait after some crashes.

        Args:
            crashes: How many there were in a row.
            rng: Where the jitter comes from.
        """
        doubled: float = self.first * 2.0 ** min(max(crashes - 1, 0), 32)
        return min(doubled, self.longest) * rng.uniform(0.5, 1.0)


@frozen
class _Started(TaskStatus[None]):
    """A loop's word that it has started, which it gives again after each restart."""

    loop: Loop[Any, Any, Any]
    tell: Callable[[Loop[Any, Any, Any]], None]

    def started(self, value: None = None) -> None:
        self.tell(self.loop)


class Supervisor:
    """Runs loops side by side and restarts the ones that crash; the others do not notice.

    Only `Exception` counts as a crash: cancellation passes through. A restart enters the source
    anew, keeps the ownership, and begins with a full resync.

    Args:
        loops: What to run; `supervisor[name]` is the loop of that name.
        restart: How they are started again.

    Raises:
        DesiredStateError: A loop is given twice.
    """

    def __init__(self, *loops: Loop[Any, Any, Any], restart: Restart | None = None) -> None:
        if len(set(loops)) < len(loops):
            raise DesiredStateError(f"loops: one of {[loop.name for loop in loops]} is given twice")
        self.loops: tuple[Loop[Any, Any, Any], ...] = loops
        self.restart: Restart = restart or Restart()
        self.restarts: int = 0
        self._rng = random.Random()  # noqa: S311 - jitter is no secret

    def __getitem__(self, name: str) -> Loop[Any, Any, Any]:
        """The loop of that name, the first of them; KeyError where there is none."""
        for loop in self.loops:
            if loop.name == name:
                return loop
        raise KeyError(name)

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Run until every loop was stopped; `started` once each has made its first pass.

        Raises:
            LoopFailed: A loop crashed more often than `restart` allows; the others are cancelled.
                Its cause is an exception group of the crashes.
        """
        waited_for = set(self.loops)

        def started(loop: Loop[Any, Any, Any]) -> None:
            if loop in waited_for:
                waited_for.remove(loop)
                if not waited_for:
                    task_status.started()

        if not self.loops:
            task_status.started()
        with ungrouped():
            async with anyio.create_task_group() as tg:
                for loop in self.loops:
                    tg.start_soon(self._keep, loop, _Started(loop, started))

    async def _keep(self, loop: Loop[Any, Any, Any], task_status: TaskStatus[None]) -> None:
        try:
            await self._restart_on_crash(loop, task_status)
            task_status.started()
        finally:
            loop.end()

    async def _restart_on_crash(
        self, loop: Loop[Any, Any, Any], task_status: TaskStatus[None]
    ) -> None:
        crashes = deque[tuple[float, Exception]]()
        while True:
            try:
                await loop.run_once(task_status=task_status)
            except Exception as error:
                self._count(loop, crashes, error)
            else:
                return
            with anyio.move_on_after(self.restart.wait(len(crashes), self._rng)):
                await loop.until_stop()
                return

    def _count(
        self,
        loop: Loop[Any, Any, Any],
        crashes: deque[tuple[float, Exception]],
        error: Exception,
    ) -> None:
        now = anyio.current_time()
        while crashes and crashes[0][0] < now - self.restart.within:
            crashes.popleft()
        crashes.append((now, error))
        if len(crashes) > self.restart.burst:
            raise LoopFailed(
                loop.name, f"crashed {len(crashes)} times in {self.restart.within:g} s: {error}"
            ) from ExceptionGroup("crashes", [crash for _, crash in crashes])
        self.restarts += 1
        logger.warning("%s: crashed, and starts again: %s", loop.name, error, exc_info=error)
