"""`linx plan` and `linx apply`: one pass over each part, worked out or done."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from attrs import define, evolve, field

from .._core.errors import LinxError
from .._core.reconcile import identity_of, reconcile
from ..config import HostConfig, Part
from .progress import Standing, with_bar
from .results import PartResult
from .state import HostStore, Keeping, what_to_keep
from .turns import Turns

__all__ = ["Passes"]


@define
class Passes:
    """One pass over each part of a file; every one is tried.

    Attributes:
        config: The file.
        store: The records.
        revert_on_release: Whether what left the file gets its value from before we came back;
            None where it is as the file says.
        bar: Whether an apply that takes long shows how far it has come.
        results: What came of it, so far, in the order in which it is done.
        trouble: Why what has left the file is not among them; empty where it is.
    """

    config: HostConfig
    store: HostStore
    revert_on_release: bool | None = None
    bar: bool = False
    results: list[PartResult] = field(factory=list, init=False)
    trouble: str = field(default="", init=False)
    _standing: Standing = field(factory=Standing, init=False)

    async def plan(self) -> None:
        """Work out what is due. Nothing is changed, and no record either.

        Raises:
            ConfigError: Two tables are one and the same scope.
        """
        keeping = await what_to_keep(self.config, self.store)
        for part in keeping.parts:
            self.results.append(await _tried(part, self._planned(part)))
        self._note(keeping)

    async def apply(self) -> None:
        """Do what is due.

        Raises:
            ConfigError: Two tables are one and the same scope.
        """
        if self.bar:
            await with_bar(self._apply, self._standing)
        else:
            await self._apply()

    async def _apply(self) -> None:
        keeping = await what_to_keep(self.config, self.store)
        await Turns(self._turn, self.results).take(keeping.parts)
        self._note(keeping)

    async def _turn(self, part: Part, bare: bool) -> PartResult:
        self._standing.begin(part.name)
        return await _tried(part, self._applied(part, bare))

    def _note(self, keeping: Keeping) -> None:
        # A part may have told of the same already.
        if keeping.trouble not in {result.error for result in self.results}:
            self.trouble = keeping.trouble

    async def _planned(self, part: Part) -> PartResult:
        source = part.source(revert_on_release=self.revert_on_release, once=True, dry=True)
        desired = source.check(part.desired)
        async with source:
            identity = identity_of(source)
            owned = await self.store.peek(part.name, identity)
            observed = await source.observe(desired, owned)
            plan = source.diff(desired, observed, owned)
            return PartResult.of_plan(part, plan, identity, owned)

    async def _applied(self, part: Part, bare: bool) -> PartResult:
        source: Any = part.source(revert_on_release=self.revert_on_release, once=True)
        if bare:
            from .links import BareLinks

            source = BareLinks(source)
        report = await reconcile(
            source,
            part.desired,
            store=self.store,
            name=part.name,
            on_batch=self._standing.count,
        )
        if report.converged and not part.desired:
            await self.store.forget(part)
        result = PartResult.of_report(part, report)
        return evolve(result, converged=False) if bare else result


async def _tried(part: Part, work: Awaitable[PartResult]) -> PartResult:
    try:
        return await work
    except (LinxError, OSError) as error:
        return PartResult(part, error=str(error))
