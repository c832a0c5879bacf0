"""Concatenations, verdict maps and maps."""

from __future__ import annotations

from typing import Final

from linx_async.netfilter import build as nft
from linx_async.netfilter.build import concat, fib, rule
from tests.netfilter_pairs.pair import MAC, Pair

__all__ = ["LOOKUPS"]

LOOKUPS: Final[list[Pair]] = [
    (rule(concat(nft.ip.saddr, nft.tcp.dport).in_set("pairs")), "ip saddr . tcp dport @pairs"),
    (
        rule(concat(nft.ip.saddr, nft.tcp.dport).not_in_set("pairs")),
        "ip saddr . tcp dport != @pairs",
    ),
    (
        rule(concat(nft.ip.saddr, nft.tcp.dport).in_(("10.0.0.1", 22), ("10.0.0.2", 80))),
        "ip saddr . tcp dport { 10.0.0.1 . 22, 10.0.0.2 . 80 }",
    ),
    (
        rule(concat(nft.ip.saddr, nft.tcp.dport).in_(("10.0.0.1", 22))),
        "ip saddr . tcp dport { 10.0.0.1 . 22 }",
    ),
    (
        rule(concat(nft.ip.saddr, nft.tcp.dport).in_(("10.0.0.1", 22), ("10.0.0.0/8", (23, 25)))),
        "ip saddr . tcp dport { 10.0.0.1 . 22, 10.0.0.0/8 . 23-25 }",
    ),
    (
        rule(concat(nft.ip.saddr, nft.mark).in_(("10.0.0.1", 5))),
        "ip saddr . meta mark { 10.0.0.1 . 5 }",
    ),
    (
        rule(concat(nft.ip.saddr, nft.mark).in_(("10.0.0.0/8", 5))),
        "ip saddr . meta mark { 10.0.0.0/8 . 5 }",
    ),
    (rule(concat(nft.ip.saddr, nft.mark).in_set("marked")), "ip saddr . meta mark @marked"),
    (
        rule(concat(nft.ip.saddr, nft.ip.dscp).in_(("10.0.0.1", "cs1"))),
        "ip saddr . ip dscp { 10.0.0.1 . cs1 }",
    ),
    (
        rule(concat(nft.ip.saddr, nft.ip.ttl).in_(("10.0.0.1", 5))),
        "ip saddr . ip ttl { 10.0.0.1 . 5 }",
    ),
    (rule(concat(nft.iifname, nft.tcp.dport).in_(("lo", 22))), "iifname . tcp dport { lo . 22 }"),
    (
        rule(concat(nft.iifname, nft.tcp.dport).in_(("eth*", 22), ("lo", (1, 2)))),
        'iifname . tcp dport { "eth*" . 22, lo . 1-2 }',
    ),
    (
        rule(concat(nft.iifname, nft.ip.saddr).in_(("lo", "10.0.0.1"))),
        "iifname . ip saddr { lo . 10.0.0.1 }",
    ),
    (
        rule(
            concat(nft.iifname, nft.tcp.dport, nft.ip.saddr).vmap(
                {("lo", 22, "10.0.0.1"): nft.accept()}
            )
        ),
        "iifname . tcp dport . ip saddr vmap { lo . 22 . 10.0.0.1 : accept }",
    ),
    (rule(concat(nft.ct.state, nft.ct.mark).in_(("new", 5))), "ct state . ct mark { new . 5 }"),
    (
        rule(concat(nft.meta.length, nft.tcp.dport).in_((5, 22))),
        "meta length . tcp dport { 5 . 22 }",
    ),
    (
        rule(concat(nft.meta.l4proto, nft.th.dport).in_(("tcp", 22), ("udp", 53))),
        "meta l4proto . th dport { tcp . 22, udp . 53 }",
    ),
    (
        rule(concat(nft.ether.saddr, nft.ip.saddr).in_((MAC, "10.0.0.1"))),
        f"ether saddr . ip saddr {{ {MAC} . 10.0.0.1 }}",
    ),
    (
        rule(concat(nft.ip6.saddr, nft.udp.sport).in_(("::1", 22))),
        "ip6 saddr . udp sport { ::1 . 22 }",
    ),
    (
        rule(nft.tcp.dport.vmap({22: nft.accept(), 80: nft.jump("other")})),
        "tcp dport vmap { 22 : accept, 80 : jump other }",
    ),
    (
        rule(nft.tcp.dport.vmap({22: nft.accept(), (90, 100): nft.goto("other")})),
        "tcp dport vmap { 22 : accept, 90-100 : goto other }",
    ),
    (
        rule(nft.tcp.dport.vmap({(1, 5): nft.accept(), (6, 10): nft.drop()})),
        "tcp dport vmap { 1-5 : accept, 6-10 : drop }",
    ),
    (
        rule(nft.tcp.dport.vmap({(1, 5): nft.accept(), (60000, 65535): nft.drop()})),
        "tcp dport vmap { 1-5 : accept, 60000-65535 : drop }",
    ),
    (
        rule(
            nft.tcp.dport.vmap({(0, 5): nft.accept(), 65535: nft.return_(), "*": nft.continue_()})
        ),
        "tcp dport vmap { 0-5 : accept, 65535 : return, * : continue }",
    ),
    (
        rule(nft.tcp.dport.vmap({22: nft.accept(), "*": nft.drop()})),
        "tcp dport vmap { 22 : accept, * : drop }",
    ),
    (rule(nft.tcp.dport.vmap("ports")), "tcp dport vmap @ports"),
    (
        rule(nft.ct.state.vmap({"new": nft.accept(), "established": nft.drop()})),
        "ct state vmap { new : accept, established : drop }",
    ),
    (
        rule(nft.ct.mark.vmap({1: nft.accept(), (3, 4): nft.drop()})),
        "ct mark vmap { 1 : accept, 3-4 : drop }",
    ),
    (
        rule(
            concat(nft.ip.saddr, nft.tcp.dport).vmap(
                {("10.0.0.1", 22): nft.accept(), ("10.0.0.0/8", (23, 25)): nft.drop()}
            )
        ),
        "ip saddr . tcp dport vmap { 10.0.0.1 . 22 : accept, 10.0.0.0/8 . 23-25 : drop }",
    ),
    (
        rule(
            concat(nft.ip.saddr, nft.tcp.dport).vmap(
                {("10.0.0.1", 22): nft.accept(), "*": nft.drop()}
            )
        ),
        "ip saddr . tcp dport vmap { 10.0.0.1 . 22 : accept, * : drop }",
    ),
    (
        rule(nft.iifname.vmap({"eth0": nft.accept(), "eth1": nft.drop()})),
        "iifname vmap { eth0 : accept, eth1 : drop }",
    ),
    (
        rule(nft.icmp.type.vmap({"echo-request": nft.accept()})),
        "icmp type vmap { echo-request : accept }",
    ),
    (
        rule((nft.mark & 0xFF).vmap({1: nft.accept(), (2, 5): nft.drop()})),
        "meta mark & 0xff vmap { 1 : accept, 2-5 : drop }",
    ),
    (
        rule(fib("daddr", "iif").type.vmap({"local": nft.accept()})),
        "fib daddr . iif type vmap { local : accept }",
    ),
    (
        rule(nft.mark.set(nft.tcp.dport.map({22: 1, 23: 2}))),
        "meta mark set tcp dport map { 22 : 1, 23 : 2 }",
    ),
    (rule(nft.mark.set(nft.ip.saddr.map("markers"))), "meta mark set ip saddr map @markers"),
    (
        rule(nft.mark.set(nft.ip.saddr.map({"10.0.0.0/8": 5}))),
        "meta mark set ip saddr map { 10.0.0.0/8 : 5 }",
    ),
    (
        rule(nft.mark.set(concat(nft.ip.saddr, nft.tcp.dport).map({("10.0.0.1", 5): 5}))),
        "meta mark set ip saddr . tcp dport map { 10.0.0.1 . 5 : 5 }",
    ),
    (
        rule(nft.mark.set(nft.ip.dscp.map({"cs1": 1, "ef": 2}))),
        "meta mark set ip dscp map { cs1 : 1, ef : 2 }",
    ),
    (
        rule(nft.ct.mark.set(nft.ct.mark.map({1: 2, (2, 3): 4}))),
        "ct mark set ct mark map { 1 : 2, 2-3 : 4 }",
    ),
    (
        rule(nft.meta.priority.set(nft.tcp.dport.map({22: "1:2"}))),
        "meta priority set tcp dport map { 22 : 1:2 }",
    ),
    (rule(nft.counter(nft.tcp.dport.map({22: "c1"}))), 'counter name tcp dport map { 22 : "c1" }'),
    (rule(nft.counter(nft.tcp.dport.map("counts"))), "counter name tcp dport map @counts"),
]
