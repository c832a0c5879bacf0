"""What the user asked of a running loop, and the wait for the next pass."""

from __future__ import annotations

import math

import anyio
from anyio import Event

from .model import Hint, Trigger
from .pace import Pace

__all__ = ["Orders"]


class Orders:
    """When the next pass of one loop begins: when it is due, or when the user wants it.

    Args:
        interval: Seconds between resyncs.
        debounce: Seconds to gather hints.
    """

    def __init__(self, interval: float, debounce: float) -> None:
        self.paused = False
        self.held = False
        self.stopping = False
        self.busy_since: float | None = None
        self._interval = interval
        self._debounce = debounce
        self._wake = Event()
        self.start()

    def start(self) -> None:
        """The loop begins to run: what was due or wanted before is not any more."""
        self._forced = False
        self.pace = Pace(self._interval, self._debounce)

    def hinted(self, hint: Hint) -> None:
        """Something may have changed."""
        self.pace.hinted(anyio.current_time(), hint)
        self._wake.set()

    def desired(self) -> None:
        """There is a new desired state."""
        self.pace.desired(anyio.current_time())
        self._wake.set()

    def pause(self, look: bool) -> None:
        """Nothing is to be changed; whether passes that only look are wanted all the same."""
        self.paused = True
        self.held = not look
        self._wake.set()

    def resume(self, *, running: bool) -> None:
        """A pause ends; a loop that runs is to look at everything."""
        self.paused = self.held = False
        if running:
            self.pace.resumed(anyio.current_time())
            self._wake.set()

    def force(self) -> None:
        """A pass is wanted now."""
        self._forced = True
        self._wake.set()

    def stop(self) -> None:
        """No more passes are wanted."""
        self.stopping = True
        self._wake.set()

    def busy(self) -> None:
        """The loop has work to do."""
        self.busy_since = anyio.current_time()

    def begun(self) -> None:
        """A pass begins."""
        self._forced = False
        self.pace.begun()

    async def until_stop(self) -> None:
        """Wait for a call of `stop`."""
        while not self.stopping:
            self._wake = Event()
            await self._wake.wait()

    async def next(self) -> Trigger | None:
        """Wait until a pass is due; None when the loop is to end."""
        self.busy_since = None
        trigger = await self._next()
        self.busy()
        return trigger

    async def _next(self) -> Trigger | None:
        while True:
            self._wake = Event()
            if self.stopping:
                return None
            if self._forced:
                return Trigger.FORCED
            when, trigger = self.pace.due()
            now = anyio.current_time()
            if not self.held and when <= now:
                return trigger
            with anyio.move_on_after(math.inf if self.held else when - now):
                await self._wake.wait()
