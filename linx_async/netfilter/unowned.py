"""Tables on kernels that cannot keep one for an owner who is gone: pure."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import Final

from attrs import evolve

from .._core.model import Outcome, Plan
from .codec.abi import TableFlag
from .observed import ObservedTable
from .ops import AddTable, NetfilterOp

__all__ = ["NO_PERSIST", "is_unowned", "may_lack_persist", "without_owner"]

NO_PERSIST: Final = "this kernel has no NFT_TABLE_F_PERSIST, which came with Linux 6.9"


def is_unowned(table: ObservedTable | None) -> bool:
    """Whether a table of ours has no owner and never had one that it could outlive.

    It was shared on purpose, or because the kernel had it so.
    """
    if table is None or not table.head.ours or table.head.owner:
        return False
    return not table.head.flags & TableFlag.PERSIST


def may_lack_persist(batch: Iterable[NetfilterOp], outcomes: Iterable[Outcome]) -> bool:
    """Whether a table was refused for that flag, or because the kernel has none of its family.

    It is EOPNOTSUPP either way: nf_tables_newtable() in net/netfilter/nf_tables_api.c.
    """
    return any(
        isinstance(op, AddTable)
        and bool(op.flags & TableFlag.PERSIST)
        and outcome.error is not None
        and outcome.error.errno == errno.EOPNOTSUPP
        for op, outcome in zip(batch, outcomes, strict=True)
    )


def without_owner(plan: Plan[NetfilterOp]) -> Plan[NetfilterOp]:
    """A plan the ops of which say that a table was to have an owner."""
    return evolve(
        plan,
        batches=tuple(
            tuple(
                evolve(op, unowned=NO_PERSIST) if isinstance(op, AddTable) else op for op in batch
            )
            for batch in plan.batches
        ),
    )
