"""The laws on whole passes: they converge, are quiet, touch nothing else, and can be undone."""

from __future__ import annotations

import json
from itertools import pairwise

from linx_async import Ownership
from linx_async._core.reconcile import identity_of

from .broken import differences
from .instead import eyes_of
from .leftovers import Holding
from .trial import AnySource, AnyTrial, subscribed, told

__all__ = ["closing", "convergence", "foreign", "quiet", "reentry", "removal"]


async def convergence(trial: AnyTrial) -> None:
    """What is desired is there."""
    states = trial.case.states
    for number, desired in enumerate((*states, *states[-2::-1]), 1):
        await trial.converge(desired)
        trial.show(desired, await trial.look(), f"after the {number}. converged pass")


async def quiet(trial: AnyTrial) -> None:
    """The second pass finds nothing to do."""
    for desired in (*trial.case.states, trial.case.empty):
        async with trial.case.make() as source:
            await trial.converge(desired, source)
            await _is_quiet(trial, desired, source, "a second pass of the same source")
        async with trial.case.make() as source:
            await _is_quiet(trial, desired, source, "a pass of a fresh source, with the record,")
        stored = json.dumps(trial.notebook.ownership.to_json())
        trial.notebook.ownership = Ownership.from_json(json.loads(stored))
        async with trial.case.make() as source:
            await _is_quiet(trial, desired, source, "a pass with the record read from a file")


async def _is_quiet(trial: AnyTrial, desired: object, source: AnySource, when: str) -> None:
    owned, there = trial.notebook.ownership, await trial.look()
    report = await trial.converge(desired, source, when=when)
    if report.applied:
        trial.fail(f"{when} still found something to do", told(report))
    if wrong := differences(owned, trial.notebook.ownership, words=("was", "is now")):
        trial.fail(f"{when} changed the record", wrong)
    if wrong := differences(there, await trial.look(), words=("was", "is now")):
        trial.fail(f"{when} changed something", wrong)


async def foreign(trial: AnyTrial) -> None:
    """What is neither desired nor owned is left alone."""
    case = trial.case
    for before, desired in pairwise((case.empty, *case.states, case.empty)):
        async with case.make() as source:
            checked = source.check(desired)
            there, owned = await trial.look(), trial.notebook.ownership
            for look in eyes_of(source).values():
                source.diff(checked, await look(checked, owned), owned)
            if wrong := differences(there, await trial.look(), words=("was", "is now")):
                trial.fail("observe() and diff() change something", wrong)
            await trial.run(source, desired)
        spoken_of = (before, desired) if case.restores else case.states
        trial.spare(await trial.look(), "after a pass", *spoken_of)


async def removal(trial: AnyTrial) -> None:
    """Letting go of everything leaves the scope as it was, and nothing in the record."""
    for desired in trial.case.states:
        await trial.converge(desired)
        there = trial.base if trial.case.restores else await trial.look()
        await trial.converge(trial.case.empty, when="a pass that desires nothing")
        if wrong := differences(there, await trial.look(), words=("was", "is now")):
            trial.fail("once nothing is desired any more, the scope is not as it was", wrong)
        trial.own_nothing("once nothing is desired any more")


async def reentry(trial: AnyTrial) -> None:
    """It can be left and entered again, and it is the same one to the record."""
    first = trial.case.states[0]
    source, other = trial.case.make(), trial.case.make()
    async with source:
        names = [(source.name, identity_of(source))]
        await trial.converge(first, source)
    await trial.meddle()
    async with source:
        names.append((source.name, identity_of(source)))
        await trial.converge(first, source, when="a pass after it was entered again")
        trial.show(first, await trial.look(), "after it was entered again")
    async with other:
        names.append((other.name, identity_of(other)))
    if not all(isinstance(name, str) and name for name, _ in names):
        trial.fail(f"name: {source.name!r} is not some text")
    if len(set(names)) > 1:
        trial.fail(
            "name or identity differ in one scope, so that the record would not be found again",
            [f"name {name!r}, identity {identity!r}" for name, identity in names],
        )


class _Trouble(Exception):
    """Something that goes wrong in the block of a source."""


async def closing(trial: AnyTrial) -> None:
    """What a source opened is closed once it is left, be it by an error."""
    first = trial.case.states[0]
    await _use(trial, first)  # what is opened once and for all is no matter
    await trial.converge(trial.case.empty)
    holding = await Holding.now()
    await _use(trial, first)
    if left := await holding.left_since():
        trial.fail("a source that was left has left something open", left)
    passed = False
    try:
        async with trial.case.make() as source:
            await trial.converge(trial.case.empty, source)
            raise _Trouble
    except _Trouble:
        passed = True
    if not passed:
        trial.fail("leaving a source swallows the error that it is left by")
    if left := await holding.left_since():
        trial.fail("a source that was left by an error has left something open", left)


async def _use(trial: AnyTrial, desired: object) -> None:
    """Do all there is to do with a source."""
    async with trial.case.make() as source, subscribed(source):
        await trial.converge(desired, source)
