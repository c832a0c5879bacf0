"""The numbers and structures of route messages (include/uapi/linux/rtnetlink.h)."""

from __future__ import annotations

import struct
from typing import Final

RTMSG: Final = struct.Struct("=BBBBBBBBI")
"""rtmsg: family, bits of destination and source, tos, table, protocol, scope, type, flags."""
RTNEXTHOP: Final = struct.Struct("=HBBI")
"""rtnexthop: length with attributes, flags, hops (the weight less one), interface index."""

ATTRIBUTE: Final = struct.Struct("=HH")
"""rtattr: length with this header, type."""
U16: Final = struct.Struct("=H")

ADDRESS_SIZES: Final = {2: 4, 10: 16}
"""Bytes of an address by address family (AF_INET, AF_INET6)."""

RTA_DST: Final = 1
RTA_OIF: Final = 4
RTA_GATEWAY: Final = 5
RTA_PRIORITY: Final = 6
RTA_PREFSRC: Final = 7
RTA_METRICS: Final = 8
RTA_MULTIPATH: Final = 9
RTA_CACHEINFO: Final = 12
RTA_TABLE: Final = 15
RTA_VIA: Final = 18
RTA_PREF: Final = 20
RTA_ENCAP_TYPE: Final = 21
RTA_ENCAP: Final = 22
RTA_PAD: Final = 29
RTA_NH_ID: Final = 30

RTNH_F_ONLINK: Final = 4
RT_TABLE_COMPAT: Final = 252

RTAX_CC_ALGO: Final = 16

SOURCE_LENGTH: Final = 0x10000
"""rtm_src_len among the unknown attributes: a number no attribute's type reaches (14 bits)."""
