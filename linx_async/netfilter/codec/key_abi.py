"""What expressions read, and where from and to (nf_tables.h)."""

from __future__ import annotations

from enum import IntEnum, IntFlag

__all__ = [
    "ChecksumFlag",
    "ChecksumType",
    "CtKey",
    "ExthdrFlag",
    "ExthdrOp",
    "FibFlag",
    "FibResult",
    "HashType",
    "MetaKey",
    "NumgenType",
    "PayloadBase",
    "Register",
    "RtKey",
    "SocketKey",
    "TunnelKey",
    "XfrmKey",
]


class MetaKey(IntEnum):
    """NFT_META_*; SDIF to BRI_IIFHWADDR by number, the last is of Linux 6.18."""

    LEN = 0
    PROTOCOL = 1
    PRIORITY = 2
    MARK = 3
    IIF = 4
    OIF = 5
    IIFNAME = 6
    OIFNAME = 7
    IIFTYPE = 8
    OIFTYPE = 9
    SKUID = 10
    SKGID = 11
    NFTRACE = 12
    RTCLASSID = 13
    SECMARK = 14
    NFPROTO = 15
    L4PROTO = 16
    BRI_IIFNAME = 17
    BRI_OIFNAME = 18
    PKTTYPE = 19
    CPU = 20
    IIFGROUP = 21
    OIFGROUP = 22
    CGROUP = 23
    PRANDOM = 24
    SECPATH = 25
    IIFKIND = 26
    OIFKIND = 27
    BRI_IIFPVID = 28
    BRI_IIFVPROTO = 29
    TIME_NS = 30
    TIME_DAY = 31
    TIME_HOUR = 32
    SDIF = 33
    SDIFNAME = 34
    BRI_BROUTE = 35
    BRI_IIFHWADDR = 36


class CtKey(IntEnum):
    """NFT_CT_*."""

    STATE = 0
    DIRECTION = 1
    STATUS = 2
    MARK = 3
    SECMARK = 4
    EXPIRATION = 5
    HELPER = 6
    L3PROTOCOL = 7
    SRC = 8
    DST = 9
    PROTOCOL = 10
    PROTO_SRC = 11
    PROTO_DST = 12
    LABELS = 13
    PKTS = 14
    BYTES = 15
    AVGPKT = 16
    ZONE = 17
    EVENTMASK = 18
    SRC_IP = 19
    DST_IP = 20
    SRC_IP6 = 21
    DST_IP6 = 22
    ID = 23


class RtKey(IntEnum):
    """NFT_RT_*."""

    CLASSID = 0
    NEXTHOP4 = 1
    NEXTHOP6 = 2
    TCPMSS = 3
    XFRM = 4


class SocketKey(IntEnum):
    """NFT_SOCKET_*."""

    TRANSPARENT = 0
    MARK = 1
    WILDCARD = 2
    CGROUPV2 = 3


class FibResult(IntEnum):
    """NFT_FIB_RESULT_*."""

    UNSPEC = 0
    OIF = 1
    OIFNAME = 2
    ADDRTYPE = 3


class HashType(IntEnum):
    """NFT_HASH_*."""

    JENKINS = 0
    SYM = 1


class NumgenType(IntEnum):
    """NFT_NG_*."""

    INCREMENTAL = 0
    RANDOM = 1


class TunnelKey(IntEnum):
    """NFT_TUNNEL_*."""

    PATH = 0
    ID = 1


class XfrmKey(IntEnum):
    """NFT_XFRM_KEY_*."""

    UNSPEC = 0
    DADDR_IP4 = 1
    DADDR_IP6 = 2
    SADDR_IP4 = 3
    SADDR_IP6 = 4
    REQID = 5
    SPI = 6


class PayloadBase(IntEnum):
    """NFT_PAYLOAD_*."""

    LL_HEADER = 0
    NETWORK_HEADER = 1
    TRANSPORT_HEADER = 2
    INNER_HEADER = 3
    TUN_HEADER = 4


class ChecksumType(IntEnum):
    """NFT_PAYLOAD_CSUM_*."""

    NONE = 0
    INET = 1
    SCTP = 2


class ExthdrOp(IntEnum):
    """NFT_EXTHDR_OP_*."""

    IPV6 = 0
    TCPOPT = 1
    IPV4 = 2
    SCTP = 3
    DCCP = 4


class Register(IntEnum):
    """NFT_REG_*: the old numbers of 16 bytes each, which is how registers are dumped."""

    VERDICT = 0
    R1 = 1
    R2 = 2
    R3 = 3
    R4 = 4


class ExthdrFlag(IntFlag):
    """NFT_EXTHDR_F_*."""

    PRESENT = 1


class ChecksumFlag(IntFlag):
    """NFT_PAYLOAD_L4CSUM_*."""

    PSEUDOHDR = 1


class FibFlag(IntFlag):
    """NFTA_FIB_F_*."""

    SADDR = 1
    DADDR = 2
    MARK = 4
    IIF = 8
    OIF = 0x10
    PRESENT = 0x20
