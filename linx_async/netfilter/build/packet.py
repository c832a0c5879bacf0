"""The fields of the headers of packets."""

from __future__ import annotations

from typing import Final

from ..desired.datatypes import DATATYPES, DataType
from . import typeof
from .fields import Field
from .headers import (
    ARP,
    DCCP,
    ETHER,
    ICMP,
    ICMPV6,
    IP,
    IP6,
    SCTP,
    TCP,
    TH,
    UDP,
    UDPLITE,
    VLAN,
    Header,
)

__all__ = [
    "arp",
    "dccp",
    "ether",
    "icmp",
    "icmpv6",
    "ip",
    "ip6",
    "sctp",
    "tcp",
    "th",
    "udp",
    "udplite",
    "vlan",
]

_PAYLOAD: Final = 7  # enum expr_types in nftables' expression.h
_INTEGER: Final = 4  # TYPE_INTEGER in nftables' datatype.h


def _of(
    header: Header,
    name: str,
    kind: str,
    place: int,
    offset: int,
    length: int = 0,
    *,
    mask: int = 0,
    teaches: str = "",
) -> Field:
    """A field; `place` is its number among nft's templates of the header (proto.c)."""
    size = length or DATATYPES[kind].length
    own = mask.bit_count() if mask else size * 8
    integer = kind == "integer"
    records = [(0, header.number), (1, place), *([(4, own)] if integer else [])]
    return Field(
        f"{header.name} {name}",
        DataType("integer", _INTEGER, own) if integer else DATATYPES[kind],
        size,
        header=header,
        offset=offset,
        mask=mask,
        shift=(mask & -mask).bit_length() - 1 if mask else 0,
        teaches=teaches,
        typeof=typeof.packed(_PAYLOAD, *records),
    )


class Ether:
    """The Ethernet header."""

    daddr: Final = _of(ETHER, "daddr", "ether_addr", 1, 0)
    saddr: Final = _of(ETHER, "saddr", "ether_addr", 2, 6)
    type: Final = _of(ETHER, "type", "ether_type", 3, 12, teaches="type")


class Vlan:
    """The IEEE 802.1Q header; `pcp` is the priority, `dei` whether it may rather be dropped."""

    pcp: Final = _of(VLAN, "pcp", "integer", 1, 0, 1, mask=0xE0)
    dei: Final = _of(VLAN, "dei", "integer", 2, 0, 1, mask=0x10)
    id: Final = _of(VLAN, "id", "integer", 4, 0, 2, mask=0x0FFF)
    type: Final = _of(VLAN, "type", "ether_type", 5, 2, teaches="type")


class Arp:
    """The ARP header, of IPv4 over Ethernet where there are addresses."""

    htype: Final = _of(ARP, "htype", "integer", 1, 0, 2)
    ptype: Final = _of(ARP, "ptype", "ether_type", 2, 2)
    hlen: Final = _of(ARP, "hlen", "integer", 3, 4, 1)
    plen: Final = _of(ARP, "plen", "integer", 4, 5, 1)
    operation: Final = _of(ARP, "operation", "arp_op", 5, 6)
    saddr_ether: Final = _of(ARP, "saddr ether", "ether_addr", 6, 8)
    saddr_ip: Final = _of(ARP, "saddr ip", "ipv4_addr", 7, 14)
    daddr_ether: Final = _of(ARP, "daddr ether", "ether_addr", 8, 18)
    daddr_ip: Final = _of(ARP, "daddr ip", "ipv4_addr", 9, 24)


class Ip:
    """The IPv4 header."""

    version: Final = _of(IP, "version", "integer", 1, 0, 1, mask=0xF0)
    hdrlength: Final = _of(IP, "hdrlength", "integer", 2, 0, 1, mask=0x0F)
    dscp: Final = _of(IP, "dscp", "dscp", 3, 1, mask=0xFC)
    ecn: Final = _of(IP, "ecn", "ecn", 4, 1, mask=0x03)
    length: Final = _of(IP, "length", "integer", 5, 2, 2)
    id: Final = _of(IP, "id", "integer", 6, 4, 2)
    frag_off: Final = _of(IP, "frag-off", "integer", 7, 6, 2)
    ttl: Final = _of(IP, "ttl", "integer", 8, 8, 1)
    protocol: Final = _of(IP, "protocol", "inet_proto", 9, 9, teaches="protocol")
    checksum: Final = _of(IP, "checksum", "integer", 10, 10, 2)
    saddr: Final = _of(IP, "saddr", "ipv4_addr", 11, 12)
    daddr: Final = _of(IP, "daddr", "ipv4_addr", 12, 16)


class Ip6:
    """The IPv6 header."""

    version: Final = _of(IP6, "version", "integer", 1, 0, 1, mask=0xF0)
    dscp: Final = _of(IP6, "dscp", "dscp", 2, 0, 2, mask=0x0FC0)
    ecn: Final = _of(IP6, "ecn", "ecn", 3, 1, mask=0x30)
    flowlabel: Final = _of(IP6, "flowlabel", "integer", 4, 1, 3, mask=0x0FFFFF)
    length: Final = _of(IP6, "length", "integer", 5, 4, 2)
    nexthdr: Final = _of(IP6, "nexthdr", "inet_proto", 6, 6, teaches="protocol")
    hoplimit: Final = _of(IP6, "hoplimit", "integer", 7, 7, 1)
    saddr: Final = _of(IP6, "saddr", "ipv6_addr", 8, 8)
    daddr: Final = _of(IP6, "daddr", "ipv6_addr", 9, 24)


class Icmp:
    """The ICMP header."""

    type: Final = _of(ICMP, "type", "icmp_type", 1, 0)
    code: Final = _of(ICMP, "code", "icmp_code", 2, 1)
    checksum: Final = _of(ICMP, "checksum", "integer", 3, 2, 2)


class Icmpv6:
    """The ICMPv6 header."""

    type: Final = _of(ICMPV6, "type", "icmpv6_type", 1, 0)
    code: Final = _of(ICMPV6, "code", "icmpv6_code", 2, 1)
    checksum: Final = _of(ICMPV6, "checksum", "integer", 3, 2, 2)


class Tcp:
    """The TCP header."""

    sport: Final = _of(TCP, "sport", "inet_service", 1, 0)
    dport: Final = _of(TCP, "dport", "inet_service", 2, 2)
    sequence: Final = _of(TCP, "sequence", "integer", 3, 4, 4)
    ackseq: Final = _of(TCP, "ackseq", "integer", 4, 8, 4)
    doff: Final = _of(TCP, "doff", "integer", 5, 12, 1, mask=0xF0)
    flags: Final = _of(TCP, "flags", "tcp_flag", 7, 13)
    window: Final = _of(TCP, "window", "integer", 8, 14, 2)
    checksum: Final = _of(TCP, "checksum", "integer", 9, 16, 2)
    urgptr: Final = _of(TCP, "urgptr", "integer", 10, 18, 2)


class Udp:
    """The UDP header."""

    sport: Final = _of(UDP, "sport", "inet_service", 1, 0)
    dport: Final = _of(UDP, "dport", "inet_service", 2, 2)
    length: Final = _of(UDP, "length", "integer", 3, 4, 2)
    checksum: Final = _of(UDP, "checksum", "integer", 4, 6, 2)


class Udplite:
    """The UDP-Lite header."""

    sport: Final = _of(UDPLITE, "sport", "inet_service", 1, 0)
    dport: Final = _of(UDPLITE, "dport", "inet_service", 2, 2)


class Sctp:
    """The SCTP header."""

    sport: Final = _of(SCTP, "sport", "inet_service", 1, 0)
    dport: Final = _of(SCTP, "dport", "inet_service", 2, 2)
    vtag: Final = _of(SCTP, "vtag", "integer", 3, 4, 4)


class Dccp:
    """The DCCP header."""

    sport: Final = _of(DCCP, "sport", "inet_service", 1, 0)
    dport: Final = _of(DCCP, "dport", "inet_service", 2, 2)


class Th:
    """The ports of whatever transport protocol it is: match `meta.l4proto` before."""

    sport: Final = _of(TH, "sport", "inet_service", 1, 0)
    dport: Final = _of(TH, "dport", "inet_service", 2, 2)


ether: Final = Ether()
vlan: Final = Vlan()
arp: Final = Arp()
ip: Final = Ip()
ip6: Final = Ip6()
icmp: Final = Icmp()
icmpv6: Final = Icmpv6()
tcp: Final = Tcp()
udp: Final = Udp()
udplite: Final = Udplite()
sctp: Final = Sctp()
dccp: Final = Dccp()
th: Final = Th()
