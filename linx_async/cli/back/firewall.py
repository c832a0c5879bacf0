"""The way back of a table of nf_tables: as it was, ours or another's, or not there at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anyio import to_thread
from attrs import evolve, frozen

from ..._core.errors import SourceError
from ..._core.memory import MemoryStore, Record
from ..._core.model import Plan
from ..._core.ownership import Claim, Ownership
from ..._core.reconcile import Ledger, run_pass
from ..._kernel.netlink import pack_attribute, pack_text
from ..._kernel.nfnetlink import Change, NfnetlinkSocket
from ...netfilter.codec.abi import Message, TableAttribute, TableFlag
from ...netfilter.codec.userdata import Comment, with_comment
from ...netfilter.codec.words import pack_be32, pack_be64
from ...netfilter.desired import Table
from ...netfilter.diff import diff
from ...netfilter.encoding import changes_of
from ...netfilter.observed import Observed, ObservedTable
from ...netfilter.ops import AdoptTable
from .losses import Loss

__all__ = ["Tables", "look_at_tables"]


@frozen
class Tables:
    """Tables by key.

    Attributes:
        tables: Each as it was; None where it was not there.
    """

    tables: Mapping[str, ObservedTable | None]

    async def put_back(
        self, source: Any, record: Record, before: Ownership
    ) -> tuple[Ownership, list[Loss]]:
        """Make each table what it was."""
        now = await record.load()
        losses = []
        for key, was in self.tables.items():
            there = await _seen(source, key)
            if was is None or was.head.ours:
                await _put_ours(source, key, None if was is None else was.table)
            elif there is None or there.head.ours:
                await _put_foreign(source, was, there)
            losses += _losses(key, was, await _seen(source, key))
        lost = {loss.key: now[loss.key] for loss in losses if loss.key in now}
        return Ownership({**before, **lost}), losses


async def look_at_tables(
    _source: Any, desired: Table | None, observed: Observed, owned: Ownership, _plan: Plan[Any]
) -> Tables:
    """The desired table, and those of the record.

    Raises:
        SourceError: One is there, and cannot be declared as it is.
    """
    keys = {*owned, *observed.tables, *([] if desired is None else [desired.key])}
    for table in observed.tables.values():
        _ = table.table  # what cannot be declared could not be put back
    return Tables({key: observed.tables.get(key) for key in sorted(keys)})


async def _seen(source: Any, key: str) -> ObservedTable | None:
    """A table as it is now."""
    observed: Observed = await source.observe(None, Ownership({key: Claim(key)}))
    return observed.tables.get(key)


async def _put_ours(source: Any, key: str, table: Table | None) -> None:
    """Make a table of ours what it was; deleted where it was not there."""
    async with MemoryStore().open("the way back", "") as record:
        await record.save(Ownership({key: Claim(key)}))
        report = await run_pass(source, table, await Ledger.of(record))
    for failure in report.failed:
        raise SourceError(str(failure))


async def _put_foreign(source: Any, was: ObservedTable, there: ObservedTable | None) -> None:
    """Put another's table back as it was, without our mark, in the place of ours.

    One transaction: there is never none.
    """
    table = was.table
    plan = diff(table, None)
    if plan.interim:
        raise SourceError(f"{was.key}: is too much to be put back in one go")
    changes, _ = changes_of(plan.ops, table.family, table.name)
    head, *rest = changes
    userdata = with_comment(was.head.comment, was.head.userdata, Comment.TABLE)
    said = pack_text(TableAttribute.NAME, table.name)
    said += pack_be32(TableAttribute.FLAGS, was.head.flags)
    if userdata:
        said += pack_attribute(TableAttribute.USERDATA, userdata)
    changes = [head._replace(attributes=said), *rest]
    if there is not None:
        changes.insert(0, _delete(head.family, there.head.handle))
    target = await to_thread.run_sync(source.scope.open)
    try:
        socket = await NfnetlinkSocket.open(opener=target.call)
        try:
            commit = await socket.commit(changes, generation=None, key=was.key)
        finally:
            await socket.aclose()
    finally:
        target.close()
    for refusal in filter(None, commit.refusals):
        raise SourceError(f"{was.key}: cannot be put back: {refusal}")


def _delete(family: int, handle: int) -> Change:
    return Change(Message.DELTABLE.number, 0, family, pack_be64(TableAttribute.HANDLE, handle))


def _losses(key: str, was: ObservedTable | None, there: ObservedTable | None) -> list[Loss]:
    if was is None:
        gone = there is None or not there.head.ours
        return [] if gone else [Loss(key, "is there, and was not")]
    if there is None:
        return [Loss(key, "is gone")]
    if there.head.ours != was.head.ours:
        whose = "has our mark, and had none" if there.head.ours else "is another's, and was ours"
        return [Loss(key, whose)]
    if (there.head.flags ^ was.head.flags) & TableFlag.PERSIST:
        return [Loss(key, "has another lifetime: delete it, and apply the old file")]
    again = evolve(there, head=evolve(there.head, ours=True))
    plan = diff(was.table, again, lifetime="shared")
    ways = [str(op) for op in plan.ops if not isinstance(op, AdoptTable)]
    ways += [str(error) for error in plan.failed]
    return [Loss(key, f"differs from what it was: {way}") for way in ways]
