"""The way back: what was there before an apply, and how it is put back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

from attrs import frozen

from ..._core.errors import LinxError
from ..._core.memory import Record
from ..._core.model import Plan
from ..._core.ownership import Ownership
from ..._core.reconcile import identity_of
from ...config import Part
from ..state import HostStore
from .losses import Loss

__all__ = ["Before", "Loss", "State", "look", "put_back"]


class State(Protocol):
    """What was there of a part, as far as an apply may change it."""

    async def put_back(
        self, source: Any, record: Record, before: Ownership
    ) -> tuple[Ownership, list[Loss]]:
        """Put it back, look again, and compare.

        Args:
            source: An entered source of the part.
            record: The part's record.
            before: What it said then.

        Returns:
            What the record is to say, and what is not as it was.

        Raises:
            SourceError: It could not be done at all.
        """
        ...


Looking: TypeAlias = Callable[[Any, Any, Any, Ownership, Plan[Any]], Awaitable[State]]


# Late imports: only what a file asks for is loaded.


def _looking(kind: str) -> Looking:
    if kind == "rtnl":
        from .network import look_at_network

        return look_at_network
    if kind == "netfilter":
        from .firewall import look_at_tables

        return look_at_tables
    from .values import look_at_values

    return look_at_values


@frozen
class Before:
    """A part before an apply.

    Attributes:
        part: The part.
        identity: What its scope was.
        owned: What the record said.
        kept: Whether there was one.
        state: What was there.
    """

    part: Part
    identity: str
    owned: Ownership
    kept: bool
    state: State


async def look(part: Part, store: HostStore, *, revert_on_release: bool | None) -> Before:
    """Look at a part before it is applied.

    Args:
        part: The part.
        store: The records.
        revert_on_release: Whether the apply puts back what has left the file; None is as it says.

    Raises:
        DesiredStateError: There can be no such scope.
        SourceError: It cannot be looked at.
        StoreError: Its record cannot be read, or somebody else holds it.
    """
    source = part.source(revert_on_release=revert_on_release, once=True, dry=True)
    desired = source.check(part.desired)
    async with source:
        identity = identity_of(source)
        # Whoever else has it would not let it be applied, and not be put back.
        async with store.unused(part.name, identity):
            owned = await store.peek(part.name, identity)
            kept = await store.is_kept(part.name, identity)
            observed = await source.observe(desired, owned)
            plan = source.diff(desired, observed, owned)
            state = await _looking(part.kind)(source, desired, observed, owned, plan)
    return Before(part, identity, owned, kept, state)


async def put_back(before: Before, store: HostStore) -> list[Loss]:
    """Put a part back; gives what could not be restored, none where all is as it was."""
    part = before.part
    source = part.source(revert_on_release=True, once=True)
    try:
        async with source:
            identity = identity_of(source)
            if identity != before.identity:
                return [Loss(part.name, "what is called so now is another one; it is left alone")]
            async with store.open(part.name, identity) as record:
                owned, losses = await before.state.put_back(source, record, before.owned)
                await record.save(owned)
        if not before.kept:
            await store.forget(part)
    except (LinxError, OSError) as error:
        return [Loss(part.name, str(error))]
    return losses
