"""What conntrack knows."""

from __future__ import annotations

from typing import Final

from linx_async.netfilter import build as nft
from linx_async.netfilter.build import rule
from tests.netfilter_pairs.pair import Pair

__all__ = ["CONNECTIONS"]

CONNECTIONS: Final[list[Pair]] = [
    (rule(nft.ct.state.any_of("new")), "ct state new"),
    (rule(nft.ct.state.any_of("established", "related")), "ct state established,related"),
    (rule(nft.ct.state.none_of("new")), "ct state ! new"),
    (rule(nft.ct.state == "new"), "ct state == new"),
    (rule(nft.ct.state != "invalid"), "ct state != invalid"),
    (rule(nft.ct.state.in_("new", "established")), "ct state { new, established }"),
    (rule(nft.ct.state.in_set("states")), "ct state @states"),
    (rule(nft.ct.state & ("new", "established") == "new"), "ct state & (new | established) == new"),
    (rule(nft.ct.status.any_of("snat", "dnat")), "ct status snat,dnat"),
    (rule(nft.ct.status.none_of("seen-reply")), "ct status ! seen-reply"),
    (rule(nft.ct.mark == 1), "ct mark 1"),
    (rule(nft.ct.mark & 0xF0 == 0x10), "ct mark & 0xf0 == 0x10"),
    (rule(nft.ct.mark > 5), "ct mark > 5"),
    (rule(nft.ct.mark == (1, 5)), "ct mark 1-5"),
    (rule(nft.ct.mark != (1, 5)), "ct mark != 1-5"),
    (rule(nft.ct.mark.in_(1, 3)), "ct mark { 1, 3 }"),
    (rule(nft.ct.mark.in_(1, (3, 4))), "ct mark { 1, 3-4 }"),
    (rule(nft.ct.mark.in_set("marks")), "ct mark @marks"),
    (rule(nft.ct.direction == "original"), "ct direction original"),
    (rule(nft.ct.direction.in_("original", "reply")), "ct direction { original, reply }"),
    (rule(nft.ct.zone == 5), "ct zone 5"),
    (rule(nft.ct.zone > 5), "ct zone > 5"),
    (rule(nft.ct.zone.in_(1, (5, 7))), "ct zone { 1, 5-7 }"),
    (rule(nft.ct.original.zone == 5), "ct original zone 5"),
    (rule(nft.ct.l3proto == "ipv4"), "ct l3proto ipv4"),
    (rule(nft.ct.l3proto.in_("ipv4", "ipv6")), "ct l3proto { ipv4, ipv6 }"),
    (rule(nft.ct.protocol == "tcp"), "ct protocol tcp"),
    (rule(nft.ct.protocol.in_("tcp", "udp")), "ct protocol { tcp, udp }"),
    (rule(nft.ct.protocol == "tcp", nft.tcp.dport == 22), "ct protocol tcp tcp dport 22"),
    (rule(nft.ct.original.ip_saddr == "10.0.0.1"), "ct original ip saddr 10.0.0.1"),
    (rule(nft.ct.original.ip_saddr == "10.0.0.0/8"), "ct original ip saddr 10.0.0.0/8"),
    (
        rule(nft.ct.original.ip_saddr.in_("10.0.0.0/8", "11.2.3.4")),
        "ct original ip saddr { 10.0.0.0/8, 11.2.3.4 }",
    ),
    (
        rule(nft.ct.reply.ip_daddr.in_("10.0.0.1", "10.0.0.2")),
        "ct reply ip daddr { 10.0.0.1, 10.0.0.2 }",
    ),
    (rule(nft.ct.original.ip6_saddr == "::1"), "ct original ip6 saddr ::1"),
    (rule(nft.ct.reply.ip6_daddr != "::1"), "ct reply ip6 daddr != ::1"),
    (
        rule(nft.meta.l4proto == "tcp", nft.ct.original.proto_dst == 22),
        "meta l4proto tcp ct original proto-dst 22",
    ),
    (
        rule(nft.meta.l4proto == "tcp", nft.ct.reply.proto_src.in_(1, 2)),
        "meta l4proto tcp ct reply proto-src { 1, 2 }",
    ),
    (rule(nft.ct.bytes > 100), "ct bytes > 100"),
    (rule(nft.ct.bytes.in_(5, 6)), "ct bytes { 5, 6 }"),
    (rule(nft.ct.original.packets > 100), "ct original packets > 100"),
    (rule(nft.ct.avgpkt == 100), "ct avgpkt 100"),
    (rule(nft.ct.expiration == "30s"), "ct expiration 30s"),
    (rule(nft.ct.expiration.in_("5s", "6s")), "ct expiration { 5s, 6s }"),
    (rule(nft.ct.mark.set(5)), "ct mark set 5"),
    (rule(nft.ct.mark.set(nft.mark)), "ct mark set meta mark"),
    (rule(nft.ct.mark.set(nft.ct.mark | 1)), "ct mark set ct mark or 1"),
    (rule(nft.ct.mark.set(nft.mark & 0xFF)), "ct mark set meta mark & 0xff"),
]
