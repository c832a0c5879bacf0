"""`linx run`: the loops in the foreground, until a signal comes."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import anyio
from anyio import TASK_STATUS_IGNORED, to_thread
from anyio.abc import TaskStatus
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from attrs import asdict, define, field, frozen

from .._core.errors import LoopFailed, StoreError
from .._core.groups import ungrouped
from .._core.loop import Loop
from .._core.supervisor import Supervisor
from ..config import HostConfig, Part
from .events import Event, Story
from .output import counted, say, shade, show_json
from .signals import until_signal
from .state import HostStore, what_to_keep

__all__ = ["Pacing", "Runner", "raise_descriptor_limit", "stamp"]

_MOST_UNTOLD = 1024
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

    def __init__(self, *args: Any, crashed: Callable[[Exception], None], **options: Any) -> None:
        super().__init__(*args, **options)
        self._crashed = crashed

    async def run_once(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        try:
            await super().run_once(task_status=task_status)
        except Exception as error:
            self._crashed(error)
            raise


@define
class _Telling:
    """The events on their way to standard output; where that stalls, no loop has to wait."""

    as_json: bool
    lost: int = field(default=0, init=False)
    _send: MemoryObjectSendStream[tuple[datetime, Event]] = field(init=False)
    _receive: MemoryObjectReceiveStream[tuple[datetime, Event]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._send, self._receive = anyio.create_memory_object_stream(_MOST_UNTOLD)

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

    async def write(self) -> None:
        """Write all events until the end."""
        show = _show_json if self.as_json else _show
        async with self._receive:
            async for time, event in self._receive:
                lost, self.lost = self.lost, 0
                if lost:
                    text = f"{counted(lost, 'event')} could not be written in time"
                    await to_thread.run_sync(show, time, Event("lost", "", text, {"count": lost}))
                await to_thread.run_sync(show, time, event)


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

    async def run(self) -> None:
        """Keep the kernel at what the file says, until SIGINT or SIGTERM.

        Raises:
            LoopFailed: A loop crashed again and again.
            ConfigError: Two tables are one and the same scope.
            StoreError: No record can be kept in the state directory.
        """
        await self.store.prepare()
        keeping = await what_to_keep(self.config, self.store)
        telling = _Telling(self.as_json)
        loops = [self._loop(part, telling) for part in keeping.parts]
        failures: list[LoopFailed] = []
        with ungrouped():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(telling.write)
                names = ", ".join(part.name for part in keeping.parts) or "nothing"
                if keeping.trouble:
                    telling.put(Event("error", "", keeping.trouble))
                telling.put(Event("started", "", f"keeps {names}, as {self.config.file} says"))
                try:
                    came = await _keep(loops)
                except LoopFailed as error:
                    failures.append(error)
                else:
                    await self._forget(keeping.parts, loops)
                    telling.put(
                        Event("stopped", "", f"stopped by {came.name}" if came else "ended")
                    )
                telling.end()
        for failure in failures:
            raise failure

    async def _forget(self, parts: Sequence[Part], loops: Sequence[Loop[Any, Any, Any]]) -> None:
        for part, loop in zip(parts, loops, strict=True):
            last = loop.last_report
            if last is not None and last.converged and not part.desired:
                with suppress(StoreError):  # it is looked into once more the next time
                    await self.store.forget(part)

    def _loop(self, part: Part, telling: _Telling) -> Loop[Any, Any, Any]:
        story = Story(part.name)
        return _ToldLoop(
            part.source(revert_on_release=self.revert_on_release),
            part.desired,
            **asdict(self.pacing),
            store=self.store,
            name=part.name,
            on_report=lambda outcome: telling.put(*story.of(outcome)),
            crashed=lambda error: telling.put(*story.crashed(error)),
        )


async def _keep(loops: Sequence[Loop[Any, Any, Any]]) -> signal.Signals | None:
    def stop() -> None:
        for loop in loops:
            loop.stop()

    if loops:
        return await until_signal(Supervisor(*loops).run, stop)
    return await until_signal(anyio.sleep_forever)


def stamp(time: datetime | None = None) -> str:
    """A time, or now, as `--json` has it: ISO 8601, with the offset from UTC."""
    return (time or datetime.now().astimezone()).isoformat(timespec="milliseconds")


def _show(time: datetime, event: Event) -> None:
    when = shade(time.replace(tzinfo=None).isoformat(" ", "milliseconds"), dim=True)
    text = shade(event.text, _COLOURS.get(event.kind, "red"))
    say(f"{when} {shade(event.part or 'linx', bold=True)}: {text}")


def _show_json(time: datetime, event: Event) -> None:
    head = {"time": stamp(time), "event": event.kind, "part": event.part or None}
    show_json({**head, **event.fields, "text": event.text})
