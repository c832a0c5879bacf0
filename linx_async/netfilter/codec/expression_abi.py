"""The attributes of expressions that read, compute and look up (nf_tables.h)."""

from __future__ import annotations

from enum import IntEnum

__all__ = [
    "Bitwise",
    "Byteorder",
    "Cmp",
    "Ct",
    "Dynset",
    "Exthdr",
    "Fib",
    "Hash",
    "Immediate",
    "Inner",
    "Lookup",
    "Meta",
    "Numgen",
    "Objref",
    "Osf",
    "Payload",
    "Range",
    "Rt",
    "Socket",
    "Tunnel",
    "Xfrm",
]


class Immediate(IntEnum):
    """NFTA_IMMEDIATE_*."""

    DREG = 1
    DATA = 2


class Payload(IntEnum):
    """NFTA_PAYLOAD_*."""

    DREG = 1
    BASE = 2
    OFFSET = 3
    LEN = 4
    SREG = 5
    CSUM_TYPE = 6
    CSUM_OFFSET = 7
    CSUM_FLAGS = 8


class Exthdr(IntEnum):
    """NFTA_EXTHDR_*."""

    DREG = 1
    TYPE = 2
    OFFSET = 3
    LEN = 4
    FLAGS = 5
    OP = 6
    SREG = 7


class Meta(IntEnum):
    """NFTA_META_*."""

    DREG = 1
    KEY = 2
    SREG = 3


class Ct(IntEnum):
    """NFTA_CT_*."""

    DREG = 1
    KEY = 2
    DIRECTION = 3
    SREG = 4


class Rt(IntEnum):
    """NFTA_RT_*."""

    DREG = 1
    KEY = 2


class Socket(IntEnum):
    """NFTA_SOCKET_*."""

    KEY = 1
    DREG = 2
    LEVEL = 3


class Osf(IntEnum):
    """NFTA_OSF_*."""

    DREG = 1
    TTL = 2
    FLAGS = 3


class Fib(IntEnum):
    """NFTA_FIB_*."""

    DREG = 1
    RESULT = 2
    FLAGS = 3


class Hash(IntEnum):
    """NFTA_HASH_*; the last two are of the past."""

    SREG = 1
    DREG = 2
    LEN = 3
    MODULUS = 4
    SEED = 5
    OFFSET = 6
    TYPE = 7
    SET_NAME = 8
    SET_ID = 9


class Numgen(IntEnum):
    """NFTA_NG_*; the last two are of the past."""

    DREG = 1
    MODULUS = 2
    TYPE = 3
    OFFSET = 4
    SET_NAME = 5
    SET_ID = 6


class Xfrm(IntEnum):
    """NFTA_XFRM_*."""

    DREG = 1
    KEY = 2
    DIR = 3
    SPNUM = 4


class Tunnel(IntEnum):
    """NFTA_TUNNEL_*."""

    KEY = 1
    DREG = 2
    MODE = 3


class Inner(IntEnum):
    """NFTA_INNER_*."""

    NUM = 1
    TYPE = 2
    FLAGS = 3
    HDRSIZE = 4
    EXPR = 5


class Bitwise(IntEnum):
    """NFTA_BITWISE_*; SREG2 is of Linux 6.13."""

    SREG = 1
    DREG = 2
    LEN = 3
    MASK = 4
    XOR = 5
    OP = 6
    DATA = 7
    SREG2 = 8


class Byteorder(IntEnum):
    """NFTA_BYTEORDER_*."""

    SREG = 1
    DREG = 2
    OP = 3
    LEN = 4
    SIZE = 5


class Cmp(IntEnum):
    """NFTA_CMP_*."""

    SREG = 1
    OP = 2
    DATA = 3


class Range(IntEnum):
    """NFTA_RANGE_*."""

    SREG = 1
    OP = 2
    FROM_DATA = 3
    TO_DATA = 4


class Lookup(IntEnum):
    """NFTA_LOOKUP_*."""

    SET = 1
    SREG = 2
    DREG = 3
    SET_ID = 4
    FLAGS = 5


class Dynset(IntEnum):
    """NFTA_DYNSET_*."""

    SET_NAME = 1
    SET_ID = 2
    OP = 3
    SREG_KEY = 4
    SREG_DATA = 5
    TIMEOUT = 6
    EXPR = 7
    PAD = 8
    FLAGS = 9
    EXPRESSIONS = 10


class Objref(IntEnum):
    """NFTA_OBJREF_*."""

    IMM_TYPE = 1
    IMM_NAME = 2
    SET_SREG = 3
    SET_NAME = 4
    SET_ID = 5
