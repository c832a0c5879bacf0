"""What the kernel takes along with an op, unasked."""

from __future__ import annotations

from typing import Final

from .ops import (
    AddLink,
    AddRoute,
    DeleteAddress,
    DeleteLink,
    DeleteMoved,
    DeleteNexthop,
    DeleteRoute,
    MoveLink,
    ReplaceAddress,
    ReplaceNexthop,
    RtnlOp,
    SetLink,
)

__all__ = ["takes_along"]

_KEEPING: Final = frozenset({"alias", "altnames", "group", "up"})
"""Attributes of a link whose change leaves alone what it carries."""

_ALONE: Final = frozenset({AddRoute, DeleteRoute})
"""Ops of which there may be a hundred thousand, none of which takes anything along."""


def takes_along(op: RtnlOp) -> bool:
    """Whether the kernel may have taken something else along with an op.

    An interface loses its routes with its last IPv4 address (fib_disable_ip()), and most of what it
    carries when it goes down, and its neighbours with its link-layer address; a bridge takes its
    size from its ports (br_mtu_auto_adjust()).
    """
    if type(op) in _ALONE:
        return False
    match op:
        case DeleteAddress() | DeleteLink() | DeleteMoved() | DeleteNexthop() | MoveLink():
            return True
        case ReplaceAddress() | ReplaceNexthop():
            return not op.in_place
        case AddLink():
            return op.link.master is not None
        case SetLink():
            down = op.lowered or op.changes.get("up") is False
            return down or not _KEEPING.issuperset(op.changes)
    return False
