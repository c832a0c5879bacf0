"""A rule of each kind of expression that `nft` can make, in tables that have what it names."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["FILTER", "SETS", "cases"]

FILTER = "type filter hook input priority 0;"
OUTPUT = "type filter hook output priority 0;"
MANGLE = "type filter hook prerouting priority mangle;"
RAW = "type filter hook prerouting priority raw;"
SOURCE = "type nat hook postrouting priority srcnat;"
DESTINATION = "type nat hook prerouting priority dstnat;"
FORWARD = "type filter hook forward priority 0;"

SETS = """
set s4 { type ipv4_addr; }
set ports { type inet_service; flags interval; }
set seen { type ipv4_addr; flags dynamic,timeout; size 1000; timeout 1h; }
set met { type ipv4_addr; flags dynamic; size 1000; }
set counted { type ipv4_addr; flags dynamic; size 1000; counter; }
set pairs { type ipv4_addr . inet_service; }
map marks { type ipv4_addr : mark; }
map addresses { type inet_service : ipv4_addr; }
map verdicts { type ipv4_addr : verdict; }
map learned { type ipv4_addr : inet_service; flags dynamic; size 1000; }
counter c1 { }
quota q1 { over 10 mbytes }
limit l1 { rate 10/second }
map counters { type ipv4_addr : counter; }
map quotas { type inet_service : quota; }
chain other { }
"""

CONNTRACK = """
ct helper ftp { type "ftp" protocol tcp; }
ct timeout quick { protocol tcp; l3proto ip; policy = { established : 100, close : 4 }; }
ct expectation soon { protocol tcp; dport 9876; timeout 2m; size 12; l3proto ip; }
synproxy proxy { mss 1460; wscale 7; timestamp sack-perm }
"""

RULES: dict[tuple[str, str, str], str] = {
    ("inet", FILTER, ""): """
        accept
        drop
        continue
        return
        queue
        queue num 3 bypass
        queue num 3-5 fanout
        queue num 3-5 fanout,bypass
        queue to symhash mod 2
        queue flags bypass to numgen inc mod 2
        ip saddr 10.0.0.1
        ip saddr != 10.0.0.0/8
        ip saddr 10.0.0.1-10.0.0.9
        ip saddr != 10.0.0.1-10.0.0.9
        ip6 saddr fd00::1
        ip6 daddr fd00::/64
        ip6 daddr fd00::1-fd00::9
        ip dscp cs1
        ip dscp != cs1
        ip version 4
        ip ttl 1-5
        ip frag-off & 0x1fff != 0
        ip6 flowlabel 22
        ether saddr 02:00:00:00:00:01
        ether type ip
        vlan id 1
        tcp dport 22
        tcp dport < 1024
        tcp dport >= 1024
        tcp flags syn
        tcp flags & (syn | ack) == syn
        tcp flags != syn,ack
        udp length 8
        udplite dport 1
        sctp dport 1
        dccp type request
        icmp type echo-request
        icmpv6 type nd-neighbor-solicit
        th dport 53
        @th,16,16 53
        @nh,8,8 1
        @ll,0,48 2
        @ih,0,32 1
        ah spi 1
        esp spi 1
        comp cpi 1
        igmp type membership-query
        mh type 1
        frag more-fragments 1
        rt type 0
        rt0 addr[1] fd00::1
        srh last-entry 0
        hbh nexthdr 1
        dst nexthdr 1
        exthdr hbh exists
        exthdr frag missing
        ip option lsrr ptr 1
        ip option ra exists
        tcp option maxseg size 1000
        tcp option sack-perm exists
        tcp option timestamp tsval 1
        tcp option 22 missing
        sctp chunk data exists
        sctp chunk data flags 2
        meta length 1000
        meta nfproto ipv4
        meta l4proto { tcp, udp }
        meta protocol ip
        meta priority 1:1
        meta mark 0x10
        meta mark and 0xff 0x10
        meta mark & 0xff != 0
        meta mark | 1 == 3
        meta mark ^ 1 == 3
        meta mark set meta mark << 2
        meta mark set ct mark >> 2
        meta iif lo
        meta iifname "eth*"
        meta iifname { "eth0", "eth1" }
        meta iifgroup 1
        meta iifkind "veth"
        meta iiftype ether
        meta pkttype broadcast
        meta cpu 1
        meta cgroup 1
        meta random <= 100
        meta secpath exists
        meta rtclassid 1
        meta skuid 0
        meta skgid 1-5
        meta time "2023-05-01 10:00:00"
        meta day "Monday"
        meta hour "10:00"-"12:00"
        meta sdif "lo"
        meta sdifname "lo"
        rt classid 1
        rt ip nexthop 10.0.0.1
        rt ip6 nexthop fd00::1
        rt ipsec exists
        socket transparent 1
        socket mark 1
        socket wildcard 0
        osf name "Linux"
        osf ttl skip name "Linux"
        osf version "Linux:4.20"
        fib saddr . iif oif 0
        fib saddr . mark oifname "lo"
        fib daddr type local
        fib daddr . iif type != unicast
        fib saddr oif exists
        ct state established,related
        ct state vmap { invalid : drop, established : accept }
        ct direction original
        ct status snat
        ct mark 1
        ct expiration 30s
        ct helper "ftp"
        ct l3proto ipv4
        ct original ip saddr 10.0.0.1
        ct reply ip6 daddr fd00::1
        ct original protocol 6
        ct bytes > 1000
        ct original packets > 10
        ct avgpkt > 10
        ct label 1
        ct zone 1
        ct original zone 1
        ct id 1
        ct event set new,destroy
        ct mark set 1
        ct mark set meta mark
        ct mark set ct mark or 1
        ct count 10
        ct count over 20 drop
        meta mark set 1
        meta mark set ct mark and 0xff
        meta priority set 1:1
        meta nftrace set 1
        ip dscp set cs2
        ip daddr set 10.0.0.1
        ip ttl set 5
        ip6 hoplimit set 5
        tcp dport set 80
        udp dport set 80
        sctp dport set 80
        @nh,8,8 set 1
        ether daddr set 02:00:00:00:00:02
        tcp option maxseg size set 1000
        reset tcp option sack-perm
        meta mark set jhash ip saddr mod 8
        meta mark set jhash ip saddr . tcp dport mod 8 seed 0x1234 offset 100
        meta mark set symhash mod 4
        meta mark set symhash mod 4 offset 2
        meta mark set numgen inc mod 4
        meta mark set numgen random mod 4 offset 10
        meta mark set ip saddr map { 10.0.0.1 : 1, 10.0.0.2 : 2 }
        ip saddr . tcp dport { 10.0.0.1 . 22, 10.0.0.2 . 80 }
        ip saddr { 10.0.0.0/8, 192.168.0.0/16 }
        tcp dport != { 22, 80-90 }
        tcp dport vmap { 22 : accept, 80-90 : drop }
        ip saddr { 10.0.0.1 } tcp dport { 22 } meta mark { 1, 2 } accept
        limit rate 10/second
        limit rate over 10/minute burst 20 packets
        limit rate 1 mbytes/second
        limit rate over 1 kbytes/hour burst 2 kbytes
        limit rate 400/week
        quota 10 mbytes
        quota over 10 kbytes used 5 kbytes
        counter
        counter packets 10 bytes 1000
        log
        log prefix "hello "
        log level debug
        log level warn
        log level audit
        log group 0
        log group 3 snaplen 20 queue-threshold 2 prefix "x"
        log flags all
        log flags tcp sequence,options flags ip options flags skuid flags ether
        reject
        reject with tcp reset
        reject with icmp port-unreachable
        reject with icmpv6 admin-prohibited
        reject with icmpx host-unreachable
        synproxy mss 1460 wscale 7 timestamp sack-perm
        synproxy
        ipsec in reqid 1
        ipsec in ip saddr 10.0.0.1
        counter log accept comment "three"
        tcp dport 22 jump {\n tcp flags syn drop\n ip saddr 10.0.0.1 counter\n }
        tcp dport 22 goto {\n drop\n }
    """,
    ("inet", FILTER, SETS): """
        ip saddr @s4
        ip saddr != @s4 drop
        tcp dport @ports
        ip saddr . tcp dport @pairs
        meta mark set ip saddr map @marks
        ip saddr vmap @verdicts
        jump other
        goto other
        ip saddr vmap { 10.0.0.1 : jump other, 10.0.0.2 : goto other, * : continue }
        add @seen { ip saddr }
        update @seen { ip saddr timeout 5m }
        add @met { ip saddr }
        delete @met { ip saddr }
        add @met { ip saddr counter }
        add @met { ip saddr limit rate 1/second burst 3 packets }
        update @met { ip saddr limit rate over 1 kbytes/second counter }
        add @met { ip saddr ct count over 3 }
        add @met { ip saddr quota 100 bytes }
        add @counted { ip saddr }
        update @learned { ip saddr : tcp dport }
        meter m1 size 100 { ip saddr limit rate 1/second }
        meter m2 { ip saddr . tcp dport timeout 30s counter }
        counter name "c1"
        quota name "q1"
        limit name "l1"
        counter name ip saddr map @counters
        counter name ip saddr map { 10.0.0.1 : "c1" }
        quota name tcp dport map @quotas
    """,
    ("inet", RAW, CONNTRACK): """
        notrack
        ct zone set 5
        ct original zone set 6
        ct zone set meta iif map { "lo" : 1 }
        ct helper set "ftp"
        ct timeout set "quick"
        ct expectation set "soon"
    """,
    ("inet", FILTER, CONNTRACK): """
        synproxy name "proxy"
        synproxy name ip saddr map { 10.0.0.1 : "proxy" }
        meta l4proto tcp ct original proto-dst 22
    """,
    ("inet", MANGLE, ""): """
        meta l4proto tcp tproxy to :50080
        meta l4proto tcp tproxy ip to 127.0.0.1
        meta l4proto tcp tproxy ip6 to [::1]:50080
        meta mark set 1 accept
        meta pkttype set host
    """,
    ("inet", SOURCE, SETS): """
        masquerade
        masquerade random,persistent
        meta l4proto tcp masquerade to :1024-2048
        ip protocol tcp snat ip to 10.0.0.1:1024-2048
        snat ip to 10.0.0.1
        snat ip to 10.0.0.1-10.0.0.9 persistent
        snat ip6 to fd00::1
        meta l4proto tcp snat ip6 to [fd00::1]-[fd00::9]:80 fully-random
        snat ip prefix to ip saddr map { 10.0.0.0/24 : 10.1.0.0/24 }
        snat ip to tcp dport map @addresses
        meta l4proto tcp snat ip addr . port to ip saddr map { 10.0.0.1 : 10.1.0.1 . 80 }
        snat ip to ip saddr map { 10.0.0.1 : 10.1.0.1-10.1.0.9 }
    """,
    ("inet", DESTINATION, SETS): """
        dnat ip to 10.0.0.1
        meta l4proto tcp dnat ip to 10.0.0.1:80
        meta l4proto tcp dnat to :8080
        meta l4proto tcp redirect to :8080
        meta l4proto tcp redirect to :8080-8090 random
        redirect
        meta l4proto tcp redirect to tcp dport map { 80 : 8080 }
        dnat ip to jhash ip saddr mod 2 map { 0 : 10.0.0.1, 1 : 10.0.0.2 }
        dnat ip to numgen inc mod 2 map { 0 : 10.0.0.1, 1 : 10.0.0.2 }
        dnat ip addr . port to tcp dport map { 80 : 10.0.0.1 . 8080 }
    """,
    ("inet", FORWARD, "flowtable f { hook ingress priority 0; devices = { eth0 }; }"): """
        flow add @f
        ip protocol tcp flow add @f
        meta oif eth0
        meta oifname "eth0" accept
    """,
    ("inet", OUTPUT, ""): """
        socket cgroupv2 level 0 "/"
        meta skuid 1000 accept
        rt ip nexthop 10.0.0.1
        rt mtu 1400
        tcp option maxseg size set rt mtu
        ipsec out spnum 2 spi 1
        ct label set 1
        meta oifname "eth0"
    """,
    ("ip", OUTPUT, ""): """
        dup to 10.0.0.1
        dup to 10.0.0.1 device "eth0"
        dup to ip saddr map { 10.0.0.1 : 10.0.0.2 }
        reject with icmp host-unreachable
        fib daddr type local
    """,
    ("ip", SOURCE, ""): """
        snat to 10.0.0.1
        snat to ip saddr map { 10.0.0.1 : 10.1.0.1 }
        masquerade fully-random
    """,
    ("ip6", OUTPUT, ""): """
        dup to fd00::1 device "eth0"
        reject with icmpv6 no-route
    """,
    ("ip6", DESTINATION, ""): """
        dnat to fd00::1
        tcp dport 80 dnat to [fd00::1]:8080
        tcp dport 80 redirect to :8080
    """,
    ("arp", "type filter hook input priority 0;", ""): """
        arp operation request
        arp saddr ip 10.0.0.1
        arp daddr ether 02:00:00:00:00:01
        arp htype 1 drop
    """,
    ("bridge", "type filter hook prerouting priority 0;", ""): """
        meta ibrname "br0"
        meta ibrpvid 100
        meta ibrvproto vlan
        vlan id 100
        vlan pcp 3
        ether type vlan ip saddr 10.0.0.1
        ether saddr . ip saddr { 02:00:00:00:00:01 . 10.0.0.1 }
        reject with icmp net-unreachable
        meta pkttype set host
    """,
    ("bridge", "type filter hook postrouting priority 0;", ""): """
        meta obrname "br0"
    """,
    ("netdev", "type filter hook ingress device eth0 priority 0;", ""): """
        fwd to "eth1"
        fwd ip to 10.0.0.1 device "eth1"
        dup to "eth1"
        dup to meta mark map { 1 : "eth1" }
        ip saddr 10.0.0.1 drop
        meta mark set 1
        ip ecn set ce
        vlan id 5 vlan pcp set 3
    """,
    ("netdev", "type filter hook egress device eth0 priority 0;", ""): """
        fwd to "eth1"
        ip6 saddr fd00::1 drop
    """,
}


def cases() -> Iterator[tuple[str, str, str, str]]:
    """Family, hook, what is declared beside the chain, and the rule."""
    for (family, hook, beside), rules in RULES.items():
        for rule in filter(None, (line.strip() for line in rules.split("\n        "))):
            yield family, hook, beside, rule
