"""One law being tried on one case: its passes, its record, and what they leave in the scope."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Generic, NoReturn, TypeVar

from attrs import define, evolve, field

from linx_async import Op, Ownership, Report, Source, SourceError
from linx_async._core.reconcile import Ledger, run_pass

from .broken import LawBroken, differences
from .case import CaseError, SourceCase

__all__ = [
    "CONVERGENCE",
    "AnySource",
    "AnyTrial",
    "Notebook",
    "Trial",
    "at_once",
    "subscribed",
    "told",
]

DesiredT = TypeVar("DesiredT")
ObservedT = TypeVar("ObservedT")
OpT = TypeVar("OpT", bound=Op)

AnySource = Source[Any, Any, Any]

CONVERGENCE = "a pass converges, and then what is desired is there"


async def at_once() -> None:
    """No await: nothing is to come between what is done and what is written down."""


@define
class Notebook:
    """A record, which survives whatever happens to those who write in it."""

    ownership: Ownership = field(factory=Ownership)
    step: Callable[[], Awaitable[object]] = at_once

    async def load(self) -> Ownership:
        """What it says."""
        return self.ownership

    async def save(self, ownership: Ownership) -> None:
        """Write it down."""
        await self.step()
        self.ownership = ownership
        await self.step()


@define
class Trial(Generic[DesiredT, ObservedT, OpT]):
    """A law and a case.

    Attributes:
        law: The law's name.
        says: What the law says.
        case: The case.
        base: What was in the scope in the beginning.
        notebook: The record of all passes.
        name: The Source's name.
    """

    law: str
    says: str
    case: SourceCase[DesiredT, ObservedT, OpT]
    base: Mapping[str, object]
    name: str
    notebook: Notebook = field(factory=Notebook)

    @classmethod
    async def of(
        cls, law: str, says: str, case: SourceCase[DesiredT, ObservedT, OpT]
    ) -> Trial[DesiredT, ObservedT, OpT]:
        """A new one; it looks at what is there.

        Raises:
            CaseError: There is nothing to see if the law is broken.
        """
        base = dict(await case.look())
        if not base.keys() - case.speaks_of:
            raise CaseError(
                "look: shows nothing but what the states desire; put something of somebody else's "
                "into the scope, so that it shows whether it is left alone"
            )
        return cls(law, says, case, base, case.make().name)

    def broken(self, what: str, details: Iterable[str] = ()) -> LawBroken:
        """The law is broken, and this is how."""
        return LawBroken(self.law, self.says, self.name, what, details)

    def fail(self, what: str, details: Iterable[str] = ()) -> NoReturn:
        """Say that the law is broken."""
        raise self.broken(what, details)

    async def look(self) -> Mapping[str, object]:
        """What is in the scope now."""
        return dict(await self.case.look())

    async def run(self, source: AnySource, desired: DesiredT) -> Report[Any]:
        """One pass of an entered source, with the record."""
        ledger = await Ledger.of(self.notebook)
        try:
            return await run_pass(source, source.check(desired), ledger)
        except SourceError as error:
            raise self.broken(
                "a pass could not run", [f"{type(error).__name__}: {error}"]
            ) from error

    async def converge(
        self, desired: DesiredT, source: AnySource | None = None, *, when: str = ""
    ) -> Report[Any]:
        """One pass, after which all is as desired.

        Args:
            desired: What is desired.
            source: The entered source that makes it; default: a fresh one.
            when: Which pass it is, where the law is about it. Any other one has to converge, too,
                but that is another law.
        """
        if not when:
            return await evolve(self, law="convergence", says=CONVERGENCE).converge(
                desired, source, when="a pass"
            )
        if source is None:
            async with self.case.make() as fresh:
                return await self.converge(desired, fresh, when=when)
        report = await self.run(source, desired)
        if not report.converged:
            self.fail(f"{when} did not converge", told(report))
        return report

    async def hold(self, desired: DesiredT, when: str) -> None:
        """What is desired is there, and all else as it was in the beginning."""
        there = await self.look()
        self.show(desired, there, when)
        self.spare(there, when, *([desired] if self.case.restores else self.case.states))

    def show(self, desired: DesiredT, there: Mapping[str, object], when: str) -> None:
        """What is desired is there."""
        if wrong := self._missing(desired, there):
            self.fail(f"{when}, what is desired is not there", wrong)

    def _missing(self, desired: DesiredT, there: Mapping[str, object]) -> list[str]:
        wanted = self.case.shows(desired)
        seen = {key: there[key] for key in wanted if key in there}
        return differences(wanted, seen, words=("desired", "but is"))

    def spare(self, there: Mapping[str, object], when: str, *states: DesiredT) -> None:
        """What those states do not desire is as it was in the beginning."""
        mine = {key for state in states for key in self.case.shows(state)}
        was, now = (
            {key: value for key, value in each.items() if key not in mine}
            for each in (self.base, there)
        )
        if wrong := differences(was, now, words=("was", "is now")):
            self.fail(f"{when}, something else is not as it was", wrong)

    async def meddle(self, change: Callable[[], Awaitable[object]] | None = None) -> None:
        """Somebody else changes something that the first state desires.

        Raises:
            CaseError: Nothing has changed.
        """
        before = await self.look()
        await (change or self.case.meddle)()
        after = await self.look()
        if not any(
            before.get(key) != after.get(key) for key in self.case.shows(self.case.states[0])
        ):
            raise CaseError(
                "meddle: `look` shows no change of anything that the first state desires"
            )

    async def drifts(self) -> bool:
        """Whether what the first state desires is not there."""
        return bool(self._missing(self.case.states[0], await self.look()))

    async def clear(self, when: str) -> None:
        """A fresh source with the record lets everything go, and nothing is left of it."""
        await self.converge(self.case.empty, when=f"{when}, letting everything go")
        await self.hold(self.case.empty, f"{when}, with everything let go")
        self.own_nothing(when)

    def own_nothing(self, when: str) -> None:
        """Nothing is in the record any more."""
        if left := self.notebook.ownership:
            self.fail(
                f"{when}, everything was let go, but the record still has claims",
                map(str, left.values()),
            )


AnyTrial = Trial[Any, Any, Any]


def subscribed(source: AnySource) -> AbstractAsyncContextManager[object]:
    """Its subscription, as long as this is entered; nothing where it has no hints."""
    hints = source.subscribe()
    return nullcontext() if hints is None else hints


def told(report: Report[Any]) -> list[str]:
    """What a report says, a line each."""
    return [
        f"{word}: {each}"
        for word in ("applied", "failed", "pending", "waiting", "conflicts")
        for each in getattr(report, word)
    ]
