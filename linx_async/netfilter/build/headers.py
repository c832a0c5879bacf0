"""The headers of packets, and which of them follows which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

__all__ = [
    "ARP",
    "BY_ETHER_TYPE",
    "BY_FAMILY",
    "BY_PROTOCOL",
    "DCCP",
    "ETHER",
    "ICMP",
    "ICMPV6",
    "INET",
    "IP",
    "IP6",
    "LINK",
    "NETDEV",
    "NETWORK",
    "SCTP",
    "TCP",
    "TH",
    "TRANSPORT",
    "UDP",
    "UDPLITE",
    "UNKNOWN",
    "VLAN",
    "Header",
]

LINK: Final = 0
NETWORK: Final = 1
TRANSPORT: Final = 2
"""NFT_PAYLOAD_LL_HEADER, NFT_PAYLOAD_NETWORK_HEADER and NFT_PAYLOAD_TRANSPORT_HEADER."""


@frozen(eq=False)
class Header:
    """A header.

    Attributes:
        name: What nft calls it.
        base: In which layer it is: `LINK`, `NETWORK` or `TRANSPORT`.
        length: Bytes, of one that others of its layer follow.
        number: nft's number of it (enum proto_desc_id in nftables' proto.h), which it keeps beside
            anonymous sets.
    """

    name: str
    base: int
    length: int = 0
    number: int = 0


ETHER: Final = Header("ether", LINK, 14, 17)
VLAN: Final = Header("vlan", LINK, 4, 16)
INET: Final = Header("inet", LINK)
NETDEV: Final = Header("netdev", LINK)
"""No headers: what stands in their place where a family has none, or any."""
ARP: Final = Header("arp", NETWORK, number=15)
IP: Final = Header("ip", NETWORK, number=12)
IP6: Final = Header("ip6", NETWORK, number=13)
ICMP: Final = Header("icmp", TRANSPORT, number=4)
ICMPV6: Final = Header("icmpv6", TRANSPORT, number=14)
UDP: Final = Header("udp", TRANSPORT, number=6)
UDPLITE: Final = Header("udplite", TRANSPORT, number=7)
TCP: Final = Header("tcp", TRANSPORT, number=8)
DCCP: Final = Header("dccp", TRANSPORT, number=9)
SCTP: Final = Header("sctp", TRANSPORT, number=10)
TH: Final = Header("th", TRANSPORT, number=11)
"""The ports that several transport protocols have in the same place."""
UNKNOWN: Final = Header("another protocol", TRANSPORT)

BY_FAMILY: Final[Mapping[int, Header]] = {2: IP, 10: IP6}
"""By the number of the family (NFPROTO_*)."""
BY_ETHER_TYPE: Final[Mapping[int, Header]] = {0x0800: IP, 0x0806: ARP, 0x86DD: IP6, 0x8100: VLAN}
"""By ETH_P_* (include/uapi/linux/if_ether.h)."""
BY_PROTOCOL: Final[Mapping[int, Header]] = {
    1: ICMP,
    6: TCP,
    17: UDP,
    33: DCCP,
    58: ICMPV6,
    132: SCTP,
    136: UDPLITE,
}
"""By IPPROTO_* (include/uapi/linux/in.h)."""
