"""Address translation."""

from __future__ import annotations

from typing import Final

from linx_async.netfilter import build as nft
from linx_async.netfilter.build import rule
from tests.netfilter_pairs.pair import Pair

__all__ = ["DESTINATION", "SOURCE"]

SOURCE: Final[list[Pair]] = [
    (rule(nft.masquerade()), "masquerade"),
    (rule(nft.masquerade(random=True, persistent=True)), "masquerade random,persistent"),
    (rule(nft.masquerade(fully_random=True)), "masquerade fully-random"),
    (rule(nft.oifname == "eth0", nft.masquerade()), "oifname eth0 masquerade"),
    (
        rule(nft.tcp.dport == 22, nft.masquerade(port=(1000, 2000))),
        "tcp dport 22 masquerade to :1000-2000",
    ),
    (
        rule(nft.meta.l4proto == "tcp", nft.masquerade(port=1000, random=True)),
        "meta l4proto tcp masquerade to :1000 random",
    ),
    (
        rule(nft.meta.l4proto.in_("tcp", "udp"), nft.masquerade(port=(1000, 2000))),
        "meta l4proto { tcp, udp } masquerade to :1000-2000",
    ),
    (rule(nft.snat("192.0.2.1")), "snat ip to 192.0.2.1"),
    (rule(nft.snat(("192.0.2.1", "192.0.2.5"))), "snat ip to 192.0.2.1-192.0.2.5"),
    (rule(nft.snat("192.0.2.0/24")), "snat ip to 192.0.2.0/24"),
    (rule(nft.snat("2001:db8::1")), "snat ip6 to 2001:db8::1"),
    (rule(nft.snat(("2001:db8::1", "2001:db8::9"))), "snat ip6 to 2001:db8::1-2001:db8::9"),
    (
        rule(nft.ip.saddr == "10.0.0.1", nft.snat("192.0.2.1")),
        "ip saddr 10.0.0.1 snat to 192.0.2.1",
    ),
    (rule(nft.ip6.saddr == "::1", nft.snat("::2")), "ip6 saddr ::1 snat to ::2"),
    (
        rule(nft.meta.l4proto == "tcp", nft.snat("192.0.2.1", port=(1000, 2000))),
        "meta l4proto tcp snat ip to 192.0.2.1:1000-2000",
    ),
    (
        rule(
            nft.meta.l4proto == "tcp",
            nft.snat(("192.0.2.1", "192.0.2.4"), port=(1000, 1001), random=True, persistent=True),
        ),
        "meta l4proto tcp snat ip to 192.0.2.1-192.0.2.4:1000-1001 random,persistent",
    ),
    (
        rule(nft.ip.protocol == "tcp", nft.snat("192.0.2.1", port=80)),
        "ip protocol tcp snat to 192.0.2.1:80",
    ),
    (
        rule(nft.snat(nft.ip.saddr.map({"10.0.0.1": "192.0.2.1"}))),
        "snat ip to ip saddr map { 10.0.0.1 : 192.0.2.1 }",
    ),
    (
        rule(nft.snat(nft.ip.saddr.map({"10.0.0.0/8": "192.0.2.1", "11.0.0.0/8": "192.0.2.2"}))),
        "snat ip to ip saddr map { 10.0.0.0/8 : 192.0.2.1, 11.0.0.0/8 : 192.0.2.2 }",
    ),
]

DESTINATION: Final[list[Pair]] = [
    (rule(nft.redirect()), "redirect"),
    (rule(nft.tcp.dport == 80, nft.redirect(8080)), "tcp dport 80 redirect to :8080"),
    (
        rule(nft.tcp.dport == 80, nft.redirect((8080, 8090), random=True)),
        "tcp dport 80 redirect to :8080-8090 random",
    ),
    (rule(nft.meta.l4proto == "udp", nft.redirect(53)), "meta l4proto udp redirect to :53"),
    (
        rule(nft.tcp.dport == (80, 90), nft.redirect(nft.tcp.dport.map({80: 8080, 443: 8443}))),
        "tcp dport 80-90 redirect to :tcp dport map { 80 : 8080, 443 : 8443 }",
    ),
    (rule(nft.dnat("10.0.0.2")), "dnat ip to 10.0.0.2"),
    (
        rule(nft.tcp.dport == 80, nft.dnat("10.0.0.2", port=80)),
        "tcp dport 80 dnat ip to 10.0.0.2:80",
    ),
    (rule(nft.tcp.dport == 80, nft.dnat("::1", port=80)), "tcp dport 80 dnat ip6 to [::1]:80"),
    (
        rule(nft.ip.daddr == "10.0.0.1", nft.dnat("10.0.0.2", persistent=True)),
        "ip daddr 10.0.0.1 dnat to 10.0.0.2 persistent",
    ),
    (
        rule(nft.dnat(nft.tcp.dport.map({80: "10.0.0.2", 443: "10.0.0.3"}))),
        "dnat ip to tcp dport map { 80 : 10.0.0.2, 443 : 10.0.0.3 }",
    ),
    (rule(nft.dnat(nft.tcp.dport.map("hosts"))), "dnat ip to tcp dport map @hosts"),
    (rule(nft.dnat(nft.tcp.dport.map("places"))), "dnat ip to tcp dport map @places"),
    (
        rule(nft.dnat(nft.tcp.dport.map({80: ("10.0.0.2", 8080)}))),
        "dnat ip addr . port to tcp dport map { 80 : 10.0.0.2 . 8080 }",
    ),
    (rule(nft.dnat(nft.tcp.dport.map({80: "::2"}))), "dnat ip6 to tcp dport map { 80 : ::2 }"),
    (
        rule(nft.dnat(nft.tcp.dport.map({80: ("::2", 8080)}))),
        "dnat ip6 addr . port to tcp dport map { 80 : ::2 . 8080 }",
    ),
]
