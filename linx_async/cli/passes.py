"""`linx plan` and `linx apply`: one pass over each part, worked out or done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import define, field

from .._core.errors import LinxError
from .._core.reconcile import identity_of, reconcile
from ..config import HostConfig, Part
from .results import PartResult
from .state import HostStore, what_to_keep

__all__ = ["Passes"]


@define
class Passes:
    """One pass over each part of a file; every one is tried.

    Attributes:
        config: The file.
        store: The records.
        revert_on_release: Whether what left the file gets its value from before we came back.
        results: What came of it, so far.
        trouble: Why what has left the file is not among them; empty where it is.
    """

    config: HostConfig
    store: HostStore
    revert_on_release: bool = False
    results: list[PartResult] = field(factory=list, init=False)
    trouble: str = field(default="", init=False)

    async def plan(self) -> None:
        """Work out what is due. Nothing is changed, and no record either.

        Raises:
            ConfigError: Two tables are one and the same scope.
        """
        await self._each(self._planned)

    async def apply(self) -> None:
        """Do what is due.

        Raises:
            ConfigError: Two tables are one and the same scope.
        """
        await self._each(self._applied)

    async def _each(self, work: Callable[[Part], Awaitable[PartResult]]) -> None:
        keeping = await what_to_keep(self.config, self.store)
        for part in keeping.parts:
            try:
                result = await work(part)
            except (LinxError, OSError) as error:
                result = PartResult(part, error=str(error))
            self.results.append(result)
        # A part may have told of the same already.
        if keeping.trouble not in {result.error for result in self.results}:
            self.trouble = keeping.trouble

    async def _planned(self, part: Part) -> PartResult:
        source = part.source(revert_on_release=self.revert_on_release, once=True)
        desired = source.check(part.desired)
        async with source:
            owned = await self.store.peek(part.name, identity_of(source))
            observed = await source.observe(desired, owned)
            return PartResult.of_plan(part, source.diff(desired, observed, owned))

    async def _applied(self, part: Part) -> PartResult:
        source = part.source(revert_on_release=self.revert_on_release, once=True)
        report = await reconcile(source, part.desired, store=self.store, name=part.name)
        if report.converged and not part.desired:
            await self.store.forget(part)
        return PartResult.of_report(part, report)
