"""All the parts that `linx run` keeps: their loops side by side, begun and ended at any time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
from anyio.abc import TaskGroup

from .._core.errors import DesiredStateError, LoopFailed, StoreError
from .._core.groups import ungrouped
from .._core.hooks import Hooks
from .._core.loop import Loop
from ..config import Part
from ..metrics import Counts
from .changes import Changes
from .events import Event
from .kept import Kept, Pacing
from .output import counted, tally
from .state import HostStore, Keeping
from .watch_tail import Tail

__all__ = ["Keeper"]


class Keeper:
    """The loops of a file, each with a supervisor of its own.

    Args:
        store: The records.
        pacing: The options of every loop.
        revert_on_release: Whether what leaves the file gets its value from before we came back;
            None where it is as the file says.
        tell: Where events go.

    Attributes:
        kept: The parts, by name.
        counts: What their loops have done.
        stopping: Set once it is to end.
        news: Set at the next thing that happens, and replaced.
        tail: The last few events.
    """

    def __init__(
        self,
        store: HostStore,
        pacing: Pacing,
        revert_on_release: bool | None,
        tell: Callable[..., None],
    ) -> None:
        self.kept: dict[str, Kept] = {}
        self.counts: Counts = Counts()
        self.stopping: anyio.Event = anyio.Event()
        self.news: anyio.Event = anyio.Event()
        self.tail: Tail = Tail()
        self._store = store
        self._pacing = pacing
        self._revert_on_release = revert_on_release
        self._tell = tell
        self._paused = False
        self._tasks: TaskGroup | None = None
        self._failures: list[LoopFailed] = []

    async def run(self, keeping: Keeping) -> None:
        """Keep these parts, and what `change_to` says, until `stop`.

        Raises:
            LoopFailed: A loop crashed again and again.
            DesiredStateError: A part cannot be.
        """
        kept = [self._made(part, keeping) for part in keeping.parts]
        with ungrouped():
            async with anyio.create_task_group() as self._tasks:
                for each in kept:
                    self._begin(each)
                await self.stopping.wait()
                for each in self.kept.values():
                    each.stop()
        for failure in self._failures:
            raise failure

    def stop(self) -> None:
        """Let the passes under way come to their end, and then end."""
        self.stopping.set()

    async def first_passes(self) -> None:
        """Wait until each part that is kept now has had its first pass."""
        for each in list(self.kept.values()):
            await each.first.wait()

    async def change_to(self, keeping: Keeping) -> Changes:
        """Keep other parts from now on; done when each of those that changed had a pass.

        Raises:
            DesiredStateError: A part cannot be; nothing has changed then.
        """
        running = {name: each.part for name, each in self.kept.items() if not each.is_stopping}
        changes = Changes.between(running, keeping.parts, keeping.left)
        there = {part.name for part in keeping.parts} - keeping.left
        fresh = [self._made(part, keeping) for part in (*changes.renewed, *changes.added)]
        for part in changes.changed:
            self._source(part).check(part.desired)
        for name in changes.same:
            self.kept[name].left = name not in there
        waits: list[Callable[[], Awaitable[None]]] = []
        for part in (*changes.left, *changes.changed):
            each = self.kept[part.name]
            revision = each.put(part, left=part.name not in there)
            waits.append(partial(each.passed, revision))
        for part in changes.renewed:
            self.kept[part.name].stop()
        for each in fresh:
            await self._succeed(each)
            waits.append(each.first.wait)
        for wait in waits:
            await wait()
        return changes

    def named(self, names: Sequence[str]) -> list[Kept]:
        """The parts of those names, or whose names begin with those words; all without any.

        Raises:
            DesiredStateError: There is no such part.
        """
        if not names:
            return list(self.kept.values())
        found: dict[str, Kept] = {}
        for name in names:
            exact = self.kept.get(name)
            these = [exact] if exact else list(self._beginning(name))
            if not these:
                there = ", ".join(self.kept) or "none at all"
                raise DesiredStateError(f"there is no part {name!r}; there are: {there}")
            found |= {each.part.name: each for each in these}
        return list(found.values())

    def _beginning(self, words: str) -> Iterator[Kept]:
        begins = f"{words} ", f"{words}: "
        return (each for name, each in self.kept.items() if name.startswith(begins))

    async def pause(self, names: Sequence[str]) -> list[Kept]:
        """Apply nothing to those parts any more, but go on looking; without names, to no part.

        Raises:
            DesiredStateError: There is no such part.
        """
        chosen = self.named(names)
        self._paused = self._paused or not names
        for each in chosen:
            if not each.loop.paused:
                each.loop.pause(look=True)
                self.note(Event("paused", each.part.name, "paused: looks, and applies nothing"))
        for each in chosen:
            await each.quiet()
        return chosen

    def resume(self, names: Sequence[str]) -> list[Kept]:
        """Apply again.

        Raises:
            DesiredStateError: There is no such part.
        """
        chosen = self.named(names)
        self._paused = self._paused and bool(names)
        for each in chosen:
            if each.loop.paused:
                each.loop.resume()
                self.note(Event("resumed", each.part.name, "resumed"))
        return chosen

    def hanging(self, limit: float) -> list[Kept]:
        """The parts whose loops have been at work for longer than that many seconds."""
        return [each for each in self.kept.values() if each.busy_for() > limit]

    def summary(self) -> str:
        """How it all is, in one line."""
        kept = self.kept.values()
        states = [each.state for each in kept]
        told = [tally(states)] if states else []
        paused = sum(each.loop.paused for each in kept)
        told += [f"{paused} paused"] if paused else []
        return f"keeps {counted(len(states), 'part')}" + (f": {', '.join(told)}" if told else "")

    def _made(self, part: Part, keeping: Keeping) -> Kept:
        kept = Kept.of(part, self._loop, self.note, left=part.name in keeping.left)
        if self._paused:
            kept.loop.pause(look=True)
        return kept

    def _loop(self, part: Part, *hooks: Hooks) -> Loop[Any, Any, Any]:
        return Loop(
            self._source(part),
            part.desired,
            store=self._store,
            name=part.name,
            hooks=(self.counts, *hooks),
            **self._pacing.of(part),
        )

    def _source(self, part: Part) -> Any:
        return part.source(revert_on_release=self._revert_on_release)

    async def _succeed(self, kept: Kept) -> None:
        """Begin to keep a part, once whoever kept it before is done with it."""
        before = self.kept.get(kept.part.name)
        if before is not None:
            if before.loop.paused:
                kept.loop.pause(look=True)
            await before.ended.wait()
        self._begin(kept)

    def _begin(self, kept: Kept) -> None:
        if self._tasks is None or self.stopping.is_set():
            kept.end()
            return
        self.kept[kept.part.name] = kept
        self._tasks.start_soon(self._keep, kept)

    async def _keep(self, kept: Kept) -> None:
        try:
            await kept.supervisor.run()
            await self._forget(kept)
        except LoopFailed as error:
            self._failures.append(error)
            self.stopping.set()
            if self._tasks is not None:
                self._tasks.cancel_scope.cancel()
        finally:
            if self.kept.get(kept.part.name) is kept:
                del self.kept[kept.part.name]
                self.counts.forget(kept.part.name)
            kept.end()
            self.note()

    async def _forget(self, kept: Kept) -> None:
        last = kept.loop.last_report
        if last is not None and last.converged and not kept.part.desired:
            with suppress(StoreError):  # it is looked into once more the next time
                await self._store.forget(kept.part)

    def note(self, *events: Event) -> None:
        """Tell that something has happened, if it is only that a pass was made."""
        self.tail.put(*events)
        self._tell(*events)
        self.news.set()
        self.news = anyio.Event()
