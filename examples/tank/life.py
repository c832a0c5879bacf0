"""The life of a container: one incarnation after the other, with a growing wait in between."""

from __future__ import annotations

import logging
import random
import signal
from collections import deque
from collections.abc import Iterator

import anyio
from attrs import define, field

from examples.tank.cgroups import Cgroups
from examples.tank.container import Container
from examples.tank.host import Host
from examples.tank.loops import converged, loops_around
from examples.tank.spawn import SpawnError, Workload, spawned
from linx_async import LinxError, Restart, Supervisor, cgroup

__all__ = ["Backoff", "Life"]

logger = logging.getLogger("examples.tank")


@define
class Backoff:
    """How long to wait after a death; those longer ago than `policy.within` are forgotten."""

    policy: Restart
    rng: random.Random = field(factory=random.Random)
    _deaths: deque[float] = field(factory=deque)

    def after_death(self, now: float) -> float | None:
        """Seconds until the next start; None where there have been too many in a row."""
        while self._deaths and self._deaths[0] < now - self.policy.within:
            self._deaths.popleft()
        self._deaths.append(now)
        if len(self._deaths) > self.policy.burst:
            return None
        return self.policy.wait(len(self._deaths), self.rng)


class Life:
    """Runs a container until its workload ends well, dies too often, or is to stop."""

    def __init__(self, container: Container, host: Host, cgroups: Cgroups) -> None:
        self.container = container
        self._host = host
        self._cgroups = cgroups
        self._workload: Workload | None = None
        self._scope = anyio.CancelScope()
        self._stopping = False

    async def run(self) -> bool:
        """Whether it came to a good end: an exit code of 0, or `stop`."""
        name, backoff = self.container.name, Backoff(self.container.restart)
        with self._scope:
            while True:
                why = await self._outlive()
                if not why or self._stopping:
                    break
                wait = backoff.after_death(anyio.current_time())
                if wait is None:
                    logger.error("%s: %s; that is too often, and it is given up", name, why)
                    return False
                logger.warning("%s: %s; it starts again in %.1f s", name, why, wait)
                await anyio.sleep(wait)
        logger.info("%s: ended", name)
        return True

    def stop(self) -> None:
        """Ask the workload to end, by SIGTERM; where none runs, none is going to."""
        self._stopping = True
        if self._workload is None:
            self._scope.cancel()
        else:
            self._workload.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it now."""
        self._scope.cancel()

    async def _outlive(self) -> str:
        """One incarnation; why it came to no good end, or nothing."""
        try:
            code = await self._incarnation()
        except TROUBLES as error:
            return str(error)
        except ExceptionGroup as group:
            troubles, others = group.split(TROUBLES)
            if troubles is None or others is not None:
                raise
            return "; ".join(map(str, leaves(troubles)))
        return died_of(code)

    async def _incarnation(self) -> int:
        """From new namespaces to the end of the workload; its exit code."""
        container, code = self.container, 0
        async with (
            self._cgroups.made(container) as place,
            spawned(container.spawn) as workload,
            self._host.having(container.name, container.ends(workload.pid)[0]),
            anyio.create_task_group() as group,
        ):
            if place is not None:
                await cgroup.add_process(place.path, workload.pid)
            loops = loops_around(container, workload.pid, place)
            await group.start(Supervisor(*loops).run)
            await converged(loops)
            await workload.go()
            logger.info("%s: runs; its init has pid %d", container.name, workload.pid)
            self._workload = workload
            try:
                code = await workload.ended()
            finally:
                self._workload = None
            group.cancel_scope.cancel()
        return code


TROUBLES = (LinxError, SpawnError, TimeoutError)
"""What is the end of an incarnation, and of no more."""


def leaves(group: ExceptionGroup[Exception]) -> Iterator[Exception]:
    """The exceptions in a group, however deep."""
    for each in group.exceptions:
        if isinstance(each, ExceptionGroup):
            yield from leaves(each)
        else:
            yield each


def died_of(code: int) -> str:
    """What an exit code says; nothing where it is a good one."""
    if code < 0:
        known = -code in set(signal.Signals)  # most of the real-time ones have no name
        return f"killed by {signal.Signals(-code).name if known else f'signal {-code}'}"
    return f"exited with {code}" if code else ""
