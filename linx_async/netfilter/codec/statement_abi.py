"""The attributes of statements (nf_tables.h, and nf_tables_compat.h for xtables' in nft)."""

from __future__ import annotations

from enum import IntEnum

__all__ = [
    "Connlimit",
    "Dup",
    "FlowOffload",
    "Fwd",
    "Last",
    "Limit",
    "Log",
    "Masq",
    "Match",
    "Nat",
    "Queue",
    "Quota",
    "Redir",
    "Reject",
    "Synproxy",
    "Target",
    "Tproxy",
]


class Limit(IntEnum):
    """NFTA_LIMIT_*."""

    RATE = 1
    UNIT = 2
    BURST = 3
    TYPE = 4
    FLAGS = 5
    PAD = 6


class Connlimit(IntEnum):
    """NFTA_CONNLIMIT_*."""

    COUNT = 1
    FLAGS = 2


class Quota(IntEnum):
    """NFTA_QUOTA_*."""

    BYTES = 1
    FLAGS = 2
    PAD = 3
    CONSUMED = 4


class Last(IntEnum):
    """NFTA_LAST_*."""

    SET = 1
    MSECS = 2
    PAD = 3


class Log(IntEnum):
    """NFTA_LOG_*."""

    GROUP = 1
    PREFIX = 2
    SNAPLEN = 3
    QTHRESHOLD = 4
    LEVEL = 5
    FLAGS = 6


class Nat(IntEnum):
    """NFTA_NAT_*."""

    TYPE = 1
    FAMILY = 2
    REG_ADDR_MIN = 3
    REG_ADDR_MAX = 4
    REG_PROTO_MIN = 5
    REG_PROTO_MAX = 6
    FLAGS = 7


class Masq(IntEnum):
    """NFTA_MASQ_*."""

    FLAGS = 1
    REG_PROTO_MIN = 2
    REG_PROTO_MAX = 3


class Redir(IntEnum):
    """NFTA_REDIR_*."""

    REG_PROTO_MIN = 1
    REG_PROTO_MAX = 2
    FLAGS = 3


class Tproxy(IntEnum):
    """NFTA_TPROXY_*."""

    FAMILY = 1
    REG_ADDR = 2
    REG_PORT = 3


class Queue(IntEnum):
    """NFTA_QUEUE_*."""

    NUM = 1
    TOTAL = 2
    FLAGS = 3
    SREG_QNUM = 4


class Reject(IntEnum):
    """NFTA_REJECT_*."""

    TYPE = 1
    ICMP_CODE = 2


class Fwd(IntEnum):
    """NFTA_FWD_*."""

    SREG_DEV = 1
    SREG_ADDR = 2
    NFPROTO = 3


class Dup(IntEnum):
    """NFTA_DUP_*."""

    SREG_ADDR = 1
    SREG_DEV = 2


class FlowOffload(IntEnum):
    """NFTA_FLOW_*."""

    TABLE_NAME = 1


class Synproxy(IntEnum):
    """NFTA_SYNPROXY_*."""

    MSS = 1
    WSCALE = 2
    FLAGS = 3


class Match(IntEnum):
    """NFTA_MATCH_*."""

    NAME = 1
    REV = 2
    INFO = 3


class Target(IntEnum):
    """NFTA_TARGET_*."""

    NAME = 1
    REV = 2
    INFO = 3
