"""Where the scenes of the demo play: it tells what happens, and has things broken."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import anyio
from anyio import to_thread
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from attrs import define, field, frozen

from . import breaker

__all__ = ["Break", "Scene", "Stage", "staged"]

PATIENCE = 3.0
"""Seconds after which what was broken counts as not healed."""
_LONGEST_ANSWER = 65536

Tell: TypeAlias = Callable[[Mapping[str, Any]], None]


@frozen
class Break:
    """One thing that the second process is to break.

    Attributes:
        key: What it is called.
        broken: What becomes of it.
        how: That in words, after "was".
        value: What it was before, and is to be again.
        kind: What it is to the second process: `value` or `entry`.
        about: What that has to know of it.
    """

    key: str
    broken: str
    how: str
    value: str
    kind: str
    about: Mapping[str, Any]


@define
class Stage:
    """Where scenes play.

    Attributes:
        rounds: How often each thing is broken.
        pause: Seconds between two things that happen, so that people can follow.
        latencies: Seconds that each heal took.
        unhealed: How many did not come in time.
        quiet_writes: What the passes wrote that had nothing to do.
    """

    rounds: int
    pause: float
    _tell: Tell
    _breaker: Process
    latencies: list[float] = field(factory=list, init=False)
    unhealed: int = field(default=0, init=False)
    quiet_writes: int = field(default=0, init=False)

    async def tell(self, event: str, **fields: Any) -> None:
        """Tell of something; see docs/reference/cli.md for what there is."""
        await to_thread.run_sync(self._tell, {"event": event, **fields})

    async def outlast(self, number: int, broken: Break) -> None:
        """Have the second process break something, and tell how long that lasted.

        Raises:
            OSError: It could not.
        """
        answer = await self._order([broken.kind, PATIENCE, dict(broken.about)])
        seconds = answer["seconds"]
        if seconds is None:
            self.unhealed += 1
        else:
            self.latencies.append(seconds)
        ms = None if seconds is None else round(seconds * 1e3, 3)
        await self.tell(
            "healed",
            key=broken.key,
            broken=broken.broken,
            how=broken.how,
            value=broken.value,
            round=number,
            latency_ms=ms,
        )

    async def summary(self) -> None:
        """Tell what came of it all."""
        in_ms = [seconds * 1e3 for seconds in self.latencies]
        await self.tell(
            "summary",
            heals=len(in_ms),
            unhealed=self.unhealed,
            median_ms=round(statistics.median(in_ms), 3) if in_ms else None,
            max_ms=round(max(in_ms), 3) if in_ms else None,
            quiet_writes=self.quiet_writes,
        )

    async def _order(self, order: list[Any]) -> dict[str, Any]:
        to_breaker, from_breaker = self._breaker.stdin, self._breaker.stdout
        if to_breaker is None or from_breaker is None:
            raise OSError("the second process has no pipes")
        await to_breaker.send(f"{json.dumps(order)}\n".encode())
        line = await BufferedByteReceiveStream(from_breaker).receive_until(b"\n", _LONGEST_ANSWER)
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise OSError(f"the second process could not break it: {answer['error']}")
        return answer


@frozen
class Scene:
    """One subsystem's part of the demo.

    Attributes:
        title: What it shows.
        machine: Files whose content is the machine's own: they are looked at before and after.
        play: Plays it, and returns when it is over.
    """

    title: str
    machine: tuple[str, ...]
    play: Callable[[Stage], Awaitable[None]]


@asynccontextmanager
async def staged(rounds: int, pause: float, tell: Tell) -> AsyncIterator[Stage]:
    """A stage, with the second process beside it."""
    # In isolated mode, and without the site's packages, it is there at once.
    command = [sys.executable, "-I", "-S", breaker.__file__]
    async with await anyio.open_process(command, stderr=None) as process:
        try:
            yield Stage(rounds, pause, tell, process)
        finally:
            if process.returncode is None:
                process.kill()
