"""Rules twice: as the builders have them, and as nft's syntax does."""

from __future__ import annotations

from attrs import frozen

from tests.netfilter_pairs.addresses import ADDRESSES
from tests.netfilter_pairs.connections import CONNECTIONS
from tests.netfilter_pairs.fields import FIELDS
from tests.netfilter_pairs.link import ARP, FOUR, LINK, MIXED, NETDEV, SIX, STACKED
from tests.netfilter_pairs.lookups import LOOKUPS
from tests.netfilter_pairs.metadata import METADATA
from tests.netfilter_pairs.pair import Pair
from tests.netfilter_pairs.ports import PORTS
from tests.netfilter_pairs.statements import RAW, REJECTING, STATEMENTS
from tests.netfilter_pairs.translation import DESTINATION, SOURCE

__all__ = ["DECLARED", "SECTIONS", "Section"]


@frozen
class Section:
    """Pairs of one chain; `chain` is what nft's syntax says of it."""

    name: str
    family: str
    chain: str
    pairs: list[Pair]

    @property
    def text(self) -> str:
        rules = "\n".join(text for _, text in self.pairs)
        return f"table {self.family} t {{\n{DECLARED}\nchain c {{ {self.chain}\n{rules}\n}}\n}}\n"


DECLARED = """
set blocked { type ipv4_addr; flags interval; }
set plain { type ipv4_addr; }
set six { type ipv6_addr; }
set pairs { type ipv4_addr . inet_service; }
set marks { type mark; flags interval; }
set states { type ct_state; }
set dscps { type dscp; }
set names { type ifname; flags interval; }
set marked { type ipv4_addr . mark; flags interval; }
map ports { type inet_service : verdict; }
map markers { type ipv4_addr : mark; }
map hosts { type inet_service : ipv4_addr; }
map places { type inet_service : ipv4_addr . inet_service; }
map counts { type inet_service : counter; }
counter c1 { }
quota q1 { 10 mbytes }
limit l1 { rate 1/second }
chain other { }
"""

INPUT = "type filter hook input priority filter;"
INGRESS = "type filter hook ingress device lo priority 0;"

SECTIONS: list[Section] = [
    Section("addresses", "inet", INPUT, ADDRESSES),
    Section("fields", "inet", INPUT, FIELDS),
    Section("ports", "inet", INPUT, PORTS),
    Section("lookups", "inet", INPUT, LOOKUPS),
    Section("connections", "inet", INPUT, CONNECTIONS),
    Section("metadata", "inet", INPUT, METADATA),
    Section("statements", "inet", INPUT, STATEMENTS),
    Section("link-inet", "inet", INPUT, LINK),
    Section("link-ip", "ip", INPUT, [pair for pair in LINK if "icmp" not in pair[1]]),
    Section("link-bridge", "bridge", INPUT, LINK + STACKED),
    Section(
        "link-netdev",
        "netdev",
        INGRESS,
        LINK + STACKED + NETDEV,
    ),
    Section("mixed-inet", "inet", INPUT, MIXED),
    Section("mixed-bridge", "bridge", INPUT, MIXED),
    Section(
        "mixed-netdev",
        "netdev",
        INGRESS,
        MIXED + REJECTING,
    ),
    Section("arp", "arp", INPUT, ARP),
    Section("source", "inet", "type nat hook postrouting priority srcnat;", SOURCE),
    Section("destination", "inet", "type nat hook prerouting priority dstnat;", DESTINATION),
    Section("raw", "inet", "type filter hook prerouting priority raw;", RAW),
    Section("ip", "ip", INPUT, FOUR),
    Section("ip6", "ip6", INPUT, SIX),
]
