"""Fields of IP and ICMP headers."""

from __future__ import annotations

from typing import Final

from linx_async.netfilter import build as nft
from linx_async.netfilter.build import rule
from tests.netfilter_pairs.pair import Pair

__all__ = ["FIELDS"]

FIELDS: Final[list[Pair]] = [
    (rule(nft.ip.protocol == "tcp"), "ip protocol tcp"),
    (rule(nft.ip.protocol.in_("tcp", "udp")), "ip protocol { tcp, udp }"),
    (rule(nft.ip.protocol != "icmp"), "ip protocol != icmp"),
    (rule(nft.ip6.nexthdr == "udp"), "ip6 nexthdr udp"),
    (rule(nft.ip.protocol == "tcp", nft.tcp.dport == 22), "ip protocol tcp tcp dport 22"),
    (rule(nft.ip6.nexthdr == "tcp", nft.tcp.dport == 22), "ip6 nexthdr tcp tcp dport 22"),
    (
        rule(nft.ip.protocol.in_("tcp", "udp"), nft.th.dport == 22),
        "ip protocol { tcp, udp } th dport 22",
    ),
    (rule(nft.ip.version == 4), "ip version 4"),
    (rule(nft.ip.hdrlength > 5), "ip hdrlength > 5"),
    (rule(nft.ip.dscp == "cs1"), "ip dscp cs1"),
    (rule(nft.ip.dscp != "ef"), "ip dscp != ef"),
    (rule(nft.ip.dscp == (1, 5)), "ip dscp 1-5"),
    (rule(nft.ip.dscp.in_("cs1", "ef", "af31")), "ip dscp { cs1, ef, af31 }"),
    (rule(nft.ip.dscp.in_set("dscps")), "ip dscp @dscps"),
    (
        rule(nft.ip.dscp.vmap({"cs1": nft.accept(), "ef": nft.drop()})),
        "ip dscp vmap { cs1 : accept, ef : drop }",
    ),
    (rule(nft.ip.ecn == "ce"), "ip ecn ce"),
    (rule(nft.ip.ecn.in_("ect0", "ce")), "ip ecn { ect0, ce }"),
    (rule(nft.ip.ttl == 64), "ip ttl 64"),
    (rule(nft.ip.ttl < 5), "ip ttl < 5"),
    (rule(nft.ip.ttl.in_(1, 2)), "ip ttl { 1, 2 }"),
    (rule(nft.ip.length > 100), "ip length > 100"),
    (rule(nft.ip.length == (40, 1500)), "ip length 40-1500"),
    (rule(nft.ip.id == 5), "ip id 5"),
    (rule(nft.ip.frag_off & 0x1FFF != 0), "ip frag-off & 0x1fff != 0"),
    (rule(nft.ip.checksum == 0), "ip checksum 0"),
    (rule(nft.ip6.version == 6), "ip6 version 6"),
    (rule(nft.ip6.dscp == "cs1"), "ip6 dscp cs1"),
    (rule(nft.ip6.dscp != "ef"), "ip6 dscp != ef"),
    (rule(nft.ip6.dscp.in_("cs1", "ef")), "ip6 dscp { cs1, ef }"),
    (rule(nft.ip6.ecn == "ce"), "ip6 ecn ce"),
    (rule(nft.ip6.flowlabel == 5), "ip6 flowlabel 5"),
    (rule(nft.ip6.length > 100), "ip6 length > 100"),
    (rule(nft.ip6.hoplimit == 255), "ip6 hoplimit 255"),
    (rule(nft.ip6.hoplimit.in_(1, 255)), "ip6 hoplimit { 1, 255 }"),
    (rule(nft.icmp.type == "echo-request"), "icmp type echo-request"),
    (rule(nft.icmp.type != "redirect"), "icmp type != redirect"),
    (
        rule(nft.icmp.type.in_("echo-request", "echo-reply")),
        "icmp type { echo-request, echo-reply }",
    ),
    (
        rule(nft.icmp.type == "destination-unreachable", nft.icmp.code == "frag-needed"),
        "icmp type destination-unreachable icmp code frag-needed",
    ),
    (rule(nft.icmp.code == (0, 15)), "icmp code 0-15"),
    (rule(nft.icmpv6.type == "nd-neighbor-solicit"), "icmpv6 type nd-neighbor-solicit"),
    (
        rule(nft.icmpv6.type == "echo-request", nft.icmpv6.code == 0),
        "icmpv6 type echo-request icmpv6 code 0",
    ),
    (
        rule(nft.icmpv6.type.in_("nd-redirect", "packet-too-big")),
        "icmpv6 type { nd-redirect, packet-too-big }",
    ),
    (rule(nft.icmpv6.code == ("addr-unreachable", "reject-route")), "icmpv6 code 3-6"),
    (
        rule(nft.ip.saddr == "10.0.0.1", nft.icmp.type == "echo-request"),
        "ip saddr 10.0.0.1 icmp type echo-request",
    ),
    (
        rule(nft.ip.protocol == "icmp", nft.icmp.type == "echo-request"),
        "ip protocol icmp icmp type echo-request",
    ),
]
