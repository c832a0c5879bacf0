"""A tank: containers side by side, what they share, and how it all ends."""

from __future__ import annotations

import os
from collections.abc import Iterable

import anyio
from attrs import evolve

from examples.tank import cgroups, host
from examples.tank.container import Container
from examples.tank.life import Life
from linx_async import DesiredStateError, Store

__all__ = ["Tank", "checked"]


async def checked(containers: Iterable[Container]) -> tuple[Container, ...]:
    """Containers, and what nft says of their firewalls.

    Raises:
        DesiredStateError: One is wrong, or two have the same name, or the same on the host.
    """
    made: list[Container] = []
    for each in containers:
        if each.name in {other.name for other in made}:
            raise DesiredStateError(f"{each.name}: there are two of that name")
        if each.firewall is not None:
            each = evolve(each, firewall=await each.firewall.with_compiled())  # noqa: PLW2901
        made.append(each)
    host.merged({each.name: each.ends(os.getpid())[0] for each in made})
    return tuple(made)


class Tank:
    """Runs containers until they have ended, or are to.

    Args:
        containers: What to run.
        store: Where it is recorded what is ours on the host.
        parent: The cgroup that theirs are made in.
    """

    def __init__(self, containers: Iterable[Container], store: Store, parent: str) -> None:
        self._containers = tuple(containers)
        self._store = store
        self._parent = parent
        self._lives: list[Life] = []
        self._stopping = False
        self._well = True

    async def run(self) -> bool:
        """Whether all came to a good end. Nothing of them is left, whichever end it is.

        Raises:
            DesiredStateError: One is wrong, or two want the same of the host.
            StoreError: There is another tank with these cgroups.
            LoopFailed: The host's loop crashed too often.
        """
        containers = await checked(self._containers)
        async with (
            cgroups.opened(self._parent, self._store) as places,
            host.running(self._store) as shared,
        ):
            if not self._stopping:
                self._lives = [Life(each, shared, places) for each in containers]
            async with anyio.create_task_group() as group:
                for life in self._lives:
                    group.start_soon(self._live, life)
        return self._well

    def stop(self) -> None:
        """Ask all to end."""
        self._stopping = True
        for life in self._lives:
            life.stop()

    def kill(self) -> None:
        """Have all end now."""
        for life in self._lives:
            life.kill()

    async def _live(self, life: Life) -> None:
        if not await life.run():
            self._well = False
