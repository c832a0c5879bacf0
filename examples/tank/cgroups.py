"""The cgroups of a tank, one a container: claimed before they are made, released when gone."""

from __future__ import annotations

import errno
import logging
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress

import anyio
from attrs import define, field, frozen

from examples.tank.container import Container
from linx_async import Claim, OpError, Record, SourceError, Store, cgroup

__all__ = ["Cgroups", "Place", "opened"]

logger = logging.getLogger("examples.tank")


@frozen
class Place:
    """A container's cgroup.

    Attributes:
        path: The cgroup.
        limits: Those that can be had there.
    """

    path: str
    limits: Mapping[str, str]


@asynccontextmanager
async def opened(parent: str, store: Store) -> AsyncGenerator[Cgroups, None]:
    """The cgroups below one that is made for them; those of an earlier tank are removed first.

    Raises:
        StoreError: There is a tank already that has its cgroups there.
    """
    async with store.open("tank cgroups", parent) as record:
        cgroups = Cgroups(parent, record)
        await cgroups.clear()
        try:
            yield cgroups
        finally:
            with anyio.CancelScope(shield=True):
                await cgroups.clear()


@define
class Cgroups:
    """Makes cgroups and removes them; its record says which are ours, also after kill -9."""

    parent: str
    _record: Record
    _told: set[str] = field(factory=set, init=False)
    _turn: anyio.Lock = field(factory=anyio.Lock, init=False)

    @asynccontextmanager
    async def made(self, container: Container) -> AsyncGenerator[Place | None, None]:
        """A container's cgroup; None where there can be none, which is logged.

        Raises:
            OpError: There is one of its name, which is not ours.
        """
        place = await self._make(container)
        try:
            yield place
        finally:
            if place is not None:
                with anyio.CancelScope(shield=True):
                    await self._remove([place.path])

    async def clear(self) -> None:
        """Remove all that are ours, and kill what is in them."""
        # The longest first: what is below comes before what is above.
        await self._remove(sorted(await self._record.load(), key=len, reverse=True))

    async def _make(self, container: Container) -> Place | None:
        wanted = container.limits.settings
        path = f"{self.parent}/{container.name}"
        try:
            await self._create(self.parent, shared=True)
            await self._create(path)
        except (OpError, SourceError) as error:
            if isinstance(error, OpError) and error.errno == errno.EEXIST:
                raise  # it is somebody else's: then the name is wrong
            level = logging.WARNING if wanted else logging.DEBUG
            self._tell(level, f"{container.name}: it runs without a cgroup and limits: {error}")
            return None
        lacking = await self._lacking(wanted)
        for key, why in lacking.items():
            self._tell(logging.WARNING, f"{container.name}: the limit {key} is left out: {why}")
        return Place(path, {key: wanted[key] for key in wanted if key not in lacking})

    def _tell(self, level: int, message: str) -> None:
        """Say something once, and not again at each restart."""
        if message not in self._told:
            self._told.add(message)
            logger.log(level, "%s", message)

    async def _create(self, path: str, *, shared: bool = False) -> None:
        """Make a cgroup, or leave it to whom it belongs, if it may be somebody else's."""
        async with self._turn:
            owned = await self._record.load()
            # Looked at before it is claimed: a claim on what is another's would outlast kill -9.
            if await is_there(path):
                if path in owned or shared:
                    return
                raise OpError(path, errno.EEXIST, "there is such a cgroup already")
            with anyio.CancelScope(shield=True):
                await self._record.save(owned.with_claims([Claim(path)]))
                try:
                    await cgroup.create(path)
                except (OpError, SourceError):
                    await self._record.save(owned)
                    raise

    async def _lacking(self, wanted: Iterable[str]) -> Mapping[str, OpError]:
        """The limits whose controllers cannot be had, and why."""
        controllers = {key: key.partition(".")[0] for key in wanted}
        given = await cgroup.enable_controllers(self.parent, {*controllers.values()} - {"cgroup"})
        return {
            key: given.failed[name] for key, name in controllers.items() if name in given.failed
        }

    async def _remove(self, paths: Iterable[str]) -> None:
        async with self._turn:
            for path in paths:
                try:
                    if path != self.parent:
                        with suppress(OpError):  # before Linux 5.14, or where there is none
                            await cgroup.kill(path)
                    await cgroup.destroy(path)
                except OpError as error:
                    if error.errno != errno.ENOENT:
                        logger.warning("a cgroup is left: %s", error)
                        continue
                owned = await self._record.load()
                await self._record.save(owned.without([path]))


async def is_there(path: str) -> bool:
    """Whether there is such a cgroup."""
    try:
        await cgroup.stats(path)
    except OpError as error:
        if error.errno == errno.ENOENT:
            return False
        raise
    return True
