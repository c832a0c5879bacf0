"""What `linx run` tells those who watch it: first all of it, and then what is new."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import anyio
from attrs import define, field

from .._core.errors import DesiredStateError
from .keeper import Keeper
from .kept import Kept
from .telling import stamp
from .watch_counts import counts_fields

__all__ = ["SIGN_OF_LIFE", "Watcher"]

SIGN_OF_LIFE: Final = 2.0
"""Seconds after which something is told, though nothing is new."""
_SHORTEST: Final = 0.1
"""Seconds between two lines."""
_PARTS_A_LINE: Final = 64
"""So that the loops do not wait for long lines to be made."""
_MOST_ITEMS: Final = 8
"""Of each kind: they may be many thousands, and nobody could read them."""


@define
class Watcher:
    """One who watches, and what it was told.

    Attributes:
        keeper: Who keeps the parts.
        names: Of the parts, as for `Keeper.named`.
        head: What there is to say of all of them, and why the last reload was refused: `errors`.
        say: Tells it a line; it takes as long as the watcher does, and no loop waits for it.
    """

    keeper: Keeper
    names: Sequence[str]
    head: Callable[[], Mapping[str, Any]]
    say: Callable[[Mapping[str, Any]], Awaitable[None]]
    _told: dict[str, tuple[Any, ...]] = field(factory=dict, init=False)
    _number: int = field(default=0, init=False)

    async def tell(self) -> None:
        """Tell it how the parts fare, until cancelled. What comes too fast for it is left out.

        Raises:
            DesiredStateError: There is no such part.
        """
        self.keeper.named(self.names)
        whole = True
        while True:
            news = self.keeper.news
            await self._tell_news(whole=whole)
            whole = False
            await anyio.sleep(_SHORTEST)
            with anyio.move_on_after(SIGN_OF_LIFE):
                await news.wait()

    async def _tell_news(self, *, whole: bool) -> None:
        chosen = self._chosen()
        gone = [name for name in self._told if name not in chosen]
        for name in gone:
            del self._told[name]
        changed = [each for name, each in chosen.items() if self._told.get(name) != _mark(each)]
        events = self.keeper.tail.after(self._number, chosen)
        self._number = self.keeper.tail.number
        head = dict(self.head())
        head["errors"] = head["errors"][:_MOST_ITEMS]
        for start in range(0, max(len(changed), 1), _PARTS_A_LINE):
            more = start + _PARTS_A_LINE < len(changed)
            await self.say(
                {
                    "time": stamp(),
                    **head,
                    "whole": whole and not start,
                    "more": more,
                    "parts": [self._part(each) for each in changed[start : start + _PARTS_A_LINE]],
                    "gone": [] if start else gone,
                    "events": [] if more else events,
                }
            )

    def _chosen(self) -> dict[str, Kept]:
        if not self.names:
            return dict(self.keeper.kept)
        found: dict[str, Kept] = {}
        for name in self.names:
            with suppress(DesiredStateError):  # a reload may have taken it away
                found |= {each.part.name: each for each in self.keeper.named([name])}
        return found

    def _part(self, kept: Kept) -> dict[str, Any]:
        name, report = kept.part.name, kept.report
        self._told[name] = _mark(kept)
        return {
            **kept.to_json(_MOST_ITEMS),
            "totals": {
                "failed": len(report.failed),
                "pending": len(report.pending),
                "waiting": len(report.waiting),
                "conflicts": len(report.conflicts),
                "flapping": len(report.flapping),
            },
            "counts": counts_fields(self.keeper.counts, name),
        }


def _mark(kept: Kept) -> tuple[Any, ...]:
    """What is another one once there is something new of a part."""
    restarts, busy = kept.supervisor.restarts, int(kept.busy_for())
    return kept, kept.at, kept.crash, kept.loop.paused, kept.left, restarts, busy
