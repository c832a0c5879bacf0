"""The events of `linx run` and `linx monitor` on their way to standard output."""

from __future__ import annotations

import os
import signal
import stat
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

import anyio
from anyio import to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from attrs import define, field

from .._core.errors import LinxError
from .._core.groups import ungrouped
from .events import Event
from .output import counted, say, shade, show_json
from .signals import until_signal

__all__ = ["Telling", "colour_of", "event_fields", "show_event", "stamp", "until_nobody_reads"]

_MOST_UNTOLD = 1024
_MOST_AT_ONCE = 256
_COLOURS = {
    "applied": "green",
    "added": "green",
    "changed": "yellow",
    "deleted": "red",
    "hint": "cyan",
    "converged": "green",
    "waiting": "yellow",
    "paused": "yellow",
    "resumed": "cyan",
    "reloaded": "cyan",
    "started": "cyan",
    "stopped": "cyan",
    "conflict": "magenta",
    "flapping": "magenta",
}


@define
class Telling:
    """The events on their way to standard output; where that stalls, no loop has to wait.

    Attributes:
        as_json: Whether to write JSON.
        most: How many events wait at most to be written.
        lost: How many there were no room for, and that was not told yet.
    """

    as_json: bool
    most: int = _MOST_UNTOLD
    lost: int = field(default=0, init=False)
    _send: MemoryObjectSendStream[tuple[datetime, Event]] = field(init=False)
    _receive: MemoryObjectReceiveStream[tuple[datetime, Event]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._send, self._receive = anyio.create_memory_object_stream(self.most)

    def put(self, *events: Event) -> None:
        """Tell of these, unless there are too many that were not told yet."""
        now = datetime.now().astimezone()
        for event in events:
            try:
                self._send.send_nowait((now, event))
            except anyio.WouldBlock:
                self.lost += 1

    def end(self) -> None:
        """Nothing more will come."""
        self._send.close()

    async def around(
        self, work: Callable[[], Awaitable[None]], end: Callable[[], None] | None = None
    ) -> signal.Signals | LinxError | None:
        """Write all events while some work is done, until that is over or a signal comes.

        The last one says which of the two it was; an error is left to the caller.

        Args:
            work: What to do.
            end: What makes the work come to its end; default: it is cancelled.

        Returns:
            The signal that came, if one did, or the error with which the work has failed.
        """
        outcome: signal.Signals | LinxError | None = None
        with ungrouped():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.write)
                try:
                    outcome = await until_signal(work, end)
                except LinxError as error:
                    outcome = error
                else:
                    by = f"stopped by {outcome.name}" if outcome else "ended"
                    self.put(Event("stopped", "", by))
                self.end()
        return outcome

    async def write(self) -> None:
        """Write all events until the end."""
        async with self._receive:
            async for first in self._receive:
                lost, self.lost = self.lost, 0
                await to_thread.run_sync(self._write, lost, [first, *self._waiting()])

    def _waiting(self) -> Iterator[tuple[datetime, Event]]:
        """What waits besides: a thread for each event would be slower than the kernel is."""
        for _ in range(_MOST_AT_ONCE):
            try:
                yield self._receive.receive_nowait()
            except (anyio.WouldBlock, anyio.EndOfStream):
                return

    def _write(self, lost: int, told: Iterable[tuple[datetime, Event]]) -> None:
        show = _show_json if self.as_json else show_event
        if lost:
            text = f"{counted(lost, 'event')} could not be written in time"
            show(datetime.now().astimezone(), Event("lost", "", text, {"count": lost}))
        for time, event in told:
            show(time, event)


def stamp(time: datetime | None = None) -> str:
    """A time, or now, as `--json` has it: ISO 8601, with the offset from UTC."""
    return (time or datetime.now().astimezone()).isoformat(timespec="milliseconds")


def colour_of(kind: str) -> str:
    """The colour of the events of a kind."""
    return _COLOURS.get(kind, "red")


def event_fields(time: datetime, event: Event) -> dict[str, Any]:
    """An event, for `--json`."""
    head = {"time": stamp(time), "event": event.kind, "part": event.part or None}
    return {**head, **event.fields, "text": event.text}


def show_event(time: datetime, event: Event) -> None:
    """Write an event for people; blocks."""
    when = shade(time.replace(tzinfo=None).isoformat(" ", "milliseconds"), dim=True)
    for line in event.text.splitlines():
        text = shade(line, colour_of(event.kind))
        say(f"{when} {shade(event.part or 'linx', bold=True)}: {text}")


def _show_json(time: datetime, event: Event) -> None:
    show_json(event_fields(time, event))


async def until_nobody_reads() -> None:
    """Where standard output is a pipe, wait until nobody reads it any more.

    The end that is written to is readable then: poll(2), POLLERR.

    Raises:
        BrokenPipeError: Nobody does.
    """
    if sys.stdout is None:
        return
    try:
        number = sys.stdout.fileno()
        if not stat.S_ISFIFO(os.fstat(number).st_mode):
            return
    except OSError:
        return
    await anyio.wait_readable(number)
    raise BrokenPipeError
