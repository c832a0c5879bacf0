"""The ops of one transaction, in the order in which the kernel takes them."""

from __future__ import annotations

from itertools import chain

from attrs import define, field

from ..ops import NetfilterOp

__all__ = ["Batch"]


@define
class Batch:
    """The ops of one transaction.

    Attributes:
        emptied: What is deleted because it is made anew, each after what uses it.
        made: Objects, flowtables, chains and sets.
        elements: Elements of sets, the deleted ones first.
        rules: Rules, by their chain.
        shut: Rules that keep chains shut until their policy holds.
        deleted: What is deleted for good, each after what uses it.
    """

    emptied: list[NetfilterOp] = field(factory=list)
    made: list[NetfilterOp] = field(factory=list)
    elements: list[NetfilterOp] = field(factory=list)
    rules: dict[str, list[NetfilterOp]] = field(factory=dict)
    shut: list[NetfilterOp] = field(factory=list)
    deleted: list[NetfilterOp] = field(factory=list)

    def ops(self) -> list[NetfilterOp]:
        """All of them."""
        rules = chain.from_iterable(self.rules.values())
        return [*self.emptied, *self.made, *self.elements, *rules, *self.shut, *self.deleted]
