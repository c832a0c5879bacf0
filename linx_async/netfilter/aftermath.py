"""What is known of a table after a transaction of ours, without a look at it: pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from attrs import define, evolve, field, frozen

from .desired import Elements
from .desired.sets import with_elements
from .diff.written import written_sets
from .observed import ObservedSet, ObservedTable
from .ops import (
    AddElements,
    AddSet,
    AddTable,
    AdoptTable,
    DeleteElements,
    DeleteSet,
    DeleteTable,
    NetfilterOp,
    UpdateSet,
)

__all__ = ["Aftermath", "aftermath", "certain_sets", "torn_set"]


def certain_sets(table: ObservedTable) -> frozenset[str]:
    """The sets that have the elements which transactions gave them, and no others.

    Neither does time take elements of these, nor do packets add or delete any.
    """
    written = written_sets(each.rule for each in table.rules)
    return frozenset(
        name
        for name, each in table.sets.items()
        if not each.set.timeouts and not each.set.dynamic and name not in written
    )


def torn_set(table: ObservedTable, names: Collection[str]) -> str:
    """A set whose dump lacks elements, as the kernel was about to give it more room meanwhile.

    It tells so in no other way: nft_rhash_walk() in net/netfilter/nft_set_hash.c.
    """
    for name in names:
        head, value = table.sets[name].head, table.sets[name].set
        if head.count is not None and not value.interval and len(value.elements) < head.count:
            return name
    return ""


@frozen
class Aftermath:
    """What is known of a table after a transaction of ours.

    Attributes:
        table: The table as it is now, where all of that is known; else None.
        elements: The elements of the sets that were changed or made, where they are known.
        lost: The sets whose elements are not known any more.
    """

    table: ObservedTable | None
    elements: Mapping[str, Elements]
    lost: frozenset[str]


def aftermath(
    table: ObservedTable | None, certain: frozenset[str], ops: Sequence[NetfilterOp]
) -> Aftermath:
    """What is known of a table after ops on it that were carried out.

    Args:
        table: The table as it was right before; None where it was not there.
        certain: Its `certain_sets`.
        ops: The ops, in their order.
    """
    reckoning = _Reckoning({} if table is None else table.sets, certain)
    for op in ops:
        reckoning.count(op)
    elements = reckoning.elements()
    whole = table is not None and reckoning.whole
    return Aftermath(
        evolve(table, sets={**table.sets, **_filled(table, elements)})
        if table is not None and whole
        else None,
        elements,
        frozenset(reckoning.lost),
    )


@define
class _Reckoning:
    """What is known while ops are gone through.

    Attributes:
        before: The sets there were.
        certain: Those of them that change by transactions alone.
        changed: The elements of those that were changed.
        made: The elements of those that were made; None: it has none yet.
        wanted: The elements that those which were changed should have now.
        lost: Those whose elements are not known.
        whole: Whether nothing else was done than to change elements that are known.
    """

    before: Mapping[str, ObservedSet]
    certain: frozenset[str]
    changed: dict[str, Elements] = field(factory=dict)
    made: dict[str, Elements | None] = field(factory=dict)
    wanted: dict[str, Elements] = field(factory=dict)
    lost: set[str] = field(factory=set)
    whole: bool = True

    def count(self, op: NetfilterOp) -> None:
        """Go through one op."""
        match op:
            case AddElements() | DeleteElements():
                self._count_elements(op)
                return
            case AddSet(part=value):
                if not value.timeouts and not value.dynamic:
                    self.made[value.name] = None
                self.lost.add(value.name)
            case UpdateSet(part=value) | DeleteSet(part=value):
                self.lost.add(value.name)
            case AddTable() | AdoptTable() | DeleteTable():
                self.lost.update(self.before)
        self.whole = False

    def _count_elements(self, op: AddElements | DeleteElements) -> None:
        name = op.set.name
        if name in self.made:
            fills = self.made[name] is None and op.elements is op.set.elements
            if fills and isinstance(op, AddElements):
                self.made[name] = op.elements
            else:
                del self.made[name]
        elif name in self.certain and name not in self.lost:
            before = self.changed.get(name, self.before[name].set.elements)
            self.changed[name] = _changed(before, op)
            self.wanted[name] = op.set.elements
        else:
            self.lost.add(name)
            self.whole = False

    def elements(self) -> dict[str, Elements]:
        """The elements of sets that were changed or made, where they are known."""
        known = {name: found or Elements() for name, found in self.made.items()}
        for name, found in self.changed.items():
            if name not in self.lost:
                known[name] = _preferred(self.wanted[name], found, self.before[name].set.elements)
        self.lost -= known.keys()
        return known


def _changed(before: Elements, op: AddElements | DeleteElements) -> Elements:
    if isinstance(op, DeleteElements):
        return Elements.derived(before, {}, op.elements)
    return Elements.derived(before, op.elements, {})


def _preferred(wanted: Elements, found: Elements, before: Elements) -> Elements:
    """The desired elements themselves, where that they are the same is quickly told.

    The next diff need not compare them then.
    """
    changes = wanted.delta_from(before)
    return wanted if changes is not None and changes == found.delta_from(before) else found


def _filled(table: ObservedTable, known: Mapping[str, Elements]) -> Mapping[str, ObservedSet]:
    return {
        name: evolve(table.sets[name], set=with_elements(table.sets[name].set, elements))
        for name, elements in known.items()
    }
