"""The laws on passes that are cut short: cancelled, killed, or out of time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from itertools import count
from typing import Any

from anyio import CancelScope
from attrs import define

from linx_async import Outcome

from .instead import instead
from .leftovers import Holding, threads_rest
from .stepping import place_of, stepped
from .trial import AnySource, AnyTrial, at_once, subscribed

__all__ = ["cancellation", "record", "task_cancellation", "time_limit"]

Cut = Callable[[AnyTrial, Any, int], Awaitable[str]]


async def cancellation(trial: AnyTrial) -> None:
    """A pass may be cancelled at any of its awaits."""
    await _cut_everywhere(trial, _cancel_scope, "that was cancelled")


async def task_cancellation(trial: AnyTrial) -> str | None:
    """The same for asyncio's own way, which a shield does not keep out."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return "only asyncio has tasks that are cancelled so"
    await _cut_everywhere(trial, _cancel_task, "whose task was cancelled")
    return None


async def _cut_everywhere(trial: AnyTrial, cut: Cut, how: str) -> None:
    states = (*trial.case.states[:2], trial.case.empty)
    for desired in states:  # what is opened once and for all is no matter
        await _whole(trial, desired)
    for at in count(1):
        is_cut = False
        for desired in states:
            holding = await Holding.now()
            where = await cut(trial, desired, at)
            when = f"after a pass {how} {where}" if where else "after a pass"
            is_cut |= bool(where)
            if left := await holding.left_since():
                trial.fail(f"{when}, something is left open", left)
            await trial.converge(desired, when=f"{when}, the next")
            await trial.hold(desired, f"{when}, and another one")
        trial.own_nothing("after passes that desire nothing")
        if not is_cut:
            return


async def _whole(trial: AnyTrial, desired: Any) -> None:
    """All that a loop does with a source for one pass."""
    async with trial.case.make() as source, subscribed(source):
        await trial.run(source, desired)


async def _cancel_scope(trial: AnyTrial, desired: Any, at: int) -> str:
    """Cancel the scope of a pass at that await, and tell where; empty where it has not as many."""
    cutter = _Cutter(at)
    with CancelScope() as scope:
        cutter.cut = scope.cancel
        await _through(trial, cutter, _whole(trial, desired))
    return cutter.where


async def _cancel_task(trial: AnyTrial, desired: Any, at: int) -> str:
    """Cancel the asyncio task of a pass at that await, and tell where; empty where not."""
    cutter = _Cutter(at)
    task = asyncio.ensure_future(_through(trial, cutter, _whole(trial, desired)))
    cutter.cut = task.cancel
    try:
        await asyncio.wait([task])
    finally:
        task.cancel()
    if not task.cancelled():
        task.result()
        if cutter.has_cut:
            trial.fail(f"a pass went on after its task was cancelled {cutter.where}")
    return cutter.where


async def _through(trial: AnyTrial, cutter: _Cutter, work: Coroutine[Any, Any, None]) -> None:
    """Await it; a cancellation has to come out of it as it went in."""
    try:
        await stepped(work, cutter.step)
    except Exception as error:
        if not cutter.has_cut:
            raise
        raise trial.broken(
            f"a pass that was cancelled {cutter.where} raised something else",
            [f"{type(error).__name__}: {line}" for line in str(error).splitlines()],
        ) from error


@define
class _Cutter:
    """Counts, and cuts at one of the steps."""

    at: int
    steps: int = 0
    cut: Callable[[], object] = lambda: None
    where: str = ""

    def step(self, work: Coroutine[Any, Any, Any]) -> None:
        self.steps += 1
        if self.steps == self.at:
            self.where = f"at its {self.at}. await ({place_of(work)})"
            self.cut()

    @property
    def has_cut(self) -> bool:
        return self.steps >= self.at


async def time_limit(trial: AnyTrial) -> None:
    """An apply that takes too long is cut short, and the same source goes on from there."""
    states = (*trial.case.states[:2], trial.case.empty)
    async with trial.case.make() as source:
        for at in count(1):
            cutter = _Cutter(at)

            async def apply(batch: Sequence[Any], cutter: _Cutter = cutter) -> Sequence[Outcome]:
                with CancelScope() as scope:
                    cutter.cut = scope.cancel
                    return await stepped(_applied(source, batch), cutter.step)
                return [Outcome(unknown=True)] * len(batch)

            for desired in states:
                await trial.run(instead(source, apply=apply), desired)
                await threads_rest()
                late = f" that ran out of time {cutter.where}" if cutter.where else ""
                when = f"after an apply{late}"
                await trial.converge(desired, source, when=f"{when}, the next pass")
                await trial.hold(desired, f"{when}, and another pass")
            trial.own_nothing("after passes that desire nothing")
            if not cutter.has_cut:
                return


async def _applied(source: AnySource, batch: Sequence[Any]) -> Sequence[Outcome]:
    return await source.apply(batch)


class _Killed(BaseException):
    """The process ends here."""


@define
class _Killer:
    """Ends a pass at one of its moments, of which nothing but the record is left."""

    at: int
    moments: int = 0
    where: str = ""

    async def moment(self, where: str) -> None:
        self.moments += 1
        if self.moments == self.at:
            self.where = where
            raise _Killed

    async def apply(self, source: AnySource, batch: Sequence[Any]) -> Sequence[Outcome]:
        """Have ops applied, with a moment before, at each await, and after."""
        what = f"{batch[0]}" + (f" and {len(batch) - 1} more" if len(batch) > 1 else "")
        await self.moment(f"before {what!r}")
        cutter = _Cutter(self.at - self.moments)
        outcomes: Sequence[Outcome] = ()
        with CancelScope() as scope:
            cutter.cut = scope.cancel
            outcomes = await stepped(_applied(source, batch), cutter.step)
        self.moments += cutter.steps
        if cutter.has_cut:
            self.where = f"in the midst of {what!r}, {cutter.where}"
            raise _Killed
        await self.moment(f"after {what!r}")
        return outcomes


async def record(trial: AnyTrial) -> None:
    """It says no less than what is ours, wherever a pass is killed."""
    one, two, empty = *trial.case.states[:2], trial.case.empty
    for at in count(1):
        killed = False
        for before, desired in ((empty, one), (one, two), (two, empty)):
            if before is not empty:
                await trial.converge(before)
            where = await _kill(trial, desired, at)
            await threads_rest()
            await trial.clear(f"after a pass that was killed {where}" if where else "after a pass")
            killed |= bool(where)
        if not killed:
            return


async def _kill(trial: AnyTrial, desired: Any, at: int) -> str:
    """Kill a pass at that moment: where it was; empty where it has not as many."""
    killer = _Killer(at)

    async def writing() -> None:
        await killer.moment("while the record was written")

    trial.notebook.step = writing
    try:
        async with trial.case.make() as source:
            await trial.run(instead(source, apply=partial(killer.apply, source)), desired)
    except* _Killed:
        pass
    finally:
        trial.notebook.step = at_once
    return killer.where
