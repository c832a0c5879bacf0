"""Ports, and what else transport headers have."""

from __future__ import annotations

from typing import Final

from linx_async.netfilter import build as nft
from linx_async.netfilter.build import rule
from tests.netfilter_pairs.pair import Pair

__all__ = ["PORTS"]

PORTS: Final[list[Pair]] = [
    (rule(nft.tcp.dport == 22), "tcp dport 22"),
    (rule(nft.tcp.dport == "ssh"), "tcp dport ssh"),
    (rule(nft.tcp.dport != 22), "tcp dport != 22"),
    (rule(nft.tcp.dport == (1, 1023)), "tcp dport 1-1023"),
    (rule(nft.tcp.dport != (1, 1023)), "tcp dport != 1-1023"),
    (rule(nft.tcp.dport >= 1024), "tcp dport >= 1024"),
    (rule(nft.tcp.dport < 1024), "tcp dport < 1024"),
    (rule(nft.tcp.dport & 1 == 1), "tcp dport & 1 == 1"),
    (rule(nft.tcp.dport.in_(80, 443)), "tcp dport { 80, 443 }"),
    (rule(nft.tcp.dport.in_(22, (23, 25))), "tcp dport { 22, 23-25 }"),
    (rule(nft.tcp.dport.in_((0, 10), 65535)), "tcp dport { 0-10, 65535 }"),
    (rule(nft.tcp.dport.in_((1, 5), (60000, 65535))), "tcp dport { 1-5, 60000-65535 }"),
    (rule(nft.tcp.dport.in_((1, 5), (3, 10))), "tcp dport { 1-5, 3-10 }"),
    (rule(nft.tcp.dport.in_((0, 10), (11, 65535))), "tcp dport { 0-10, 11-65535 }"),
    (rule(nft.tcp.dport.in_((1, 5))), "tcp dport { 1-5 }"),
    (rule(nft.tcp.dport.not_in((1, 5))), "tcp dport != { 1-5 }"),
    (rule(nft.tcp.dport.not_in(80, 443)), "tcp dport != { 80, 443 }"),
    (rule(nft.tcp.dport.in_(22)), "tcp dport { 22 }"),
    (rule(nft.tcp.sport == 1, nft.tcp.dport == 2), "tcp sport 1 tcp dport 2"),
    (rule(nft.tcp.dport == 2, nft.tcp.sport == 1), "tcp dport 2 tcp sport 1"),
    (
        rule(nft.tcp.dport == 2, nft.mark == 1, nft.tcp.sport == 1),
        "tcp dport 2 meta mark 1 tcp sport 1",
    ),
    (
        rule(
            nft.ip.saddr == "10.0.0.1",
            nft.tcp.dport == 2,
            nft.ip.daddr == "10.0.0.2",
            nft.tcp.sport == 1,
        ),
        "ip saddr 10.0.0.1 tcp dport 2 ip daddr 10.0.0.2 tcp sport 1",
    ),
    (
        rule(nft.ip.ttl == 1, nft.ip.protocol == "tcp", nft.ip.checksum == 5),
        "ip ttl 1 ip protocol tcp ip checksum 5",
    ),
    (
        rule(nft.ip.protocol == "tcp", nft.ip.ttl == 1, nft.tcp.dport == 5),
        "ip protocol tcp ip ttl 1 tcp dport 5",
    ),
    (rule(nft.tcp.flags == "syn", nft.tcp.window == 5), "tcp flags == syn tcp window 5"),
    (rule(nft.tcp.flags.any_of("syn")), "tcp flags syn"),
    (rule(nft.tcp.flags == "syn"), "tcp flags == syn"),
    (rule(nft.tcp.flags != "syn"), "tcp flags != syn"),
    (rule(nft.tcp.flags.any_of("syn", "ack")), "tcp flags syn,ack"),
    (rule(nft.tcp.flags.none_of("fin", "rst")), "tcp flags ! fin,rst"),
    (rule(~nft.tcp.flags.any_of("fin", "rst")), "tcp flags ! fin,rst"),
    (rule(nft.tcp.flags & ("syn", "ack") == "syn"), "tcp flags & (syn | ack) == syn"),
    (rule(nft.tcp.flags & ("syn", "ack") != "syn"), "tcp flags & (syn | ack) != syn"),
    (
        rule(nft.tcp.flags & ("fin", "syn") == ("fin", "syn")),
        "tcp flags & (fin | syn) == (fin | syn)",
    ),
    (rule(nft.tcp.flags & ("fin", "syn") == 0), "tcp flags & (fin | syn) == 0"),
    (rule(nft.tcp.flags.in_("syn", ("syn", "ack"))), "tcp flags { syn, syn | ack }"),
    (
        rule((nft.tcp.flags & ("syn", "ack")).in_("syn", "ack")),
        "tcp flags & (syn | ack) { syn, ack }",
    ),
    (rule(nft.tcp.sequence == 5), "tcp sequence 5"),
    (rule(nft.tcp.sequence.in_(5, (6, 7))), "tcp sequence { 5, 6-7 }"),
    (rule(nft.tcp.ackseq.in_(5, 7)), "tcp ackseq { 5, 7 }"),
    (rule(nft.tcp.doff > 5), "tcp doff > 5"),
    (rule(nft.tcp.window.in_(0, 512)), "tcp window { 0, 512 }"),
    (rule(nft.tcp.checksum.in_(0, 512)), "tcp checksum { 0, 512 }"),
    (rule(nft.tcp.urgptr.in_(0, 512)), "tcp urgptr { 0, 512 }"),
    (rule(nft.udp.dport == 53), "udp dport 53"),
    (rule(nft.udp.dport.in_(53, 123)), "udp dport { 53, 123 }"),
    (rule(nft.udp.sport == 67, nft.udp.dport == 68), "udp sport 67 udp dport 68"),
    (rule(nft.udp.length.in_(8, 12)), "udp length { 8, 12 }"),
    (rule(nft.udp.checksum == 0), "udp checksum 0"),
    (rule(nft.udplite.dport.in_(1, 2)), "udplite dport { 1, 2 }"),
    (rule(nft.sctp.dport.in_(1, 2)), "sctp dport { 1, 2 }"),
    (rule(nft.sctp.vtag == 5), "sctp vtag 5"),
    (rule(nft.dccp.dport.in_(1, 2)), "dccp dport { 1, 2 }"),
    (rule(nft.dccp.sport == 1), "dccp sport 1"),
    (rule(nft.th.dport == 53), "th dport 53"),
    (
        rule(nft.meta.l4proto.in_("tcp", "udp"), nft.th.dport.in_(53, 853)),
        "meta l4proto { tcp, udp } th dport { 53, 853 }",
    ),
]
