"""How `linx watch` is shown in a terminal: a table that changes in its place."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import anyio
from anyio import to_thread
from attrs import define, field
from rich.console import Console, ConsoleDimensions, Group
from rich.live import Live

from .._core.groups import ungrouped, uninterrupted
from .watch_picture import Picture
from .watch_plain import View
from .watch_view import view

__all__ = ["Screen"]

_SHORTEST: Final = 0.1
"""Seconds between two frames."""
_LONGEST: Final = 1.0
"""Seconds after which there is another one, though nothing is new: times go on."""


@define
class Screen(View):
    """The whole terminal, which is as it was before once that is over."""

    _picture: Picture = field(factory=Picture, init=False)
    _news: anyio.Event = field(factory=anyio.Event, init=False)
    _live: Live = field(init=False)
    _turn: anyio.Lock = field(factory=anyio.Lock, init=False)
    _modes: list[Any] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self._live = Live(
            console=Console(highlight=False),
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    async def heard(self, picture: Picture, line: Mapping[str, Any]) -> None:
        """Show it with the next frame."""
        if picture.is_whole:
            self._show(picture)

    async def lost(self, picture: Picture) -> None:
        """Show it with the next frame."""
        self._show(picture)

    async def run(self) -> None:
        """Show frame after frame until somebody presses q."""
        while not self._picture.head:
            await self._news.wait()
        with ungrouped():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._follow_terminal)
                tasks.start_soon(_wait_for_q, tasks.cancel_scope)
                await self._draw_all()

    def _show(self, picture: Picture) -> None:
        self._picture = picture.copy()
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    async def _draw_all(self) -> None:
        # In threads: a terminal may stall.
        try:
            await to_thread.run_sync(self._take)
            while True:
                news = self._news
                async with self._turn:
                    await to_thread.run_sync(self._draw, self._picture)
                await anyio.sleep(_SHORTEST)
                with anyio.move_on_after(_LONGEST - _SHORTEST):
                    await news.wait()
        finally:
            await uninterrupted(lambda: to_thread.run_sync(self._give_back))

    def _draw(self, picture: Picture) -> None:
        width, height = _size()
        self._live.console.size = ConsoleDimensions(width, height)
        lines = view(picture, datetime.now().astimezone(), width, height)
        self._live.update(Group(*lines), refresh=True)

    async def _follow_terminal(self) -> None:
        with anyio.open_signal_receiver(signal.SIGWINCH, signal.SIGTSTP) as signals:
            async for number in signals:
                if number == signal.SIGTSTP:
                    async with self._turn:
                        await to_thread.run_sync(self._step_aside)
                self._wake()

    def _take(self) -> None:
        """Take the screen, and each key when it is pressed, which is not shown: termios(3)."""
        if _has_keys():
            self._modes = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin, termios.TCSANOW)
        self._live.start()

    def _give_back(self) -> None:
        try:
            self._live.stop()
        finally:
            if self._modes:
                termios.tcsetattr(sys.stdin, termios.TCSANOW, self._modes)

    def _step_aside(self) -> None:
        """Leave the terminal to others until we are told to go on; Ctrl-Z asks for it."""
        self._give_back()
        # To this thread: sent to the process, it may come once the terminal is taken again.
        signal.raise_signal(signal.SIGSTOP)
        self._take()


def _size() -> tuple[int, int]:
    """The columns and lines of the terminal, as it is now."""
    size = os.get_terminal_size(sys.stdout.fileno())
    # A serial line may not know.
    return size if size.columns and size.lines else shutil.get_terminal_size()


async def _wait_for_q(scope: anyio.CancelScope) -> None:
    """Cancel once somebody presses q, or the terminal is gone."""
    if not _has_keys():
        return
    number = sys.stdin.fileno()
    keys = b"-"
    while keys and b"q" not in keys.lower():
        await anyio.wait_readable(number)
        try:
            keys = os.read(number, 64)
        except OSError:
            keys = b""
    scope.cancel()


def _has_keys() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()
