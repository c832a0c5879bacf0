"""What can be there before anything uses it, in a transaction of its own: pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..desired import Set
from ..desired.keys import VERDICT
from ..observed import ObservedTable
from ..ops import (
    AddChain,
    AddElements,
    AddFlowtable,
    AddObject,
    AddRule,
    AddSet,
    DeleteSet,
    NetfilterOp,
)
from .ahead import have_slow
from .anew import Anew
from .batch import Batch
from .slow import is_slow_set
from .stand_ins import can_be_early, referenced_sets

__all__ = ["early_ops"]


def early_ops(batch: Batch, observed: ObservedTable, anew: Anew) -> list[NetfilterOp]:
    """The ops of a batch that have to be done before the others; none where none has to.

    Packets could get past otherwise: ranges take effect only after the rules that use them, and a
    packet that is on its way as the transaction is carried out finds new elements in a map, but no
    rules yet in a new chain that they name (nft_do_chain() reads the generation once, the look-up
    reads it again).

    Args:
        batch: The ops.
        observed: What is there.
        anew: What of it is made anew.
    """
    chains = _new_chains(batch, observed)
    again = _made_again(observed, anew)
    sets = [
        op
        for op in batch.made
        if isinstance(op, AddSet) and (op.part.name in again or _is_new(op.part, observed, anew))
    ]
    names = {op.part.name for op in sets}
    added = [op for op in batch.elements if isinstance(op, AddElements)]
    late = {op.part.name for op in batch.made if isinstance(op, AddSet)} - names
    rules = [_early_rules(batch.rules[at], anew, late) for at in batch.rules if at in chains]
    named = any(op.set.data == VERDICT for op in added if op.set.name not in names)
    if not (
        any(is_slow_set(op.part) for op in sets)
        or any(map(have_slow, rules))
        or (named and any(rules))
    ):
        return []
    return [
        *(op for op in batch.emptied if isinstance(op, DeleteSet) and op.part.name in again),
        *(op for op in batch.made if _is_unused(op, observed)),
        *(op for op in batch.made if isinstance(op, AddChain) and op.part.name in chains),
        *sets,
        *(op for op in added if op.set.name in names),
        *(op for each in rules for op in each),
    ]


def _new_chains(batch: Batch, observed: ObservedTable) -> frozenset[str]:
    """The names of the chains without a hook that were not there."""
    added = (op.part for op in batch.made if isinstance(op, AddChain))
    return frozenset(
        each.name for each in added if not each.is_base and each.name not in observed.chains
    )


def _early_rules(
    ops: Iterable[NetfilterOp], anew: Anew, late: Collection[str]
) -> list[NetfilterOp]:
    """The rules of a new chain, but for those that use what is made only later, or made anew."""
    return [
        op
        for op in ops
        if isinstance(op, AddRule)
        and not (anew and anew.needs(op.rule))
        and not (late and not referenced_sets([op.rule]).isdisjoint(late))
    ]


def _is_new(value: Set, observed: ObservedTable, anew: Anew) -> bool:
    return value.name not in observed.sets and can_be_early(value, anew)


def _is_unused(op: NetfilterOp, observed: ObservedTable) -> bool:
    """Whether it adds an object or a flowtable that was not there."""
    match op:
        case AddObject(part=part):
            return part.key not in observed.objects
        case AddFlowtable(part=part):
            return part.name not in observed.flowtables
        case _:
            return False


def _made_again(observed: ObservedTable, anew: Anew) -> frozenset[str]:
    """The sets that are made anew and that no rule uses."""
    if not anew.sets:
        return frozenset()
    return frozenset(anew.sets) - referenced_sets(each.rule for each in observed.rules)
