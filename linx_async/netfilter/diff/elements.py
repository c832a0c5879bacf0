"""The ops on the elements of one set: pure."""

from __future__ import annotations

from collections.abc import Container, Mapping
from itertools import chain

from ..codec.abi import VerdictAttribute
from ..codec.forms import verdict_of
from ..codec.words import text_of
from ..desired import Elements, Rest, Set
from ..desired.keys import VERDICT
from ..desired.objects import object_type_name
from ..ops import AddElements, DeleteElements, NetfilterOp
from .multiset import element_changes
from .ranges import range_changes
from .times import settled

__all__ = ["draft_elements"]


def draft_elements(
    ops: list[NetfilterOp], wanted: Set, there: Set, *, alive: bool, kept: Container[str]
) -> None:
    """Add the ops that make the elements of a set the desired ones.

    Args:
        ops: Where to add them.
        wanted: The set as it should be.
        there: The same as it is.
        alive: Whether packets change it.
        kept: The keys of the chains and objects that stay. An element that names another one goes
            with it, also where it would be left alone else: the kernel deletes nothing that is
            named.
    """
    if wanted.elements is there.elements:
        return
    few = wanted.changes_from(there)
    if few is not None and not there.timeouts and not alive:
        come, gone = few
        _change(ops, wanted, gone, come)
        return
    new, old = wanted.elements.items_by_key, there.elements.items_by_key
    if there.timeouts:
        new = settled(new, old, there.timeout_ms)

    def transient(rest: Rest) -> bool:
        return (alive or bool(rest.expires)) and _named(there, rest) in kept

    compare = range_changes if wanted.interval and not wanted.type.fields else element_changes
    changes = compare(new, old, managed=wanted.managed, transient=transient)
    _change(
        ops,
        wanted,
        {key: old[key] for key in chain(changes.deleted, changes.changed)},
        {key: new[key] for key in chain(changes.changed, changes.added)},
    )


def _named(map: Set, rest: Rest) -> str:
    """The key of what an element names; empty for nothing."""
    if map.objects is not None:
        return f"{object_type_name(map.objects)} {rest.object}"
    if map.data != VERDICT:
        return ""
    chain = (verdict_of(rest.data) or {}).get(VerdictAttribute.CHAIN, b"")
    return f"chain {text_of(chain)}" if chain else ""


def _change(
    ops: list[NetfilterOp],
    wanted: Set,
    deleted: Mapping[bytes, Rest],
    added: Mapping[bytes, Rest],
) -> None:
    if deleted:
        ops.append(DeleteElements(wanted, Elements(deleted)))
    if added:
        ops.append(AddElements(wanted, Elements(added)))
