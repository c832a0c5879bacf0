"""What `linx run` answers to those who ask how it is, or for a pause or a pass."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import anyio
from attrs import define, field

from .._core.errors import LinxError
from .control import Say
from .keeper import Keeper
from .kept import Kept
from .reload import Reloads
from .requests import Request
from .results import PartResult
from .show import problems_json
from .watch_counts import counts_fields
from .watch_lines import Watcher

__all__ = ["Answers"]


@define
class Answers:
    """Answers requests.

    Attributes:
        file: The file that is kept.
        keeper: Who keeps it.
        reloads: What became of the last reload.
    """

    file: str
    keeper: Keeper
    reloads: Reloads
    _since: datetime = field(factory=lambda: datetime.now().astimezone(), init=False)

    async def to(self, request: Request) -> dict[str, Any]:
        """The answer to a request.

        Raises:
            DesiredStateError: There is no such part.
        """
        match request.do:
            case "pause":
                return _told(await self.keeper.pause(request.parts))
            case "resume":
                return _told(self.keeper.resume(request.parts))
            case "reconcile":
                return await self._reconciled(request.parts)
        return self._status(request.parts)

    async def follow(self, request: Request, say: Say) -> None:
        """Tell somebody how the parts fare, until cancelled.

        Raises:
            DesiredStateError: There is no such part.
        """
        await Watcher(self.keeper, request.parts, self._head, say).tell()

    def _status(self, names: Sequence[str]) -> dict[str, Any]:
        return {**self._head(), "parts": [self._part(each) for each in self.keeper.named(names)]}

    def _part(self, kept: Kept) -> dict[str, Any]:
        return {**kept.to_json(), "counts": counts_fields(self.keeper.counts, kept.part.name)}

    def _head(self) -> dict[str, Any]:
        at = self.reloads.at
        return {
            "pid": os.getpid(),
            "file": self.file,
            "since": self._since.isoformat(timespec="milliseconds"),
            "reloaded": at and at.isoformat(timespec="milliseconds"),
            "errors": problems_json(self.reloads.problems),
        }

    async def _reconciled(self, names: Sequence[str]) -> dict[str, Any]:
        chosen = self.keeper.named(names)
        results: dict[str, PartResult] = {}

        async def reconcile(kept: Kept) -> None:
            try:
                result = PartResult.of_report(kept.part, await kept.loop.reconcile())
            except LinxError as error:
                result = PartResult(kept.part, error=str(error))
            results[kept.part.name] = result

        async with anyio.create_task_group() as tasks:
            for each in chosen:
                tasks.start_soon(reconcile, each)
        return {"parts": [results[each.part.name].to_json() for each in chosen]}


def _told(kept: Sequence[Kept]) -> dict[str, Any]:
    return {"parts": [each.to_json() for each in kept]}
