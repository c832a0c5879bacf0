"""Rules twice: as TOML tables, and as nft's syntax has them."""

from __future__ import annotations

from attrs import field, frozen

from tests.firewall_rules.lookups import LOOKUPS
from tests.firewall_rules.matches import ARP, BRIDGE, MATCHES, NETDEV
from tests.firewall_rules.statements import (
    DESTINATION,
    FLOWTABLE,
    OBJECTS,
    QUEUE,
    RAW,
    SECMARK,
    SOURCE,
    STATEMENTS,
)
from tests.netfilter_pairs import DECLARED

__all__ = ["WRITTEN", "Written"]


@frozen
class Written:
    """Rules of one chain; `hook` and `type` are its own; `seldom` what not every kernel has."""

    name: str
    family: str
    hook: str
    type: str
    pairs: list[tuple[str, str]] = field(eq=False)
    seldom: bool = False

    @property
    def nft(self) -> str:
        """The table in nft's syntax."""
        device = " device lo" if self.family == "netdev" else ""
        head = f"type {self.type} hook {self.hook}{device} priority 0;"
        rules = "\n".join(text for _, text in self.pairs)
        more, _ = MORE.get(self.name, ("", ""))
        return f"table {self.family} t {{\n{DECLARED}{more}\nchain c {{ {head}\n{rules}\n}}\n}}\n"

    @property
    def toml(self) -> str:
        """The table in TOML."""
        rules = ",\n".join(rule for rule, _ in self.pairs)
        table = f"[netfilter.{self.family}.t"
        _, more = MORE.get(self.name, ("", ""))
        declared = (DECLARED_IN_TOML + more).replace("[T", table)
        chain = f"{table}.chains.c]\nhook = '{self.hook}'\ntype = '{self.type}'\npriority = 0\n"
        chain += "devices = ['lo']\n" if self.family == "netdev" else ""
        return f"{declared}\n{chain}rules = [\n{rules}\n]\n"


DECLARED_IN_TOML = """
[T.sets.blocked]
type = "ipv4_addr"
interval = true
[T.sets.plain]
type = "ipv4_addr"
[T.sets.six]
type = "ipv6_addr"
[T.sets.pairs]
type = "ipv4_addr . inet_service"
[T.sets.marks]
type = "mark"
interval = true
[T.sets.states]
type = "ct_state"
[T.sets.dscps]
type = "dscp"
[T.sets.names]
type = "ifname"
interval = true
[T.sets.marked]
type = "ipv4_addr . mark"
interval = true
[T.sets.ports]
type = "inet_service"
data = "verdict"
[T.sets.markers]
type = "ipv4_addr"
data = "mark"
[T.sets.hosts]
type = "inet_service"
data = "ipv4_addr"
[T.sets.places]
type = "inet_service"
data = "ipv4_addr . inet_service"
[T.sets.counts]
type = "inet_service"
objects = "counter"
[T.counters.c1]
[T.quotas.q1]
number = 10
unit = "mbytes"
[T.limits.l1]
rate = 1
[T.chains.other]
"""

MORE = {
    "objects": (
        """
ct helper h1 { type "ftp" protocol tcp; l3proto inet; }
ct timeout t1 { protocol tcp; l3proto ip; policy = { established : 120, close : 4 }; }
ct expectation e1 { protocol tcp; dport 9876; timeout 1m; size 12; l3proto ip; }
synproxy s1 { mss 1460; wscale 7; timestamp sack-perm; }
""",
        """
[T.ct_helpers.h1]
helper = "ftp"
protocol = "tcp"
[T.ct_timeouts.t1]
protocol = "tcp"
family = "ip"
policy = { established = 120, close = 4 }
[T.ct_expectations.e1]
protocol = "tcp"
port = 9876
timeout_ms = 60000
size = 12
[T.synproxies.s1]
mss = 1460
wscale = 7
timestamp = true
sack_perm = true
""",
    ),
    "secmark": (
        'secmark m1 { "system_u:object_r:x:s0" }',
        '[T.secmarks.m1]\ncontext = "system_u:object_r:x:s0"',
    ),
    "flowtable": ("flowtable f1 { hook ingress priority 0; }", "[T.flowtables.f1]"),
}
"""What some sections declare besides; not every kernel has it."""

WRITTEN: list[Written] = [
    Written("matches", "inet", "input", "filter", MATCHES),
    Written("lookups", "inet", "input", "filter", LOOKUPS),
    Written("statements", "inet", "input", "filter", STATEMENTS),
    Written("objects", "inet", "forward", "filter", OBJECTS),
    Written("secmark", "inet", "forward", "filter", SECMARK, seldom=True),
    Written("flowtable", "inet", "forward", "filter", FLOWTABLE, seldom=True),
    Written("queue", "inet", "input", "filter", QUEUE, seldom=True),
    Written("source", "inet", "postrouting", "nat", SOURCE),
    Written("destination", "inet", "prerouting", "nat", DESTINATION),
    Written("raw", "inet", "prerouting", "filter", RAW),
    Written("netdev", "netdev", "ingress", "filter", NETDEV),
    Written("bridge", "bridge", "input", "filter", BRIDGE),
    Written("arp", "arp", "input", "filter", ARP),
]
