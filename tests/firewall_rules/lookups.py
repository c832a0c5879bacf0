"""Several fields together, maps and verdict maps."""

from __future__ import annotations

from typing import Final

__all__ = ["LOOKUPS"]

LOOKUPS: Final[list[tuple[str, str]]] = [
    ("{ 'ip saddr . tcp dport' = '@pairs' }", "ip saddr . tcp dport @pairs"),
    ("{ 'ip saddr . tcp dport' = { not = '@pairs' } }", "ip saddr . tcp dport != @pairs"),
    ("{ 'ip saddr . tcp dport' = '10.0.0.1 . 22' }", "ip saddr . tcp dport { 10.0.0.1 . 22 }"),
    (
        "{ 'ip saddr . tcp dport' = [['10.0.0.1', 22], ['10.0.0.0/8', '23-25']] }",
        "ip saddr . tcp dport { 10.0.0.1 . 22, 10.0.0.0/8 . 23-25 }",
    ),
    (
        "{ 'ip saddr . tcp dport' = ['10.0.0.1 . 22', '10.0.0.0/8 . 23-25'] }",
        "ip saddr . tcp dport { 10.0.0.1 . 22, 10.0.0.0/8 . 23-25 }",
    ),
    (
        "{ 'meta l4proto . th dport' = [['tcp', 22], ['udp', 53]] }",
        "meta l4proto . th dport { tcp . 22, udp . 53 }",
    ),
    ("{ 'iifname . tcp dport'.ne = [['lo', 22]] }", "iifname . tcp dport != { lo . 22 }"),
    ("{ 'ip saddr . meta mark' = '@marked' }", "ip saddr . meta mark @marked"),
    ("{ 'ct state . ct mark' = [['new', 5]] }", "ct state . ct mark { new . 5 }"),
    (
        "{ tcp.dport.vmap = { 22 = 'accept', 80 = 'jump other' } }",
        "tcp dport vmap { 22 : accept, 80 : jump other }",
    ),
    (
        "{ tcp.dport.vmap = { 22 = 'accept', 90-100 = { goto = 'other' } } }",
        "tcp dport vmap { 22 : accept, 90-100 : goto other }",
    ),
    (
        "{ tcp.dport.vmap = { 0-5 = 'accept', 65535 = 'return', '*' = 'continue' } }",
        "tcp dport vmap { 0-5 : accept, 65535 : return, * : continue }",
    ),
    (
        "{ tcp.dport.vmap.22 = 'accept', tcp.dport.vmap.23 = 'drop' }",
        "tcp dport vmap { 22 : accept, 23 : drop }",
    ),
    ("{ tcp.dport.vmap = '@ports' }", "tcp dport vmap @ports"),
    ("{ tcp.dport = { ge = 5, vmap = '@ports' } }", "tcp dport >= 5 tcp dport vmap @ports"),
    (
        "{ ct.state.vmap = { new = 'accept', established = 'drop' } }",
        "ct state vmap { new : accept, established : drop }",
    ),
    (
        "{ iifname.vmap = { eth0 = 'accept', eth1 = 'drop' } }",
        "iifname vmap { eth0 : accept, eth1 : drop }",
    ),
    (
        "{ meta.mark = { and = 0xff, vmap = { 1 = 'accept', 2-5 = 'drop' } } }",
        "meta mark & 0xff vmap { 1 : accept, 2-5 : drop }",
    ),
    (
        "{ 'fib daddr . iif type'.vmap = { local = 'accept' } }",
        "fib daddr . iif type vmap { local : accept }",
    ),
    (
        "{ 'ip saddr . tcp dport'.vmap = { '10.0.0.1 . 22' = 'accept', '*' = 'drop' } }",
        "ip saddr . tcp dport vmap { 10.0.0.1 . 22 : accept, * : drop }",
    ),
    ("{ meta.mark.set = 1 }", "meta mark set 1"),
    ("{ ct.mark.set = 'meta mark' }", "ct mark set meta mark"),
    (
        "{ ct.mark.set = { meta.mark = { and = 0xff, or = 0x100 } } }",
        "ct mark set meta mark and 0xff or 0x100",
    ),
    ("{ mark.set.mark.xor = 0xff }", "meta mark set mark xor 0xff"),
    ("{ meta.mark = { and = 0xff, eq = 1, set = 2 } }", "meta mark & 0xff == 1 meta mark set 2"),
    (
        "{ meta.mark.set = { tcp.dport.map = { 22 = 1, 23 = 2 } } }",
        "meta mark set tcp dport map { 22 : 1, 23 : 2 }",
    ),
    ("{ meta.mark.set.ip.saddr.map = '@markers' }", "meta mark set ip saddr map @markers"),
    (
        "{ mark.set = { 'ip saddr . tcp dport'.map = { '10.0.0.1 . 5' = 5 } } }",
        "meta mark set ip saddr . tcp dport map { 10.0.0.1 . 5 : 5 }",
    ),
    (
        "{ ct.mark.set = { ct.mark.map = { 1 = 2, 2-3 = 4 } } }",
        "ct mark set ct mark map { 1 : 2, 2-3 : 4 }",
    ),
    (
        "{ meta.priority.set = { tcp.dport.map = { 22 = '1:2' } } }",
        "meta priority set tcp dport map { 22 : 1:2 }",
    ),
    (
        "{ counter.name = { tcp.dport.map = { 22 = 'c1' } } }",
        'counter name tcp dport map { 22 : "c1" }',
    ),
    ("{ counter.name.tcp.dport.map = '@counts' }", "counter name tcp dport map @counts"),
]
