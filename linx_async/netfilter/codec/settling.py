"""What the kernel makes of expressions: what it adds, refuses to take back, or says in two ways."""

from __future__ import annotations

from typing import Final, TypeAlias

from ..._kernel.netlink import attributes
from . import expression_abi as e
from . import statement_abi as s
from .op_abi import DynsetFlag, LimitType, NatFlag, QuotaFlag, RejectType
from .words import be32, u32_of

__all__ = [
    "Values",
    "settle_dynset",
    "settle_exthdr",
    "settle_limit",
    "settle_log",
    "settle_masq",
    "settle_nat",
    "settle_quota",
    "settle_redir",
    "settle_reject",
]

Values: TypeAlias = dict[int, bytes]
"""The attributes of an expression by type, each in its canonical form."""

_NONE: Final = be32(0)
_DEFAULT_BURST: Final = 5
"""NFT_LIMIT_PKT_BURST_DEFAULT in net/netfilter/nft_limit.c."""
_DEFAULT_LEVEL: Final = 4
"""NFT_LOGLEVEL_WARNING, of a `log` without a group (nft_log_init())."""


def settle_dynset(values: Values) -> None:
    """One statement goes by itself, several as a list with the flag that a dump lacks.

    nft_dynset_init() refuses a list without NFT_DYNSET_F_EXPR, which nft_dynset_dump() leaves out.
    """
    several = values.get(e.Dynset.EXPRESSIONS)
    flags = u32_of(values.get(e.Dynset.FLAGS, _NONE)) & ~DynsetFlag.EXPR
    if several is not None:
        statements = list(attributes(several))
        if len(statements) > 1:
            flags |= DynsetFlag.EXPR
        else:
            del values[e.Dynset.EXPRESSIONS]
            for _, statement in statements:
                values[e.Dynset.EXPR] = statement
    values[e.Dynset.FLAGS] = be32(flags)


def settle_exthdr(values: Values) -> None:
    """What a dump has and nft_exthdr_tcp_set_init() and nft_exthdr_tcp_strip_init() refuse."""
    if e.Exthdr.SREG in values:
        values.pop(e.Exthdr.FLAGS, None)
    elif e.Exthdr.DREG not in values:
        for kind in (e.Exthdr.FLAGS, e.Exthdr.OFFSET, e.Exthdr.LEN):
            values.pop(kind, None)


def settle_limit(values: Values) -> None:
    """Packets without a burst get one of 5 (nft_limit_init())."""
    burst = u32_of(values.get(s.Limit.BURST, _NONE))
    packets = u32_of(values.get(s.Limit.TYPE, _NONE)) == LimitType.PKTS
    if burst == (_DEFAULT_BURST if packets else 0) or not burst:
        values.pop(s.Limit.BURST, None)


def settle_log(values: Values) -> None:
    """Without a group the level is that of warnings (nft_log_init())."""
    if values.get(s.Log.LEVEL) == be32(_DEFAULT_LEVEL):
        del values[s.Log.LEVEL]


def settle_quota(values: Values) -> None:
    """That it is used up is no order (nft_quota_do_init() refuses the flag)."""
    if s.Quota.FLAGS in values:
        values[s.Quota.FLAGS] = be32(u32_of(values[s.Quota.FLAGS]) & ~QuotaFlag.DEPLETED)


def settle_reject(values: Values) -> None:
    """A reset has no code (nft_reject_dump())."""
    if u32_of(values.get(s.Reject.TYPE, _NONE)) == RejectType.TCP_RST:
        values.pop(s.Reject.ICMP_CODE, None)


def settle_nat(values: Values) -> None:
    """nft_nat_init() adds to the flags what the registers say, and takes one for a range."""
    _settle_range(values, s.Nat.FLAGS, NatFlag.MAP_IPS, s.Nat.REG_ADDR_MIN, s.Nat.REG_ADDR_MAX)
    _settle_range(
        values, s.Nat.FLAGS, NatFlag.PROTO_SPECIFIED, s.Nat.REG_PROTO_MIN, s.Nat.REG_PROTO_MAX
    )


def settle_masq(values: Values) -> None:
    """As of `settle_nat`, in nft_masq_init()."""
    _settle_range(
        values, s.Masq.FLAGS, NatFlag.PROTO_SPECIFIED, s.Masq.REG_PROTO_MIN, s.Masq.REG_PROTO_MAX
    )


def settle_redir(values: Values) -> None:
    """As of `settle_nat`, in nft_redir_init()."""
    _settle_range(
        values,
        s.Redir.FLAGS,
        NatFlag.PROTO_SPECIFIED,
        s.Redir.REG_PROTO_MIN,
        s.Redir.REG_PROTO_MAX,
    )


def _settle_range(values: Values, flags: int, implied: int, first: int, last: int) -> None:
    if first not in values:
        return
    if values.get(last) == values[first]:
        del values[last]
    if flags in values:
        values[flags] = be32(u32_of(values[flags]) & ~implied)
