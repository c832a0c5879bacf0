"""Statements, and the order of what a rule says."""

from __future__ import annotations

from typing import Final

__all__ = [
    "DESTINATION",
    "FLOWTABLE",
    "OBJECTS",
    "QUEUE",
    "RAW",
    "SECMARK",
    "SOURCE",
    "STATEMENTS",
]

STATEMENTS: Final[list[tuple[str, str]]] = [
    ("{ counter = true }", "counter"),
    ("{ counter.name = 'c1' }", 'counter name "c1"'),
    ("{ quota = { number = 10, unit = 'mbytes' } }", "quota 10 mbytes"),
    ("{ quota = { number = 5000, over = true } }", "quota over 5000 bytes"),
    ("{ quota.name = 'q1' }", 'quota name "q1"'),
    ("{ limit = { rate = 10 } }", "limit rate 10/second"),
    (
        "{ limit = { rate = 10, per = 'minute', burst = 7, over = true } }",
        "limit rate over 10/minute burst 7 packets",
    ),
    (
        "{ limit = { rate = 10, unit = 'mbytes', burst = 5, burst_unit = 'kbytes' } }",
        "limit rate 10 mbytes/second burst 5 kbytes",
    ),
    ("{ limit.name = 'l1' }", 'limit name "l1"'),
    ("{ log = true }", "log"),
    ("{ log.prefix = 'x ' }", 'log prefix "x "'),
    ("{ log = { level = 'audit' } }", "log level audit"),
    ("{ log = { prefix = 'x', group = 5 } }", 'log prefix "x" group 5'),
    (
        "{ log = { group = 5, snaplen = 10, queue_threshold = 3 } }",
        "log group 5 snaplen 10 queue-threshold 3",
    ),
    ("{ log.flags = 'all' }", "log flags all"),
    ("{ log.flags = ['tcp sequence', 'tcp options'] }", "log flags tcp sequence,options"),
    ("{ verdict = 'accept' }", "accept"),
    ("{ verdict = 'drop' }", "drop"),
    ("{ verdict = 'continue' }", "continue"),
    ("{ verdict = 'return' }", "return"),
    ("{ verdict = 'jump other' }", "jump other"),
    ("{ verdict = { jump = 'other' } }", "jump other"),
    ("{ verdict.goto = 'other' }", "goto other"),
    ("{ reject = true }", "reject"),
    ("{ reject.with = 'tcp reset' }", "reject with tcp reset"),
    ("{ reject = { with = 'icmp host-unreachable' } }", "reject with icmp host-unreachable"),
    ("{ reject = { with = 'icmpv6 no-route' } }", "reject with icmpv6 no-route"),
    ("{ reject = { with = 'icmpx admin-prohibited' } }", "reject with icmpx admin-prohibited"),
    (
        "{ tcp.dport = 22, limit.rate = 5, log.prefix = 'a', counter = true, verdict = 'accept' }",
        'tcp dport 22 limit rate 5/second log prefix "a" counter accept',
    ),
    (
        "{ comment = 'b', ct.state = 'new', verdict = 'drop' }",
        'ct state new drop comment "b"',
    ),
    # the order is that of the text, not that of the tables that dotted keys make
    (
        "{ tcp.dport = 22, counter = true, ip.saddr = '10.0.0.1' }",
        "tcp dport 22 counter ip saddr 10.0.0.1",
    ),
    (
        "{ ct.state = 'new', tcp.dport = 22, ct.mark.set = 1, verdict = 'accept' }",
        "ct state new tcp dport 22 ct mark set 1 accept",
    ),
    (
        "{ meta.mark.eq = 1, meta.priority.set = '1:2', tcp.dport = 22, meta.mark.set = 2 }",
        "meta mark 1 meta priority set 1:2 tcp dport 22 meta mark set 2",
    ),
    # a list of tables says the same thing twice
    (
        "[{ counter = true }, { tcp.dport = 22 }, { counter = true, verdict = 'accept' }]",
        "counter tcp dport 22 counter accept",
    ),
    (
        "[{ meta.mark.set = 1, log = true }, { ct.mark = 5, meta.mark.set = 2, comment = 'b' }]",
        'meta mark set 1 log ct mark 5 meta mark set 2 comment "b"',
    ),
]

OBJECTS: Final[list[tuple[str, str]]] = [
    ("{ meta.l4proto = 'tcp', ct.helper.set = 'h1' }", 'meta l4proto tcp ct helper set "h1"'),
    (
        "{ ct.helper.set = { tcp.dport.map = { 21 = 'h1' } } }",
        'ct helper set tcp dport map { 21 : "h1" }',
    ),
    ("{ ct.timeout.set = 't1' }", 'ct timeout set "t1"'),
    ("{ ct.expectation.set = 'e1' }", 'ct expectation set "e1"'),
    ("{ synproxy.name = 's1' }", 'synproxy name "s1"'),
]

SECMARK: Final[list[tuple[str, str]]] = [
    ("{ meta.secmark.set = 'm1' }", 'meta secmark set "m1"'),
]

FLOWTABLE: Final[list[tuple[str, str]]] = [("{ flow.add = '@f1' }", "flow add @f1")]

QUEUE: Final[list[tuple[str, str]]] = [
    ("{ queue = true }", "queue"),
    ("{ queue.to = 5 }", "queue to 5"),
    (
        "{ queue = { to = '1-3', bypass = true, fanout = true } }",
        "queue flags bypass,fanout to 1-3",
    ),
]

RAW: Final[list[tuple[str, str]]] = [
    ("{ ip.saddr = '10.0.0.1', notrack = true }", "ip saddr 10.0.0.1 notrack"),
    ("{ ct.zone.set = 5 }", "ct zone set 5"),
    ("{ ct.original.zone.set = 5 }", "ct original zone set 5"),
    (
        "{ 'fib saddr . iif oif' = 'missing', verdict = 'drop' }",
        "fib saddr . iif oif missing drop",
    ),
]

SOURCE: Final[list[tuple[str, str]]] = [
    ("{ oifname = 'eth0', masquerade = true }", "oifname eth0 masquerade"),
    ("{ masquerade = { random = true, persistent = true } }", "masquerade random,persistent"),
    ("{ masquerade.fully_random = true }", "masquerade fully-random"),
    (
        "{ tcp.dport = 22, masquerade.to = ':1000-2000' }",
        "tcp dport 22 masquerade to :1000-2000",
    ),
    (
        "{ meta.l4proto = 'tcp', masquerade = { port = 1000, random = true } }",
        "meta l4proto tcp masquerade to :1000 random",
    ),
    ("{ snat.to = '192.0.2.1' }", "snat ip to 192.0.2.1"),
    ("{ snat = { to = ['192.0.2.1', '192.0.2.5'] } }", "snat ip to 192.0.2.1-192.0.2.5"),
    ("{ snat.to = '192.0.2.1-192.0.2.5' }", "snat ip to 192.0.2.1-192.0.2.5"),
    ("{ snat.to = '192.0.2.0/24' }", "snat ip to 192.0.2.0/24"),
    ("{ snat.to = '2001:db8::1-2001:db8::9' }", "snat ip6 to 2001:db8::1-2001:db8::9"),
    (
        "{ meta.l4proto = 'tcp', snat.to = '192.0.2.1:1000-2000' }",
        "meta l4proto tcp snat ip to 192.0.2.1:1000-2000",
    ),
    (
        "{ meta.l4proto = 'tcp', snat = { to = '192.0.2.1', port = [1000, 2000], random = true } }",
        "meta l4proto tcp snat ip to 192.0.2.1:1000-2000 random",
    ),
    (
        "{ snat.to.ip.saddr.map = { '10.0.0.0/8' = '192.0.2.1', '1.0.0.0/8' = '192.0.2.2' } }",
        "snat ip to ip saddr map { 10.0.0.0/8 : 192.0.2.1, 1.0.0.0/8 : 192.0.2.2 }",
    ),
]

DESTINATION: Final[list[tuple[str, str]]] = [
    ("{ redirect = true }", "redirect"),
    ("{ tcp.dport = 80, redirect.to = ':8080' }", "tcp dport 80 redirect to :8080"),
    (
        "{ tcp.dport = 80, redirect = { port = '8080-8090', random = true } }",
        "tcp dport 80 redirect to :8080-8090 random",
    ),
    (
        "{ tcp.dport = '80-90', redirect.to = { tcp.dport.map = { 80 = 8080, 443 = 8443 } } }",
        "tcp dport 80-90 redirect to :tcp dport map { 80 : 8080, 443 : 8443 }",
    ),
    ("{ dnat.to = '10.0.0.2' }", "dnat ip to 10.0.0.2"),
    (
        "{ tcp.dport = 80, dnat = { to = '10.0.0.2', port = 80 } }",
        "tcp dport 80 dnat ip to 10.0.0.2:80",
    ),
    ("{ tcp.dport = 80, dnat.to = '10.0.0.2:8080' }", "tcp dport 80 dnat ip to 10.0.0.2:8080"),
    ("{ tcp.dport = 80, dnat.to = '[::1]:80' }", "tcp dport 80 dnat ip6 to [::1]:80"),
    (
        "{ ip.daddr = '10.0.0.1', dnat = { to = '10.0.0.2', persistent = true } }",
        "ip daddr 10.0.0.1 dnat to 10.0.0.2 persistent",
    ),
    (
        "{ dnat.to = { tcp.dport.map = { 80 = '10.0.0.2', 443 = '10.0.0.3' } } }",
        "dnat ip to tcp dport map { 80 : 10.0.0.2, 443 : 10.0.0.3 }",
    ),
    ("{ dnat.to.tcp.dport.map = '@hosts' }", "dnat ip to tcp dport map @hosts"),
    ("{ dnat.to.tcp.dport.map = '@places' }", "dnat ip to tcp dport map @places"),
    (
        "{ dnat.to = { tcp.dport.map = { 80 = ['10.0.0.2', 8080] } } }",
        "dnat ip addr . port to tcp dport map { 80 : 10.0.0.2 . 8080 }",
    ),
    (
        "{ dnat.to = { tcp.dport.map = { 80 = '::2 . 8080' } } }",
        "dnat ip6 addr . port to tcp dport map { 80 : ::2 . 8080 }",
    ),
]
