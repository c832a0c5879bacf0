"""What expressions do: operations, kinds and flags (nf_tables.h)."""

from __future__ import annotations

from enum import IntEnum, IntFlag

__all__ = [
    "BitwiseOp",
    "ByteorderOp",
    "CmpOp",
    "DynsetFlag",
    "DynsetOp",
    "LimitFlag",
    "LimitType",
    "LogFlag",
    "LogLevel",
    "LookupFlag",
    "NatFlag",
    "NatType",
    "QueueFlag",
    "QuotaFlag",
    "RangeOp",
    "RejectType",
]


class BitwiseOp(IntEnum):
    """NFT_BITWISE_*; the last three are of Linux 6.13."""

    MASK_XOR = 0
    LSHIFT = 1
    RSHIFT = 2
    AND = 3
    OR = 4
    XOR = 5


class ByteorderOp(IntEnum):
    """NFT_BYTEORDER_*."""

    NTOH = 0
    HTON = 1


class CmpOp(IntEnum):
    """NFT_CMP_*."""

    EQ = 0
    NEQ = 1
    LT = 2
    LTE = 3
    GT = 4
    GTE = 5


class RangeOp(IntEnum):
    """NFT_RANGE_*."""

    EQ = 0
    NEQ = 1


class DynsetOp(IntEnum):
    """NFT_DYNSET_OP_*."""

    ADD = 0
    UPDATE = 1
    DELETE = 2


class LimitType(IntEnum):
    """NFT_LIMIT_*."""

    PKTS = 0
    PKT_BYTES = 1


class LogLevel(IntEnum):
    """NFT_LOGLEVEL_*."""

    EMERG = 0
    ALERT = 1
    CRIT = 2
    ERR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7
    AUDIT = 8


class RejectType(IntEnum):
    """NFT_REJECT_*."""

    ICMP_UNREACH = 0
    TCP_RST = 1
    ICMPX_UNREACH = 2


class NatType(IntEnum):
    """NFT_NAT_*."""

    SNAT = 0
    DNAT = 1


class LookupFlag(IntFlag):
    """NFT_LOOKUP_F_*."""

    INV = 1


class DynsetFlag(IntFlag):
    """NFT_DYNSET_F_*."""

    INV = 1
    EXPR = 2


class LimitFlag(IntFlag):
    """NFT_LIMIT_F_*, and those of connlimit."""

    INV = 1


class QuotaFlag(IntFlag):
    """NFT_QUOTA_F_*."""

    INV = 1
    DEPLETED = 2


class QueueFlag(IntFlag):
    """NFT_QUEUE_FLAG_*."""

    BYPASS = 1
    CPU_FANOUT = 2


class NatFlag(IntFlag):
    """NF_NAT_RANGE_* of nf_nat.h."""

    MAP_IPS = 1
    PROTO_SPECIFIED = 2
    PROTO_RANDOM = 4
    PERSISTENT = 8
    PROTO_RANDOM_FULLY = 0x10
    PROTO_OFFSET = 0x20
    NETMAP = 0x40


class LogFlag(IntFlag):
    """NF_LOG_* of nf_log.h."""

    TCPSEQ = 1
    TCPOPT = 2
    IPOPT = 4
    UID = 8
    NFLOG = 0x10
    MACDECODE = 0x20
