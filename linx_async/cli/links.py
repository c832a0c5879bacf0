"""The links among what a network is to have: they are made before the rest, and named by others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from attrs import evolve

from .._core.model import Op, Plan
from .._core.ownership import Ownership
from ..rtnl import AddLink, DeleteLink, Link, MoveLink, SetLink

__all__ = ["BareLinks", "link_ops", "names_made", "names_of"]


class BareLinks:
    """An rtnl source that makes the links that lack, and does nothing else.

    Nothing is deleted, no link comes up or moves away, and nothing has an address by it.

    Args:
        source: The source, not entered.
    """

    def __init__(self, source: Any) -> None:
        self._source = source

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    async def __aenter__(self) -> Self:
        await self._source.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._source.__aexit__(kind, error, traceback)

    def diff(self, desired: Any, observed: Any, owned: Ownership, /) -> Plan[AddLink]:
        """What of its plan makes links."""
        plan: Plan[Any] = self._source.diff(desired, observed, owned)
        taken = {op.key for op in plan if op.verb.disowns}
        return Plan(
            tuple(
                tuple(evolve(op, link=evolve(op.link, up=None)) for op in made)
                for batch in plan.batches
                if (made := [op for op in batch if _is_made_here(op) and op.key not in taken])
            )
        )


def _is_made_here(op: Any) -> bool:
    return isinstance(op, AddLink) and op.link.netns is None


def names_of(links: Iterable[Link]) -> Iterator[str]:
    """How links are called, and their other ends, as far as they are where they are made."""
    for link in links:
        if link.netns is None:
            yield link.name
            if link.peer and link.peer_netns is None:
                yield link.peer


def names_made(ops: Iterable[Op]) -> Iterator[str]:
    """The links that ops make."""
    return names_of(op.link for op in ops if isinstance(op, AddLink))


def link_ops(ops: Iterable[Op]) -> list[Op]:
    """Those of some ops that are about links; others may be very many."""
    return [op for op in ops if isinstance(op, AddLink | SetLink | MoveLink | DeleteLink)]
