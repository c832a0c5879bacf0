"""How the tests run loops, and what they do to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from linx_async import Loop, Supervisor
from tests.fakes import Shelf

HOUR = 3600.0
"""Seconds, of virtual time."""


@asynccontextmanager
async def running(*loops: Loop[Any, Any, Any] | Supervisor) -> AsyncIterator[None]:
    """Each has made its first pass when the block begins, and is stopped when it ends."""
    # So that what would hang fails.
    with anyio.fail_after(100 * HOUR):
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
