"""How far a desired table can be had: its rules compiled, its interfaces there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from anyio import to_thread
from attrs import frozen

from .._core.model import Waiting
from .._kernel.interfaces import interfaces
from .._kernel.netns import Target
from .desired import Table
from .devices import devices_of, other_indices, within_reach
from .texts import Unfounded, compiled_rules

__all__ = ["Reach"]

_MOST_LOOKS: Final = 5
"""Looks at the interfaces in one pass, where they come and go all the time."""


@frozen
class _Reached:
    """How far a table could be had.

    Attributes:
        desired: The desired table.
        links: The interfaces that were there, with their indices.
        table: The table as far as it can be; None where it cannot be at all.
        waiting: What it waits for.
    """

    desired: Table
    links: Mapping[str, int]
    table: Table | None
    waiting: tuple[Waiting, ...] = ()


class Reach:
    """How far desired tables can be had; the last one is kept.

    Attributes:
        awaited: The interfaces whose coming and going may change it.
    """

    def __init__(self) -> None:
        self.awaited: frozenset[str] = frozenset()
        self._last: _Reached | None = None
        self._simple: Table | None = None

    async def of(self, desired: Table, target: Target) -> tuple[Table | None, tuple[Waiting, ...]]:
        """A table as far as it can be had, and what waits for interfaces.

        Where a rule names an interface that is gone, the table goes on as it was before, so that
        it is still kept so; it is None where it never was.

        Args:
            desired: The table.
            target: The namespace whose interfaces it may name.

        Raises:
            RuleError: A rule in nft's syntax is wrong.
            SourceError: There is no nft, or no namespace to be had.
        """
        if desired is self._simple:
            return desired, ()
        if not (desired.texts or devices_of(desired) or desired.links):
            self._simple, self.awaited = desired, frozenset()
            return desired, ()
        looks = 0
        while True:
            links = await to_thread.run_sync(target.call, interfaces)
            last = self._last
            mine = last if last is not None and last.desired is desired else None
            if mine is not None and (mine.links == links or looks == _MOST_LOOKS):
                return mine.table, mine.waiting
            # Looked at once more: what came or went meanwhile may not have been awaited yet.
            self._last = await self._reached(desired, links)
            looks += 1

    async def _reached(self, desired: Table, links: Mapping[str, int]) -> _Reached:
        texts, last = desired.texts, self._last
        text = "\n".join(texts)
        named = {name for name in links if name in text}
        self.awaited = devices_of(desired) | named | dict(desired.links).keys()
        table, waiting = within_reach(desired, links)
        found = last.table if last is not None and last.desired is desired else None
        elsewhere = other_indices(desired, links)
        waiting = (*waiting, *elsewhere)
        try:
            if not elsewhere:
                found = await compiled_rules(table, links) if texts else table
        except Unfounded as error:
            self.awaited |= {error.name}
            waiting = (*waiting, Waiting.for_interface(desired.key, error.name))
        return _Reached(desired, links, found, waiting)
