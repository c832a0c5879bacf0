"""How `linx watch` shows what it hears where there is no terminal: plain lines, or JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import anyio
from anyio import to_thread
from attrs import define, field

from .events import Event
from .output import counted, show_json
from .telling import show_event, stamp, until_nobody_reads
from .watch_picture import Part, Picture, healed
from .watch_rows import state_of

__all__ = ["JsonView", "PlainView", "View"]


class View:
    """Shows what is heard."""

    async def run(self) -> None:
        """Show it until whoever looks at it has seen enough.

        Raises:
            BrokenPipeError: Nobody reads it any more.
        """
        await until_nobody_reads()
        await anyio.sleep_forever()

    async def heard(self, picture: Picture, line: Mapping[str, Any]) -> None:
        """A line came, which the picture knows of already."""
        raise NotImplementedError

    async def lost(self, picture: Picture) -> None:
        """No more lines come, for now; the picture knows why."""
        raise NotImplementedError


@define
class JsonView(View):
    """A JSON object a line, as they come."""

    async def heard(self, picture: Picture, line: Mapping[str, Any]) -> None:
        """Write the line."""
        told = {name: value for name, value in line.items() if name != "ok"}
        await to_thread.run_sync(show_json, {"command": "watch", **told, "error": None})

    async def lost(self, picture: Picture) -> None:
        """Write why."""
        told = {"command": "watch", "time": stamp(), "parts": [], "error": picture.lost}
        await to_thread.run_sync(show_json, told)


@define
class PlainView(View):
    """A line of text for each change of the state of a part."""

    _told: dict[str, tuple[str, int]] = field(factory=dict, init=False)
    _pid: int | None = field(default=None, init=False)

    async def heard(self, picture: Picture, line: Mapping[str, Any]) -> None:
        """Write what has changed."""
        if not picture.is_whole:
            return
        events = list(self._changes(picture))
        if events:
            await to_thread.run_sync(_show, events)

    async def lost(self, picture: Picture) -> None:
        """Write why."""
        self._pid = None
        await to_thread.run_sync(_show, [Event("error", "", picture.lost)])

    def _changes(self, picture: Picture) -> Iterator[Event]:
        if self._pid is None:
            self._pid = int(picture.head["pid"])
            yield Event("started", "", f"{picture.head['file']} is kept by pid {self._pid}")
        for name in [name for name in self._told if name not in picture.parts]:
            del self._told[name]
            yield Event("stopped", name, "is kept no more")
        for name, part in picture.parts.items():
            yield from self._changes_of(name, part)

    def _changes_of(self, name: str, part: Part) -> Iterator[Event]:
        state, drift = _state(part), healed(part)
        before, drift_before = self._told.get(name, ("", drift))
        self._told[name] = state, drift
        if drift > drift_before:
            text = f"healed {counted(drift - drift_before, 'change')} of somebody else's"
            yield Event("applied", name, text)
        if state != before:
            kind = "waiting" if part["state"] == "not converged" else part["state"]
            yield Event("paused" if part["paused"] else kind, name, state)


def _state(part: Part) -> str:
    """The state of a part, with what is the matter."""
    totals, error = part["totals"], part.get("error")
    told = [f"{totals[kind]} {kind}" for kind in ("failed", "waiting") if totals.get(kind)]
    conflicts = totals.get("conflicts")
    told += [counted(conflicts, "conflict")] if conflicts else []
    return ", ".join([state_of(part), *told]) + (f": {error}" if error else "")


def _show(events: list[Event]) -> None:
    now = datetime.now().astimezone()
    for event in events:
        show_event(now, event)
