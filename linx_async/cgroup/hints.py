"""What wakes a cgroup loop: inotify on the cgroup's directory and on those above it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial

import anyio
from anyio import to_thread
from attrs import field, frozen

from .._core.groups import ungrouped, uninterrupted
from .._core.hints import HintQueue
from .._core.model import Hint
from .._kernel.files import duplicate
from .._kernel.inotify import Change, Lost, Mask, Watches, watching
from .paths import ancestors

__all__ = ["Interest", "Subscription", "subscription"]

_CONTROL = "cgroup.subtree_control"
_COMES_OR_GOES = Mask.CREATE | Mask.DELETE


@frozen
class Interest:
    """What a set of limits of one cgroup wants to hear of.

    Attributes:
        path: The cgroup, relative to the mount.
        keys: The interface files.
        steps: The cgroup above, and the name in it that leads on to ours.
    """

    path: str = ""
    keys: frozenset[str] = frozenset()
    steps: dict[str, str] = field(factory=dict)

    @classmethod
    def of(cls, path: str, keys: frozenset[str]) -> Interest:
        """What those limits want to hear of."""
        above = ancestors(path)
        names = path.split("/")
        return cls(path, keys, dict(zip(above, names, strict=False)))

    def hint(self, change: Change) -> Hint | None:
        """What a change means; None where it does not concern us."""
        directory = str(change.label)
        if directory == self.path and change.mask & Mask.MODIFY:
            if change.name in self.keys:
                return Hint(f"{change.name} was written", frozenset({change.name}))
            return None
        if directory not in self.steps:
            return None
        place = f"/{directory}/{change.name}".replace("//", "/")
        # Named by what changed, which is no limit of ours: no failed or fought-over one delays it.
        if change.mask & Mask.MODIFY and change.name == _CONTROL:
            return Hint(f"{place} was written: limits may be new", frozenset({place}))
        if change.mask & _COMES_OR_GOES and change.name == self.steps[directory]:
            verb = "was made" if change.mask & Mask.CREATE else "was removed"
            return Hint(f"{place} {verb}", frozenset({place}))
        return None


class Subscription:
    """The hints of one source while somebody listens."""

    def __init__(self, watches: Watches) -> None:
        self.hints: HintQueue = HintQueue()
        self.interest: Interest = Interest()
        self._watches = watches
        self._look: Callable[[], None] | None = None
        self._looking = anyio.Lock()

    def watch(self, directory: str, fd: int) -> None:
        """Watch a directory that was opened; in a thread."""
        self._watches.add(duplicate(fd), directory, Mask.MODIFY | _COMES_OR_GOES)

    async def follow_down(self, look: Callable[[], None]) -> None:
        """Look for the cgroup now, and again when one on the way to it comes or goes.

        Args:
            look: Opens the way down to the cgroup; in a thread.
        """
        self._look = look
        await self._look_down()

    async def take_changes(self) -> None:
        """Turn what inotify says into hints, for ever."""
        async for change in self._watches:
            if isinstance(change, Lost):
                await self._look_down()
                self.hints.put(Hint("the inotify queue overflowed", lost=True))
                continue
            hint = self.interest.hint(change)
            if hint is None:
                continue
            if change.mask & _COMES_OR_GOES:
                await self._look_down()
            self.hints.put(hint)

    async def _look_down(self) -> None:
        if self._look is not None:
            async with self._looking:
                await uninterrupted(partial(to_thread.run_sync, self._look))


@asynccontextmanager
async def subscription() -> AsyncGenerator[Subscription, None]:
    """A subscription, live until the context ends; it hears of nothing without an interest."""
    with ungrouped():
        async with watching() as watches, anyio.create_task_group() as tasks:
            made = Subscription(watches)
            tasks.start_soon(made.take_changes)
            yield made
            tasks.cancel_scope.cancel()
