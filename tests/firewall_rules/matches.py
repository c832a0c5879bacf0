"""Matches of fields."""

from __future__ import annotations

from typing import Final

__all__ = ["ARP", "BRIDGE", "MATCHES", "NETDEV"]

MATCHES: Final[list[tuple[str, str]]] = [
    # values, ranges, networks, sets
    ("{ ip.saddr = '192.0.2.1' }", "ip saddr 192.0.2.1"),
    ("{ 'ip saddr' = '192.0.2.1' }", "ip saddr 192.0.2.1"),
    (
        "{ ip = { saddr = '192.0.2.1', daddr = '192.0.2.2' } }",
        "ip saddr 192.0.2.1 ip daddr 192.0.2.2",
    ),
    ("{ ip.saddr = '10.0.0.0/8' }", "ip saddr 10.0.0.0/8"),
    ("{ ip.saddr = '10.0.0.1-10.0.0.9' }", "ip saddr 10.0.0.1-10.0.0.9"),
    ("{ ip.saddr = ['10.0.0.1', '10.0.0.9'] }", "ip saddr { 10.0.0.1, 10.0.0.9 }"),
    ("{ ip.saddr = [['10.0.0.1', '10.0.0.9']] }", "ip saddr { 10.0.0.1-10.0.0.9 }"),
    (
        "{ ip.saddr = ['10.0.0.0/8', '11.0.0.1-11.0.0.9'] }",
        "ip saddr { 10.0.0.0/8, 11.0.0.1-11.0.0.9 }",
    ),
    ("{ ip.saddr = ['10.0.0.0/8'] }", "ip saddr { 10.0.0.0/8 }"),
    ("{ ip.saddr = { in = ['10.0.0.1', '10.0.0.3'] } }", "ip saddr { 10.0.0.1, 10.0.0.3 }"),
    ("{ ip.saddr = '@blocked' }", "ip saddr @blocked"),
    ("{ ip6.saddr = 'fe80::/10' }", "ip6 saddr fe80::/10"),
    ("{ ip6.saddr = '@six' }", "ip6 saddr @six"),
    ("{ tcp.dport = 22 }", "tcp dport 22"),
    ("{ tcp.dport = 'ssh' }", "tcp dport ssh"),
    ("{ tcp.dport = '1-1023' }", "tcp dport 1-1023"),
    ("{ tcp.dport = [22, '8000-8100'] }", "tcp dport { 22, 8000-8100 }"),
    # comparisons, in signs and in words
    ("{ ip.saddr = { not = '192.0.2.1' } }", "ip saddr != 192.0.2.1"),
    ("{ ip.saddr.ne = '10.0.0.0/8' }", "ip saddr != 10.0.0.0/8"),
    ("{ ip.saddr = { '!=' = '10.0.0.1-10.0.0.9' } }", "ip saddr != 10.0.0.1-10.0.0.9"),
    ("{ ip.saddr = { not = '@blocked' } }", "ip saddr != @blocked"),
    ("{ ip.saddr.not_in = '@plain' }", "ip saddr != @plain"),
    ("{ ip.saddr.in = '@plain' }", "ip saddr @plain"),
    ("{ ip.saddr.eq = '@plain' }", "ip saddr @plain"),
    ("{ tcp.dport = { not = [80, 443] } }", "tcp dport != { 80, 443 }"),
    ("{ tcp.dport = { not_in = ['1-5'] } }", "tcp dport != { 1-5 }"),
    ("{ tcp.dport.ge = 1024 }", "tcp dport >= 1024"),
    ("{ tcp.dport = { '<' = 1024 } }", "tcp dport < 1024"),
    ("{ ip.ttl = { lt = 5 } }", "ip ttl < 5"),
    ("{ meta.length = { gt = 100, le = 1500 } }", "meta length > 100 meta length <= 1500"),
    # bits
    ("{ tcp.dport = { and = 1, eq = 1 } }", "tcp dport & 1 == 1"),
    ("{ meta.mark = { '&' = 0xff, '!=' = 1 } }", "meta mark and 0xff != 1"),
    ("{ mark = { and = 0xff, or = 0x100, eq = 0x110 } }", "meta mark and 0xff or 0x100 == 0x110"),
    ("{ mark = { and = 0xff, in = [1, 2] } }", "meta mark & 0xff { 1, 2 }"),
    ("{ mark = { and = 0xff, in = '@marks' } }", "meta mark & 0xff @marks"),
    (
        "{ ip.saddr = { and = '255.255.0.255', eq = '10.1.0.1' } }",
        "ip saddr & 255.255.0.255 == 10.1.0.1",
    ),
    ("{ ip.frag-off = { and = 0x1fff, ne = 0 } }", "ip frag-off & 0x1fff != 0"),
    # flags
    ("{ ct.state = 'new' }", "ct state new"),
    ("{ ct.state = ['established', 'related'] }", "ct state established,related"),
    ("{ ct.state.not = 'new' }", "ct state ! new"),
    ("{ ct.state = { '!' = ['new', 'invalid'] } }", "ct state ! new,invalid"),
    ("{ ct.state.eq = 'new' }", "ct state == new"),
    ("{ ct.state.ne = 'invalid' }", "ct state != invalid"),
    ("{ ct.state = { in = ['new', 'established'] } }", "ct state { new, established }"),
    ("{ ct.state = '@states' }", "ct state @states"),
    (
        "{ ct.state = { and = ['new', 'established'], eq = 'new' } }",
        "ct state & (new | established) == new",
    ),
    ("{ ct.status = ['snat', 'dnat'] }", "ct status snat,dnat"),
    ("{ tcp.flags = 'syn' }", "tcp flags syn"),
    ("{ tcp.flags.not = ['fin', 'rst'] }", "tcp flags ! fin,rst"),
    (
        "{ tcp.flags = { and = ['fin', 'syn'], eq = ['fin', 'syn'] } }",
        "tcp flags & (fin | syn) == (fin | syn)",
    ),
    ("{ tcp.flags = { and = ['fin', 'syn'], eq = 0 } }", "tcp flags & (fin | syn) == 0"),
    ("{ tcp.flags = { in = ['syn', ['syn', 'ack']] } }", "tcp flags { syn, syn | ack }"),
    (
        "{ tcp.flags = { and = ['syn', 'ack'], in = ['syn', 'ack'] } }",
        "tcp flags & (syn | ack) { syn, ack }",
    ),
    # what else there is
    ("{ icmp.type = 'echo-request' }", "icmp type echo-request"),
    ("{ icmp.type = ['echo-request', 'echo-reply'] }", "icmp type { echo-request, echo-reply }"),
    (
        "{ icmp.type = 'destination-unreachable', icmp.code = 'frag-needed' }",
        "icmp type destination-unreachable icmp code frag-needed",
    ),
    ("{ icmpv6.type = 'nd-neighbor-solicit' }", "icmpv6 type nd-neighbor-solicit"),
    ("{ icmpv6.type.ne = 'nd-redirect' }", "icmpv6 type != nd-redirect"),
    ("{ ip.protocol = ['tcp', 'udp'], th.dport = 53 }", "ip protocol { tcp, udp } th dport 53"),
    (
        "{ meta.l4proto = ['tcp', 'udp'], th.dport = [53, 853] }",
        "meta l4proto { tcp, udp } th dport { 53, 853 }",
    ),
    ("{ ip.dscp = ['cs1', 'ef'] }", "ip dscp { cs1, ef }"),
    ("{ ip.dscp = '@dscps' }", "ip dscp @dscps"),
    ("{ iifname = 'eth0' }", "iifname eth0"),
    ("{ meta.iifname = 'eth*' }", 'iifname "eth*"'),
    ("{ oifname.ne = ['eth*', 'wg0'] }", 'oifname != { "eth*", wg0 }'),
    ("{ iifname = '@names' }", "iifname @names"),
    ("{ iif = 1 }", "iif lo"),
    ("{ skuid = '5-10' }", "skuid 5-10"),
    ("{ meta.skgid = [5, 6] }", "skgid { 5, 6 }"),
    ("{ pkttype = 'multicast' }", "pkttype multicast"),
    ("{ meta.priority = '1:2' }", "meta priority 1:2"),
    ("{ iifgroup = 5 }", "iifgroup 5"),
    ("{ cpu = '1-3' }", "cpu 1-3"),
    ("{ ether.saddr = '00:11:22:33:44:55' }", "ether saddr 00:11:22:33:44:55"),
    ("{ vlan.id = 5, vlan.pcp = 3 }", "vlan id 5 vlan pcp 3"),
    ("{ ct.original.ip.saddr = '10.0.0.1' }", "ct original ip saddr 10.0.0.1"),
    (
        "{ ct.reply.'ip daddr' = ['10.0.0.1', '10.0.0.2'] }",
        "ct reply ip daddr { 10.0.0.1, 10.0.0.2 }",
    ),
    (
        "{ meta.l4proto = 'tcp', ct.original.proto-dst = 22 }",
        "meta l4proto tcp ct original proto-dst 22",
    ),
    ("{ ct.bytes.gt = 100 }", "ct bytes > 100"),
    ("{ ct.expiration = '30s' }", "ct expiration 30s"),
    ("{ ct.direction = 'original' }", "ct direction original"),
    ("{ rt.ip.nexthop = '10.0.0.1' }", "rt ip nexthop 10.0.0.1"),
    (
        "{ socket.transparent = 1, socket.mark = [1, 2] }",
        "socket transparent 1 socket mark { 1, 2 }",
    ),
    ("{ fib.daddr.type = 'local' }", "fib daddr type local"),
    (
        "{ 'fib daddr . iif type' = ['local', 'broadcast'] }",
        "fib daddr . iif type { local, broadcast }",
    ),
    ("{ fib.daddr.type.ne = 'local' }", "fib daddr type != local"),
    ("{ fib.'saddr . iif'.oif = 'missing' }", "fib saddr . iif oif missing"),
    ("{ 'fib saddr . iif oif' = 'exists' }", "fib saddr . iif oif exists"),
    ("{ 'fib saddr . iif oif'.ne = 0 }", "fib saddr . iif oif != 0"),
    ("{ 'fib saddr . iif oifname' = 'lo' }", 'fib saddr . iif oifname "lo"'),
    (
        "{ ip.saddr = '10.0.0.1', tcp.dport = 2, ip.daddr = '10.0.0.2', tcp.sport = 1 }",
        "ip saddr 10.0.0.1 tcp dport 2 ip daddr 10.0.0.2 tcp sport 1",
    ),
]

BRIDGE: Final[list[tuple[str, str]]] = [
    ("{ vlan.id = [5, 6], ip.saddr = '10.0.0.1' }", "vlan id { 5, 6 } ip saddr 10.0.0.1"),
    ("{ ether.type = 'arp' }", "ether type arp"),
    (
        "{ meta.protocol = 'ip', icmp.type = 'echo-request' }",
        "meta protocol ip icmp type echo-request",
    ),
]

ARP: Final[list[tuple[str, str]]] = [
    ("{ arp.operation = ['request', 'reply'] }", "arp operation { request, reply }"),
    ("{ arp.saddr.ip = '10.0.0.0/8' }", "arp saddr ip 10.0.0.0/8"),
    ("{ arp.daddr.ether = '00:11:22:33:44:55' }", "arp daddr ether 00:11:22:33:44:55"),
    ("{ arp.htype = 1, arp.ptype = 'ip' }", "arp htype 1 arp ptype ip"),
    ("{ arp.operation = 'reply', meta.mark.set = 5 }", "arp operation reply meta mark set 5"),
]

NETDEV: Final[list[tuple[str, str]]] = [
    ("{ pkttype.set = 'host' }", "meta pkttype set host"),
    ("{ ip.saddr = '@blocked', verdict = 'drop' }", "ip saddr @blocked drop"),
]
