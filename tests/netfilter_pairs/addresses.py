"""Addresses: alone, as networks and ranges, and in sets."""

from __future__ import annotations

from typing import Final

from linx_async.netfilter import build as nft
from linx_async.netfilter.build import rule
from tests.netfilter_pairs.pair import Pair

__all__ = ["ADDRESSES"]

ADDRESSES: Final[list[Pair]] = [
    (rule(nft.ip.saddr == "192.0.2.1"), "ip saddr 192.0.2.1"),
    (rule(nft.ip.saddr != "192.0.2.1"), "ip saddr != 192.0.2.1"),
    (rule(nft.ip.saddr == "10.0.0.0/8"), "ip saddr 10.0.0.0/8"),
    (rule(nft.ip.saddr != "10.0.0.0/8"), "ip saddr != 10.0.0.0/8"),
    (rule(nft.ip.daddr == "10.0.0.0/9"), "ip daddr 10.0.0.0/9"),
    (rule(nft.ip.daddr != "172.16.0.0/12"), "ip daddr != 172.16.0.0/12"),
    (rule(nft.ip.saddr == "192.0.2.1/32"), "ip saddr 192.0.2.1/32"),
    (rule(nft.ip.saddr == "0.0.0.0/0"), "ip saddr 0.0.0.0/0"),
    (rule(nft.ip.saddr == ("10.0.0.1", "10.0.0.9")), "ip saddr 10.0.0.1-10.0.0.9"),
    (rule(nft.ip.saddr != ("10.0.0.1", "10.0.0.9")), "ip saddr != 10.0.0.1-10.0.0.9"),
    (rule(nft.ip.saddr < "128.0.0.0"), "ip saddr < 128.0.0.0"),
    (rule(nft.ip.daddr >= "224.0.0.0"), "ip daddr >= 224.0.0.0"),
    (rule(nft.ip.saddr & "255.255.0.255" == "10.1.0.1"), "ip saddr & 255.255.0.255 == 10.1.0.1"),
    (
        rule(nft.ip.saddr.in_("10.0.0.0/8", "192.168.0.0/16")),
        "ip saddr { 10.0.0.0/8, 192.168.0.0/16 }",
    ),
    (rule(nft.ip.saddr.in_("10.0.0.1", "10.0.0.3")), "ip saddr { 10.0.0.1, 10.0.0.3 }"),
    (
        rule(nft.ip.saddr.not_in("10.0.0.0/8", "192.168.0.1")),
        "ip saddr != { 10.0.0.0/8, 192.168.0.1 }",
    ),
    (rule(nft.ip.saddr.in_("10.0.0.0/8")), "ip saddr { 10.0.0.0/8 }"),
    (
        rule(nft.ip.saddr.in_("10.0.0.0/8", "10.1.0.0/16", "11.0.0.0/8")),
        "ip saddr { 10.0.0.0/8, 10.1.0.0/16, 11.0.0.0/8 }",
    ),
    (rule(nft.ip.saddr.in_("1.2.3.4", "0.0.0.0/0")), "ip saddr { 1.2.3.4, 0.0.0.0/0 }"),
    (rule(nft.ip.saddr.in_set("blocked")), "ip saddr @blocked"),
    (rule(nft.ip.saddr.not_in_set("blocked")), "ip saddr != @blocked"),
    (rule(~nft.ip.saddr.in_set("plain")), "ip saddr != @plain"),
    (rule(nft.ip6.saddr == "2001:db8::1"), "ip6 saddr 2001:db8::1"),
    (rule(nft.ip6.saddr == "fe80::/10"), "ip6 saddr fe80::/10"),
    (rule(nft.ip6.saddr == "fe80::/64"), "ip6 saddr fe80::/64"),
    (rule(nft.ip6.daddr != "fe80::/64"), "ip6 daddr != fe80::/64"),
    (rule(nft.ip6.daddr == ("::1", "::5")), "ip6 daddr ::1-::5"),
    (rule(nft.ip6.saddr.in_("fe80::/10", "::1")), "ip6 saddr { fe80::/10, ::1 }"),
    (rule(nft.ip6.saddr.in_set("six")), "ip6 saddr @six"),
    (rule(nft.ip6.saddr == "::1", nft.ip6.daddr == "::2"), "ip6 saddr ::1 ip6 daddr ::2"),
    (
        rule(nft.ip.saddr == "10.0.0.1", nft.ip.daddr == "10.0.0.2"),
        "ip saddr 10.0.0.1 ip daddr 10.0.0.2",
    ),
]
