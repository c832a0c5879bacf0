"""What the parameters of kinds of links are, beyond what pyroute2 tells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from .atoms import ADDRESSES, HARDWARE, PORTS, Atom, bits, integer, masked_bits

__all__ = ["FIXED", "NOT_DECLARED", "OURS", "SET_AS_A_WHOLE", "Schema"]

Schema = Mapping[str, tuple[int, Atom]]
"""Parameters by name: the attribute's type, and its shape."""

FIXED: Final[Mapping[str, frozenset[str]]] = {
    "vlan": frozenset({"id", "protocol"}),
    "vrf": frozenset({"table"}),
    "tun": frozenset({"type", "owner", "group", "pi", "vnet_hdr", "multi_queue"}),
    "vxlan": frozenset(
        {
            *("id", "port", "port_range", "limit", "ttl_inherit", "proxy", "rsc", "l2miss"),
            *("l3miss", "collect_metadata", "udp_csum", "udp_zero_csum6_tx", "udp_zero_csum6_rx"),
            *("remcsum_tx", "remcsum_rx", "remcsum_nopartial", "gbp", "gpe", "vnifilter"),
        }
    ),
}
"""Parameters by kind that stay as they were made. The kernel says nothing when told to change those
of a vlan (vlan_changelink() in net/8021q/vlan_netlink.c), and refuses it for the others
(vxlan_nl2conf() in drivers/net/vxlan/vxlan_core.c; drivers/net/vrf.c and tun.c change nothing)."""


def _numbered(*words: str) -> dict[str, int]:
    return {word: number for number, word in enumerate(words)}


_ETHERTYPES: Final = integer(2, "big", names={"802.1q": 0x8100, "802.1ad": 0x88A8})
_MACVLAN_MODES: Final = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8, "source": 16}
_MACVLAN: Final[Schema] = {
    "mode": (1, integer(4, names=_MACVLAN_MODES)),
    "flags": (2, bits(2, {"nopromisc": 1})),
    "bc_queue_len": (7, integer(4)),
}
_BOND_MODES: Final = (
    *("balance-rr", "active-backup", "balance-xor", "broadcast"),
    *("802.3ad", "balance-tlb", "balance-alb"),
)
_HASH_POLICIES: Final = (
    *("layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac"),
)
_BIG: Final = integer(4, "big")
_FLAGS: Final = integer(2, "big")
_DONT_FRAGMENT: Final = integer(1, names=_numbered("unset", "set", "inherit"))

# Names of numbers, and what pyroute2 lacks or has otherwise (include/uapi/linux/if_link.h).
OURS: Final[Mapping[str, Schema]] = {
    "vlan": {
        "protocol": (5, _ETHERTYPES),
        "flags": (
            2,
            masked_bits(
                {"reorder_hdr": 1, "gvrp": 2, "loose_binding": 4, "mvrp": 8, "bridge_binding": 16}
            ),
        ),
    },
    "bridge": {"vlan_protocol": (8, _ETHERTYPES), "vlan_stats_per_port": (45, integer(1))},
    "vxlan": {
        "port_range": (10, PORTS),
        "label": (26, _BIG),
        "df": (29, _DONT_FRAGMENT),
        "vnifilter": (30, integer(1)),
        "localbypass": (31, integer(1)),
    },
    "geneve": {"df": (13, _DONT_FRAGMENT)},
    "macvlan": _MACVLAN,
    "macvtap": _MACVLAN,
    "ip6gre": {"iflags": (2, _FLAGS), "oflags": (3, _FLAGS)},
    "ip6gretap": {"iflags": (2, _FLAGS), "oflags": (3, _FLAGS)},
    "ipip": {"flags": (8, _FLAGS)},
    "sit": {"flags": (8, _FLAGS)},
    "ipvlan": {
        "mode": (1, integer(2, names=_numbered("l2", "l3", "l3s"))),
        "flags": (2, bits(2, {"private": 1, "vepa": 2})),
    },
    "tun": {"type": (3, integer(1, names={"tun": 1, "tap": 2}))},
    "bond": {
        "mode": (1, integer(1, names=_numbered(*_BOND_MODES))),
        "arp_ip_target": (8, ADDRESSES),
        "arp_all_targets": (10, integer(4, names=_numbered("any", "all"))),
        "primary_reselect": (12, integer(1, names=_numbered("always", "better", "failure"))),
        "fail_over_mac": (13, integer(1, names=_numbered("none", "active", "follow"))),
        "xmit_hash_policy": (14, integer(1, names=_numbered(*_HASH_POLICIES))),
        "ad_lacp_rate": (21, integer(1, names=_numbered("slow", "fast"))),
        "ad_select": (22, integer(1, names=_numbered("stable", "bandwidth", "count"))),
        "ad_actor_system": (26, HARDWARE),
        "peer_notif_delay": (28, integer(4)),
        "ad_lacp_active": (29, integer(1, names=_numbered("off", "on"))),
        "missed_max": (30, integer(1)),
        "coupled_control": (32, integer(1)),
    },
}

# What the kernel alone says, what is an action, and interfaces, which have indices: a link's
# parent is a field of its own.
NOT_DECLARED: Final[Mapping[str, Iterable[str]]] = {
    "bridge": (
        *("root_port", "root_path_cost", "topology_change", "topology_change_detected"),
        *("hello_timer", "tcn_timer", "topology_change_timer", "gc_timer"),
        *("fdb_flush", "mcast_hash_elasticity", "pad"),
    ),
    "bond": ("active_slave", "primary"),
    "macvlan": ("macaddr_mode", "macaddr", "macaddr_count"),
    "macvtap": ("macaddr_mode", "macaddr", "macaddr_count"),
    "tun": ("persist", "num_queues", "num_disabled_queues"),
}

# Their change sets all: what is not said goes back to nothing (ipgre_netlink_parms() in
# net/ipv4/ip_gre.c and its like).
SET_AS_A_WHOLE: Final = frozenset(
    {
        *("gre", "gretap", "erspan", "ip6gre", "ip6gretap", "ip6erspan"),
        *("ipip", "sit", "ip6tnl", "vti", "vti6", "xfrm"),
    }
)
