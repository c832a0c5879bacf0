"""The laws on others in the scope: drift is healed, changes are hinted at, rivals are spared."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from itertools import count
from typing import Any

import anyio
from attrs import define

from linx_async import Hint, Ownership
from linx_async._core.groups import ungrouped

from .broken import differences
from .case import CaseError
from .instead import Look, eyes_of, instead
from .stepping import stepped
from .trial import AnySource, AnyTrial, subscribed, told

__all__ = ["conflicts", "drift", "hints", "subscription"]

Change = Callable[[], Awaitable[object]]


async def drift(trial: AnyTrial) -> None:
    """What somebody else changed is healed by the next pass, whether or not a hint was heard."""
    case = trial.case
    await trial.converge(case.states[0])
    await trial.meddle()
    await _heal(trial, None, "by a fresh source")
    async with case.make() as source:
        await _upset(trial, source, case.meddle)
        await _heal(trial, source, "by a source without a subscription")
        async with subscribed(source):
            await _upset(trial, source, case.meddle)
            await _heal(trial, source, "by a source that did not listen to its hints")
            if case.meddle_unheard is not None:
                await _upset(trial, source, case.meddle_unheard)
                await _heal(trial, source, "by a source that got no hint")
            await trial.converge(case.states[0], source)
        await trial.meddle()
        await _heal(trial, source, "by a source whose subscription has ended")


async def _upset(trial: AnyTrial, source: AnySource, change: Change) -> None:
    """Change something that the source believes to be as desired."""
    await trial.converge(trial.case.states[0], source)
    await trial.meddle(change)


async def _heal(trial: AnyTrial, source: AnySource | None, how: str) -> None:
    when = f"a pass {how} over what somebody else had changed"
    first = trial.case.states[0]
    await trial.converge(first, source, when=when)
    await trial.hold(first, f"after {when}")


async def hints(trial: AnyTrial) -> str | None:
    """A change is hinted at, once the source has looked."""
    first = trial.case.states[0]
    await trial.converge(first)
    async with trial.case.make() as source:
        subscription = source.subscribe()
        if subscription is None:
            return "the source has no hints"
        async with subscription as stream:
            await trial.converge(first, source)
            await trial.meddle()
            await _hinted(trial, stream, "of what somebody else has changed")
        await trial.converge(first, source)
        if source.subscribe() is None:
            trial.fail("subscribe() gives hints at one time, and none at another")
    return None


async def _hinted(trial: AnyTrial, stream: AsyncIterator[Hint], of_what: str) -> None:
    hint: object = None
    with anyio.move_on_after(trial.case.patience):
        try:
            hint = await anext(stream)
        except StopAsyncIteration:
            trial.fail("the stream of hints ended by itself")
    if hint is None:
        trial.fail(f"no hint came {of_what}")
    if not isinstance(hint, Hint) or not hint.reason:
        trial.fail(f"what came is no Hint with a reason: {hint!r}")


async def subscription(trial: AnyTrial) -> str | None:
    """No change falls between the subscription and the first look."""
    first = trial.case.states[0]
    for at in count():
        await trial.converge(first)
        async with trial.case.make() as source:
            subscription = source.subscribe()
            if subscription is None:
                return "the source has no hints"
            async with subscription as stream:
                meddler = _Meddler(trial, at)
                looks = {
                    name: partial(meddler.observe, look) for name, look in eyes_of(source).items()
                }
                await trial.run(instead(source, **looks), first)
                if await trial.drifts() and meddler.has_meddled:
                    when = f"at the {at}. await of observe()" if at else "right before observe()"
                    await _hinted(trial, stream, f"of a change {when}, which that did not see")
        if not meddler.has_meddled:
            break
    return None


@define
class _Meddler:
    """Changes something while a source looks, at one of its awaits; the 0th is before them all."""

    trial: AnyTrial
    at: int
    steps: int = 0

    @property
    def has_meddled(self) -> bool:
        return self.steps > self.at

    async def observe(self, look: Look, desired: Any, owned: Ownership) -> Any:
        await self.step()
        return await stepped(look(desired, owned), on_wake=self.step)

    async def step(self) -> None:
        self.steps += 1
        if self.steps == self.at + 1:
            # In a task of its own, since the source's may be just about to call a thread.
            with ungrouped():
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self.trial.meddle)


async def conflicts(trial: AnyTrial) -> str | None:
    """What somebody else holds is reported, left alone, and not claimed.

    Raises:
        CaseError: Nobody else holds anything.
    """
    case = trial.case
    if case.rival is None:
        return "the case has no rival: the source takes over whatever is there"
    first = case.states[0]
    async with case.rival():
        there = await trial.look()
        theirs = {
            key: there[key] for key in case.shows(first) if there.get(key) != trial.base.get(key)
        }
        if not theirs:
            raise CaseError("rival: `look` shows nothing under a key that the first state desires")
        async with case.make() as source:
            report = await trial.run(source, first)
        now = await trial.look()
        kept = {key: now[key] for key in theirs if key in now}
        if wrong := differences(theirs, kept, words=("was", "is now")):
            trial.fail("what somebody else holds was changed", wrong)
        if report.converged or not report.conflicts:
            trial.fail(
                "what somebody else holds is not reported as a conflict",
                [*(f"held: {key!r}" for key in theirs), *told(report)],
            )
        if claimed := {each.key for each in report.conflicts} & report.last_applied.keys():
            trial.fail("what somebody else holds was claimed", sorted(claimed))
        if any(not each.key or not each.reason for each in report.conflicts):
            trial.fail("a conflict has no key or no reason", map(repr, report.conflicts))
        await trial.converge(case.empty, when="letting everything go")
        if wrong := differences(there, await trial.look(), words=("was", "is now")):
            trial.fail("once nothing is desired any more, the scope is not as it was", wrong)
    await trial.converge(first, when="a pass after the rival has gone")
    await trial.hold(first, "after a pass after the rival has gone")
    return None
