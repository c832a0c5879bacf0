"""Tables that take the place of others, and may not be without effect for a moment: pure."""

from __future__ import annotations

from attrs import evolve

from ..._core.model import Plan
from ..desired import Table
from ..observed import ObservedTable
from ..ops import AddChain, AddTable, NetfilterOp
from .slow import is_slow_table
from .stand_ins import next_names

__all__ = ["has_hooks", "next_table", "replaces"]


def replaces(plan: Plan[NetfilterOp]) -> bool:
    """Whether a plan puts a table in the place of one of the same name."""
    first = next(iter(plan.ops), None)
    return isinstance(first, AddTable) and bool(first.handle)


def next_table(desired: Table) -> Table | None:
    """What stands in while a table is replaced by another of its name; None where nothing has to.

    It has the place of the old one first, and the new one then has its.
    """
    names = next_names(desired.name)
    if not names or not is_slow_table(desired):
        return None
    return evolve(desired, name=names[0])


def has_hooks(desired: Table, observed: ObservedTable | None, plan: Plan[NetfilterOp]) -> bool:
    """Whether packets come to all chains of a table that shall have hooks, once a plan is done."""
    chains = {} if observed is None else observed.chains
    there = {name for name, each in chains.items() if each.head.chain.is_base}
    there.update(op.part.name for op in plan.ops if isinstance(op, AddChain))
    return all(each.name in there for each in desired.chains if each.is_base)
