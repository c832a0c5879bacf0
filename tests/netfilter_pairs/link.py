"""Other families, and headers of the link layer."""

from __future__ import annotations

from typing import Final

from linx_async.netfilter import build as nft
from linx_async.netfilter.build import concat, rule
from tests.netfilter_pairs.pair import MAC, OTHER_MAC, Pair

__all__ = ["ARP", "FOUR", "LINK", "MIXED", "NETDEV", "SIX", "STACKED"]

LINK: Final[list[Pair]] = [
    (rule(nft.ether.saddr == MAC), f"ether saddr {MAC}"),
    (rule(nft.ether.saddr != MAC), f"ether saddr != {MAC}"),
    (rule(nft.ether.saddr.in_(MAC, OTHER_MAC)), f"ether saddr {{ {MAC}, {OTHER_MAC} }}"),
    (
        rule(nft.ether.saddr == MAC, nft.ether.daddr == OTHER_MAC),
        f"ether saddr {MAC} ether daddr {OTHER_MAC}",
    ),
    (
        rule(nft.ether.saddr == MAC, nft.ip.saddr == "10.0.0.1"),
        f"ether saddr {MAC} ip saddr 10.0.0.1",
    ),
    (
        rule(nft.ip.saddr == "10.0.0.1", nft.ether.saddr == MAC),
        f"ip saddr 10.0.0.1 ether saddr {MAC}",
    ),
    (rule(nft.ether.type == "ip"), "ether type ip"),
    (rule(nft.ether.type == "arp"), "ether type arp"),
    (rule(nft.ether.type.in_("ip", "ip6")), "ether type { ip, ip6 }"),
    (rule(nft.ether.type == "ip", nft.ip.saddr == "10.0.0.1"), "ether type ip ip saddr 10.0.0.1"),
    (rule(nft.ether.type == "ip6", nft.tcp.dport == 22), "ether type ip6 tcp dport 22"),
    (
        rule(nft.ether.type == "ip", nft.icmp.type == "echo-request"),
        "ether type ip icmp type echo-request",
    ),
    (rule(nft.vlan.id == 5), "vlan id 5"),
    (rule(nft.vlan.id.in_(5, 6)), "vlan id { 5, 6 }"),
    (rule(nft.vlan.id == 5, nft.vlan.pcp == 3), "vlan id 5 vlan pcp 3"),
    (rule(nft.vlan.id == 5, nft.ether.saddr == MAC), f"vlan id 5 ether saddr {MAC}"),
    (rule(nft.ether.type == "vlan", nft.vlan.id == 5), "ether type vlan vlan id 5"),
    (rule(nft.vlan.id == 5, nft.tcp.dport == 22), "vlan id 5 tcp dport 22"),
]

STACKED: Final[list[Pair]] = [
    (rule(nft.ether.saddr == MAC, nft.vlan.id == 5), f"ether saddr {MAC} vlan id 5"),
    (rule(nft.vlan.id == 5, nft.ip.saddr == "10.0.0.1"), "vlan id 5 ip saddr 10.0.0.1"),
    (rule(nft.vlan.id == 5, nft.icmp.type == "echo-request"), "vlan id 5 icmp type echo-request"),
    (
        rule(nft.vlan.id == 5, nft.vlan.type == "ip", nft.ip.saddr == "10.0.0.1"),
        "vlan id 5 vlan type ip ip saddr 10.0.0.1",
    ),
    (rule(nft.arp.operation == "request"), "arp operation request"),
    (
        rule(nft.arp.operation == "request", nft.arp.saddr_ip == "10.0.0.1"),
        "arp operation request arp saddr ip 10.0.0.1",
    ),
    (rule(nft.arp.daddr_ether == MAC), f"arp daddr ether {MAC}"),
    (
        rule(nft.meta.protocol == "ip", nft.ip.saddr == "10.0.0.1"),
        "meta protocol ip ip saddr 10.0.0.1",
    ),
    (
        rule(nft.meta.protocol == "ip", nft.icmp.type == "echo-request"),
        "meta protocol ip icmp type echo-request",
    ),
    (rule(nft.meta.protocol == "ip6", nft.tcp.dport == 22), "meta protocol ip6 tcp dport 22"),
]

MIXED: Final[list[Pair]] = [
    (rule(nft.ip.saddr == "10.0.0.1"), "ip saddr 10.0.0.1"),
    (rule(nft.ip6.saddr == "::1"), "ip6 saddr ::1"),
    (rule(nft.tcp.dport == 22), "tcp dport 22"),
    (rule(nft.ip.saddr == "10.0.0.1", nft.tcp.dport == 22), "ip saddr 10.0.0.1 tcp dport 22"),
    (rule(nft.ip.protocol == "tcp", nft.tcp.dport == 22), "ip protocol tcp tcp dport 22"),
    (rule(nft.icmp.type == "echo-request"), "icmp type echo-request"),
    (rule(nft.icmpv6.type == "echo-request"), "icmpv6 type echo-request"),
    (
        rule(nft.icmpv6.type == "nd-redirect", nft.ip6.hoplimit == 255),
        "icmpv6 type nd-redirect ip6 hoplimit 255",
    ),
    (rule(nft.meta.l4proto == "tcp", nft.tcp.dport == 22), "meta l4proto tcp tcp dport 22"),
    (
        rule(concat(nft.ip.saddr, nft.tcp.dport).in_(("10.0.0.1", 22))),
        "ip saddr . tcp dport { 10.0.0.1 . 22 }",
    ),
]

ARP: Final[list[Pair]] = [
    (rule(nft.arp.operation == "request"), "arp operation request"),
    (rule(nft.arp.operation.in_("request", "reply")), "arp operation { request, reply }"),
    (
        rule(nft.arp.saddr_ip == "10.0.0.1", nft.arp.daddr_ip == "10.0.0.2"),
        "arp saddr ip 10.0.0.1 arp daddr ip 10.0.0.2",
    ),
    (rule(nft.arp.saddr_ip == "10.0.0.0/8"), "arp saddr ip 10.0.0.0/8"),
    (rule(nft.arp.saddr_ip.in_("10.0.0.1", "10.0.0.2")), "arp saddr ip { 10.0.0.1, 10.0.0.2 }"),
    (rule(nft.arp.daddr_ip.in_("10.0.0.1", "10.0.0.2")), "arp daddr ip { 10.0.0.1, 10.0.0.2 }"),
    (rule(nft.arp.saddr_ether == MAC), f"arp saddr ether {MAC}"),
    (rule(nft.arp.saddr_ether.in_(MAC, OTHER_MAC)), f"arp saddr ether {{ {MAC}, {OTHER_MAC} }}"),
    (rule(nft.arp.daddr_ether.in_(MAC, OTHER_MAC)), f"arp daddr ether {{ {MAC}, {OTHER_MAC} }}"),
    (rule(nft.arp.htype == 1, nft.arp.ptype == "ip"), "arp htype 1 arp ptype ip"),
    (rule(nft.arp.hlen == 6, nft.arp.plen == 4), "arp hlen 6 arp plen 4"),
    (rule(nft.ether.saddr == MAC), f"ether saddr {MAC}"),
    (rule(nft.arp.operation == "reply", nft.mark.set(5)), "arp operation reply meta mark set 5"),
    (rule(nft.iifname == "eth0", nft.drop()), "iifname eth0 drop"),
]

NETDEV: Final[list[Pair]] = [
    (rule(nft.meta.pkttype.set("host")), "meta pkttype set host"),
    (rule(nft.ip.saddr.in_set("blocked"), nft.drop()), "ip saddr @blocked drop"),
    (rule(nft.meta.protocol.in_("ip", "arp"), nft.accept()), "meta protocol { ip, arp } accept"),
]

FOUR: Final[list[Pair]] = [
    (rule(nft.ip.saddr == "10.0.0.1", nft.tcp.dport == 22), "ip saddr 10.0.0.1 tcp dport 22"),
    (rule(nft.icmp.type == "echo-request"), "icmp type echo-request"),
    (rule(nft.ip.protocol == "udp", nft.udp.dport == 53), "ip protocol udp udp dport 53"),
    (rule(nft.reject()), "reject"),
    (rule(nft.reject("icmp port-unreachable")), "reject with icmp port-unreachable"),
    (rule(nft.ether.saddr == MAC), f"ether saddr {MAC}"),
    (rule(nft.ip.saddr == "10.0.0.1", nft.vlan.id == 5), "ip saddr 10.0.0.1 vlan id 5"),
    (rule(nft.ether.type == "ip6", nft.tcp.dport == 22), "ether type ip6 tcp dport 22"),
    (rule(nft.ct.original.ip_saddr == "10.0.0.1"), "ct original ip saddr 10.0.0.1"),
]

SIX: Final[list[Pair]] = [
    (rule(nft.ip6.saddr == "::1", nft.tcp.dport == 22), "ip6 saddr ::1 tcp dport 22"),
    (rule(nft.icmpv6.type == "echo-request"), "icmpv6 type echo-request"),
    (rule(nft.ip6.nexthdr == "udp", nft.udp.dport == 53), "ip6 nexthdr udp udp dport 53"),
    (rule(nft.reject()), "reject"),
    (rule(nft.reject("icmpv6 policy-fail")), "reject with icmpv6 policy-fail"),
]
