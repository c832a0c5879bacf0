"""Policy routing rules as rtnetlink messages (include/uapi/linux/fib_rules.h)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Final

from ..._kernel.netlink import (
    NetlinkDecodeError,
    attributes,
    pack_attribute,
    pack_text,
    pack_u32,
)
from ..desired.checks import U16, U32, Network, unchecked
from ..desired.rule import ACTIONS, Range, Rule
from .wire import FAMILIES, VERSIONS, Indices, Names, u8, u16, u32

__all__ = ["DUMP", "decode", "encode", "encode_delete", "is_ours"]

DUMP: Final = bytes(12)
"""The payload of RTM_GETRULE for all rules; strict checks take a family and nothing else. Rules of
multicast routing (RTNL_FAMILY_IPMR) come along: see `is_ours`."""

_HEADER: Final = struct.Struct("=BBBBBxxBI")
"""fib_rule_hdr: family, bits of destination and source, tos, table, action, flags."""
_PORTS: Final = struct.Struct("=HH")
_UIDS: Final = struct.Struct("=II")

_DST: Final = 1
_SRC: Final = 2
_IIFNAME: Final = 3
_GOTO: Final = 4
_PRIORITY: Final = 6
_FWMARK: Final = 10
_SUPPRESS_IFGROUP: Final = 13
_SUPPRESS_PREFIXLEN: Final = 14
_TABLE: Final = 15
_FWMASK: Final = 16
_OIFNAME: Final = 17
_PAD: Final = 18
_L3MDEV: Final = 19
_UID_RANGE: Final = 20
_PROTOCOL: Final = 21
_IP_PROTO: Final = 22
_SPORT_RANGE: Final = 23
_DPORT_RANGE: Final = 24
_SPORT_MASK: Final = 28
_DPORT_MASK: Final = 29

_INVERT: Final = 0x2
_FIND_SADDR: Final = 0x10000
_COMPAT: Final = 252
"""RT_TABLE_COMPAT: what the header says of a table beyond its byte."""
_ACTION_NAMES: Final = {number: name for name, number in ACTIONS.items()}
_OTHER_ACTION: Final = "action/"


def _text(value: bytes) -> str:
    return value.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _range(shape: struct.Struct) -> Callable[[bytes], Range]:
    def read(value: bytes) -> Range:
        if len(value) != shape.size:
            raise NetlinkDecodeError(f"expected {shape.size} bytes, got {len(value)}", 0)
        first, last = shape.unpack(value)
        return first, last

    return read


_READERS: Final[Mapping[int, Callable[[bytes], Any]]] = {
    _DST: bytes,
    _SRC: bytes,
    _IIFNAME: _text,
    _GOTO: u32,
    _PRIORITY: u32,
    _FWMARK: u32,
    _SUPPRESS_IFGROUP: u32,
    _SUPPRESS_PREFIXLEN: u32,
    _TABLE: u32,
    _FWMASK: u32,
    _OIFNAME: _text,
    _PAD: bytes,
    _L3MDEV: u8,
    _UID_RANGE: _range(_UIDS),
    _PROTOCOL: u8,
    _IP_PROTO: u8,
    _SPORT_RANGE: _range(_PORTS),
    _DPORT_RANGE: _range(_PORTS),
}


def is_ours(payload: bytes) -> bool:
    """Whether it is a rule of IPv4 or IPv6."""
    return bool(payload) and payload[0] in VERSIONS


def decode(payload: bytes, names: Names) -> Rule:
    """The rule that a message tells (RTM_NEWRULE, RTM_DELRULE).

    Where the kernel keeps bits of an address that its prefix leaves out, and never looks at them
    but to find the rule, `unknown` has the whole address. An action without a name is `action/N`.

    Args:
        payload: What follows nlmsghdr.
        names: Not needed: rules name their interfaces themselves.

    Raises:
        NetlinkDecodeError: It is malformed, or of another family.
    """
    if len(payload) < _HEADER.size:
        raise NetlinkDecodeError(f"a rule of {len(payload)} bytes has no header", 0)
    family, to_bits, from_bits, tos, table, action, flags = _HEADER.unpack_from(payload)
    version = VERSIONS.get(family)
    if version is None:
        raise NetlinkDecodeError(f"a rule of address family {family}", 0)
    known: dict[int, Any] = {}
    unknown: list[tuple[int, bytes]] = []
    for kind, value in attributes(payload, _HEADER.size):
        reader = _READERS.get(kind)
        if reader is not None:
            known[kind] = reader(value)
        elif not _is_whole_port(kind, value):
            unknown.append((kind, value))
    get = known.get
    mark, mask = _mark(get(_FWMARK), get(_FWMASK))
    return unchecked(
        Rule,
        get(_PRIORITY, 0),
        get(_TABLE, table) or None,
        _network(version, _SRC, get(_SRC), from_bits, unknown) if from_bits else None,
        _network(version, _DST, get(_DST), to_bits, unknown) if to_bits else None,
        version,
        mark,
        mask,
        get(_IIFNAME) or None,
        get(_OIFNAME) or None,
        tos,
        get(_UID_RANGE),
        get(_IP_PROTO) or None,
        get(_SPORT_RANGE),
        get(_DPORT_RANGE),
        flags & _INVERT != 0,
        _ACTION_NAMES.get(action) or f"{_OTHER_ACTION}{action}",
        get(_GOTO),
        _unless_all(get(_SUPPRESS_PREFIXLEN)),
        _unless_all(get(_SUPPRESS_IFGROUP)),
        get(_L3MDEV, 0) != 0,
        get(_PROTOCOL),
        flags,
        tuple(unknown),
    )


def encode(rule: Rule, indices: Indices, protocol: int) -> bytes:
    """The payload of RTM_NEWRULE for a rule.

    Args:
        rule: The rule.
        indices: Not needed: a rule may name an interface that is not there yet.
        protocol: The tag (FRA_PROTOCOL) where the rule has none.
    """
    return _pack(rule, protocol if rule.protocol is None else rule.protocol)


def encode_delete(rule: Rule, indices: Indices) -> bytes:
    """The payload of RTM_DELRULE for a rule: all that it says, with its tag.

    The kernel deletes the first rule that has all this; to what is not said it is blind
    (rule_find() in net/core/fib_rules.c).

    Args:
        rule: The rule.
        indices: Not needed, as in `encode`.
    """
    return _pack(rule, rule.protocol)


def _is_whole_port(kind: int, value: bytes) -> bool:
    """Whether it says that all bits of a port count, which is told of single ones (Linux 6.15)."""
    return kind in {_SPORT_MASK, _DPORT_MASK} and u16(value) == U16


def _mark(mark: int | None, mask: int | None) -> tuple[int | None, int | None]:
    """The mark and its mask: the kernel tells no mark of 0, and neither where both are."""
    if not mark and not mask:
        return None, None
    return mark or 0, U32 if mask is None else mask


def _unless_all(value: int | None) -> int | None:
    """A limit: -1 is none."""
    return None if value == U32 else value


def _network(
    version: int, kind: int, value: bytes | None, bits: int, unknown: list[tuple[int, bytes]]
) -> Network:
    size = 4 if version == 4 else 16
    if value is None or len(value) != size or bits > size * 8:
        raise NetlinkDecodeError(
            f"{bits} bits of an IPv{version} address of {len(value or b'')} bytes", 0
        )
    network: Network = (
        IPv4Network((value, bits), strict=False)
        if version == 4
        else IPv6Network((value, bits), strict=False)
    )
    if network.network_address.packed != value:
        unknown.append((kind, value))
    return network


def _pack(rule: Rule, protocol: int | None) -> bytes:
    source, destination, table = rule.source, rule.destination, rule.table or 0
    header = _HEADER.pack(
        FAMILIES[rule.family],
        0 if destination is None else destination.prefixlen,
        0 if source is None else source.prefixlen,
        rule.tos,
        table if table < 256 else _COMPAT,
        _action(rule.action),
        # The other flags are the kernel's to set, and it would take them from us.
        (rule.flags & _FIND_SADDR) | (_INVERT if rule.invert else 0),
    )
    parts = [header, pack_u32(_PRIORITY, rule.priority)]
    for kind, network in ((_SRC, source), (_DST, destination)):
        if network is not None:
            parts.append(pack_attribute(kind, network.network_address.packed))
    for kind, name in ((_IIFNAME, rule.iif), (_OIFNAME, rule.oif)):
        if name is not None:
            parts.append(pack_text(kind, name))
    for kind, number in (
        (_TABLE, rule.table),
        (_FWMARK, rule.fwmark),
        (_FWMASK, rule.fwmask),
        (_GOTO, rule.goto),
        (_SUPPRESS_PREFIXLEN, rule.suppress_prefix_length),
        (_SUPPRESS_IFGROUP, rule.suppress_group),
    ):
        if number is not None:
            parts.append(pack_u32(kind, number))
    for kind, byte in ((_IP_PROTO, rule.ip_protocol), (_PROTOCOL, protocol)):
        if byte is not None:
            parts.append(pack_attribute(kind, bytes((byte,))))
    for kind, shape, span in (
        (_UID_RANGE, _UIDS, rule.uid_range),
        (_SPORT_RANGE, _PORTS, rule.source_ports),
        (_DPORT_RANGE, _PORTS, rule.destination_ports),
    ):
        if span is not None:
            parts.append(pack_attribute(kind, shape.pack(*span)))
    if rule.l3mdev:
        parts.append(pack_attribute(_L3MDEV, b"\1"))
    # Last, since of an attribute that comes twice the kernel takes the last.
    parts += [pack_attribute(kind, value) for kind, value in rule.unknown]
    return b"".join(parts)


def _action(name: str) -> int:
    number = ACTIONS.get(name)
    return int(name.removeprefix(_OTHER_ACTION)) if number is None else number
