"""The plans of a source: which table they head for, and which give way to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from attrs import define, evolve, field

from .._core.model import Plan
from .._core.ownership import Ownership
from .desired import Set, Table
from .diff import Lifetime, diff
from .diff.leftover import draft_leftover
from .diff.parts import set_update
from .diff.replacing import has_hooks, next_table, replaces
from .observed import Observed, ObservedTable
from .ops import AdoptTable, DeleteTable, NetfilterOp, UpdateSet
from .unowned import without_owner

__all__ = ["PLANNED_AT_ONCE", "Planner"]

PLANNED_AT_ONCE: Final = 500
"""Rules and elements, above which a plan, or messages of it, are made in a thread."""

_Draft = tuple[Plan[NetfilterOp], list[DeleteTable], frozenset[str]]


@define
class Planner:
    """The plans of a source.

    Attributes:
        lifetime: How long the table stays, and who may write to it.
        replace: Whether a table of somebody else is replaced.
        recreate: Whether what the kernel takes and passes over is made anew.
        adopt: Whether a table of ours is to be owned by our socket.
        anew: Whether a table of ours is made anew, whatever differs.
        stepwise: Whether to go step by step where packets could get past.
        persists: Whether the kernel has tables that outlive their owner; None: not known yet.
        heading: The table that the last plan is about.
    """

    lifetime: Lifetime
    replace: bool
    recreate: bool
    adopt: bool
    anew: bool
    stepwise: bool = True
    persists: bool | None = None
    heading: Table | None = None
    _last: tuple[Sequence[Any], Plan[NetfilterOp]] | None = field(default=None, init=False)
    _made: tuple[Sequence[Any], Plan[NetfilterOp]] | None = field(default=None, init=False)
    _updated: dict[str, Set] = field(factory=dict, init=False)

    def plan(
        self, desired: Table | None, observed: Observed, owned: Ownership
    ) -> Plan[NetfilterOp]:
        """The ops that lead from observed to desired, as far as one batch goes.

        Of one observation it is made once: in a thread, where that takes long, and then asked for.
        """
        given = desired, observed, owned
        if self._made is None or not _are_same(self._made[0], given):
            self._made = given, self._plan(desired, observed, owned)
        return self._made[1]

    def _plan(
        self, desired: Table | None, observed: Observed, owned: Ownership
    ) -> Plan[NetfilterOp]:
        if desired is None:
            deleted, stale = draft_leftover(None, observed, owned)
            return Plan((tuple(deleted),) if deleted else (), stale=stale)
        heading = observed.desired
        if heading is None:
            return Plan(waiting=observed.waiting)
        plan, deleted, stale = self._draft(heading, observed, owned)
        if plan.conflicts:
            return plan  # what was there before stays: the firewall would be open without it
        other = next_table(heading) if self.stepwise and replaces(plan) else None
        if other is not None:
            heading = other
            plan, deleted, stale = self._draft(heading, observed, owned, replaced=desired.key)
        self.heading = heading
        held = (
            self.stepwise
            and deleted
            and not has_hooks(heading, observed.tables.get(heading.key), plan)
        )
        due = (op for op in plan.ops if self.adopt or not isinstance(op, AdoptTable))
        # First the new: the policy of a new chain, and ranges in new sets, hold a moment after the
        # rules do (nft_chain_commit_drop_policy(), nft_set_commit_update()).
        ops = (*due, *(() if held else deleted))
        return evolve(
            plan,
            batches=(ops,) if ops else (),
            stale=stale,
            waiting=observed.waiting,
            interim=plan.interim or other is not None,
        )

    def is_long(self, wanted: Table, there: ObservedTable | None) -> bool:
        """Whether it takes long to plan."""
        if self._last is not None and _are_same(self._last[0][:2], (wanted, there)):
            return False
        return max(wanted.size, 0 if there is None else int(there.size)) > PLANNED_AT_ONCE

    def done(self, desired: Table | None, batch: Sequence[NetfilterOp]) -> None:
        """Note a batch that was carried out."""
        self._made = None
        if desired is not None and any(op.key == desired.key for op in batch):
            self.anew = False
        if told := {op.part.name: op.part for op in batch if isinstance(op, UpdateSet)}:
            self._updated |= told
            self._last = None  # what is there may look as it did before

    def forget(self) -> None:
        """Plan from the beginning."""
        self._last = self._made = None

    def _draft(
        self, table: Table, observed: Observed, owned: Ownership, replaced: str = ""
    ) -> _Draft:
        """The plan for a table, the tables it takes the place of, and what of the record is stale.

        That of the last time where both sides are still the same.

        Args:
            table: The table.
            observed: What is there.
            owned: The record.
            replaced: The key of one whose place it takes, whoever made that.
        """
        deleted, stale = draft_leftover(table, observed, owned, replaced)
        there, port = observed.tables.get(table.key), observed.port
        if there is not None and there.head.ours and not self.adopt:
            port = there.head.owner or port
        given = table, there, port, bool(deleted), self.persists
        if self._last is not None and _are_same(self._last[0], given):
            return self._last[1], deleted, stale
        plan = diff(
            table,
            there,
            lifetime="shared" if self.persists is False else self.lifetime,
            port=port,
            replace=self.replace,
            recreate=self.recreate,
            anew=self.anew and not replaced,
            instead=bool(deleted),
            unmoved=self._unmoved(table, there),
            stepwise=self.stepwise,
        )
        if self.persists is False:
            plan = without_owner(plan)
        if not replaced:
            self._last = given, plan
        return plan, deleted, stale

    def _unmoved(self, table: Table, there: ObservedTable | None) -> frozenset[str]:
        """The sets of which the kernel was told what is desired of them, and that are not so."""
        sets = {} if there is None else there.sets
        self._updated = {
            name: told
            for name, told in self._updated.items()
            if name in sets and set_update(told, sets[name].set)
        }
        return frozenset(
            each.name
            for each in table.sets
            if (told := self._updated.get(each.name)) is not None and not set_update(each, told)
        )


def _are_same(given: Sequence[Any], others: Sequence[Any]) -> bool:
    return all(
        each is other or (isinstance(each, int) and each == other)
        for each, other in zip(given, others, strict=True)
    )
