"""What refusals of a transaction mean, op by op, in words."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Final

from .._core.errors import OpError
from .._core.model import Outcome
from .._kernel.exchange import Refusal
from .._kernel.nfnetlink import Commit
from .ops import (
    AddChain,
    AddElements,
    AddRule,
    AddSet,
    AddTable,
    AdoptTable,
    DeleteChain,
    DeleteElements,
    DeleteFlowtable,
    DeleteObject,
    DeleteSet,
    NetfilterOp,
    ReplaceRule,
)

__all__ = ["outcomes_of"]

_PENDING: Final = Outcome(pending=True)

_RULES: Final = (AddRule, ReplaceRule)
_CURES: Final[tuple[tuple[tuple[type, ...], int, str], ...]] = (
    (
        (AddTable, AdoptTable),
        errno.EOPNOTSUPP,
        "this kernel has no such family, or no such owner (lifetime='shared' needs none)",
    ),
    ((AdoptTable,), errno.EPERM, "another program owns it now"),
    (
        _RULES,
        errno.ENOENT,
        "it names a set, chain or object that is not there, or needs what this kernel lacks",
    ),
    (
        _RULES,
        errno.EOPNOTSUPP,
        "this kernel cannot do it in a chain of that family, type or hook",
    ),
    (_RULES, errno.ELOOP, "chains jump to each other in a ring"),
    (_RULES, errno.EMLINK, "jumps go deeper than the kernel follows, or in a ring"),
    ((AddElements,), errno.EEXIST, "ranges overlap, or a key is there with another value"),
    ((AddElements,), errno.ENFILE, "the set is full"),
    (
        (AddElements,),
        errno.ENOENT,
        "an element names a chain or object that is not there, or the set is not there",
    ),
    (
        (DeleteElements,),
        errno.ENOENT,
        "one is gone already: its time was over, or a packet took it away",
    ),
    ((AddSet,), errno.EOPNOTSUPP, "this kernel has no kind of set for its flags"),
    (
        (AddChain,),
        errno.ENOENT,
        "an interface of its hook is not there, or this kernel lacks the chain's type",
    ),
    (
        (DeleteChain, DeleteSet, DeleteObject, DeleteFlowtable),
        errno.EBUSY,
        "something else in the table uses it",
    ),
    ((object,), errno.EPERM, "another program owns the table, or it takes CAP_NET_ADMIN"),
)


def outcomes_of(
    batch: Sequence[NetfilterOp], places: Sequence[int], commit: Commit
) -> list[Outcome]:
    """One outcome an op of a transaction that was refused: nothing of it was done.

    Args:
        batch: The ops.
        places: For each message which of the ops it was of.
        commit: What came of the messages.
    """
    outcomes = [_PENDING] * len(batch)
    for place, refusal in zip(places, commit.refusals, strict=True):
        if refusal is not None and outcomes[place] is _PENDING:
            op = batch[place]
            error = OpError(op.key, refusal.errno, _words(op, refusal), offset=refusal.offset)
            outcomes[place] = Outcome(error)
    return outcomes


def _words(op: NetfilterOp, refusal: Refusal) -> str:
    """What the kernel said, or what it means where that is known."""
    said = f"{op}: {refusal.message}" if refusal.message else str(op)
    return f"{said}: {cure}" if (cure := _cure(op, refusal.errno)) else said


def _cure(op: NetfilterOp, number: int) -> str:
    for kinds, of, cure in _CURES:
        if number == of and isinstance(op, kinds):
            return cure
    return ""
