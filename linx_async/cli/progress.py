"""How far an apply has come, and the bar that shows it in a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import anyio
from anyio import to_thread
from attrs import define

from .._core.groups import ungrouped, uninterrupted
from ..config.problems import printable

__all__ = ["Standing", "has_terminal", "with_bar"]

DELAY: Final = 0.5
"""Seconds that work takes before it is shown how far it has come."""
PERIOD: Final = 0.1
"""Seconds between two looks at that."""


@define
class Standing:
    """How far an apply has come.

    Attributes:
        part: The part whose turn it is.
        done: How many of the ops of its plan had their turn.
        total: How many there are; 0 as long as that is not known.
    """

    part: str = ""
    done: int = 0
    total: int = 0

    def begin(self, part: str) -> None:
        """It is that part's turn."""
        self.part, self.done, self.total = part, 0, 0

    def count(self, done: int, total: int) -> None:
        """So many ops of so many had their turn."""
        self.done, self.total = done, total


def has_terminal() -> bool:
    """Whether standard error is a terminal on which a line can be written over."""
    return bool(sys.stderr and sys.stderr.isatty()) and os.environ.get("TERM") != "dumb"


async def with_bar(work: Callable[[], Awaitable[None]], standing: Standing) -> None:
    """Do some work; where it takes long, a bar on standard error shows how far it has come.

    Args:
        work: What to do.
        standing: What it keeps up to date.
    """
    with ungrouped():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_show, standing)
            await work()
            tasks.cancel_scope.cancel()


async def _show(standing: Standing) -> None:
    await anyio.sleep(DELAY)
    bar = await to_thread.run_sync(_Bar)
    # In threads: a terminal may stall, and the work is not to wait for it.
    try:
        while True:
            await to_thread.run_sync(bar.show, standing.part, standing.done, standing.total)
            await anyio.sleep(PERIOD)
    except OSError:
        return  # the terminal is gone; the work goes on
    finally:
        await uninterrupted(lambda: to_thread.run_sync(bar.clear))


class _Bar:
    """A line at the bottom of a terminal; nothing is left of it at the end."""

    def __init__(self) -> None:
        # Late: most applies are over before there is anything to show.
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        class Terminal(Console):
            def show_cursor(self, show: bool = True) -> bool:
                # Whoever is killed could not bring it back.
                return False

        self._progress: Any = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[counted]}", markup=False),
            console=Terminal(stderr=True),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task: Any = self._progress.add_task("", total=None, counted="")

    def show(self, part: str, done: int, total: int) -> None:
        """Say how far it has come; blocks."""
        counted = f"{done:,} of {total:,}" if total else "looking"
        self._progress.update(
            self._task,
            description=printable(part),
            completed=done,
            total=total or None,
            counted=counted,
        )
        self._progress.start()
        self._progress.refresh()

    def clear(self) -> None:
        """Take it away; blocks."""
        with suppress(OSError):
            self._progress.stop()
