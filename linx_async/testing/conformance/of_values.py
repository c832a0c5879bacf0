"""The laws on what a Source says: what it checks, which ops it makes, and that its diff is pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import frozen

from linx_async import Claim, DesiredStateError, Ownership, Plan, Verb

from .instead import eyes_of
from .prints import Print, equal, lines_of
from .trial import AnySource, AnyTrial

__all__ = ["check", "ops", "purity"]


async def check(trial: AnyTrial) -> None:
    """Takes what is right, refuses what is wrong."""
    source = trial.case.make()
    for desired in (*trial.case.states, trial.case.empty):
        _accepts(trial, source, desired)
    for wrong in trial.case.wrong:
        _refuses(trial, source, wrong)
    trial.spare(await trial.look(), "after check()")


def _accepts(trial: AnyTrial, source: AnySource, desired: Any) -> None:
    was = Print.of(desired)
    once = _checked(trial, source, desired, "a state that is right")
    if not was.fits(desired):
        trial.fail("check() changes its argument", [f"was {was.text}", f"is now {desired!r}"])
    twice = _checked(trial, source, once, "what it gave itself")
    if not equal(twice, once):
        trial.fail(
            "check() gives something else for what it gave itself",
            [f"first {once!r}", f"then {twice!r}"],
        )


def _checked(trial: AnyTrial, source: AnySource, desired: Any, what: str) -> Any:
    try:
        return source.check(desired)
    except DesiredStateError as error:
        raise trial.broken(f"check() refuses {what}", [repr(desired), str(error)]) from error


def _refuses(trial: AnyTrial, source: AnySource, wrong: object) -> None:
    try:
        source.check(wrong)
    except DesiredStateError as error:
        if not str(error):
            trial.fail("check() does not say what is wrong", [repr(wrong)])
    except Exception as error:  # whatever it is, it is not the right one
        raise trial.broken(
            "check() raises something else than a DesiredStateError",
            [f"of {wrong!r}", f"{type(error).__name__}: {error}"],
        ) from error
    else:
        trial.fail("check() takes what is wrong", [repr(wrong)])


async def ops(trial: AnyTrial) -> None:
    """Each has a key, a verb, a claim on its own key, and one line for people."""
    seen = 0
    for desired in (*trial.case.states, trial.case.empty):
        async with trial.case.make() as source:
            checked, owned = source.check(desired), trial.notebook.ownership
            for look in eyes_of(source).values():
                plan = source.diff(checked, await look(checked, owned), owned)
                for op in plan.ops:
                    if wrong := list(_faults(source, op)):
                        trial.fail(f"an op is not what an op has to be: {op!r}", wrong)
                seen += len(plan.ops)
        await trial.converge(desired)
    if not seen:
        trial.fail("no plan has any ops, whatever is desired")


def _faults(source: AnySource, op: Any) -> Iterator[str]:
    """What is wrong with an op."""
    if not _is_text(op.key):
        yield f"key: {op.key!r} is not some text"
    line = str(op)
    if not line.strip() or "\n" in line or line == repr(op):
        yield f"str(): {line!r} is not one line for people"
    if not isinstance(op.verb, Verb):
        yield f"verb: {op.verb!r} is not a Verb"
        return
    yield from _claim_faults(op)
    if not (op.original is None or isinstance(op.original, str)):
        yield f"original: {op.original!r} is neither text nor None"
    if not (isinstance(op.requires, frozenset) and all(map(_is_text, op.requires))):
        yield f"requires: {op.requires!r} is no frozenset of keys"
    unsettles = getattr(source, "unsettles", None)
    if unsettles is not None and not isinstance(unsettles(op), bool):
        yield f"unsettles(): {unsettles(op)!r} is neither True nor False"


def _claim_faults(op: Any) -> Iterator[str]:
    if op.claim is None:
        return
    if not isinstance(op.claim, Claim):
        yield f"claim: {op.claim!r} is neither a Claim nor None"
    elif op.verb.disowns:
        yield f"claim: {op.claim!r}, but after a {op.verb.value} the key is not ours any more"
    elif op.claim.key != op.key:
        yield f"claim: its key is {op.claim.key!r}, but the op's is {op.key!r}"


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


async def purity(trial: AnyTrial) -> None:
    """The same plan for the same arguments, whatever happens in between."""
    for desired in (*trial.case.states, trial.case.empty):
        async with trial.case.make() as source:
            checked, owned = source.check(desired), trial.notebook.ownership
            asked = [
                _Asked.of(trial, source, (checked, await look(checked, owned), owned))
                for look in eyes_of(source).values()
            ]
            await trial.converge(desired)
            for each in asked:
                each.again(trial, source)


@frozen
class _Asked:
    """A question that was put to `diff`, and what came of it."""

    arguments: tuple[Any, Any, Ownership]
    prints: tuple[Print, ...]
    plan: Plan[Any]

    @classmethod
    def of(
        cls, trial: AnyTrial, source: AnySource, arguments: tuple[Any, Any, Ownership]
    ) -> _Asked:
        prints = tuple(map(Print.of, arguments))
        plan = source.diff(*arguments)
        _same(trial, plan, source.diff(*arguments), "when it was asked again")
        asked = cls(arguments, prints, plan)
        _same(trial, plan, source.diff(*asked.copies), "for equal arguments")
        return asked

    @property
    def copies(self) -> tuple[Any, Any, Ownership]:
        return self.prints[0].copy, self.prints[1].copy, Ownership(dict(self.arguments[2]))

    def again(self, trial: AnyTrial, source: AnySource) -> None:
        # Asked about something else first, lest it only remembers what it said last.
        source.diff(self.copies[0], self.arguments[1], self.arguments[2])
        _same(trial, self.plan, source.diff(*self.arguments), "once the kernel was changed")
        names = ("desired", "observed", "owned")
        for name, before, now in zip(names, self.prints, self.arguments, strict=True):
            if not before.fits(now):
                trial.fail(
                    f"diff() changes its argument {name!r}",
                    [f"was {before.text}", f"is now {now!r}"],
                )


def _same(trial: AnyTrial, plan: Plan[Any], other: Plan[Any], when: str) -> None:
    before, after = lines_of(plan), lines_of(other)
    if before != after:
        trial.fail(
            f"diff() gave another plan {when}",
            [
                *(f"first: {line}" for line in before or ["nothing"]),
                *(f"then:  {line}" for line in after or ["nothing"]),
            ],
        )
