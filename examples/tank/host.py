"""The host's side of all containers: one loop keeps what each has put there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import chain
from typing import Final

import anyio
from anyio import TASK_STATUS_IGNORED
from anyio.abc import TaskStatus
from attrs import fields

from examples.tank.reports import Reporter, unsettled
from linx_async import Loop, LoopStopped, SourceError, Store, Supervisor, rtnl

__all__ = ["Host", "running"]

PROTOCOL: Final = 77
"""The tag of what is ours on the host, where others may have linx-async's own, which is 76."""
PATIENCE: Final = 10.0
"""Seconds for the host's end of a pair."""
NOTHING: Final = rtnl.Desired()


@asynccontextmanager
async def running(store: Store) -> AsyncGenerator[Host, None]:
    """The host's loop, running; it begins with nothing, so what an earlier tank left goes first.

    Raises:
        LoopFailed: It crashed too often, or its record is that of another tank which runs.
    """
    host = Host(store)
    async with anyio.create_task_group() as group:
        try:
            await group.start(host.run)
            yield host
        finally:
            host.loop.stop()


class Host:
    """The network namespace that tank runs in: each container has a part of what is desired."""

    def __init__(self, store: Store) -> None:
        self.loop = Loop(
            rtnl.Source(protocol=PROTOCOL),
            NOTHING,
            name="tank host",
            debounce=0,
            store=store,
            on_report=Reporter("host"),
        )
        self._parts: dict[str, rtnl.Desired] = {}

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Run the loop until it is stopped: a cancellation is for the containers, which need it."""
        with anyio.CancelScope(shield=True):
            await Supervisor(self.loop).run(task_status=task_status)

    @asynccontextmanager
    async def having(self, name: str, part: rtnl.Desired) -> AsyncGenerator[None, None]:
        """A container's part is there; afterwards it is gone.

        Raises:
            TimeoutError: It cannot be had; the message says why.
        """
        try:
            await self._put(name, part)
            yield
        finally:
            with anyio.CancelScope(shield=True), suppress(TimeoutError, LoopStopped):
                await self._put(name, NOTHING)

    async def _put(self, name: str, part: rtnl.Desired) -> None:
        """Replace a part, and wait until the kernel has it, whatever becomes of the others'."""
        keys = keys_of(part) | keys_of(self._parts.get(name, NOTHING))
        parts = {**self._parts, name: part}
        desired = merged(parts)
        self._parts = parts
        why = "no pass was made"
        with anyio.move_on_after(PATIENCE):
            async with self.loop.reports() as reports:
                revision = self.loop.put_desired(desired)
                async for report in reports:
                    if isinstance(report, SourceError):
                        why = str(report)
                    elif report.revision >= revision:
                        left = unsettled(report, keys)
                        if not left:
                            return
                        why = "; ".join(left)
            raise LoopStopped("the host's loop has ended")
        raise TimeoutError(f"the host's part cannot be had: {why}")


def merged(parts: Mapping[str, rtnl.Desired]) -> rtnl.Desired:
    """The parts of all containers as one desired state.

    Raises:
        DesiredStateError: Two of them want the same.
    """
    return rtnl.Desired(
        **{
            resource: [each for part in parts.values() for each in getattr(part, resource)]
            for resource in RESOURCES
        }
    )


RESOURCES: Final = tuple(each.name for each in fields(rtnl.Desired))


def keys_of(part: rtnl.Desired) -> frozenset[str]:
    """What the entries of a part are called in reports."""
    entries = (getattr(part, resource) for resource in RESOURCES)
    return frozenset(each.key for each in chain.from_iterable(entries))
