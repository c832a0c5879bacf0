"""How the demo is shown in a terminal: a table that changes in its place."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from attrs import define
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .view import Event, View, told

__all__ = ["LiveView"]

_LAST = frozenset({"skipped", "summary", "machine", "error"})
"""What is told below the table, once it stands still."""


@define
class _Row:
    """What the table says of one key."""

    wanted: str
    state: str = "to be set"
    colour: str = "dim"
    heals: int = 0
    last: float | None = None
    slowest: float = 0.0

    def becomes(self, state: str, colour: str) -> None:
        self.state, self.colour = state, colour

    def healed(self, event: Event) -> None:
        milliseconds = event["latency_ms"]
        if milliseconds is None:
            self.becomes("broken", "bold red")
            return
        self.becomes("healed", "bold green")
        self.heals += 1
        self.last = milliseconds
        self.slowest = max(self.slowest, milliseconds)


class LiveView(View):
    """A table of what is kept, a line for what happens, and at the end what came of it."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._title = Text()
        self._message = Text()
        self._last: list[str] = []
        self._live = self._new()

    @staticmethod
    def _new() -> Live:
        return Live(console=Console(highlight=False), auto_refresh=False)

    def _begin_another(self, title: str) -> None:
        """Leave the table where it is, and begin one for the next scene."""
        self._live.stop()
        self._rows = {}
        self._title, self._message = Text(title), Text()
        self._live = self._new()
        self._live.start()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()
        for line in self._last:
            self._live.console.print(Text.from_ansi(line))

    def show(self, event: Event) -> None:
        """Show one event: in the table, in the line below it, or at the end."""
        lines = told(event)
        if event["event"] in _LAST:
            self._last.extend(lines)
            return
        if event["event"] == "scene" and self._rows:
            self._begin_another(event["title"])
        if event["event"] == "ready":
            self._title = Text("\n").join(map(Text.from_ansi, lines))
        elif lines:
            self._message = Text.from_ansi(lines[-1].strip())
        self._change(event)
        gap = Text()
        whole = Group(self._title, gap, self._table(), gap, self._message)
        self._live.update(whole, refresh=True)

    def _change(self, event: Event) -> None:
        for row in self._rows.values():
            if row.state == "healed":
                row.becomes("held", "green")
        match event["event"]:
            case "desired":
                self._rows.update({key: _Row(value) for key, value in event["keys"].items()})
            case "applied" | "arrived":
                self._rows[event["key"]].becomes("held", "green")
            case "waiting":
                self._rows[event["key"]].becomes("waiting", "yellow")
            case "failed":
                self._rows[event["key"]].becomes("failed", "red")
            case "healed":
                self._rows[event["key"]].healed(event)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("key", no_wrap=True)
        table.add_column("value", no_wrap=True)
        table.add_column("state", no_wrap=True, min_width=9)
        for name in ("heals", "last ms", "slowest"):
            table.add_column(name, justify="right", no_wrap=True)
        for key, row in self._rows.items():
            times = ("", "", "")
            if row.last is not None:
                times = (str(row.heals), f"{row.last:.2f}", f"{row.slowest:.2f}")
            table.add_row(key, row.wanted, Text(row.state, row.colour), *times)
        return table
