"""The names that values of datatypes have in nft's syntax."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["FLAGS", "NAMES", "SYMBOLS"]


def _numbered(names: str, first: int = 0) -> dict[str, int]:
    """Names that follow each other; `-` skips a number."""
    return {name: number for number, name in enumerate(names.split(), first) if name != "-"}


def _bits(names: str) -> dict[str, int]:
    return {name: 1 << number for name, number in _numbered(names).items()}


_PROTOCOLS: Final = {
    "ip": 0,
    "icmp": 1,
    "igmp": 2,
    "tcp": 6,
    "udp": 17,
    "dccp": 33,
    "ipv6": 41,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "icmpv6": 58,
    "ipv6-icmp": 58,
    "eigrp": 88,
    "ospf": 89,
    "pim": 103,
    "comp": 108,
    "ipcomp": 108,
    "vrrp": 112,
    "l2tp": 115,
    "sctp": 132,
    "udplite": 136,
    "ethernet": 143,
}

_SERVICES: Final = {
    "ftp-data": 20,
    "ftp": 21,
    "ssh": 22,
    "telnet": 23,
    "smtp": 25,
    "domain": 53,
    "bootps": 67,
    "bootpc": 68,
    "tftp": 69,
    "http": 80,
    "kerberos": 88,
    "pop3": 110,
    "sunrpc": 111,
    "ntp": 123,
    "netbios-ns": 137,
    "netbios-dgm": 138,
    "netbios-ssn": 139,
    "imap2": 143,
    "snmp": 161,
    "snmp-trap": 162,
    "bgp": 179,
    "ldap": 389,
    "https": 443,
    "microsoft-ds": 445,
    "submissions": 465,
    "isakmp": 500,
    "syslog": 514,
    "dhcpv6-client": 546,
    "dhcpv6-server": 547,
    "submission": 587,
    "ldaps": 636,
    "domain-s": 853,
    "imaps": 993,
    "pop3s": 995,
    "openvpn": 1194,
    "mysql": 3306,
    "ipsec-nat-t": 4500,
    "sip": 5060,
    "sip-tls": 5061,
    "postgresql": 5432,
    "mqtt": 1883,
    "nfs": 2049,
    "http-alt": 8080,
}
"""Of /etc/services, those that firewalls name."""

_ICMP: Final = _numbered(
    "echo-reply - - destination-unreachable source-quench redirect - - echo-request"
    " router-advertisement router-solicitation time-exceeded parameter-problem timestamp-request"
    " timestamp-reply info-request info-reply address-mask-request address-mask-reply"
)

_ICMPV6: Final = {
    **_numbered("destination-unreachable packet-too-big time-exceeded parameter-problem", 1),
    **_numbered(
        "echo-request echo-reply mld-listener-query mld-listener-report mld-listener-done"
        " nd-router-solicit nd-router-advert nd-neighbor-solicit nd-neighbor-advert nd-redirect"
        " router-renumbering - - ind-neighbor-solicit ind-neighbor-advert mld2-listener-report",
        128,
    ),
    "mld-listener-reduction": 132,
}

_DSCP: Final = {
    **{f"cs{number}": number << 3 for number in range(8)},
    **{
        f"af{major}{minor}": major << 3 | minor << 1
        for major in (1, 2, 3, 4)
        for minor in (1, 2, 3)
    },
    "df": 0,
    "be": 0,
    "lephb": 1,
    "va": 0x2C,
    "ef": 0x2E,
}

SYMBOLS: Final[Mapping[str, Mapping[str, int]]] = {
    "nf_proto": {"ipv4": 2, "ipv6": 10},
    "ether_type": {
        "ip": 0x0800,
        "arp": 0x0806,
        "ip6": 0x86DD,
        "vlan": 0x8100,
        "8021q": 0x8100,
        "8021ad": 0x88A8,
    },
    "arp_op": {
        **_numbered("request reply rrequest rreply", 1),
        **_numbered("inrequest inreply nak", 8),
    },
    "inet_proto": _PROTOCOLS,
    "inet_service": _SERVICES,
    "icmp_type": _ICMP,
    "icmp_code": {
        **_numbered("net-unreachable host-unreachable prot-unreachable port-unreachable"),
        "frag-needed": 4,
        "net-prohibited": 9,
        "host-prohibited": 10,
        "admin-prohibited": 13,
    },
    "icmpv6_type": _ICMPV6,
    "icmpv6_code": _numbered(
        "no-route admin-prohibited - addr-unreachable port-unreachable policy-fail reject-route"
    ),
    "icmpx_code": _numbered("no-route port-unreachable host-unreachable admin-prohibited"),
    "igmp_type": {
        "membership-query": 17,
        "membership-report-v1": 18,
        "membership-report-v2": 22,
        "leave-group": 23,
        "membership-report-v3": 34,
    },
    "mh_type": _numbered(
        "binding-refresh-request home-test-init careof-test-init home-test careof-test"
        " binding-update binding-acknowledgement binding-error fast-binding-update"
        " fast-binding-acknowledgement fast-binding-advertisement experimental-mobility-header"
        " home-agent-switch-message"
    ),
    "dccp_pkttype": _numbered(
        "request response data ack dataack closereq close reset sync syncack"
    ),
    "iface_type": {
        "ether": 1,
        "ppp": 512,
        "ipip": 768,
        "ipip6": 769,
        "loopback": 772,
        "sit": 776,
        "ipgre": 778,
    },
    "ct_dir": {"original": 0, "reply": 1},
    "ct_state": {**_bits("invalid established related new"), "untracked": 0x40},
    "ct_status": {**_bits("expected seen-reply assured confirmed snat dnat"), "dying": 0x200},
    "tcp_flag": _bits("fin syn rst psh ack urg ecn cwr"),
    "pkt_type": {"host": 0, "unicast": 0, "broadcast": 1, "multicast": 2, "other": 3},
    "dscp": _DSCP,
    "ecn": {"not-ect": 0, "ect1": 1, "ect0": 2, "ce": 3},
    "fib_addrtype": _numbered(
        "unspec unicast local broadcast anycast multicast blackhole unreachable prohibit"
    ),
    "boolean": {"missing": 0, "exists": 1},
    "devgroup": {"default": 0},
}
"""Numbers by name, a datatype (the tables of nftables' proto.c, ct.c, meta.c and fib.c).

nft has services, protocols and groups of devices from the machine's files; here they are the
common ones, whatever the machine has.
"""

FLAGS: Final = frozenset({"tcp_flag", "ct_state", "ct_status"})
"""The datatypes of which a value can be several names: `syn | ack`."""


def _backwards() -> Mapping[str, Mapping[int, str]]:
    """The first name of each number; but of services, as nft writes those as numbers."""
    found: dict[str, dict[int, str]] = {}
    for name, symbols in SYMBOLS.items():
        if name != "inet_service":
            names = found.setdefault(name, {})
            for symbol, number in symbols.items():
                names.setdefault(number, symbol)
    return found


NAMES: Final = _backwards()
"""Names by number, a datatype."""
