"""What `linx run` tells the service manager: ready, reloading, stopping, alive, and how it is."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from .._core.groups import ungrouped
from .events import Event
from .keeper import Keeper
from .notify import READY, STOPPING, WATCHDOG, ServiceSocket, reloading, status, with_status

__all__ = ["Service"]

_SIGNS = 3
"""Signs of life within the time in which one is wanted."""


class Service:
    """Tells how the loops are; it says nothing where nobody listens.

    Args:
        listener: Where the service manager listens.
        keeper: Who has the loops.
        tell: Where events go.
    """

    def __init__(self, listener: ServiceSocket, keeper: Keeper, tell: Callable[..., None]) -> None:
        self.trouble = ""
        self._listener = listener
        self._keeper = keeper
        self._tell = tell
        self._is_ready = False
        self._is_stopping = False
        self._is_deaf = False
        self._told = ""
        self._hanging: set[str] = set()

    async def run(self) -> None:
        """Tell of all that happens, until cancelled."""
        if not self._listener.address:
            return
        with ungrouped():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._tell_of_the_end)
                if self._listener.watchdog is not None:
                    tasks.start_soon(self._stay_alive, self._listener.watchdog)
                await self._keeper.first_passes()
                self._is_ready = True
                await self.ready()
                while True:
                    news = self._keeper.news
                    if self._text() != self._told:
                        await self._say(status(self._now()).encode())
                    await news.wait()

    async def ready(self) -> None:
        """All loops have had their first pass, or a reload is done; nothing before the former."""
        if self._is_ready:
            await self._say(with_status(READY, self._now()))

    async def reloading(self, microseconds: int) -> None:
        """A reload begins, at that time by CLOCK_MONOTONIC."""
        if self._is_ready:
            await self._say(reloading(microseconds))

    async def stopping(self) -> None:
        """The end begins."""
        if not self._is_stopping:
            self._is_stopping = True
            await self._say(with_status(STOPPING, "lets the passes under way come to their end"))

    async def _tell_of_the_end(self) -> None:
        await self._keeper.stopping.wait()
        await self.stopping()

    async def _stay_alive(self, limit: float) -> None:
        """Give signs of life, as long as no loop hangs: they stop with the event loop, too."""
        while True:
            hanging = {each.part.name for each in self._keeper.hanging(limit)}
            for name in sorted(hanging - self._hanging):
                text = f"does not answer: at work for more than {limit:g} s without an end"
                self._tell(Event("error", name, text))
            self._hanging = hanging
            if hanging:
                await self._say(status(self._now()).encode())
            else:
                await self._say(WATCHDOG.encode())
            await anyio.sleep(limit / _SIGNS)

    def _now(self) -> str:
        self._told = self._text()
        return self._told

    def _text(self) -> str:
        hanging = f"no answer from {', '.join(sorted(self._hanging))}" if self._hanging else ""
        return "; ".join(filter(None, [hanging, self.trouble, self._keeper.summary()]))

    async def _say(self, message: bytes) -> None:
        try:
            await self._listener.send(message)
        except OSError as error:  # a TimeoutError is one
            if not self._is_deaf:
                text = f"the service manager at {self._listener.address} cannot be told: {error}"
                self._tell(Event("error", "", text))
            self._is_deaf = True
        else:
            self._is_deaf = False
