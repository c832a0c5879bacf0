"""What a refusal of the kernel's means."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Final

from .._core.errors import OpError
from .._kernel.exchange import Refusal
from .ops import (
    AddAddress,
    AddLink,
    AddNeighbour,
    AddNexthop,
    AddRoute,
    AddRule,
    DeleteAddress,
    DeleteLink,
    DeleteNeighbour,
    DeleteNexthop,
    DeleteRoute,
    DeleteRule,
    ReplaceRoute,
    RtnlOp,
    SetLink,
)

__all__ = ["conflict_in", "is_done_already", "refused"]

_GONE: Final = frozenset(
    {errno.ESRCH, errno.ENOENT, errno.ENODEV, errno.EADDRNOTAVAIL, errno.ENXIO}
)

_NO_WAY: Final = "no interface leads to the gateway: is one up that has an address of its network?"
_ON_A_PARENT: Final = frozenset({"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap"})
_NO_MASTER: Final = "{} cannot have ports: it is no bridge, bond, VRF or the like"
_ADVICE: Final[Mapping[int, str]] = {
    errno.EPERM: "it takes CAP_NET_ADMIN in the network namespace",
    errno.ENETUNREACH: _NO_WAY,
    errno.EHOSTUNREACH: _NO_WAY,
    errno.ENETDOWN: "the interface is down",
    errno.EOPNOTSUPP: "this kernel cannot do that",
    errno.EEXIST: "somebody else has it",
}


def is_done_already(op: RtnlOp, refusal: Refusal) -> bool:
    """Whether a refusal says that there is nothing left to do."""
    match op:
        case AddAddress(again=True):
            return refusal.errno == errno.EEXIST
        case ReplaceRoute():
            # The new one is there, and the old one has gone by itself.
            return refusal.errno == errno.ESRCH and op.prefix.family == 4
        case (
            DeleteLink()
            | DeleteAddress()
            | DeleteRoute()
            | DeleteRule()
            | DeleteNeighbour()
            | DeleteNexthop()
        ):
            return refusal.errno in _GONE
    return False


def conflict_in(op: RtnlOp, refusal: Refusal) -> str:
    """Who holds the key, where a refusal says that somebody does; empty where it does not."""
    if refusal.errno == errno.ESRCH and isinstance(op, ReplaceRoute) and op.observed.nexthops:
        return "one of its ways is somebody else's: the kernel shows routes of one key as one"
    if refusal.errno != errno.EEXIST:
        return ""
    match op:
        case AddRule():
            return (
                "a rule of that priority is there which says all that this one does, and the kernel"
                " takes the two for one: give it another priority"
            )
        case AddLink(link=new) if new.peer is not None:
            return f"somebody else has a link {new.name} or {new.peer}, the name of its other end"
        case AddLink() | AddAddress() | AddNeighbour() | AddNexthop() | AddRoute():
            return "somebody else has made it since it was looked for"
    return ""


def refused(op: RtnlOp, refusal: Refusal) -> OpError:
    """Why the kernel refused, with what to do about it."""
    advice = _ADVICE.get(refusal.errno, "")
    if portless := _portless(op, refusal):
        advice = portless
    elif isinstance(op, AddLink) and refusal.errno == errno.EOPNOTSUPP:
        advice = f"this kernel has no links of the kind {op.link.kind}, or lacks their module"
    elif isinstance(op, AddLink) and refusal.errno == errno.EINVAL and op.link.parent is None:
        advice = "it needs a parent" if op.link.kind in _ON_A_PARENT else ""
    said = ": ".join(filter(None, (refusal.message, advice)))
    return OpError(op.key, refusal.errno, said, offset=refusal.offset)


def _portless(op: RtnlOp, refusal: Refusal) -> str:
    """What to say of a master that is none; do_set_master() in net/core/rtnetlink.c has no word."""
    if refusal.errno != errno.EOPNOTSUPP or refusal.message:
        return ""
    match op:
        case AddLink(link=new) if new.master:
            return _NO_MASTER.format(new.master)
        case SetLink(changes=changes) if changes.get("master"):
            said = _NO_MASTER.format(changes["master"])
            others = " and ".join(name for name in ("address", "parameters") if name in changes)
            return said + (others and f", or the {others} of {op.link.name} cannot be changed")
    return ""
