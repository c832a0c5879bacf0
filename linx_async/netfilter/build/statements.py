"""Statements that do something besides deciding: count, limit, log, reject, queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from ..._core.checks import U16, U32, U64, between, check_flag, one_of
from ..codec.op_abi import LimitFlag, LimitType, QueueFlag, QuotaFlag
from ..codec.statement_abi import FlowOffload, Limit, Queue, Quota
from ..codec.words import be32, be64
from ..desired.names import check_name
from . import wire
from .terms import Term

if TYPE_CHECKING:
    from .drafting import Drafting

__all__ = [
    "Statement",
    "flow_add",
    "limit",
    "limit_expression",
    "notrack",
    "queue",
    "quota",
    "quota_expression",
]

_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_BYTES: Final = {"bytes": 1, "kbytes": 1 << 10, "mbytes": 1 << 20}
_PACKET_BURST: Final = 5


@frozen(eq=False)
class Statement(Term):
    """A statement that is the same in every table.

    Attributes:
        expression: What it is for the kernel.
        last: Whether nothing that comes after it would ever be reached.
    """

    expression: wire.Expression
    last: bool = False

    def ends(self) -> bool:
        """Whether nothing that comes after it would ever be reached."""
        return self.last

    def draft(self, drafting: Drafting) -> None:
        """Add it to a rule."""
        drafting.act(self.expression)


def quota_expression(number: int, unit: str, over: bool) -> wire.Expression:
    """A quota as the kernel has it.

    Raises:
        DesiredStateError: A value is wrong.
    """
    size = between(number, "quota", 0, U64) * _BYTES[one_of(unit, "quota unit", _BYTES)]
    values: dict[int, bytes] = {Quota.BYTES: be64(between(size, "quota in bytes", 0, U64))}
    if check_flag(over, "quota over"):
        values[Quota.FLAGS] = be32(QuotaFlag.INV)
    return wire.expression("quota", values)


def quota(number: int, unit: str = "bytes", *, over: bool = False) -> Term:
    """Go on until so much has come; or with `over` only after (net/netfilter/nft_quota.c).

    Args:
        number: How much.
        unit: Of what: `bytes`, `kbytes` (1024) or `mbytes`.
        over: Whether to go on only after.

    Raises:
        DesiredStateError: A value is wrong.
    """
    return Statement(quota_expression(number, unit, over))


def limit_expression(
    rate: int, per: str, unit: str, burst: int | None, burst_unit: str | None, over: bool
) -> wire.Expression:
    """A limit as the kernel has it.

    Raises:
        DesiredStateError: A value is wrong.
    """
    seconds = _SECONDS[one_of(per, "limit per", _SECONDS)]
    by_packets = one_of(unit, "limit unit", ("packets", *_BYTES)) == "packets"
    size = between(rate, "limit rate", 1, U64) * (1 if by_packets else _BYTES[unit])
    values: dict[int, bytes] = {
        Limit.RATE: be64(between(size, "limit rate in bytes", 1, U64)),
        Limit.UNIT: be64(seconds),
    }
    most = _burst(burst, burst_unit, by_packets)
    if most and not (by_packets and most == _PACKET_BURST):
        values[Limit.BURST] = be32(most)
    if not by_packets:
        values[Limit.TYPE] = be32(LimitType.PKT_BYTES)
    if check_flag(over, "limit over"):
        values[Limit.FLAGS] = be32(LimitFlag.INV)
    return wire.expression("limit", values)


def _burst(burst: int | None, unit: str | None, by_packets: bool) -> int:
    if burst is None:
        return 0
    if by_packets:
        return between(burst, "limit burst", 1, U32)
    size = between(burst, "limit burst", 1, U32)
    size *= _BYTES[one_of("bytes" if unit is None else unit, "limit burst_unit", _BYTES)]
    return between(size, "limit burst in bytes", 1, U32)


def limit(
    rate: int,
    per: str = "second",
    *,
    unit: str = "packets",
    burst: int | None = None,
    burst_unit: str | None = None,
    over: bool = False,
) -> Term:
    """Go on for as many packets, or bytes, in a time; or with `over` only for more.

    The kernel's part of it is net/netfilter/nft_limit.c.

    Args:
        rate: How many.
        per: In which time: `second`, `minute`, `hour`, `day` or `week`.
        unit: Of what: `packets`, `bytes`, `kbytes` (1024) or `mbytes`.
        burst: How many may come at once; default: 5 packets, and no more bytes than the rate.
        burst_unit: Of what, where bytes are counted: as of `unit`; default: `bytes`.
        over: Whether to go on only for more.

    Raises:
        DesiredStateError: A value is wrong.
    """
    return Statement(limit_expression(rate, per, unit, burst, burst_unit, over))


def notrack() -> Term:
    """Conntrack does not look at the packet (net/netfilter/nft_ct.c)."""
    return Statement(("notrack", b""))


def queue(
    number: int = 0, last: int | None = None, *, bypass: bool = False, fanout: bool = False
) -> Term:
    """Hand the packet to a program (NFQUEUE), which decides (net/netfilter/nft_queue.c).

    Args:
        number: The queue.
        last: The last of several queues, over which connections are spread.
        bypass: Whether packets pass where no program listens.
        fanout: Whether they are spread by the CPU instead.

    Raises:
        DesiredStateError: A value is wrong.
    """
    first = between(number, "queue number", 0, U16)
    values: dict[int, bytes] = {Queue.NUM: first.to_bytes(2, "big")}
    if last is not None and last != first:
        total = between(last, "queue last", first, U16) - first + 1
        values[Queue.TOTAL] = total.to_bytes(2, "big")
    flags = QueueFlag.BYPASS if check_flag(bypass, "queue bypass") else QueueFlag(0)
    flags |= QueueFlag.CPU_FANOUT if check_flag(fanout, "queue fanout") else QueueFlag(0)
    if flags:
        values[Queue.FLAGS] = int(flags).to_bytes(2, "big")
    return Statement(wire.expression("queue", values), True)


def flow_add(flowtable: str) -> Term:
    """Packets of this connection take the flowtable's way from now on, as `flow add @ft`.

    The kernel's part of it is net/netfilter/nft_flow_offload.c.

    Raises:
        DesiredStateError: It is no name of a flowtable.
    """
    name = check_name(flowtable, "flow_add")
    return Statement(wire.expression("flow_offload", {FlowOffload.TABLE_NAME: wire.text(name)}))
