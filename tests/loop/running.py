"""How the tests run loops, and what they do to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from linx_async import Loop, Supervisor
from linx_async._core.groups import ungrouped
from tests.fakes import FakeSource, Shelf

HOUR = 3600.0
"""Seconds, of virtual time."""


@asynccontextmanager
async def running(*loops: Loop[Any, Any, Any] | Supervisor) -> AsyncIterator[None]:
    """Each has made its first pass when the block begins, and is stopped when it ends."""
    # The time limit makes a failure of what would hang.
    with ungrouped(), anyio.fail_after(100 * HOUR):
        async with anyio.create_task_group() as tg:
            for loop in loops:
                await tg.start(loop.run)
            yield
            for loop in loops:
                for each in loop.loops if isinstance(loop, Supervisor) else (loop,):
                    each.stop()


async def oppose(shelf: Shelf, key: str, value: str, *, after: float = 0.0) -> None:
    """Another writer, who puts its own value there whenever it sees another one."""
    with shelf.watch() as hints:
        async for _ in hints:
            if shelf.objects.get(key) not in {value, None}:
                await anyio.sleep(after)
                shelf.drift(key, value)


async def crash(loop: Loop[Any, Any, Any], source: FakeSource, error: Exception) -> None:
    """Run a loop until its source raises something that no source should."""
    async with running(loop):
        source.broken = error
        await anyio.sleep(HOUR)
