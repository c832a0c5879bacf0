"""Statements."""

from __future__ import annotations

from typing import Final

from linx_async.netfilter import build as nft
from linx_async.netfilter.build import rule
from tests.netfilter_pairs.pair import Pair

__all__ = ["RAW", "REJECTING", "STATEMENTS"]

STATEMENTS: Final[list[Pair]] = [
    (rule(nft.counter()), "counter"),
    (rule(nft.counter("c1")), 'counter name "c1"'),
    (rule(nft.quota(10, "mbytes")), "quota 10 mbytes"),
    (rule(nft.quota(5000, over=True)), "quota over 5000 bytes"),
    (rule(nft.quota_reference("q1")), 'quota name "q1"'),
    (rule(nft.limit(10)), "limit rate 10/second"),
    (
        rule(nft.limit(10, per="minute", burst=7, over=True)),
        "limit rate over 10/minute burst 7 packets",
    ),
    (rule(nft.limit(10, burst=5)), "limit rate 10/second burst 5 packets"),
    (rule(nft.limit(10, unit="mbytes")), "limit rate 10 mbytes/second"),
    (
        rule(nft.limit(10, unit="mbytes", burst=5, burst_unit="kbytes")),
        "limit rate 10 mbytes/second burst 5 kbytes",
    ),
    (rule(nft.limit(1, "week", unit="bytes", over=True)), "limit rate over 1 bytes/week"),
    (rule(nft.limit_reference("l1")), 'limit name "l1"'),
    (rule(nft.log()), "log"),
    (rule(nft.log("x ")), 'log prefix "x "'),
    (rule(nft.log(level="info")), "log level info"),
    (rule(nft.log(level="warn")), "log level warn"),
    (rule(nft.log("x", group=5)), 'log prefix "x" group 5'),
    (
        rule(nft.log(group=5, snaplen=10, queue_threshold=3)),
        "log group 5 snaplen 10 queue-threshold 3",
    ),
    (rule(nft.log(flags=["all"])), "log flags all"),
    (rule(nft.log(flags=["tcp sequence", "tcp options"])), "log flags tcp sequence,options"),
    (
        rule(nft.log(flags=["ip options", "skuid", "ether"])),
        "log flags ip options flags skuid flags ether",
    ),
    (rule(nft.log(level="audit")), "log level audit"),
    (rule(nft.accept()), "accept"),
    (rule(nft.drop()), "drop"),
    (rule(nft.continue_()), "continue"),
    (rule(nft.return_()), "return"),
    (rule(nft.jump("other")), "jump other"),
    (rule(nft.goto("other")), "goto other"),
    (rule(nft.reject()), "reject"),
    (rule(nft.reject("tcp reset")), "reject with tcp reset"),
    (rule(nft.reject("icmp host-unreachable")), "reject with icmp host-unreachable"),
    (rule(nft.reject("icmpv6 no-route")), "reject with icmpv6 no-route"),
    (rule(nft.reject("icmpx admin-prohibited")), "reject with icmpx admin-prohibited"),
    (rule(nft.ip.saddr == "10.0.0.1", nft.reject()), "ip saddr 10.0.0.1 reject"),
    (rule(nft.ip6.saddr == "::1", nft.reject()), "ip6 saddr ::1 reject"),
    (rule(nft.tcp.dport == 22, nft.reject()), "tcp dport 22 reject"),
    (rule(nft.tcp.dport == 22, nft.reject("tcp reset")), "tcp dport 22 reject with tcp reset"),
    (
        rule(nft.ip.saddr == "10.0.0.1", nft.reject("icmp port-unreachable")),
        "ip saddr 10.0.0.1 reject with icmp port-unreachable",
    ),
    (
        rule(nft.ip.saddr == "10.0.0.1", nft.reject("icmpx no-route")),
        "ip saddr 10.0.0.1 reject with icmpx no-route",
    ),
    (
        rule(
            nft.tcp.dport == 22,
            nft.ct.state.any_of("new"),
            nft.limit(5),
            nft.log("a"),
            nft.counter(),
            nft.accept(),
            comment="b",
        ),
        'tcp dport 22 ct state new limit rate 5/second log prefix "a" counter accept comment "b"',
    ),
    (
        rule(nft.tcp.dport == 22, nft.counter(), nft.ip.saddr == "10.0.0.1", nft.drop()),
        "tcp dport 22 counter ip saddr 10.0.0.1 drop",
    ),
]

REJECTING: Final[list[Pair]] = [
    (rule(nft.reject()), "reject"),
    (rule(nft.reject("tcp reset")), "reject with tcp reset"),
    (rule(nft.ip.saddr == "10.0.0.1", nft.reject()), "ip saddr 10.0.0.1 reject"),
    (rule(nft.ether.type == "ip", nft.reject()), "ether type ip reject"),
    (rule(nft.reject("icmp port-unreachable")), "reject with icmp port-unreachable"),
    (rule(nft.tcp.dport == 22, nft.reject("tcp reset")), "tcp dport 22 reject with tcp reset"),
]

RAW: Final[list[Pair]] = [
    (rule(nft.notrack()), "notrack"),
    (rule(nft.ip.saddr == "10.0.0.1", nft.notrack()), "ip saddr 10.0.0.1 notrack"),
    (rule(nft.ct.zone.set(5)), "ct zone set 5"),
    (rule(nft.ct.original.zone.set(5)), "ct original zone set 5"),
    (rule(nft.fib("saddr", "iif").missing(), nft.drop()), "fib saddr . iif oif missing drop"),
]
