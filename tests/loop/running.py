"""How the tests run loops, and what they do to them."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from linx_async import Loop, Supervisor
from linx_async._core.groups import ungrouped
from linx_async.testing import Change, FakeKernel, FakeSource
from linx_async.testing.changes import Objects

HOUR = 3600.0
"""Seconds, of virtual time."""


def endless(source: FakeSource, desired: Objects, **options: Any) -> Loop[Objects, Any, Change]:
    """A loop that relies on hints alone."""
    return Loop(source, desired, interval=math.inf, **options)


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


async def oppose(kernel: FakeKernel, key: str, value: str, *, after: float = 0.0) -> None:
    """Another writer, who puts its own value there whenever it sees another one."""
    with kernel.watch() as hints:
        async for _ in hints:
            if kernel.objects.get(key) not in {value, None}:
                await anyio.sleep(after)
                kernel.drift(key, value)


async def crash(loop: Loop[Any, Any, Any], kernel: FakeKernel, error: Exception) -> None:
    """Run a loop until its kernel raises something that no kernel should."""
    async with running(loop):
        kernel.fail(error)
        await anyio.sleep(HOUR)


class Gate:
    """Holds a source at one of its awaits until it is opened."""

    def __init__(self, source: FakeSource, where: str) -> None:
        self.reached = anyio.Event()
        self._opened = anyio.Event()
        self._where = where
        source.step = self._step

    async def _step(self, where: str) -> None:
        await checkpoint()
        if where == self._where:
            self.reached.set()
            await self._opened.wait()

    def open(self) -> None:
        self._opened.set()
