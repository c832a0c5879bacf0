"""The parameters of each kind of link, by name: checked, packed and unpacked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from ..._core.errors import DesiredStateError, SourceError
from ..._kernel.netlink import NetlinkDecodeError, attribute_map, pack_attribute
from .atoms import (
    ADDRESSES,
    HARDWARE,
    PORTS,
    PRESENCE,
    TEXT,
    Atom,
    Value,
    bits,
    integer,
    ip,
    masked_bits,
)

__all__ = ["FIXED", "check_parameters", "decode_parameters", "encode_change", "encode_parameters"]

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

_Schema = Mapping[str, tuple[int, Atom]]

_INSTALL: Final = "pyroute2 is not installed: pip install 'linx-async[rtnl]'"

_ATOMS: Final[Mapping[str, Atom]] = {
    **{f"uint{8 * width}": integer(width) for width in (1, 2, 4, 8)},
    **{f"int{8 * width}": integer(width, signed=True) for width in (1, 2, 4, 8)},
    **{f"be{8 * width}": integer(width, "big") for width in (1, 2, 4, 8)},
    "ip4addr": ip(4),
    "ip6addr": ip(6),
    "l2addr": HARDWARE,
    "asciiz": TEXT,
    "flag": PRESENCE,
}
"""Our atoms by the names that pyroute2 has for them."""
_FORMATS: Final = {
    "B": _ATOMS["uint8"],
    "H": _ATOMS["uint16"],
    "I": _ATOMS["uint32"],
    ">H": _ATOMS["be16"],
    ">I": _ATOMS["be32"],
}
"""Our atoms by the formats that classes of pyroute2 with one field have."""


def _numbered(*words: str) -> dict[str, int]:
    return {word: number for number, word in enumerate(words)}


_ETHERTYPES: Final = integer(2, "big", names={"802.1q": 0x8100, "802.1ad": 0x88A8})
_MACVLAN_MODES: Final = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8, "source": 16}
_MACVLAN: Final[_Schema] = {
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
_OURS: Final[Mapping[str, _Schema]] = {
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
_NOT_DECLARED: Final[Mapping[str, Iterable[str]]] = {
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
_INDEX_OF_PARENT: Final = "link"
# Their change sets all: what is not said goes back to nothing (ipgre_netlink_parms() in
# net/ipv4/ip_gre.c and its like).
_SET_AS_A_WHOLE: Final = frozenset(
    {
        *("gre", "gretap", "erspan", "ip6gre", "ip6gretap", "ip6erspan"),
        *("ipip", "sit", "ip6tnl", "vti", "vti6", "xfrm"),
    }
)
_NO_KINDS_OF_LINKS: Final = frozenset({"bridge_slave", "tuntap"})


@cache
def _schema(kind: str) -> _Schema | None:
    """The parameters of a kind by name; None of a kind that pyroute2 does not know.

    Raises:
        ImportError: pyroute2 is not installed.
    """
    # About 200 ms: who declares no parameters does not pay for it.
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

    known: Any = ifinfmsg.ifinfo.data_map.get(kind)
    if known is None or kind in _NO_KINDS_OF_LINKS:
        return None
    prefix = known.nla_map[0][0].removesuffix("UNSPEC")
    schema: dict[str, tuple[int, Atom]] = {}
    for number, (name, shape, *_) in enumerate(known.nla_map):
        atom = _atom(known, shape)
        if atom is not None:
            schema[name.removeprefix(prefix).lower()] = number, atom
    schema |= _OURS.get(kind, {})
    for name in (*_NOT_DECLARED.get(kind, ()), _INDEX_OF_PARENT):
        schema.pop(name, None)
    return schema


def _atom(owner: Any, shape: str) -> Atom | None:
    if shape in _ATOMS:
        return _ATOMS[shape]
    fields: Any = getattr(getattr(owner, shape, None), "fields", ())
    if len(fields) != 1 or fields[0][0] != "value":
        return None
    return _FORMATS.get(fields[0][1])


def check_parameters(kind: str, parameters: Mapping[str, Any]) -> dict[str, Value]:
    """The parameters as `decode_parameters` gives them back, so that equal means equal.

    An IPv6 address for what has one parameter for each family is the one for IPv6: `group` of a
    vxlan is then `group6`.

    Raises:
        DesiredStateError: The kind has no such parameter, or none that are known; a value does not
            fit; or pyroute2 is not installed.
    """
    if not parameters:
        return {}
    try:
        schema = _schema(kind)
    except ImportError as error:
        raise DesiredStateError(f"parameters: of links of kind {kind}: {_INSTALL}") from error
    if not schema:
        raise DesiredStateError(
            f"parameters: links of kind {kind} have none that are known here, got"
            f" {', '.join(map(str, parameters))}"
        )
    return dict(_checked(kind, schema, name, value) for name, value in parameters.items())


def _checked(kind: str, schema: _Schema, name: str, value: Any) -> tuple[str, Value]:
    if name not in schema:
        hint = ": a link's parent is a field of its own" if name == _INDEX_OF_PARENT else ""
        raise DesiredStateError(
            f"parameters: {name!r}: links of kind {kind} have no such parameter{hint}; they have"
            f" {', '.join(sorted(schema))}"
        )
    for candidate in (name, f"{name}6"):
        if candidate in schema:
            try:
                return candidate, schema[candidate][1].check(value)
            except ValueError:
                continue
    raise DesiredStateError(
        f"parameters: {name} of a {kind}: expected {schema[name][1].expected}, got {value!r}"
    )


def encode_parameters(kind: str, parameters: Mapping[str, Value]) -> bytes:
    """IFLA_INFO_DATA, packed, of parameters that `check_parameters` gave.

    What is False and has no value in the kernel but being there is left out.

    Raises:
        SourceError: pyroute2 is not installed.
        KeyError: The parameters were not checked.
    """
    if not parameters:
        return b""
    schema = _schema_or_error(kind)
    packed = []
    for name, value in sorted(parameters.items(), key=lambda item: schema[item[0]][0]):
        number, atom = schema[name]
        if atom is PRESENCE and not value:
            continue
        packed.append(pack_attribute(number, atom.encode(value)))
    return b"".join(packed)


def encode_change(kind: str, parameters: Mapping[str, Value], observed: bytes) -> bytes:
    """IFLA_INFO_DATA, packed, that changes parameters of a link and leaves the others.

    Args:
        kind: The link's kind.
        parameters: Those that change, as `check_parameters` gave them.
        observed: IFLA_INFO_DATA of the link as it is.

    Raises:
        NetlinkDecodeError: What was observed is malformed.
        SourceError: pyroute2 is not installed.
        KeyError: The parameters were not checked.
    """
    changed = encode_parameters(kind, parameters)
    if kind not in _SET_AS_A_WHOLE:
        return changed
    whole = attribute_map(observed) | attribute_map(changed)
    return b"".join(pack_attribute(number, value) for number, value in sorted(whole.items()))


def decode_parameters(kind: str, data: bytes) -> dict[str, Value]:
    """The parameters that IFLA_INFO_DATA tells, by name.

    Those that are not known are left out. Of a kind that is not known there are none.

    Raises:
        NetlinkDecodeError: The data are malformed.
        SourceError: pyroute2 is not installed.
    """
    values = attribute_map(data)
    found: dict[str, Value] = {}
    for name, (number, atom) in _schema_or_error(kind).items():
        value = values.get(number)
        if value is not None:
            found[name] = _decoded(atom, value, kind, name)
        elif atom is PRESENCE:
            found[name] = False
    return found


def _decoded(atom: Atom, value: bytes, kind: str, name: str) -> Value:
    try:
        return atom.decode(value)
    except NetlinkDecodeError as error:
        raise NetlinkDecodeError(f"{name} of a {kind}: {error}", 0) from error


def _schema_or_error(kind: str) -> _Schema:
    try:
        return _schema(kind) or {}
    except ImportError as error:
        raise SourceError(f"parameters of links of kind {kind}: {_INSTALL}") from error
