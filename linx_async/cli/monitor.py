"""`linx monitor`: what the kernel tells, written as it comes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import anyio
from attrs import define, field

from .._core.errors import LinxError
from .._core.groups import ungrouped
from .events import Event
from .monitor_wanted import Source
from .telling import Telling, until_nobody_reads

__all__ = ["Monitor"]

_MOST_UNTOLD = 16384
"""Events: a burst is read faster than it is written."""
_ENDED, _TOO_FEW = 0, 2


@define
class Monitor:
    """What is listened to, until a signal, the time, or the number of events ends it.

    Attributes:
        sources: What to listen to.
        as_json: Whether to write JSON.
        count: After how many events it ends; None is never.
        seconds: After how long it ends; None is never.
    """

    sources: Sequence[Source]
    as_json: bool = False
    count: int | None = None
    seconds: float | None = None
    _told: int = field(default=0, init=False)
    _enough: anyio.Event = field(factory=anyio.Event, init=False)
    _telling: Telling = field(init=False)

    async def run(self) -> int:
        """Write what happens until the end; gives the exit code.

        Raises:
            LinxError: It cannot be listened to, or not any more.
            BrokenPipeError: Nobody reads what is written any more.
        """
        self._telling = Telling(self.as_json, _MOST_UNTOLD)
        outcome = None
        with ungrouped():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(until_nobody_reads)
                outcome = await self._telling.around(self._listen)
                tasks.cancel_scope.cancel()
        if isinstance(outcome, LinxError):
            raise outcome
        is_short = outcome is None and self.count is not None and self._told < self.count
        return _TOO_FEW if is_short else _ENDED

    async def _listen(self) -> None:
        with ungrouped():
            async with anyio.create_task_group() as tasks:
                about: list[str] = []
                held: list[Event] = []
                began = False

                def tell(events: Iterable[Event]) -> None:
                    # What happens before all of them listen is told after the line that says so.
                    if began:
                        self._tell(events)
                    else:
                        held.extend(events)

                for source in self.sources:
                    try:
                        await tasks.start(source.listener.listen, tell)
                    except LinxError as error:
                        if not source.optional:
                            raise
                        held.append(Event("error", source.listener.part, str(error)))
                    else:
                        about.append(source.listener.about)
                text = f"listens to {', '.join(about)}"
                self._telling.put(Event("started", "", text, {"to": about}))
                began = True
                self._tell(held)
                with anyio.move_on_after(self.seconds):
                    await self._enough.wait()
                tasks.cancel_scope.cancel()

    def _tell(self, events: Iterable[Event]) -> None:
        for event in events:
            if self._enough.is_set():
                return
            self._telling.put(event)
            if event.kind not in _NO_EVENTS:
                self._told += 1
                if self._told == self.count:
                    self._enough.set()


_NO_EVENTS = frozenset({"error", "waiting"})
"""What tells of the listening, and is not counted."""
