"""The diff of a whole table: pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from itertools import chain
from typing import Any

from attrs import define, field

from ..desired import Elements, Rest, Set, Table
from ..desired.objects import OBJECT_TYPES
from ..desired.rule import compiled
from ..observed import ObservedTable
from ..ops import (
    AddChain,
    AddElements,
    AddFlowtable,
    AddObject,
    AddRule,
    AddSet,
    DeleteChain,
    DeleteElements,
    DeleteFlowtable,
    DeleteObject,
    DeleteSet,
    FlushChain,
    NetfilterOp,
    UpdateChain,
    UpdateObject,
    UpdateSet,
)
from .anew import Anew
from .chain_rules import added_again, draft_rules
from .multiset import element_changes
from .ranges import range_changes
from .shutting import shut
from .times import same_time, settled
from .written import written_sets

__all__ = ["draft_contents", "draft_new"]


@define
class _Batch:
    """The ops of one transaction, in the order in which the kernel takes them.

    Attributes:
        emptied: What is deleted because it is made anew, each after what uses it.
        made: Objects, flowtables, chains and sets.
        elements: Elements of sets, the deleted ones first.
        rules: Rules.
        deleted: What is deleted for good, each after what uses it.
    """

    emptied: list[NetfilterOp] = field(factory=list)
    made: list[NetfilterOp] = field(factory=list)
    elements: list[NetfilterOp] = field(factory=list)
    rules: list[NetfilterOp] = field(factory=list)
    deleted: list[NetfilterOp] = field(factory=list)

    def ops(self) -> list[NetfilterOp]:
        """All of them."""
        return [*self.emptied, *self.made, *self.elements, *self.rules, *self.deleted]


def draft_new(desired: Table, *, again: bool = False) -> list[NetfilterOp]:
    """The ops that fill a table in which nothing is.

    Args:
        desired: What should be there.
        again: Whether it takes the place of another in the same transaction.
    """
    batch = _Batch()
    batch.made += [AddObject(each) for each in desired.objects]
    batch.made += [AddFlowtable(each) for each in desired.flowtables]
    batch.made += [AddChain(each) for each in desired.chains]
    batch.made += [AddSet(each) for each in desired.sets]
    batch.elements += [AddElements(each, each.elements) for each in desired.sets if each.elements]
    for each in desired.chains:
        batch.rules += draft_rules(each.name, compiled(each), ())
    if again:
        batch.rules += shut(desired.chains)
    return batch.ops()


def draft_contents(
    desired: Table, observed: ObservedTable, *, recreate: bool
) -> tuple[list[NetfilterOp], dict[str, str]]:
    """The ops that make what is in a table the desired, and what the kernel will not change.

    Args:
        desired: What should be there.
        observed: What is.
        recreate: Whether what the kernel takes and passes over is made anew.
    """
    anew = Anew.of(desired, observed, recreate=recreate)
    batch = _Batch()
    affected = {
        name
        for name, there in observed.chains.items()
        if name in anew.chains or (anew and any(anew.needs(each.rule) for each in there.rules))
    }
    _give_way(batch.emptied, observed, anew, affected)
    _objects(batch, desired, observed, anew)
    _flowtables(batch, desired, observed, anew)
    _chains(batch, desired, observed, anew)
    written = written_sets(rule for chain in desired.chains for rule in compiled(chain))
    _sets(batch, desired, observed, anew, written)
    for each in desired.chains:
        there = observed.chains.get(each.name)
        rules = () if there is None else there.rules
        write = added_again if each.name in affected else draft_rules
        batch.rules += write(each.name, compiled(each), rules)
    changed = {op.part.name for op in batch.made if isinstance(op, AddChain | UpdateChain)}
    batch.rules += shut(each for each in desired.chains if each.name in changed)
    if not any(isinstance(op, AddRule) and op.ahead for op in batch.rules):
        # Else rules are left until the next round, and what they use with them.
        _delete(batch.deleted, desired, observed, anew, affected)
    return batch.ops(), anew.passed_over


def _give_way(
    ops: list[NetfilterOp], observed: ObservedTable, anew: Anew, affected: Iterable[str]
) -> None:
    ops += _flushes(sorted(affected), observed)
    ops += [DeleteSet(observed.sets[name].set) for name in anew.sets]
    ops += [DeleteChain(observed.chains[name].head.chain) for name in anew.chains]
    ops += [DeleteObject(observed.objects[key].object) for key in anew.objects]
    ops += [DeleteFlowtable(observed.flowtables[name].flowtable) for name in anew.flowtables]


def _objects(batch: _Batch, desired: Table, observed: ObservedTable, anew: Anew) -> None:
    for each in desired.objects:
        there = observed.objects.get(each.key)
        if there is None or each.key in anew.objects:
            batch.made.append(AddObject(each))
        elif each.body != there.object.body and each.type == OBJECT_TYPES["quota"]:
            batch.made.append(UpdateObject(each, each.body))


def _flowtables(batch: _Batch, desired: Table, observed: ObservedTable, anew: Anew) -> None:
    for each in desired.flowtables:
        if each.name not in observed.flowtables or each.name in anew.flowtables:
            batch.made.append(AddFlowtable(each))


def _chains(batch: _Batch, desired: Table, observed: ObservedTable, anew: Anew) -> None:
    for each in desired.chains:
        there = observed.chains.get(each.name)
        if there is None or each.name in anew.chains:
            batch.made.append(AddChain(each))
        elif each.policy != there.head.chain.policy:
            batch.made.append(UpdateChain(each))


def _sets(
    batch: _Batch, desired: Table, observed: ObservedTable, anew: Anew, written: Container[str]
) -> None:
    for each in desired.sets:
        there = observed.sets.get(each.name)
        if there is None or each.name in anew.sets:
            batch.made.append(AddSet(each))
            if each.elements:
                batch.elements.append(AddElements(each, each.elements))
            continue
        old = there.set
        # That it has no size is nothing that the kernel is told.
        sized = each.size is not None and each.size != old.size
        timed = same_time(each.timeout_ms, old.timeout_ms)
        if sized or not timed or each.gc_interval_ms != old.gc_interval_ms:
            batch.made.append(UpdateSet(each))
        _elements(batch.elements, each, old, alive=old.dynamic or each.name in written)


def _elements(ops: list[NetfilterOp], wanted: Set, there: Set, *, alive: bool) -> None:
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
    transient = (lambda _: True) if alive else (lambda rest: bool(rest.expires))
    compare = range_changes if wanted.interval and not wanted.type.fields else element_changes
    changes = compare(new, old, managed=wanted.managed, transient=transient)
    _change(
        ops,
        wanted,
        {key: old[key] for key in chain(changes.deleted, changes.changed)},
        {key: new[key] for key in chain(changes.changed, changes.added)},
    )


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


def _delete(
    ops: list[NetfilterOp],
    desired: Table,
    observed: ObservedTable,
    anew: Anew,
    affected: Iterable[str],
) -> None:
    flushed = set(affected)
    chains = _not_in(observed.chains, desired.chains)
    ops += _flushes((name for name in chains if name not in flushed), observed)
    sets = (name for name in _not_in(observed.sets, desired.sets) if name not in anew.sets)
    ops += [DeleteSet(observed.sets[name].set) for name in sets]
    ops += [DeleteChain(observed.chains[name].head.chain) for name in chains]
    wanted = {each.key for each in desired.objects}
    ops += [
        DeleteObject(each.object) for key, each in observed.objects.items() if key not in wanted
    ]
    ops += [
        DeleteFlowtable(observed.flowtables[name].flowtable)
        for name in _not_in(observed.flowtables, desired.flowtables)
    ]


def _flushes(names: Iterable[str], observed: ObservedTable) -> list[FlushChain]:
    counts = ((name, len(observed.chains[name].rules)) for name in names)
    return [FlushChain(name, count) for name, count in counts if count]


def _not_in(observed: Iterable[str], desired: Iterable[Any]) -> list[str]:
    names = {each.name for each in desired}
    return [name for name in observed if name not in names]
