"""Sets and maps of every kind, in the language of nft and in Python."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Any

from attrs import frozen

from linx_async.netfilter.desired import Set
from linx_async.netfilter.desired.element import Element

__all__ = ["COUNTER", "DECLARED", "Case", "all_cases"]

COUNTER = bytes.fromhex("100001000c000100636f756e74657200")
"""The statement `counter`, canonical."""
DECLARED = """
chain web { }
chain dns { }
counter hits { }
counter misses { }
quota q { 5 bytes }
"""
"""What the maps name."""


@frozen
class Case:
    """A set in nft's syntax, and the same in Python."""

    text: str
    set: Set

    @property
    def name(self) -> str:
        return " ".join(self.text.split())


class Cases:
    """Sets, each with a name of its own."""

    def __init__(self) -> None:
        self.all: list[Case] = []

    def of(self, type: str, nft: str, elements: Any, **options: Any) -> None:
        """A set with these elements, and what options say in nft's words."""
        name = f"s{len(self.all)}"
        data = options.get("data") or options.get("objects")
        lines = [
            f"{'map' if data else 'set'} {name} {{",
            f"type {type}{f' : {data}' if data else ''}",
            *_said(options),
            *([f"elements = {{ {nft} }}"] if nft else []),
            "}",
        ]
        self.all.append(Case("\n".join(lines), Set(name, type, elements, **options)))

    def both(self, type: str, nft: str, elements: Iterable[Any], **options: Any) -> None:
        """The same elements without and with ranges."""
        listed = elements if isinstance(elements, dict) else list(elements)
        self.of(type, nft, listed, **options)
        self.of(type, nft, listed, interval=True, **options)

    def ranges(self, type: str, nft: str, elements: Iterable[Any], **options: Any) -> None:
        self.of(type, nft, elements, interval=True, **options)


def _said(options: dict[str, Any]) -> list[str]:
    flags = {
        "interval": "interval",
        "constant": "constant",
        "dynamic": "dynamic",
        "timeouts": "timeout",
    }
    given = [word for option, word in flags.items() if options.get(option)]
    words = {
        "timeout_ms": "timeout {}ms",
        "gc_interval_ms": "gc-interval {}ms",
        "size": "size {}",
        "comment": 'comment "{}"',
        "memory": "policy memory",
        "auto_merge": "auto-merge",
        "expressions": "counter",
    }
    said = [form.format(options[option]) for option, form in words.items() if option in options]
    return ([f"flags {','.join(given)}"] if given else []) + said


def every_datatype(cases: Cases) -> None:
    both = cases.both
    both("ipv4_addr", "1.2.3.4, 255.255.255.255", ["1.2.3.4", IPv4Address("255.255.255.255")])
    both("ipv6_addr", "::1, fe80::1:2", ["::1", "fe80::1:2"])
    both("ether_addr", "00:11:22:33:44:55", ["00:11:22:33:44:55"])
    both("ether_type", "ip, vlan, 0x1234", ["ip", "vlan", 0x1234])
    both("arp_op", "request, nak, 7", ["request", "nak", 7])
    both("inet_proto", "tcp, udp, 200", ["tcp", "udp", 200])
    both("inet_service", "22, 443, 65535", [22, "443", 0xFFFF])
    both("inet_service", "ssh, https, domain", ["ssh", "https", "domain"])
    both("icmp_type", "echo-request, 0", ["echo-request", "echo-reply"])
    both("icmp_code", "host-unreachable, frag-needed", ["host-unreachable", "frag-needed"])
    both("icmpv6_type", "nd-redirect, mld2-listener-report", ["nd-redirect", 143])
    both("icmpv6_code", "no-route, reject-route", ["no-route", "reject-route"])
    both("icmpx_code", "host-unreachable", ["host-unreachable"])
    both("igmp_type", "leave-group", ["leave-group"])
    both("mh_type", "binding-update", ["binding-update"])
    both("dccp_pkttype", "request, syncack, 15", ["request", "syncack", 15])
    both("tcp_flag", "syn, fin, 0x12", ["syn", "fin", "syn | ack"])
    both("ct_state", "new, established, untracked", ["new", "established", "untracked"])
    both("ct_status", "snat, seen-reply", ["snat", "seen-reply"])
    both("ct_dir", "original", ["original"])
    both("nf_proto", "ipv4, ipv6", ["ipv4", "ipv6"])
    both("mark", "1, 0x10, 0xffffffff", [1, "0x10", 0xFFFFFFFF])
    both("ifname", '"lo", "eth0"', ["lo", "eth0"])
    both("iface_type", "ether, ppp", ["ether", "ppp"])
    both("iface_index", "lo", [1])
    both("realm", "5", [5])
    both("classid", "1:5, ffff:2", ["1:5", "ffff:2"])
    both("devgroup", "7", [7])
    both("uid", "0, 1000", [0, 1000])
    both("gid", "0, 1000", [0, 1000])
    both("pkt_type", "host, other", ["host", "other"])
    both("dscp", "cs1, 0, 63", ["cs1", "be", 63])
    both("ecn", "ce, ect0", ["ce", "ect0"])
    both("fib_addrtype", "local, unicast", ["local", "unicast"])
    both("boolean", "exists", [True])
    both("time", "5s, 1d2h3m4s5ms", [5, "1d2h3m4s5ms"])
    both("time", "100ms", [timedelta(milliseconds=100)])
    both("cgroupsv2", '"/"', [1])


def ranges(cases: Cases) -> None:
    each = cases.ranges
    each(
        "ipv4_addr",
        "192.0.2.1, 10.0.0.0/8, 11.1.0.1-11.1.0.9",
        ["192.0.2.1", IPv4Network("10.0.0.0/8"), ("11.1.0.1", "11.1.0.9")],
    )
    each("ipv4_addr", "0.0.0.0/8, 255.0.0.0/8", ["0.0.0.0/8", "255.0.0.0-255.255.255.255"])
    each("ipv4_addr", "0.0.0.0/0", ["0.0.0.0/0"])
    each("ipv4_addr", "255.255.255.255, *", ["*", "255.255.255.255"])
    each(
        "ipv4_addr", "1.0.0.1, 1.0.0.2, 1.0.0.3-1.0.0.5", ["1.0.0.1", "1.0.0.2", "1.0.0.3-1.0.0.5"]
    )
    each("ipv4_addr", "9.0.0.0/8, 9.0.0.0-9.255.255.255", ["9.0.0.0/8", "9.0.0.0-9.255.255.255"])
    each("ipv6_addr", "fe80::/10, ::1, ff00::/8", [IPv6Network("fe80::/10"), "::1", "ff00::/8"])
    each("ipv6_addr", "::-::ffff, 2001:db8::/32", [("::", "::ffff"), "2001:db8::/32"])
    each("inet_service", "0-1023, 8080, 60000-65535", [(0, 1023), 8080, "60000-65535"])
    each("inet_service", "0-65535", ["0-65535"])
    each("mark", "1, 0x10-0x20", [1, (0x10, 0x20)])
    each("uid", "0, 1000-2000", [0, (1000, 2000)])
    each("ether_addr", "00:11:22:33:44:55-00:11:22:33:44:ff", ["0:11:22:33:44:55-0:11:22:33:44:ff"])
    each("time", "5s-10s", [("5s", "10s")])
    each("dscp", "0-63", [(0, 63)])
    each("ifname", '"eth*", "lo"', ["eth*", "lo"])
    each("ifname", '"a*", "b*", "xverylongname12"', ["a*", "b*", "xverylongname12"])
    joined: dict[str, Any] = {"auto_merge": True}
    each("ipv4_addr", "1.0.0.0, 1.0.0.1, 1.0.0.3", ["1.0.0.0", "1.0.0.1", "1.0.0.3"], **joined)
    each("ipv4_addr", "1.0.0.0/8, 1.9.0.0-2.1.0.0", ["1.9.0.0-2.1.0.0", "1.0.0.0/8"], **joined)
    each("inet_service", "5-10, 1-7, 11, 13", ["5-10", "1-7", 11, 13], **joined)
    each(
        "ipv4_addr",
        '1.0.0.1 comment "a", 1.0.0.2, 1.0.0.3 comment "b"',
        [Element("1.0.0.1", comment="a"), "1.0.0.2", Element("1.0.0.3", comment="b")],
        **joined,
    )
    each(
        "ipv4_addr",
        '1.0.0.0 comment "a", 1.0.0.0/24 comment "b"',
        [Element("1.0.0.0", comment="a"), Element("1.0.0.0/24", comment="b")],
        **joined,
    )


def concatenations(cases: Cases) -> None:
    pair = "ipv4_addr . inet_service"
    cases.of(pair, "1.2.3.4 . 80, 1.2.3.5 . ssh", [("1.2.3.4", 80), "1.2.3.5 . ssh"])
    cases.both(pair, "1.2.3.4 . 80, *", [("1.2.3.4", 80), "*"])
    cases.ranges(
        pair,
        "1.2.3.0/24 . 80-90, 1.2.4.4-1.2.4.9 . 100, 5.5.5.5 . 7, *",
        [("1.2.3.0/24", (80, 90)), (("1.2.4.4", "1.2.4.9"), 100), ("5.5.5.5", 7), "*"],
    )
    cases.ranges(
        pair, "1.0.0.1 . 2, 1.0.0.1 . 3", [("1.0.0.1", 2), ("1.0.0.1", 3)], auto_merge=True
    )
    mac = "00:11:22:33:44:55"
    for type, nft, parts in (
        ("mark . ifname", '5 . "eth0"', (5, "eth0")),
        ("inet_proto . inet_service . ether_addr", f"tcp . 5 . {mac}", ("tcp", 5, mac)),
        ("dscp . ecn . ct_state", "cs1 . ce . new", ("cs1", "ce", "new")),
        ("ipv6_addr . mark . ipv6_addr", "::1 . 7 . fe80::1", ("::1", 7, "fe80::1")),
        ("uid . gid . ct_state . mark", "1 . 2 . related . 3", (1, 2, "related", 3)),
        ("ether_type . icmp_type", "arp . echo-reply", ("arp", "echo-reply")),
        (
            "ipv4_addr . ipv4_addr . inet_proto . inet_service . mark",
            "1.1.1.1 . 2.2.2.2 . udp . 5 . 1",
            ("1.1.1.1", "2.2.2.2", "udp", 5, 1),
        ),
    ):
        cases.both(type, nft, [parts])
    cases.ranges("mark . ifname", '5-6 . "eth0", 7 . "ppp*"', [((5, 6), "eth0"), (7, "ppp*")])
    cases.ranges("dscp . ct_state", "0x5-0x7 . new", [((5, 7), "new")])


def with_more(cases: Cases) -> None:
    of, kind = cases.of, "ipv4_addr"
    cases.both(kind, "", [])
    of(kind, "", [], comment="hi", size=100, memory=True)
    of(kind, "", [], interval=True, auto_merge=True, comment="hi")
    of(kind, "", [], dynamic=True, size=1000, timeout_ms=60_000, gc_interval_ms=5000)
    of(
        kind,
        '1.1.1.1, 1.1.1.2 timeout 1h, 1.1.1.3 timeout 5m comment "x"',
        [
            "1.1.1.1",
            Element("1.1.1.2", timeout_ms=3_600_000),
            Element("1.1.1.3", timeout_ms=300_000, comment="x"),
        ],
        timeout_ms=3_600_000,
    )
    of(
        kind,
        '1.1.1.3 timeout 5m, 2.2.2.2 comment "y", 3.3.3.3',
        {"1.1.1.3": Element(timeout_ms=300_000), "2.2.2.2": Element(comment="y"), "3.3.3.3": None},
        timeouts=True,
    )
    for options in ({"timeouts": True}, {"timeout_ms": 300_000}):
        of(
            kind,
            '1.1.1.0/24 timeout 1h comment "y", 2.0.0.0/8, 255.0.0.0/8 comment "z"',
            {
                "1.1.1.0/24": Element(timeout_ms=3_600_000, comment="y"),
                "2.0.0.0/8": None,
                "255.0.0.0/8": Element(comment="z"),
            },
            interval=True,
            **options,
        )
    counted: dict[str, Any] = {"expressions": COUNTER}
    cases.both(kind, "1.1.1.1, *", ["1.1.1.1", "*"], **counted)
    of(
        kind,
        '1.1.1.0/24, 2.0.0.0/8 comment "z", 255.0.0.0/8',
        ["1.1.1.0/24", Element("2.0.0.0/8", comment="z"), "255.0.0.0/8"],
        interval=True,
        **counted,
    )
    cases.both("ipv4_addr . mark", "1.1.1.1 . 5", [("1.1.1.1", 5)], **counted)
    fixed: dict[str, Any] = {"constant": True}
    cases.both(kind, "", [], **fixed)
    cases.both(kind, "1.1.1.1, 2.2.2.2, *", ["1.1.1.1", "2.2.2.2", "*"], **fixed)
    all_there = ["1.1.1.1", "2.0.0.0/8", "255.0.0.0/8", "*"]
    cases.ranges(kind, ", ".join(all_there), all_there, **fixed)
    cases.ranges(kind, "0.0.0.0/0", ["0.0.0.0/0"], **fixed)
    cases.ranges("ipv4_addr . mark", "1.0.0.0/8 . 5, *", ["1.0.0.0/8 . 5", "*"], **fixed)


def maps(cases: Cases) -> None:
    of, kind, pair = cases.of, "ipv4_addr", "ipv4_addr . inet_service"
    for data, nft, value in (
        ("ipv4_addr", "1.2.3.4", "1.2.3.4"),
        ("ipv6_addr", "::1", "::1"),
        ("inet_service", "80", 80),
        ("mark", "0x5", 5),
        ("ifname", '"eth0"', "eth0"),
        ("ether_addr", "02:00:00:00:00:01", "02:00:00:00:00:01"),
        ("classid", "1:2", "1:2"),
        ("dscp", "af11", "af11"),
        (pair, "1.2.3.4 . 80", ("1.2.3.4", 80)),
        ("mark . inet_service", "1 . 80", (1, 80)),
        ("interval ipv4_addr", "1.2.3.0/24", "1.2.3.0/24"),
        ("interval mark", "1-5", (1, 5)),
        (f"interval {pair}", "1.2.3.4-1.2.3.9 . 80-90", (("1.2.3.4", "1.2.3.9"), (80, 90))),
    ):
        of(kind, f"1.1.1.1 : {nft}", {"1.1.1.1": value}, data=data)
        of(
            kind,
            f"1.1.1.0/24 : {nft}, 255.0.0.0/8 : {nft}, * : {nft}",
            {"1.1.1.0/24": value, "255.0.0.0/8": value, "*": value},
            data=data,
            interval=True,
        )
    verdicts: dict[Any, str] = {1: "accept", 2: "drop", 3: "return", 4: "continue", 5: "jump web"}
    verdicts |= {6: "goto dns", "*": "accept"}
    said = ", ".join(f"{key} : {verdict}" for key, verdict in verdicts.items())
    cases.both("inet_service", said, verdicts, data="verdict")
    cases.both("inet_service", said, verdicts, data="verdict", expressions=COUNTER)
    of(pair, "1.1.1.1 . 80 : jump web", {("1.1.1.1", 80): "jump web"}, data="verdict")
    of(
        pair,
        "1.1.1.0/24 . 1-5 : 1.1.1.1 . 8",
        {("1.1.1.0/24", "1-5"): ("1.1.1.1", 8)},
        data=pair,
        interval=True,
    )
    counters = {"1.1.1.1": "hits", "*": "misses"}
    cases.both(kind, '1.1.1.1 : "hits", * : "misses"', counters, objects="counter")
    of("mark", '5 : "q"', {5: "q"}, objects="quota")
    of(
        kind,
        '1.1.1.1 timeout 1m comment "x" : 5, 1.1.1.2 : 6',
        {"1.1.1.1": Element(data=5, timeout_ms=60_000, comment="x"), "1.1.1.2": 6},
        data="mark",
        timeouts=True,
    )
    of(
        kind,
        "1.1.1.1 : 1, 2.2.2.2 : 2",
        [Element("1.1.1.1", data=1), Element("2.2.2.2", data=2)],
        data="mark",
        constant=True,
        interval=True,
    )


def all_cases() -> list[Case]:
    cases = Cases()
    for fill in (every_datatype, ranges, concatenations, with_more, maps):
        fill(cases)
    return cases.all
