"""What rules have counted by the time they are written again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final

from attrs import evolve

from .._core.errors import SourceError
from .._kernel.netlink import Message, NetlinkDecodeError, attribute_map, pack_text, split
from .._kernel.nfnetlink import NfnetlinkSocket
from .._kernel.nfnetlink_messages import NFGENMSG
from .codec.abi import Message as Numbers
from .codec.abi import RuleAttribute
from .codec.schema import COUNTING
from .codec.words import u64_of
from .desired.families import FAMILIES
from .observed import ObservedTable
from .ops import AddRule, MoveRule, NetfilterOp, ReplaceRule

__all__ = ["counted_now"]

_GETRULE: Final = Numbers.GETRULE.number
_GENMSG: Final = NFGENMSG.size
_WITH_STATE: Final = (AddRule, MoveRule, ReplaceRule)


async def counted_now(
    batch: Sequence[NetfilterOp], table: ObservedTable | None, socket: NfnetlinkSocket
) -> Sequence[NetfilterOp]:
    """Ops on rules that go on with what these have counted up to now.

    Packets make no generation: the rules may have been looked at long ago.

    Args:
        batch: The ops.
        table: The table that they were planned for.
        socket: A socket in its namespace.

    Raises:
        OpError: The kernel refused to tell.
        SourceError: It could not be read.
    """
    if table is None or not any(map(_counts, batch)):
        return batch
    handles = {id(rule.raw): rule.handle for each in table.chains.values() for rule in each.rules}
    head = pack_text(RuleAttribute.TABLE, table.head.name)
    dump = await socket.dump(_GETRULE, FAMILIES[table.family], head, key=f"{table.key}: rules")
    try:
        raw = dict(map(_rule_of, chain.from_iterable(map(split, dump.datagrams))))
    except NetlinkDecodeError as error:
        raise SourceError(f"{table.key}: the kernel's answer is malformed: {error}") from error
    return [
        evolve(op, state=raw.get(handles.get(id(op.state), 0), op.state))
        if isinstance(op, _WITH_STATE) and op.state
        else op
        for op in batch
    ]


def _rule_of(message: Message) -> tuple[int, bytes]:
    """The handle of a rule, and its expressions as they are."""
    said = attribute_map(message.payload, _GENMSG)
    handle = u64_of(said.get(RuleAttribute.HANDLE, bytes(8)))
    return handle, said.get(RuleAttribute.EXPRESSIONS, b"")


def _counts(op: NetfilterOp) -> bool:
    """Whether a rule that counted something is written again."""
    return isinstance(op, _WITH_STATE) and any(name in op.state for name in COUNTING)
